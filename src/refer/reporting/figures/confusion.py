"""Confusion matrices: counts beside rates, and how many images of each class there are before and after the audit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from numpy.typing import NDArray
from seaborn.utils import relative_luminance

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import Predictions, read_all
from refer.reporting.estimates import confusion
from refer.reporting.figures.canvas import COLOURS, INK, canvas, described, heading
from refer.reporting.names import by_stem, in_figures, short
from refer.reporting.tables.table import several, stand_in_notice
from refer.spec import Paper

EVEN = 0.179
"""Of a ground of this luminance, black and white both have a contrast of 4.58 (WCAG 2.2)."""


def draw_confusions(paper: Paper, predictions: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Draw the confusion matrices that `outputs` names, counts beside rates, summed over the seeds and folds given.

    Each output is called `<paper>.<data>.<protocol>.<method>.<part>` with the suffix .svg or .png. Raises
    UserError where a name has no predictions.
    """
    runs = pooled(read_all(predictions))
    for (_, data, protocol, method, part), paths in by_stem(outputs, 5, paper.id):
        mine = [r for r in runs if r.key[:4] == (paper.id, data, protocol, method) and part in r.parts]
        if not mine:
            raise UserError(
                f"{paths[0]}: no predictions of {method!r} on part {part!r} of {data} under {protocol!r} were given."
            )
        _draw(paper, mine, part, paths)


def reported_confusion(paper: Paper, run: Predictions, part: str) -> tuple[NDArray[np.int64], str] | None:
    """Return the confusion matrix that is known of the paper, its classes in the order of `run`, and its source.

    Raises UserError where it is of other classes.
    """
    for each in paper.confusions:
        if (each.method, each.dataset, each.part) == (run.key.method, run.dataset, part):
            if set(each.classes) != set(run.classes):
                raise UserError(
                    f"{paper.id}: the confusion matrix of {each.method} is of {', '.join(each.classes)}, but the "
                    f"predictions are of {', '.join(run.classes)}; mend `confusions` in the paper's file."
                )
            order = [list(each.classes).index(name) for name in run.classes]
            return np.array(each.counts, dtype=np.int64)[np.ix_(order, order)], each.source
    return None


def _draw(paper: Paper, runs: Sequence[Predictions], part: str, outputs: Sequence[Path]) -> None:
    first, counts = runs[0], confusion(runs, part)
    many = f"summed over {len(runs)} seeds" if len(runs) > 1 else "one seed"
    folds = f", {several(len(first.folds), 'fold')} pooled" if first.folds else ""
    title = f"{in_figures(paper, first.key.method)}: confusion on {paper.parts[first.dataset][part]}"
    subtitle = (
        f"{described(first.dataset, first.stand_in)} · {paper.id}, {first.key.protocol} protocol · "
        f"n = {first.of(part).sum():,} images, {many}{folds} · accuracy {100 * counts.trace() / counts.sum():.1f} %"
    )
    if first.of(part).sum() < (first.part == part).sum():
        subtitle += " · stroke: share of a class before the audit"
    rows = [("", counts)]
    reported = reported_confusion(paper, first, part)
    if reported is not None:
        known, source = reported
        rows = [("reproduced: ", counts), ("reported: ", known)]
        subtitle += f" · reported: {known.trace()} of {known.sum()}, {source}"
    labels, notice = short(first.classes), stand_in_notice(first.dataset) if first.stand_in else ""
    side = 0.55 + max(0.27 * len(labels), 1.2)
    with canvas(side * len(rows), title, subtitle, notice, outputs) as figure:
        grid = figure.subplots(len(rows), 3, sharey=True, squeeze=False, width_ratios=[1, 1, 0.5])
        for (counted, rated, mixed), (what, matrix) in zip(grid, rows, strict=True):
            support = matrix.sum(axis=1, keepdims=True)
            rates = np.divide(100 * matrix, support, out=np.zeros(matrix.shape), where=support > 0)
            sums = f", {many}" if len(runs) > 1 and matrix is counts else ""
            for axes, values, name in ((counted, matrix, f"counts{sums}"), (rated, rates, "% of the true class")):
                _matrix(axes, values, labels, f"{what}{name}")
            counted.set_ylabel("true class")
            if matrix is counts:
                _mix(mixed, first, part)
            else:
                mixed.set_axis_off()


def _matrix(axes: Axes, values: NDArray[np.number], labels: Sequence[str], what: str) -> None:
    sns.heatmap(values, ax=axes, cmap="Blues", vmin=0, vmax=max(values.max(), 1), cbar=False, linewidths=0.7,
                annot=True, fmt=",.0f", annot_kws={"fontsize": 6.5, "in_layout": False}, xticklabels=False,
                yticklabels=False)  # fmt: skip
    for text, ground in zip(axes.texts, axes.collections[0].get_facecolor(), strict=True):
        text.set_color("black" if relative_luminance(ground) > EVEN else "white")
    middle = np.arange(len(labels)) + 0.5
    axes.set_xticks(middle, labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(middle, labels)
    axes.tick_params(length=0, pad=2)
    axes.set_xlabel("predicted class")
    heading(axes, what[0].upper() + what[1:])


def _mix(axes: Axes, run: Predictions, part: str) -> None:
    """Draw how many images each class has, and which share; a stroke where the audit changed it."""
    size = len(run.classes)
    here, before = (np.bincount(run.label[which], minlength=size) for which in (run.of(part), run.part == part))
    shares, shares_before = (100 * counts / max(counts.sum(), 1) for counts in (here, before))
    middle = np.arange(size) + 0.5
    axes.barh(middle, shares, height=0.6, color=COLOURS[5])
    changed = here.sum() < before.sum()
    if changed:
        axes.plot(shares_before, middle, linestyle="none", marker="|", markersize=9, color=INK)
    for y, count, old, end in zip(middle, here, before, np.maximum(shares, shares_before), strict=True):
        text = f"{count:,} of {old:,}" if changed else f"{count:,}"
        axes.annotate(text, (end, y), (4, 0), textcoords="offset points", va="center_baseline", fontsize=6.5)
    axes.set_xlim(0, 1.9 * max(shares.max(), shares_before.max(), 1))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share (%)")
    heading(axes, "Class mix")
