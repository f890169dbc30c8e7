"""A table as rows and columns, and how values are printed in it; `refer.reporting.tables.write` writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from refer.spec import Reported

from refer.datasets.catalog import DATASETS

Row = Mapping[str, Any]
DASH = "–"


@dataclass(frozen=True)
class Cell:
    """One cell: its text, whether it is the best of its kind, and the letter of its footnote, if any."""

    text: str
    bold: bool = False
    mark: str = ""


Show = Callable[[Row], "str | Cell"]
"""Makes the cell of a row."""


@dataclass(frozen=True)
class Column:
    """A column of a table, declared once for CSV, Markdown, LaTeX and HTML.

    Attributes:
        name: of the value in a row, and of the column in the CSV; empty: not in the CSV.
        title: the heading for people; empty: in the CSV alone.
        show: how a row's cell is printed; without it the value as its type asks.
        group: the heading that it shares with its neighbours.
        right: whether it is aligned to the right.
        width: of a column of sentences the share of the line that it takes in LaTeX, where text must wrap.
        wide: whether it stands once for each value that the table is spread over, see `Spread`.
        only: those of these values for which it stands; None: all.
    """

    name: str
    title: str = ""
    show: Show | None = None
    group: str = ""
    right: bool = False
    width: float = 0.0
    wide: bool = False
    only: frozenset[Any] | None = None

    def cell(self, row: Row) -> Cell:
        """Return the cell of a row."""
        value = row.get(self.name)
        made = self.show(row) if self.show else value if isinstance(value, Cell) else printed(value)
        return made if isinstance(made, Cell) else Cell(made)


@dataclass(frozen=True)
class Spread:
    """How rows that differ in one column alone stand beside each other: `titles` are its values and their headings.

    `key` are the columns in which they agree.
    """

    by: str
    titles: Mapping[Any, str]
    key: Sequence[str]


@dataclass(frozen=True)
class Note:
    """A footnote; `mark` is the letter that cells refer to, or empty for a note on the whole table."""

    text: str
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table: rows of numbers, and columns that say how they are printed.

    Attributes:
        name: of its files and its label in LaTeX.
        title: what it shows.
        columns: from left to right.
        rows: what the CSV holds.
        notes: stand below it.
        banner: stands above it.
        block: the columns whose values rows between two rules share.
        spread: how rows stand beside each other.
        shown: which rows people see; None: all.
        more: rows that only people see, below the others.
        csv: whether its rows stand in the CSV.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[Note] = field(default_factory=list)
    banner: str = ""
    block: Sequence[str] = ()
    spread: Spread | None = None
    shown: Callable[[Row], bool] | None = None
    more: Sequence[Row] = ()
    csv: bool = True

    @cached_property
    def heads(self) -> list[Column]:
        """The columns that people see, from left to right, those that are spread once for each value."""
        return [column for column, _ in self._heads]

    @cached_property
    def blocks(self) -> list[list[list[Cell]]]:
        """The cells that people see: blocks of rows of cells."""
        shown = [row for row in self.rows if self.shown is None or self.shown(row)]
        return [self._lines(rows) for part in (shown, self.more) for rows in self._divided(part)]

    @property
    def lines(self) -> list[list[Cell]]:
        """Every row that people see, top to bottom."""
        return [row for block in self.blocks for row in block]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The upper line of headings as (heading, number of columns), left to right."""
        return [(title, len(list(run))) for title, run in groupby(column.group for column in self.heads)]

    @cached_property
    def _heads(self) -> list[tuple[Column, Any]]:
        shown = [column for column in self.columns if column.title]
        fixed = [(column, None) for column in shown if not column.wide]
        titles = self.spread.titles if self.spread else {}
        return fixed + [
            (replace(column, group=title), value)
            for value, title in titles.items()
            for column in shown
            if column.wide and (column.only is None or value in column.only)
        ]

    def _divided(self, rows: Iterable[Row]) -> Iterable[list[Row]]:
        blocks: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            blocks.setdefault(tuple(row[name] for name in self.block), []).append(row)
        return blocks.values()

    def _lines(self, rows: Iterable[Row]) -> list[list[Cell]]:
        if self.spread is None:
            return [[column.cell(row) for column in self.heads] for row in rows]
        lines: dict[tuple[Any, ...], dict[Any, Row]] = {}
        for row in rows:
            lines.setdefault(tuple(row[name] for name in self.spread.key), {})[row[self.spread.by]] = row
        return [[self._spread_cell(column, value, line) for column, value in self._heads] for line in lines.values()]

    def _spread_cell(self, column: Column, value: Any, line: Mapping[Any, Row]) -> Cell:
        if not column.wide:
            return column.cell(next(iter(line.values())))
        return column.cell(line[value]) if value in line else Cell(DASH)


def printed(value: Any) -> str:
    """Return a value as its type is printed: text as it is, counts with thousands, numbers with one decimal."""
    if isinstance(value, str):
        return value or DASH
    return thousands(value) if isinstance(value, int) else number(value)


def spread(mean: float | None, sd: float | None) -> str:
    """Return mean ± standard deviation, or the mean alone."""
    return number(mean) if sd is None else f"{number(mean)} ± {sd:.1f}"


def span_of(low: float | None, high: float | None) -> str:
    """Return an interval of percentages, a dash where there is none."""
    return DASH if low is None or high is None else f"{low:.1f}{DASH}{high:.1f}"


def signed_span(low: float | None, high: float | None) -> str:
    """Return an interval of a difference, a dash where there is none."""
    return DASH if low is None or high is None else f"{signed(low)} to {signed(high)}"


def dataset_name(dataset: str) -> str:
    """Return the name by which people know a data set, e.g. FER2013."""
    return DATASETS[dataset].title if dataset in DATASETS else dataset.upper()


def stand_in_notice(*datasets: str) -> str:
    """Return the sentence that stands above everything made from drawn data."""
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


def frame(*tables: Table) -> pd.DataFrame:
    """Return the rows of `tables` that stand in the CSV, with its columns, as a frame."""
    import pandas as pd

    made = []
    for table in tables:
        names = [column.name for column in table.columns if column.name]
        if table.csv:
            made.append(pd.DataFrame([{name: row.get(name) for name in names} for row in table.rows], columns=names))
    filled = [each for each in made if len(each)] or made[:1]
    return pd.concat(filled, ignore_index=True)
