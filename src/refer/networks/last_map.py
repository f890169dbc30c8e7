"""The last feature map of a network that returns several."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class LastMap(nn.Module):
    """Takes the last of the maps that a network returns; `width` is the number of its channels."""

    def __init__(self, features: Any, order: str, width: int) -> None:
        super().__init__()
        self.features = features
        self.order = order
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, width, h, w)."""
        returned = self.features(images)
        maps: Tensor = list(returned.values() if isinstance(returned, dict) else returned)[-1]
        return maps.permute(0, 3, 1, 2).contiguous() if self.order.endswith("NHWC") else maps
