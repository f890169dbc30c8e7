"""The sections of the front page: one of each paper on a data set, one of each data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from refer.reporting.alt_texts import of_audit, of_comparison
from refer.reporting.audit import Audit
from refer.reporting.comparison import Comparison
from refer.reporting.pictures import Picture, embed
from refer.reporting.tables.listings import ambiguity_table, audit_table
from refer.reporting.tables.paper import accuracy_tables, metric_tables, pair_table, protocol_tables
from refer.reporting.tables.printed import printed_tables
from refer.reporting.tables.reported_results import claims_table
from refer.reporting.tables.splits import Split, split_table
from refer.reporting.tables.table import dataset_name
from refer.reporting.tables.write import html

if TYPE_CHECKING:
    from refer.spec import Paper


@dataclass(frozen=True)
class Section:
    """What the page says about one paper on one data set: tables as HTML, and pictures by their kind."""

    comparison: Comparison
    pictures: Mapping[str, Sequence[Picture]]

    @property
    def paper(self) -> Paper:
        """The paper."""
        return self.comparison.paper

    @property
    def dataset(self) -> str:
        """What people call the data set."""
        return dataset_name(self.comparison.dataset)

    @property
    def main_table(self) -> Markup:
        """The comparison."""
        return html(*accuracy_tables(self.comparison))

    @property
    def metrics_table(self) -> Markup:
        """What accuracy hides."""
        return html(*metric_tables(self.comparison))

    @property
    def pair_table(self) -> Markup:
        """Which methods differ."""
        return html(pair_table(self.comparison))

    @property
    def protocol_tables(self) -> Markup:
        """What the protocols are worth."""
        return html(*protocol_tables(self.comparison))

    @property
    def printed(self) -> Markup:
        """The paper's own tables and what its numbers can tell."""
        return html(
            *printed_tables(self.paper, self.comparison.results, self.comparison.data), claims_table(self.paper)
        )

    @property
    def ambiguity_table(self) -> Markup:
        """What the paper leaves open."""
        return html(ambiguity_table(self.paper))


@dataclass(frozen=True)
class AuditSection:
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
        return html(audit_table(self.audit))


KINDS = ("forest", "pairs", "curves", "composed", "representations", "attention")
"""The figures of a paper on a data set, but for confusion matrices."""


def section(comparison: Comparison, figures: Mapping[str, Sequence[str | Path]]) -> Section:
    """Return what the page says of one comparison, with those of `figures` (kind → files) that are of it.

    Raises UserError where a figure is missing.
    """
    stem = f"{comparison.paper.id}.{comparison.data}"
    pictures = {
        kind: [embed(path, of_comparison(kind, comparison, path.stem)) for path in _of(figures, kind, stem)]
        for kind in KINDS
    }
    claimed = dict.fromkeys(row["method"] for row in comparison.accuracies if row["claims"])
    order = [
        f"{stem}.{protocol}.{method}.{part}"
        for method in claimed or [comparison.accuracies[0]["method"]]
        for part in reversed(comparison.parts)  # the test set first
        for protocol in reversed(comparison.protocols)
    ]
    matrices = {path.stem: path for path in _of(figures, "confusion", stem)}
    confusion = [embed(matrices[key], of_comparison("confusion", comparison, key)) for key in order if key in matrices]
    return Section(comparison, pictures | {"confusion": confusion[:1], "more_confusion": confusion[1:]})


def audit_section(
    audit: Audit, figures: Mapping[str, Sequence[str | Path]], divided: Mapping[tuple[str, str], Sequence[Split]]
) -> AuditSection:
    """Return what the page says of one data set; `divided` holds its splits by (data, paper)."""

    def of(kind: str) -> list[Picture]:
        paths = [path for path in drawing_first(figures.get(kind, ())) if audit.data in path.stem.split(".")]
        return [embed(path, of_audit(kind, audit)) for path in paths[:1]]

    found = [html(split_table(each)) for (data, _), each in divided.items() if data == audit.data]
    return AuditSection(audit, of("audit"), of("classes"), of("sheets"), of("copies"), found)


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
