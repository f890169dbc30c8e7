"""What came out, row by row: each accuracy with its interval, and every other number that the paper reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.averages import pseudo_values
from refer.evaluation.intervals import Interval, interval_of, mean_sd
from refer.evaluation.predictions import Predictions
from refer.evaluation.reported import MARGIN, STAND_IN, Against, Claim, against, claim, weight_of
from refer.reporting.evidence import Evidence, Reported

OTHER_METRICS = ("balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_precision",
                 "weighted_recall", "weighted_f1", "ece", "brier", "log_loss")  # fmt: skip


@dataclass(frozen=True)
class Value:
    """One metric of one method under one protocol on one part, in percent, beside what the paper reports.

    `mean` and `sd` are over seeds, the folds of a seed pooled; `fold_mean` and `fold_sd` over folds, each fold
    averaged over seeds; `interval` is that of the mean (fractions). `against` compares it with what the paper reports;
    drawn data are compared with nothing.
    """

    method: str
    label: str
    protocol: str
    part: str
    split: str
    n: int
    removed: int
    seeds: list[int]
    folds: list[int]
    metric: str
    mean: float
    sd: float | None
    fold_mean: float | None
    fold_sd: float | None
    reported: list[Reported]
    interval: Interval
    against: Against | None

    @property
    def row(self) -> tuple[str, str]:
        """The row of the table: protocol and method."""
        return self.protocol, self.method

    @property
    def difference(self) -> float | None:
        """Reproduced minus reported, in points; None where the paper reports nothing."""
        return self.mean - self.reported[0].value if self.reported else None

    @property
    def verdict(self) -> str | None:
        """Whether the reported number is reproduced; None where there is none."""
        if not self.reported:
            return None
        return STAND_IN if self.against is None else self.against.verdict


@dataclass(frozen=True)
class Result(Value):
    """An accuracy; `others` are the other metrics, as scored."""

    others: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """All results of one paper on one data set, in the order of its table.

    `results` are the accuracies, `further` the precision, recall and F1 of those rows for which the paper reports any.
    """

    evidence: Evidence
    results: list[Result]
    further: list[Value]
    margin: float = MARGIN

    @cached_property
    def best(self) -> set[tuple[str, str, str]]:
        """The (protocol, method, part) with the highest mean accuracy of each protocol and part."""
        top: dict[tuple[str, str], float] = {}
        for r in self.results:
            top[r.protocol, r.part] = max(r.mean, top.get((r.protocol, r.part), 0))
        return {(r.protocol, r.method, r.part) for r in self.results if r.mean == top[r.protocol, r.part]}

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The (protocol, method) of every row, in order."""
        return list(dict.fromkeys(r.row for r in self.results))

    @property
    def folds(self) -> list[int]:
        """The folds that were run, of every method and seed; none where people are not left out fold by fold."""
        return sorted({fold for r in self.results for fold in r.folds})


def build(evidence: Evidence, margin: float = MARGIN) -> Comparison:
    """Return the results of `evidence`, one per protocol, method and part; `margin` is that of the verdicts."""
    results: list[Result] = []
    further: list[Value] = []
    for protocol in evidence.protocols:
        for method in evidence.paper.methods:
            runs = evidence.of(protocol, method)
            for part in evidence.parts:
                if runs and part in runs[0].parts:
                    results.append(_result(evidence, runs, part, margin))
                    further += _further(evidence, runs, part, margin)
    return Comparison(evidence, results, further, margin)


