"""naseem2025: visible and infrared light, joined feature by feature ("early fusion")."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refer.networks.backbones import build_backbone
from refer.networks.feature_gate import HIDDEN, GatedTrunk
from refer.networks.interface import Network
from refer.networks.options import InterleavedFusionOptions


def interleave(a: Tensor, b: Tensor) -> Tensor:
    """Element by element: (B, d), (B, d) → (B, 2d), which holds a₀ b₀ a₁ b₁ and so on.

    For the linear layer that follows it is a concatenation with its inputs in another order.
    """
    return torch.stack((a, b), dim=-1).flatten(1)


class InterleavedFusion(Network):
    """Two trunks of one modality each → interleaved features → head; everything trains.

    The last dropout stands behind the last linear layer, as in the paper: while training it sets logits to zero.
    The paper's softmax behind it is left to the loss.
    """

    pixels = "unit"
    modalities = ("visible", "infrared")
    branches = ("visible", "infrared")

    def __init__(self, visible: GatedTrunk, infrared: GatedTrunk, channels: int, classes: int) -> None:
        super().__init__()
        self.channels = channels
        self.visible = visible
        self.infrared = infrared
        self.head = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(visible.width + infrared.width, HIDDEN),
            nn.ReLU(),
            nn.BatchNorm1d(HIDDEN),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN, classes),
            nn.Dropout(0.2),
        )

    def features(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Two of (B, C, H, W) → (B, 2d): what the head sees."""
        return interleave(self.visible(visible), self.infrared(infrared))

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Two of (B, C, H, W), the same faces in the same order → logits (B, classes)."""
        logits: Tensor = self.head(self.features(visible, infrared))
        return logits


def interleaved_fusion(options: InterleavedFusionOptions, classes: int) -> nn.Module:
    """Build it: 23,142,533 parameters with ResNet-18 and 5 classes.

    In the authors' script the infrared branch then starts from the trained infrared network and the visible one
    from ImageNet weights; `load_branches` starts either, both, or, not called, none.
    """
    visible, infrared = (
        GatedTrunk(build_backbone(options.backbone, options.channels, options.weights), options.attention, options.gate)
        for _ in range(2)
    )
    return InterleavedFusion(visible, infrared, options.channels, classes)
