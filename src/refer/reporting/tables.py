"""A table as data, and its four faces: Markdown, LaTeX, HTML, and CSV for machines."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from refer.files import write_text

DASH = "–"
LATEX_ROWS = 30
DATASET_NAMES = {"fer2013": "FER2013", "rafdb": "RAF-DB", "ckplus": "CK+", "bu3dfe": "BU-3DFE"}


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
    return DATASET_NAMES.get(dataset, dataset.upper())


def stand_in_notice(*datasets: str) -> str:
    """Return the sentence that stands on the face of everything made from drawn data."""
    *before, last = map(dataset_name, datasets)
    names = f"{', '.join(before)} and {last}" if before else last
    return f"Drawn stand-in data: these numbers say nothing about {names}"


def number(value: float | None, digits: int = 1) -> str:
    """Return `value` with `digits` decimals, a dash for None or NaN."""
    return DASH if value is None or value != value else f"{value:.{digits}f}"


def stated(value: float) -> str:
    """Return a number as a paper prints it: with its second decimal, if it has one."""
    return f"{value:.2f}".removesuffix("0")


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
    return f"{min(p, 0.99):.2f}" if p >= 0.0995 else f"{p:.3f}"


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


def latex(table: Table) -> str:
    """Return `table` as a LaTeX float; the document needs the packages booktabs and graphicx.

    A wide table is scaled down to the line, and one of more than `LATEX_ROWS` rows becomes a float per block, with
    the notes below the last: a float cannot be broken over pages.
    """
    if len(table.rows) <= LATEX_ROWS or len(table.blocks) == 1:
        return _latex_float(table)
    last = len(table.blocks)
    return "\n".join(
        _latex_float(
            replace(
                table,
                name=f"{table.name}.{k}",
                title=f"{table.title} ({k} of {last})",
                blocks=[block],
                notes=table.notes if k == last else [],
            )
        )
        for k, block in enumerate(table.blocks, 1)
    )


def _latex_float(table: Table) -> str:
    width = len(table.columns)
    lines = [
        r"% Needs \usepackage{booktabs,graphicx} in the preamble. Written by refer; changes here will be lost.",
        r"\begin{table*}[t]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3.5pt}",
        rf"\caption{{{_latex_escape(table.title + ('. ' + table.banner if table.banner else ''))}.}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9.:-]', '-', table.name)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{''.join(map(_latex_column, table.columns))}@{{}}}}",
        r"\toprule",
    ]
    if table.banner:
        lines += [rf"\multicolumn{{{width}}}{{c}}{{\textbf{{{_latex_escape(table.banner)}}}}} \\", r"\midrule"]
    if any(column.group for column in table.columns):
        lines += _latex_groups(table)
    lines += [" & ".join(_latex_escape(column.title) for column in table.columns) + r" \\"]
    for block in table.blocks:
        lines += [r"\midrule"]
        lines += [" & ".join(map(_latex_cell, row, table.columns)) + r" \\" for row in block]
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if table.notes:
        lines += ["", r"\smallskip", r"\begin{minipage}{\linewidth}\scriptsize\raggedright"]
        for note in table.notes:
            mark = rf"\textsuperscript{{{_latex_escape(note.mark)}}}\," if note.mark else ""
            lines += [rf"{mark}{_latex_escape(note.text)}\par"]
        lines += [r"\end{minipage}"]
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


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
        loader=jinja2.PackageLoader("refer.reporting"),
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


def _latex_groups(table: Table) -> list[str]:
    """Return the upper line of headings with the thin rules below each."""
    cells, rules, start = [], [], 1
    for title, width in table.groups:
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{_latex_escape(title)}}}" if title else " & " * (width - 1))
        if title:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [" & ".join(cells) + r" \\", "".join(rules)]


def _latex_column(column: Column) -> str:
    if column.width:
        return rf"p{{{column.width:g}\linewidth}}"
    return "r" if column.right else "l"


def _latex_cell(cell: Cell, column: Column) -> str:
    text = _latex_escape(cell.text)
    if column.width:  # the braces keep \raggedright from changing what ends the row
        text = rf"{{\raggedright {text}\par}}"
    text = rf"\textbf{{{text}}}" if cell.bold else text
    return rf"{text}\textsuperscript{{{_latex_escape(cell.mark)}}}" if cell.mark else text


_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: rf"\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # after \\ a bracket would be read as an option
    "]": "{]}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\to$",
    "·": r"$\cdot$",
    "√": r"$\surd$",
    "°": r"$^\circ$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "\u00a0": "~",
    "\u2009": r"\,",
}


def _latex_escape(text: str) -> str:
    """Return `text` for any LaTeX; a letter that plain pdfLaTeX cannot set becomes its nearest plain one."""
    return "".join(_latex_character(character) for character in " ".join(text.split(" ")))


def _latex_character(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    if character.isspace():
        return " "
    if ord(character) < 128 or "\u00c0" <= character <= "\u017e":
        return character
    return unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode() or "?"
