"""Predictions as evidence: checked file by file (`read_predictions`), and against each other (`read_all`).

Nothing is counted before both: no table can rest on seeds that were asked about different images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from refer import parquet, records
from refer.errors import UserError

AGAIN = "predict this run again."
SUM_TOLERANCE = 1e-3  # probabilities are stored as float32, and a half-precision softmax is off by a few 1e-4


COLUMN_TYPES: Sequence[tuple[Sequence[str], str, Callable[[pa.DataType], bool]]] = (
    (("id", "part"), "text", lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind)),
    (("kept",), "true or false", pa.types.is_boolean),
    (("label",), "whole numbers", pa.types.is_integer),
)
"""Columns, what they hold, and how that is told; all others hold probabilities."""


class RunKey(NamedTuple):
    """What names a run."""

    paper: str
    data: str
    protocol: str
    method: str
    seed: int
    fold: int | None = None

    @property
    def folder(self) -> str:
        """The run's folder, relative to the folder of its preset."""
        fold = "" if self.fold is None else f"-fold{self.fold}"
        return f"runs/{self.paper}/{self.data}/{self.protocol}/{self.method}/seed{self.seed}{fold}"

    @property
    def rank(self) -> tuple[str, str, str, str, int, int]:
        """What runs are sorted by; what holds for all folds of a seed stands before them."""
        return (*self[:5], -1 if self.fold is None else self.fold)


@dataclass(frozen=True)
class Predictions:
    """The checked content of one predictions.parquet, rows sorted by part and id; or of several folds, pooled.

    `ids` and `part` are string arrays of length N, `kept` is boolean (N), `label` holds class indices (N),
    `probabilities` is float64 (N, classes) in 0..1, each row summing to 1. `folds` are what `pooled` joined, and
    then no checkpoint is named.
    """

    path: Path
    key: RunKey
    preset: str
    dataset: str
    stand_in: bool
    classes: tuple[str, ...]
    checkpoint_sha256: str | None
    data_fingerprint: str
    ids: NDArray[np.str_]
    part: NDArray[np.str_]
    kept: NDArray[np.bool_]
    label: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    folds: tuple[Predictions, ...] = ()

    @property
    def runs(self) -> tuple[Predictions, ...]:
        """The single runs behind this: itself, or those of its folds."""
        return self.folds or (self,)

    @cached_property
    def parts(self) -> list[str]:
        """The parts that were predicted, in alphabetical order."""
        return sorted(set(self.part.tolist()))

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each row (N); of equal probabilities the first class counts."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def fold(self) -> NDArray[np.int64] | None:
        """The fold in which each row (N) was predicted, of several that were pooled; None elsewhere."""
        if not self.folds:
            return None
        ids, part = (np.concatenate([getattr(each, name) for each in self.folds]) for name in ("ids", "part"))
        fold = np.repeat([each.key.fold or 0 for each in self.folds], [len(each.ids) for each in self.folds])
        return fold[np.lexsort((ids, part))]

    def of(self, part: str) -> NDArray[np.bool_]:
        """Return which rows (N, boolean) count for `part`: those that the protocol keeps."""
        return (self.part == part) & self.kept

    def removed(self, part: str) -> int:
        """Return how many images of `part` the protocol leaves out."""
        return int(((self.part == part) & ~self.kept).sum())


