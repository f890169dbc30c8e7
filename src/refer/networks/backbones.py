"""Convolutional backbones: images in, the last feature map out."""

from __future__ import annotations

from typing import get_args

from torch import nn

from refer.errors import UserError, unknown
from refer.networks.options import BackboneName
from refer.networks.preactresnet import PreActivationBlock, preactresnet18
from refer.networks.weights import IMAGENET, load_weights, torchvision_models


class Backbone(nn.Sequential):
    """A stack of stages; `width` is the number of channels of the feature map that it returns."""

    def __init__(self, *stages: nn.Module, width: int) -> None:
        super().__init__(*stages)
        self.width = width


def convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def compact(channels: int, width: int = 32) -> Backbone:
    """A VGG-like net for CPUs: (B, channels, 48, 48) → (B, 4·width, 6, 6).

    With three channels 287,456 parameters at width 32 (`compact`), 72,304 at width 16 (`compact-16`) and 448,600 at
    width 40 (`compact-40`). The stride of the first convolution keeps the costly 3x3 layers at 24 pixels and below:
    `compact` sees over 50 times the images per second of a ResNet-18 with a 3x3 stem on a CPU core
    (docs/performance.md).
    """
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


def compact_resnet(channels: int, blocks: int, width: int = 16) -> Backbone:
    """A small pre-activation ResNet for CPUs: (B, channels, 48, 48) → (B, 4·width, 6, 6).

    He et al.'s network of 6·blocks + 2 layers for images of 32 pixels, but with a stride of 2 at once, as `compact`
    has it: 77,200 parameters with one block a stage (`compact-resnet8`), 174,416 with two (`compact-resnet14`).
    """
    stages: list[nn.Module] = [nn.Conv2d(channels, width, 3, 2, 1, bias=False)]
    inputs = width
    for outputs, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
        for number in range(blocks):
            stages.append(PreActivationBlock(inputs, outputs, stride if number == 0 else 1))
            inputs = outputs
    return Backbone(*stages, nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), width=inputs)


def resnet(name: str, channels: int, weights: str, stem: int = 7) -> Backbone:
    """torchvision's ResNet-18 or -34 without pooling and classifier: stride 32, 512 channels.

    A 3x3 stem without stride and pooling keeps small images large: stride 8. 11,176,512 and 21,284,672 parameters
    with the 7x7 stem and three channels.
    """
    net = getattr(torchvision_models(), name)(weights=None)
    load_weights(net, name, weights)
    if channels != 3 or stem == 3:
        net.conv1 = (
            nn.Conv2d(channels, 64, 3, 1, 1, bias=False) if stem == 3 else nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        )
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    pool = nn.Identity() if stem == 3 else net.maxpool
    stages = (net.conv1, net.bn1, net.relu, pool, net.layer1, net.layer2, net.layer3, net.layer4)
    return Backbone(*stages, width=512)


def vgg(name: str, channels: int, weights: str) -> Backbone:
    """torchvision's VGG-11 or -13 features without the last pooling: stride 16, 512 channels.

    9,220,480 and 9,404,992 parameters with three channels.
    """
    net = getattr(torchvision_models(), name)(weights=None)
    load_weights(net, name, weights)
    stages = list(net.features)[:-1]
    if channels != 3:
        stages[0] = nn.Conv2d(channels, 64, 3, padding=1)
    return Backbone(*stages, width=512)


def whole_vgg(name: str, channels: int, weights: str, classes: int, dropout: float) -> tuple[Backbone, nn.Sequential]:
    """torchvision's VGG-11 or -13 with its fully connected layers: `vgg` and what follows it, up to the classes.

        max-pool 2 → mean over 7 x 7 places → 25,088 → 4,096 → ReLU → dropout → 4,096 → ReLU → dropout → classes

    128,795,015 and 128,979,527 parameters for 7 classes and three channels.
    """
    net = getattr(torchvision_models(), name)(weights=None)
    load_weights(net, name, weights)
    stages = list(net.features)[:-1]
    if channels != 3:
        stages[0] = nn.Conv2d(channels, 64, 3, padding=1)
    wide, _, _, middle, _, _, _ = net.classifier
    layers = [wide, nn.ReLU(), nn.Dropout(dropout), middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(4096, classes)]
    return Backbone(*stages, width=512), nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(7), nn.Flatten(), *layers)


def build_backbone(name: str, channels: int, weights: str) -> Backbone:
    """The backbone of that name.

    Args:
        name: one of `options.BackboneName`.
        channels: of the images, 1 or 3.
        weights: `none`, `imagenet`, or the path of a state_dict of torchvision's whole network as safetensors.

    Raises:
        UserError: the weights do not fit the backbone, or there is no such backbone.
    """
    if weights != "none" and (channels != 3 or name not in IMAGENET):
        raise UserError(
            f"network: weights {weights!r} fit {', '.join(IMAGENET)} with 3 channels, "
            f"not {name} with {channels}; set weights to 'none' or change the backbone."
        )
    match name:
        case "compact":
            return compact(channels)
        case "compact-16" | "compact-40":
            return compact(channels, int(name.removeprefix("compact-")))
        case "compact-resnet8" | "compact-resnet14":
            return compact_resnet(channels, 1 if name.endswith("8") else 2)
        case "resnet18" | "resnet34":
            return resnet(name, channels, weights)
        case "resnet18-3x3" | "resnet34-3x3":
            return resnet(name.removesuffix("-3x3"), channels, weights, stem=3)
        case "vgg11" | "vgg13":
            return vgg(name, channels, weights)
        case "preactresnet18":
            return Backbone(*preactresnet18(channels), width=512)
        case "preactresnet18-open":
            return Backbone(*preactresnet18(channels, closed=False), width=512)
    raise UserError(f"network.backbone: no backbone {unknown(name, get_args(BackboneName))}.")
