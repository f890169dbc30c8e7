"""feratt2019: where the face is. A decoder that climbs back over the maps of an encoder (U-Net-like)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from refer.networks.backbones import build_backbone
from refer.networks.stages import convolution


class Encoder(nn.Module):
    """A backbone that hands out its maps at strides 4, 8, 16 and 32.

    As in the authors' code the stem is followed by a 2x2 maximum, where torchvision has a 3x3 one. `compact` is
    a small encoder for CPUs, ours: 97,680 parameters where ResNet-34 has 21,284,672.
    """

    def __init__(self, name: str, weights: str) -> None:
        super().__init__()
        if name == "compact":
            self.widths = (16, 32, 64, 128)
            self.stem = nn.Sequential(convolution(3, 16, stride=2), nn.MaxPool2d(2))
            stages: list[nn.Module] = [nn.Identity()]
            stages += [convolution(a, 2 * a, stride=2) for a in self.widths[:-1]]
        else:
            self.widths = (64, 128, 256, 512)
            convolved, norm, relu, _, *stages = build_backbone(name, 3, weights)
            self.stem = nn.Sequential(convolved, norm, relu, nn.MaxPool2d(2))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) → four maps, the finest first."""
        maps = []
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class UpBlock(nn.Module):
    """Enlarge, then two 3x3 convolutions with ReLU."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(inputs, middle, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, outputs, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
        """(B, inputs, h, w) → (B, outputs, *size)."""
        larger = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
        result: Tensor = self.convolve(larger)
        return result


class AttentionMap(nn.Module):
    """Encoder → a 2x2 maximum → six steps up, the first four beside the encoder's maps → K maps of scores.

    With f = `filters` = 32 and ResNet-34: 34,604,864 + 33 K parameters. A side of 64 pixels passes
    through maps of 32, 16, 8, 4, 2 and 1; any other side works as well, for every step up aims at the size of
    the map that it meets.
    """

    def __init__(self, encoder: Encoder, filters: int, maps: int) -> None:
        super().__init__()
        f = filters
        w2, w3, w4, w5 = encoder.widths
        self.encoder = encoder
        self.bottom = nn.MaxPool2d(2, ceil_mode=True)
        self.centre = UpBlock(w5, 16 * f, 8 * f)
        self.up5 = UpBlock(w5 + 8 * f, 16 * f, 8 * f)
        self.up4 = UpBlock(w4 + 8 * f, 16 * f, 8 * f)
        self.up3 = UpBlock(w3 + 8 * f, 8 * f, 2 * f)
        self.up2 = UpBlock(w2 + 2 * f, 4 * f, 4 * f)
        self.up1 = UpBlock(4 * f, 4 * f, f)
        self.scores = nn.Sequential(nn.Conv2d(f, f, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(f, maps, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → scores A (B, K, H, W); sigmoid(A) is the attention."""
        m2, m3, m4, m5 = self.encoder(images)
        height, width = images.shape[-2:]
        x = self.centre(self.bottom(m5), m5.shape[-2:])
        x = self.up5(torch.cat((x, m5), dim=1), m4.shape[-2:])
        x = self.up4(torch.cat((x, m4), dim=1), m3.shape[-2:])
        x = self.up3(torch.cat((x, m3), dim=1), m2.shape[-2:])
        x = self.up2(torch.cat((x, m2), dim=1), ((height + 1) // 2, (width + 1) // 2))
        scores: Tensor = self.scores(self.up1(x, (height, width)))
        return scores
