"""Prepared images on the device: uint8, all of them, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from refer import files
from refer.errors import UserError

MEAN, SPREAD = 127.5, 63.75
"""Pixels 0..255 become -2..2: about zero mean and unit variance, without a look at the data."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_SPREAD = (58.395, 57.12, 57.375)
"""What torchvision's ImageNet weights were trained with, for pixels 0..255."""


@dataclass(frozen=True)
class Part:
    """Images (N, C, H, W) uint8 and labels (N,) int64 on the device, with the ids and flags of the rows."""

    images: Tensor
    labels: Tensor
    ids: list[str]
    kept: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def load_index(prepared: Path, split: Path) -> tuple[pd.DataFrame, list[str]]:
    """The prepared index with the split's columns beside it, and the classes in code order.

    Raises:
        UserError: the split was made for another index.
    """
    index = pd.read_parquet(prepared / "index.parquet")
    parts = pd.read_parquet(split)
    if not index["id"].equals(parts["id"]):
        raise UserError(f"{split}: its rows are not those of {prepared / 'index.parquet'}; delete it and run again.")
    classes = files.read_json(prepared / "prepare.json")["classes"]
    return index.assign(part=parts["part"], kept=parts["kept"]), list(classes)


def load_part(prepared: Path, index: pd.DataFrame, name: str, device: torch.device, *, kept_only: bool) -> Part:
    """Copy one part of the prepared images to the device."""
    chosen = (index["part"] == name).to_numpy(dtype=bool)
    if kept_only:
        chosen = chosen & index["kept"].to_numpy(dtype=bool)
    rows = np.flatnonzero(chosen)
    if len(rows) == 0:
        raise UserError(f"{prepared}: the part {name!r} holds no image.")
    images = np.load(prepared / "images.npy", mmap_mode="r")[rows]
    frame = index.iloc[rows]
    return Part(
        images=torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device),
        labels=torch.from_numpy(frame["label"].to_numpy(dtype=np.int64)).to(device),
        ids=frame["id"].astype(str).tolist(),
        kept=frame["kept"].to_numpy(dtype=bool),
    )


def standardise(images: Tensor, channels: int, size: int, imagenet: bool = False) -> Tensor:
    """(B, C, H, W) uint8 0..255 → (B, channels, size, size) float32, centred and scaled.

    Grey images are repeated where the network wants three channels; colour images become grey by the
    luma of ITU-R BT.601 where it wants one.
    """
    result = images.float()
    if result.shape[1] == 3 and channels == 1:
        luma = result.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        result = (result * luma).sum(dim=1, keepdim=True)
    if result.shape[-1] != size or result.shape[-2] != size:
        result = functional.interpolate(result, (size, size), mode="bilinear", antialias=True, align_corners=False)
    if imagenet:
        mean = result.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
        spread = result.new_tensor(IMAGENET_SPREAD).view(1, 3, 1, 1)
        return (result.expand(-1, 3, -1, -1) - mean) / spread
    return ((result - MEAN) / SPREAD).expand(-1, channels, -1, -1)


class Reader:
    """Turns uint8 images into what one network expects."""

    def __init__(self, network: nn.Module, weights: str, size: int, channels_last: bool = True) -> None:
        self.channels = int(getattr(network, "channels", 3))
        self.imagenet = weights == "imagenet"
        self.size = size
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 → (B, channels, size, size) float32."""
        return standardise(images, self.channels, self.size, self.imagenet).contiguous(memory_format=self.format)
