"""What a protocol is worth: published beside audited, and what the difference comes from; all from predictions."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.crossed import half_width, shares
from refer.evaluation.intervals import Interval
from refer.evaluation.paired import paired_difference
from refer.evaluation.predictions import Predictions, RunKey
from refer.reporting.evidence import Evidence
from refer.reporting.results import Comparison
from refer.reporting.tables import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    number,
    probability,
    signed,
    stand_in_notice,
    thousands,
)

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


@dataclass(frozen=True)
class Effect:
    """Published less audited of one method on one part, in points, and what it is made of.

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
    share = float((~kept).mean())
    # The same networks answer both, so that what they have in common does not count, and the images' shares add up.
    found = [shares(hits[:, each]) for each in (kept, ~kept)]
    gain = shares((hits[:, ~kept].mean(axis=1) - hits[:, kept].mean(axis=1))[:, None])
    half = half_width(gain._replace(images=found[0].images + found[1].images, images_df=found[1].images_df))
    interval = Interval(share * (gain.mean - half), share * (gain.mean + half), "crossed")
    everything, those, others = (100 * float(each.mean()) for each in (hits, hits[:, kept], hits[:, ~kept]))
    first = runs[0].key
    return Leak(
        first.protocol, first.method, part, everything, those, others, hits.shape[1], int((~kept).sum()),
        everything - those, interval,
    )  # fmt: skip


def _effect(
    evidence: Evidence,
    published: Sequence[Predictions],
    audited: Sequence[Predictions],
    part: str,
    training: Mapping[RunKey, Path],
) -> Effect:
    method = published[0].key.method
    ours, theirs = (100 * float(np.mean(_counted(runs, part))) for runs in (published, audited))
    kept = _kept(evidence, published, method, part)
    seeds = [run.key.seed for run in published if run.key.seed in {other.key.seed for other in audited}]
    if kept is None or not seeds:
        return Effect(method, part, ours, theirs, None, None, None, None, None, None, 0)
    both = [[run for run in runs if run.key.seed in seeds] for runs in (published, audited)]
    before, after = _hits(both[0], part)[:, kept], _hits(both[1], part)[:, kept]
    folds = published[0].fold
    folds = None if folds is None else folds[published[0].part == part][kept]
    found = paired_difference(after, before, None if folds is None or len(np.unique(folds)) < 2 else folds)
    images = 100 * float(_hits(published, part).mean() - _hits(published, part)[:, kept].mean())
    epoch = _epoch(evidence, both[0], both[1], part, training)
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
        if not all(curves) or column not in curves[0] or curves[0].get("train_loss") != curves[1].get("train_loss"):
            return None
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


def protocol_tables(comparison: Comparison, leaking: Sequence[Leak], found: Sequence[Effect]) -> list[Table]:
    """Return the tables: what removed images are worth, and published against audited; none of nothing."""
    made = [_leak_table(comparison, leaking)] if leaking else []
    if found:
        made.append(_effect_table(comparison, found))
    return made or [_nothing(comparison)]


def _leak_table(comparison: Comparison, leaking: Sequence[Leak]) -> Table:
    evidence = comparison.evidence
    columns = [Column("Method"), Column("Protocol"), Column("Part")]
    columns += [Column(head, group, right=True) for group, heads in (
        ("Accuracy (%)", ("All images", "Kept", "Removed")), ("Images", ("All", "Removed")),
        ("Removed images add", ("Points", "95 % interval"))) for head in heads]  # fmt: skip
    rows = [
        [
            *_named(evidence, each.method),
            Cell(each.protocol),
            Cell(evidence.split(each.part)),
            *(Cell(number(value)) for value in (each.everything, each.kept, each.removed)),
            *(Cell(thousands(value)) for value in (each.n, each.n_removed)),
            Cell(signed(each.adds, 2)),
            Cell(_range(100 * each.interval.low, 100 * each.interval.high)),
        ]
        for each in leaking
    ]
    notes = [
        "The same trained networks on all images of a part, on those that the audited protocol keeps, and on those "
        "that it removes (copies of images that are learnt from or choose the epoch, or known subjects): means over "
        "seeds. Points: all images less kept ones."
    ]
    return _table(comparison, "images that the audit removes", columns, rows, notes)


