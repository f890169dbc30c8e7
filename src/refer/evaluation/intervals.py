"""How far an accuracy, or another metric, can be trusted: intervals over test images and over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.crossed import LEVEL, Shares, joined, quantile, shares


class Interval(NamedTuple):
    """A 95 % interval (fractions in 0..1) and how it was made: "wilson", "jackknife" or "crossed"."""

    low: float
    high: float
    method: str


def wilson(correct: float, n: float, level: float = LEVEL) -> Interval:
    """Return Wilson's score interval (1927) of `correct` right answers out of `n` > 0 images."""
    # Written out, for statsmodels takes seconds to start; tests/evaluation/test_intervals.py compares them.
    z = quantile(level)
    middle = (correct + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(correct * (n - correct) / n + z**2 / 4)
    return Interval(max(middle - half, 0.0), min(middle + half, 1.0), "wilson")


def accuracy_interval(hits: NDArray[np.bool_], folds: NDArray[np.int64] | None = None) -> Interval:
    """Return the 95 % interval of the mean accuracy of `hits` (seeds, images).

    For one seed Wilson's, which counts the sampling of test images only. For several, and for folds (see
    `crossed.shares`), test images and seeds both count: Wilson's interval for as many independent images as would
    give the images' share of the variance (Korn and Graubard 1998, Survey Methodology 24), each of its sides
    widened by the seeds' share (`crossed.joined`; Zou and Donner 2008, Statistics in Medicine 27, for sides that
    differ). tests/evaluation/test_statistics.py simulates what it covers: 95 ± 1 % with 5 seeds, 95 to 96.5 % with 3,
    95 to 98 % with 2, which is wide.
    """
    folds = divided(folds)
    if len(hits) == 1 and folds is None:
        return wilson(int(hits[0].sum()), hits.shape[1])
    return _crossed(hits, folds)


def metric_interval(values: NDArray[np.float64], folds: NDArray[np.int64] | None = None) -> Interval:
    """Return the 95 % interval of a metric that is no mean over images, from its pseudo-values (seeds, images).

    As `accuracy_interval`, with `averages.pseudo_values` for right and wrong: Wilson's for as many images as would give
    an accuracy of this size the metric's variance. For one seed it is called "jackknife". What it covers
    tests/evaluation/test_statistics_metrics.py simulates.
    """
    folds = divided(folds)
    found = _crossed(values, folds)
    return found._replace(method="jackknife") if len(values) == 1 and folds is None else found


def interval_of(values: NDArray[Any], folds: NDArray[np.int64] | None = None) -> Interval:
    """Return the interval of `values` (seeds, images): an accuracy's if they are booleans, right or wrong."""
    return accuracy_interval(values, folds) if values.dtype == np.bool_ else metric_interval(values, folds)


def divided(folds: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Return the folds, or None where there are fewer than two, which tell nothing of how folds differ."""
    return None if folds is None or len(np.unique(folds)) < 2 else folds


def image_interval(values: NDArray[Any], found: Shares, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval of the mean of `values` (seeds, images) that the sampling of images alone gives it.

    Wilson's for as many independent images as give the images' share of `found`, which is `crossed.shares` of them.
    """
    mean, size = found.mean, float(values.shape[1])
    if found.images > 0 and 0 < mean < 1:
        size = mean * (1 - mean) / found.images * (quantile(level) / quantile(level, found.images_df)) ** 2
    return wilson(mean * size, size, level)[:2]


def _crossed(values: NDArray[Any], folds: NDArray[np.int64] | None) -> Interval:
    found = shares(values, folds)
    mean, (low, high) = found.mean, image_interval(values, found)
    return Interval(max(mean - joined(mean - low, found), 0.0), min(mean + joined(high - mean, found), 1.0), "crossed")


def mean_sd(values: Sequence[float] | NDArray[np.float64]) -> tuple[float, float | None]:
    """Return mean and sample standard deviation (ddof = 1); None for a single value, which has no spread."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None
