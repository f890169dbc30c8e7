"""Late, early and joint fusion of two backbones (Gadzicki et al. 2020), the rivals of tran2023's own."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from refer.networks.catalog import network
from refer.networks.classifier import Extractor, cnn
from refer.networks.options import BackboneName, Dropout
from refer.networks.two_branches import (
    Matched,
    TwoBranchNet,
    classifier_head,
    extractors,
    refuse_one_file,
    vector_grids,
)


class LateFusion(TwoBranchNet):
    """Two trained classifiers whose decisions are combined by a fixed rule; nothing is left to train.

    With p and q their probabilities:

        mean      (p + q) / 2
        product   p ∘ q, normalised
        max       max(p, q), normalised

    The logits are the logarithms of these, so that a softmax gives them back.
    """

    branch_prefix = ""

    def __init__(self, first: nn.Module, second: nn.Module, channels: int, rule: str) -> None:
        super().__init__(first, second, channels, frozen=True)
        self.rule = rule

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """The logits of both → log-probabilities (B, 2K)."""
        return torch.cat((a.log_softmax(dim=1), b.log_softmax(dim=1)), dim=1)

    def classify(self, joined: Tensor) -> Tensor:
        """(B, 2K) → (B, K)."""
        p, q = joined.chunk(2, dim=1)
        if self.rule == "mean":
            return torch.logaddexp(p, q) - math.log(2)
        return p + q if self.rule == "product" else torch.maximum(p, q)


class ConcatenationFusion(TwoBranchNet):
    """The two features, side by side, into one classifier.

    Early fusion keeps the extractors as they are; joint fusion lets the gradient into both.
    """

    def __init__(
        self,
        first: Extractor,
        second: Extractor,
        channels: int,
        frozen: bool,
        hidden: int,
        dropout: float,
        classes: int,
    ) -> None:
        super().__init__(first, second, channels, frozen)
        width = min(first.width, second.width)
        self.match_first = Matched(first, width)
        self.match_second = Matched(second, width)
        self.head = classifier_head(2 * width, hidden, dropout, classes)

    def join(self, a: Tensor, b: Tensor) -> Tensor:
        """Maps of both → (B, 2d)."""
        return torch.cat((self.match_first(a), self.match_second(b)), dim=1)

    def classify(self, joined: Tensor) -> Tensor:
        """(B, 2d) → logits (B, classes)."""
        logits: Tensor = self.head(joined)
        return logits


@network
def late_fusion(
    *,
    classes: int,
    first: BackboneName = "resnet18",
    second: BackboneName = "resnet34",
    weights: str = "none",
    channels: Literal[1, 3] = 3,
    rule: Literal["mean", "product", "max"] = "mean",
    vgg: Literal["pool", "whole"] = "pool",
) -> nn.Module:
    """Build the late fusion of two `cnn` networks, which `load_branches` must fill.

    Args:
        classes: K, the number of expressions.
        first: backbone of the one branch.
        second: backbone of the other.
        weights: `none` or `imagenet`; of the branches' kind, which says how images are standardised.
        channels: of the images that the network expects.
        rule: how the decisions are combined.
        vgg: whether a branch that is a VGG has its fully connected layers; as in `cnn`.
    """
    refuse_one_file((first, second), weights)
    a, b = (
        cnn(classes=classes, backbone=name, weights=weights, channels=channels, vgg=vgg) for name in (first, second)
    )
    return LateFusion(a, b, channels, rule)


@network
def early_fusion(
    *,
    classes: int,
    first: BackboneName = "resnet18",
    second: BackboneName = "resnet34",
    weights: str = "none",
    channels: Literal[1, 3] = 3,
    vgg: Literal["pool", "flatten"] = "pool",
    hidden: Annotated[int, Field(ge=0, le=4096)] = 0,
    dropout: Dropout = 0.0,
) -> nn.Module:
    """Build the early fusion of two frozen extractors: 7,175 trained parameters for 512-d features and 7 classes.

    Args:
        classes: K, the number of expressions.
        first: backbone of the one branch.
        second: backbone of the other.
        weights: `none` or `imagenet`, for both; `load_branches` then puts trained ones in their place.
        channels: of the images that the network expects.
        vgg: a VGG's map is averaged to 512 numbers, or flattened at 7 x 7 and projected to 512.
        hidden: units of a hidden layer in the classifier; 0 for none.
        dropout: in the classifier.
    """
    names = (first, second)
    a, b = extractors(names, channels, weights, vector_grids(names, vgg))
    return ConcatenationFusion(a, b, channels, True, hidden, dropout, classes)


@network
def joint_fusion(
    *,
    classes: int,
    first: BackboneName = "resnet18",
    second: BackboneName = "resnet34",
    weights: str = "none",
    channels: Literal[1, 3] = 3,
    vgg: Literal["pool", "flatten"] = "pool",
    hidden: Annotated[int, Field(ge=0, le=4096)] = 0,
    dropout: Dropout = 0.0,
) -> nn.Module:
    """Build the joint fusion: as early fusion, with gradients into both extractors.

    32,468,359 parameters for ResNet-18 with ResNet-34 and 7 classes. The options are those of `early_fusion`.
    """
    names = (first, second)
    a, b = extractors(names, channels, weights, vector_grids(names, vgg))
    return ConcatenationFusion(a, b, channels, False, hidden, dropout, classes)