def records(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the rows of the CSV: each accuracy, followed by what else the paper reports of the same row.

    `mean` to `high`, `reported` and `difference` are in percent or points, the columns behind them fractions.
    """
    rows = []
    for r in comparison.results:
        rows.append(_record(comparison, r, r))
        rows += [_record(comparison, r, v) for v in comparison.further if (v.row, v.part) == (r.row, r.part)]
    return rows


def _record(comparison: Comparison, result: Result, value: Value) -> dict[str, Any]:
    evidence = comparison.evidence
    claim = value.reported[0] if value.reported else None
    found = value.against
    return {
        "preset": evidence.preset,
        "paper": evidence.paper.id,
        "dataset": evidence.dataset,
        "data": evidence.data,
        "stand_in": evidence.stand_in,
        "protocol": value.protocol,
        "method": value.method,
        "label": value.label,
        "part": value.part,
        "split": value.split,
        "metric": value.metric,
        "mean": value.mean,
        "sd": value.sd,
        "low": 100 * value.interval.low,
        "high": 100 * value.interval.high,
        "interval_method": value.interval.method,
        "n": value.n,
        "removed": value.removed,
        "seeds": len(value.seeds),
        "seed_list": " ".join(map(str, value.seeds)),
        "folds": len(value.folds) or None,
        "fold_list": " ".join(map(str, value.folds)),
        "fold_mean": value.fold_mean,
        "fold_sd": value.fold_sd,
        "reported": claim.value if claim else None,
        "reported_sd": claim.sd if claim else None,
        "reported_part": (claim.part or "not stated") if claim else None,
        "reported_n": claim.n if claim else None,
        "reported_source": claim.source if claim else None,
        "difference": value.difference,
        "difference_low": found.low if found else None,
        "difference_high": found.high if found else None,
        "p": found.p if found else None,
        "test": found.test if found else None,
        "verdict": value.verdict,
        "images_to_tell": found.images if found else None,
        "best": value is result and (value.protocol, value.method, value.part) in comparison.best,
        **{name: number if value is result else None for name, number in result.others.items()},
    }


def hits_of(runs: Sequence[Predictions], part: str) -> tuple[NDArray[np.bool_], NDArray[np.int64] | None]:
    """Return which answers of a row are right (seeds, images), and the fold of each image."""
    counted = runs[0].of(part)
    hits = np.stack([(run.predicted == run.label)[run.of(part)] for run in runs])
    return hits, None if runs[0].fold is None else runs[0].fold[counted]


def _values_of(runs: Sequence[Predictions], part: str, metric: str) -> NDArray[Any]:
    """Return what each answer contributes to a metric (seeds, images): right or wrong, or pseudo-values."""
    if metric == "accuracy":
        return hits_of(runs, part)[0]
    counted = [(run, run.of(part)) for run in runs]
    classes = len(runs[0].classes)
    return np.stack([pseudo_values(metric, run.label[of], run.predicted[of], classes) for run, of in counted])


def _result(evidence: Evidence, runs: Sequence[Predictions], part: str, margin: float) -> Result:
    value = _value(evidence, runs, part, "accuracy", _claims(evidence, runs[0].key.method, part, "accuracy"), margin)
    others = {name: float(np.mean(evidence.values(runs, part, name))) for name in OTHER_METRICS}
    return Result(**value.__dict__, others=others)


def _further(evidence: Evidence, runs: Sequence[Predictions], part: str, margin: float) -> list[Value]:
    """Return precision, recall and F1 as far as the paper reports them."""
    known = {name: _claims(evidence, runs[0].key.method, part, name) for name in ("precision", "recall", "f1")}
    return [_value(evidence, runs, part, name, claims, margin) for name, claims in known.items() if claims]


def _value(
    evidence: Evidence, runs: Sequence[Predictions], part: str, metric: str, claims: list[Reported], margin: float
) -> Value:
    first = runs[0]
    scored = evidence.paper.metrics.scored(metric)
    mean, sd = _percent(*mean_sd(evidence.values(runs, part, scored)))
    by_fold = evidence.fold_values(runs, part, scored)
    fold_mean, fold_sd = _percent(*mean_sd(by_fold)) if by_fold else (None, None)
    values = _values_of(runs, part, scored)
    folds = None if first.fold is None else first.fold[first.of(part)]
    compared = None
    if claims and not evidence.stand_in:
        removed = first.removed(part)
        compared = against(values, folds, _stated(evidence, claims[0], values, folds, removed), margin=margin)
    return Value(
        method=first.key.method,
        label=evidence.paper.methods[first.key.method].label,
        protocol=first.key.protocol,
        part=part,
        split=evidence.split(part),
        n=int(first.of(part).sum()),
        removed=first.removed(part),
        seeds=[run.key.seed for run in runs],
        folds=[fold.key.fold for fold in first.folds if fold.key.fold is not None],
        metric=scored,
        mean=mean,
        sd=sd,
        fold_mean=fold_mean,
        fold_sd=fold_sd,
        reported=claims,
        interval=interval_of(values, folds),
        against=compared,
    )


def _stated(
    evidence: Evidence, stated: Reported, values: NDArray[Any], folds: NDArray[np.int64] | None, removed: int
) -> Claim:
    """Return the reported number as a sample; where the paper says no n, that of the whole part."""
    return claim(
        stated.value,
        stated.n or values.shape[1] + removed,
        assumed=stated.n is None,
        sd=stated.sd,
        folds=evidence.paper.folds.get(evidence.dataset),
        weight=None if stated.metric == "accuracy" else weight_of(values, folds),
        decimals=stated.decimals,
    )


def _percent(mean: float, sd: float | None) -> tuple[float, float | None]:
    return 100 * mean, None if sd is None else 100 * sd


def _claims(evidence: Evidence, method: str, part: str, metric: str) -> list[Reported]:
    """Return what the paper reports of a metric for a method and what may be of this part.

    One that is stated for this part comes before one that names no part.
    """
    claims = [
        claim
        for claim in evidence.paper.reported
        if (claim.method, claim.dataset, claim.metric) == (method, evidence.dataset, metric)
        and claim.part in (part, None)
    ]
    return sorted(claims, key=lambda claim: claim.part is None)
