"""Training curves: loss and accuracy by epoch, of every method that learns anything."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from refer.errors import UserError
from refer.evaluation.predictions import RunKey
from refer.reporting.canvas import COLOURS, LINE, canvas, described
from refer.reporting.evidence import Paper, Record, read_records
from refer.reporting.names import by_stem, span
from refer.reporting.tables import several, stand_in_notice

FEW = 4
"""Up to so many runs of a method are drawn one by one; more, as of folds, as a band."""


@dataclass(frozen=True)
class Curve:
    """The training of one run: its record and the columns of its training.csv (each of length epochs)."""

    record: Record
    columns: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class End:
    """Where a method's line ends, and in which colour."""

    label: str
    colour: str
    epoch: float
    value: float


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
        _curves(paper, records[keys[0]], curves, paths)


def _curves(paper: Paper, record: Record, curves: Sequence[Curve], outputs: Sequence[Path]) -> None:
    """Draw all curves; where there are more methods than colours, in groups that share their axes."""
    dataset, stand_in = record["dataset"], record["stand_in"]
    methods = list(dict.fromkeys(curve.record["method"] for curve in curves))
    groups = max(1, math.ceil(len(methods) / len(COLOURS)))
    size = math.ceil(len(methods) / groups)
    title = f"{paper.id}: training under the {record['protocol']} protocol"
    subtitle = f"{described(dataset, stand_in)} · {_told(curves)}"
    notice = stand_in_notice(dataset) if stand_in else ""
    with canvas((4.0 if groups == 1 else 3.2 * groups) if curves else 0.3, title, subtitle, notice, outputs) as (
        figure,
        _,
    ):
        if not curves:
            return
        grid = figure.subplots(2 * groups, 2, sharex=True, squeeze=False)
        for axes in [*grid[0::2].ravel()[1:], *grid[1::2].ravel()[1:]]:
            axes.sharey(grid[0, 0] if axes in grid[0::2] else grid[1, 0])
        ends: dict[Axes, list[End]] = {}
        for number in range(groups):
            chosen = methods[number * size : (number + 1) * size]
            mine = [curve for curve in curves if curve.record["method"] in chosen]
            ends |= _group(grid[2 * number : 2 * number + 2], paper, mine)
        for axes, those in ends.items():  # at last, when the axes have their limits
            _label_ends(axes, those)
        last = max(curve.columns["epoch"][-1] for curve in curves)
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
            axes.set_xlim(1 - 0.04 * max(last, 10), last + 0.04 * max(last, 10))


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


