"""Training curves: loss and accuracy by epoch, of every method that learns anything."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from refer.errors import UserError
from refer.evaluation.predictions import RunKey
from refer.reporting.figures.canvas import COLOURS, WIDTH, canvas, described
from refer.reporting.figures.lettering import Word, width, write
from refer.reporting.figures.panel import Limits, Panel
from refer.reporting.names import by_stem, span
from refer.reporting.run_set import Record, read_records
from refer.reporting.tables.table import several, stand_in_notice
from refer.spec import Paper

FEW = 4
"""Up to so many runs of a method are drawn one by one; more, as of folds, as a band."""
METRICS = {"loss": "Loss (log scale)", "accuracy": "Accuracy (%)"}
Scales = Mapping[str, Limits]


@dataclass(frozen=True)
class Curve:
    """The training of one run: its record and the columns of its training.csv (each of length epochs)."""

    record: Record
    columns: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class End:
    """Where a method's line ends, and in which colour; `value` as it is drawn."""

    label: str
    colour: str
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
    high = 1.55 if groups == 1 else 1.25  # inches, of a panel
    block = 2 * high + 1.1
    with canvas(block * groups if curves else 0.3, title, subtitle, notice, outputs, by_hand=True) as (figure, head):
        if not curves:
            return
        room = max(width(paper.methods[method].label) for method in methods) + 0.1
        scales = _scales(paper, curves)
        words: list[Word] = []
        for number in range(groups):
            chosen = methods[number * size : (number + 1) * size]
            mine = [curve for curve in curves if curve.record["method"] in chosen]
            top = figure.get_figheight() - head - number * block
            words += _group(figure, paper, mine, (top - 0.25, high, room), scales)
        write(figure, words)


def _scales(paper: Paper, curves: Sequence[Curve]) -> Scales:
    """Return the limits that all panels share: of epochs, of loss (natural logarithms), and of accuracy in percent."""
    found: dict[str, Limits] = {}
    last = max(float(curve.columns["epoch"][-1]) for curve in curves)
    found["epoch"] = (1 - 0.04 * max(last, 10), last + 0.04 * max(last, 10))
    for metric in METRICS:
        parts = ("train", _validation_part(paper, curves[0]))
        values = np.concatenate([curve.columns[f"{part}_{metric}"] for curve in curves for part in parts])
        values = _shown(metric, values[np.isfinite(values)])
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        found[metric] = (low - margin, high + margin)
    return found


def _shown(metric: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values as they are drawn: a loss by its logarithm, for one bad early epoch would flatten all others."""
    return np.log(np.maximum(values, 1e-12)) if metric == "loss" else 100 * values


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


def _group(
    figure: Figure, paper: Paper, curves: Sequence[Curve], place: tuple[float, float, float], scales: Scales
) -> list[Word]:
    """Draw some methods, loss above accuracy, training beside the part that is watched; return what is to be written.

    `place`: the upper edge, the height of a panel, and the room for the lines' names right of them, in inches.
    """
    top, high, room = place
    left, between = 0.6, 0.2
    wide = (WIDTH - left - between - room - 0.1) / 2
    watched = _validation_part(paper, curves[0])
    columns = {"train": "training", watched: paper.parts[curves[0].record["dataset"]][watched]}
    words: list[Word] = []
    for row, (metric, name) in enumerate(METRICS.items()):
        ticks, names = _ticks(metric, scales[metric])
        for column, (part, heading) in enumerate(columns.items()):
            box = (left + column * (wide + between), top - (row + 1) * high - row * 0.35, wide, high)
            panel = Panel(figure, box, scales["epoch"], scales[metric])
            panel.axis_x(_epochs(scales["epoch"]), "epoch", labels=row == 1)
            panel.axis_y(ticks, names, name, labels=column == 0)
            panel.heading(f"{name.split(' (')[0]}, {heading}")
            ends = _lines(panel, paper, curves, part, metric, ring=column == 1)
            words += [*panel.head, *panel.words, *(_names(panel, ends) if column == 1 else [])]
    return words


def _epochs(limits: Limits) -> list[float]:
    ticks = MaxNLocator(integer=True, nbins=8, min_n_ticks=1).tick_values(*limits)
    return [float(tick) for tick in ticks if max(limits[0], 1) <= tick <= limits[1]]


def _ticks(metric: str, limits: Limits) -> tuple[list[float], list[str]]:
    """Return the places of round values within limits, and the values as they are written."""
    if metric == "loss":
        low, high = math.exp(limits[0]), math.exp(limits[1])
        steps = (1, 1.2, 1.5, 2, 3, 5, 8) if high < 10 * low else (1, 2, 5) if high < 100 * low else (1,)
        round_ = np.asarray(LogLocator(subs=steps).tick_values(low, high))
        round_ = round_[(low <= round_) & (round_ <= high)]
        return list(map(math.log, round_)), [f"{value:g}" for value in round_]
    values = np.asarray(MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(*limits))
    values = values[(limits[0] <= values) & (values <= limits[1])]
    return list(map(float, values)), [f"{value:g}" for value in values]


def _lines(panel: Panel, paper: Paper, curves: Sequence[Curve], part: str, metric: str, *, ring: bool) -> list[End]:
    """Draw one column of every run, all lines of a method as one shape; return where each method's mean ends."""
    ends = []
    column = f"{part}_{metric}"
    for place, method in enumerate(dict.fromkeys(curve.record["method"] for curve in curves)):
        colour = COLOURS[place % len(COLOURS)]
        mine = [curve for curve in curves if curve.record["method"] == method]
        length = min(len(curve.columns["epoch"]) for curve in mine)
        epoch = mine[0].columns["epoch"][:length]
        values = np.stack([curve.columns[column][:length] for curve in mine])
        mean = values.mean(axis=0)
        if len(mine) > FEW:
            sd = values.std(axis=0, ddof=1)
            edges = np.clip([mean - sd, mean + sd], values.min(axis=0), values.max(axis=0))
            panel.band(epoch, _shown(metric, edges[0]), _shown(metric, edges[1]), colour)
        elif len(mine) > 1:
            single = [(curve.columns["epoch"], _shown(metric, curve.columns[column])) for curve in mine]
            panel.lines(single, colour, 0.6, alpha=0.45)
        panel.lines([(epoch, _shown(metric, mean))], colour, 1.5)
        if length < 3:
            panel.points(zip(epoch, _shown(metric, mean), strict=True), "o", colour, 2.5, open_=False)
        if ring:
            at = [(curve, curve.columns["epoch"] == curve.record["selected_epoch"]) for curve in mine]
            rings = [(float(curve.columns["epoch"][which][0]), float(_shown(metric, curve.columns[column][which])[0]))
                     for curve, which in at if which.any()]  # fmt: skip
            panel.points(rings, "o", colour, 4.5 if len(mine) <= FEW else 2.5, open_=True)
        ends.append(End(paper.methods[method].label, colour, float(_shown(metric, mean[-1:])[0])))
    return ends


def _names(panel: Panel, ends: Sequence[End]) -> list[Word]:
    """Write each line's name right of its end, moved apart where lines end close to each other."""
    left, bottom, wide, high = panel.box
    wanted = [(float(panel.up(end.value)) - bottom) / high for end in ends]
    places = apart(wanted, 0.12 / high)
    return [
        Word(left + wide + 0.06, bottom + high * place, end.label, colour=end.colour)
        for end, place in zip(ends, places, strict=True)
    ]


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
