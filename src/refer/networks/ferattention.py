"""feratt2019: correct the image by attention, then represent and classify it.

Built from what the authors' repository (github.com/pedrodiamel/ferattention) says; none of its code is here.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from refer.networks.attention_map import AttentionMap, Encoder
from refer.networks.backbones import build_backbone
from refer.networks.catalog import network
from refer.networks.classifier import Extractor
from refer.networks.face_correction import Correction, FaceFeatures, Renormalise
from refer.networks.interface import Network
from refer.networks.options import BackboneName


class Corrected(NamedTuple):
    """All that the three losses and a figure need of a batch.

    Attributes:
        logits: (B, classes).
        representation: z (B, dim), or without a representation layer the pooled features (B, 512).
        attention: sigmoid(A) (B, K, H, W), in 0..1.
        corrected: I_att (B, 3, H, W), 0 or above, to be compared with the clean face in 0..1.
    """

    logits: Tensor
    representation: Tensor
    attention: Tensor
    corrected: Tensor


class FERAttention(Network):
    """Attention map and features → corrected image → PreActResNet-18 → [representation] → classes."""

    pixels = "unit"

    def __init__(
        self, attention: AttentionMap, maps: int, blocks: int, trunk: Extractor, dim: int, classes: int
    ) -> None:
        super().__init__()
        self.attention = attention
        self.face = FaceFeatures(maps, blocks)
        self.correction = Correction(maps)
        self.renormalise = Renormalise()
        self.trunk = trunk
        self.represent = nn.Linear(trunk.width, dim) if dim else nn.Identity()
        self.head = nn.Linear(dim or trunk.width, classes)

    def explain(self, images: Tensor) -> Corrected:
        """(B, 3, H, W) in 0..1 → logits and what led to them."""
        scores = self.attention(images)
        corrected = self.correction(images, scores, self.face(images))
        half = functional.avg_pool2d(self.renormalise(corrected), 2)
        representation = self.represent(self.trunk(half).flatten(1))
        return Corrected(self.head(representation), representation, scores.sigmoid(), corrected)

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, d): what the classifier sees."""
        return self.explain(images).representation

    def forward(self, images: Tensor) -> Tensor | Corrected:
        """(B, 3, H, W) → logits (B, classes); while training, all of `explain`."""
        explained = self.explain(images)
        return explained if self.training else explained.logits


@network
def ferattention(
    *,
    classes: int,
    representation: bool = True,
    dim: Annotated[int, Field(ge=2, le=4096)] = 64,
    maps: Annotated[int, Field(ge=0, le=64)] = 0,
    blocks: Annotated[int, Field(ge=1, le=64)] = 8,
    filters: Annotated[int, Field(ge=1, le=64)] = 32,
    encoder: Literal["resnet34", "resnet18", "compact"] = "resnet34",
    weights: str = "none",
    backbone: BackboneName = "preactresnet18-open",
) -> nn.Module:
    """Build FERAtt+Rep+Cls, or without `representation` FERAtt+Cls: 45,818,755 or 45,789,059 parameters for 7 classes.

    Args:
        classes: the number of expressions.
        representation: put a linear layer of `dim` units before the classifier, for the Gaussian-structure loss.
        dim: 64 in the paper's text, 32 in the authors' scripts.
        maps: K, the channels of attention map and features; 0 for as many as classes, as in the authors' code.
        blocks: residual blocks of the features; the paper's are eight.
        filters: the unit of the decoder's widths.
        encoder: of the attention map; the paper's is ResNet-34.
        weights: `none`, `imagenet`, or a .safetensors file, for the encoder.
        backbone: the classifying CNN; the paper's is PreActResNet-18.
    """
    count = maps or classes
    attention = AttentionMap(Encoder(encoder, weights), filters, count)
    trunk = Extractor(build_backbone(backbone, 3, "none"))
    return FERAttention(attention, count, blocks, trunk, dim if representation else 0, classes)
