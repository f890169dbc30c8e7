"""The chapters of the front page: one of each paper on a data set, one of each data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from refer.reporting.audit import Audit
from refer.reporting.evidence import Paper
from refer.reporting.pictures import Picture, embed
from refer.reporting.protocols import by_run, effects, leaks
from refer.reporting.results import records
from refer.reporting.tables.claims import claims_table
from refer.reporting.tables.compare import Comparison
from refer.reporting.tables.compare import tables as comparison_tables
from refer.reporting.tables.layouts import printed_tables
from refer.reporting.tables.listings import ambiguity_table, audit_table
from refer.reporting.tables.methods import metrics_table, recall_table
from refer.reporting.tables.overview import as_rows
from refer.reporting.tables.pairs import pair_table, pairs
from refer.reporting.tables.protocols import protocol_tables
from refer.reporting.tables.splits import Split, split_table
from refer.reporting.tables.table import Table, dataset_name, html


@dataclass(frozen=True)
class Chapter:
    """What the page says about one paper on one data set."""

    comparison: Comparison
    training: Sequence[Path]
    forest: Sequence[Picture]
    pairs: Sequence[Picture]
    confusion: Sequence[Picture]
    more_confusion: Sequence[Picture]
    curves: Sequence[Picture]
    composed: Sequence[Picture]
    representations: Sequence[Picture]
    attention: Sequence[Picture]

    @property
    def paper(self) -> Paper:
        """The paper."""
        return self.comparison.evidence.paper

    @property
    def dataset(self) -> str:
        """What people call the data set."""
        return dataset_name(self.comparison.evidence.dataset)

    @property
    def main_table(self) -> Markup:
        """The comparison, as HTML."""
        return as_html(*comparison_tables(self.comparison))

    @property
    def metrics_table(self) -> Markup:
        """What accuracy hides, as HTML."""
        return as_html(metrics_table(self.comparison), recall_table(self.comparison))

    @property
    def pair_table(self) -> Markup:
        """Which methods differ, as HTML."""
        return as_html(pair_table(self.comparison, pairs(self.comparison.evidence)))

    @property
    def protocol_tables(self) -> Markup:
        """What the protocols are worth, as HTML."""
        evidence = self.comparison.evidence
        found = leaks(evidence), effects(evidence, by_run(self.training))
        return as_html(*protocol_tables(self.comparison, *found))

    @property
    def printed(self) -> Markup:
        """The paper's own tables and what its numbers can tell, as HTML."""
        rows = as_rows(records(self.comparison))
        mine = [each for each in self.paper.layout if self.comparison.evidence.dataset in each.datasets]
        return as_html(*printed_tables(self.paper, rows, mine), claims_table(self.paper))

    @property
    def ambiguity_table(self) -> Markup:
        """What the paper leaves open, as HTML."""
        return as_html(ambiguity_table(self.paper))


@dataclass(frozen=True)
class AuditChapter:
    """What the page says about one data set."""

    audit: Audit
    pictures: Sequence[Picture]
    classes: Sequence[Picture]
    sheets: Sequence[Picture]
    copies: Sequence[Picture]
    splits: Sequence[Markup]

    @property
    def table(self) -> Markup:
        """The audit's findings, as HTML."""
        return as_html(audit_table(self.audit))


def as_html(*those: Table) -> Markup:
    """Return tables as HTML, one below another."""
    return Markup("".join(html(each) for each in those))


def chapter(comparison: Comparison, figures: Mapping[str, Sequence[str | Path]], training: Sequence[Path]) -> Chapter:
    """Return what the page says of one comparison, with those of `figures` (kind → files) that are of it.

    Raises UserError where a figure is missing.
    """
    evidence = comparison.evidence
    name = f"{evidence.paper.id} on {evidence.data}"
    stem = f"{evidence.paper.id}.{evidence.data}"
    forest = _of(figures, "forest", stem)
    curves = _of(figures, "curves", stem)
    claimed = dict.fromkeys(r.method for r in comparison.results if r.reported)
    shown = list(claimed) or [comparison.results[0].method]
    order = [
        f"{stem}.{protocol}.{method}.{part}"
        for method in shown
        for part in reversed(evidence.parts)  # the test set first
        for protocol in reversed(evidence.protocols)
    ]
    matrices = {path.stem: path for path in _of(figures, "confusion", stem)}
    confusion = [embed(matrices[key], f"Confusion matrices: {key}") for key in order if key in matrices]
    return Chapter(
        comparison=comparison,
        training=training,
        forest=[embed(path, f"Reported and reproduced accuracy, {name}") for path in forest],
        pairs=[embed(path, f"Which methods differ, {path.stem}") for path in _of(figures, "pairs", stem)],
        confusion=confusion[:1],
        more_confusion=confusion[1:],
        curves=[embed(path, f"Training curves, {path.stem}") for path in curves],
        composed=[embed(path, f"Faces on backgrounds, {path.stem}") for path in _of(figures, "composed", stem)],
        representations=[
            embed(path, f"Representation space, {path.stem}") for path in _of(figures, "representations", stem)
        ],
        attention=[embed(path, f"Where the network looks, {path.stem}") for path in _of(figures, "attention", stem)],
    )


def audit_chapter(
    audit: Audit, figures: Mapping[str, Sequence[str | Path]], divided: Mapping[tuple[str, str], Sequence[Split]]
) -> AuditChapter:
    """Return what the page says of one data set; `divided` holds its splits by (data, paper)."""

    def of(kind: str) -> list[Picture]:
        paths = [path for path in drawing_first(figures.get(kind, ())) if audit.data in path.stem.split(".")]
        return [embed(path, f"{kind} of {audit.data}") for path in paths[:1]]

    found = [as_html(split_table(each)) for (data, _), each in divided.items() if data == audit.data]
    return AuditChapter(audit, of("audit"), of("classes"), of("sheets"), of("copies"), found)


def _of(figures: Mapping[str, Sequence[str | Path]], kind: str, stem: str) -> list[Path]:
    """Return one file per figure of a paper on a data set, the drawing where both are given."""
    chosen: dict[str, Path] = {}
    for path in drawing_first(figures.get(kind, ())):
        if path.stem == stem or path.stem.startswith(f"{stem}."):
            chosen.setdefault(path.stem, path)
    return list(chosen.values())


def drawing_first(paths: Iterable[str | Path]) -> list[Path]:
    """Return files with drawings before bitmaps: they are smaller, and their words can be read."""
    return sorted(map(Path, paths), key=lambda path: path.suffix != ".svg")
