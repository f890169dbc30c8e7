"""Rows of the results table on methods beside each other: every pair, the ranking, and what single things are worth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.intervals import accuracy_interval, divided
from refer.evaluation.paired import Difference, Pair, holm, holm_within, paired_differences
from refer.evaluation.predictions import Predictions
from refer.reporting.estimates import about, folds_of, hits_of
from refer.reporting.run_set import AUDITED, RunSet

if TYPE_CHECKING:
    from refer.spec import Contrast


@dataclass(frozen=True)
class Answers:
    """The answers of a method's seeds on the images that count.

    `ids` (images) names these, `hits` (seeds, images) says which answers are right, `folds` (images) is None where
    the data are not divided into folds.
    """

    seeds: Sequence[int]
    ids: NDArray[np.str_]
    hits: NDArray[np.bool_]
    folds: NDArray[np.int64] | None

    @classmethod
    def of(cls, runs: Sequence[Predictions], part: str) -> Answers:
        """Return the answers of `runs`, one a seed, on a split."""
        ids = runs[0].ids[runs[0].of(part)]
        return cls([run.key.seed for run in runs], ids, hits_of(runs, part), folds_of(runs, part))

    def on(self, ids: NDArray[np.str_]) -> Answers:
        """Return the answers on the images that are among `ids`, in the order of their names."""
        _, mine, _ = np.intersect1d(self.ids, ids, return_indices=True)
        return Answers(self.seeds, self.ids[mine], self.hits[:, mine], None if self.folds is None else self.folds[mine])


def paired(one: Answers, other: Answers) -> Pair | None:
    """Return the answers of two methods on the images and with the seeds that both have, if there are any."""
    seeds = [seed for seed in one.seeds if seed in other.seeds]
    same = np.array_equal(one.ids, other.ids)
    mine, theirs = (slice(None), slice(None)) if same else np.intersect1d(one.ids, other.ids, return_indices=True)[1:]
    if not seeds or not len(one.ids[mine]):
        return None
    folds = divided(None if one.folds is None else one.folds[mine])
    left, right = ([each.seeds.index(seed) for seed in seeds] for each in (one, other))
    return Pair(one.hits[left][:, mine], other.hits[right][:, theirs], folds)


def difference_row(found: Difference) -> dict[str, Any]:
    """Return the numbers of a paired difference, in points."""
    return {
        "quantity": "difference",
        "value": 100 * found.difference,
        "low": 100 * found.low,
        "high": 100 * found.high,
        "p": found.p,
        "test": found.test,
        "about": found.about,
        "smallest": 100 * found.smallest,
        "seeds": found.seeds,
        "n": found.n,
    }


def reference(runs: RunSet) -> str:
    """Return the method that others are compared with: of those run the one reported best, else the first."""
    run = list(dict.fromkeys(each.key.method for each in runs.runs))
    claims = {c.method: c.value for c in runs.paper.reported
              if c.dataset == runs.dataset and c.metric == "accuracy" and c.method in run}  # fmt: skip
    return max(claims, key=lambda method: claims[method]) if claims else run[0]


def pairs(runs: RunSet) -> Iterator[dict[str, Any]]:
    """Yield the scope `pair`: every two methods that share a seed, on the images that both were tested on.

    `p_holm` is adjusted for all pairs of a protocol and split, `p_holm_reference` for those with the reference method.
    Scope `shared images`: how many images all methods of a protocol and split share, where these differ.
    """
    first = reference(runs)
    for protocol in runs.protocols:
        for part in runs.parts:
            known = {method: runs.of(protocol, method, part) for method in runs.paper.methods}
            answers = {method: Answers.of(mine, part) for method, mine in known.items() if mine}
            yield from _shared(about(runs, protocol, None, part), answers.values())
            found = []
            for one, other in combinations(answers, 2):
                # The difference is what others have more or less than the reference.
                one, other = (first, one) if other == first else (one, other)
                if pair := paired(answers[one], answers[other]):
                    found.append((one, other, pair))
            differences = paired_differences([pair for *_, pair in found], len(answers))
            adjusted = holm([each.p for each in differences])
            with_first = [k for k, (one, *_) in enumerate(found) if one == first]
            against_first = dict(zip(with_first, holm([differences[k].p for k in with_first]), strict=True))
            for k, ((one, other, _), each) in enumerate(zip(found, differences, strict=True)):
                yield {**about(runs, protocol, other, part), "scope": "pair", "compared_with": one,
                       **difference_row(each), "p_holm": adjusted[k],
                       "p_holm_reference": against_first.get(k)}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A method on the test set of a data set, under the audited protocol."""

    runs: RunSet
    method: str
    answers: Answers

    @property
    def name(self) -> str:
        """Paper and method."""
        return f"{self.runs.paper.id}.{self.method}"

    def about(self) -> dict[str, Any]:
        """Return the columns that say what a row is of."""
        return about(self.runs, AUDITED, self.method, self.runs.test)