def read_predictions(path: str | Path) -> Predictions:
    """Read and check one predictions.parquet.

    Raises UserError, naming the file and the row (counted from 0), where the file is absent or not ours, an
    id stands twice in a part, a label is out of range, or a row's probabilities are not finite, not within
    0..1, or do not sum to 1 within 1e-3.
    """
    path = Path(path)
    table = _read_table(path)
    meta = _metadata(path, table)
    key = RunKey(meta["paper"], meta["data"], meta["protocol"], meta["method"], meta["seed"], meta.get("fold"))
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

    Raises UserError where two files claim the same run; where runs of one paper, data set and protocol differ in
    their data or classes, give an image two labels, or come in different folds; and where two seeds of a method
    differ in their images. Methods may be asked about different images: not every image has its infrared pair.
    """
    once: dict[bytes, NDArray[Any]] = {}
    runs = sorted((_sharing(read_predictions(path), once) for path in paths), key=lambda run: run.key.rank)
    if not runs:
        raise UserError("No prediction files were given; expected at least one predictions.parquet.")
    tables: dict[tuple[str, ...], list[Predictions]] = {}
    seeds: dict[tuple[object, ...], Predictions] = {}
    for before, run in zip([None, *runs], runs, strict=False):
        if before is not None and before.key == run.key:
            raise UserError(f"{run.path}: the run {run.key.folder} was given twice, also as {before.path}.")
        table = tables.setdefault(run.key[:3], [])
        table.append(run)
        _check_same_data(run, table[0])
        _check_same_images(run, seeds.setdefault((*run.key[:4], run.key.fold), run))
    for table in tables.values():
        _check_labels([run for run in seeds.values() if run.key[:3] == table[0].key[:3]])
        _check_folds(table)
    return runs


def _sharing(run: Predictions, once: dict[bytes, NDArray[Any]]) -> Predictions:
    """Return a run that has equal columns in common with those read before it: ids take most of the memory."""
    shared: dict[str, Any] = {}
    for name in ("ids", "part", "kept", "label"):
        column = getattr(run, name)
        digest = hashlib.sha256(f"{column.dtype}".encode())
        digest.update(column.view(np.uint8))
        shared[name] = once.setdefault(digest.digest(), column)
    return replace(run, **shared)


def _read_table(path: Path) -> pa.Table:
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected predictions. Run the workflow, or pull them.")
    return parquet.read(path, again=AGAIN)


def _metadata(path: Path, table: pa.Table) -> dict[str, Any]:
    """Return what the file says about its run."""
    raw = (table.schema.metadata or {}).get(b"refer")
    if raw is None:
        raise UserError(f"{path}: the schema has no 'refer' metadata, so no run is named; {AGAIN}")
    return records.embedded(raw, records.Origin, f"{path}: the 'refer' metadata", AGAIN)


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
        kind = table.schema.field(name).type
        what, fits = next(
            ((what, fits) for names, what, fits in COLUMN_TYPES if name in names), ("numbers", pa.types.is_floating)
        )
        if not fits(kind):
            raise UserError(f"{path}: column {name!r} holds {kind}, expected {what}; predict this run again.")
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
    if not len(ids):
        raise UserError(f"{path}: holds no row; predict this run again.")
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
            (repeated(ids, part), lambda i: f"the id stands twice in part {str(part[i])!r}"),
        ]
    for wrong, found in checks:
        if wrong.any():
            row = int(wrong.argmax())
            raise UserError(f"{path}: row {row} (id {str(ids[row])!r}): {found(row)}; predict this run again.")


def repeated(ids: NDArray[np.str_], part: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return which rows (N, boolean) repeat an earlier pair of part and id."""
    order = np.lexsort((ids, part))
    same = (ids[order][1:] == ids[order][:-1]) & (part[order][1:] == part[order][:-1])
    result = np.zeros(len(ids), dtype=bool)
    result[order[1:][same]] = True
    return result


def _check_same_data(run: Predictions, first: Predictions) -> None:
    """Raise UserError unless two runs of one table are of the same data and classes."""
    for name in ("dataset", "preset", "stand_in", "classes", "data_fingerprint"):
        if getattr(run, name) != getattr(first, name):
            raise UserError(
                f"{run.path}: {name} is {getattr(run, name)!r}, but {getattr(first, name)!r} in "
                f"{first.path}; runs of one table must share it. Predict both again."
            )


def _check_same_images(run: Predictions, first: Predictions) -> None:
    """Raise UserError unless two seeds of one method were asked about the same images."""
    if not (np.array_equal(run.ids, first.ids) and np.array_equal(run.part, first.part)):
        mine, theirs = (set(zip(each.part.tolist(), each.ids.tolist(), strict=True)) for each in (run, first))
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


def _check_labels(runs: Sequence[Predictions]) -> None:
    """Raise UserError where one image has two labels in different methods or folds."""
    ids, label = (np.concatenate([getattr(run, name) for run in runs]) for name in ("ids", "label"))
    names, first, place = np.unique(ids, return_index=True, return_inverse=True)
    differs = label != label[first][place]
    if differs.any():
        row = int(differs.argmax())
        source = np.repeat(np.arange(len(runs)), [len(run.ids) for run in runs])
        one, other = runs[source[row]], runs[source[first[place[row]]]]
        raise UserError(
            f"{one.path}: the image {str(names[place[row]])!r} has another 'label' than in {other.path}; "
            "predict both runs again on the same data."
        )


def _check_folds(runs: Sequence[Predictions]) -> None:
    """Raise UserError unless every method and seed of a table comes in the same folds."""
    given: dict[tuple[str, int], dict[int | None, Predictions]] = {}
    for run in runs:
        given.setdefault((run.key.method, run.key.seed), {})[run.key.fold] = run
    known = {fold: run for each in given.values() for fold, run in each.items()}
    if len(known) > 1 and None in known:
        fold, whole = next(run for run in runs if run.key.fold is not None), known[None]
        raise UserError(
            f"{whole.path}: not divided into folds, but {fold.path} is; one of them is of another division of the "
            "data. Delete it, or run it again."
        )
    for each in given.values():
        missing = sorted(fold for fold in known if fold is not None and fold not in each)
        if missing:
            key = next(iter(each.values())).key._replace(fold=missing[0])
            raise UserError(
                f"{key.folder}: fold {missing[0]} is missing, but {known[missing[0]].path} was given; every method "
                "and seed of a protocol needs the same folds. Run the workflow for them."
            )


def _strings(column: pa.ChunkedArray) -> NDArray[np.str_]:
    """Return a text column as a NumPy string array, which compares and sorts quickly."""
    return np.asarray(column.cast(pa.string()).to_pylist(), dtype=np.str_)
