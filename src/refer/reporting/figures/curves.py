"""Training curves: loss and accuracy by epoch, of every method that learns anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, ScalarFormatter
from scipy.optimize import isotonic_regression

from refer.errors import UserError
from refer.evaluation.predictions import RunKey
from refer.reporting.figures.canvas import COLOURS, WORDS, canvas, described, heading
from refer.reporting.names import by_stem, in_figures, span
from refer.reporting.run_set import Record, read_records
from refer.reporting.tables.table import several, stand_in_notice
from refer.spec import Paper

FEW = 4
"""Up to so many runs of a method are drawn one by one; more, as of folds, as a band."""
METRICS = {"loss": "Loss (log scale)", "accuracy": "Accuracy (%)"}
HIGH = 1.35
"""Inches of a panel."""


@dataclass(frozen=True)
class Curve:
    """The training of one run: its record and its training.csv, a row an epoch."""

    record: Record
    epochs: pd.DataFrame


def draw_curves(
    paper: Paper,
    runs: Iterable[str | Path],
    training: Iterable[str | Path],
    outputs: Iterable[str | Path],
) -> None:
    """Draw the training curves that `outputs` names, from run.json and training.csv files.

    Each output is called `<paper>.<data>.<protocol>` with the suffix .svg or .png. Runs with nothing to train have
    no curve.
    """
    records = read_records(runs)
    tables = {Path(path).absolute().parts[-6:-1]: Path(path) for path in training}
    for (_, data, protocol), paths in by_stem(outputs, 3, paper.id):
        keys = [key for key in records if key[:3] == (paper.id, data, protocol)]
        keys.sort(key=lambda key: (list(paper.methods).index(key.method), key.rank))
        if not keys:
            raise UserError(f"{paths[0]}: no run.json of {paper.id} on {data} under {protocol!r} was given.")
        curves = [Curve(records[key], _training(key, tables)) for key in keys if records[key]["epochs"]]
        _draw(paper, records[keys[0]], curves, paths)


def _training(key: RunKey, tables: Mapping[tuple[str, ...], Path]) -> pd.DataFrame:
    """Return a run's training.csv."""
    path = tables.get(tuple(key.folder.split("/")[1:]))
    if path is None or not path.is_file():
        raise UserError(f"{key.folder}/training.csv: missing; expected it beside the run's run.json.")
    epochs = pd.read_csv(path)
    if epochs.empty:
        raise UserError(f"{path}: no epochs; expected one row per epoch. Train this run again.")
    return epochs


def _draw(paper: Paper, record: Record, curves: Sequence[Curve], outputs: Sequence[Path]) -> None:
    """Draw all curves; where there are more methods than colours, in groups that share their axes."""
    dataset, stand_in = record["dataset"], record["stand_in"]
    methods = list(dict.fromkeys(curve.record["method"] for curve in curves))
    count = max(1, math.ceil(len(methods) / len(COLOURS)))
    groups = [list(each) for each in np.array_split(methods, count)] if methods else []
    title = f"{paper.id}: training under the {record['protocol']} protocol"
    subtitle = f"{described(dataset, stand_in)} · {_told(curves)}"
    notice = stand_in_notice(dataset) if stand_in else ""
    with canvas((2 * HIGH + 0.75) * len(groups) or 0.1, title, subtitle, notice, outputs) as figure:
        if groups:
            watched = _validation_split(paper, curves[0])
            _panels(figure, paper, groups, curves, {"train": "training", watched: paper.parts[dataset][watched]})


def _told(curves: Sequence[Curve]) -> str:
    """Return what the lines, bands and rings are."""
    if not curves:
        return "nothing to train"
    seeds, folds = ({curve.record.get(key) for curve in curves} for key in ("seed", "fold"))
    many = {"seeds": len(seeds), "folds": len(folds) if folds != {None} else 0}
    repeated = " and ".join(name for name, count in many.items() if count > 1)
    told = [several(count, name[:-1]) for name, count in many.items() if count]
    if len(seeds) * len(folds) > FEW:
        told.append(f"lines: means over {repeated}, bands: ± standard deviation")
    elif repeated:
        told.append(f"thin lines: single {repeated}, thick: their mean")
    images = span(curve.record["parts"].get("train", 0) for curve in curves)
    rules = " or ".join(dict.fromkeys(curve.record["selection"] for curve in curves))
    return " · ".join([f"n = {images} training images", *told, f"ring: the epoch that is tested ({rules})"])


