"""What backbones are made of."""

from __future__ import annotations

from torch import nn


class Backbone(nn.Sequential):
    """A stack of stages; `width` is the number of channels of the feature map that it returns."""

    def __init__(self, *stages: nn.Module, width: int) -> None:
        super().__init__(*stages)
        self.width = width


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
