"""Words on a figure: where they stand, how wide they are, and what they say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline
from matplotlib.transforms import Transform

from refer.reporting.figures.lettering import Word, width, write
from refer.reporting.figures.panel import Tag, limits


class Recorder(RendererBase):
    """Takes what a bitmap would be drawn of: shapes, in inches, and their colours."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[Outline, Any]] = []

    def draw_path(self, gc: Any, path: Outline, transform: Transform, rgbFace: Any = None) -> None:  # noqa: N803
        self.shapes.append((transform.transform_path(path), rgbFace))


def shapes(*words: Word) -> list[tuple[Outline, Any]]:
    """Return the shapes that words are drawn as, a unit an inch."""
    figure = Figure(figsize=(5, 5), dpi=1)
    write(figure, words)
    recorder = Recorder()
    figure.artists[0].draw(recorder)
    return recorder.shapes


def box(word: Word) -> tuple[float, float, float, float]:
    """Return left, lower, right and upper edge of a written word, in inches."""
    ((shape, _),) = shapes(word)
    edge = shape.get_extents()
    return edge.x0, edge.y0, edge.x1, edge.y1


@pytest.mark.parametrize(("anchor", "left"), [("left", 2.0), ("middle", 1.5), ("right", 1.0)])
def test_a_word_stands_where_it_is_anchored(anchor: str, left: float) -> None:
    size = 7.0 / width("1,886")  # an inch wide
    x0, y0, x1, y1 = box(Word(2, 3, "1,886", size, anchor=anchor))  # type: ignore[arg-type]
    assert (x0, x1) == pytest.approx((left, left + 1), abs=0.05)
    assert y0 < 3 < y1


def test_a_turned_word_keeps_its_anchor() -> None:
    x0, y0, x1, y1 = box(Word(2, 3, "surprise", 20, anchor="right", turned=90))
    assert y1 == pytest.approx(3, abs=0.02)
    assert y1 - y0 == pytest.approx(width("surprise", 20), abs=0.03)
    assert x0 < 2 < x1


def test_words_of_a_colour_are_one_shape_and_know_what_they_spell() -> None:
    words = [Word(1, 1, "a  b"), Word(1, 3, "d", colour="white"), Word(1, 2, "c"), Word(1, 4, " ")]
    assert [colour[:3] for _, colour in shapes(*words)][1:] == [(1, 1, 1)]
    assert len(shapes(*words)) == 2
    figure = Figure()
    write(figure, words)
    assert [each.get_label() for each in figure.artists] == ["a b\nd\nc"]


def test_nothing_to_write_draws_nothing() -> None:
    assert shapes(Word(1, 1, " ")) == []


@given(st.lists(st.floats(1, 99), min_size=1, max_size=8), st.floats(0.8, 6))
def test_every_number_beside_a_bar_is_within_the_panel(values: list[float], wide: float) -> None:
    tags = [Tag(value, 0, f"{value:.1f}", "left" if k % 2 else "right") for k, value in enumerate(values)]
    low, high = limits(values, tags, wide)
    for tag in tags:
        room = (width(tag.text, tag.size) + tag.gap) * (high - low) / wide
        assert low - 1e-6 <= (tag.x - room if tag.side == "left" else tag.x)
        assert (tag.x + room if tag.side == "right" else tag.x) <= high + 1e-6
