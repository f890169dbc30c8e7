"""Where networks look: drawn faces, and beside each what the network shows of itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from refer.errors import UserError
from refer.reporting.figures.canvas import INK, SOFT, WIDTH, canvas, hang, wall
from refer.reporting.figures.explanation_file import DIGITS, Explained, whose
from refer.reporting.names import in_figures
from refer.reporting.tables.table import stand_in_notice
from refer.spec import Paper

MARGIN, TOP = 0.85, 0.2
"""Inches left of the pictures of an example, and above all."""


def draw_attention(paper: Paper, run: Explained, outputs: Iterable[str | Path]) -> None:
    """Draw examples of one run: what the network was given, and beside it what it shows of itself.

    Args:
        paper: gives the label.
        run: with examples.
        outputs: files to write, .png or .svg.

    Raises:
        UserError: the faces are not drawn; faces of people do not go into a report.
    """
    about, tensors = run.about, run.tensors
    if not about["stand_in"] or not run.has_examples:
        raise UserError(f"{run.path}: attention is shown on drawn faces only, of networks that have something to show.")
    columns = {name: _picture(tensors[f"examples/{name}"]) for name in ("input",)}
    regions = tensors.get("examples/regions")
    if regions is None:
        columns["attention"] = tensors["examples/attention"].astype(np.float64).mean(axis=1).round(DIGITS)
        columns["corrected"] = _picture(255 * np.clip(tensors["examples/corrected"].astype(np.float64), 0, 1))
        if "examples/target" in tensors:
            columns["target"] = _picture(tensors["examples/target"])
        what = "attention is the mean of its maps; the corrected image is cut off at white"
    else:
        columns["region weights"], what = columns["input"], "region weights in %"
    subtitle = (
        f"{whose(paper, about)} · the first images of each class, not chosen by result · below each class the one "
        f"that was predicted and its probability · {what}"
    )
    title, notice = f"{in_figures(paper, about['method'])}: where it looks", stand_in_notice(about["dataset"])
    names, chances = about["classes"], tensors["examples/probabilities"]
    labels = [f"{names[label]}\n→ {names[chance.argmax()]}\n{100 * chance.max():.0f} %"
              for label, chance in zip(tensors["examples/labels"], chances, strict=True)]  # fmt: skip
    blocks = min(3 if len(columns) == 2 else 2, len(labels))  # side by side
    rows, wide = -(-len(labels) // blocks), (WIDTH - 0.1) / blocks
    side = min((wide - MARGIN) / len(columns), 1.15)
    height = TOP + rows * side + (0.5 if regions is None else 0.05)
    scale = _scale(columns["attention"]) if regions is None else Normalize()
    with canvas(height, title, subtitle, notice, outputs) as figure:
        axes = wall(figure, height)
        for number, label in enumerate(labels):
            x, y = 0.05 + number // rows * wide + MARGIN, TOP + number % rows * side
            if number % rows == 0:
                for place, name in enumerate(columns):
                    axes.text(x + (place + 0.5) * side, TOP / 2, name, ha="center", va="center", color=SOFT)
            axes.text(x - 0.09, y + side / 2, label, ha="right", va="center")
            for place, (name, pictures) in enumerate(columns.items()):
                options = {"cmap": "viridis", "norm": scale, "vmin": None, "vmax": None} if name == "attention" else {}
                hang(axes, pictures[number], x + place * side, y, side - 0.04, **options)
            if regions is not None:
                weights = regions.astype(np.float64).round(DIGITS)
                # Equal weights lie in the middle of the colours, whatever the number of regions.
                _weights(axes, weights[number], x + side, y, side - 0.04, max(weights.max(), 2 / weights[0].size))
        if regions is None:
            inset = axes.inset_axes((0.35 * WIDTH, height - 0.4, 0.3 * WIDTH, 0.07), transform=axes.transData)
            figure.colorbar(ScalarMappable(scale, "viridis"), cax=inset, orientation="horizontal", label="attention",
                            ticks=[scale.vmin, scale.vmax], format="%.2f")  # fmt: skip


def _picture(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(n, 1 or 3, H, W) of 0..255 → (n, H, W, 1 or 3) uint8."""
    return np.moveaxis(pixels.round().astype(np.uint8), 1, -1)


def _weights(axes: Axes, weights: NDArray[np.float64], x: float, y: float, side: float, top: float) -> None:
    """Draw the weights of regions over a face."""
    across, down = (start + np.linspace(0, side, len(weights) + 1) for start in (x, y))
    axes.pcolormesh(
        across, down, weights, cmap="Oranges", vmin=0, vmax=top, alpha=0.6, edgecolors="white", linewidth=0.6
    )
    if len(weights) > 4:
        return
    for (row, column), weight in np.ndenumerate(weights):
        axes.text(across[column : column + 2].mean(), down[row : row + 2].mean(), f"{100 * weight:.0f}", ha="center",
                  va="center", fontsize=6.5, color="white" if weight > 0.7 * top else INK)  # fmt: skip


def _scale(maps: NDArray[Any]) -> Normalize:
    """Return the colours' limits: the least and the greatest attention shown, a little apart at least."""
    low, high = float(maps.min()), float(maps.max())
    return Normalize(low, high) if high - low > 0.01 else Normalize(low - 0.005, low + 0.005)
