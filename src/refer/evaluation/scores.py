"""The metrics of predictions: what one run says about one split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refer.errors import UserError
from refer.evaluation.averages import averages, of_classes
from refer.evaluation.predictions import Predictions

ECE_BINS = 15


class Metric(NamedTuple):
    """One number about one part: its value, over how many images, and how many of them were right."""

    name: str
    value: float
    n: int
    correct: int | None = None


def scored(run: Predictions) -> Iterator[tuple[str, Metric]]:
    """Yield every metric of a run on each split that it was tested on, of the images that count.

    Raises UserError where no image of a split counts; a fold whose people are all removed is left out.
    """
    for part in run.parts:
        counted = run.of(part)
        if not counted.any() and run.key.fold is not None:
            continue
        if not counted.any():
            raise UserError(
                f"{run.path}: no row of part {part!r} is kept, so there is nothing to score; "
                f"check the split of {run.key.paper} under the protocol {run.key.protocol!r}."
            )
        for metric in metrics(run.label[counted], run.probabilities[counted], run.classes):
            yield part, metric


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