def _effect_table(comparison: Comparison, found: Sequence[Effect]) -> Table:
    evidence = comparison.evidence
    columns = [Column("Method"), Column("Part")]
    columns += [Column(head, group, right=True) for group, heads in (
        ("Accuracy (%)", ("Published", "Audited")), ("Published less audited, in points",
        ("All", "Removed images", "The rest", "95 % interval", "p", "Epoch"))) for head in heads]  # fmt: skip
    rows = [
        [
            *_named(evidence, each.method),
            Cell(evidence.split(each.part)),
            *(Cell(number(value)) for value in (each.published, each.audited)),
            *(Cell(signed(value, 1)) for value in (each.difference, each.images, each.rest)),
            Cell(DASH if each.low is None or each.high is None else _range(each.low, each.high)),
            Cell(DASH if each.p is None else probability(each.p)),
            Cell(signed(each.epoch)),
        ]
        for each in found
    ]
    divided = any(each.images is None for each in found)
    rules = {
        protocol: sorted({record["selection"] for record in evidence.records_of(
            run for run in evidence.runs if run.key.protocol == protocol) if record["epochs"]})
        for protocol in (PUBLISHED, AUDITED)
    }  # fmt: skip
    told = "; ".join(f"{protocol}: {', '.join(rule) or 'nothing to train'}" for protocol, rule in rules.items())
    notes = [
        "Removed images: what the images that the audit removes add to the published runs. The rest: published less "
        "audited runs on the images that both count, which is the epoch and whatever else the protocols change, with "
        "the paired interval and p of docs/verdicts.md.",
        f"Epoch tested, {told}. Epoch: what the published choice gains on the part that it was made on, all else being "
        f"equal; {DASH} where the runs learnt differently, or the part chose no epoch.",
    ]
    if divided:
        notes.append(
            f"{DASH}: the audited protocol divides the data differently (people kept apart), so that its test images "
            "are others, and the difference cannot be split."
        )
    return _table(comparison, "published against audited", columns, rows, notes)


def _nothing(comparison: Comparison) -> Table:
    evidence = comparison.evidence
    ran = " and ".join(evidence.protocols)
    text = f"Only the {ran} protocol was run, and it counts every image: there is nothing to set against it."
    if len(evidence.protocols) > 1:
        text = "The protocols have no part in common."
    elif evidence.protocols == [PUBLISHED]:
        text = "Only the published protocol was run: which images the audited one would remove, its runs would tell."
    return _table(comparison, "published against audited", [Column("Method")], [], [text])


def _named(evidence: Evidence, method: str) -> list[Cell]:
    return [Cell(evidence.paper.methods[method].label)]


def _range(low: float, high: float) -> str:
    return f"{signed(low)} to {signed(high)}"


def _table(
    comparison: Comparison, what: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], notes: Sequence[str]
) -> Table:
    evidence = comparison.evidence
    return Table(
        name=f"protocols.{evidence.paper.id}.{evidence.data}.{what.split()[0]}",
        title=f"{evidence.paper.id} on {dataset_name(evidence.dataset)}: {what}",
        columns=columns,
        blocks=[rows] if rows else [],
        notes=list(map(Note, notes)),
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def protocol_records(comparison: Comparison, leaking: Sequence[Leak], found: Sequence[Effect]) -> list[dict[str, Any]]:
    """Return the rows of the CSV: both tables, told apart by `table`; accuracies in percent, the rest in points."""
    evidence = comparison.evidence
    common = {"preset": evidence.preset, "paper": evidence.paper.id, "data": evidence.data,
              "stand_in": evidence.stand_in}  # fmt: skip
    empty = dict.fromkeys(
        ("protocol", "method", "part", "all", "kept", "removed", "n", "n_removed", "published", "audited", "difference",
         "removed_images", "rest", "low", "high", "p", "epoch", "seeds")
    )  # fmt: skip
    rows = []
    for leak in leaking:
        rows.append({**common, "table": "removed", **empty, "protocol": leak.protocol, "method": leak.method,
                     "part": leak.part, "all": leak.everything, "kept": leak.kept, "removed": leak.removed, "n": leak.n,
                     "n_removed": leak.n_removed, "removed_images": leak.adds, "low": 100 * leak.interval.low,
                     "high": 100 * leak.interval.high})  # fmt: skip
    for effect in found:
        rows.append({**common, "table": "effect", **empty, "method": effect.method, "part": effect.part,
                     "published": effect.published, "audited": effect.audited, "difference": effect.difference,
                     "removed_images": effect.images, "rest": effect.rest, "low": effect.low, "high": effect.high,
                     "p": effect.p, "epoch": effect.epoch, "seeds": effect.seeds})  # fmt: skip
    return rows or [{**common, "table": "none", **empty}]
