"""ResNet-18 and -34: torchvision's (He et al. 2016), with a 3x3 stem, and the pre-activation kind for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refer.networks.backbones import halved_up
from refer.networks.registry import backbone

if TYPE_CHECKING:
    from refer.networks.stages import Backbone


@backbone("resnet18", "resnet34", side=lambda side: halved_up(side, 5), imagenet=True)
def resnet(name: str, channels: int, weights: str) -> Backbone:
    """Build torchvision's ResNet without pooling and classifier: stride 32, 512 channels.

    11,176,512 and 21,284,672 parameters with three channels.
    """
    from torch import nn

    from refer.networks.stages import Backbone
    from refer.networks.weights import load_weights, torchvision_models

    net = getattr(torchvision_models(), name)(weights=None)
    load_weights(net, name, weights)
    if channels != 3:
        net.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    stages = (net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4)
    return Backbone(*stages, width=512)


@backbone("resnet18-3x3", "resnet34-3x3", side=lambda side: halved_up(side, 3))
def resnet_of_small_images(name: str, channels: int, weights: str) -> Backbone:
    """Build torchvision's ResNet with a 3x3 stem without stride and pooling: stride 8, 512 channels."""
    from torch import nn

    from refer.networks.stages import Backbone
    from refer.networks.weights import torchvision_models

    net = getattr(torchvision_models(), name.removesuffix("-3x3"))(weights=None)
    stem = nn.Conv2d(channels, 64, 3, 1, 1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    stages = (stem, net.bn1, net.relu, nn.Identity(), net.layer1, net.layer2, net.layer3, net.layer4)
    return Backbone(*stages, width=512)


@backbone("preactresnet18", "preactresnet18-open", side=lambda side: halved_up(side, 3))
def preactresnet(name: str, channels: int, weights: str) -> Backbone:
    """Build the pre-activation ResNet-18; `-open` lacks the closing normalisation and ReLU."""
    from refer.networks.preactresnet import preactresnet18
    from refer.networks.stages import Backbone

    return Backbone(*preactresnet18(channels, closed=not name.endswith("-open")), width=512)
