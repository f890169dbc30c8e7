"""The figure of sensitivity: every swing with its interval, those of one ambiguity together, a panel for each paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from refer.reporting.figures.canvas import COLOURS, INK, LINE, MARKERS, WIDTH, canvas, text_rows
from refer.reporting.names import listing, span
from refer.reporting.tables.table import dataset_name

Row = Mapping[str, str]
Series = tuple[str, ...]
"""The method's label, with the data set and the protocol where a paper has several here."""
HEAD, LEGEND, FOOT, STEP = 0.24, 0.15, 0.12, 0.06
"""Inches of a panel: its title, a line of its legend, what is below it, and from one dot of an option to the next."""


def draw_sensitivity(table: Iterable[Mapping[str, Any]], outputs: Iterable[str | Path]) -> None:
    """Draw the swings of the CSV of the table of sensitivity to every path of `outputs` (.svg, .png)."""
    rows = [row for row in text_rows(table) if row["difference"]]
    papers = list(dict.fromkeys(row["paper"] for row in rows))
    panels = [Panel(paper, [row for row in rows if row["paper"] == paper]) for paper in papers]
    drawn = list(dict.fromkeys(dataset_name(row["dataset"]) for row in rows if row["stand_in"] == "true"))
    notice = f"Drawn stand-in data: these numbers say nothing about {listing(drawn)}" if drawn else ""
    told = ["accuracy with an option minus that with the choice made", "bars: 95 % intervals"]
    if any(row["images"] != "same" for row in rows):
        told.append("hollow: other test images")
    told += ["largest on top"] if rows else ["no option was run; the table says why"]
    title = "What the choices are worth that papers leave to the reader"
    ends = [float(row[end]) for row in rows for end in ("low", "high")] or [0.0]
    room = 0.03 * (max(ends) - min(ends)) + 0.1
    left = 0.15 + 0.054 * max((len(text) for panel in panels for text in panel.names), default=0)
    with canvas(sum(panel.height for panel in panels) + 0.25, title, " · ".join(told), notice,
                [Path(path) for path in outputs]) as (figure, top):  # fmt: skip
        figure.set_layout_engine(None)  # placed by hand, so that a line is as high in every panel
        total = figure.get_figheight()
        for number, panel in enumerate(panels, 1):
            bottom = top + panel.height - FOOT
            place = (left / WIDTH, 1 - bottom / total, 1 - (left + 0.15) / WIDTH, panel.inner / total)
            axes = figure.add_axes(place)
            panel.draw(axes)
            axes.set_xlim(min(ends) - room, max(ends) + room)
            axes.tick_params(labelbottom=number == len(panels))
            across = axes.get_position()
            anchor = (0.08 / WIDTH, across.y1 + 0.03 / total)
            up = across.y1 + (0.06 + LEGEND * panel.lines) / total
            # Both are read before what is in the panel, though neither lies under it.
            axes.text(0.08 / WIDTH, up, panel.title, fontsize=8, va="bottom", transform=figure.transFigure, zorder=-2)
            key = axes.legend(loc="lower left", bbox_to_anchor=anchor, bbox_transform=figure.transFigure,
                              ncols=panel.columns, borderaxespad=0, borderpad=0, handlelength=1.4,
                              columnspacing=1.2)  # fmt: skip
            key.set_zorder(-1)
            top += panel.height
        if panels:
            axes.set_xlabel("swing (points of accuracy)")


class Panel:
    """One paper: a line an option, a sign a series."""

    def __init__(self, paper: str, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.options = list(dict.fromkeys((row["what"], row["compared_with"], row["option"]) for row in rows))
        self._several = [key for key in ("data", "protocol") if len({row[key] for row in rows}) > 1]
        self.series = list(dict.fromkeys(map(self._series, rows)))
        n = span({int(row["n"]) for row in rows})
        self.title = f"{paper} on {listing(dict.fromkeys(dataset_name(row['dataset']) for row in rows))}, n = {n}"
        heights = [max(0.145, 0.05 + STEP * len(self._at(option))) for option in self.options]
        self.inner = sum(heights)
        self.edges = [sum(heights[:number]) for number in range(len(heights) + 1)]  # inches from the top
        labels = [self._label(series) for series in self.series]
        self.columns = max(1, min(len(labels), int(130 / (max(map(len, labels)) + 8))))
        self.lines = -(-len(labels) // self.columns)
        self.height = HEAD + LEGEND * self.lines + self.inner + FOOT

    @property
    def names(self) -> list[str]:
        """What the lines are called, top to bottom: an ambiguity is named in its first."""
        names = []
        for number, (ambiguity, default, option) in enumerate(self.options):
            first = not number or self.options[number - 1][0] != ambiguity
            names.append(f"{ambiguity}: {default} → {option}" if first else f"→ {option}")
        return names

    def draw(self, axes: Axes) -> None:
        """Draw all swings, and rule off the ambiguities."""
        for number, option in enumerate(self.options):
            mine = self._at(option)
            for place, row in enumerate(mine):
                self._mark(axes, row, self._middle(number) + STEP * (place - (len(mine) - 1) / 2))
            if number and self.options[number - 1][0] != option[0]:
                axes.axhline(self.edges[number], color=LINE, linewidth=0.8)
        for number, series in enumerate(self.series):
            axes.plot([], [], f"{_sign(number)}-", color=_colour(number), markersize=3.6, label=self._label(series))
        axes.axvline(0, color=INK, linewidth=0.6, zorder=0)
        axes.set_yticks([self._middle(number) for number in range(len(self.options))], self.names)
        axes.set_ylim(self.inner, 0)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=LINE, linewidth=0.5)
        axes.set_axisbelow(True)

    def _middle(self, number: int) -> float:
        return (self.edges[number] + self.edges[number + 1]) / 2

    def _mark(self, axes: Axes, row: Row, y: float) -> None:
        number = self.series.index(self._series(row))
        colour = _colour(number)
        axes.plot([float(row["low"]), float(row["high"])], [y, y], color=colour, linewidth=1.1, solid_capstyle="butt")
        axes.plot(float(row["difference"]), y, _sign(number), color=colour, markersize=3.6,
                  markerfacecolor=colour if row["images"] == "same" else "white")  # fmt: skip

    def _at(self, option: tuple[str, str, str]) -> list[Row]:
        mine = [row for row in self.rows if (row["what"], row["compared_with"], row["option"]) == option]
        return sorted(mine, key=lambda row: self.series.index(self._series(row)))

    def _series(self, row: Row) -> Series:
        return (row["label"], *(row[key] for key in self._several))

    def _label(self, series: Series) -> str:
        return " · ".join([series[0], *(_readable(name) for name in series[1:])])


def _sign(number: int) -> str:
    return MARKERS[number % len(MARKERS)]


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _readable(name: str) -> str:
    return name if name in ("published", "audited") else dataset_name(name.removesuffix("-standin"))
