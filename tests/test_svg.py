"""Drawings as SVG: the shapes that Matplotlib's own renderer writes, in fewer bytes, and text that stays text."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from refer.reporting.figures import svg
from refer.reporting.figures.canvas import STYLE, canvas
from refer.reporting.figures.lettering import Word, write
from report_fixtures import written_in

SPACE = "{http://www.w3.org/2000/svg}"
Points = list[tuple[float, float]]


def corners(path: str) -> list[Points]:
    """Return the places that an SVG path visits, with the control points of its curves, one list for each piece."""
    pieces: list[Points] = []
    x = y = 0.0
    for step, told in re.findall(r"([MLQCZmlqchvz])([^MLQCZmlqchvz]*)", path):
        numbers = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", told)]
        if step in "zZ":
            x, y = pieces[-1][0]
            continue
        if step in "hv":
            moves = [(numbers[0], 0.0) if step == "h" else (0.0, numbers[0])]
        else:
            moves = list(zip(numbers[::2], numbers[1::2], strict=True))
        places = [(x + a, y + b) if step.islower() else (a, b) for a, b in moves]
        if step in "Mm":
            pieces.append([])
        pieces[-1] += places
        x, y = places[-1]
    return pieces


def both(make: Callable[[Figure], None], folder: Path) -> list[ElementTree.Element]:
    """Return a figure as we and as Matplotlib write it."""
    found = []
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": "x"}):
        for name in ("ours", "theirs"):
            figure = Figure(figsize=(4, 3))
            make(figure)
            path = folder / f"{name}.svg"
            if name == "ours":
                svg.save(figure, path, "t")
            else:
                figure.savefig(path)
            found.append(ElementTree.parse(path).getroot())
    return found


def paths(root: ElementTree.Element) -> list[Points]:
    """Return all shapes; markers and letters, which Matplotlib defines once and uses, aside."""
    parents = {child: parent for parent in root.iter() for child in parent}
    return [
        piece
        for path in root.iter(f"{SPACE}path")
        if parents[path].tag not in (f"{SPACE}defs", f"{SPACE}clipPath")
        for piece in corners(path.get("d", ""))
    ]


def lines(figure: Figure) -> None:
    axes = figure.subplots()
    rng = np.random.default_rng(0)
    axes.plot(rng.normal(size=40).cumsum())
    axes.fill_between(range(40), rng.normal(size=40), alpha=0.3)
    axes.barh([3, 5], [10, 20])
    axes.add_patch(matplotlib.patches.Ellipse((20, 0), 12, 3, angle=30, fill=False))
    axes.plot([2, 3, np.nan, 5, 7], [1, 2, 3, 4, 5])


def test_shapes_lie_where_matplotlib_puts_them(tmp_path: Path) -> None:
    ours, theirs = (paths(root) for root in both(lines, tmp_path))
    # Ticks are one shape each here, and there are markers, which `paths` leaves out.
    for piece in theirs:
        kept = [place for n, place in enumerate(piece) if n == 0 or np.hypot(*np.subtract(place, piece[n - 1])) > 0.02]
        alike = [mine for mine in ours if len(mine) >= len(kept) and np.hypot(*np.subtract(mine[0], kept[0])) < 0.02]
        assert any(
            all(min(np.hypot(*np.subtract(place, one)) for one in mine) < 0.02 for place in kept) for mine in alike
        ), piece
    assert len(theirs) > 8


def test_a_step_without_length_and_many_steps_leave_no_error(tmp_path: Path) -> None:
    figure = Figure(figsize=(4, 3))
    places = np.column_stack([np.linspace(0.1, 3.9, 2000), 1 + 0.2 * (np.arange(2000) % 2)])
    places[5] = places[4]
    path = matplotlib.patches.Polygon(places, closed=False, fill=False, transform=figure.dpi_scale_trans)
    figure.add_artist(path)
    svg.save(figure, tmp_path / "a.svg", "t")
    (found,) = [piece for piece in paths(ElementTree.parse(tmp_path / "a.svg").getroot()) if len(piece) > 1000]
    assert found[-1] == pytest.approx((3.9 * 72, 1.8 * 72), abs=0.006), "after 2,000 rounded steps"


def test_styles_are_those_asked_for(tmp_path: Path) -> None:
    figure = Figure(figsize=(4, 3))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 4), ylim=(0, 3))
    axes.set_axis_off()
    axes.plot([1, 2], [1, 2], color="#D55E00", linewidth=1.5, alpha=0.25, linestyle=(0, (3, 1)))
    axes.plot([1, 3], [2, 2], "o", color="#0072B2", markersize=6, markeredgewidth=0)
    axes.plot([0.5, 9], [1, 1], "s", color="white", markersize=6, markeredgecolor="black")
    axes.plot([3, 9], [1, 1], color="#009e73")
    svg.save(figure, tmp_path / "a.svg", "t")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    line = next(each for each in root.iter() if each.get("stroke") == "#d55e00")
    assert {"stroke-opacity": ".25", "stroke-width": "1.5", "stroke-dasharray": "4.5 1.5", "fill": "none"}.items() <= (
        line.attrib.items()
    )
    circles = list(root.iter(f"{SPACE}circle"))
    placed = [(each.get("cx"), each.get("cy"), each.get("r")) for each in circles]
    assert placed == [("72", "72", "3"), ("216", "72", "3")]
    white = {"fill": "#fff", "stroke": "#000"}.items()
    squares = [corners(each.get("d", "")) for each in root.iter(f"{SPACE}path") if white <= each.attrib.items()]
    assert [square[0][0] for square in squares] == [(33.0, 147.0)], "what is off the panel is left out"
    (cut,) = [each for each in root.iter(f"{SPACE}svg") if each is not root]
    assert cut.get("viewBox") == "0 0 288 216", "a line that leaves the panel is cut off at its edge"
    assert [each.get("stroke") for each in cut] == ["#009e73"]


def test_text_is_anchored_where_another_font_leaves_it_in_place(tmp_path: Path) -> None:
    figure = Figure(figsize=(4, 3))
    with matplotlib.rc_context(STYLE):
        figure.text(0.25, 0.5, "left", ha="left", va="baseline", fontsize=9)
        figure.text(0.5, 0.5, "middle & <b>", ha="center", va="baseline", fontweight="bold", color="#D55E00")
        figure.text(0.75, 0.5, "one\nlonger", ha="right", va="baseline")
        figure.text(0.5, 0.5, "turned", rotation=90, ha="center", va="center")
    svg.save(figure, tmp_path / "a.svg", "t")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    parents = {child: parent for parent in root.iter() for child in parent}
    found = {each.text: {**parents[each].attrib, **each.attrib} for each in root.iter(f"{SPACE}text")}
    assert {"x": "72", "y": "108", "font-size": "9"}.items() <= found["left"].items()
    assert "text-anchor" not in found["left"]
    bold = {"x": "144", "y": "108", "text-anchor": "middle", "font-weight": "700", "fill": "#d55e00"}
    assert bold.items() <= found["middle & <b>"].items()
    assert {(found[name]["x"], found[name]["text-anchor"]) for name in ("one", "longer")} == {("216", "end")}
    turned = found["turned"]
    assert turned["text-anchor"] == "middle"
    assert turned["transform"] == f"rotate(-90 {turned['x']} {turned['y']})"
    assert float(turned["y"]) == pytest.approx(108, abs=0.01)
    assert "Verdana" in root.get("font-family", "")
    assert root.get("font-family", "").endswith("sans-serif")


def test_words_stand_where_the_bitmap_has_them(tmp_path: Path) -> None:
    outputs = [tmp_path / f"a{suffix}" for suffix in (".svg", ".png")]
    with canvas(2.0, "Title", "what it shows", "a notice", outputs, by_hand=True) as (figure, _):
        write(figure, [Word(3, 1, "H", 40, anchor="left"), Word(1, 1, "  ", 7)])
    assert written_in(outputs[0]) == ["Title", "what it shows", "H", "a notice"]
    root = ElementTree.parse(outputs[0]).getroot()
    (letter,) = [each for each in root.iter(f"{SPACE}text") if each.text == "H"]
    grey = np.asarray(Image.open(outputs[1]).convert("L"))
    high = grey.shape[0]
    rows = np.where((grey[: high - 60, 600:] < 100).any(axis=1))[0]
    assert float(letter.get("y", 0)) / 72 * 200 == pytest.approx(rows.max() + 1, abs=1.5), "stands on its base line"
    columns = np.where((grey[150 : high - 60, 600:] < 100).any(axis=0))[0] + 600
    # DejaVu's H begins 201 of 2,048 units right of where the letter does.
    assert float(letter.get("x", 0)) / 72 * 200 + 40 / 72 * 200 * 201 / 2048 == pytest.approx(columns.min(), abs=1.5)


@pytest.mark.parametrize("origin", ["upper", "lower"])
def test_pictures_are_embedded_as_they_are(origin: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey, few = rng.integers(0, 255, (5, 4), dtype=np.uint8), rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
    shades = np.linspace(0, 250, 40)
    many = np.dstack([*np.meshgrid(shades, shades), np.full((40, 40), 90)]).astype(np.uint8)
    figure = Figure(figsize=(6, 3))
    for left, pixels in ((0, grey), (1 / 3, few), (2 / 3, many)):
        axes = figure.add_axes((left, 0, 1 / 3, 1))
        axes.set_axis_off()
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto", origin=origin)
    svg.save(figure, tmp_path / "a.svg", "t")
    found = list(ElementTree.parse(tmp_path / "a.svg").getroot().iter(f"{SPACE}image"))
    for element, pixels in zip(found, (grey, few, many), strict=True):
        data = base64.b64decode(element.get("href", "").partition(",")[2])
        seen = np.asarray(Image.open(io.BytesIO(data)).convert("L" if pixels.ndim == 2 else "RGB"))
        differences = np.abs(seen - (pixels if origin == "upper" else pixels[::-1]).astype(int))
        assert differences.max() <= (12 if pixels is many else 0), "a photograph is a JPEG"
        assert differences.mean() < 2
    assert [each.get("x") for each in found] == ["0", "144", "288"]
    assert {each.get("width") for each in found} == {"144"}
    assert all(each.get_interpolation() == "nearest" for each in figure.findobj(matplotlib.image.AxesImage))


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for prepare in (
        lambda axes: axes.bar([1], [1], hatch="/"),
        lambda axes: axes.text(0, 0, r"$\frac{1}{2}$", parse_math=True),
        lambda axes: axes.plot([0, 1], clip_path=(matplotlib.path.Path.unit_circle(), axes.transData)),
    ):
        figure = Figure()
        prepare(figure.subplots())
        with pytest.raises(NotImplementedError, match="SVG"):
            svg.save(figure, tmp_path / "a.svg", "t")
    assert not (tmp_path / "a.svg").exists()
