"""The networks that papers can name, and what each may be told; known without importing torch.

A network is a class here and the function that the class names: `@network("cnn", "classifier:cnn")` says that
`refer.networks.classifier.cnn` builds it, called with these options and the number of classes. Every network has the
option `weights`: `none`, `imagenet`, `package:<name>` or a .safetensors file, unless its class says otherwise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo

from refer.errors import UserError
from refer.networks.registry import Options, backbone_of, network


def _known(name: str) -> str:
    try:
        backbone_of(name)
    except UserError as error:
        raise ValueError(str(error).removesuffix(".")) from None
    return name


_IS_BACKBONE = AfterValidator(_known)
BackboneName = Annotated[str, _IS_BACKBONE]
"""A backbone of `refer.networks.backbones`, `timm/<name>` or `torchvision/<name>`."""

Channels = Literal[1, 3]
"""Of the images that a network expects: grey or colour."""

Dropout = Annotated[float, Field(ge=0, lt=1)]
"""The probability that a unit is left out while training."""

Gate = Literal["features", "squares"]
"""What naseem2025's attention is computed from: the features, or their squares; see `feature_gate.FeatureGate`."""

Units = Annotated[int, Field(ge=0, le=4096)]
"""Of a hidden layer in the classifier; 0 for none."""


def names_backbone(option: FieldInfo) -> bool:
    """Whether an option is the name of a backbone."""
    return _IS_BACKBONE in option.metadata


@network("cnn", "classifier:cnn")
class CnnOptions(Options):
    """A backbone with global average pooling and one linear layer, or a VGG with its own three.

    The baselines of tran2023, whose branches they become, and of feratt2019.

    Attributes:
        backbone: the CNN.
        weights: of the backbone.
        channels: of the images.
        pixels: their range; see `interface.Pixels`.
        side: images are first averaged to this side in pixels; 0 leaves them as they are.
        dropout: before the classifier, and of a whole VGG before each of its last two layers, in place of torchvision's
            half where it is not 0.
        vgg: a VGG's map is averaged, or goes into its fully connected layers; other backbones have none.
    """

    backbone: BackboneName = "resnet18"
    weights: str = "none"
    channels: Channels = 3
    pixels: Literal["by-weights", "unit"] = "by-weights"
    side: Annotated[int, Field(ge=0, le=512)] = 0
    dropout: Dropout = 0.0
    vgg: Literal["pool", "whole"] = "pool"


@network(
    "region_attention_net",
    "region_attention_net:region_attention_net",
    later=("order",),
    explains=({"region_attention": True},),
)
class RegionAttentionNetOptions(Options):
    """khalid2025, or with both attentions off its backbone with average pooling.

    Attributes:
        backbone: the CNN; the paper names none.
        weights: of the backbone.
        channels: of the images.
        grid: the feature map is averaged to grid x grid regions, no more than it has places.
        region_attention: weigh the regions by learned attention; otherwise they are averaged.
        gate: region weights compete (softmax) or stand alone (sigmoid).
        self_attention: let the regions look at one another first.
        heads: of the self-attention; a power of two, for it must divide the backbone's width.
        dropout: before the classifier.
        order: which of the two attentions comes first.
    """

    backbone: BackboneName = "resnet18"
    weights: str = "none"
    channels: Channels = 3
    grid: Annotated[int, Field(ge=1, le=14)] = 3
    region_attention: bool = True
    gate: Literal["softmax", "sigmoid"] = "softmax"
    self_attention: bool = True
    heads: Literal[1, 2, 4, 8, 16] = 4
    dropout: Dropout = 0.2
    order: Literal["self-first", "region-first"] = "self-first"


@network("gated_net", "feature_gate:gated_net", later=("gate",))
class GatedNetOptions(Options):
    """The single-modality network of naseem2025.

    Attributes:
        modality: which pictures it reads, and with them which of the paper's two heads it has.
        backbone: the CNN; the paper's is ResNet-18.
        weights: of the backbone.
        channels: of the images.
        attention: gate the features; otherwise they go to the head as they are.
        gate: what the gate is computed from.
    """

    modality: Literal["visible", "infrared"] = "visible"
    backbone: BackboneName = "resnet18"
    weights: str = "none"
    channels: Channels = 3
    attention: bool = True
    gate: Gate = "squares"


@network(
    "interleaved_fusion",
    "interleaved_fusion:interleaved_fusion",
    modalities=("visible", "infrared"),
    later=("gate",),
)
class InterleavedFusionOptions(Options):
    """The fused network of naseem2025.

    Attributes:
        backbone: the CNN of both branches; the paper's is ResNet-18.
        weights: of the backbones of both branches.
        channels: of the images.
        attention: gate the features of both branches; otherwise they are joined as they are.
        gate: what both gates are computed from.
    """

    backbone: BackboneName = "resnet18"
    weights: str = "none"
    channels: Channels = 3
    attention: bool = True
    gate: Gate = "squares"


