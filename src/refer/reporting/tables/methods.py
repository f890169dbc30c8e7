"""What accuracy hides: every other metric of every method, as numbers and as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refer.evaluation.intervals import mean_sd
from refer.reporting.results import Comparison, Result
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    number,
    stand_in_notice,
    thousands,
)

METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced acc.",
    "macro_precision": "Macro P",
    "macro_recall": "Macro R",
    "macro_f1": "Macro F1",
    "weighted_precision": "Weighted P",
    "weighted_recall": "Weighted R",
    "weighted_f1": "Weighted F1",
    "ece": "ECE",
    "brier": "Brier",
    "log_loss": "NLL",
}
PERCENT = frozenset(METRICS) - {"brier", "log_loss"}
NOTES = (
    "Means over seeds (± standard deviation of accuracy), in %. P, R, F1: precision, recall and the mean of the "
    "classes' F1; macro: unweighted over the classes, weighted: by their images. Balanced accuracy is macro recall, "
    "and weighted recall accuracy, by definition.",
    "ECE: expected calibration error over 15 equal-width bins of the top probability (%). Brier: squared distance from "
    "the true class's corner, summed over classes (0 to 2). NLL: mean negative log-likelihood of the true class, in "
    "nats. Lower is better of all three.",
)


def metrics_table(comparison: Comparison) -> Table:
    """Return every metric of every method: a row a method, protocol and part."""
    columns = [Column("Method"), Column("Protocol"), Column("Part"), Column("n", right=True)]
    columns += [Column("Seeds", right=True), *(Column(head, right=True) for head in METRICS.values())]

    def row(r: Result) -> list[Cell]:
        first = number(r.mean) if r.sd is None else f"{number(r.mean)} ± {r.sd:.1f}"
        cells = [Cell(r.label), Cell(r.protocol), Cell(r.split), Cell(thousands(r.n)), Cell(str(len(r.seeds)))]
        others = (name for name in METRICS if name != "accuracy")
        return [*cells, Cell(first), *(Cell(_shown(name, r.others[name])) for name in others)]

    return _table(comparison, "metrics", "every metric", columns, row, NOTES)


def recall_table(comparison: Comparison) -> Table:
    """Return the recall of every class, a row a method, protocol and part."""
    classes = comparison.evidence.runs[0].classes
    columns = [Column("Method"), Column("Protocol"), Column("Part"), *(Column(name, right=True) for name in classes)]

    def row(r: Result) -> list[Cell]:
        means = [recall(comparison, r, name) for name in classes]
        return [Cell(r.label), Cell(r.protocol), Cell(r.split), *(Cell(number(mean)) for mean in means)]

    note = f"Mean over seeds, in %. {DASH}: no image of the class in the part."
    return _table(comparison, "recalls", "recall of each class", columns, row, [note])


def recall(comparison: Comparison, r: Result, name: str) -> float | None:
    """Return the mean recall of a class (percent), None where the part has none of its images."""
    runs = comparison.evidence.of(*r.row)
    mean = float(np.mean(comparison.evidence.values(runs, r.part, f"recall:{name}")))
    return None if mean != mean else 100 * mean


def metric_records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows of the CSV, one a method, protocol, part and metric; in percent, but for Brier and NLL."""
    evidence = comparison.evidence
    names = [*METRICS, *(f"{kind}:{name}" for kind in ("recall", "precision") for name in evidence.runs[0].classes)]
    rows = []
    for r in comparison.results:
        runs = evidence.of(*r.row)
        for name in names:
            scale = 1 if name in ("brier", "log_loss") else 100
            mean, sd = mean_sd(evidence.values(runs, r.part, name))
            rows.append(
                {
                    "preset": evidence.preset,
                    "paper": evidence.paper.id,
                    "data": evidence.data,
                    "stand_in": evidence.stand_in,
                    "protocol": r.protocol,
                    "method": r.method,
                    "part": r.part,
                    "metric": name,
                    "mean": scale * mean,
                    "sd": None if sd is None else scale * sd,
                    "n": r.n,
                    "seeds": len(r.seeds),
                }
            )
    return rows


def _shown(name: str, value: float) -> str:
    return number(100 * value) if name in PERCENT else number(value, 2)


def _table(
    comparison: Comparison,
    name: str,
    what: str,
    columns: Sequence[Column],
    row: Callable[[Result], list[Cell]],
    notes: Sequence[str],
) -> Table:
    evidence = comparison.evidence
    blocks = [[row(r) for r in comparison.results if r.protocol == protocol] for protocol in evidence.protocols]
    return Table(
        name=f"{name}.{evidence.paper.id}.{evidence.data}",
        title=f"{evidence.paper.id} on {dataset_name(evidence.dataset)}: {what}",
        columns=columns,
        blocks=blocks,
        notes=list(map(Note, notes)),
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )
