"""Predictions in, scores out: everything that one run says about one part, as rows of a long table.

A prediction file is read as evidence: it is checked on its own (`read_predictions`) and against its
siblings (`read_all`) before anything is counted, so that no table can rest on different test images.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from refer.errors import UserError
from refer.files import whole

SUM_TOLERANCE = 1e-3  # probabilities are stored as float32, and a half-precision softmax is off by a few 1e-4
ECE_BINS = 15

SCHEMA = pa.schema(
    [
        ("preset", pa.string()),
        ("paper", pa.string()),
        ("dataset", pa.string()),
        ("data", pa.string()),
        ("stand_in", pa.bool_()),
        ("protocol", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
        ("part", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("n", pa.int64()),
        ("correct", pa.int64()),
        ("checkpoint_sha256", pa.string()),
        ("run", pa.string()),
    ]
)


class RunKey(NamedTuple):
    """What names a run; its order is the order of every table."""

    paper: str
    data: str
    protocol: str
    method: str
    seed: int

    @property
    def folder(self) -> str:
        """The run's folder, relative to the folder of its preset."""
        return f"runs/{self.paper}/{self.data}/{self.protocol}/{self.method}/seed{self.seed}"


@dataclass(frozen=True)
class Predictions:
    """The checked content of one predictions.parquet, rows sorted by part and id.

    `ids` and `part` are string arrays of length N, `kept` is boolean (N), `label` holds class indices (N),
    `probabilities` is float64 (N, classes) in 0..1, each row summing to 1.
    """

    path: Path
    key: RunKey
    preset: str
    dataset: str
    stand_in: bool
    classes: tuple[str, ...]
    checkpoint_sha256: str
    data_fingerprint: str
    ids: NDArray[np.str_]
    part: NDArray[np.str_]
    kept: NDArray[np.bool_]
    label: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def parts(self) -> list[str]:
        """The parts that were predicted, in alphabetical order."""
        return sorted(set(self.part.tolist()))

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each row (N); of equal probabilities the first class counts."""
        return self.probabilities.argmax(axis=1)

    def of(self, part: str) -> NDArray[np.bool_]:
        """Return which rows (N, boolean) count for `part`: those that the protocol keeps."""
        return (self.part == part) & self.kept

    def removed(self, part: str) -> int:
        """Return how many images of `part` the protocol leaves out."""
        return int(((self.part == part) & ~self.kept).sum())


class Metric(NamedTuple):
    """One number about one part: its value, over how many images, and how many of them were right."""

    name: str
    value: float
    n: int
    correct: int | None = None


def read_predictions(path: str | Path) -> Predictions:
    """Read and check one predictions.parquet.

    Raises UserError, naming the file and the row (counted from 0), where the file is absent or not ours, an
    id stands twice in a part, a label is out of range, or a row's probabilities are not finite, not within
    0..1, or do not sum to 1 within 1e-3.
    """
    path = Path(path)
    table = _read_table(path)
    meta = _metadata(path, table)
    key = RunKey(meta["paper"], meta["data"], meta["protocol"], meta["method"], int(meta["seed"]))
    _check_place(path, key)
    classes = tuple(meta["classes"])
    columns = [f"p_{name}" for name in classes]
    _check_columns(path, table, ["id", "part", "kept", "label", *columns])
    probabilities = np.column_stack([table[name].to_numpy().astype(np.float64) for name in columns])
    label = table["label"].to_numpy().astype(np.int64)
    ids, part = _strings(table["id"]), _strings(table["part"])
    _check_rows(path, ids, part, label, probabilities)
    order = np.lexsort((ids, part))
    return Predictions(
        path=path,
        key=key,
        preset=meta["preset"],
        dataset=meta["dataset"],
        stand_in=bool(meta["stand_in"]),
        classes=classes,
        checkpoint_sha256=meta["checkpoint_sha256"],
        data_fingerprint=meta["data_fingerprint"],
        ids=ids[order],
        part=part[order],
        kept=table["kept"].to_numpy(zero_copy_only=False)[order],
        label=label[order],
        probabilities=probabilities[order] / probabilities[order].sum(axis=1, keepdims=True),
    )


def read_all(paths: Iterable[str | Path]) -> list[Predictions]:
    """Read many prediction files, in the order of their runs whatever the order of `paths`.

    Raises UserError where two files claim the same run, or where two runs of one paper, data set and
    protocol differ in their images, labels, classes or data: they could not be compared.
    """
    runs = sorted((read_predictions(path) for path in paths), key=lambda run: run.key)
    if not runs:
        raise UserError("No prediction files were given; expected at least one predictions.parquet.")
    first_of: dict[tuple[str, str, str], Predictions] = {}
    for before, run in zip([None, *runs], runs, strict=False):
        if before is not None and before.key == run.key:
            raise UserError(f"{run.path}: the run {run.key.folder} was given twice, also as {before.path}.")
        first = first_of.setdefault((run.key.paper, run.key.data, run.key.protocol), run)
        if first is not run:
            _check_same_images(run, first)
    return runs


def score(predictions: Sequence[str | Path], out: str | Path) -> None:
    """Score every prediction file and write the long table `out` (columns: SCHEMA), sorted by run and part.

    Equal input gives the same bytes whatever the order of `predictions`. Only rows with kept = true count.
    """
    rows = [row for run in read_all(predictions) for row in _rows(run)]
    with whole(out) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), temporary)


def metrics(label: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]) -> list[Metric]:
    """Return every metric of one part, as fractions in 0..1 (`log_loss` in nats).

    `label` (N) indexes `classes`; `probabilities` is (N, classes). Averages run over the classes that have
    images in the part. A class that is never predicted has precision 0, as is customary, over n = 0 images;
    a class without images has no recall (NaN). Calibration error: Guo et al. 2017 (arXiv 1706.04599).
    """
    # Imported here: checking predictions is also needed where scikit-learn's start-up of seconds is not.
    from sklearn.metrics import (
        accuracy_score,
        confusion_matrix,
        log_loss,
        precision_recall_fscore_support,
        recall_score,
    )

    n = len(label)
    predicted = probabilities.argmax(axis=1)
    everything = np.arange(len(classes))
    counts = confusion_matrix(label, predicted, labels=everything)
    hits, support, claimed = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    present = everything[support > 0]
    result = [Metric("accuracy", float(accuracy_score(label, predicted)), n, int(hits.sum()))]
    # Macro recall by definition; scikit-learn's own function warns where a predicted class has no images.
    balanced = recall_score(label, predicted, labels=present, average="macro", zero_division=0.0)
    result.append(Metric("balanced_accuracy", float(balanced), n))
    for average in ("macro", "weighted"):
        averaged = precision_recall_fscore_support(label, predicted, labels=present, average=average, zero_division=0.0)
        result += [
            Metric(f"{average}_{name}", float(value), n)
            for name, value in zip(("precision", "recall", "f1"), averaged, strict=False)
        ]
    precision, recall, _, _ = precision_recall_fscore_support(
        label, predicted, labels=everything, average=None, zero_division=0.0
    )
    for k, name in enumerate(classes):
        value = float(recall[k]) if support[k] else float("nan")
        result.append(Metric(f"recall:{name}", value, int(support[k]), int(hits[k])))
    for k, name in enumerate(classes):
        result.append(Metric(f"precision:{name}", float(precision[k]), int(claimed[k]), int(hits[k])))
    result.append(Metric("ece", calibration_error(label, probabilities), n))
    result.append(Metric("log_loss", float(log_loss(label, probabilities, labels=everything)), n))
    return result


def calibration_error(label: NDArray[np.int64], probabilities: NDArray[np.float64], bins: int = ECE_BINS) -> float:
    """Return the expected calibration error (0..1) over `bins` equal-width bins of the top probability."""
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == label
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=hit - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(label))


def _rows(run: Predictions) -> Iterator[dict[str, Any]]:
    """Yield the rows of the long table for one run."""
    for part in run.parts:
        counted = run.of(part)
        if not counted.any():
            raise UserError(
                f"{run.path}: no row of part {part!r} is kept, so there is nothing to score; "
                f"check the split of {run.key.paper} under the protocol {run.key.protocol!r}."
            )
        for metric in metrics(run.label[counted], run.probabilities[counted], run.classes):
            yield {
                "preset": run.preset,
                "dataset": run.dataset,
                "stand_in": run.stand_in,
                **run.key._asdict(),
                "part": part,
                "metric": metric.name,
                "value": metric.value,
                "n": metric.n,
                "correct": metric.correct,
                "checkpoint_sha256": run.checkpoint_sha256,
                "run": run.key.folder,
            }


def _read_table(path: Path) -> pa.Table:
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected predictions. Run the workflow, or pull them.")
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error}); predict this run again.") from error


def _metadata(path: Path, table: pa.Table) -> dict[str, Any]:
    """Return what the file says about its run."""
    raw = (table.schema.metadata or {}).get(b"refer")
    if raw is None:
        raise UserError(f"{path}: the schema has no 'refer' metadata, so no run is named; predict it again.")
    meta: dict[str, Any] = json.loads(raw)
    needed = {"paper", "dataset", "data", "protocol", "method", "seed", "stand_in", "classes"}
    missing = sorted((needed | {"checkpoint_sha256", "data_fingerprint", "preset"}) - meta.keys())
    if missing:
        raise UserError(f"{path}: the 'refer' metadata lacks {', '.join(missing)}; predict this run again.")
    return meta


def _check_place(path: Path, key: RunKey) -> None:
    expected = key.folder.split("/")
    if list(path.absolute().parts[-7:-1]) != expected:
        raise UserError(
            f"{path}: by its own account these are the predictions of {key.folder}; "
            f"expected them in that folder. Was the file moved or copied?"
        )


def _check_columns(path: Path, table: pa.Table, needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise UserError(f"{path}: column {', '.join(missing)} is missing; found {table.column_names}.")
    for name in needed:
        if table[name].null_count:
            row = pc.index(pc.is_null(table[name]), True).as_py()
            raise UserError(f"{path}: row {row}: column {name!r} is empty; predict this run again.")


def _check_rows(
    path: Path,
    ids: NDArray[np.str_],
    part: NDArray[np.str_],
    label: NDArray[np.int64],
    probabilities: NDArray[np.float64],
) -> None:
    """Raise UserError at the first row that cannot be a prediction."""
    classes = probabilities.shape[1]
    total = probabilities.sum(axis=1)
    with np.errstate(invalid="ignore"):
        checks = [
            ((label < 0) | (label >= classes), lambda i: f"label {label[i]}, expected 0..{classes - 1}"),
            (
                ~np.isfinite(probabilities).all(axis=1),
                lambda i: "a probability is not finite, expected numbers in 0..1",
            ),
            (
                ((probabilities < 0) | (probabilities > 1)).any(axis=1),
                lambda i: f"probabilities {probabilities[i].min():.4g}..{probabilities[i].max():.4g}, expected 0..1",
            ),
            (
                np.abs(total - 1) > SUM_TOLERANCE,
                lambda i: f"probabilities sum to {total[i]:.6g}, expected 1 within {SUM_TOLERANCE:g}",
            ),
            (_repeated(ids, part), lambda i: f"the id stands twice in part {str(part[i])!r}"),
        ]
    for wrong, found in checks:
        if wrong.any():
            row = int(wrong.argmax())
            raise UserError(f"{path}: row {row} (id {str(ids[row])!r}): {found(row)}; predict this run again.")


def _repeated(ids: NDArray[np.str_], part: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return which rows (N, boolean) repeat an earlier pair of part and id."""
    order = np.lexsort((ids, part))
    same = (ids[order][1:] == ids[order][:-1]) & (part[order][1:] == part[order][:-1])
    repeated = np.zeros(len(ids), dtype=bool)
    repeated[order[1:][same]] = True
    return repeated


