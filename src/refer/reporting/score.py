"""Predictions in, results table out: the one place of the reporting stage that opens predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import Predictions, RunKey, read_all
from refer.evaluation.reported import MARGIN
from refer.reporting.comparisons import contrasts, entries, pairs, ranking
from refer.reporting.estimates import audited, confusions, departures, estimates, not_run, single_runs
from refer.reporting.protocols import by_run, effects, removed_images
from refer.reporting.results import Results, write_results
from refer.reporting.run_set import AUDITED, Record, RunSet, read_records, run_set
from refer.reporting.sensitivity import compared_runs, options

if TYPE_CHECKING:
    from refer.plan import Plan
    from refer.spec import Paper
    from refer.switches import Switch


@dataclass(frozen=True)
class Asked:
    """What a preset asks of its predictions.

    Attributes:
        papers: by name, with the splits of every data set that their methods ran on.
        reproduced: names of the papers whose reported numbers are judged; None: of all.
        own: (paper, data) that have tables of their own; None: all.
        ranked: the audited runs that methods of all papers are compared by; None: all.
        switches: the options that are compared with defaults.
        margin: that of the verdicts, in points.
    """

    papers: Mapping[str, Paper]
    reproduced: Sequence[str] | None = None
    own: frozenset[tuple[str, str]] | None = None
    ranked: frozenset[RunKey] | None = None
    switches: Sequence[Switch] = field(default_factory=list)
    margin: float = MARGIN

    @classmethod
    def by(cls, plan: Plan) -> Asked:
        """Return what a plan asks for."""
        return cls(
            papers=plan.papers,
            reproduced=list(plan.config.reproduce),
            own=frozenset(
                (run.paper, run.data) for run in plan.runs() if not plan.lent(run) and not plan.switched(run)
            ),
            ranked=frozenset(
                RunKey(run.paper, run.data, run.protocol, run.method, run.seed, run.fold) for run in plan.matrix()
            ),
            switches=plan.switches(),
            margin=plan.config.margin,
        )


def score(
    asked: Asked,
    predictions: Iterable[str | Path],
    runs: Iterable[str | Path],
    outputs: Iterable[str | Path],
    training: Iterable[str | Path] = (),
) -> Results:
    """Write the results table to every path of `outputs` (.parquet, .csv), and return it.

    Equal input gives the same bytes whatever the order of the files.

    Args:
        asked: the papers, and what of them is compared.
        predictions: every predictions.parquet.
        runs: the run.json beside each.
        outputs: the files to write.
        training: every training.csv, for what the choice of the epoch is worth.

    Raises:
        UserError: a file is missing or broken, or the files do not fit together.
    """
    rows = list(_rows(asked, read_all(predictions), read_records(runs), training))
    write_results(rows, outputs)
    return Results(rows)


def check_results(results: Results, predictions: Iterable[str | Path], path: str | Path) -> None:
    """Raise UserError unless the right answers that `results` (of `path`) counts are those of the predictions."""
    names = ("run", "part", "correct", "n")
    counted = {tuple(row[name] for name in names) for row in results.of("run", metric="accuracy")}
    for run in read_all(predictions):
        for row in single_runs(run):
            if row["metric"] == "accuracy" and (key := tuple(row[name] for name in names)) not in counted:
                raise UserError(
                    f"{path}: {run.key.folder}, {key[1]}: expected {key[2]} right answers of {key[3]}, as in "
                    f"{run.path.name}; the results table is not of these predictions: score again."
                )


def _rows(
    asked: Asked, found: Sequence[Predictions], records: Mapping[RunKey, Record], training: Iterable[str | Path]
) -> Iterator[dict[str, Any]]:
    together = pooled(found)
    for run in sorted([*found, *(each for each in together if each.folds)], key=lambda run: run.key.rank):
        yield from single_runs(run)
    curves = by_run(training)
    judged = []
    for runs in _sets(asked, found, records):
        made = list(estimates(runs, asked.margin))
        judged += made
        yield from made
        if asked.own is None or (runs.paper.id, runs.data) in asked.own:
            yield from pairs(runs)
            yield from removed_images(runs)
            yield from effects(runs, curves)
        yield from confusions(runs)
        yield from departures(runs)
    wanted = asked.papers if asked.reproduced is None else asked.reproduced
    yield from not_run([asked.papers[name] for name in wanted], judged)
    ranked = [run for run in found if run.key.protocol == AUDITED and (asked.ranked is None or run.key in asked.ranked)]
    for data in entries(_sets(asked, ranked, records)).values():
        for entry in data:
            yield from audited(entry.runs, entry.method)
        yield from ranking(data)
        yield from contrasts(data)
    compared = compared_runs(asked.switches)
    yield from options(asked.switches, asked.papers, [run for run in found if run.key in compared], records)


def _sets(asked: Asked, found: Sequence[Predictions], records: Mapping[RunKey, Record]) -> list[RunSet]:
    """Return the runs of each paper on each data set, in the papers' order."""
    cells = dict.fromkeys((run.key.paper, run.key.data) for run in found)
    return [
        run_set(paper, [run for run in found if run.key[:2] == (name, data)], records)
        for name, paper in asked.papers.items()
        for owner, data in cells
        if owner == name
    ]
