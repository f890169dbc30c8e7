"""naseem2025: ResNet-18 whose features are gated, one modality at a time."""

from __future__ import annotations

from torch import Tensor, nn

from refer.networks.backbones import build_backbone
from refer.networks.interface import Network
from refer.networks.options import GatedNetOptions
from refer.networks.stages import Backbone

HIDDEN = 256
"""Units of the hidden layer in all heads of the paper."""


class FeatureGate(nn.Module):
    """A weight in 0..1 for each feature, computed from all of them: the paper's attention.

        y = x ∘ sigmoid(W x + b)          `features`: the authors' visible notebook
        y = x ∘ sigmoid(W (x ∘ x) + b)    `squares`: their infrared notebook and their fused script

    W is d x d; 262,656 parameters at d = 512.
    """

    def __init__(self, width: int, of: str = "squares") -> None:
        super().__init__()
        self.gate = nn.Linear(width, width)
        self.of = of

    def forward(self, x: Tensor) -> Tensor:
        """(B, d) → (B, d)."""
        attended: Tensor = x * self.gate(x * x if self.of == "squares" else x).sigmoid()
        return attended


class GatedTrunk(nn.Module):
    """Backbone → global average pooling → [gate]: what a modality gives to a head or to a fusion."""

    def __init__(self, backbone: Backbone, attention: bool, gate: str) -> None:
        super().__init__()
        self.backbone = backbone
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.attention = FeatureGate(backbone.width, gate) if attention else nn.Identity()
        self.width = backbone.width

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, d)."""
        attended: Tensor = self.attention(self.pool(self.backbone(images)).flatten(1))
        return attended


def visible_head(width: int, classes: int) -> nn.Sequential:
    """Two linear layers with nothing but dropout about them, hence one linear map once trained."""
    return nn.Sequential(
        nn.Dropout(0.4),
        nn.Linear(width, HIDDEN),
        nn.Dropout(0.4),
        nn.Linear(HIDDEN, classes),
    )


def infrared_head(width: int, classes: int) -> nn.Sequential:
    """A hidden layer with ReLU, then batch normalisation, between strong dropouts."""
    return nn.Sequential(
        nn.Dropout(0.7),
        nn.Linear(width, HIDDEN),
        nn.ReLU(),
        nn.BatchNorm1d(HIDDEN),
        nn.Dropout(0.8),
        nn.Linear(HIDDEN, classes),
    )


class GatedNet(Network):
    """One modality: trunk → head. The paper's closing softmax is left to the loss."""

    pixels = "unit"

    def __init__(self, trunk: GatedTrunk, channels: int, modality: str, classes: int) -> None:
        super().__init__()
        self.channels = channels
        self.modalities = (modality,)
        self.trunk = trunk
        head = visible_head if modality == "visible" else infrared_head
        self.head = head(trunk.width, classes)

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, d): the attended features."""
        features: Tensor = self.trunk(images)
        return features

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → logits (B, classes)."""
        logits: Tensor = self.head(self.features(images))
        return logits


def gated_net(options: GatedNetOptions, classes: int) -> nn.Module:
    """Build it: 11,571,781 parameters for visible and 11,572,293 for infrared light, with ResNet-18 and 5 classes."""
    backbone = build_backbone(options.backbone, options.channels, options.weights)
    trunk = GatedTrunk(backbone, options.attention, options.gate)
    return GatedNet(trunk, options.channels, options.modality, classes)