def _panels(
    figure: SubFigure,
    paper: Paper,
    groups: Sequence[Sequence[str]],
    curves: Sequence[Curve],
    columns: Mapping[str, str],
) -> None:
    """Draw each group of methods, loss above accuracy, training beside validation, all on the same scales."""
    grid = figure.subplots(2 * len(groups), 2, sharex=True, squeeze=False)
    ends: list[tuple[Axes, list[tuple[str, float]]]] = []
    for number, row in enumerate(grid):
        metric, name = list(METRICS.items())[number % 2]
        for axes, (part, told) in zip(row, columns.items(), strict=True):
            axes.set_yscale("log" if metric == "loss" else "linear")
            if axes is not grid[number % 2, 0]:
                axes.sharey(grid[number % 2, 0])
            found = []
            for colour, method in zip(COLOURS, groups[number // 2], strict=False):
                mine = [curve for curve in curves if curve.record["method"] == method]
                found.append((in_figures(paper, method), _lines(axes, mine, part, metric, colour)))
            heading(axes, f"{name.split(' (')[0]}, {told}")
            axes.grid(axis="y")
        axes.tick_params(labelleft=False)
        row[0].set_ylabel(name)
        ends.append((axes, found))
    low, high = grid[0, 0].get_ylim()
    grid[0, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high > 10 * low else MaxNLocator(5))
    grid[0, 0].yaxis.set_major_formatter(ScalarFormatter())
    grid[0, 0].yaxis.set_minor_locator(NullLocator())
    for axes, found in ends:
        heights = [(axes.transScale + axes.transLimits).transform((1, end))[1] for _, end in found]
        for place, colour, (label, _) in zip(apart(heights, 0.12 / HIGH), COLOURS, found, strict=False):
            axes.annotate(label, (1, place), (4, 0), xycoords="axes fraction", textcoords="offset points",
                          color=WORDS[colour], va="center_baseline", annotation_clip=False)  # fmt: skip
    for axes in grid[-1]:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")


def _values(epochs: pd.DataFrame, part: str, metric: str) -> pd.Series:
    """Return one column as it is drawn: a loss, or an accuracy in percent."""
    values = epochs[f"{part}_{metric}"].set_axis(epochs["epoch"])
    return values.clip(lower=1e-12) if metric == "loss" else 100 * values


def _lines(axes: Axes, curves: Sequence[Curve], part: str, metric: str, colour: str) -> float:
    """Draw one column of every run of a method, and their mean; return where the mean ends."""
    every = pd.concat([_values(curve.epochs, part, metric) for curve in curves], axis=1, join="inner")
    mean = every.mean(axis=1)
    if len(curves) > FEW:
        sd = every.std(axis=1)
        low, high = np.maximum(mean - sd, every.min(axis=1)), np.minimum(mean + sd, every.max(axis=1))
        axes.fill_between(mean.index, low, high, color=colour, alpha=0.13, linewidth=0)
    elif len(curves) > 1:
        for curve in curves:
            axes.plot(_values(curve.epochs, part, metric), color=colour, linewidth=0.6, alpha=0.45)
    axes.plot(mean, color=colour, linewidth=1.5, marker="o" if len(mean) < 3 else "", markersize=2.5)
    if part != "train":
        tested = [curve.record["selected_epoch"] for curve in curves]
        reached = [
            _values(curve.epochs, part, metric).get(at, np.nan) for at, curve in zip(tested, curves, strict=True)
        ]
        axes.plot(tested, reached, color=colour, linestyle="none", marker="o", markerfacecolor="none",
                  markersize=4.5 if len(curves) <= FEW else 2.5)  # fmt: skip
    return float(mean.iloc[-1])


def apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Return `wanted` positions (0..1) moved as little as needed to lie at least `gap` apart, none above 1."""
    order, offsets = np.argsort(wanted, kind="stable"), np.arange(len(wanted)) * gap
    # Isotonic regression on the positions less their least offsets is the least-squares answer.
    places = isotonic_regression(np.asarray(wanted)[order] - offsets).x + offsets
    result = np.empty(len(wanted))
    result[order] = places - max(0.0, places[-1] - 1)
    return [float(place) for place in result]


def _validation_split(paper: Paper, curve: Curve) -> str:
    """Return the split that chose the epoch, else the first evaluated one that the curves have."""
    known = [p for p in paper.parts[curve.record["dataset"]] if p != "train" and f"{p}_loss" in curve.epochs]
    words = curve.record["selection"].split()
    return next((part for part in known if part in words), known[0])
