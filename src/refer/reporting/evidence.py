"""What a report rests on: the runs of one paper on one data set, each with its predictions, held together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import Predictions, RunKey, read_all
from refer.recipe import testing
from refer.spec import Contrast as Contrast
from refer.spec import Paper as Paper
from refer.spec import Reported as Reported

Record = Mapping[str, Any]
"""The content of one run.json."""

RECORDED = ("preset", "dataset", "stand_in", "checkpoint_sha256", "data_fingerprint", "versions", "epochs", "seconds",
            "images_per_s", "device")  # fmt: skip
"""What is asked of every one, beside what names the run."""


def precision_of(record: Record) -> str:
    """Return in which precision a run learnt, fp32 or bf16; older records call them otherwise."""
    told = str(record.get("precision", "fp32"))
    return {"float32": "fp32", "bfloat16 autocast": "bf16"}.get(told, told)


@dataclass(frozen=True)
class Evidence:
    """The runs of one paper on one data set, checked against each other.

    `runs` has the predictions in the paper's order (protocol, method, seed), the folds of a seed pooled; `records`
    the run.json of each single run, `scores` every number of scores.parquet by run, part and metric.
    """

    paper: Paper
    data: str
    dataset: str
    preset: str
    stand_in: bool
    runs: Sequence[Predictions]
    records: Mapping[RunKey, Record]
    scores: Mapping[tuple[str, str, str], float]

    @property
    def protocols(self) -> list[str]:
        """The protocols that were run, in order."""
        return list(dict.fromkeys(run.key.protocol for run in self.runs))

    @property
    def parts(self) -> list[str]:
        """The parts that some protocol evaluates, in the paper's order."""
        found = {part for run in self.runs for part in run.parts}
        return sorted(found, key=list(self.paper.parts[self.dataset]).index)

    @property
    def test(self) -> str:
        """The part that is the test set."""
        return self.paper.test_sets[self.dataset]

    def split(self, part: str) -> str:
        """Return what the data set calls a part, e.g. PrivateTest for private."""
        return self.paper.parts[self.dataset][part]

    def of(self, protocol: str, method: str) -> list[Predictions]:
        """Return the runs of one row of the table, by seed."""
        return [run for run in self.runs if run.key[2:4] == (protocol, method)]

    def records_of(self, runs: Iterable[Predictions]) -> list[Record]:
        """Return the run.json of every single run behind `runs`."""
        return [self.records[single.key] for run in runs for single in run.runs]

    def values(self, runs: Sequence[Predictions], part: str, metric: str) -> list[float]:
        """Return a metric's value (a fraction) for each of `runs`. Raises UserError where it was not scored."""
        try:
            return [self.scores[run.key.folder, part, metric] for run in runs]
        except KeyError as error:
            raise UserError(f"scores.parquet has no row {error}: of an older version of refer; score again.") from None

    def fold_values(self, runs: Sequence[Predictions], part: str, metric: str) -> list[float]:
        """Return a metric's value (a fraction) in each fold that has images of `part`, averaged over `runs`."""
        folds = zip(*(run.folds for run in runs), strict=True)
        return [float(np.mean(self.values(fold, part, metric))) for fold in folds if fold[0].of(part).any()]


def gather(
    paper: Paper,
    data: str,
    scores: str | Path,
    predictions: Iterable[str | Path],
    runs: Iterable[str | Path],
) -> Evidence:
    """Read what belongs to `paper` on `data` and check that it fits together; other papers' files are ignored.

    Raises UserError where nothing belongs to them, a run.json is missing or tells of another checkpoint than
    the predictions, a method or part is not the paper's, or the scores are older than the predictions.
    """
    mine = _only(paper.id, data, predictions)
    if not mine:
        raise UserError(f"No predictions of {paper.id} on {data} were given; run the workflow, or pull them.")
    found = read_all(mine)
    records = read_records(_only(paper.id, data, runs))
    order = list(paper.methods)
    for run in found:
        _check_known(paper, run)
        _check_record(run, records.get(run.key))
    together = pooled(found)
    together.sort(key=lambda run: (_rank(run.key.protocol), order.index(run.key.method), run.key.seed))
    numbers = _read_scores(Path(scores), {run.key: run for run in [*found, *together]}.values())
    first = found[0]
    return Evidence(paper, data, first.dataset, first.preset, first.stand_in, together, records, numbers)


