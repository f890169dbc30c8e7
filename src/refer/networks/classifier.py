"""A CNN as it is usually fine-tuned: backbone, pooling, one linear classifier."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from refer.errors import UserError
from refer.networks.backbones import build_backbone
from refer.networks.backbones.vgg import whole_vgg
from refer.networks.interface import Network, Pixels
from refer.networks.options import CnnOptions
from refer.networks.pooling import GridPool
from refer.networks.stages import Backbone


class Extractor(nn.Module):
    """A backbone whose feature map is averaged over a grid of places.

    It has no parameters beside the backbone's, so that weights pass between grids.
    """

    def __init__(self, backbone: Backbone, grid: int = 1) -> None:
        super().__init__()
        self.backbone = backbone
        self.pool = GridPool(grid)
        self.width = backbone.width
        self.length = backbone.width * grid * grid

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, width, grid, grid), of `length` numbers an image."""
        pooled: Tensor = self.pool(self.backbone(images))
        return pooled


class Classifier(Network):
    """Trunk → feature vector → dropout → classes."""

    def __init__(
        self, trunk: Extractor, channels: int, pixels: Pixels, side: int, dropout: float, classes: int
    ) -> None:
        super().__init__()
        self.channels = channels
        self.pixels = pixels
        self.side = side
        self.trunk = trunk
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(trunk.width, classes))

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, d): what the classifier sees."""
        if self.side:
            images = functional.adaptive_avg_pool2d(images, self.side)
        return self.trunk(images).flatten(1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → logits (B, classes)."""
        logits: Tensor = self.head(self.features(images))
        return logits


class WholeVGG(Network):
    """A VGG with the fully connected layers that torchvision gives it; its convolutions are named as a `Classifier`'s.

    So a fusion takes the convolutions of either as its branch.
    """

    def __init__(self, name: str, channels: int, weights: str, pixels: Pixels, dropout: float, classes: int) -> None:
        super().__init__()
        self.channels = channels
        self.pixels = pixels
        backbone, layers = whole_vgg(name, channels, weights, classes, dropout)
        self.trunk = nn.ModuleDict({"backbone": backbone})
        self.layers, self.head = layers[:-1], layers[-1]

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, 4096): what the classifier sees."""
        found: Tensor = self.layers(self.trunk["backbone"](images))
        return found

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → logits (B, classes)."""
        logits: Tensor = self.head(self.features(images))
        return logits


def cnn(options: CnnOptions, classes: int) -> nn.Module:
    """Build it.

    Raises:
        UserError: a whole VGG is to see images averaged to another side.
    """
    chosen = (options.backbone, options.channels, options.weights)
    if options.vgg == "whole" and options.backbone.startswith("vgg"):
        if options.side:
            raise UserError("network.side: a whole VGG sees its images as they are; leave side at 0 or set vgg: pool.")
        return WholeVGG(*chosen, options.pixels, options.dropout or 0.5, classes)
    trunk = Extractor(build_backbone(*chosen))
    return Classifier(trunk, options.channels, options.pixels, options.side, options.dropout, classes)
