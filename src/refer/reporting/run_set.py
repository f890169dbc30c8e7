"""The runs of one paper on one data set, each with its predictions, checked against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import Predictions, RunKey, read_all
from refer.evaluation.scores import Metric, metrics
from refer.recipe import testing
from refer.records import RunRecord, read

if TYPE_CHECKING:
    from refer.spec import Paper

PUBLISHED, AUDITED = PROTOCOLS = "published", "audited"

Record = Mapping[str, Any]
"""The content of one run.json."""


@dataclass(frozen=True)
class RunSet:
    """The runs of one paper on one data set.

    `runs` has the predictions in the paper's order (protocol, method, seed), the folds of a seed pooled; `records`
    the run.json of each single run.
    """

    paper: Paper
    data: str
    dataset: str
    preset: str
    stand_in: bool
    runs: Sequence[Predictions]
    records: Mapping[RunKey, Record]
    _metrics: dict[tuple[RunKey, str], dict[str, Metric]] = field(default_factory=dict, compare=False)

    @property
    def protocols(self) -> list[str]:
        """The protocols that were run, in order."""
        return list(dict.fromkeys(run.key.protocol for run in self.runs))

    @property
    def parts(self) -> list[str]:
        """The splits that some protocol evaluates, in the paper's order."""
        found = {part for run in self.runs for part in run.parts}
        return sorted(found, key=list(self.paper.parts[self.dataset]).index)

    @property
    def test(self) -> str:
        """The split that is the test set."""
        return self.paper.test_sets[self.dataset]

    def split(self, part: str) -> str:
        """Return what the data set's owner calls a split, e.g. PrivateTest for private."""
        return self.paper.parts[self.dataset][part]

    def of(self, protocol: str, method: str, part: str | None = None) -> list[Predictions]:
        """Return the runs of a method under a protocol, by seed; with `part`, those that were tested on it."""
        mine = [run for run in self.runs if run.key[2:4] == (protocol, method)]
        return mine if part is None or not mine or part in mine[0].parts else []

    def metrics_of(self, run: Predictions, part: str) -> dict[str, Metric]:
        """Return every metric of a run on a split, by name."""
        key = (run.key, part)
        if key not in self._metrics:
            of = run.of(part)
            found = metrics(run.label[of], run.probabilities[of], run.classes)
            self._metrics[key] = {each.name: each for each in found}
        return self._metrics[key]


def gather(paper: Paper, data: str, predictions: Iterable[str | Path], runs: Iterable[str | Path]) -> RunSet:
    """Read what belongs to `paper` on `data` and check that it fits together; other papers' files are ignored.

    Raises UserError where nothing belongs to them, a run.json is missing or tells of another checkpoint than
    the predictions, a method or split is not the paper's, two runs are one training, or a protocol keeps other images
    for one method than for another.
    """
    mine = _only(paper.id, data, predictions)
    if not mine:
        raise UserError(f"No predictions of {paper.id} on {data} were given; run the workflow, or pull them.")
    return run_set(paper, read_all(mine), read_records(_only(paper.id, data, runs)))


def run_set(paper: Paper, found: Sequence[Predictions], records: Mapping[RunKey, Record]) -> RunSet:
    """Return the runs of `paper` on one data set, `found` as `read_all` returns them; raises as `gather`."""
    order = list(paper.methods)
    for run in found:
        _check_known(paper, run)
        _check_record(run, records.get(run.key))
    _check_alike(found, records)
    together = pooled(found)
    together.sort(key=lambda run: (_rank(run.key.protocol), order.index(run.key.method), run.key.seed))
    first = found[0]
    return RunSet(paper, first.key.data, first.dataset, first.preset, first.stand_in, together, records)


def read_records(paths: Iterable[str | Path]) -> dict[RunKey, dict[str, Any]]:
    """Read many run.json, sorted by run. Raises UserError naming the file that is missing or not one."""
    records = {}
    for path in map(Path, paths):
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected the record of a run. Run the workflow, or pull it.")
        record = read(path, RunRecord, "It is not the record of a run: restore it, or train this run again.")
        key = RunKey(**{name: record[name] for name in RunKey._fields[:-1]}, fold=record.get("fold"))
        records[key] = record
    return dict(sorted(records.items(), key=lambda item: item[0].rank))


def precision_of(record: Record) -> str:
    """Return in which precision a run learnt, fp32 or bf16; older records call them otherwise."""
    told = str(record.get("precision", "fp32"))
    return {"float32": "fp32", "bfloat16 autocast": "bf16"}.get(told, told)


def in_batches(record: Record) -> str:
    """Say of a run whose predictions depend on it how its test images shared batches; of others nothing."""
    if not record.get("reads_batch"):
        return ""
    return f"predicts an image with the help of the other test images in its batch, {testing(record['recipe'])}"


def _only(paper: str, data: str, paths: Iterable[str | Path]) -> list[Path]:
    """Return the paths …/<paper>/<data>/<protocol>/<method>/seed<k>/<file> of one paper and data set."""
    return [path for path in map(Path, paths) if path.absolute().parts[-6:-4] == (paper, data)]


def _rank(protocol: str) -> tuple[int, str]:
    """Sort published before audited before anything else."""
    return (PROTOCOLS.index(protocol) if protocol in PROTOCOLS else len(PROTOCOLS), protocol)


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


def _check_alike(runs: Iterable[Predictions], records: Mapping[RunKey, Record]) -> None:
    """Refuse one checkpoint as two runs, and methods of the same pictures of which one is tested on fewer of them."""
    trained: dict[str, Predictions] = {}
    tested: dict[tuple[object, ...], Predictions] = {}
    for run in runs:
        record = records[run.key]
        other = trained.setdefault(record["checkpoint_sha256"], run)
        if other is not run:
            raise UserError(
                f"{run.path}: its checkpoint is that of {other.key.folder} ({record['checkpoint_sha256'][:12]}); each "
                "run is a training of its own. Train one of them again."
            )
        first = tested.setdefault((run.key.protocol, run.key.fold, *record.get("inputs", ())), run)
        names, before = (np.char.add(np.char.add(each.part, "/"), each.ids) for each in (run, first))
        _, mine, theirs = np.intersect1d(names, before, return_indices=True)
        if (differs := run.kept[mine] != first.kept[theirs]).any():
            row = int(mine[differs.argmax()])
            raise UserError(
                f"{run.path}: keeps {int(run.kept.sum())} of {len(run.ids)} images, and {first.path} keeps "
                f"{int(first.kept.sum())} of {len(first.ids)} (they differ in {str(run.ids[row])!r}); predict both "
                "again on the same split."
            )
