"""Rows of the results table on what a protocol is worth: published beside audited, and where it comes from."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.intervals import divided
from refer.evaluation.paired import gain_interval, paired_difference
from refer.evaluation.predictions import Predictions, RunKey
from refer.reporting.comparisons import difference_row
from refer.reporting.estimates import about, hits_of
from refer.reporting.run_set import AUDITED, PUBLISHED, RunSet


def removed_images(runs: RunSet) -> Iterator[dict[str, Any]]:
    """Yield the scope `removed images`: the same networks with and without the images that the audit removes.

    Quantities: accuracy on `all` images, on the `kept` and on the `removed` ones; `difference` is all less kept.
    """
    for protocol in runs.protocols:
        for method in runs.paper.methods:
            for part in runs.parts:
                mine = runs.of(protocol, method, part)
                kept = _kept(runs, mine, method, part) if mine else None
                if kept is None or not kept.any() or kept.all():
                    continue
                hits, folds = _hits(mine, part), _folds(mine, part)
                low, high, how = gain_interval(hits, kept, divided(folds))
                row = about(runs, protocol, method, part) | {"scope": "removed images", "seeds": len(hits)}
                accuracies = {"all": hits, "kept": hits[:, kept], "removed": hits[:, ~kept]}
                for name, each in accuracies.items():
                    yield {**row, "quantity": name, "value": 100 * float(each.mean()), "n": each.shape[1]}
                everything, those = (100 * float(accuracies[name].mean()) for name in ("all", "kept"))
                yield {**row, "quantity": "difference", "value": everything - those, "low": 100 * low,
                       "high": 100 * high, "interval_method": how, "n": hits.shape[1]}  # fmt: skip


def effects(runs: RunSet, training: Mapping[RunKey, Path]) -> Iterator[dict[str, Any]]:
    """Yield the scope `protocol`: published less audited for every method and split that both have.

    Of the seeds that ran under both protocols, or of all, where none did. Quantities: accuracy as `published` and
    `audited`, their `difference`; of it what the removed images add (`images`), the `rest` on the images that both
    count, with its interval, and what the published choice of the `epoch` gains, where training.csv can tell. Where
    the protocols divide the data differently, the difference alone is known.
    """
    for method in runs.paper.methods:
        for part in runs.parts:
            published, audited = (runs.of(protocol, method, part) for protocol in (PUBLISHED, AUDITED))
            if published and audited:
                yield from _effect(runs, published, audited, part, training)


def by_run(training: Iterable[str | Path]) -> dict[RunKey, Path]:
    """Return training.csv files by the run in whose folder they lie; those of folds are left out."""
    found = {}
    for path in map(Path, training):
        paper, data, protocol, method, repetition = path.absolute().parts[-6:-1]
        if "-fold" not in repetition:
            found[RunKey(paper, data, protocol, method, int(repetition.removeprefix("seed")))] = path
    return found


def _effect(
    runs: RunSet,
    published: Sequence[Predictions],
    audited: Sequence[Predictions],
    part: str,
    training: Mapping[RunKey, Path],
) -> Iterator[dict[str, Any]]:
    method = published[0].key.method
    seeds = {run.key.seed for run in published} & {run.key.seed for run in audited}
    if seeds:
        published, audited = ([run for run in each if run.key.seed in seeds] for each in (published, audited))
    row = about(runs, None, method, part) | {"scope": "protocol", "seeds": len(seeds)}
    ours, theirs = (100 * float(hits_of(each, part).mean()) for each in (published, audited))
    for name, value in (("published", ours), ("audited", theirs), ("difference", ours - theirs)):
        yield {**row, "quantity": name, "value": value}
    kept = _kept(runs, published, method, part)
    if kept is None or not seeds:
        return
    hits, folds = _hits(published, part), _folds(published, part)
    images = 100 * float(hits.mean() - hits[:, kept].mean())
    found = paired_difference(
        _hits(audited, part)[:, kept], hits[:, kept], divided(None if folds is None else folds[kept])
    )
    yield {**row, "quantity": "images", "value": images}
    yield {**row, **difference_row(found), "quantity": "rest", "value": ours - theirs - images}
    epoch = _epoch(runs, published, audited, part, training)
    if epoch is not None:
        yield {**row, "quantity": "epoch", "value": epoch}


def _kept(runs: RunSet, mine: Sequence[Predictions], method: str, part: str) -> NDArray[np.bool_] | None:
    """Return which images of a split the audit keeps, in the order of `mine`; None where it divides differently."""
    audited = runs.of(AUDITED, method, part)
    if not audited:
        return None
    own, theirs = (each.part == part for each in (mine[0], audited[0]))
    same = np.array_equal(mine[0].ids[own], audited[0].ids[theirs])
    return audited[0].kept[theirs] if same else None


def _hits(runs: Sequence[Predictions], part: str) -> NDArray[np.bool_]:
    """Return which answers are right (seeds, images) on every image of a split, removed ones too."""
    return np.stack([(run.predicted == run.label)[run.part == part] for run in runs])


def _folds(runs: Sequence[Predictions], part: str) -> NDArray[np.int64] | None:
    return None if runs[0].fold is None else runs[0].fold[runs[0].part == part]


def _epoch(
    runs: RunSet,
    published: Sequence[Predictions],
    audited: Sequence[Predictions],
    part: str,
    training: Mapping[RunKey, Path],
) -> float | None:
    """Return what the published choice of the epoch gains on a split, in points, where both trained the same way.

    The published runs' training.csv has the accuracy on the split that chose their epoch, every epoch of it. Where the
    audited runs learnt the very same (equal losses), their epoch can be looked up in it.
    """
    gains = []
    for mine, theirs in zip(published, audited, strict=True):
        curves = [_curve(training.get(run.key)) for run in (mine, theirs)]
        column = f"{part}_accuracy"
        learnt = [each.get("train_loss") for each in curves]
        if column not in curves[0] or not all(learnt) or learnt[0] != learnt[1]:
            return None  # nor is there an epoch to choose where a method tests another's network
        at = dict(zip(map(int, curves[0]["epoch"]), map(float, curves[0][column]), strict=True))
        chosen = [runs.records[run.key]["selected_epoch"] for run in (mine, theirs)]
        gains.append(at[chosen[0]] - at[chosen[1]])
    return 100 * float(np.mean(gains)) if gains else None


def _curve(path: Path | None) -> dict[str, list[str]]:
    if path is None or not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
