"""A paper's tables: what it reports beside what was reproduced, with intervals and their meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from refer.evaluation.reported import MARGIN
from refer.reporting.evidence import Paper, gather
from refer.reporting.protocols import by_run, effects, leaks
from refer.reporting.results import Comparison, Result, build, records
from refer.reporting.tables.further import claimed, reported_table, spread
from refer.reporting.tables.methods import metric_records, metrics_table, recall_table
from refer.reporting.tables.notes import duration, footnotes, unique
from refer.reporting.tables.pairs import pair_records, pair_table, pairs
from refer.reporting.tables.protocols import protocol_records, protocol_tables
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Table,
    dataset_name,
    signed,
    stand_in_notice,
    stated_spread,
    thousands,
    write_faces,
)

__all__ = ["Comparison", "Result", "build", "compare", "duration", "reported_table", "table", "tables", "write_metrics",
           "write_pairs", "write_protocols"]  # fmt: skip


def compare(
    paper: Paper,
    data: str,
    scores: str | Path,
    predictions: Iterable[str | Path],
    runs: Iterable[str | Path],
    outputs: Iterable[str | Path],
    margin: float = MARGIN,
) -> Comparison:
    """Write the tables of `paper` on `data` to every path of `outputs` (.csv, .md, .tex, .html); return what they say.

    `predictions` and `runs` (run.json) may hold those of other papers too; see `evidence.gather` for the
    errors. The CSV has a row per method, protocol, part and reported metric; percentages in full precision. `margin`,
    in points, is that of the verdicts.
    """
    comparison = build(gather(paper, data, scores, predictions, runs), margin)
    write_faces(records(comparison), tables(comparison), outputs)
    return comparison


def write_metrics(comparison: Comparison, outputs: Iterable[str | Path]) -> None:
    """Write every metric of every method, and the recall of every class."""
    write_faces(metric_records(comparison), [metrics_table(comparison), recall_table(comparison)], outputs)


def write_pairs(comparison: Comparison, outputs: Iterable[str | Path]) -> None:
    """Write which methods differ: every two on the same test images."""
    found = pairs(comparison.evidence)
    write_faces(pair_records(comparison, found), [pair_table(comparison, found)], outputs)


def write_protocols(comparison: Comparison, training: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Write what the protocols are worth; `training` are the training.csv of the runs."""
    leaking, found = leaks(comparison.evidence), effects(comparison.evidence, by_run(training))
    rows = protocol_records(comparison, leaking, found)
    write_faces(rows, protocol_tables(comparison, leaking, found), outputs)


def tables(comparison: Comparison) -> list[Table]:
    """Return the tables that hold what the paper reports: of accuracy, and of its other metrics if it gives any."""
    return [table(comparison), *([reported_table(comparison)] if comparison.further else [])]


def table(comparison: Comparison) -> Table:
    """Return the table of accuracies: a row per method and protocol, a group of columns per part."""
    evidence = comparison.evidence
    claims = unique(claim for r in comparison.results for claim in r.reported)
    parts = {claim.part for claim in claims}
    # Where every number is stated for one part, it stands among that part's columns.
    home = next(iter(parts)) if len(parts) == 1 else None
    columns = [Column("Method"), Column("Protocol")]
    columns += [Column("Reported", right=True)] if home is None else []
    columns += [Column("Seeds", right=True), *([Column("Folds", right=True)] if comparison.folds else [])]
    for part in evidence.parts:
        heads = ["Reported"] if part == home else []
        heads += ["Accuracy", "95 % interval", *(["Over folds"] if comparison.folds else [])]
        heads += ["Diff.", "Verdict", "n"] if {part, None} & parts else ["n"]
        columns += [Column(head, evidence.split(part), right=True) for head in heads]
    notes = footnotes(comparison)
    blocks = [
        [_row(comparison, row, columns, notes.marks[row]) for row in comparison.rows if row[0] == protocol]
        for protocol in evidence.protocols
    ]
    return Table(
        name=f"{evidence.paper.id}.{evidence.data}",
        title=f"{evidence.paper.id}: accuracy (%) on {dataset_name(evidence.dataset)}, reported and reproduced",
        columns=columns,
        blocks=blocks,
        notes=notes.notes,
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def _row(comparison: Comparison, row: tuple[str, str], columns: Sequence[Column], mark: str) -> list[Cell]:
    """Return the cells of one method under one protocol."""
    results = {r.split: r for r in comparison.results if r.row == row}
    first = next(iter(results.values()))
    common = {
        "Method": Cell(first.label, mark=mark),
        "Protocol": Cell(first.protocol),
        "Seeds": Cell(str(len(first.seeds))),
        "Folds": Cell(str(len(first.folds))),
    }
    cells = []
    for column in columns:
        if column.title in common:
            cells.append(common[column.title])
        elif not column.group:
            cells.append(_reported_cell(list(results.values())))
        elif column.group in results:
            cells.append(_result_cell(comparison, results[column.group], column.title))
        else:
            cells.append(Cell(DASH))  # a part that this protocol does not have
    return cells


def _result_cell(comparison: Comparison, r: Result, title: str) -> Cell:
    if title == "Accuracy":
        return Cell(spread(r.mean, r.sd), bold=(r.protocol, r.method, r.part) in comparison.best)
    if title == "95 % interval":
        return Cell(f"{100 * r.interval.low:.1f}{DASH}{100 * r.interval.high:.1f}")
    if title == "n":
        return Cell(thousands(r.n))
    if title == "Verdict":
        return Cell(r.verdict or DASH)
    return Cell({"Over folds": spread(r.fold_mean, r.fold_sd), "Diff.": signed(r.difference)}.get(title, claimed(r)))


def _reported_cell(results: Sequence[Result]) -> Cell:
    claims = unique(claim for r in results for claim in r.reported)
    if not claims:
        return Cell(DASH)
    splits = {r.part: r.split for r in results}
    texts = [f"{stated_spread(claim)}{f' ({splits[claim.part]})' if claim.part else ''}" for claim in claims]
    return Cell("; ".join(texts), mark="a" if any(claim.part is None for claim in claims) else "")
