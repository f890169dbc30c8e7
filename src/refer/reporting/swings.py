"""What switching an option is worth: each method's accuracy as it is and with the option, on the same test images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.intervals import Interval, divided, mean_sd
from refer.evaluation.paired import holm, paired_difference, unpaired_interval
from refer.evaluation.predictions import Predictions, RunKey, read_all
from refer.reporting.evidence import Paper, Record, read_records
from refer.reporting.results import hits_of
from refer.switches import Switch, switched

Question = tuple[str, str]
"""Paper and ambiguity."""


@dataclass(frozen=True)
class Swing:
    """One comparison that was run: accuracies in percent, `swing` in points, `interval` of it in fractions.

    `before` and `after` are the accuracies of the default and of the option, means over seeds. `paired` says whether
    both were tested on the same images, `n` and `n_before` on how many; `p` is of the null hypothesis that nothing
    changes, by `test` (see `refer.evaluation.paired`), `adjusted` for the number of comparisons (Holm); both None where
    the images are others.
    """

    switch: Switch
    label: str
    split: str
    part: str
    stand_in: bool
    n_before: int
    n: int
    before: float
    before_sd: float | None
    after: float
    after_sd: float | None
    swing: float
    interval: Interval
    p: float | None
    test: str
    adjusted: float | None = None

    @property
    def paired(self) -> bool:
        """Whether both were tested on the same images."""
        return self.p is not None


@dataclass(frozen=True)
class Sensitivity:
    """Every comparison that was asked for, those of the ambiguities that matter most first.

    `swings` are those that were run, `missing` those that were not; `records` the run.json of all runs behind them.
    """

    papers: Mapping[str, Paper]
    swings: Sequence[Swing]
    missing: Sequence[Switch]
    preset: str
    records: Sequence[Record] = field(default_factory=list)

    @cached_property
    def largest(self) -> dict[Question, Swing]:
        """The swing of the largest size of each ambiguity, the largest of all first."""
        found: dict[Question, Swing] = {}
        for each in self.swings:
            question = (each.switch.paper, each.switch.ambiguity)
            if question not in found or abs(each.swing) > abs(found[question].swing):
                found[question] = each
        return dict(sorted(found.items(), key=lambda item: -abs(item[1].swing)))

    @property
    def unanswered(self) -> list[Question]:
        """The ambiguities of which no option was run."""
        asked = dict.fromkeys((each.paper, each.ambiguity) for each in self.missing)
        return [question for question in asked if question not in self.largest]


def measure(
    switches: Sequence[Switch],
    papers: Mapping[str, Paper],
    predictions: Iterable[str | Path],
    runs: Iterable[str | Path],
) -> Sensitivity:
    """Return what each switch is worth on the test set of its data set.

    Args:
        switches: what is compared with what, see `refer.plan.Plan.switches`.
        papers: the papers with their default options.
        predictions: every predictions.parquet that a switch needs, or more.
        runs: the run.json beside each.

    Raises:
        UserError: a run is missing, or two that are compared are of different data.
    """
    folders = {
        RunKey(paper, switch.data, protocol, method, seed, fold).folder
        for switch in switches
        for paper, _, protocol, method, seed, fold in switched([switch])
    }
    records = read_records(path for path in runs if _folder(path) in folders)
    given = [path for path in predictions if _folder(path) in folders]
    found = {run.key: run for run in pooled(read_all(given))} if given else {}
    swings: list[Swing] = []
    used: dict[RunKey, Record] = {}
    for switch in (each for each in switches if each.state == "run"):
        both = [_runs(found, switch, paper) for paper in (switch.paper, switch.variant)]
        for single in (single for runs in both for run in runs for single in run.runs):
            used[single.key] = _record(records, single)
        swings.append(_swing(switch, papers[switch.paper], *both))
    tested = [number for number, each in enumerate(swings) if each.p is not None]
    for number, value in zip(tested, holm([swings[number].p or 0.0 for number in tested]), strict=True):
        swings[number] = replace(swings[number], adjusted=value)
    missing = [each for each in switches if each.state != "run"]
    preset = next((run.preset for run in found.values()), "")
    result = Sensitivity(papers, swings, missing, preset, list(used.values()))
    rank = {question: number for number, question in enumerate(result.largest)}
    order = sorted(swings, key=lambda each: rank[each.switch.paper, each.switch.ambiguity])
    return replace(result, swings=order)


def _runs(found: Mapping[RunKey, Predictions], switch: Switch, paper: str) -> list[Predictions]:
    """Return one run a seed, each with the folds that are compared."""
    result = []
    for seed in switch.seeds:
        key = RunKey(paper, switch.data, switch.protocol, switch.method, seed)
        run = found.get(key)
        if run is None:
            raise UserError(f"{key.folder}: its predictions were not given; run the workflow, or pull them.")
        have = tuple(sorted(single.key.fold for single in run.runs if single.key.fold is not None))
        if have != tuple(sorted(fold for fold in switch.folds if fold is not None)):
            raise UserError(f"{key.folder}: found the folds {have}, expected {switch.folds}; run the workflow.")
        result.append(run)
    return result


def _folder(path: str | Path) -> str:
    """Return the folder of a run's file, as `RunKey.folder` names it."""
    return "/".join(Path(path).absolute().parts[-7:-1])


def _record(records: Mapping[RunKey, Record], run: Predictions) -> Record:
    record = records.get(run.key)
    if record is None or record["checkpoint_sha256"] != run.checkpoint_sha256:
        raise UserError(f"{run.path}: run.json beside it is missing, or of another checkpoint; predict this run again.")
    return record


def _swing(switch: Switch, paper: Paper, before: Sequence[Predictions], after: Sequence[Predictions]) -> Swing:
    one, other = before[0], after[0]
    for name in ("classes", "data_fingerprint", "stand_in", "preset"):
        if getattr(one, name) != getattr(other, name):
            raise UserError(f"{other.path}: {name} is another than in {one.path}; predict both again.")
    part = paper.test_sets[switch.dataset]
    for run in (one, other):
        if part not in run.parts:
            raise UserError(f"{run.path}: no images of the test set {part!r}; predict this run again.")
    (old, folds), (new, new_folds) = hits_of(before, part), hits_of(after, part)
    (mean, sd), (new_mean, new_sd) = (mean_sd(100 * each.mean(axis=1)) for each in (old, new))
    p, test = None, ""
    if np.array_equal(one.ids[one.of(part)], other.ids[other.of(part)]):
        found = paired_difference(old, new, divided(folds))
        interval, p, test = Interval(found.low, found.high, "paired"), found.p, found.test
    else:
        interval = unpaired_interval(old, new, (divided(folds), divided(new_folds)))
    return Swing(
        switch=switch,
        label=paper.methods[switch.method].label,
        split=paper.parts[switch.dataset][part],
        part=part,
        stand_in=one.stand_in,
        n_before=old.shape[1],
        n=new.shape[1],
        before=mean,
        before_sd=sd,
        after=new_mean,
        after_sd=new_sd,
        swing=new_mean - mean,
        interval=interval,
        p=p,
        test=test,
    )
