"""A CNN as it is usually fine-tuned: backbone, pooling, one linear classifier."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from refer.errors import UserError
from refer.networks.backbones import Backbone, build_backbone, whole_vgg
from refer.networks.catalog import network
from refer.networks.interface import Network, Pixels
from refer.networks.options import BackboneName, Dropout
from refer.networks.pooling import GridPool


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


@network
def cnn(
    *,
    classes: int,
    backbone: BackboneName = "resnet18",
    weights: str = "none",
    channels: Literal[1, 3] = 3,
    pixels: Literal["by-weights", "unit"] = "by-weights",
    side: Annotated[int, Field(ge=0, le=512)] = 0,
    dropout: Dropout = 0.0,
    vgg: Literal["pool", "whole"] = "pool",
) -> nn.Module:
    """Build a backbone with global average pooling and one linear layer, or a VGG with its own three.

    The baselines of tran2023, whose branches they become, and of feratt2019.

    Args:
        classes: K, the number of expressions.
        backbone: the CNN.
        weights: `none`, `imagenet`, or a .safetensors file, for the backbone.
        channels: of the images that the network expects.
        pixels: their range; see `interface.Pixels`.
        side: images are first averaged to this side in pixels; 0 leaves them as they are.
        dropout: before the classifier, and of a whole VGG before each of its last two layers, in place of torchvision's
            half where it is not 0.
        vgg: a VGG's map is averaged, or goes into its fully connected layers; other backbones have none.

    Raises:
        UserError: a whole VGG is to see images averaged to another side.
    """
    if vgg == "whole" and backbone.startswith("vgg"):
        if side:
            raise UserError("network.side: a whole VGG sees its images as they are; leave side at 0 or set vgg: pool.")
        return WholeVGG(backbone, channels, weights, pixels, dropout or 0.5, classes)
    return Classifier(Extractor(build_backbone(backbone, channels, weights)), channels, pixels, side, dropout, classes)
