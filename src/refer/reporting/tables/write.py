"""The formats of a table: CSV for machines, Markdown, LaTeX and HTML for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from refer.files import write_text
from refer.reporting.results import csv_lines
from refer.reporting.tables.latex import latex
from refer.reporting.tables.table import Cell, Table


def write_tables(tables: Sequence[Table], outputs: Iterable[str | Path]) -> None:
    """Write `tables`, one below the other, to every path of `outputs` (.csv, .md, .tex, .html).

    The CSV has one value a cell in full precision, and an empty cell for what is not known.
    """
    for path in map(Path, outputs):
        render = {".csv": csv_text, ".html": html_document}.get(path.suffix)
        if render is None:
            one = {".md": markdown, ".tex": latex}[path.suffix]
            write_text(path, "\n".join(map(one, tables)))
        else:
            write_text(path, render(*tables))


def csv_text(*tables: Table) -> str:
    """Return the rows of `tables` as CSV, with the columns of all of them."""
    used = [table for table in tables if table.csv]
    names = {table.name: [column.name for column in table.columns if column.name] for table in used}
    rows = ({name: row.get(name) for name in names[table.name]} for table in used for row in table.rows)
    return csv_lines(list(dict.fromkeys(name for each in names.values() for name in each)), rows)


def markdown(table: Table) -> str:
    """Return `table` as Markdown whose columns also line up when read raw."""
    head = [f"{column.group}: {column.title}" if column.group else column.title for column in table.heads]
    grid = [[_markdown_escape(text) for text in head]]
    if table.banner:  # a row of numbers is copied together with its heading, so the heading says it as well
        grid[0][0] += " (drawn data)"
    for row in table.lines:
        grid.append([_markdown_cell(cell) for cell in row])
    widths = [max(3, *(len(line[k]) for line in grid)) for k in range(len(head))]
    rule = [("-" * (w - 1) + ":") if c.right else "-" * w for w, c in zip(widths, table.heads, strict=True)]
    lines = [
        "| " + " | ".join(_pad(text, width, column.right) for text, width, column in parts) + " |"
        for parts in (zip(line, widths, table.heads, strict=True) for line in [grid[0], rule, *grid[1:]])
    ]
    top = [f"**{_markdown_escape(table.title)}**", ""]
    if table.banner:
        top += [f"> **{_markdown_escape(table.banner)}.**", ""]
    notes = [f"- {f'({note.mark}) ' if note.mark else ''}{_markdown_escape(note.text)}" for note in table.notes]
    return "\n".join([*top, *lines, *([""] if notes else []), *notes]) + "\n"


def html(*tables: Table) -> Markup:
    """Return `tables` as an HTML fragment (a folded <figure> each), for a page that has the style sheet."""
    template = templates().get_template("table.html")
    return Markup("".join(template.render(table=table, folded=True) for table in tables))  # nosec B704  # the template escapes


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


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_escape(cell.text)
    text = f"**{text}**" if cell.bold else text
    return f"{text} ({cell.mark})" if cell.mark else text


def _markdown_escape(text: str) -> str:
    text = re.sub(r"([\\|*<>\[\]`]|(?<!\w)_|_(?!\w)|&(?=#?\w+;))", r"\\\1", text)
    return " ".join(text.split())
