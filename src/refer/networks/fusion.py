"""Late, early and joint fusion of two backbones (Gadzicki et al. 2020), the rivals of tran2023's own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from refer.networks.classifier import Extractor, cnn
from refer.networks.options import CnnOptions, EarlyFusionOptions, JointFusionOptions, LateFusionOptions
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


def late_fusion(options: LateFusionOptions, classes: int) -> nn.Module:
    """Build late fusion over two classifiers as `cnn` builds them."""
    names = (options.first, options.second)
    refuse_one_file(names, options.weights)
    a, b = (
        cnn(CnnOptions(backbone=name, weights=options.weights, channels=options.channels, vgg=options.vgg), classes)
        for name in names
    )
    return LateFusion(a, b, options.channels, options.rule)


def early_fusion(options: EarlyFusionOptions, classes: int) -> nn.Module:
    """Build the early fusion: 7,175 trained parameters for 512-d features and 7 classes."""
    return _concatenation(options, classes, frozen=True)


def joint_fusion(options: JointFusionOptions, classes: int) -> nn.Module:
    """Build the joint fusion: 32,468,359 parameters for ResNet-18 with ResNet-34 and 7 classes."""
    return _concatenation(options, classes, frozen=False)


def _concatenation(options: EarlyFusionOptions, classes: int, frozen: bool) -> nn.Module:
    names = (options.first, options.second)
    a, b = extractors(names, options.channels, options.weights, vector_grids(names, options.vgg))
    return ConcatenationFusion(a, b, options.channels, frozen, options.hidden, options.dropout, classes)
