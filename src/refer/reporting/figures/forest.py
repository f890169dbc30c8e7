"""Reproduced beside reported numbers: of one paper on one data set, and of all papers in one figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from refer.errors import UserError
from refer.evaluation.reported import MARGIN, STAND_IN
from refer.reporting.figures.canvas import (
    COLOURS,
    INK,
    LINE,
    MARKERS,
    canvas,
    described,
    groups,
    heading,
    key,
    table_of,
)
from refer.reporting.figures.intervals import LINE_HEIGHT, column, dots, interval, limits, lines
from refer.reporting.names import brief, measure, span
from refer.reporting.results import Row
from refer.reporting.tables.table import dataset_name, several, stand_in_notice, stated
from refer.reporting.tables.verdicts import tally
from refer.spec import Paper

PROTOCOLS = ("published", "audited")
KINDS = {"wilson": "Wilson's", "crossed": "over images and seeds"}
CELL, GROUP = ["paper", "data"], ["paper", "data", "method", "metric"]


def draw_forest(paper: Paper, table: pd.DataFrame | str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw a paper's accuracies with their intervals, from its comparison table, beside the numbers that it reports.

    A panel a split; in it a group of lines a method: one for each protocol, and one for what the paper reports.
    """
    rows = table_of(table)
    rows = rows[rows["metric"] == "accuracy"]
    if rows.empty:
        raise UserError(f"{table}: no rows; expected the comparison table of {paper.id}. Make it again.")
    first, stand_in = rows.iloc[0], bool(rows["stand_in"].iloc[0])
    splits = sorted(rows["part"].unique(), key=list(paper.parts[first["dataset"]]).index)
    dots_are = "single runs" if (rows["seeds"] == 1).all() else f"means over {span(rows['seeds'])} seeds"
    if pd.notna(first["folds"]):
        folds = int(first["folds"])
        dots_are += f", {several(folds, 'fold')} of each pooled" if folds > 1 else ", one fold"
    told = [described(first["dataset"], stand_in), f"dots: {dots_are}"]
    told.append(f"bars: 95 % intervals ({'; '.join(KINDS[kind] for kind in rows['interval_method'].unique())})")
    if rows["reported_sd"].notna().any():
        told.append("line through a reported number: its standard deviation")
    title = f"{paper.id}: reproduced beside reported accuracy"
    notice = stand_in_notice(first["dataset"]) if stand_in else ""
    places, labels = _places(rows)
    height = LINE_HEIGHT * (max(places.values()) + 1) + 0.8
    with canvas(height, title, " · ".join(told), notice, outputs) as figure:
        panels = figure.subplots(1, len(splits), sharex=True, sharey=True, squeeze=False)[0]
        panels[0].set_xlim(limits(rows, *rows["reported"].dropna()))
        for axes, split in zip(panels, splits, strict=True):
            mine = rows[rows["part"] == split]
            _panel(axes, mine, places)
            lines(axes, labels, max(places.values()) + 1)
            sizes = {protocol: span(each["n"]) for protocol, each in groups(mine, "protocol")}
            every = ", ".join(f"{n} {name}" for name, n in sizes.items())
            n = f", n = {span(mine['n'])}" if len({*sizes.values()}) == 1 else f"\nn = {every}"
            heading(axes, mine["split"].iloc[0] + n)
            axes.set_xlabel("accuracy (%)")
        _key(figure, rows)


def draw_overview(
    papers: Sequence[Paper], judged: Sequence[Row], outputs: Iterable[str | Path], margin: float = MARGIN
) -> None:
    """Draw every reported number that was run, beside what came out, from the rows of the table of verdicts.

    Of several splits only the test set is drawn; drawn data are told apart and have no verdict.
    """
    tests = {(paper.id, dataset): split for paper in papers for dataset, split in paper.test_sets.items()}
    ran = [row for row in judged if row["mean"] is not None and row["part"] == tests[row["paper"], row["dataset"]]]
    rows = pd.DataFrame([{**row, "label": brief(str(row["label"]))} for row in ran])
    counts = ", ".join(f"{count} {name}" for name, count in tally(judged).items())
    told = [f"reported numbers: {counts or 'none'}", "bars: 95 % intervals, cut at an arrow"]
    told.append(f"grey: ± {margin:g} points around the reported one, the margin of the verdicts")
    drawn = dict.fromkeys(row["dataset"] for row in ran if row["stand_in"])
    places, labels = _places(rows, headed=True)
    height = LINE_HEIGHT * (max(places.values(), default=0) + 1) + 0.65 if places else 0.1
    title, notice = "Reported and reproduced, all papers", stand_in_notice(*drawn) if drawn else ""
    with canvas(height, title, " · ".join(told), notice, outputs) as figure:
        if places:
            axes = figure.subplots()
            axes.set_xlim(limits(rows, *(rows["reported"] - margin), *(rows["reported"] + margin)))
            _panel(axes, rows, places, margin)
            lines(axes, labels, max(places.values()) + 1, [y for y, name in labels.items() if " · " in name])
            axes.set_xlabel(f"{', '.join(dict.fromkeys(map(_measure, rows['metric'])))} (%)")
            _key(figure, rows)


