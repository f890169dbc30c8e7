"""In what two files differ, said shortly: the cell of a table, the line of a text, the pixels of a picture."""

from __future__ import annotations

import csv
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path

from PIL import Image

from refer.errors import UserError

SHOWN = 40
"""Letters of a line or cell that are shown."""


def difference(released: Path, again: Path) -> str:
    """Say in what a released file differs from the one made again; empty where it does not.

    Text is compared byte for byte. Of a .parquet the rows and of a .png the pixels count: their bytes also depend on
    what wrote them.
    """
    if released.read_bytes() == again.read_bytes():
        return ""
    kinds = {".csv": _cells, ".parquet": _rows, ".png": _pixels}
    try:
        return kinds.get(released.suffix, _lines)(released, again)
    except (UserError, OSError, ValueError, Image.DecompressionBombError) as error:
        return f"cannot be read ({error})"


def difference_of_words(released: Path, again: Path) -> str:
    """Say in what two HTML pages differ beside their pictures; empty where every word and number is the same."""
    try:
        mine, theirs = (_words(path.read_text(encoding="utf-8")) for path in (released, again))
    except (UnicodeDecodeError, OSError) as error:
        return f"cannot be read ({error})"
    for found, expected in zip_longest(mine, theirs, fillvalue=""):
        if found != expected:
            return f"{_quoted(found)}, made again {_quoted(expected)}"
    return ""


class _Words(HTMLParser):
    """Gathers tags and text in their order, without what lies in an SVG and without embedded files."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._depth += tag == "svg"
        if not self._depth:
            kept = [f"{name}={value}" for name, value in attrs if not (value or "").startswith("data:image/")]
            self.found.append(" ".join([f"<{tag}", *kept]) + ">")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "svg":  # one without content
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._depth:
            self.found.append(f"</{tag}>")
        self._depth = max(0, self._depth - (tag == "svg"))

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.found += data.split()

    def handle_comment(self, data: str) -> None:
        if not self._depth:
            self.found.append(f"<!--{data}-->")


def _words(page: str) -> list[str]:
    parser = _Words()
    parser.feed(page)
    parser.close()
    return parser.found


def _cells(released: Path, again: Path) -> str:
    mine, theirs = (list(csv.reader(path.read_text(encoding="utf-8").splitlines())) for path in (released, again))
    if not mine or not theirs or mine[0] != theirs[0] or len(mine) != len(theirs):
        return f"other columns, or {len(mine) - 1} rows instead of {len(theirs) - 1}"
    cells = [
        (line, column, *pair)
        for line, rows in enumerate(zip(mine, theirs, strict=True), start=1)
        for column, pair in zip_longest(theirs[0], zip_longest(*rows, fillvalue=""), fillvalue=("", ""))
        if pair[0] != pair[1]
    ]
    if not cells:
        return _lines(released, again)
    line, column, found, expected = cells[0]
    return f"line {line}, {column}: {_quoted(found)}, made again {_quoted(expected)}{_more(len(cells), 'cells')}"


def _lines(released: Path, again: Path) -> str:
    # Split at line feeds alone: a file with other line ends is another file.
    mine, theirs = (path.read_bytes().decode("utf-8").split("\n") for path in (released, again))
    differ = [
        (number, *pair) for number, pair in enumerate(zip_longest(mine, theirs, fillvalue=""), 1) if pair[0] != pair[1]
    ]
    number, found, expected = differ[0]
    begin = max(0, next((at for at, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), 0) - 10)
    return (
        f"line {number}: {_quoted(found[begin:])}, made again {_quoted(expected[begin:])}{_more(len(differ), 'lines')}"
    )


def _rows(released: Path, again: Path) -> str:
    from refer import parquet

    mine, theirs = parquet.read(released), parquet.read(again)
    if mine.schema != theirs.schema or len(mine) != len(theirs):
        return f"other columns, or {len(mine)} rows instead of {len(theirs)}"
    for name in mine.column_names:
        pairs = zip(mine[name].to_pylist(), theirs[name].to_pylist(), strict=True)
        differ = [(row, *pair) for row, pair in enumerate(pairs) if repr(pair[0]) != repr(pair[1])]
        if differ:
            row, found, expected = differ[0]
            return f"row {row}, {name}: {found!r}, made again {expected!r}{_more(len(differ), 'rows')}"
    return ""


def _pixels(released: Path, again: Path) -> str:
    import numpy as np

    mine, theirs = (np.asarray(Image.open(path).convert("RGBA")) for path in (released, again))
    if mine.shape != theirs.shape:
        return f"{mine.shape[1]}×{mine.shape[0]} pixels instead of {theirs.shape[1]}×{theirs.shape[0]}"
    differ = int((mine != theirs).any(axis=2).sum())
    return f"{differ:,} of {mine.shape[0] * mine.shape[1]:,} pixels" if differ else ""


def _quoted(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def _more(number: int, what: str) -> str:
    return f" (and {number - 1} more {what})" if number > 1 else ""
