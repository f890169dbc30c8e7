"""The cells of the table of methods and data sets: results with what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.evaluation.predictions import Predictions
from refer.reporting.evidence import Evidence, Record, in_batches
from refer.reporting.results import Comparison, Result
from refer.reporting.tables.table import Note

PROTOCOL = "audited"

Row = tuple[str, str]
"""Paper and method."""


@dataclass(frozen=True)
class Entry:
    """One cell: what a method reaches on the test set of a data set, and the runs behind it, one a seed."""

    evidence: Evidence
    result: Result
    runs: Sequence[Predictions]

    @property
    def row(self) -> Row:
        """Paper and method."""
        return self.evidence.paper.id, self.result.method

    @property
    def records(self) -> list[Record]:
        """The run.json of every run."""
        return self.evidence.records_of(self.runs)

    @property
    def spread(self) -> tuple[float | None, str]:
        """The standard deviation in points, and over what: over seeds, or over the folds of a single seed."""
        if len(self.result.seeds) > 1:
            return self.result.sd, "seeds"
        return (self.result.fold_sd, "folds") if len(self.result.folds) > 1 else (None, "")

    @cached_property
    def majority(self) -> tuple[str, float]:
        """The commonest class of the images that count, and the accuracy in percent of always naming it."""
        first = self.runs[0]
        counts = np.bincount(first.label[first.of(self.result.part)], minlength=len(first.classes))
        return first.classes[int(counts.argmax())], 100 * float(counts.max() / counts.sum())

    @cached_property
    def images(self) -> frozenset[str]:
        """The images that it was tested on."""
        first = self.runs[0]
        return frozenset(first.ids[first.of(self.result.part)].tolist())


Columns = Mapping[str, Sequence[Entry]]
"""Data set → its entries."""


FACTS: tuple[tuple[str, Callable[[Record], bool]], ...] = (
    ("starts without weights from elsewhere", lambda run: str(run["initial_weights"]).startswith("none")),
    ("goes on from networks of its paper that were trained here", lambda run: bool(run.get("starts_from"))),
    ("tests another method's network in another way, or on other images", lambda run: bool(run.get("tests"))),
    (
        "is tested on faces composed on backgrounds, not on the images as they are",
        lambda run: bool(run["recipe"].get("compose")) and run["recipe"].get("compose_test", True),
    ),
)
"""What sets a method apart from its neighbours in a column, as run.json tells it."""


def by_data(comparisons: Iterable[Comparison]) -> dict[str, list[Entry]]:
    """Return the entries of every data set, in the catalogue's order, real data before drawn."""
    found: dict[str, list[Entry]] = {}
    for comparison in comparisons:
        for r in comparison.results:
            if r.protocol == PROTOCOL and r.part == comparison.evidence.test:
                runs = comparison.evidence.of(*r.row)
                found.setdefault(comparison.evidence.data, []).append(Entry(comparison.evidence, r, runs))
    if not found:
        raise UserError(f"matrix: no run of the protocol {PROTOCOL!r} was given; run the workflow with `matrix:` set.")
    known = list(DATASETS)
    return dict(sorted(found.items(), key=lambda item: (known.index(item[1][0].evidence.dataset), item[0])))


def facts(rows: Mapping[Row, Sequence[Entry]]) -> tuple[list[Note], dict[Row, str]]:
    """Return the notes on what sets rows apart, and the letters of each; what holds for every row needs none."""
    lettered: list[Note] = []
    general: list[Note] = []
    marks: dict[Row, str] = {}
    batches = {in_batches(r): None for entries in rows.values() for entry in entries for r in entry.records}
    read: list[tuple[str, Callable[[Record], bool]]] = [(text, partial(_is_tested, text)) for text in batches if text]
    for text, holds in (*FACTS, *read):
        those = [row for row, entries in rows.items() if any(holds(r) for entry in entries for r in entry.records)]
        if len(those) == len(rows):
            general.append(Note(f"Every method {text}."))
        elif those:
            letter = "abcdefgh"[len(lettered)]
            lettered.append(Note(f"{text[0].upper()}{text[1:]}.", letter))
            marks.update({row: f"{marks[row]}, {letter}" if row in marks else letter for row in those})
    return [*lettered, *general], marks


def _is_tested(how: str, run: Record) -> bool:
    """Whether a run reads its batch, and was tested in those batches."""
    return in_batches(run) == how


def record(entry: Entry) -> dict[str, Any]:
    """Return the row of the CSV; `mean` to `high` and `majority` are in percent."""
    evidence, r = entry.evidence, entry.result
    sd, over = entry.spread
    return {
        "preset": evidence.preset,
        "paper": evidence.paper.id,
        "method": r.method,
        "label": r.label,
        "dataset": evidence.dataset,
        "data": evidence.data,
        "stand_in": evidence.stand_in,
        "protocol": r.protocol,
        "part": r.part,
        "split": r.split,
        "n": r.n,
        "removed": r.removed,
        "seeds": len(r.seeds),
        "folds": len(r.folds) or None,
        "mean": r.mean,
        "sd": sd,
        "sd_over": over,
        "low": 100 * r.interval.low,
        "high": 100 * r.interval.high,
        "interval_method": r.interval.method,
        "majority": entry.majority[1],
    }
