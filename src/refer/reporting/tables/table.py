"""A table as data, and its four faces: Markdown, LaTeX, HTML, and CSV for machines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from refer.datasets.catalog import DATASETS
from refer.files import write_text
from refer.reporting.tables.latex import latex

if TYPE_CHECKING:  # evidence.py reads predictions, which a table does not need
    from refer.reporting.evidence import Reported

DASH = "–"


@dataclass(frozen=True)
class Cell:
    """One cell: its text, whether it is the best of its kind, and the letter of its footnote, if any."""

    text: str
    bold: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its heading, the heading that it shares with its neighbours, and its alignment.

    A column of sentences has a `width`, the share of the line that it takes in LaTeX, where text must wrap.
    """

    title: str
    group: str = ""
    right: bool = False
    width: float = 0.0


@dataclass(frozen=True)
class Note:
    """A footnote; `mark` is the letter that cells refer to, or empty for a note on the whole table."""

    text: str
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table to be read by people. `banner` stands on the table's face; `blocks` are separated by rules."""

    name: str
    title: str
    columns: Sequence[Column]
    blocks: Sequence[Sequence[Sequence[Cell]]]
    notes: Sequence[Note] = field(default_factory=list)
    banner: str = ""

    @property
    def rows(self) -> list[Sequence[Cell]]:
        """Every row, top to bottom."""
        return [row for block in self.blocks for row in block]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The upper line of headings as (heading, number of columns), left to right."""
        return [(title, len(list(run))) for title, run in groupby(column.group for column in self.columns)]


def dataset_name(dataset: str) -> str:
    """Return the name by which people know a data set, e.g. FER2013."""
    return DATASETS[dataset].title if dataset in DATASETS else dataset.upper()


def stand_in_notice(*datasets: str) -> str:
    """Return the sentence that stands on the face of everything made from drawn data."""
    *before, last = map(dataset_name, datasets)
    names = f"{', '.join(before)} and {last}" if before else last
    return f"Drawn stand-in data: these numbers say nothing about {names}"


def number(value: float | None, digits: int = 1) -> str:
    """Return `value` with `digits` decimals, a dash for None or NaN."""
    return DASH if value is None or value != value else f"{value:.{digits}f}"


def stated(value: float, decimals: int | None = None) -> str:
    """Return a number as a paper prints it: with the decimals that are stated, else with its second, if it has one."""
    return f"{value:.2f}".removesuffix("0") if decimals is None else f"{value:.{decimals}f}"


def stated_spread(claim: Reported) -> str:
    """Return a reported number with its standard deviation, if it has one."""
    value = stated(claim.value, claim.decimals)
    return value if claim.sd is None else f"{value} ± {stated(claim.sd, claim.decimals)}"


def signed(value: float | None, digits: int = 1) -> str:
    """Return `value` with its sign (a true minus), a dash for None."""
    if value is None:
        return DASH
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{'+' if value > 0 else '−'}{text}"


def thousands(value: int) -> str:
    """Return a count with its thousands marked, e.g. 3,589."""
    return f"{value:,}"


def probability(p: float) -> str:
    """Return a p value as it is printed: two digits that count, never 0 and never 1."""
    if p < 0.001:
        return "<0.001"
    if p > 0.99:
        return ">0.99"
    return f"{p:.2f}" if p >= 0.0995 else f"{p:.3f}"


def rounded(value: int) -> str:
    """Return a count that is an estimate, with two digits that count, e.g. 4,400."""
    return thousands(int(float(f"{value:.1e}")))


def several(count: int, word: str) -> str:
    """Return a count with its noun, e.g. 1 seed, 16 runs."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def write_table(table: Table, outputs: Iterable[str | Path]) -> None:
    """Write `table` to every path of `outputs`, in the format that its suffix names (.md, .tex, .html)."""
    write_tables([table], outputs)


def write_tables(tables: Sequence[Table], outputs: Iterable[str | Path]) -> None:
    """Write `tables`, one below the other, to every path of `outputs`; see `write_table`."""
    for path in map(Path, outputs):
        if path.suffix == ".html":
            write_text(path, html_document(*tables))
        else:
            render = {".md": markdown, ".tex": latex}[path.suffix]
            write_text(path, "\n".join(map(render, tables)))


def write_faces(rows: Sequence[Mapping[str, Any]], tables: Sequence[Table], outputs: Iterable[str | Path]) -> None:
    """Write `rows` to every .csv of `outputs`, and `tables`, one below the other, to every other path."""
    paths = list(map(Path, outputs))
    for path in paths:
        if path.suffix == ".csv":
            write_csv(rows, path)
    write_tables(tables, [path for path in paths if path.suffix != ".csv"])


def write_csv(rows: Sequence[Mapping[str, Any]], out: str | Path) -> None:
    """Write `rows` as CSV: one value per cell, full precision, an empty cell for what is not known."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: csv_value(value) for key, value in row.items()})
    write_text(out, buffer.getvalue())


def markdown(table: Table) -> str:
    """Return `table` as Markdown whose columns also line up when read raw."""
    head = [f"{column.group}: {column.title}" if column.group else column.title for column in table.columns]
    grid = [[_markdown_escape(text) for text in head]]
    if table.banner:  # a row of numbers is copied together with its heading, so the heading says it as well
        grid[0][0] += " (drawn data)"
    for row in table.rows:
        grid.append([_markdown_cell(cell) for cell in row])
    widths = [max(3, *(len(line[k]) for line in grid)) for k in range(len(head))]
    rule = [("-" * (w - 1) + ":") if c.right else "-" * w for w, c in zip(widths, table.columns, strict=True)]
    lines = [
        "| " + " | ".join(_pad(text, width, column.right) for text, width, column in parts) + " |"
        for parts in (zip(line, widths, table.columns, strict=True) for line in [grid[0], rule, *grid[1:]])
    ]
    top = [f"**{_markdown_escape(table.title)}**", ""]
    if table.banner:
        top += [f"> **{_markdown_escape(table.banner)}.**", ""]
    notes = [f"- {f'({note.mark}) ' if note.mark else ''}{_markdown_escape(note.text)}" for note in table.notes]
    return "\n".join([*top, *lines, *([""] if notes else []), *notes]) + "\n"


def html(table: Table) -> str:
    """Return `table` as an HTML fragment (a <figure>), for a page that has the style sheet."""
    return templates().get_template("table.html").render(table=table)


def html_document(*tables: Table) -> str:
    """Return `tables` as an HTML page that needs no other file."""
    return templates().get_template("table_page.html").render(tables=tables)


@cache
def templates() -> jinja2.Environment:
    """Return the templates of this package; whatever is put into them is escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("refer.reporting.tables"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def csv_value(value: Any) -> Any:
    """Return a value as it stands in a CSV."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(round(value, 10))  # ten decimals: full for a percentage, without 83.00000000000001
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"  # a spreadsheet would take it for a formula, and run it
    return value


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_escape(cell.text)
    text = f"**{text}**" if cell.bold else text
    return f"{text} ({cell.mark})" if cell.mark else text


def _markdown_escape(text: str) -> str:
    text = re.sub(r"([\\|*<>\[\]`]|(?<!\w)_|_(?!\w)|&(?=#?\w+;))", r"\\\1", text)
    return " ".join(text.split())
