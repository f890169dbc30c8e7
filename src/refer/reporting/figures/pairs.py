"""Which methods differ, as a map: differences below the diagonal, p values above it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from refer.errors import UserError
from refer.reporting.figures.canvas import INK, SOFT, WIDTH, canvas, described, text_rows
from refer.reporting.figures.lettering import Word, width, write
from refer.reporting.names import by_stem, span
from refer.reporting.tables.table import probability, several, signed, stand_in_notice
from refer.spec import Paper

LEVELS = ((0.001, "#08519c", "white"), (0.01, "#6baed6", INK), (0.05, "#c6dbef", INK))
"""p below this → colour of the cell and of its text; anything else is white."""
Row = Mapping[str, str]
Corners = list[tuple[float, float]]


def draw_pairs(paper: Paper, table: Iterable[Mapping[str, Any]], outputs: Iterable[str | Path]) -> None:
    """Draw the maps that `outputs` names, from the CSV of all pairs: of the test set.

    Each output is called `<paper>.<data>.<protocol>` with the suffix .svg or .png.
    """
    rows = text_rows(table)
    for (_, data, protocol), paths in by_stem(outputs, 3, paper.id):
        mine = [row for row in rows if (row["data"], row["protocol"]) == (data, protocol)]
        _draw(paper, data, protocol, mine, paths)


def _draw(paper: Paper, data: str, protocol: str, rows: Sequence[Row], outputs: Sequence[Path]) -> None:
    dataset = data.removesuffix("-standin")
    if dataset not in paper.parts:
        raise UserError(f"{outputs[0]}: {paper.id} has no data set {dataset}.")
    part = paper.test_sets[dataset]
    rows = [row for row in rows if row["part"] == part]
    known = {row["method"] for row in rows} | {row["compared_with"] for row in rows}
    methods = [method for method in paper.methods if method in known]
    stand_in = data != dataset
    title = f"{paper.id}: which methods differ, {protocol} protocol"
    if rows:
        told = (
            f"{described(dataset, stand_in)}, {paper.parts[dataset][part]} · n = {span(int(row['n']) for row in rows)} "
            f"images, seeds: {span(int(row['seeds']) for row in rows)} · below the diagonal: accuracy of the "
            "row less the column's, in points; above: p, adjusted by Holm for "
            f"{several(len(rows), 'pair')} ({_tests(rows)})"
        )
    else:
        told = f"{described(dataset, stand_in)} · fewer than two methods with a seed in common"
    notice = stand_in_notice(dataset) if stand_in else ""
    labels = [paper.methods[method].label for method in methods]
    names = 0.45 + max(map(width, labels), default=0)  # inches beside the map
    side = min(WIDTH - names - 0.2, 0.52 * len(methods))
    below = 0.3  # the columns' numbers
    with canvas(
        side + below if rows else 0.3, title, told, notice, outputs, legend=0.25 if rows else 0, by_hand=True
    ) as (figure, head):
        if rows:
            _map(figure, (names, figure.get_figheight() - head - 0.1 - side), methods, labels, rows, side)
            keys = [(colour, f"p < {level:g}") for level, colour, _ in LEVELS] + [("white", "p ≥ 0.05")]
            _legend(figure, keys, 0.14 + (0.22 if notice else 0))


def _tests(rows: Sequence[Row]) -> str:
    names = {"mcnemar": "exact McNemar", "crossed": "images and seeds as samples"}
    return ", ".join(names[test] for test in dict.fromkeys(row["test"] for row in rows))


def _map(
    figure: Figure,
    corner: tuple[float, float],
    methods: Sequence[str],
    labels: Sequence[str],
    rows: Sequence[Row],
    side: float,
) -> None:
    """Draw the map, its lower left corner and its side in inches."""
    size = len(methods)
    cell = side / size
    points = min(7.0, 72 * cell / 3.4)  # what fits into a cell
    squares, colours = [], []
    cells: dict[tuple[int, int], Word] = {}

    def put(y: int, x: int, colour: str, ink: str, text: str) -> None:
        at = corner[0] + cell * x, corner[1] + cell * (size - 1 - y)
        squares.append(_square(at, cell))
        colours.append(colour)
        cells[y, x] = Word(at[0] + cell / 2, at[1] + cell / 2, text, points, ink, "middle")

    for row in rows:
        one, other = methods.index(row["compared_with"]), methods.index(row["method"])
        difference = float(row["difference"])
        low, high = sorted((one, other))
        gain = difference if high == other else -difference  # of the lower row less the column
        p = float(row["p_holm"])
        colour, ink = next(((c, i) for level, c, i in LEVELS if p < level), ("white", INK))
        shown = probability(p) if size <= 12 else probability(p).replace("0.", ".")  # no room for the 0
        put(high, low, colour, ink, signed(gain))
        put(low, high, colour, ink, shown)
    for place in range(size):
        put(place, place, "#efefef", INK, "")
    _fill(figure, squares, colours)
    words: list[Word] = []
    for place, label in enumerate(labels):
        y = corner[1] + cell * (size - 0.5 - place)
        words += [Word(corner[0] - 0.3, y, label, anchor="right"),
                  Word(corner[0] - 0.06, y, str(place + 1), anchor="right")]  # fmt: skip
        words += [cells[place, x] for x in range(size) if (place, x) in cells]
    words += [Word(corner[0] + cell * (place + 0.5), corner[1] - 0.12, str(place + 1), anchor="middle")
              for place in range(size)]  # fmt: skip
    write(figure, words)


def _legend(figure: Figure, keys: Sequence[tuple[str, str]], y: float) -> None:
    """Write what the colours mean, along the foot of the figure."""
    wide = [0.36 + width(text) for _, text in keys]
    at, words, squares = (WIDTH - sum(wide)) / 2, [], []
    for each, (_, text) in zip(wide, keys, strict=True):
        squares.append(_square((at, y - 0.05), 0.1))
        words.append(Word(at + 0.15, y, text))
        at += each
    _fill(figure, squares, [colour for colour, _ in keys])
    write(figure, words)


def _fill(figure: Figure, squares: Sequence[Corners], colours: Sequence[str]) -> None:
    filled = PolyCollection(squares, facecolors=colours, edgecolors=SOFT, linewidths=0.3)
    filled.set_transform(figure.dpi_scale_trans)
    figure.add_artist(filled, clip=False)


def _square(at: tuple[float, float], side: float) -> Corners:
    (x, y), far = at, (at[0] + side, at[1] + side)
    return [(x, y), (far[0], y), far, (x, far[1])]
