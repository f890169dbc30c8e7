"""feratt2019: correct the image by attention, then represent and classify it.

Built from what the authors' repository (github.com/pedrodiamel/ferattention) says; none of its code is here.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from refer.networks.attention_map import AttentionMap, Encoder
from refer.networks.backbones import build_backbone
from refer.networks.classifier import Extractor
from refer.networks.face_correction import Correction, FaceFeatures, Renormalise
from refer.networks.interface import Network
from refer.networks.options import FERAttentionOptions


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


def ferattention(options: FERAttentionOptions, classes: int) -> nn.Module:
    """Build it: 45,818,755 parameters for 7 classes, or 45,789,059 without a representation layer."""
    count = options.maps or classes
    attention = AttentionMap(Encoder(options.encoder, options.weights), options.filters, count)
    trunk = Extractor(build_backbone(options.backbone, 3, "none"))
    dim = options.dim if options.representation else 0
    return FERAttention(attention, count, options.blocks, trunk, dim, classes)
