"""Rows of the results table on each method by itself: metrics and their means, beside what the paper reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.averages import pseudo_values
from refer.evaluation.departures import Departure
from refer.evaluation.departures import departures as departures_from
from refer.evaluation.intervals import interval_of, mean_sd
from refer.evaluation.predictions import Predictions
from refer.evaluation.reported import STAND_IN, Claim, against, claim, correlation_of, weight_of
from refer.evaluation.scores import scored
from refer.reporting.names import as_run
from refer.reporting.run_set import AUDITED, RunSet

if TYPE_CHECKING:
    from refer.spec import Paper, Reported

NOT_STATED = "not stated"
UNSCALED = ("brier", "log_loss")
"""Metrics that are no percentage."""
FURTHER = ("precision", "recall", "f1")
"""What papers report beside accuracy."""


def about(runs: RunSet, protocol: str | None, method: str | None, part: str | None = None) -> dict[str, Any]:
    """Return the columns that say what a row is of."""
    return {
        "preset": runs.preset,
        "paper": runs.paper.id,
        "dataset": runs.dataset,
        "data": runs.data,
        "stand_in": runs.stand_in,
        "protocol": protocol,
        "method": method,
        "label": method and as_run(runs.paper, method),
        "part": part,
        "split": part and runs.split(part),
        "metric": "accuracy",
    }


def estimates(runs: RunSet, margin: float) -> Iterator[dict[str, Any]]:
    """Yield the scope `method`: the mean of every metric of every method, and the reported number beside it."""
    for protocol in runs.protocols:
        for method in runs.paper.methods:
            for part in runs.parts:
                mine = runs.of(protocol, method, part)
                if mine:
                    yield from _of_method(runs, mine, part, margin)


def audited(runs: RunSet, method: str) -> Iterator[dict[str, Any]]:
    """Yield the scope `audited`: a method's accuracy on the test set, and that of naming the most frequent class.

    `runs` are those by which methods of all papers are compared: they may be fewer than a paper's own.
    """
    mine = runs.of(AUDITED, method, runs.test)
    for row in _of_method(runs, mine, runs.test, 0.0):
        if row["metric"] == "accuracy" and row["quantity"] in ("mean", "fold_mean"):
            yield {**row, "scope": "audited"}
    first = mine[0]
    counts = np.bincount(first.label[first.of(runs.test)], minlength=len(first.classes))
    yield {**about(runs, AUDITED, method, runs.test), "scope": "audited", "quantity": "baseline",
           "actual": first.classes[int(counts.argmax())],
           "value": 100 * float(counts.max() / counts.sum())}  # fmt: skip


def departures(runs: RunSet) -> Iterator[dict[str, Any]]:
    """Yield the scope `departure`: what of the paper's method the runs of each method changed, a row each."""
    for protocol in runs.protocols:
        for method in runs.paper.methods:
            for each in departures_of(runs, runs.of(protocol, method)):
                yield {**about(runs, protocol, method), "scope": "departure", "quantity": each.what, "metric": None,
                       "what": each.what, "source": each.paper, "reason": each.run}  # fmt: skip


def departures_of(runs: RunSet, mine: Sequence[Predictions]) -> list[Departure]:
    """Return what of the paper's method some runs of it changed; also what the runs did that they began with."""
    filed: Paper | None = getattr(runs.paper, "as_filed", None)
    if not mine or filed is None:
        return []
    found: dict[Departure, None] = {}
    for key in (single.key for run in mine for single in run.runs):
        record = runs.records[key]
        names = {*(record.get("starts_from") or {}).values(), record.get("tests")} - {None}
        parents = [key._replace(method=name) for name in sorted(names)]
        records = [runs.records[parent] for parent in parents if parent in runs.records]
        found |= dict.fromkeys(departures_from(filed, record, records))
    return list(found)


def single_runs(run: Predictions) -> Iterator[dict[str, Any]]:
    """Yield the scope `run`: every metric of a run on each split that it was tested on."""
    for part, metric in scored(run):
        yield {
            "scope": "run",
            "quantity": "value",
            "preset": run.preset,
            "dataset": run.dataset,
            "stand_in": run.stand_in,
            **run.key._asdict(),
            "folds": len(run.folds) or None,
            "part": part,
            "metric": metric.name,
            "value": scale(metric.name) * metric.value,
            "n": metric.n,
            "correct": metric.correct,
            "run": run.key.folder,
        }


