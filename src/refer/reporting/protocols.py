"""What a protocol is worth: published beside audited, and what the difference comes from; all from predictions."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.intervals import Interval, divided
from refer.evaluation.paired import gain_interval, paired_difference
from refer.evaluation.predictions import Predictions, RunKey
from refer.reporting.evidence import Evidence

PUBLISHED, AUDITED = "published", "audited"


@dataclass(frozen=True)
class Leak:
    """One method's runs under one protocol on one part: with and without the images that the audit removes.

    Accuracies and `adds` (every image less the kept ones) in percent and points; `interval` is that of `adds`.
    """

    protocol: str
    method: str
    part: str
    everything: float
    kept: float
    removed: float
    n: int
    n_removed: int
    adds: float
    interval: Interval
    seeds: int


@dataclass(frozen=True)
class Effect:
    """Published less audited of one method on one part, in points, and what it is made of.

    Of the seeds that ran under both protocols (`seeds` of them), or of all, where no seed did.
    `images` is what the removed images add to the published runs; `rest` is the difference that is left on the images
    that both count, with its interval and p; `epoch` is what the epoch that the published protocol chose is better
    there than the audited one's, where training.csv can tell. None where the two protocols divide the data differently.
    """

    method: str
    part: str
    published: float
    audited: float
    images: float | None
    rest: float | None
    low: float | None
    high: float | None
    p: float | None
    epoch: float | None
    seeds: int

    @property
    def difference(self) -> float:
        """Published less audited."""
        return self.published - self.audited


def leaks(evidence: Evidence) -> list[Leak]:
    """Return, for each method, protocol and part of which the audit removes something, what that is worth."""
    found = []
    for protocol in evidence.protocols:
        for method in evidence.paper.methods:
            runs = evidence.of(protocol, method)
            for part in evidence.parts:
                kept = _kept(evidence, runs, method, part) if runs and part in runs[0].parts else None
                if kept is not None and kept.any() and not kept.all():
                    found.append(_leak(runs, part, kept))
    return found


def effects(evidence: Evidence, training: Mapping[RunKey, Path]) -> list[Effect]:
    """Return published against audited for every method and part that both have."""
    found = []
    for method in evidence.paper.methods:
        pair = [evidence.of(protocol, method) for protocol in (PUBLISHED, AUDITED)]
        for part in evidence.parts:
            if all(runs and part in runs[0].parts for runs in pair):
                found.append(_effect(evidence, pair[0], pair[1], part, training))
    return found


def _leak(runs: Sequence[Predictions], part: str, kept: NDArray[np.bool_]) -> Leak:
    hits = _hits(runs, part)
    interval = gain_interval(hits, kept, divided(None if runs[0].fold is None else runs[0].fold[runs[0].part == part]))
    everything, those, others = (100 * float(each.mean()) for each in (hits, hits[:, kept], hits[:, ~kept]))
    first = runs[0].key
    return Leak(
        first.protocol, first.method, part, everything, those, others, hits.shape[1], int((~kept).sum()),
        everything - those, interval, len(hits),
    )  # fmt: skip


def _effect(
    evidence: Evidence,
    published: Sequence[Predictions],
    audited: Sequence[Predictions],
    part: str,
    training: Mapping[RunKey, Path],
) -> Effect:
    method = published[0].key.method
    seeds = {run.key.seed for run in published} & {run.key.seed for run in audited}
    if seeds:
        published, audited = ([run for run in runs if run.key.seed in seeds] for runs in (published, audited))
    ours, theirs = (100 * float(np.mean(_counted(runs, part))) for runs in (published, audited))
    kept = _kept(evidence, published, method, part)
    if kept is None or not seeds:
        return Effect(method, part, ours, theirs, None, None, None, None, None, None, len(seeds))
    before, after = _hits(published, part)[:, kept], _hits(audited, part)[:, kept]
    folds = published[0].fold
    folds = divided(None if folds is None else folds[published[0].part == part][kept])
    found = paired_difference(after, before, folds)
    images = 100 * float(_hits(published, part).mean() - _hits(published, part)[:, kept].mean())
    epoch = _epoch(evidence, published, audited, part, training)
    return Effect(
        method, part, ours, theirs, images, ours - theirs - images, 100 * found.low, 100 * found.high, found.p, epoch,
        len(seeds),
    )  # fmt: skip


def _kept(evidence: Evidence, runs: Sequence[Predictions], method: str, part: str) -> NDArray[np.bool_] | None:
    """Return which images of a part the audit keeps, in the order of `runs`; None where it divides differently."""
    audited = [run for run in evidence.of(AUDITED, method) if part in run.parts]
    if not audited:
        return None
    mine, theirs = (each.part == part for each in (runs[0], audited[0]))
    if not np.array_equal(runs[0].ids[mine], audited[0].ids[theirs]):
        return None
    return audited[0].kept[theirs]


def _hits(runs: Sequence[Predictions], part: str) -> NDArray[np.bool_]:
    """Return which answers are right (seeds, images) on every image of a part, removed ones too."""
    return np.stack([(run.predicted == run.label)[run.part == part] for run in runs])


def _counted(runs: Sequence[Predictions], part: str) -> NDArray[np.bool_]:
    return np.stack([(run.predicted == run.label)[run.of(part)] for run in runs])


def _epoch(
    evidence: Evidence,
    published: Sequence[Predictions],
    audited: Sequence[Predictions],
    part: str,
    training: Mapping[RunKey, Path],
) -> float | None:
    """Return what the published choice of the epoch gains on a part, in points, where both trained the same way.

    The published runs' training.csv has the accuracy on the part that chose their epoch, every epoch of it. Where the
    audited runs learnt the very same (equal losses), their epoch can be looked up in it.
    """
    gains = []
    for mine, theirs in zip(published, audited, strict=True):
        curves = [_curve(training.get(run.key)) for run in (mine, theirs)]
        column = f"{part}_accuracy"
        learnt = [each.get("train_loss") for each in curves]
        if column not in curves[0] or not all(learnt) or learnt[0] != learnt[1]:
            return None  # nor is there an epoch to choose where a method tests another's network
        at = {epoch: float(value) for epoch, value in zip(map(int, curves[0]["epoch"]), curves[0][column], strict=True)}
        gains.append(
            at[evidence.records[mine.key]["selected_epoch"]] - at[evidence.records[theirs.key]["selected_epoch"]]
        )
    return 100 * float(np.mean(gains)) if gains else None


def _curve(path: Path | None) -> dict[str, list[str]]:
    if path is None or not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def by_run(training: Iterable[str | Path]) -> dict[RunKey, Path]:
    """Return training.csv files by the run in whose folder they lie; those of folds are left out."""
    found = {}
    for path in map(Path, training):
        paper, data, protocol, method, repetition = path.absolute().parts[-6:-1]
        if "-fold" not in repetition:
            found[RunKey(paper, data, protocol, method, int(repetition.removeprefix("seed")))] = path
    return found
