"""The results table: every estimate, comparison, interval and verdict of a preset, one a row (docs/results-table.md).

`refer.reporting.score` writes it from the predictions; tables, figures, page, traces and metrics only read it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from refer import parquet
from refer.errors import UserError
from refer.files import whole, write_text

Row = Mapping[str, Any]
"""A row of the results table, or of what `Results.wide` makes of several; what is not known is None."""

TEXT, NUMBER, COUNT, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()


class Field(NamedTuple):
    """A column of the results table."""

    name: str
    kind: pa.DataType
    what: str


COLUMNS = (
    Field("scope", TEXT, "The question that the row belongs to; see below."),
    Field("quantity", TEXT, "What `value` is; see below."),
    Field("preset", TEXT, "The preset that was run."),
    Field("paper", TEXT, "The paper, as in papers/<paper>.yaml; a switched option is named behind a plus sign."),
    Field("dataset", TEXT, "The data set."),
    Field("data", TEXT, "The data set as in paths: with -standin, if it is drawn."),
    Field("stand_in", FLAG, "Whether the data are drawn; then no value says anything about the data set."),
    Field("protocol", TEXT, "published or audited; empty where a row is of both."),
    Field("method", TEXT, "The method."),
    Field("label", TEXT, "The method's name in tables: that of the network that ran."),
    Field("part", TEXT, "The split, as predictions.parquet and the paper's file name it."),
    Field("split", TEXT, "The split, as the data set's owner names it."),
    Field("metric", TEXT, "The metric; recall:<class> and precision:<class> are of one class."),
    Field("compared_with", TEXT, "What a difference is to: a method, <paper>.<method>, or an option."),
    Field("what", TEXT, "What sets two compared methods apart, as the paper's file says; the ambiguity; what departs."),
    Field("option", TEXT, "The option of the ambiguity that was switched on."),
    Field("actual", TEXT, "Of a confusion count: the true class. Of a baseline: the most frequent class."),
    Field("predicted", TEXT, "Of a confusion count: the predicted class."),
    Field("seed", COUNT, "Of a single run: its seed."),
    Field("fold", COUNT, "Of a single run: its fold; empty where the folds of a seed are pooled."),
    Field(
        "value", NUMBER, "The value: percent, or points where two are compared; Brier score and log loss as they are."
    ),
    Field("sd", NUMBER, "Its standard deviation over seeds or folds (n − 1), or the one that the paper states."),
    Field("low", NUMBER, "Lower end of its 95 % interval."),
    Field("high", NUMBER, "Upper end of its 95 % interval."),
    Field("interval_method", TEXT, "How the interval was made: wilson, jackknife, crossed (docs/verdicts.md)."),
    Field("p", NUMBER, "Two-sided p of no difference, of this comparison alone."),
    Field("p_holm", NUMBER, "p adjusted by Holm's method for all comparisons of the same kind."),
    Field("p_holm_reference", NUMBER, "p adjusted for the comparisons with the reference method alone."),
    Field("test", TEXT, "Where p comes from: mcnemar, fisher, crossed, moderated."),
    Field("about", TEXT, "What a comparison is about: methods, or of a single seed these networks alone."),
    Field("smallest", NUMBER, "The smallest difference that would have been found with a power of 80 %."),
    Field("verdict", TEXT, "Whether a reported number is reproduced (docs/verdicts.md)."),
    Field("images_to_tell", COUNT, "Size of a test set that could decide, where this one cannot."),
    Field("departures", COUNT, "How many of network, weights, epochs, image size and recipe are not the paper's."),
    Field("place", COUNT, "Place in the ranking; equal means share one."),
    Field("n", COUNT, "Images, or answers of this class."),
    Field("correct", COUNT, "Right answers among them, of a single run."),
    Field("removed", COUNT, "Images of the split that the protocol leaves out."),
    Field("seeds", COUNT, "How many seeds the value is of."),
    Field("seed_list", TEXT, "Which."),
    Field("folds", COUNT, "How many folds of each seed, where data are divided into folds."),
    Field("fold_list", TEXT, "Which."),
    Field("reported_part", TEXT, "Of a reported number: the split that the paper names, or `not stated`."),
    Field("decimals", COUNT, "Of a reported number: its decimals, where the paper's file states them."),
    Field("source", TEXT, "Of a reported number: where it stands. Of a departure: the paper's value."),
    Field("state", TEXT, "Of an option: whether it was run, or why not."),
    Field("reason", TEXT, "Of an option: the reason in words. Of a departure: the run's value."),
    Field("run", TEXT, "Of a single run: its folder below results/<preset>/; of an option: the paper's name in paths."),
)
SCHEMA = pa.schema([(each.name, each.kind) for each in COLUMNS])
KEYS = ("paper", "data", "protocol", "method", "part", "metric", "what", "option")
"""Columns by which `Results.wide` knows what belongs together."""
OWN = ("value", "sd", "low", "high", "n")
"""Columns that each quantity has of its own; all others hold for the whole row of `Results.wide`."""


def write_results(rows: Iterable[Row], outputs: Iterable[str | Path]) -> None:
    """Write the results table to every path of `outputs` (.parquet, .csv), in the order of `rows`."""
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    for path in map(Path, outputs):
        if path.suffix == ".csv":
            write_text(path, csv_lines(SCHEMA.names, table.to_pylist()))
        else:
            with whole(path) as temporary:
                pq.write_table(table, temporary)


def csv_lines(names: Sequence[str], rows: Iterable[Row]) -> str:
    """Return the columns `names` of rows as CSV: one value a cell, an empty cell for what is not known."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([csv_value(row.get(name)) for name in names] for row in rows)
    return buffer.getvalue()


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


