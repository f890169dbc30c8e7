"""How large the last feature map of a backbone is, known without importing torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from refer.errors import UserError
from refer.networks.catalog import current, networks
from refer.networks.options import BackboneName


class GridError(UserError):
    """A grid of regions is larger than the map over which it lies."""


def halved_up(side: int, times: int) -> int:
    """After so many convolutions or poolings of stride 2 with padding: each makes n places ceil(n / 2)."""
    for _ in range(times):
        side = (side + 1) // 2
    return side


def halved_down(side: int, times: int) -> int:
    """After so many poolings of 2 without padding: each makes n places floor(n / 2)."""
    return side >> times


SIDES: dict[BackboneName, Callable[[int], int]] = {
    **dict.fromkeys(("resnet18", "resnet34"), lambda side: halved_up(side, 5)),
    **dict.fromkeys(
        ("resnet18-3x3", "resnet34-3x3", "preactresnet18", "preactresnet18-open", "compact-resnet8",
         "compact-resnet14"),
        lambda side: halved_up(side, 3),
    ),
    **dict.fromkeys(("vgg11", "vgg13"), lambda side: halved_down(side, 4)),
    **dict.fromkeys(("compact", "compact-16", "compact-40"), lambda side: halved_down(halved_up(side, 1), 2)),
}  # fmt: skip
"""Backbone → side of its last map for a side of the image, both in pixels."""


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
    side = SIDES[backbone](size)
    if grid > side:
        enough = next(larger for larger in range(size, 32 * (grid + 1)) if SIDES[backbone](larger) >= grid)
        raise GridError(f"{where}: {too_large(grid, side, size, backbone)}, or images of {enough} pixels or more.")


def too_large(grid: int, side: int, size: int, backbone: str = "this backbone") -> str:
    """Say that a grid is larger than the map, and what to do."""
    return (
        f"network.grid: found {grid}, but at {size} pixels the last map of {backbone} is {side}x{side}; "
        f"take a grid of {side} or less, a backbone with a larger map"
    )
