"""Two backbones that look at the same image, and the ways to join what they see (tran2023)."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from refer.errors import UserError
from refer.networks.backbones import build_backbone
from refer.networks.classifier import Extractor
from refer.networks.interface import Network

VGG_GRID = 7
"""Side of the map that torchvision's VGGs flatten: 512 x 7 x 7 = 25,088 features."""


class TwoBranchNet(Network):
    """Two extractors → one feature vector of both (`join`) → classes.

    Frozen extractors stay in evaluation mode and get no gradient, so that what they return for an image never
    changes: `extract` may be run once and kept, and `decide` trained on that.
    """

    branches = ("first", "second")

    def __init__(self, first: nn.Module, second: nn.Module, channels: int, frozen: bool) -> None:
        super().__init__()
        self.channels = channels
        self.first = first
        self.second = second
        self.frozen = frozen
        if frozen:
            first.requires_grad_(False)
            second.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """As usual, but frozen extractors stay in evaluation mode: no dropout, no new batch statistics."""
        super().train(mode)
        if self.frozen:
            self.first.eval()
            self.second.eval()
        return self

    def extract(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) → what each branch sees."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.first(images), self.second(images)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """What the branches saw → one feature vector (B, d)."""
        raise NotImplementedError

    def classify(self, joined: Tensor) -> Tensor:
        """(B, d) → logits (B, classes)."""
        raise NotImplementedError

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, d): what the classifier sees."""
        return self.join(*self.extract(images))

    def decide(self, a: Tensor, b: Tensor) -> Tensor:
        """What the branches saw → logits (B, classes)."""
        return self.classify(self.join(a, b))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → logits (B, classes)."""
        return self.decide(*self.extract(images))


def extractors(names: tuple[str, str], channels: int, weights: str, grids: tuple[int, int]) -> list[Extractor]:
    """Two backbones, both started from `weights`, and the grids that their maps are averaged to.

    Raises:
        UserError: the weights are a file, which cannot fit two different backbones.
    """
    refuse_one_file(names, weights)
    return [Extractor(build_backbone(name, channels, weights), grid) for name, grid in zip(names, grids, strict=True)]


def refuse_one_file(names: tuple[str, str], weights: str) -> None:
    """Raise UserError if both backbones, which differ, were to begin with one file of weights."""
    if weights not in ("none", "imagenet") and names[0] != names[1]:
        raise UserError(
            f"network.weights: found {weights!r}, expected 'none' or 'imagenet': one file cannot fit both "
            f"{names[0]} and {names[1]}; train the branches alone first, each from its file."
        )


def vector_grids(names: tuple[str, str], vgg: str) -> tuple[int, int]:
    """The grid that gives each backbone's feature vector: 1 x 1, or 7 x 7 for a VGG whose map is flattened."""
    first, second = (VGG_GRID if vgg == "flatten" and name.startswith("vgg") else 1 for name in names)
    return first, second


class Matched(nn.Module):
    """A branch's feature map, flattened, as a vector of the width that both branches share.

    One that has this width already passes unchanged; another one is projected by a linear layer.
    """

    def __init__(self, extractor: Extractor, width: int) -> None:
        super().__init__()
        self.project = nn.Identity() if extractor.length == width else nn.Linear(extractor.length, width)

    def forward(self, feature: Tensor) -> Tensor:
        """(B, C, g, g) → (B, width)."""
        vector: Tensor = self.project(feature.flatten(1))
        return vector


def classifier_head(width: int, hidden: int, dropout: float, classes: int) -> nn.Sequential:
    """Dropout and one linear layer, or with `hidden` units two of them with ReLU between."""
    layers: list[nn.Module] = [nn.Dropout(dropout)]
    if hidden:
        layers += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(hidden or width, classes))
