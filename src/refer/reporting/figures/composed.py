"""A figure of composed faces: from the cut-out to what the network sees and what it is to restore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refer.errors import UserError
from refer.reporting.figures.canvas import INK, SOFT, WIDTH, canvas
from refer.reporting.tables.table import dataset_name, stand_in_notice

Pixels = NDArray[np.uint8]


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
    rows = [("cut-out", cut_outs), ("mask", masks)]
    for drawn, (image, target) in enumerate(zip(images, targets, strict=True), 1):
        rows += [(f"composed\n(draw {drawn})", image), ("target", target)]
    margin, gap = 0.72, 0.03  # inches
    side = (WIDTH - margin - 0.08) / len(classes)
    height = len(rows) * side + 0.18 * len(images) + 0.18
    title = "Faces composed on backgrounds"
    subtitle = (
        f"a drawn stand-in for {dataset_name(dataset)}, on drawn scenes · the network sees the composed image, turned, "
        "lit and exposed at random, and is to restore the target: the same face on black"
    )
    with canvas(height, title, subtitle, stand_in_notice(dataset), [Path(path) for path in outputs]) as (figure, head):
        figure.set_layout_engine(None)
        total = figure.get_figheight()
        top = total - head - 0.18
        for number, (label, pixels) in enumerate(rows):
            top -= 0.18 * (number >= 2 and number % 2 == 0)  # a gap before each draw
            figure.text((margin - 0.08) / WIDTH, (top - side / 2) / total, label, ha="right", va="center", color=SOFT)
            for column, picture in enumerate(pixels):
                place = (margin + column * side, top - side + gap, side - gap, side - gap)
                bounds = (place[0] / WIDTH, place[1] / total, place[2] / WIDTH, place[3] / total)
                axes = figure.add_axes(bounds)
                axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                axes.set_axis_off()
                if number == 0:
                    axes.set_title(classes[column], loc="center", fontsize=7, color=INK, pad=3)
            top -= side
