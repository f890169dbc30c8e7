"""Reliability diagram: how often predictions of a given probability are right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from refer.reporting.figures.canvas import COLOURS, SOFT, canvas, heading


def draw_reliability(
    rows: Sequence[dict[str, Any]], errors: dict[str, float], title: str, notice: str, outputs: Iterable[str | Path]
) -> None:
    """Draw accuracy over probability, a panel for each set of images, and below it how many images there are.

    Args:
        rows: as `refer.reporting.own.reliability` yields them.
        errors: the expected calibration error (%) of each set of images.
        title: stands above.
        notice: that on drawn data, or empty.
        outputs: files to write (.svg, .png).
    """
    told = (
        "dots: share of right answers at the mean probability of a bin, with Wilson's 95 % interval · line: calibrated"
    )
    with canvas(3.3, title, f"{told} · bars: images", notice, outputs) as figure:
        panels = figure.subplots(2, len(errors), height_ratios=[3, 1], squeeze=False, sharex=True)
        for k, (images, error) in enumerate(errors.items()):
            mine = [row for row in rows if row["images"] == images]
            _panel(panels[0, k], mine, k)
            heading(panels[0, k], f"{images} (n = {sum(row['n'] for row in mine):,}), ECE {error:.1f} %")
            middle = [(row["from"] + row["to"]) / 2 for row in mine]
            panels[1, k].bar(middle, [row["n"] for row in mine], width=mine[0]["to"] - mine[0]["from"] - 0.6,
                             color=COLOURS[k])  # fmt: skip
            panels[1, k].set_xlabel("probability of the predicted class (%)")
        panels[0, 0].set_ylabel("accuracy (%)")
        panels[1, 0].set_ylabel("images")


def _panel(axes: Axes, rows: Sequence[dict[str, Any]], number: int) -> None:
    x, y, low, high = (np.array([row[name] for row in rows]) for name in ("confidence", "accuracy", "low", "high"))
    axes.plot([0, 100], [0, 100], color=SOFT, linewidth=0.8, zorder=1)
    axes.vlines(x, low, high, color=COLOURS[number], linewidth=1.2)
    axes.plot(x, y, "o", color=COLOURS[number], zorder=3)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
