"""Matplotlib's SVG as a page can hold it: text stays text, shapes stay where they are, and nothing has an id."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from refer.reporting.figures.canvas import STYLE, canvas
from refer.reporting.figures.svg import photograph, tidy
from refer.reporting.pictures import ATTRIBUTES, TAGS
from report_fixtures import written_in

SPACE = "{http://www.w3.org/2000/svg}"


def drawn(make: Callable[[Figure], Any]) -> tuple[ElementTree.Element, ElementTree.Element]:
    """Return a figure of 288 x 216 points as we and as Matplotlib write it."""
    with matplotlib.rc_context(fname=str(STYLE)):
        figure = Figure(figsize=(4, 3))
        make(figure)
        content = io.StringIO()
        figure.savefig(content, format="svg")
    return ElementTree.fromstring(tidy(content.getvalue(), "t & <u>")), ElementTree.fromstring(content.getvalue())


def busy(figure: Figure) -> None:
    """Draw one of everything that figures are made of."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 4), ylim=(0, 3), autoscale_on=False)
    axes.plot([1, 2], [1, 2], color="#D55E00", linewidth=1.5, alpha=0.25, linestyle=(0, (3, 1)))
    axes.plot([1, 3], [2, 2], "o", color="#0072B2", markersize=6)
    axes.plot([3, 9], [1, 1], color="#009e73")
    axes.add_patch(matplotlib.patches.Ellipse((2, 1), 1, 0.3, angle=30, fill=False))
    axes.pcolormesh([1, 2, 3], [1, 2], [[1, 2]], edgecolors="white")
    axes.fill_between([0, 1], [0, 1], alpha=0.3, linewidth=0)
    axes.imshow(np.arange(6).reshape(2, 3), extent=(1, 2, 1, 2))
    axes.annotate("<b> & $x", (1, 1), fontweight="bold")


def test_a_drawing_holds_what_a_page_takes_and_nothing_else() -> None:
    ours, _ = drawn(busy)
    for element in ours.iter():
        assert element.tag in TAGS
        assert set(element.attrib) <= ATTRIBUTES, element.attrib
    assert ours.findtext(f"{SPACE}title") == "t & <u>"
    assert [each.text for each in ours.iter(f"{SPACE}text")][-1] == "<b> & $x"


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d*\.?\d+", text)]


def test_shapes_lie_where_matplotlib_puts_them() -> None:
    ours, theirs = drawn(busy)
    defined = {id(each) for parent in theirs.iter(f"{SPACE}defs") for each in parent.iter()}
    expected = [numbers(each.get("d", "")) for each in theirs.iter(f"{SPACE}path") if id(each) not in defined]
    found = [numbers(each.get("d", "")) for each in ours.iter(f"{SPACE}path")]
    visible = [each for each in expected if any(len(mine) == len(each) for mine in found)]
    assert len(visible) > 6
    for shape in visible:
        assert any(len(mine) == len(shape) and np.allclose(mine, shape, atol=0.006) for mine in found), shape


def test_a_marker_is_written_where_it_is_used_and_what_leaves_the_panel_is_cut_off() -> None:
    ours, _ = drawn(busy)
    blue = [each for each in ours.iter(f"{SPACE}path") if each.get("fill") == "#0072b2"]
    # (1, 2) and (3, 2) of 4 x 3 units on 288 x 216 points, y downwards.
    assert [each.get("transform") for each in blue if each.get("transform")] == [
        "translate(72 72)",
        "translate(216 72)",
    ]
    (box, *_) = [each for each in ours.iter(f"{SPACE}svg") if each is not ours]
    assert box.get("viewBox") == "0 0 288 216"
    parents = {child: parent for parent in ours.iter() for child in parent}
    (long,) = [each for each in ours.iter() if each.get("stroke") == "#009e73"]
    assert parents[long].get("viewBox") == "0 0 288 216"


def test_styles_are_those_asked_for() -> None:
    ours, _ = drawn(busy)
    line = next(each for each in ours.iter() if each.get("stroke") == "#d55e00")
    assert {"stroke-opacity": "0.25", "stroke-width": "1.5", "stroke-dasharray": "4.5,1.5", "fill": "none"}.items() <= (
        line.attrib.items()
    )
    (bold,) = [each for each in ours.iter(f"{SPACE}text") if each.text == "<b> & $x"]
    assert bold.get("font-weight") == "700"