def _group(grid: NDArray[Any], paper: Paper, curves: Sequence[Curve]) -> dict[Axes, list[End]]:
    """Draw some methods: loss above accuracy, training beside the part that is watched; return their ends there."""
    watched = _validation_part(paper, curves[0])
    columns = {"train": "training", watched: paper.parts[curves[0].record["dataset"]][watched]}
    ends = {}
    for row, (metric, scale, name) in enumerate([("loss", 1, "Loss (log scale)"), ("accuracy", 100, "Accuracy (%)")]):
        for column, (part, heading) in enumerate(columns.items()):
            axes = grid[row][column]
            found = _lines(axes, paper, curves, f"{part}_{metric}", scale, ring=column == 1)
            axes.grid(axis="y", color=LINE, linewidth=0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
            axes.set_title(f"{name.split(' (')[0]}, {heading}")
            if metric == "loss":
                _log_scale(axes)
            if column == 1:
                axes.tick_params(axis="y", labelleft=False)
                ends[axes] = found
        grid[row][0].set_ylabel(name)
    return ends


def _lines(axes: Axes, paper: Paper, curves: Sequence[Curve], column: str, scale: float, *, ring: bool) -> list[End]:
    """Draw one column of every run; return where each method's line ends."""
    ends = []
    for place, method in enumerate(dict.fromkeys(curve.record["method"] for curve in curves)):
        colour = COLOURS[place % len(COLOURS)]
        mine = [curve for curve in curves if curve.record["method"] == method]
        length = min(len(curve.columns["epoch"]) for curve in mine)
        epoch = mine[0].columns["epoch"][:length]
        values = scale * np.stack([curve.columns[column][:length] for curve in mine])
        if len(mine) > FEW:
            mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
            axes.fill_between(epoch, mean - sd, mean + sd, color=colour, alpha=0.13, linewidth=0)
        for curve in mine:
            whole = scale * curve.columns[column]
            if 1 < len(mine) <= FEW:
                axes.plot(curve.columns["epoch"], whole, color=colour, linewidth=0.6, alpha=0.45)
            if ring:
                at = curve.columns["epoch"] == curve.record["selected_epoch"]
                size = 4.5 if len(mine) <= FEW else 2.5
                axes.plot(
                    curve.columns["epoch"][at],
                    whole[at],
                    "o",
                    markersize=size,
                    color=colour,
                    fillstyle="none",
                    zorder=3,
                )
        axes.plot(epoch, values.mean(axis=0), color=colour, linewidth=1.5, marker="." if length < 3 else None)
        ends.append(End(paper.methods[method].label, colour, float(epoch[-1]), float(values[:, -1].mean())))
    return ends


def _log_scale(axes: Axes) -> None:
    """Give a loss a logarithmic axis: one bad early epoch would flatten all others on a linear one."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    steps = (1, 1.2, 1.5, 2, 3, 5, 8) if high < 10 * low else (1, 2, 5) if high < 100 * low else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _label_ends(axes: Axes, ends: Sequence[End]) -> None:
    """Write each line's label right of its end, moved apart where lines end close to each other."""
    scale = np.log if axes.get_yscale() == "log" else np.asarray
    low, high = scale(np.array(axes.get_ylim()))
    places = apart([float((scale(end.value) - low) / (high - low)) for end in ends], 0.085)
    for end, place in zip(ends, places, strict=True):
        axes.annotate(
            end.label,
            (end.epoch, end.value),
            xytext=(1.03, place),
            textcoords="axes fraction",
            color=end.colour,
            fontsize=7,
            va="center",
            annotation_clip=False,
        )


def apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Return `wanted` positions (0..1) moved as little as needed to lie at least `gap` apart."""
    order = np.argsort(wanted, kind="stable")
    offsets = np.arange(len(wanted)) * gap
    # Isotonic regression on the positions less their minimal offsets is the least-squares answer.
    level = [[value, 1.0] for value in np.asarray(wanted)[order] - offsets]
    pooled: list[list[float]] = []
    for block in level:
        pooled.append(block)
        while len(pooled) > 1 and pooled[-2][0] > pooled[-1][0]:
            (a, m), (b, n) = pooled[-2], pooled.pop()
            pooled[-1] = [(a * m + b * n) / (m + n), m + n]
    places = np.concatenate([np.full(int(count), value) for value, count in pooled]) + offsets
    result = np.empty(len(wanted))
    result[order] = places - max(0.0, places[-1] - 1)
    return [float(place) for place in result]


def _training(key: RunKey, tables: Mapping[tuple[str, ...], Path]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a run's training.csv."""
    path = tables.get(tuple(key.folder.split("/")[1:]))
    if path is None or not path.is_file():
        raise UserError(f"{key.folder}/training.csv: missing; expected it beside the run's run.json.")
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if not rows:
        raise UserError(f"{path}: no epochs; expected one row per epoch. Train this run again.")
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def _validation_part(paper: Paper, curve: Curve) -> str:
    """Return the part that chose the epoch, else the first evaluated part that the curves have."""
    known = [p for p in paper.parts[curve.record["dataset"]] if p != "train" and f"{p}_loss" in curve.columns]
    words = curve.record["selection"].split()
    return next((part for part in known if part in words), known[0])