def entries(sets: Iterable[RunSet]) -> dict[str, list[Entry]]:
    """Return the methods that were tested on each data set under the audited protocol."""
    found: dict[str, list[Entry]] = {}
    for runs in sets:
        for method in runs.paper.methods:
            mine = runs.of(AUDITED, method, runs.test)
            if mine:
                found.setdefault(runs.data, []).append(Entry(runs, method, Answers.of(mine, runs.test)))
    return found


def ranking(data: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Yield the scope `ranking`: the methods of a data set, the best first, on the images that all were tested on.

    Each is compared with the best, seed by seed; `p_holm` is adjusted for all methods. Methods that share no image,
    or a single one, have no order.
    """
    yield from _shared(data[0].about() | {"paper": None, "method": None, "label": None},
                       [each.answers for each in data], scope="shared by all")  # fmt: skip
    shared = reduce(np.intersect1d, (each.answers.ids for each in data))
    if len(data) < 2 or not len(shared):
        return
    answers = [each.answers.on(shared) for each in data]
    order = sorted(range(len(data)), key=lambda k: -answers[k].hits.mean())
    behind = {k: pair for k in order[1:] if (pair := paired(answers[order[0]], answers[k]))}
    differences = dict(zip(behind, paired_differences(list(behind.values()), len(data)), strict=True))
    adjusted = iter(holm([each.p for each in differences.values()]))
    means = [float(answers[k].hits.mean()) for k in order]
    for k, mean in zip(order, means, strict=True):
        hits = answers[k].hits
        low, high, how = accuracy_interval(hits, answers[k].folds)
        row = data[k].about() | {"scope": "ranking", "place": 1 + means.index(mean)}
        yield {**row, "quantity": "mean", "value": 100 * mean, "low": 100 * low, "high": 100 * high,
               "sd": 100 * float(hits.mean(axis=1).std(ddof=1)) if len(hits) > 1 else None,
               "interval_method": how, "n": len(shared), "seeds": len(hits)}  # fmt: skip
        if found := differences.get(k):
            yield {**row, "compared_with": data[order[0]].name, **difference_row(found), "p_holm": next(adjusted)}


def contrasts(data: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Yield the scope `contrast`: the papers' contrasts on a data set, those of which both methods were run.

    `p_holm` is adjusted within each paper.
    `reported` is the same difference by the paper's accuracies; its `source` names the data set.
    """
    known = {each.name: each for each in data}
    found = []
    for runs in {id(each.runs): each.runs for each in data}.values():
        for contrast in runs.paper.contrasts:
            has, lacks = (known.get(f"{runs.paper.id}.{name}") for name in (contrast.has, contrast.lacks))
            if has and lacks and (pair := paired(lacks.answers, has.answers)):
                found.append((contrast, has, pair))
    methods = {f"{has.runs.paper.id}.{name}" for each, has, _ in found for name in (each.has, each.lacks)}
    differences = paired_differences([pair for *_, pair in found], len(methods))
    adjusted = holm_within([each.p for each in differences], [has.runs.paper.id for _, has, _ in found])
    for (contrast, has, _), difference, p in zip(found, differences, adjusted, strict=True):
        row = has.about() | {"scope": "contrast", "what": contrast.what, "compared_with": contrast.lacks}
        yield {**row, **difference_row(difference), "p_holm": p}
        if claimed := _claimed(has.runs, contrast):
            yield {**row, "quantity": "reported", "value": claimed[0], "source": claimed[1]}


def _claimed(runs: RunSet, contrast: Contrast) -> tuple[float, str] | None:
    """Return the difference of the two reported accuracies, of the first data set and split that has both."""
    reported = {(c.dataset, c.part, c.method): c.value for c in runs.paper.reported if c.metric == "accuracy"}
    for dataset, part, method in reported:
        other = reported.get((dataset, part, contrast.lacks))
        if method == contrast.has and other is not None:
            return reported[dataset, part, method] - other, dataset
    return None


def _shared(
    row: Mapping[str, Any], answers: Iterable[Answers], scope: str = "shared images"
) -> Iterator[dict[str, Any]]:
    sets = {frozenset(each.ids.tolist()) for each in answers}
    if len(sets) > 1:
        common = len(frozenset.intersection(*sets))
        yield {**row, "scope": scope, "quantity": "images", "metric": "images", "value": float(common), "n": common}
