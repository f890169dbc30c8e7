"""A figure of composed faces: from the cut-out to what the network sees and what it is to restore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refer.errors import UserError
from refer.reporting.figures.canvas import SOFT, WIDTH, canvas, hang, wall
from refer.reporting.tables.table import dataset_name, stand_in_notice

Pixels = NDArray[np.uint8]
MARGIN, GAP = 0.8, 0.16
"""Inches left of the pictures, and above each group of rows."""


def draw_composed(
    cut_outs: Pixels,
    masks: Pixels,
    images: Pixels,
    targets: Pixels,
    classes: Sequence[str],
    outputs: Iterable[str | Path],
    *,
    dataset: str,
    stand_in: bool,
) -> None:
    """Draw faces in columns, and below each its mask and what was composed of it.

    Args:
        cut_outs: (n, H, H) or (n, H, H, 3), the prepared images.
        masks: (n, H, H), 255 on the face.
        images: (k, n, S, S), composed k times each.
        targets: (k, n, S, S), the same faces on black.
        classes: n names, written above the columns.
        outputs: files to write, .png or .svg.
        dataset: whose images they are, as in the paths.
        stand_in: whether all of them are drawn.

    Raises:
        UserError: they are real; faces of people do not go into a report.
    """
    if not stand_in:
        raise UserError(f"{dataset}: composed examples are shown of drawn faces only; these are of people.")
    dataset = dataset.removesuffix("-standin")
    groups = [[("cut-out", cut_outs), ("mask", masks)]]
    for number, (image, target) in enumerate(zip(images, targets, strict=True), 1):
        groups.append([(f"composed\n(draw {number})", image), ("target", target)])
    side = (WIDTH - MARGIN - 0.08) / len(classes)
    height = len(groups) * (2 * side + GAP)
    subtitle = (
        f"a drawn stand-in for {dataset_name(dataset)}, on drawn scenes · the network sees the composed image, turned, "
        "lit and exposed at random, and is to restore the target: the same face on black"
    )
    with canvas(height, "Faces composed on backgrounds", subtitle, stand_in_notice(dataset), outputs) as figure:
        axes = wall(figure, height)
        for column, name in enumerate(classes):
            axes.text(MARGIN + (column + 0.5) * side, GAP / 2, name, ha="center", va="center")
        for number, group in enumerate(groups):
            for row, (label, pixels) in enumerate(group):
                y = GAP + number * (2 * side + GAP) + row * side
                axes.text(MARGIN - 0.08, y + side / 2, label, ha="right", va="center", color=SOFT)
                for column, picture in enumerate(pixels):
                    hang(axes, picture, MARGIN + column * side, y, side - 0.03)