def _places(rows: pd.DataFrame, *, headed: bool = False) -> tuple[dict[tuple[str, ...], float], dict[float, str]]:
    """Return the height of each line and the names beside them.

    A line is known by paper, data, method, metric, and its protocol or "reported". A name stands in the middle of its
    lines. `headed`: each paper and data set has a heading above its own.
    """
    places: dict[tuple[str, ...], float] = {}
    labels: dict[float, str] = {}
    at = 0.0
    for (paper, data), cell in groups(rows, CELL) if len(rows) else ():
        if headed:
            name = data.removesuffix("-standin")
            labels[at] = f"{paper} · {dataset_name(name)}{' (drawn)' if name != data else ''}"
            at += 1
        for group, mine in groups(cell, GROUP):
            names = [*mine["protocol"].unique(), *(["reported"] if mine["reported"].notna().any() else [])]
            places |= {(*group, name): at + k for k, name in enumerate(names)}
            what = "" if group[3] == "accuracy" else f", {_measure(group[3])}"
            labels[at + (len(names) - 1) / 2] = mine["label"].iloc[0] + what
            at += len(names) + 0.5
    return places, labels


def _panel(axes: Axes, rows: pd.DataFrame, places: dict[tuple[str, ...], float], margin: float = 0) -> None:
    """Draw dots on their intervals, diamonds for what is reported, and a grey band where verdicts have a `margin`."""
    for group, mine in groups(rows, GROUP):
        y = [places[*group, protocol] for protocol in mine["protocol"]]
        for place, protocol, (_, row) in zip(y, mine["protocol"], mine.iterrows(), strict=True):
            kind = _kind(protocol)
            dots(axes, place, row.to_frame().T, COLOURS[kind], MARKERS[kind])
            verdict = row["verdict"] if margin and row["verdict"] != STAND_IN else ""
            column(axes, 6, {place: f"{interval(row)} {verdict}".strip()}, {place: COLOURS[kind]})
        first = mine.iloc[0]
        if pd.notna(first["reported"]):
            value, sd, place = first["reported"], first["reported_sd"], places[*group, "reported"]
            axes.barh((y[0] + place) / 2, 2 * margin, place - y[0] + 0.8, left=value - margin, color=LINE, alpha=0.5)
            axes.errorbar(value, place, xerr=sd if pd.notna(sd) else None, fmt="D", color=INK, markerfacecolor="white")
            mark = "*" if first.get("reported_part") == "not stated" else ""
            column(axes, 6, {place: f"{stated(value)}{mark} reported"})


def _key(figure: SubFigure, rows: pd.DataFrame) -> None:
    """Draw what the signs mean, and how many seeds each protocol had."""
    signs = []
    for protocol, mine in groups(rows, "protocol"):
        kind = _kind(protocol)
        name = f"{protocol}, seeds: {span(mine['seeds'].astype(int))}"
        signs.append(Line2D([], [], marker=MARKERS[kind], color=COLOURS[kind], label=name))
    if rows["reported"].notna().any():
        unknown = "reported_part" in rows and (rows["reported_part"] == "not stated").any()
        name = f"reported{' (* the paper does not say on which split)' if unknown else ''}"
        signs.append(Line2D([], [], marker="D", color=INK, markerfacecolor="white", linestyle="none", label=name))
    key(figure, signs)


def _kind(protocol: str) -> int:
    """Return which colour and marker a protocol has, the same in every figure."""
    return PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS)


def _measure(metric: str) -> str:
    name = measure(metric).replace("F1 of means", "F1")
    return name[0].lower() + name[1:]
