"""A panel of a figure, drawn in inches: without Matplotlib's axes, whose layout, ticks and titles take seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from refer.reporting.figures.lettering import Word, width
from refer.reporting.figures.palette import INK, LINE, SOFT

Side = Literal["left", "right"]
Limits = tuple[float, float]
TICK = 0.045  # inches


class Tag(NamedTuple):
    """A number beside a point or bar of a panel: what it is of, in the panel's units, and `gap` inches from it."""

    x: float
    y: float
    text: str
    side: Side
    colour: str = INK
    size: float = 7.0
    gap: float = 0.06


class Panel:
    """A panel in the `box` (left, bottom, width, height; inches) of a figure.

    `x` and `y` are the values at its left and right, and at its lower and upper edge. `head` and `words` collect what
    is to be written above it and at its axes; the caller writes all panels' words at once, in reading order.
    """

    def __init__(self, figure: Figure, box: tuple[float, float, float, float], x: Limits, y: Limits) -> None:
        self.figure, self.box, self.x, self.y = figure, box, x, y
        self.head: list[Word] = []
        self.words: list[Word] = []

    def across(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return where values are, in inches from the figure's left edge."""
        left, _, wide, _ = self.box
        return left + wide * (np.asarray(x, dtype=np.float64) - self.x[0]) / (self.x[1] - self.x[0])

    def up(self, y: ArrayLike) -> NDArray[np.float64]:
        """Return where values are, in inches from the figure's lower edge."""
        _, bottom, _, high = self.box
        return bottom + high * (np.asarray(y, dtype=np.float64) - self.y[0]) / (self.y[1] - self.y[0])

    def lines(
        self,
        those: Iterable[tuple[ArrayLike, ArrayLike]],
        colour: str,
        thick: float,
        *,
        alpha: float = 1,
        order: float = 2,
    ) -> None:
        """Draw lines, each of values (x, y), as one shape."""
        placed = [np.column_stack(np.broadcast_arrays(self.across(x), self.up(y))) for x, y in those]
        self._add(LineCollection(placed, colors=colour, linewidths=thick, alpha=alpha, capstyle="butt", zorder=order))

    def bars(self, ends: Iterable[tuple[float, float, float]], colour: str, thick: float) -> None:
        """Draw horizontal lines, each from a low to a high value at a height y."""
        self.lines((((low, high), (y, y)) for low, high, y in ends), colour, thick)

    def boxes(self, those: Iterable[tuple[float, float, float, float]], colour: str) -> None:
        """Fill rectangles, each from `low` to `high` and from one height to another."""
        corners = [
            np.column_stack([self.across([a, b, b, a]), self.up([below, below, above, above])])
            for a, b, below, above in those
        ]
        self._add(PolyCollection(corners, facecolors=colour, alpha=0.6, linewidths=0, zorder=1))

    def band(self, x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], colour: str) -> None:
        """Fill what lies between two lines."""
        edge = np.column_stack([self.across(np.append(x, x[::-1])), self.up(np.append(low, high[::-1]))])
        self._add(PolyCollection([edge], facecolors=colour, alpha=0.13, linewidths=0, zorder=1))

    def points(self, at: Iterable[tuple[float, float]], marker: str, colour: str, size: float, *, open_: bool) -> None:
        """Draw markers, filled or open."""
        places = np.array(list(at), dtype=np.float64).reshape(-1, 2)
        if len(places):
            x, y = self.across(places[:, 0]), self.up(places[:, 1])
            drawn = Line2D(x, y, marker=marker, color=colour, markersize=size, linestyle="none", zorder=3)
            drawn.set_fillstyle("none" if open_ else "full")
            self._add(drawn)

    def beside(self, tag: Tag) -> Word:
        """Return a number as it is to be written beside what it is of."""
        x, y = float(self.across(tag.x)), float(self.up(tag.y))
        anchor: Side = "right" if tag.side == "left" else "left"
        gap = -tag.gap if tag.side == "left" else tag.gap
        return Word(x + gap, y, tag.text, tag.size, tag.colour, anchor)

    def axis_x(self, ticks: Sequence[float], title: str, *, grid: bool = False, labels: bool = True) -> None:
        """Draw the lower edge with its ticks, and their numbers and a title below it."""
        left, bottom, wide, high = self.box
        at = self.across(ticks)
        self._edge([[(left, bottom), (left + wide, bottom)], *([(x, bottom), (x, bottom - TICK)] for x in at)])
        if grid:
            self._edge([[(x, bottom), (x, bottom + high)] for x in at], LINE, 0.4)
        if labels:
            self.words += [
                Word(float(x), bottom - 0.12, f"{tick:g}", anchor="middle") for x, tick in zip(at, ticks, strict=True)
            ]
            self.words.append(Word(left + wide / 2, bottom - 0.28, title, 7.5, anchor="middle"))

    def axis_y(self, ticks: Sequence[float], names: Sequence[str], title: str, *, labels: bool = True) -> None:
        """Draw the left edge with its ticks and a grid, and their names and a title left of it."""
        left, bottom, wide, high = self.box
        at = self.up(ticks)
        self._edge([[(left, bottom), (left, bottom + high)], *([(left - TICK, y), (left, y)] for y in at)])
        self._edge([[(left, y), (left + wide, y)] for y in at], LINE, 0.5)
        if labels:
            self.words += [Word(left - 0.08, float(y), name, anchor="right") for y, name in zip(at, names, strict=True)]
            self.words.append(Word(left - 0.42, bottom + high / 2, title, 7.5, anchor="middle", turned=90))

    def heading(self, text: str) -> None:
        """Write a title above the panel."""
        left, bottom, _, high = self.box
        self.head.append(Word(left, bottom + high + 0.12, text, 8.0))

    def _edge(self, lines: Sequence[Sequence[tuple[float, float]]], colour: str = SOFT, thick: float = 0.6) -> None:
        self._add(LineCollection(lines, colors=colour, linewidths=thick, zorder=2 if colour == SOFT else 0.5))

    def _add(self, artist: Artist) -> None:
        artist.set_transform(self.figure.dpi_scale_trans)
        self.figure.add_artist(artist, clip=False)


def by_row(rows: Iterable[tuple[float, Word]]) -> list[Word]:
    """Return words line by line, from the top, those of a line in the order given."""
    return [word for _, word in sorted(rows, key=lambda row: row[0])]


def percents(x: Limits, wide: float) -> list[float]:
    """Return round percentages between two limits, as many as `wide` inches have room for."""
    ticks = MaxNLocator(6 if wide > 2.5 else 3, steps=[1, 2, 5, 10]).tick_values(*x)
    return [float(tick) for tick in ticks if max(x[0], 0) <= tick <= min(x[1], 100)]


def limits(values: Sequence[float], tags: Sequence[Tag], wide: float) -> Limits:
    """Return limits of an axis `wide` inches long that hold all values, and every tag written beside them."""
    low, high = min(values, default=0.0), max(values, default=100.0)
    margin = 0.02 * (high - low) or 1.0
    inner = low - margin, high + margin
    low, high = inner
    widest = 3 * (inner[1] - inner[0])  # where tags are as wide as the panel itself
    for _ in range(30):  # the longer the axis, the more of it a tag takes
        unit = (high - low) / wide
        room = [(tag, unit * (width(tag.text, tag.size) + tag.gap + 0.03)) for tag in tags]
        low = min([inner[0], *(tag.x - space for tag, space in room if tag.side == "left")])
        high = max([inner[1], *(tag.x + space for tag, space in room if tag.side == "right")])
        low, high = max(low, inner[0] - widest), min(high, inner[1] + widest)
    return low, high
