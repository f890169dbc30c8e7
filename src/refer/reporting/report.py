"""Every table that follows from the results table of a preset, by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.errors import UserError, unknown
from refer.evaluation.predictions import RunKey
from refer.reporting.comparison import Comparison, compare
from refer.reporting.names import brief
from refer.reporting.results import Results
from refer.reporting.run_set import Record, read_records
from refer.reporting.score import Asked
from refer.reporting.tables.listings import ambiguity_table, runs_table
from refer.reporting.tables.matrix import Audited, matrix_table
from refer.reporting.tables.paper import accuracy_tables, metric_tables, pair_table, protocol_tables
from refer.reporting.tables.printed import printed_tables
from refer.reporting.tables.ranking import contrast_tables, ranking_tables
from refer.reporting.tables.reported_results import claims_table
from refer.reporting.tables.sensitivity import sensitivity_tables
from refer.reporting.tables.table import Table, frame
from refer.reporting.tables.verdicts import verdict_table, verdicts
from refer.reporting.tables.write import write_tables

if TYPE_CHECKING:
    import pandas as pd

    from refer.plan import Plan
    from refer.spec import Paper


@dataclass(frozen=True)
class Report:
    """The results table of a preset, the records of its runs, and what it asks for."""

    asked: Asked
    results: Results
    records: Mapping[RunKey, Record]

    @classmethod
    def read(cls, plan: Plan, results: str | Path, runs: Iterable[str | Path]) -> Report:
        """Read results.parquet and every run.json. Raises UserError where one is missing or broken."""
        return cls(Asked.by(plan), Results.read(results), read_records(runs))

    @property
    def papers(self) -> list[Paper]:
        """The papers whose reported numbers are judged."""
        return [self.asked.papers[name] for name in self.asked.reproduced or self.asked.papers]

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Every paper on every data set that has tables of its own."""
        return [each for each in self._all if self.asked.own is None or (each.paper.id, each.data) in self.asked.own]

    @cached_property
    def audited(self) -> Audited:
        """What the ranking and the table of methods and data sets show. Raises UserError where it is nothing."""
        return Audited(self._all, self.results)

    @cached_property
    def verdicts(self) -> list[dict[str, Any]]:
        """Every reported number with its verdict."""
        return verdicts(self.papers, self.results)

    @property
    def whole(self) -> dict[str, Callable[[], list[Table]]]:
        """The tables over all papers, by name."""
        asked = self.asked
        compared = {name: asked.papers[name] for name in dict.fromkeys(each.paper for each in asked.switches)}
        return {
            "runs": lambda: [runs_table(list(self.records.values()))],
            "verdicts": lambda: [verdict_table(self.verdicts, asked.margin)],
            "matrix": lambda: [matrix_table(self.audited)],
            "ranking": lambda: ranking_tables(self.audited),
            "contrasts": lambda: contrast_tables(self.audited),
            "sensitivity": lambda: sensitivity_tables(self.results, compared, asked.switches, self.records),
        }

    def tables(self, name: str) -> list[Table]:
        """Return what stands in the files of a name: `ranking`, `khalid2025.fer2013`, `pairs.khalid2025.fer2013`.

        Raises UserError where the results table has nothing of that name.
        """
        if name in self.whole:
            return self.whole[name]()
        kind, *rest = name.split(".")
        paper = self.asked.papers.get(rest[0]) if rest else None
        if paper and kind == "printed":
            return printed_tables(paper, self.results)
        if paper and kind == "claims":
            return [claims_table(paper)]
        if paper and kind == "ambiguities":
            return [ambiguity_table(paper)]
        make = {"metrics": metric_tables, "pairs": lambda one: [pair_table(one)], "protocols": protocol_tables}.get(
            kind
        )
        cell = name if make is None else ".".join(rest)
        known = {f"{each.paper.id}.{each.data}": each for each in self.comparisons}
        if cell not in known:
            raise UserError(f"no table {unknown(name, [*self.whole, *known])}.")
        return (make or accuracy_tables)(known[cell])

    def frame(self, name: str) -> pd.DataFrame:
        """Return the tables of a name as a frame, as its CSV has them: what a figure is drawn from."""
        made = frame(*self.tables(name))
        return made.assign(label=made["label"].map(brief)) if "label" in made else made

    def write(self, outputs: Iterable[str | Path]) -> None:
        """Write tables to files that are named after them; see `tables`."""
        files: dict[str, list[Path]] = {}
        for path in map(Path, outputs):
            files.setdefault(path.stem, []).append(path)
        for name, paths in files.items():
            write_tables(self.tables(name), paths)

    @cached_property
    def _all(self) -> list[Comparison]:
        cells = dict.fromkeys((key.paper, key.data) for key in self.records)
        return [
            compare(paper, data, self.results, self.records, self.asked.margin)
            for name, paper in self.asked.papers.items()
            for owner, data in cells
            if owner == name
        ]