def test_text_is_anchored_where_another_font_leaves_it_in_place() -> None:
    def make(figure: Figure) -> None:
        figure.text(0.25, 0.5, "left", ha="left", va="baseline", fontsize=9)
        figure.text(0.5, 0.5, "middle", ha="center", va="baseline")
        figure.text(0.75, 0.5, "right", ha="right", va="baseline")
        figure.text(0.5, 0.25, "turned", rotation=90, ha="center", va="baseline", rotation_mode="anchor")

    ours, _ = drawn(make)
    found = {each.text: each.attrib for each in ours.iter(f"{SPACE}text")}
    assert {"x": "72", "y": "108", "font-size": "9px"}.items() <= found["left"].items()
    assert "text-anchor" not in found["left"]
    assert {"x": "144", "y": "108", "text-anchor": "middle"}.items() <= found["middle"].items()
    assert {"x": "216", "y": "108", "text-anchor": "end"}.items() <= found["right"].items()
    assert found["turned"]["transform"] == "rotate(-90 144 162)"
    assert "Verdana" in ours.get("font-family", "")
    assert ours.get("font-family", "").endswith("sans-serif")


@pytest.mark.parametrize("origin", ["upper", "lower"])
def test_pictures_are_embedded_as_they_are(origin: Any) -> None:
    rng = np.random.default_rng(0)
    grey, colour = rng.integers(0, 255, (5, 4), dtype=np.uint8), rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)

    def make(figure: Figure) -> None:
        for left, pixels in ((0, grey), (0.5, colour)):
            axes = figure.add_axes((left, 0, 0.5, 1))
            axes.set_axis_off()
            axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, aspect="auto", origin=origin)

    ours, _ = drawn(make)
    for element, pixels in zip(ours.iter(f"{SPACE}image"), (grey, colour), strict=True):
        data = base64.b64decode(element.get("href", "").partition(",")[2])
        seen = np.asarray(Image.open(io.BytesIO(data)).convert("L" if pixels.ndim == 2 else "RGB"))
        assert any(np.array_equal(turned, pixels) for turned in (seen, seen[::-1]))
        a, b, c, d, _, y = numbers(element.get("transform", "").partition("(")[2])
        assert (b, c) == (0, 0)
        assert (a * pixels.shape[1], abs(d) * pixels.shape[0]) == pytest.approx((144, 216), abs=0.1)
        down = bool(np.array_equal(seen, pixels))
        assert (d > 0) == (down == (origin == "upper")), "the first row is up unless it is asked to be down"
        assert y == pytest.approx(0 if d > 0 else 216, abs=0.1)


def test_words_stand_where_the_bitmap_has_them(tmp_path: Path) -> None:
    outputs = [tmp_path / f"a{suffix}" for suffix in (".svg", ".png")]
    with canvas(2.0, "Title", "what it shows", "a notice", outputs) as figure:
        figure.text(0.5, 0.5, "H", fontsize=40)
    assert written_in(outputs[0]) == ["Title", "what it shows", "H", "a notice"]
    root = ElementTree.parse(outputs[0]).getroot()
    (letter,) = [each for each in root.iter(f"{SPACE}text") if each.text == "H"]
    grey = np.asarray(Image.open(outputs[1]).convert("L"))
    high = grey.shape[0]
    rows = np.where((grey[150 : high - 60, 600:] < 100).any(axis=1))[0] + 150
    assert float(letter.get("y", 0)) / 72 * 200 == pytest.approx(rows.max() + 1, abs=1.5), "stands on its base line"
    columns = np.where((grey[150 : high - 60, 600:] < 100).any(axis=0))[0] + 600
    # DejaVu's H begins 201 of 2,048 units right of where the letter does.
    assert float(letter.get("x", 0)) / 72 * 200 + 40 / 72 * 200 * 201 / 2048 == pytest.approx(columns.min(), abs=1.5)


@pytest.mark.parametrize(("side", "transparent", "kind"), [(96, False, "jpeg"), (96, True, "png"), (48, False, "png")])
def test_large_opaque_pictures_become_jpegs_and_look_the_same(side: int, transparent: bool, kind: str) -> None:
    waves = np.sin(np.arange(side) / 9)[:, None] * np.cos(np.arange(side) / 7)
    pixels = np.repeat((127 + 120 * waves)[..., None], 4, axis=2).astype(np.uint8)
    pixels[..., 3] = 255
    pixels[0, 0, 3] = 254 if transparent else 255
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    found = photograph("data:image/png;base64," + base64.b64encode(png.getvalue()).decode())
    assert found.startswith(f"data:image/{kind};base64,")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(found.partition(",")[2]))).convert("RGB"), np.float64)
    assert np.sqrt(((shown - pixels[..., :3]) ** 2).mean()) < 3