def read_records(paths: Iterable[str | Path]) -> dict[RunKey, dict[str, Any]]:
    """Read many run.json, sorted by run. Raises UserError naming the file that is missing or not one."""
    records = {}
    for path in map(Path, paths):
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected the record of a run. Run the workflow, or pull it.")
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            key = RunKey(**{name: record[name] for name in RunKey._fields[:-1]}, fold=record.get("fold"))
            if missing := [name for name in RECORDED if name not in record]:
                raise KeyError(*missing[:3])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(f"{path}: not the record of a run ({error!r}); train this run again.") from error
        records[key] = record
    return dict(sorted(records.items(), key=lambda item: item[0].rank))


def in_batches(record: Record) -> str:
    """Say of a run whose predictions depend on it how its test images shared batches; of others nothing."""
    if not record.get("reads_batch"):
        return ""
    return f"predicts an image with the help of the other test images in its batch, {testing(record['recipe'])}"


def _only(paper: str, data: str, paths: Iterable[str | Path]) -> list[Path]:
    """Return the paths …/<paper>/<data>/<protocol>/<method>/seed<k>/<file> of one paper and data set."""
    return [path for path in map(Path, paths) if path.absolute().parts[-6:-4] == (paper, data)]


def _rank(protocol: str) -> tuple[int, str]:
    """Published before audited before anything else."""
    known = ["published", "audited"]
    return (known.index(protocol) if protocol in known else len(known), protocol)


def _check_known(paper: Paper, run: Predictions) -> None:
    if run.key.method not in paper.methods:
        raise UserError(f"{run.path}: {paper.id} has no method {run.key.method!r}; known: {', '.join(paper.methods)}.")
    known = paper.parts.get(run.dataset, {})
    for part in run.parts:
        if part not in known:
            raise UserError(f"{run.path}: {paper.id} has no part {part!r} of {run.dataset}; known: {', '.join(known)}.")


def _check_record(run: Predictions, record: Record | None) -> None:
    if record is None:
        raise UserError(f"{run.path}: the run.json of this run was not given; expected it beside this file.")
    if record["checkpoint_sha256"] != run.checkpoint_sha256:
        raise UserError(
            f"{run.path}: made with the checkpoint {str(run.checkpoint_sha256)[:12]}, but run.json beside it tells "
            f"of {record['checkpoint_sha256'][:12]}; predict this run again."
        )


def _read_scores(path: Path, runs: Iterable[Predictions]) -> dict[tuple[str, str, str], float]:
    """Return the scores by run, part and metric, after checking that they are those of `runs`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected the scores of this preset. Run the workflow.")
    runs = list(runs)
    columns = ["run", "part", "metric", "value", "n", "correct"]
    mine = [("paper", "=", runs[0].key.paper), ("data", "=", runs[0].key.data)]
    table = pq.read_table(path, columns=columns, filters=mine)
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    values, counts = {}, {}
    for run, part, metric, value, n, correct in rows:
        values[run, part, metric] = value
        counts[run, part, metric] = (correct, n)
    for each in runs:
        for part in each.parts:
            counted = each.of(part)
            right = int((each.predicted == each.label)[counted].sum())
            scored = counts.get((each.key.folder, part, "accuracy"))
            if scored is None and each.key.fold is not None and not counted.any():
                continue  # nobody of this fold is kept in this part
            if scored != (right, int(counted.sum())):
                raise UserError(
                    f"{path}: {each.key.folder}, {part}: found {scored}, expected {(right, int(counted.sum()))} "
                    f"(right, of n) from {each.path.name}; the scores are not of these predictions: score again."
                )
    return values
