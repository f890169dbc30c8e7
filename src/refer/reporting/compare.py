"""A paper's table: what it reports beside what was reproduced, with intervals and their meaning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from refer.evaluation.intervals import RESAMPLES, Interval, accuracy_interval, mean_sd
from refer.evaluation.scores import Predictions
from refer.reporting.evidence import Evidence, Paper, Record, Reported, gather
from refer.reporting.tables import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    number,
    several,
    signed,
    stand_in_notice,
    thousands,
    write_csv,
    write_table,
)

UNKNOWN_PART = "The paper does not say on which part of the data this was measured, so the difference is given to each."
READING = (
    "Accuracy: mean ± standard deviation over seeds (n − 1 in the denominator; with one seed there is none). Diff.: "
    "reproduced minus reported, in points. Bold: the highest mean of a protocol and part, which alone does not "
    "make it better than the next."
)
OTHER_METRICS = ("balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_precision",
                 "weighted_recall", "weighted_f1", "ece", "log_loss")  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One method under one protocol on one part. Accuracies are percentages, `others` are as scored."""

    method: str
    label: str
    protocol: str
    part: str
    split: str
    n: int
    removed: int
    seeds: list[int]
    mean: float
    sd: float | None
    interval: Interval
    reported: list[Reported]
    others: dict[str, float]

    @property
    def difference(self) -> float | None:
        """Reproduced minus reported, in points; None where the paper reports nothing."""
        return self.mean - self.reported[0].value if self.reported else None


@dataclass(frozen=True)
class Comparison:
    """All results of one paper on one data set, in the order of its table."""

    evidence: Evidence
    results: list[Result]

    @cached_property
    def best(self) -> set[tuple[str, str, str]]:
        """The (protocol, method, part) with the highest mean accuracy of each protocol and part."""
        top: dict[tuple[str, str], float] = {}
        for r in self.results:
            top[r.protocol, r.part] = max(r.mean, top.get((r.protocol, r.part), 0))
        return {(r.protocol, r.method, r.part) for r in self.results if r.mean == top[r.protocol, r.part]}


def compare(
    paper: Paper,
    data: str,
    scores: str | Path,
    predictions: Iterable[str | Path],
    runs: Iterable[str | Path],
    outputs: Iterable[str | Path],
) -> None:
    """Write the table of `paper` on `data` to every path of `outputs` (.csv, .md, .tex, .html).

    `predictions` and `runs` (run.json) may hold those of other papers too; see `evidence.gather` for the
    errors. The CSV has one row per method, protocol and part; percentages in full precision.
    """
    comparison = build(gather(paper, data, scores, predictions, runs))
    paths = [Path(path) for path in outputs]
    for path in paths:
        if path.suffix == ".csv":
            write_csv(records(comparison), path)
    write_table(table(comparison), [path for path in paths if path.suffix != ".csv"])


def build(evidence: Evidence) -> Comparison:
    """Return the results of `evidence`, one per protocol, method and part."""
    results = []
    for protocol in evidence.protocols:
        for method in evidence.paper.methods:
            runs = evidence.of(protocol, method)
            if runs:
                results += [_result(evidence, runs, part) for part in evidence.parts]
    return Comparison(evidence, results)