class FusionOptions(Options):
    """What every fusion of two backbones over one image may be told (tran2023).

    Attributes:
        first: backbone of the one branch.
        second: backbone of the other.
        weights: `none` or `imagenet`, for both; `load_branches` then puts trained ones in their place.
        channels: of the images.
    """

    first: BackboneName = "resnet18"
    second: BackboneName = "resnet34"
    weights: str = "none"
    channels: Channels = 3


@network("late_fusion", "fusion:late_fusion")
class LateFusionOptions(FusionOptions):
    """Two classifiers whose decisions are combined by a fixed rule.

    Attributes:
        rule: how the decisions are combined.
        vgg: whether a branch that is a VGG has its fully connected layers; as in `cnn`.
    """

    rule: Literal["mean", "product", "max"] = "mean"
    vgg: Literal["pool", "whole"] = "pool"


@network("early_fusion", "fusion:early_fusion")
class EarlyFusionOptions(FusionOptions):
    """Features of two frozen extractors, side by side, into one classifier.

    Attributes:
        vgg: a VGG's map is averaged to 512 numbers, or flattened at 7 x 7 and projected to 512.
        hidden: units of a hidden layer in the classifier.
        dropout: in the classifier.
    """

    vgg: Literal["pool", "flatten"] = "pool"
    hidden: Units = 0
    dropout: Dropout = 0.0


@network("joint_fusion", "fusion:joint_fusion")
class JointFusionOptions(EarlyFusionOptions):
    """As early fusion, with gradients into both extractors."""


@network(
    "fusion_attention",
    "fusion_attention:fusion_attention",
    reads_batch=({"self_attention": True, "tokens": "batch"}, {"self_attention": True, "scale": "batch"}),
)
class FusionAttentionOptions(FusionOptions):
    """tran2023: 1,316,363 trained parameters over 512-d features for 7 classes.

    Attributes:
        frozen: whether the extractors stay as they are.
        tokens: what Q Kᵀ compares; see `fusion_attention.FusionAttention`.
        scale: the scores are divided by √d, or by the number of images in the batch.
        grid: with tokens `positions`, both maps are averaged to grid x grid places.
        vgg: a VGG's map is averaged to 512 numbers, or flattened at 7 x 7 and projected to 512.
        mlp: let an MLP of both features take part in the value.
        self_attention: formula 1; otherwise the value goes on as it is.
        local_attention: the block with the convolution along the feature.
        residual: its addition of the feature to itself.
        query: the branch whose feature is Q; the other's is K.
        product: formula 1 multiplies by V `after` softmax(…) V, or squares V `before` it.
        skip: add the value to what self-attention makes of it.
        attentions: the local one goes on from self-attention, or both begin with the value and are added.
        gate: local attention multiplies the feature by its sigmoid.
        order: of its linear layers and its convolution.
        kernel: taps of the convolution.
        mlp_hidden: units of the MLP's hidden layer.
        hidden: units of a hidden layer in the classifier.
        dropout: in the classifier.
    """

    frozen: bool = True
    tokens: Literal["batch", "channels", "positions"] = "batch"
    scale: Literal["width", "batch"] = "width"
    grid: Annotated[int, Field(ge=1, le=14)] = 7
    vgg: Literal["pool", "flatten"] = "pool"
    mlp: bool = True
    self_attention: bool = True
    local_attention: bool = True
    residual: bool = True
    query: Literal["first", "second"] = "first"
    product: Literal["after", "before"] = "after"
    skip: bool = False
    attentions: Literal["in-a-row", "side-by-side"] = "in-a-row"
    gate: bool = False
    order: Literal["linear-conv-linear", "linear-conv", "conv-linear"] = "linear-conv-linear"
    kernel: Literal[1, 3, 5, 7, 9, 11] = 3
    mlp_hidden: Annotated[int, Field(ge=1, le=4096)] = 512
    hidden: Units = 0
    dropout: Dropout = 0.0


@network("ferattention", "ferattention:ferattention", explains=({},))
class FERAttentionOptions(Options):
    """feratt2019: FERAtt+Rep+Cls, or without `representation` FERAtt+Cls.

    Attributes:
        representation: put a linear layer of `dim` units before the classifier, for the Gaussian-structure loss.
        dim: 64 in the paper's text, 32 in the authors' scripts.
        maps: K, the channels of attention map and features; 0 for as many as classes, as in the authors' code.
        blocks: residual blocks of the features; the paper's are eight.
        filters: the unit of the decoder's widths.
        encoder: of the attention map; the paper's is ResNet-34.
        weights: of the encoder.
        backbone: the classifying CNN; the paper's is PreActResNet-18.
    """

    representation: bool = True
    dim: Annotated[int, Field(ge=2, le=4096)] = 64
    maps: Annotated[int, Field(ge=0, le=64)] = 0
    blocks: Annotated[int, Field(ge=1, le=64)] = 8
    filters: Annotated[int, Field(ge=1, le=64)] = 32
    encoder: Literal["resnet34", "resnet18", "compact"] = "resnet34"
    weights: str = "none"
    backbone: BackboneName = "preactresnet18-open"
