"""A table as LaTeX: a float that plain pdfLaTeX compiles, whatever stands in its cells."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from refer.reporting.tables.table import Cell, Column, Table

LATEX_ROWS = 30


def latex(table: Table) -> str:
    """Return `table` as a LaTeX float; the document needs the packages booktabs and graphicx.

    A wide table is scaled down to the line, and one of more than `LATEX_ROWS` rows becomes a float per block, with
    the notes below the last: a float cannot be broken over pages.
    """
    blocks = table.blocks
    if len(table.lines) <= LATEX_ROWS or len(blocks) == 1:
        return _latex_float(table, blocks)
    if len(blocks[-1]) == 1:  # a float of one row is none
        blocks = [*blocks[:-2], [*blocks[-2], *blocks[-1]]]
    last = len(blocks)
    return "\n".join(
        _latex_float(
            replace(
                table,
                name=f"{table.name}.{k}",
                title=f"{table.title} ({k} of {last})",
                notes=table.notes if k == last else [],
            ),
            [block],
        )
        for k, block in enumerate(blocks, 1)
    )


def _latex_float(table: Table, blocks: Sequence[Sequence[Sequence[Cell]]]) -> str:
    width = len(table.heads)
    lines = [
        r"% Needs \usepackage{booktabs,graphicx} in the preamble. Written by refer; changes here will be lost.",
        r"\begin{table*}[t]",
        r"\centering\footnotesize\setlength{\tabcolsep}{3.5pt}",
        rf"\caption{{{_latex_escape(table.title + ('. ' + table.banner if table.banner else ''))}.}}",
        rf"\label{{tab:{re.sub(r'[^A-Za-z0-9.:-]', '-', table.name)}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{''.join(map(_latex_column, table.heads))}@{{}}}}",
        r"\toprule",
    ]
    if table.banner:
        lines += [rf"\multicolumn{{{width}}}{{c}}{{\textbf{{{_latex_escape(table.banner)}}}}} \\", r"\midrule"]
    if any(column.group for column in table.heads):
        lines += _latex_groups(table)
    lines += [" & ".join(_latex_escape(column.title) for column in table.heads) + r" \\"]
    for block in blocks:
        lines += [r"\midrule"]
        lines += [" & ".join(map(_latex_cell, row, table.heads)) + r" \\" for row in block]
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if table.notes:
        lines += ["", r"\smallskip", r"\begin{minipage}{\linewidth}\scriptsize\raggedright"]
        for note in table.notes:
            mark = rf"\textsuperscript{{{_latex_escape(note.mark)}}}\," if note.mark else ""
            lines += [rf"{mark}{_latex_escape(note.text)}\par"]
        lines += [r"\end{minipage}"]
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


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