def records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows of the CSV; `mean` to `high`, `reported` and `difference` are in percent or points."""
    evidence = comparison.evidence
    rows = []
    for r in comparison.results:
        claim = r.reported[0] if r.reported else None
        rows.append(
            {
                "preset": evidence.preset,
                "paper": evidence.paper.id,
                "dataset": evidence.dataset,
                "data": evidence.data,
                "stand_in": evidence.stand_in,
                "protocol": r.protocol,
                "method": r.method,
                "label": r.label,
                "part": r.part,
                "split": r.split,
                "metric": "accuracy",
                "mean": r.mean,
                "sd": r.sd,
                "low": 100 * r.interval.low,
                "high": 100 * r.interval.high,
                "interval_method": r.interval.method,
                "n": r.n,
                "removed": r.removed,
                "seeds": len(r.seeds),
                "seed_list": " ".join(map(str, r.seeds)),
                "reported": claim.value if claim else None,
                "reported_part": (claim.part or "not stated") if claim else None,
                "reported_n": claim.n if claim else None,
                "reported_source": claim.source if claim else None,
                "difference": r.difference,
                "best": (r.protocol, r.method, r.part) in comparison.best,
                **r.others,
            }
        )
    return rows


def table(comparison: Comparison) -> Table:
    """Return the table that people read: a row per method and protocol, a group of columns per part."""
    evidence = comparison.evidence
    columns = [Column("Method"), Column("Protocol"), Column("Reported", right=True), Column("Seeds", right=True)]
    for part in evidence.parts:
        group = evidence.split(part)
        heads = ("Accuracy", "95 % interval", "Diff.", "n")
        columns += [Column(head, group, right=True) for head in heads]
    blocks = []
    for protocol in evidence.protocols:
        mine = [r for r in comparison.results if r.protocol == protocol]
        methods = dict.fromkeys(r.method for r in mine)
        blocks.append([_row(comparison, [r for r in mine if r.method == method]) for method in methods])
    return Table(
        name=f"{evidence.paper.id}.{evidence.data}",
        title=f"{evidence.paper.id}: accuracy (%) on {dataset_name(evidence.dataset)}, reported and reproduced",
        columns=columns,
        blocks=blocks,
        notes=_notes(comparison),
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def metrics_table(comparison: Comparison) -> Table:
    """Return what accuracy hides: balanced accuracy, macro F1 and calibration of every row."""
    evidence = comparison.evidence
    shown = {"balanced_accuracy": "Balanced acc.", "macro_f1": "Macro F1", "weighted_f1": "Weighted F1", "ece": "ECE"}
    columns = [Column("Method"), Column("Protocol"), Column("Seeds", right=True)]
    for part in evidence.parts:
        columns += [Column(head, evidence.split(part), right=True) for head in (*shown.values(), "n")]
    blocks = []
    for protocol in evidence.protocols:
        block = []
        for method in evidence.paper.methods:
            mine = [r for r in comparison.results if (r.protocol, r.method) == (protocol, method)]
            if not mine:
                continue
            row = [Cell(mine[0].label), Cell(protocol), Cell(str(len(mine[0].seeds)))]
            for result in mine:
                row += [Cell(number(100 * result.others[metric])) for metric in shown]
                row.append(Cell(thousands(result.n)))
            block.append(row)
        blocks.append(block)
    return Table(
        name=f"{evidence.paper.id}.{evidence.data}.metrics",
        title=f"Beyond accuracy on {dataset_name(evidence.dataset)} (%, mean over seeds)",
        columns=columns,
        blocks=blocks,
        notes=[
            Note(
                "Balanced accuracy is the mean of the classes' recalls. ECE: expected calibration error, "
                "15 equal-width bins, lower is better. Means over seeds; their spread and intervals are given for "
                "accuracy only."
            )
        ],
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def cost(runs: Sequence[Record]) -> str:
    """Return what `runs` (run.json) cost, in one sentence."""
    epochs = sorted({run["epochs"] for run in runs})
    devices = sorted({f"{run['device_name']} ({run['device']})" for run in runs})
    span = f"{epochs[0]} to {epochs[-1]} epochs" if len(epochs) > 1 else several(epochs[0], "epoch")
    return (
        f"{several(len(runs), 'run')} of {span}: {duration(sum(run['seconds'] for run in runs))} of training in all, "
        f"{median(run['images_per_s'] for run in runs):,.0f} images/s in the median, on {', '.join(devices)}"
    )


def duration(seconds: float) -> str:
    """Return a span of time as people say it, e.g. 1 h 48 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _result(evidence: Evidence, runs: Sequence[Predictions], part: str) -> Result:
    first = runs[0]
    hits = np.stack([(run.predicted == run.label)[run.of(part)] for run in runs])
    mean, sd = mean_sd(evidence.values(runs, part, "accuracy"))
    return Result(
        method=first.key.method,
        label=evidence.paper.methods[first.key.method].label,
        protocol=first.key.protocol,
        part=part,
        split=evidence.split(part),
        n=hits.shape[1],
        removed=first.removed(part),
        seeds=[run.key.seed for run in runs],
        mean=100 * mean,
        sd=None if sd is None else 100 * sd,
        interval=accuracy_interval(hits),
        reported=_claims(evidence, first.key.method, part),
        others={name: float(np.mean(evidence.values(runs, part, name))) for name in OTHER_METRICS},
    )


def _claims(evidence: Evidence, method: str, part: str) -> list[Reported]:
    """Return the accuracies that the paper reports for a method and that may be of this part.

    One that is stated for this part comes before one that names no part.
    """
    claims = [
        claim
        for claim in evidence.paper.reported
        if (claim.method, claim.dataset, claim.metric) == (method, evidence.dataset, "accuracy")
        and claim.part in (part, None)
    ]
    return sorted(claims, key=lambda claim: claim.part is None)


