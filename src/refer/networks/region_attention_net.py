"""khalid2025: a CNN whose last feature map is read by region attention and self-attention."""

from __future__ import annotations

from torch import Tensor, nn

from refer.networks.attention import RegionAttention, RegionSelfAttention
from refer.networks.backbones import build_backbone
from refer.networks.interface import Network
from refer.networks.maps import GridError, too_large
from refer.networks.options import RegionAttentionNetOptions
from refer.networks.pooling import GridPool
from refer.networks.stages import Backbone


class RegionAttentionNet(Network):
    """Backbone → regions → [self-attention] → [region attention or mean] → dropout → classes.

    Or, `region_first`, with R regions, region weights a and the self-attention S:

        x = 1/R Σ_r S(R a t)_r        with softmax;  of sigmoid's weights  x = 1/R Σ_r S(a t)_r

    so that without S both orders are the same. The grid must not be larger than the backbone's last map, for then
    regions would be copies of one another.
    """

    def __init__(
        self,
        backbone: Backbone,
        channels: int,
        grid: int,
        region: RegionAttention | None,
        mixing: RegionSelfAttention | None,
        dropout: float,
        classes: int,
        region_first: bool = False,
    ) -> None:
        super().__init__()
        self.region_first = region_first
        self.channels = channels
        self.backbone = backbone
        self.regions = GridPool(grid)
        self.mixing = mixing
        self.region = region
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(backbone.width, classes))

    def tokens(self, images: Tensor) -> Tensor:
        """(B, C, H, W), standardised → region tokens (B, grid², d), rows first."""
        maps = self.backbone(images)
        grid, side = int(self.regions.output_size), min(maps.shape[-2:])  # type: ignore[arg-type]
        if grid > side:
            raise GridError(f"{too_large(grid, side, max(images.shape[-2:]))}.")
        return self.regions(maps).flatten(2).transpose(1, 2)

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, d): what the classifier sees."""
        tokens = self.tokens(images)
        if self.region_first and self.region is not None and self.mixing is not None:
            return self.mixing(self.region.weighted(tokens)).mean(dim=1)
        if self.mixing is not None:
            tokens = self.mixing(tokens)
        return tokens.mean(dim=1) if self.region is None else self.region(tokens)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → logits (B, classes)."""
        logits: Tensor = self.head(self.features(images))
        return logits


def region_attention_net(options: RegionAttentionNetOptions, classes: int) -> nn.Module:
    """Build the network of khalid2025, or with both attentions off its backbone with average pooling."""
    stages = build_backbone(options.backbone, options.channels, options.weights)
    places = options.grid**2
    return RegionAttentionNet(
        backbone=stages,
        channels=options.channels,
        grid=options.grid,
        region=RegionAttention(stages.width, options.gate) if options.region_attention else None,
        mixing=RegionSelfAttention(stages.width, places, options.heads) if options.self_attention else None,
        dropout=options.dropout,
        classes=classes,
        region_first=options.order == "region-first",
    )
