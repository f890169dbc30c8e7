"""VGG-11 and -13, and -13 with batch normalisation: torchvision's (Simonyan and Zisserman 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refer.networks.backbones import halved_down
from refer.networks.registry import backbone

if TYPE_CHECKING:
    from torch import nn

    from refer.networks.stages import Backbone


@backbone("vgg11", "vgg13", side=lambda side: halved_down(side, 4), imagenet=True)
def vgg(name: str, channels: int, weights: str) -> Backbone:
    """Build torchvision's VGG features without the last pooling: stride 16, 512 channels.

    9,220,480 and 9,404,992 parameters with three channels.
    """
    return _backbone(_torchvision(name, weights), channels)


@backbone("vgg13-bn", side=lambda side: halved_down(side, 4))
def vgg_bn(name: str, channels: int, weights: str) -> Backbone:
    """Build torchvision's VGG-13 features with batch normalisation, without the last pooling: stride 16, 512 channels.

    9,410,880 parameters with three channels.
    """
    return _backbone(_torchvision(name.replace("-", "_"), weights), channels)


def whole_vgg(name: str, channels: int, weights: str, classes: int, dropout: float) -> tuple[Backbone, nn.Sequential]:
    """Build torchvision's VGG with its fully connected layers: `vgg` and what follows it, up to the classes.

        max-pool 2 → mean over 7 x 7 places → 25,088 → 4,096 → ReLU → dropout → 4,096 → ReLU → dropout → classes

    128,795,015 and 128,979,527 parameters for 7 classes and three channels.
    """
    from torch import nn

    net = _torchvision(name, weights)
    features = _backbone(net, channels)
    wide, _, _, middle, _, _, _ = net.classifier
    layers = [wide, nn.ReLU(), nn.Dropout(dropout), middle, nn.ReLU(), nn.Dropout(dropout), nn.Linear(4096, classes)]
    pooled = [nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(7), nn.Flatten()]
    return features, nn.Sequential(*pooled, *layers)


def _torchvision(name: str, weights: str) -> Any:
    from refer.networks.weights import load_weights, torchvision_models

    net = getattr(torchvision_models(), name)(weights=None)
    load_weights(net, name, weights)
    return net


def _backbone(net: Any, channels: int) -> Backbone:
    from torch import nn

    from refer.networks.stages import Backbone

    stages = list(net.features)[:-1]
    if channels != 3:
        stages[0] = nn.Conv2d(channels, 64, 3, padding=1)
    return Backbone(*stages, width=512)
