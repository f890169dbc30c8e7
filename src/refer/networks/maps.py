"""How large the last feature map of a backbone is, known without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refer.errors import UserError
from refer.networks.backbones import check_weights
from refer.networks.catalog import backbones_of, complete, current
from refer.networks.registry import backbone_of, networks


class GridError(UserError):
    """A grid of regions is larger than the map over which it lies."""


def check_backbones(network: Mapping[str, Any], size: int, where: str) -> None:
    """Refuse a library's backbone that cannot read the images, and weights of another network than its own.

    Args:
        network: a checked network section.
        size: side of its images in pixels.
        where: of what the section is, for the message.

    Raises:
        UserError: says what it can read.
    """
    options = complete(network)
    weights, channels = str(options.get("weights", "none")), int(options.get("channels", 3))
    for name in backbones_of(network):
        entry = backbone_of(name)
        try:
            if "/" in name or weights.startswith("package:"):
                check_weights(name, channels, weights)
            if entry is not None and entry.check is not None:
                entry.check(channels, options.get("side") or size)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None


def check_grid(network: Mapping[str, Any], size: int, where: str) -> None:
    """Refuse a grid of regions that is larger than the map over which it lies.

    Args:
        network: a checked network section; of one that has no grid nothing is asked.
        size: side of its images in pixels.
        where: of what the section is, for the message.

    Raises:
        GridError: says how large the map is, and what to do.
    """
    fields = networks()[current(network["name"])].options.model_fields
    if not {"grid", "backbone"} <= fields.keys():
        return
    grid, backbone = (network.get(key, fields[key].default) for key in ("grid", "backbone"))
    entry = backbone_of(backbone)
    if entry is None:
        return
    side_of = entry.side
    side = side_of(size)
    if grid > side:
        enough = next(larger for larger in range(size, 32 * (grid + 1)) if side_of(larger) >= grid)
        raise GridError(f"{where}: {too_large(grid, side, size, backbone)}, or images of {enough} pixels or more.")


def too_large(grid: int, side: int, size: int, backbone: str = "this backbone") -> str:
    """Say that a grid is larger than the map, and what to do."""
    return (
        f"network.grid: found {grid}, but at {size} pixels the last map of {backbone} is {side}x{side}; "
        f"take a grid of {side} or less, a backbone with a larger map"
    )
