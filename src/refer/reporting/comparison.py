"""What the results table has of one paper on one data set, with the records of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from refer.evaluation.predictions import RunKey
from refer.evaluation.reported import MARGIN
from refer.reporting.results import Results, unique
from refer.reporting.run_set import Record
from refer.reporting.tables.table import stand_in_notice

if TYPE_CHECKING:
    from refer.spec import Paper


@dataclass(frozen=True)
class Comparison:
    """Results of one paper on one data set; `records` are the run.json of these runs, `margin` that of the verdicts."""

    paper: Paper
    data: str
    results: Results
    records: Mapping[RunKey, Record]
    margin: float = MARGIN

    @property
    def dataset(self) -> str:
        """The data set."""
        return self.data.removesuffix("-standin")

    @property
    def banner(self) -> str:
        """The sentence that stands above everything made from drawn data."""
        return stand_in_notice(self.dataset) if self.data != self.dataset else ""

    @property
    def test(self) -> str:
        """The split that is the test set."""
        return self.paper.test_sets[self.dataset]

    @cached_property
    def accuracies(self) -> list[dict[str, Any]]:
        """Mean accuracy of each method, protocol and split, with what the paper reports and whether it is the best."""
        rows = self._means(metric="accuracy")
        for row in rows:
            row["best"] = row["mean"] == max(
                each["mean"] for each in rows if (each["protocol"], each["part"]) == (row["protocol"], row["part"])
            )
        return rows

    @cached_property
    def further(self) -> list[dict[str, Any]]:
        """The same of every other metric that the paper reports."""
        return [row for row in self._means() if row["metric"] != "accuracy" and row["reported"] is not None]

    @cached_property
    def protocols(self) -> list[str]:
        """The protocols that were run, in order."""
        return unique(row["protocol"] for row in self.accuracies)

    @cached_property
    def parts(self) -> list[str]:
        """The splits that some protocol evaluates, in the paper's order."""
        found = {row["part"] for row in self.accuracies}
        return [part for part in self.paper.parts[self.dataset] if part in found]

    @property
    def splits(self) -> dict[str, str]:
        """Each of `parts` as the data set's owner calls it."""
        return {part: self.paper.parts[self.dataset][part] for part in self.parts}

    @property
    def folds(self) -> list[str]:
        """The folds that were run; none where people are not left out fold by fold."""
        return unique(fold for row in self.accuracies for fold in (row["fold_list"] or "").split())

    def of(self, scope: str, *quantities: str, **where: Any) -> list[dict[str, Any]]:
        """Return the rows of the results table that are of this paper and data set, see `Results.of`."""
        return self.results.of(scope, *quantities, paper=self.paper.id, data=self.data, **where)

    def wide(self, scope: str, first: str, *others: str, **where: Any) -> list[dict[str, Any]]:
        """Return them joined, see `Results.wide`."""
        return self.results.wide(scope, first, *others, paper=self.paper.id, data=self.data, **where)

    def records_of(self, protocol: str | None = None, method: str | None = None) -> list[Record]:
        """Return the run.json of every run of a protocol and method, or of all."""
        return [
            record
            for key, record in self.records.items()
            if protocol in (None, key.protocol) and method in (None, key.method)
        ]

    def _means(self, **where: Any) -> list[dict[str, Any]]:
        rows = self.wide("method", "mean", "fold_mean", "reported", "difference", **where)
        claims = self.of("method", "reported", **where)
        for row in rows:
            row["claims"] = [each for each in claims if _same(row, each)]
        return rows


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("protocol", "method", "part", "metric"))


def compare(
    paper: Paper, data: str, results: Results, records: Mapping[RunKey, Record], margin: float = MARGIN
) -> Comparison:
    """Return what was found of a paper on a data set; `records` may hold those of other runs."""
    mine = {key: record for key, record in records.items() if key[:2] == (paper.id, data)}
    return Comparison(paper, data, results, mine, margin)
