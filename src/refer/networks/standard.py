"""How images are normalised for weights that a library's backbone begins with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refer.errors import UserError
from refer.networks.catalog import backbones_of
from refer.networks.registry import Standard, backbone_of


def standard_of(network: Mapping[str, Any]) -> Standard | None:
    """Return the mean and standard deviation that the weights of a checked network section were trained with.

    None without weights, and for backbones of ours: what is done for these depends on `weights` alone.

    Raises:
        UserError: two backbones were trained with different ones.
    """
    if str(network.get("weights", "none")) == "none":
        return None
    found = {}
    for name in backbones_of(network):
        entry = backbone_of(name)
        found[name] = None if entry is None or entry.standard is None else entry.standard()
    if len(set(found.values())) > 1:
        raise UserError(
            f"network: the weights of {' and '.join(found)} were trained on images that are normalised differently; "
            "take two that agree, or weights: none."
        )
    return next(iter(found.values()), None)


def reads_as(network: Mapping[str, Any]) -> str:
    """Say what a section's images are normalised for, known without a library; two networks that share images agree."""
    weights = str(network.get("weights", "none"))
    libraries = [name for name in backbones_of(network) if "/" in name]
    if weights == "none":
        return "none"
    return " + ".join(libraries) if libraries else "imagenet" if weights == "imagenet" else "none"
