"""Which methods differ, as a map: differences below the diagonal, p values above it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from refer.errors import UserError
from refer.reporting.canvas import INK, LINE, SOFT, WIDTH, canvas, described
from refer.reporting.evidence import Paper
from refer.reporting.names import by_stem, span
from refer.reporting.tables import probability, several, signed, stand_in_notice

LEVELS = ((0.001, "#08519c", "white"), (0.01, "#6baed6", INK), (0.05, "#c6dbef", INK))
"""p below this → colour of the cell and of its text; anything else is white."""
Row = Mapping[str, str]


def draw_pairs(paper: Paper, table: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw the maps that `outputs` names, from the CSV of all pairs: of the last part, the test set proper.

    Each output is called `<paper>.<data>.<protocol>` with the suffix .svg or .png.
    """
    with Path(table).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for (_, data, protocol), paths in by_stem(outputs, 3, paper.id):
        mine = [row for row in rows if (row["data"], row["protocol"]) == (data, protocol)]
        _draw(paper, data, protocol, mine, paths)


def _draw(paper: Paper, data: str, protocol: str, rows: Sequence[Row], outputs: Sequence[Path]) -> None:
    dataset = data.removesuffix("-standin")
    if dataset not in paper.parts:
        raise UserError(f"{outputs[0]}: {paper.id} has no data set {dataset}.")
    order = list(paper.parts[dataset])
    part = max((row["part"] for row in rows), key=order.index, default="")
    rows = [row for row in rows if row["part"] == part]
    known = {row["method"] for row in rows} | {row["less"] for row in rows}
    methods = [method for method in paper.methods if method in known]
    stand_in = data != dataset
    title = f"{paper.id}: which methods differ, {protocol} protocol"
    if rows:
        told = (
            f"{described(dataset, stand_in)}, {paper.parts[dataset][part]} · n = {span(int(row['n']) for row in rows)} "
            f"images, {several(max(int(row['seeds']) for row in rows), 'seed')} · below the diagonal: accuracy of the "
            "row less the column's, in points; above: p, adjusted by Holm for "
            f"{several(len(rows), 'pair')} ({_tests(rows)})"
        )
    else:
        told = f"{described(dataset, stand_in)} · fewer than two methods with a seed in common"
    notice = stand_in_notice(dataset) if stand_in else ""
    labels = [paper.methods[method].label for method in methods]
    names = 0.25 + 0.052 * max(map(len, labels), default=0)  # inches beside the map
    side = min(WIDTH - names - 0.35, 0.52 * len(methods))
    below = 0.32  # the columns' numbers
    with canvas(side + below if rows else 0.3, title, told, notice, outputs, legend=0.25 if rows else 0) as (
        figure,
        head,
    ):
        if not rows:
            return
        figure.set_layout_engine(None)
        total = figure.get_figheight()
        axes = figure.add_axes((names / WIDTH, 1 - (head + 0.1 + side) / total, side / WIDTH, side / total))
        _map(axes, methods, labels, rows, side)
        handles = [Patch(facecolor=colour, edgecolor=LINE, label=f"p < {level:g}") for level, colour, _ in LEVELS]
        handles.append(Patch(facecolor="white", edgecolor=LINE, label="p ≥ 0.05"))
        foot = (0.26 if notice else 0.04) / total
        figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, foot), ncols=4)


def _tests(rows: Sequence[Row]) -> str:
    names = {"mcnemar": "exact McNemar", "crossed": "images and seeds as samples"}
    return ", ".join(names[test] for test in dict.fromkeys(row["test"] for row in rows))


def _map(axes: Axes, methods: Sequence[str], labels: Sequence[str], rows: Sequence[Row], side: float) -> None:
    size = len(methods)
    points = min(7.0, 72 * side / size / 3.4)  # what fits into a cell
    for row in rows:
        one, other = methods.index(row["less"]), methods.index(row["method"])
        difference = float(row["difference"])
        low, high = sorted((one, other))
        gain = difference if high == other else -difference  # of the lower row less the column
        p = float(row["p_holm"])
        colour, ink = next(((c, i) for level, c, i in LEVELS if p < level), ("white", INK))
        shown = probability(p) if size <= 12 else probability(p).replace("0.", ".")  # no room for the 0
        for y, x, text in ((high, low, signed(gain)), (low, high, shown)):
            axes.add_patch(_square(x, y, colour))
            axes.text(x, y, text, ha="center", va="center", fontsize=points, color=ink)
    for place in range(size):
        axes.add_patch(_square(place, place, "#efefef"))
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_yticks(range(size), [f"{label}  {place}" for place, label in enumerate(labels, 1)])
    axes.set_xticks(range(size), [str(place) for place in np.arange(size) + 1])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _square(x: int, y: int, colour: str) -> Patch:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor=SOFT, linewidth=0.3, clip_on=False)