def _row(comparison: Comparison, results: Sequence[Result]) -> list[Cell]:
    """Return the row of one method under one protocol, `results` being its parts."""
    first = results[0]
    row = [Cell(first.label), Cell(first.protocol), _reported_cell(results), Cell(str(len(first.seeds)))]
    for r in results:
        spread = f" ± {r.sd:.1f}" if r.sd is not None else ""
        row += [
            Cell(f"{r.mean:.1f}{spread}", bold=(r.protocol, r.method, r.part) in comparison.best),
            Cell(f"{100 * r.interval.low:.1f}{DASH}{100 * r.interval.high:.1f}"),
            Cell(signed(r.difference)),
            Cell(thousands(r.n)),
        ]
    return row


def _reported_cell(results: Sequence[Result]) -> Cell:
    claims = list({id(claim): claim for r in results for claim in r.reported}.values())
    if not claims:
        return Cell(DASH)
    splits = {r.part: r.split for r in results}
    texts = [f"{claim.value:.1f}{f' ({splits[claim.part]})' if claim.part else ''}" for claim in claims]
    return Cell("; ".join(texts), mark="a" if any(claim.part is None for claim in claims) else "")


def _notes(comparison: Comparison) -> list[Note]:
    """Return the footnotes, each made from what was really run."""
    evidence = comparison.evidence
    claims = list({id(claim): claim for r in comparison.results for claim in r.reported}.values())
    notes = []
    if any(claim.part is None for claim in claims):
        notes.append(Note(UNKNOWN_PART, "a"))
    if evidence.stand_in:
        notes.append(Note(f"{stand_in_notice(evidence.dataset)}; differences to reported numbers mean nothing."))
    notes += [Note(READING), Note(_interval_note(comparison))]
    notes += [Note(_protocol_note(comparison, protocol)) for protocol in evidence.protocols]
    notes += [Note(_claim_note(claim)) for claim in claims]
    if not claims:
        elsewhere = [claim for claim in evidence.paper.reported if claim.dataset == evidence.dataset]
        what = "of the methods that were run" if elsewhere else "on this data set"
        notes.append(Note(f"The paper reports no accuracy {what}."))
    if evidence.paper.departures:
        listed = ", ".join(f"{key} = {value}" for key, value in evidence.paper.departures.items())
        notes.append(Note(f"What this preset changes in papers/{evidence.paper.id}.yaml: {listed}."))
    notes.append(Note(f"Cost: {cost([evidence.records[run.key] for run in evidence.runs])}."))
    return [*notes, Note(f"Paper: {evidence.paper.citation.rstrip('.')}.")]


def _claim_note(claim: Reported) -> str:
    n = f", n = {claim.n:,}" if claim.n else ""
    return f"Reported {claim.value:g} %: {claim.source}{n}{f' ({claim.note})' if claim.note else ''}."


def _interval_note(comparison: Comparison) -> str:
    texts = {
        "wilson": "for a single run, Wilson's score interval, which counts the sampling of test images only",
        "bootstrap": f"for several seeds, a percentile bootstrap over test images and seeds ({RESAMPLES:,} resamples)",
    }
    used = [name for name in texts if any(r.interval.method == name for r in comparison.results)]
    return f"95 % interval: {'; '.join(texts[name] for name in used)}."


def _protocol_note(comparison: Comparison, protocol: str) -> str:
    """Return what a protocol means, which epoch it tests, and what it removed."""
    evidence = comparison.evidence
    known = evidence.paper.protocols.get(protocol)
    rules = {evidence.records[run.key]["selection"] for run in evidence.runs if run.key.protocol == protocol}
    text = f"{protocol}: {known.note.rstrip('.')}. " if known and known.note else f"{protocol}: "
    text += f"Epoch tested: {', '.join(sorted(rules))}"
    chosen = [part for part in evidence.parts if any(part in rule.split() for rule in rules)]
    if chosen:
        text += f", so that {' and '.join(map(evidence.split, chosen))} is flattered"
    removed = {r.part: r for r in comparison.results if r.protocol == protocol and r.removed}
    if removed:
        listed = [f"{r.removed:,} of {r.n + r.removed:,} images of {r.split}" for r in removed.values()]
        text += f". Removed: {', '.join(listed)}"
    return f"{text}."
