"""Small backbones for CPUs, made for images of 48 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refer.networks.backbones import halved_down, halved_up
from refer.networks.registry import backbone

if TYPE_CHECKING:
    from torch import nn

    from refer.networks.stages import Backbone


@backbone("compact", "compact-16", "compact-40", side=lambda side: halved_down(halved_up(side, 1), 2))
def compact(name: str, channels: int, weights: str) -> Backbone:
    """Build a VGG-like net: (B, channels, 48, 48) → (B, 4·width, 6, 6).

    With three channels 287,456 parameters at width 32 (`compact`), 72,304 at width 16 (`compact-16`) and 448,600 at
    width 40 (`compact-40`). The stride of the first convolution keeps the costly 3x3 layers at 24 pixels and below:
    `compact` sees over 50 times the images per second of a ResNet-18 with a 3x3 stem on a CPU core
    (docs/performance.md).
    """
    from torch import nn

    from refer.networks.stages import Backbone, convolution

    width = int(name.removeprefix("compact").removeprefix("-") or 32)
    return Backbone(
        convolution(channels, width, stride=2),
        convolution(width, width),
        nn.MaxPool2d(2),
        convolution(width, 2 * width),
        convolution(2 * width, 2 * width),
        nn.MaxPool2d(2),
        convolution(2 * width, 4 * width),
        convolution(4 * width, 4 * width),
        width=4 * width,
    )


@backbone("compact-resnet8", "compact-resnet14", side=lambda side: halved_up(side, 3))
def compact_resnet(name: str, channels: int, weights: str) -> Backbone:
    """Build a small pre-activation ResNet: (B, channels, 48, 48) → (B, 64, 6, 6).

    He et al.'s network of 6·blocks + 2 layers for images of 32 pixels, but with a stride of 2 at once, as `compact`
    has it: 77,200 parameters with one block a stage (`compact-resnet8`), 174,416 with two (`compact-resnet14`).
    """
    from torch import nn

    from refer.networks.preactresnet import PreActivationBlock
    from refer.networks.stages import Backbone

    blocks = (int(name.removeprefix("compact-resnet")) - 2) // 6
    inputs = 16
    stages: list[nn.Module] = [nn.Conv2d(channels, inputs, 3, 2, 1, bias=False)]
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        for number in range(blocks):
            stages.append(PreActivationBlock(inputs, outputs, stride if number == 0 else 1))
            inputs = outputs
    return Backbone(*stages, nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), width=inputs)