def confusions(runs: RunSet) -> Iterator[dict[str, Any]]:
    """Yield the scope `confusion`: how many images of a class were predicted as which, summed over seeds and folds."""
    for protocol in runs.protocols:
        for method in runs.paper.methods:
            for part in runs.parts:
                mine = runs.of(protocol, method, part)
                if not mine:
                    continue
                classes = mine[0].classes
                common = about(runs, protocol, method, part) | {"seeds": len(mine), "folds": len(mine[0].folds) or None}
                counts = confusion(mine, part)
                for a, actual in enumerate(classes):
                    for p, predicted in enumerate(classes):
                        yield {**common, "scope": "confusion", "quantity": "images", "metric": "images",
                               "label": None, "actual": actual, "predicted": predicted,
                               "value": float(counts[a, p])}  # fmt: skip


def confusion(runs: Sequence[Predictions], part: str) -> NDArray[np.int64]:
    """Return the confusion matrix (classes, classes) of a split, summed over `runs`; a row is a true class."""
    size = len(runs[0].classes)
    total = np.zeros((size, size), dtype=np.int64)
    for run in runs:
        counted = run.of(part)
        np.add.at(total, (run.label[counted], run.predicted[counted]), 1)
    return total


def not_run(papers: Iterable[Paper], rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the scope `not run`: each reported number of `papers` that none of `rows` is compared with."""
    names = ("paper", "dataset", "method", "metric", "source", "value")
    ran = {
        tuple(row[name] for name in names) for row in rows if (row["scope"], row["quantity"]) == ("method", "reported")
    }
    for paper in papers:
        for each in paper.reported:
            row = {"paper": paper.id, "dataset": each.dataset, "method": each.method,
                   "metric": paper.metrics.scored(each.metric), **_stated_row(each)}  # fmt: skip
            if tuple(row[name] for name in names) not in ran:
                yield {**row, "scope": "not run", "label": paper.methods[each.method].label}


def folds_of(runs: Sequence[Predictions], part: str) -> NDArray[np.int64] | None:
    """Return the fold of each image that counts, None where data are not divided into folds."""
    return None if runs[0].fold is None else runs[0].fold[runs[0].of(part)]


def hits_of(runs: Sequence[Predictions], part: str) -> NDArray[np.bool_]:
    """Return which answers on the images that count are right (seeds, images)."""
    return np.stack([(run.predicted == run.label)[run.of(part)] for run in runs])


def scale(metric: str) -> int:
    """Return by what a metric is multiplied in the results table."""
    return 1 if metric in UNSCALED else 100


def _of_method(runs: RunSet, mine: Sequence[Predictions], part: str, margin: float) -> Iterator[dict[str, Any]]:
    first = mine[0]
    _, _, protocol, method, *_ = first.key
    departed = departures_of(runs, mine)
    tested = [fold for fold in first.folds if fold.of(part).any()]
    common = about(runs, protocol, method, part) | {
        "scope": "method",
        "n": int(first.of(part).sum()),
        "removed": first.removed(part),
        "departures": len(departed),
        "seeds": len(mine),
        "seed_list": " ".join(str(run.key.seed) for run in mine),
        "folds": len(first.folds) or None,
        "fold_list": " ".join(str(fold.key.fold) for fold in first.folds),
    }
    found = [runs.metrics_of(run, part) for run in mine]
    stated = {name: _stated(runs, method, part, name) for name in ("accuracy", *FURTHER)}
    reported = {runs.paper.metrics.scored(name): claims for name, claims in stated.items() if claims}
    for metric in found[0]:
        by = scale(metric)
        mean, sd = mean_sd([each[metric].value for each in found])
        row = {
            **common,
            "metric": metric,
            "quantity": "mean",
            "value": by * mean,
            "sd": None if sd is None else by * sd,
        }
        claims = reported.get(metric, [])
        if metric != "accuracy" and not claims:
            yield row
            continue
        values, folds = _values(mine, part, metric), folds_of(mine, part)
        low, high, how = interval_of(values, folds)
        yield {**row, "low": 100 * low, "high": 100 * high, "interval_method": how}
        if tested:
            by_fold = [[runs.metrics_of(run.folds[k], part)[metric].value for run in mine]
                       for k, fold in enumerate(first.folds) if fold.of(part).any()]  # fmt: skip
            fold_mean, fold_sd = mean_sd([float(np.mean(each)) for each in by_fold])
            yield {**row, "quantity": "fold_mean", "value": 100 * fold_mean,
                   "sd": None if fold_sd is None else 100 * fold_sd}  # fmt: skip
        for each in claims:
            yield {**row, "sd": None, **_stated_row(each)}
            yield {**row, "sd": None, **_difference(runs, row, each, values, folds, margin, departed)}


def _values(runs: Sequence[Predictions], part: str, metric: str) -> NDArray[Any]:
    """Return what each answer contributes to a metric (seeds, images): right or wrong, or pseudo-values."""
    if metric == "accuracy":
        return hits_of(runs, part)
    counted = [(run, run.of(part)) for run in runs]
    return np.stack([pseudo_values(metric, run.label[of], run.predicted[of], len(run.classes)) for run, of in counted])


def _stated(runs: RunSet, method: str, part: str, metric: str) -> list[Reported]:
    """Return what the paper reports of a metric for a method and what may be of this split.

    One that is stated for this split comes before one that names none.
    """
    claims = [
        claim
        for claim in runs.paper.reported
        if (claim.method, claim.dataset, claim.metric) == (method, runs.dataset, metric) and claim.part in (part, None)
    ]
    return sorted(claims, key=lambda claim: claim.part is None)


def _stated_row(stated: Reported) -> dict[str, Any]:
    return {
        "quantity": "reported",
        "value": stated.value,
        "sd": stated.sd,
        "n": stated.n,
        "decimals": stated.decimals,
        "reported_part": stated.part or NOT_STATED,
        "source": stated.source,
    }


def _difference(
    runs: RunSet,
    mean: Mapping[str, Any],
    stated: Reported,
    values: NDArray[Any],
    folds: NDArray[np.int64] | None,
    margin: float,
    departed: Sequence[Departure],
) -> dict[str, Any]:
    """Return reproduced less reported, with the verdict; drawn data are compared with nothing."""
    row = {"quantity": "difference", "compared_with": "reported", "value": mean["value"] - stated.value}
    if runs.stand_in:
        return {**row, "source": stated.source, "verdict": STAND_IN}
    whole = mean["n"] + mean["removed"]
    same = stated.part == mean["part"] and stated.n in (None, whole)  # then all images here are among the paper's
    found = against(
        values,
        folds,
        _sample(runs, stated, values, folds, mean["removed"]),
        margin=margin,
        shared=mean["n"] if same else 0,
        correlation=correlation_of(_hits_beside(runs, mean)) if same else 0.0,
        departures=departed,
    )
    return {
        **row,
        "source": stated.source,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "test": found.test,
        "about": found.about,
        "verdict": found.verdict,
        "images_to_tell": found.images,
    }


def _hits_beside(runs: RunSet, row: Mapping[str, Any]) -> list[NDArray[np.bool_]]:
    """Return the right answers of every method that was tested on the same images as that of a row."""
    part = row["part"]
    tested = {method: runs.of(row["protocol"], method, part) for method in runs.paper.methods}
    ids = {method: mine[0].ids[mine[0].of(part)] for method, mine in tested.items() if mine}
    return [hits_of(tested[each], part) for each in ids if np.array_equal(ids[each], ids[row["method"]])]


def _sample(
    runs: RunSet, stated: Reported, values: NDArray[Any], folds: NDArray[np.int64] | None, removed: int
) -> Claim:
    """Return the reported number as a sample; where the paper says no n, that of the whole split."""
    return claim(
        stated.value,
        stated.n or values.shape[1] + removed,
        assumed=stated.n is None,
        sd=stated.sd,
        folds=runs.paper.folds.get(runs.dataset),
        weight=None if stated.metric == "accuracy" else weight_of(values, folds),
        decimals=stated.decimals,
    )