class Results:
    """The rows of a results table, by scope and quantity."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
        for row in rows:
            full = {name: row.get(name) for name in SCHEMA.names}
            self._rows.setdefault((full["scope"], full["quantity"]), []).append(full)

    @classmethod
    def read(cls, path: str | Path) -> Results:
        """Read results.parquet. Raises UserError where it is missing or has other columns."""
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file; expected the results table of this preset. Run the workflow.")
        table = parquet.read(path)
        if table.schema.names != SCHEMA.names:
            raise UserError(f"{path}: the results table of another version of refer; delete it and score again.")
        return cls(table.to_pylist())

    def of(self, scope: str, *quantities: str, **where: Any) -> list[dict[str, Any]]:
        """Return the rows of a scope and of some quantities, or all, in which columns have the values of `where`."""
        return [
            row
            for (of, quantity), rows in self._rows.items()
            if of == scope and (not quantities or quantity in quantities)
            for row in rows
            if all(row[name] == value for name, value in where.items())
        ]

    def wide(self, scope: str, first: str, *others: str, **where: Any) -> list[dict[str, Any]]:
        """Return one row for each of the quantity `first`, with what the table has of the `others` for the same.

        A value is called as its quantity, its other numbers `<quantity>_sd` to `<quantity>_n`; those of `first` also
        stand under their own names. Equal KEYS say what belongs together; of several the first is taken.
        """
        found = []
        beside = {name: {_key(row): row for row in reversed(self.of(scope, name, **where))} for name in others}
        for row in self.of(scope, first, **where):
            joined = {**row, **_named(first, row)}
            for name, rows in beside.items():
                other = rows.get(_key(row), {})
                joined |= _named(name, other)
                joined |= {
                    key: value
                    for key, value in other.items()
                    if key not in OWN and value is not None and joined[key] is None
                }
            found.append(joined)
        return found


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEYS)


def _named(quantity: str, row: Row) -> dict[str, Any]:
    return {quantity if name == "value" else f"{quantity}_{name}": row.get(name) for name in OWN}


def unique(values: Iterable[Any]) -> list[Any]:
    """Return each value once, in the order of first appearance, without None."""
    return list(dict.fromkeys(value for value in values if value is not None))
