"""Precision, recall and F1 as far as a paper reports them: beside ours by its own definition, with verdicts."""

from __future__ import annotations

from refer.reporting.names import measure
from refer.reporting.results import Comparison, Value
from refer.reporting.tables.notes import claim_notes, fold_note, interval_note, metrics_note, rule, unique, weight_note
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    number,
    rounded,
    signed,
    stand_in_notice,
    stated_spread,
    thousands,
)


def reported_table(comparison: Comparison) -> Table:
    """Return every precision, recall and F1 that the paper reports, beside ours by the paper's own definition."""
    evidence = comparison.evidence
    splits = dict.fromkeys(value.split for value in comparison.further)
    columns = [Column("Method"), Column("Protocol"), *([Column("Part")] if len(splits) > 1 else []), Column("Measure")]
    heads = ["Reported", "Ours", "95 % interval", *(["Over folds"] if comparison.folds else [])]
    heads += ["Diff.", "95 % of it", "Verdict", "Images to tell", "n"]
    columns += [Column(head, right=True) for head in heads]
    blocks = [
        [_row(comparison, value, several_parts=len(splits) > 1) for value in comparison.further if value.row == row]
        for row in dict.fromkeys(value.row for value in comparison.further)
    ]
    notes = [metrics_note(comparison), interval_note(comparison.further)]
    if any(value.against for value in comparison.further):
        notes += [rule(comparison.margin), weight_note()]
    notes += [fold_note(comparison)] if comparison.folds else []
    return Table(
        name=f"{evidence.paper.id}.{evidence.data}.reported",
        title=f"{evidence.paper.id}: precision, recall and F1 (%) on {dataset_name(evidence.dataset)}"
        f"{f', {next(iter(splits))}' if len(splits) == 1 else ''}, reported and reproduced",
        columns=columns,
        blocks=blocks,
        notes=[*map(Note, notes), *claim_notes(unique(c for value in comparison.further for c in value.reported))],
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def _row(comparison: Comparison, value: Value, *, several_parts: bool) -> list[Cell]:
    found = value.against
    texts = [value.label, value.protocol, *([value.split] if several_parts else []), measure(value.metric)]
    texts += [claimed(value), spread(value.mean, value.sd)]
    texts.append(f"{100 * value.interval.low:.1f}{DASH}{100 * value.interval.high:.1f}")
    texts += [spread(value.fold_mean, value.fold_sd)] if comparison.folds else []
    texts += [signed(value.difference), f"{signed(found.low)} to {signed(found.high)}" if found else DASH]
    texts += [value.verdict or DASH, rounded(found.images) if found and found.images else DASH, thousands(value.n)]
    return list(map(Cell, texts))


def claimed(value: Value) -> str:
    """Return what the paper reports, as it prints it."""
    return "; ".join(map(stated_spread, value.reported)) or DASH


def spread(mean: float | None, sd: float | None) -> str:
    """Return mean ± standard deviation, or the mean alone."""
    return number(mean) if sd is None else f"{number(mean)} ± {sd:.1f}"
