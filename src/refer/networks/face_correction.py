"""feratt2019: the image with its face brought forward, from features and an attention map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FILTERS = 32
"""Maps between the two convolutions of the correction."""

CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_SPREAD = (0.2023, 0.1994, 0.2010)
"""Of the pixels of CIFAR-10 in 0..1, from which the authors' code re-normalises."""


class ResidualBlock(nn.Module):
    """x + conv(LeakyReLU₀.₂(conv(x))), both 3x3 with bias and without normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) → (B, K, H, W)."""
        result: Tensor = x + self.convolve(x)
        return result


class FaceFeatures(nn.Module):
    """F = conv3(blocks(h)) + h with h = conv9(x): features at full size, from eight residual blocks.

    153 K² + 261 K parameters: 9,324 at K = 7.
    """

    def __init__(self, maps: int, blocks: int = 8) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, maps, 9, padding=4)
        self.blocks = nn.Sequential(*(ResidualBlock(maps) for _ in range(blocks)))
        self.leave = nn.Conv2d(maps, maps, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, K, H, W)."""
        entered = self.enter(images)
        features: Tensor = self.leave(self.blocks(entered)) + entered
        return features


class Correction(nn.Module):
    """I_att = ReLU(BN(conv1(ReLU(conv3([sigmoid(A) ∘ F, x, A]))))): 2K + 3 → 32 → 3 maps.

    576 K + 1,001 parameters.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(2 * maps + 3, FILTERS, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(FILTERS, 3, 1),
            nn.BatchNorm2d(3),
            nn.ReLU(),
        )

    def forward(self, images: Tensor, scores: Tensor, features: Tensor) -> Tensor:
        """x (B, 3, H, W), A and F (B, K, H, W) → I_att (B, 3, H, W), 0 or above."""
        corrected: Tensor = self.convolve(torch.cat((scores.sigmoid() * features, images, scores), dim=1))
        return corrected


class Renormalise(nn.Module):
    """From CIFAR-10's mean and spread to 0.5 and 0.5, channel by channel.

        y = (s x + m - 0.5) / 0.5

    as in the authors' code, which once normalised its images by CIFAR-10's statistics. For the images of 0..1
    that reach this network it is a fixed map that halves the contrast.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(CIFAR_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor(CIFAR_SPREAD).view(1, 3, 1, 1), persistent=False)
        self.mean: Tensor
        self.spread: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, 3, H, W)."""
        return (self.spread * x + self.mean - 0.5) / 0.5
