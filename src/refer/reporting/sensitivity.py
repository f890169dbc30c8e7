"""Rows of the results table on what switching an option is worth: accuracy with it and without, on the test set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.intervals import divided, mean_sd
from refer.evaluation.paired import holm, paired_difference, unpaired_interval
from refer.evaluation.predictions import Predictions, RunKey
from refer.reporting.comparisons import difference_row
from refer.reporting.estimates import folds_of, hits_of
from refer.reporting.names import as_run
from refer.reporting.run_set import Record
from refer.switches import switched

if TYPE_CHECKING:
    from refer.spec import Paper
    from refer.switches import Switch


def compared_runs(switches: Sequence[Switch]) -> dict[RunKey, None]:
    """Return the runs whose accuracies are compared, in order."""
    return {
        RunKey(paper, switch.data, protocol, method, seed, fold): None
        for switch in switches
        for paper, _, protocol, method, seed, fold in switched([switch])
    }


def options(
    switches: Sequence[Switch],
    papers: Mapping[str, Paper],
    found: Sequence[Predictions],
    records: Mapping[RunKey, Record],
) -> Iterator[dict[str, Any]]:
    """Yield the scope `option`: accuracy with the `default` and with the option (`mean`), and their `difference`.

    `p_holm` is adjusted for all options. An option that was not run has a row without value that says why.

    Args:
        switches: what is compared with what, see `refer.plan.Plan.switches`.
        papers: the papers with their default options.
        found: the runs of `compared_runs`.
        records: the run.json of each single run.

    Raises:
        UserError: a run is missing, or two that are compared are of different data.
    """
    compared = []
    known = {run.key: run for run in pooled(found)}
    for switch in (each for each in switches if each.state == "run"):
        before, after = (_runs(known, records, switch, paper) for paper in (switch.paper, switch.variant))
        compared.append(_compared(switch, papers[switch.paper], before, after))
    adjusted = iter(holm([difference["p"] for *_, difference in compared if difference["p"] is not None]))
    for default, mean, difference in compared:
        yield default
        yield mean
        yield {**difference, "p_holm": None if difference["p"] is None else next(adjusted)}
    for switch in (each for each in switches if each.state != "run"):
        yield {**_about(switch, papers[switch.paper]), "quantity": "difference"}


def _about(switch: Switch, paper: Paper) -> dict[str, Any]:
    part = paper.test_sets[switch.dataset]
    return {
        "scope": "option",
        "paper": switch.paper,
        "dataset": switch.dataset,
        "data": switch.data,
        "stand_in": switch.data.endswith("-standin"),
        "protocol": switch.protocol,
        "method": switch.method,
        "label": as_run(paper, switch.method),
        "part": part,
        "split": paper.parts[switch.dataset][part],
        "metric": "accuracy",
        "what": switch.ambiguity,
        "compared_with": switch.default,
        "option": switch.option,
        "state": switch.state,
        "reason": switch.reason,
        "run": switch.variant if switch.state == "run" else None,
    }


def _runs(
    found: Mapping[RunKey, Predictions], records: Mapping[RunKey, Record], switch: Switch, paper: str
) -> list[Predictions]:
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
        for single in run.runs:
            record = records.get(single.key)
            if record is None or record["checkpoint_sha256"] != single.checkpoint_sha256:
                raise UserError(
                    f"{single.path}: run.json beside it is missing, or of another checkpoint; predict this run again."
                )
        result.append(run)
    return result


def _compared(
    switch: Switch, paper: Paper, before: Sequence[Predictions], after: Sequence[Predictions]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the rows of the default, of the option, and of the option less the default."""
    one, other = before[0], after[0]
    for name in ("classes", "data_fingerprint", "stand_in", "preset"):
        if getattr(one, name) != getattr(other, name):
            raise UserError(f"{other.path}: {name} is another than in {one.path}; predict both again.")
    row = _about(switch, paper) | {
        "preset": one.preset,
        "seeds": len(switch.seeds),
        "folds": sum(fold is not None for fold in switch.folds) or None,
    }
    part = row["part"]
    for run in (one, other):
        if part not in run.parts:
            raise UserError(f"{run.path}: no images of the test set {part!r}; predict this run again.")
    old, new = hits_of(before, part), hits_of(after, part)
    means = [mean_sd(100 * hits.mean(axis=1)) for hits in (old, new)]
    rows = [{**row, "quantity": name, "value": mean, "sd": sd, "n": hits.shape[1]}
            for name, (mean, sd), hits in zip(("default", "mean"), means, (old, new), strict=True)]  # fmt: skip
    folds, new_folds = (divided(folds_of(runs, part)) for runs in (before, after))
    if np.array_equal(one.ids[one.of(part)], other.ids[other.of(part)]):
        difference = {**difference_row(paired_difference(old, new, folds)), "interval_method": "paired"}
    else:
        low, high, how = unpaired_interval(old, new, (folds, new_folds))
        difference = {"quantity": "difference", "low": 100 * low, "high": 100 * high, "interval_method": how, "p": None,
                      "n": new.shape[1]}  # fmt: skip
    return rows[0], rows[1], {**row, **difference, "value": means[1][0] - means[0][0]}