def _check_same_images(run: Predictions, first: Predictions) -> None:
    """Raise UserError unless two runs of one table were asked about the same images."""
    for name in ("dataset", "preset", "stand_in", "classes", "data_fingerprint"):
        if getattr(run, name) != getattr(first, name):
            raise UserError(
                f"{run.path}: {name} is {getattr(run, name)!r}, but {getattr(first, name)!r} in "
                f"{first.path}; runs of one table must share it. Predict both again."
            )
    mine, theirs = (set(zip(each.part.tolist(), each.ids.tolist(), strict=True)) for each in (run, first))
    if mine != theirs:
        part, name = min(mine ^ theirs)
        less, more = (run, first) if (part, name) in theirs else (first, run)
        raise UserError(
            f"{less.path}: the image {name!r} of part {part!r} is missing, but {more.path} has it "
            f"(images in only one of them: {len(mine ^ theirs)}); predict both runs again on the same split."
        )
    for what in ("label", "kept"):
        differs = getattr(run, what) != getattr(first, what)
        if differs.any():
            row = int(differs.argmax())
            raise UserError(
                f"{run.path}: the image {str(run.ids[row])!r} of part {str(run.part[row])!r} has another "
                f"{what!r} than in {first.path}; predict both runs again on the same split."
            )


def _strings(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """Return a text column as a NumPy string array, which compares and sorts quickly."""
    return np.asarray(column.cast(pa.string()).to_pylist(), dtype=np.str_)
