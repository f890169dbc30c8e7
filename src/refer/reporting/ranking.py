"""All methods of all papers in one order, each beside the best, and what single things are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from refer.evaluation.intervals import Interval, accuracy_interval
from refer.evaluation.paired import Difference, holm
from refer.reporting.answers import Answers, compared
from refer.reporting.evidence import Contrast, Evidence
from refer.reporting.matrix_cells import PROTOCOL, Entry, by_data
from refer.reporting.results import Comparison


@dataclass(frozen=True)
class Ranked:
    """A method's place on a data set, by its mean accuracy (a fraction) on the images that all were tested on.

    Equal means share a place.

    `sd` is the standard deviation over seeds (n − 1), in points, None for one. `behind` is its accuracy less that of
    the best, seed by seed, and `holm` its p adjusted for all methods of the data set; None for the best itself, and
    where no seed was run of both.
    """

    place: int
    entry: Entry
    mean: float
    sd: float | None
    interval: Interval
    n: int
    best: Entry
    behind: Difference | None
    holm: float | None


@dataclass(frozen=True)
class Worth:
    """What a thing is worth on a data set: the method that `has` it less the one that `lacks` it, on the same images.

    `holm` is the p adjusted for all contrasts of the data set. `claimed` is the same difference by the paper's
    reported accuracies, in points, and on which data set; None where it reports none.
    """

    contrast: Contrast
    has: Entry
    lacks: Entry
    found: Difference
    holm: float
    claimed: tuple[float, str] | None


def ranking(comparisons: Sequence[Comparison]) -> dict[str, list[Ranked]]:
    """Return the methods of every data set from the best to the worst; a data set of one method has no order.

    Of each comparison the audited results on the test set count, as in the matrix.
    """
    found = {}
    for data, entries in by_data(comparisons).items():
        answers = [Answers.of(entry.runs, entry.result.part) for entry in entries]
        shared = reduce(np.intersect1d, (each.ids for each in answers))
        if len(entries) > 1 and len(shared):
            found[data] = _ranked(entries, [each.on(shared) for each in answers])
    return found


def _ranked(entries: Sequence[Entry], answers: Sequence[Answers]) -> list[Ranked]:
    order = sorted(range(len(entries)), key=lambda k: -answers[k].hits.mean())
    first = order[0]
    behind = [None if k == first else compared(answers[first], answers[k]) for k in order]
    adjusted = iter(holm([each.p for each in behind if each is not None]))
    means = [float(answers[k].hits.mean()) for k in order]
    return [
        Ranked(
            1 + means.index(mean),
            entries[k],
            mean,
            100 * float(answers[k].hits.mean(axis=1).std(ddof=1)) if len(answers[k].hits) > 1 else None,
            accuracy_interval(answers[k].hits, answers[k].folds),
            len(answers[k].ids),
            entries[first],
            difference,
            None if difference is None else next(adjusted),
        )
        for k, mean, difference in zip(order, means, behind, strict=True)
    ]


def worths(comparisons: Sequence[Comparison]) -> dict[str, list[Worth]]:
    """Return what the papers' contrasts are worth on every data set, those of which both methods were run."""
    found: dict[str, list[Worth]] = {}
    for data, entries in by_data(comparisons).items():
        known = {entry.row: entry for entry in entries}
        pairs = [
            (contrast, known[paper, contrast.has], known[paper, contrast.lacks])
            for paper, evidence in {entry.row[0]: entry.evidence for entry in entries}.items()
            for contrast in evidence.paper.contrasts
            if (paper, contrast.has) in known and (paper, contrast.lacks) in known
        ]
        differences = [
            compared(*(Answers.of(entry.runs, entry.result.part) for entry in (lacks, has))) for _, has, lacks in pairs
        ]
        adjusted = iter(holm([each.p for each in differences if each is not None]))
        mine = [
            Worth(contrast, has, lacks, each, next(adjusted), _claimed(has.evidence, contrast))
            for (contrast, has, lacks), each in zip(pairs, differences, strict=True)
            if each is not None
        ]
        if mine:
            found[data] = mine
    return found


def _claimed(evidence: Evidence, contrast: Contrast) -> tuple[float, str] | None:
    """Return the difference of the two reported accuracies, of the first data set and part that has both."""
    reported = {
        (claim.dataset, claim.part, claim.method): claim.value
        for claim in evidence.paper.reported
        if claim.metric == "accuracy"
    }
    for dataset, part, method in reported:
        other = reported.get((dataset, part, contrast.lacks))
        if method == contrast.has and other is not None:
            return reported[dataset, part, method] - other, dataset
    return None


def ranking_records(found: dict[str, list[Ranked]]) -> list[dict[str, Any]]:
    """Return the rows of the CSV; accuracies in percent, differences in points."""
    return [
        {
            **_about(each.entry, data),
            "place": each.place,
            "method": each.entry.result.method,
            "label": each.entry.result.label,
            "seeds": len(each.entry.result.seeds),
            "n": each.n,
            "mean": 100 * each.mean,
            "sd": each.sd,
            "low": 100 * each.interval.low,
            "high": 100 * each.interval.high,
            "interval_method": each.interval.method,
            "best": ".".join(each.best.row),
            **_difference(each.behind),
            "p_holm": each.holm,
        }
        for data, those in found.items()
        for each in those
    ]


def worth_records(found: dict[str, list[Worth]]) -> list[dict[str, Any]]:
    """Return the rows of the CSV; differences in points."""
    return [
        {
            **_about(each.has, data),
            "what": each.contrast.what,
            "method": each.contrast.has,
            "less": each.contrast.lacks,
            **_difference(each.found),
            "p_holm": each.holm,
            "n": each.found.n,
            "claimed": each.claimed[0] if each.claimed else None,
            "claimed_on": each.claimed[1] if each.claimed else None,
        }
        for data, those in found.items()
        for each in those
    ]


def _about(entry: Entry, data: str) -> dict[str, Any]:
    evidence, part = entry.evidence, entry.result.part
    return {
        "preset": evidence.preset,
        "paper": evidence.paper.id,
        "dataset": evidence.dataset,
        "data": data,
        "stand_in": evidence.stand_in,
        "protocol": PROTOCOL,
        "part": part,
        "split": evidence.split(part),
    }


def _difference(found: Difference | None) -> dict[str, Any]:
    names = ("difference", "difference_low", "difference_high", "p", "test", "common_seeds")
    if found is None:
        return dict.fromkeys(names)
    points = (100 * value for value in (found.difference, found.low, found.high))
    return dict(zip(names, (*points, found.p, found.test, found.seeds), strict=True))
