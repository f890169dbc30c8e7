"""Reported beside reproduced accuracy of all papers in one figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from refer.evaluation.reported import CANNOT_TELL, MARGIN, NOT_REPRODUCED, REPRODUCED, STAND_IN
from refer.reporting.canvas import COLOURS, INK, LINE, MARKERS, SOFT, canvas
from refer.reporting.evidence import Paper
from refer.reporting.overview import read_rows, tally, verdicts
from refer.reporting.tables import dataset_name, stand_in_notice, stated

WORDS = {REPRODUCED: "reproduced", NOT_REPRODUCED: "not reproduced", CANNOT_TELL: "cannot tell", STAND_IN: ""}
PROTOCOLS = ("published", "audited")
LINE_HEIGHT = 0.15  # inches


def draw_overview(
    papers: Sequence[Paper], tables: Iterable[str | Path], outputs: Iterable[str | Path], margin: float = MARGIN
) -> None:
    """Draw every reported accuracy that was run, beside what came out, from the CSVs of the comparison tables.

    Of several parts only the last is drawn, the test set proper; drawn data are told apart and have no verdict.
    """
    rows = read_rows(tables)
    found = [row for row in verdicts(papers, rows) if row["mean"] is not None and _proper(papers, rows, row)]
    protocols = {row["protocol"] for row in found}
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        groups.setdefault((row["paper"], row["data"]), []).append(row)
    drawn = list(dict.fromkeys(row["dataset"] for row in found if row["stand_in"] == "true"))
    counts = ", ".join(f"{count} {name}" for name, count in tally(verdicts(papers, rows)).items())
    told = [f"reported accuracies: {counts or 'none'}", "bars: 95 % intervals"]
    told.append(f"grey: ± {margin:g} points around the reported one, the margin of the verdicts")
    notice = stand_in_notice(*drawn) if drawn else ""
    lines = sum(len(group) + 1.4 for group in groups.values())
    paths = [Path(path) for path in outputs]
    legend = 0.25 if groups else 0
    with canvas(max(LINE_HEIGHT * lines + 0.5, 0.3), "Reported and reproduced accuracy, all papers", " · ".join(told),
                notice, paths, legend=legend) as (figure, _):  # fmt: skip
        if not groups:
            return
        axes = figure.subplots()
        _groups(axes, groups, margin)
        handles = [
            Line2D([], [], marker=MARKERS[k], color=COLOURS[k], markersize=4, label=f"reproduced, {name}")
            for k, name in enumerate(PROTOCOLS)
            if name in protocols
        ]
        handles.append(Line2D([], [], marker="D", color=INK, fillstyle="none", linestyle="none", markersize=4.5,
                              label="reported"))  # fmt: skip
        foot = (0.26 if notice else 0.04) / figure.get_figheight()
        figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, foot), ncols=len(handles))


def _proper(papers: Sequence[Paper], rows: Sequence[Mapping[str, str]], row: Mapping[str, Any]) -> bool:
    """Whether a row is of the last part of its data set that was tested."""
    order = list(next(paper for paper in papers if paper.id == row["paper"]).parts[row["dataset"]])
    parts = {each["part"] for each in rows if (each["paper"], each["data"]) == (row["paper"], row["data"])}
    return bool(row["part"] == max(parts, key=order.index))


def _groups(axes: Axes, groups: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]], margin: float) -> None:
    y, places, labels = 0.0, [], []
    step = 1.0
    for (paper, data), rows in groups.items():
        axes.text(-0.01, y, f"{paper} · {_data(data)}", transform=axes.get_yaxis_transform(), ha="right", va="center",
                  fontsize=7, fontweight="bold")  # fmt: skip
        axes.axhline(y - 0.7, color=LINE, linewidth=0.5)
        y += step
        for method in dict.fromkeys(row["method"] for row in rows):
            mine = [row for row in rows if row["method"] == method]
            middle = y + step * (len(mine) - 1) / 2
            places.append(middle)
            labels.append(mine[0]["label"])
            value = mine[0]["reported"]
            half = step * len(mine) / 2 - 0.1
            axes.fill_betweenx([middle - half, middle + half], value - margin, value + margin, color=LINE, alpha=0.6,
                               linewidth=0)  # fmt: skip
            axes.plot(value, middle, "D", color=INK, fillstyle="none", markersize=4.5, zorder=3)
            _beside(axes, stated(value), value + margin, middle, SOFT)
            for place, row in enumerate(mine):
                kind = PROTOCOLS.index(row["protocol"])
                _point(axes, row, y + step * place, COLOURS[kind], MARKERS[kind])
            y += step * len(mine)
        y += 0.4
    axes.set_yticks(places, labels)
    axes.set_ylim(y - 0.2, -0.8)
    axes.set_xlabel("accuracy (%)")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    low, high = axes.get_xlim()
    judged = any(WORDS[row["verdict"]] for rows in groups.values() for row in rows)
    axes.set_xlim(low - (0.26 if judged else 0.12) * (high - low), high + 0.05 * (high - low))  # room for the numbers
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= 100 and low - 5 <= tick <= high])
    axes.grid(axis="x", color=LINE, linewidth=0.4)
    axes.set_axisbelow(True)


def _point(axes: Axes, row: Mapping[str, Any], y: float, colour: str, marker: str) -> None:
    axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.3, solid_capstyle="butt")
    axes.plot(row["mean"], y, marker, color=colour, markersize=3.5)
    text = f"{row['mean']:.1f} {WORDS[row['verdict']]}".strip()
    left = row["mean"] < row["reported"]
    _beside(axes, text, row["low"] if left else row["high"], y, colour, left=left)


def _beside(axes: Axes, text: str, x: float, y: float, colour: str, *, left: bool = False) -> None:
    """Write a number beside what it is of."""
    axes.annotate(
        text,
        (x, y),
        xytext=(-3 if left else 3, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=6,
        color=colour,
    )


def _data(data: str) -> str:
    name = data.removesuffix("-standin")
    return dataset_name(name) + (" (drawn)" if name != data else "")
