"""Many short texts as one shape: a hundred texts one by one take Matplotlib longer than all else in a figure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from refer.reporting.figures.palette import INK

POINT = 1 / 72  # inches
DIGIT = 0.73  # height of a digit, in units of the font's size
FINEST = 0.01 * POINT
"""Letters are rounded to it, or an SVG would spend half its size on decimals that nobody sees."""


class Word(NamedTuple):
    """A text at (x, y), in inches from the figure's lower left corner, upright in the middle of its line.

    `size` in points; `turned` in degrees, around the place at which it is anchored.
    """

    x: float
    y: float
    text: str
    size: float = 7.0
    colour: str = INK
    anchor: Literal["left", "middle", "right"] = "left"
    bold: bool = False
    turned: float = 0.0


def write(figure: Figure, words: Iterable[Word]) -> None:
    """Write `words` onto a figure, those of a colour as one shape, whose label tells what they spell."""
    groups: dict[str, list[Word]] = {}
    for word in words:
        if word.text.strip():
            groups.setdefault(word.colour, []).append(word._replace(text=" ".join(word.text.split())))
    for colour, those in groups.items():
        vertices, codes = zip(*map(_placed, those), strict=True)
        outline = Outline(np.round(np.concatenate(vertices) / FINEST) * FINEST, np.concatenate(codes))
        told = "\n".join(word.text for word in those)
        shape = PathPatch(outline, facecolor=colour, linewidth=0, label=told, zorder=5)
        shape.set_transform(figure.dpi_scale_trans)
        figure.add_artist(shape, clip=False)


def width(text: str, size: float = 7.0, *, bold: bool = False) -> float:
    """Return how wide a text is, in inches."""
    return _line(" ".join(text.split()), bold)[2] * size * POINT if text.strip() else 0.0


def _placed(word: Word) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return a word's outline in the figure, in inches."""
    vertices, codes, _ = _line(word.text, word.bold)
    placed = vertices * (word.size * POINT)
    if word.turned:
        placed = placed @ _turn(word.turned)
    return placed + np.array(_start(word)), codes


def _start(word: Word) -> tuple[float, float]:
    """Return where a word's base line begins."""
    wide = width(word.text, word.size, bold=word.bold)
    back = {"left": 0.0, "middle": wide / 2, "right": wide}[word.anchor]
    x, y = np.array([-back, -DIGIT / 2 * word.size * POINT]) @ _turn(word.turned)
    return word.x + float(x), word.y + float(y)


def _turn(degrees: float) -> NDArray[np.float64]:
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return np.array([[cosine, sine], [-sine, cosine]])


@cache
def _line(text: str, bold: bool) -> tuple[NDArray[np.float64], NDArray[np.uint8], float]:
    """Return the outline of a text of size 1, beginning at 0 on its base line, and its width."""
    path = TextPath((0, 0), text, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold" if bold else 400))
    vertices = np.asarray(path.vertices, dtype=np.float64)
    return vertices, np.asarray(path.codes, dtype=np.uint8), float(vertices[:, 0].max())
