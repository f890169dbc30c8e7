"""naseem2025: visible and infrared light, joined feature by feature ("early fusion")."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from refer.networks.backbones import build_backbone
from refer.networks.catalog import network
from refer.networks.feature_gate import HIDDEN, GatedTrunk
from refer.networks.interface import Network
from refer.networks.options import BackboneName, Gate


def interleave(a: Tensor, b: Tensor) -> Tensor:
    """Element by element: (B, d), (B, d) → (B, 2d), which holds a₀ b₀ a₁ b₁ and so on.

    For the linear layer that follows it is a concatenation with its inputs in another order.
    """
    return torch.stack((a, b), dim=-1).flatten(1)


class InterleavedFusion(Network):
    """Two trunks of one modality each → interleaved features → head; everything trains.

    The last dropout stands behind the last linear layer, as in the paper: while training it sets logits to zero.
    The paper's softmax behind it is left to the loss.
    """

    pixels = "unit"
    modalities = ("visible", "infrared")
    branches = ("visible", "infrared")

    def __init__(self, visible: GatedTrunk, infrared: GatedTrunk, channels: int, classes: int) -> None:
        super().__init__()
        self.channels = channels
        self.visible = visible
        self.infrared = infrared
        self.head = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(visible.width + infrared.width, HIDDEN),
            nn.ReLU(),
            nn.BatchNorm1d(HIDDEN),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN, classes),
            nn.Dropout(0.2),
        )

    def features(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Two of (B, C, H, W) → (B, 2d): what the head sees."""
        return interleave(self.visible(visible), self.infrared(infrared))

    def forward(self, visible: Tensor, infrared: Tensor) -> Tensor:
        """Two of (B, C, H, W), the same faces in the same order → logits (B, classes)."""
        logits: Tensor = self.head(self.features(visible, infrared))
        return logits


@network(modalities=("visible", "infrared"), later=("gate",))
def interleaved_fusion(
    *,
    classes: int,
    backbone: BackboneName = "resnet18",
    weights: str = "none",
    channels: Literal[1, 3] = 3,
    attention: bool = True,
    gate: Gate = "squares",
) -> nn.Module:
    """Build the fused network of naseem2025: 23,142,533 parameters with ResNet-18 and 5 classes.

    In the authors' script the infrared branch then starts from the trained infrared network and the visible one
    from ImageNet weights; `load_branches` starts either, both, or, not called, none.

    Args:
        classes: K, the number of expressions.
        backbone: the CNN of both branches; the paper's is ResNet-18.
        weights: `none`, `imagenet`, or a .safetensors file, for the backbones of both branches.
        channels: of the images that the network expects.
        attention: gate the features of both branches; otherwise they are joined as they are.
        gate: what both gates are computed from, see `feature_gate.FeatureGate`.
    """
    visible, infrared = (GatedTrunk(build_backbone(backbone, channels, weights), attention, gate) for _ in range(2))
    return InterleavedFusion(visible, infrared, channels, classes)
