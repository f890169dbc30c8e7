"""How classes lie to each other in what a network makes of images, seen from where their means differ most."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

from refer.evaluation.principal import principal_axes
from refer.reporting.figures.canvas import COLOURS, INK, MARKERS, canvas, heading, key
from refer.reporting.figures.explanation_file import DIGITS, Explained, whose
from refer.reporting.names import in_figures
from refer.reporting.tables.table import stand_in_notice
from refer.spec import Paper

CLASS_COLOURS = (*COLOURS, "#8c8c8c")
CLASS_MARKERS = (*MARKERS, "*", "<")
"""One more of each, for data sets of eight classes; beyond that a pair of both still tells classes apart."""
MEAN: Mapping[str, Any] = {"markersize": 6.5, "markeredgecolor": INK, "markeredgewidth": 0.9, "zorder": 5}
LEAST = 5
"""Points, for their covariance to be drawn."""


@dataclass(frozen=True)
class Plane:
    """A representation seen from where its classes lie furthest apart.

    `points` (n, 2) and `means` (K, 2) are coordinates in units of the representation; `held` is the share (0..1)
    of the variance of the class means, of the points, and of the points along each of the two axes.
    """

    points: NDArray[np.float64]
    means: NDArray[np.float64]
    held_means: float
    held_points: float
    held_axes: tuple[float, float]


def draw_representations(paper: Paper, runs: Sequence[Explained], outputs: Iterable[str | Path]) -> None:
    """Draw the representation spaces of several methods of one cell, one panel each.

    Args:
        paper: gives the labels.
        runs: on the same data under the same protocol.
        outputs: files to write, .png or .svg.
    """
    about = runs[0].about
    columns = {1: 1, 2: 2, 4: 2}.get(len(runs), 3)
    rows = -(-len(runs) // columns)
    shown = {len(run.tensors["test/labels"]) for run in runs}
    total = {run.about["images"] for run in runs}
    n = f"{max(shown):,} of {max(total):,}" if shown != total else f"{max(total):,}"
    subtitle = (
        f"{whose(paper, about)}, n = {n} images · the plane in which the class means of the training split differ most "
        "(PCA of these means, true to scale) · axes: share of the points' variance · lines: 1σ, dashed 2σ"
    )
    notice = stand_in_notice(about["dataset"]) if about["stand_in"] else ""
    side = 6.6 / columns if columns > 1 else 3.9
    title = f"{paper.id}: representation space"
    with canvas(rows * (side + 0.55) + 0.4, title, subtitle, notice, outputs) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, run in zip(grid, runs, strict=False):
            _space(axes, run, in_figures(paper, run.about["method"]))
        for axes in grid[len(runs) :]:
            axes.set_axis_off()
        signs = [Line2D([], [], linestyle="none", markersize=5, label=name, **_sign(place))
                 for place, name in enumerate(about["classes"])]  # fmt: skip
        mean: dict[str, Any] = {"color": "white", "marker": "o", **MEAN}
        signs.append(Line2D([], [], linestyle="none", label="mean of a class in training", **mean))
        key(figure, signs, ncols=min(len(signs), 9), columnspacing=1.1, handletextpad=0.2)


def plane(features: NDArray[Any], means: NDArray[Any], counts: NDArray[Any]) -> Plane:
    """Project a representation onto the two axes along which its class means differ most.

    The axes are found from the means alone, which are of other images than the points: fitted to the points and
    their labels (as LDA would be), many dimensions can be made to tell any labels apart. They are orthonormal,
    so that a Gaussian σ² I stays a circle of radius σ.

    Args:
        features: (n, d), d at least 2.
        means: (K, d).
        counts: (K,), images behind each mean; means of none are left out.
    """
    points, known = features.astype(np.float64), means[counts > 0].astype(np.float64)
    with np.errstate(invalid="ignore"):  # of a network that makes the same of every image
        # Two means differ in one direction only; the points have to tell the other.
        centre, axes = principal_axes(known if len(known) > 2 else points)
    placed = (points - centre) @ axes.T
    spread = points.var(axis=0).sum()
    held = placed.var(axis=0) / spread if spread else np.zeros(2)
    among = known.var(axis=0).sum()
    return Plane(
        points=placed.round(DIGITS),
        means=((means.astype(np.float64) - centre) @ axes.T).round(DIGITS),
        held_means=float(((known - centre) @ axes.T).var(axis=0).sum() / among) if among else 0.0,
        held_points=float(held.sum()),
        held_axes=(float(held[0]), float(held[1])),
    )


def ellipse(covariance: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return width, height and angle in degrees of the 1σ ellipse of a 2x2 covariance."""
    values, vectors = np.linalg.eigh(covariance)
    long = vectors[:, 1]
    angle = float(np.degrees(np.arctan2(long[1], long[0]))) % 180
    width, height = (2 * float(np.sqrt(max(value, 0.0))) for value in values[::-1])
    return width, height, angle


def _space(axes: Axes, run: Explained, label: str) -> None:
    """Draw one representation: points, class means, 1σ and 2σ."""
    features, labels = run.tensors["test/features"], run.tensors["test/labels"]
    counts, sigma = run.tensors["classes/counts"], run.about["sigma"]
    seen = plane(features, run.tensors["classes/means"], counts)
    size = 3.8 if len(labels) < 500 else 2.4
    for place in range(len(run.about["classes"])):
        mine = seen.points[labels == place]
        axes.plot(
            *mine.T, linestyle="none", markersize=size, markeredgewidth=0, alpha=0.6, rasterized=True, **_sign(place)
        )
        if sigma and counts[place]:
            _rings(axes, seen.means[place], (2 * sigma, 2 * sigma, 0.0), place)
        elif not sigma and len(mine) >= LEAST:
            _rings(axes, mine.mean(axis=0), ellipse(np.cov(mine.T)), place)
        if counts[place]:
            axes.plot(*seen.means[place], **_sign(place), **MEAN)
    axes.set_aspect("equal", adjustable="datalim")
    axes.locator_params(nbins=5)
    first, second = (100 * share for share in seen.held_axes)
    axes.set_xlabel(f"1st axis ({first:.0f} %)")
    axes.set_ylabel(f"2nd axis ({second:.0f} %)")
    rings = f"lines: the loss's Gaussians, σ = {sigma:g}" if sigma else "lines: σ of the points"
    held = f"plane: {100 * seen.held_means:.0f} % of the means' variance"
    name = textwrap.fill(f"{label}, {features.shape[1]}-d", 38)  # a third of the figure
    heading(axes, f"{name}\n{held}\n{rings}")


def _rings(axes: Axes, middle: NDArray[np.float64], shape: tuple[float, float, float], place: int) -> None:
    width, height, angle = (round(value, DIGITS) for value in shape)
    for times, style in ((1, "-"), (2, "--")):
        axes.add_patch(Ellipse((float(middle[0]), float(middle[1])), times * width, times * height, angle=angle,
                               fill=False, edgecolor=_sign(place)["color"], linewidth=1.3 - 0.3 * times,
                               linestyle=style, zorder=3))  # fmt: skip


def _sign(place: int) -> dict[str, Any]:
    """Colour and marker of a class."""
    return {
        "color": CLASS_COLOURS[place % len(CLASS_COLOURS)],
        "marker": CLASS_MARKERS[place % len(CLASS_MARKERS)],
    }
