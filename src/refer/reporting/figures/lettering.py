"""How words get onto a figure: as text into an SVG, as outlines into a PNG.

Matplotlib's own texts (axes, legends) go the same way in an SVG, see `svg`. Here is what places a hundred short words,
for which Matplotlib takes longer than for all else in a figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from refer.reporting.figures.palette import INK
from refer.reporting.figures.svg import Anchor, Drawing, Line

POINT = 1 / 72  # inches
DIGIT = 0.73  # height of a digit, in units of the font's size


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


def write(figure: Figure, words: Iterable[Word], *, order: float = 5) -> None:
    """Write `words` onto a figure, in the order in which they are to be read; a lower `order` is read earlier."""
    told = [word._replace(text=" ".join(word.text.split())) for word in words if word.text.strip()]
    lettered = Words(told, order)
    lettered.set_transform(figure.dpi_scale_trans)
    figure.add_artist(lettered, clip=False)


class Words(Artist):
    """Words on a figure. `get_label` tells what they spell."""

    def __init__(self, words: Sequence[Word], order: float) -> None:
        super().__init__()
        self.words = words
        self.set(zorder=order, label="\n".join(word.text for word in words))
        self.set_in_layout(False)

    def draw(self, renderer: RendererBase) -> None:
        """Write the words into an SVG; onto anything else draw those of a colour as one shape."""
        if isinstance(renderer, Drawing):
            for word in self.words:
                renderer.write(_line(word, renderer.height), word.size, word.colour, 700 if word.bold else 400)
            return
        for colour in dict.fromkeys(word.colour for word in self.words):
            vertices, codes = zip(*(_placed(word) for word in self.words if word.colour == colour), strict=True)
            gc = renderer.new_gc()
            gc.set_linewidth(0)
            shape = Outline(np.concatenate(vertices), np.concatenate(codes))
            renderer.draw_path(gc, shape, self.get_transform(), to_rgba(colour))
            gc.restore()


def width(text: str, size: float = 7.0, *, bold: bool = False) -> float:
    """Return how wide a text is, in inches."""
    return _outline(" ".join(text.split()), bold)[2] * size * POINT if text.strip() else 0.0


def _placed(word: Word) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return a word's outline in the figure, in inches."""
    vertices, codes, _ = _outline(word.text, word.bold)
    placed = vertices * (word.size * POINT)
    if word.turned:
        placed = placed @ _turn(word.turned)
    return placed + np.array(_start(word)), codes


def _line(word: Word, height: float) -> Line:
    """Return a word as a line in an SVG, `height` points high."""
    across, up = np.array([0.0, -DIGIT / 2 * word.size * POINT]) @ _turn(word.turned)
    x, y = (word.x + float(across)) / POINT, height - (word.y + float(up)) / POINT
    anchors: dict[str, Anchor] = {"left": "start", "middle": "middle", "right": "end"}
    return Line(x, y, word.text, anchors[word.anchor], word.turned)


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
def _outline(text: str, bold: bool) -> tuple[NDArray[np.float64], NDArray[np.uint8], float]:
    """Return the outline of a text of size 1, beginning at 0 on its base line, and its width."""
    path = TextPath((0, 0), text, size=1, prop=FontProperties(family="DejaVu Sans", weight="bold" if bold else 400))
    vertices = np.asarray(path.vertices, dtype=np.float64)
    return vertices, np.asarray(path.codes, dtype=np.uint8), float(vertices[:, 0].max())
