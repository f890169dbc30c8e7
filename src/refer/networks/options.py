"""Types of the options that several networks share; known without importing torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

BackboneName = Literal[
    "resnet18",
    "resnet18-3x3",
    "resnet34",
    "resnet34-3x3",
    "vgg11",
    "vgg13",
    "preactresnet18",
    "preactresnet18-open",
    "compact",
    "compact-16",
    "compact-40",
    "compact-resnet8",
    "compact-resnet14",
]
"""What `backbones.build_backbone` can build."""

Dropout = Annotated[float, Field(ge=0, lt=1)]
"""The probability that a unit is left out while training."""

Gate = Literal["features", "squares"]
"""What naseem2025's attention is computed from: the features, or their squares."""

Modality = Literal["visible", "infrared"]
"""What a picture shows: reflected light, or heat."""
