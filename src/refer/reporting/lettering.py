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

from refer.reporting.palette import INK

POINT = 1 / 72  # inches
DIGIT, SPACE = 0.73, 0.38  # height of a digit and width of a space, in units of the font's size


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
    """Write `words` onto a figure, those of a colour as one shape."""
    groups: dict[str, list[Word]] = {}
    for word in words:
        if word.text.strip():
            groups.setdefault(word.colour, []).append(word)
    for colour, those in groups.items():
        vertices, codes = zip(*map(_placed, those), strict=True)
        outline = Outline(np.concatenate(vertices), np.concatenate(codes))
        shape = PathPatch(outline, facecolor=colour, linewidth=0, label="\n".join(word.text for word in those))
        shape.set_transform(figure.dpi_scale_trans)
        shape.set_zorder(5)
        figure.add_artist(shape, clip=False)


def width(text: str, size: float = 7.0, *, bold: bool = False) -> float:
    """Return how wide a text is, in inches."""
    return _line(text, bold)[2] * size * POINT if text.strip() else 0.0


def _placed(word: Word) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    vertices, codes, wide = _line(word.text, word.bold)
    start = {"left": 0.0, "middle": wide / 2, "right": wide}[word.anchor]
    placed = (vertices - np.array([start, DIGIT / 2])) * (word.size * POINT)
    if word.turned:
        angle = math.radians(word.turned)
        sine, cosine = math.sin(angle), math.cos(angle)
        placed = placed @ np.array([[cosine, sine], [-sine, cosine]])
    return placed + np.array([word.x, word.y]), codes


@cache
def _line(text: str, bold: bool) -> tuple[NDArray[np.float64], NDArray[np.uint8], float]:
    """Return the outline of a text of size 1, beginning at 0 on its base line, and its width."""
    vertices, codes, at = [], [], 0.0
    for word in text.split():
        outline, kinds, wide = _letters(word, bold)
        vertices.append(outline + np.array([at, 0.0]))
        codes.append(kinds)
        at += wide + SPACE
    return np.concatenate(vertices), np.concatenate(codes), at - SPACE


@cache
def _letters(word: str, bold: bool) -> tuple[NDArray[np.float64], NDArray[np.uint8], float]:
    """Return the same of a single word; words come again and again."""
    path = TextPath((0, 0), word, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold" if bold else 400))
    vertices = np.asarray(path.vertices, dtype=np.float64)
    left, right = float(vertices[:, 0].min()), float(vertices[:, 0].max())
    return vertices - np.array([left, 0.0]), np.asarray(path.codes, dtype=np.uint8), right - left
