"""Predictions in, scores out: everything that one run says about one part, as rows of a long table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from refer.errors import UserError
from refer.evaluation.averages import averages, of_classes
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import Predictions, read_all
from refer.files import whole

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
        ("fold", pa.int64()),
        ("folds", pa.int64()),
        ("part", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("n", pa.int64()),
        ("correct", pa.int64()),
        ("checkpoint_sha256", pa.string()),
        ("run", pa.string()),
    ]
)


class Metric(NamedTuple):
    """One number about one part: its value, over how many images, and how many of them were right."""

    name: str
    value: float
    n: int
    correct: int | None = None


def score(predictions: Sequence[str | Path], out: str | Path) -> None:
    """Score every prediction file and write the long table `out` (columns: SCHEMA), sorted by run and part.

    The folds of a seed are scored one by one and once more together: a row of all of them names no `fold` and no
    checkpoint, and in `folds` how many they are. Equal input gives the same bytes whatever the order of
    `predictions`. Only rows with kept = true count.
    """
    runs = read_all(predictions)
    together = [each for each in pooled(runs) if each.folds]
    rows = [row for run in sorted([*runs, *together], key=lambda run: run.key.rank) for row in _rows(run)]
    with whole(out) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), temporary)


def metrics(label: NDArray[np.int64], probabilities: NDArray[np.float64], classes: Sequence[str]) -> list[Metric]:
    """Return every metric of one part, as fractions in 0..1 (`log_loss` in nats).

    `label` (N) indexes `classes`; `probabilities` is (N, classes). Averages run over the classes that have
    images in the part. A class that is never predicted has precision 0, as is customary, over n = 0 images;
    a class without images has no recall (NaN). Two numbers go by the name of F1: `macro_f1` is the mean of the
    classes' F1, `macro_f1_of_means` the harmonic mean of mean precision and mean recall (see `averages`); likewise
    weighted by support. Calibration error: Guo et al. 2017 (arXiv 1706.04599).
    """
    n = len(label)
    predicted = probabilities.argmax(axis=1)
    hits = np.bincount(label[predicted == label], minlength=len(classes))
    claimed = np.bincount(predicted, minlength=len(classes))
    support = np.bincount(label, minlength=len(classes))
    # Counted here, as scikit-learn would (a test compares): a reviewer's environment is to be small and to start fast.
    precision, recall, _ = of_classes(hits, claimed, support)
    right = int(hits.sum())
    result = [Metric("accuracy", right / n, n, right)]
    # Balanced accuracy is macro recall by definition.
    result += [Metric(name, float(value), n) for name, value in averages(hits, claimed, support).items()]
    for k, name in enumerate(classes):
        value = float(recall[k]) if support[k] else float("nan")
        result.append(Metric(f"recall:{name}", value, int(support[k]), int(hits[k])))
    for k, name in enumerate(classes):
        result.append(Metric(f"precision:{name}", float(precision[k]), int(claimed[k]), int(hits[k])))
    result.append(Metric("ece", calibration_error(label, probabilities), n))
    result.append(Metric("brier", brier(label, probabilities), n))
    result.append(Metric("log_loss", log_loss(label, probabilities), n))
    return result


def calibration_error(label: NDArray[np.int64], probabilities: NDArray[np.float64], bins: int = ECE_BINS) -> float:
    """Return the expected calibration error (0..1) over `bins` equal-width bins of the top probability."""
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) == label
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    gap = np.bincount(place, weights=hit - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(label))


def log_loss(label: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Return the mean negative logarithm (nats) of the true class's probability, which counts as 2.2e-16 at least."""
    least = np.finfo(np.float64).eps
    given = probabilities[np.arange(len(label)), label]
    return float(-np.log(np.clip(given, least, 1 - least)).mean())


def brier(label: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Return Brier's score (1950): the mean squared distance from the true class's corner, over all classes (0..2)."""
    truth = np.eye(probabilities.shape[1])[label]
    return float(np.square(probabilities - truth).sum(axis=1).mean())


def _rows(run: Predictions) -> Iterator[dict[str, Any]]:
    """Yield the rows of the long table for one run."""
    for part in run.parts:
        counted = run.of(part)
        if not counted.any() and run.key.fold is not None:
            continue  # the people of this fold are all removed; those of the others are counted
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
                "folds": len(run.folds) or None,
                "part": part,
                "metric": metric.name,
                "value": metric.value,
                "n": metric.n,
                "correct": metric.correct,
                "checkpoint_sha256": run.checkpoint_sha256,
                "run": run.key.folder,
            }
