"""Estimates with their 95 % intervals, a line each, the numbers beside them: for forests and rankings."""

from __future__ import annotations

from collections.abc import Container, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from refer.reporting.figures.canvas import INK, SOFT, WORDS

LINE_HEIGHT = 0.15
"""Inches."""
REACH = 12.0
"""Points of an interval, to either side of its estimate, that an axis has room for. A longer one is cut off."""


def limits(estimates: pd.DataFrame, *further: float) -> tuple[float, float]:
    """Return limits of an axis near the data: they hold all estimates, all `further` values, and intervals up to REACH.

    `estimates` has the columns mean, low and high, in percent or points.
    """
    low = np.maximum(estimates["low"], estimates["mean"] - REACH)
    high = np.minimum(estimates["high"], estimates["mean"] + REACH)
    values = np.concatenate([low, high, further])
    margin = 0.04 * np.ptp(values) + 0.2 if len(values) else 1.0
    return (float(values.min() - margin), float(values.max() + margin)) if len(values) else (0.0, 100.0)


def dots(
    axes: Axes, y: ArrayLike, estimates: pd.DataFrame, colour: str, marker: str = "o", *, filled: ArrayLike = True
) -> None:
    """Draw estimates as dots on their intervals at the heights `y`; an interval that leaves the axis ends in an arrow.

    The axis has its limits already; `filled` says of each dot, or of all, whether it is full.
    """
    left, right = axes.get_xlim()
    places, full = np.broadcast_to(y, len(estimates)), np.broadcast_to(filled, len(estimates))
    low, mean, high = (estimates[name].to_numpy(float) for name in ("low", "mean", "high"))
    axes.hlines(places, np.maximum(low, left), np.minimum(high, right), color=colour, linewidth=1.2)
    arrows = ((low < left, np.full_like(low, left), 8), (high > right, np.full_like(low, right), 9))
    for which, x, sign in (*arrows, (full, mean, marker), (~full, mean, marker)):
        if which.any():  # Matplotlib's layout takes a line without points to lie at 0
            face = "white" if which is not full and x is mean else colour
            axes.plot(x[which], places[which], linestyle="none", marker=sign, color=colour, markerfacecolor=face,
                      clip_on=x is mean, zorder=3)  # fmt: skip


def lines(axes: Axes, labels: Mapping[float, str], count: float, bold: Container[float] = ()) -> None:
    """Name the lines of a panel at their heights, headings in `bold`; 0 is the uppermost of `count`."""
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_yticks(list(labels), list(labels.values()))
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_position()[1] in bold else "normal")
    axes.tick_params(axis="y", length=0, pad=7)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def column(axes: Axes, offset: float, texts: Mapping[float, str], colours: Mapping[float, str] | None = None) -> None:
    """Write texts at their heights, in a column `offset` points right of a panel; colours as they are of words."""
    for y, text in texts.items():
        colour = (colours or {}).get(y, INK)
        colour = WORDS.get(colour, colour)
        axes.annotate(text, (1, y), (offset, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="center_baseline", fontsize=6.5, color=colour, annotation_clip=False)  # fmt: skip


def title_of_column(axes: Axes, offset: float, y: float, text: str) -> None:
    """Write what a column holds, at the height of a line above its first."""
    column(axes, offset, {y: text}, {y: SOFT})


def interval(estimate: pd.Series) -> str:
    """Return an estimate with its interval, e.g. 59.5 [57.7, 61.2]."""
    return f"{estimate['mean']:.1f} [{estimate['low']:.1f}, {estimate['high']:.1f}]"
