"""Two methods compared: on the same test images (tests and intervals of the difference), and on different ones."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.crossed import LEVEL, POWER, Shares, half_width, p_value, quantile, shares, smallest_difference
from refer.evaluation.intervals import Interval, accuracy_interval
from refer.evaluation.moderated import moderate

Hits = NDArray[np.bool_]
"""Which answers are right: (seeds, images)."""


METHODS, NETWORKS = "methods", "these networks"
"""What a comparison is about: methods, whatever the seed, or two trained networks and no others of their methods."""


class Difference(NamedTuple):
    """How much more accurate one method is than another on the same images (fractions in −1..1).

    `test` names where `p` comes from: "mcnemar", "crossed" or "moderated". `p` is two-sided and stands for this
    comparison alone. `about` is METHODS, or NETWORKS where there is a single seed: then interval and p say nothing of
    the methods. `smallest` is the smallest difference that would have been found with a power of 80 %.
    """

    difference: float
    low: float
    high: float
    p: float
    test: str
    seeds: int
    n: int
    about: str
    smallest: float


class Pair(NamedTuple):
    """Answers of two methods, `one` and `other` (seeds, images): row k of the same seed, column i of the same image.

    `folds` (images) as in `crossed.shares`.
    """

    one: Hits
    other: Hits
    folds: NDArray[np.int64] | None = None


def paired_difference(one: Hits, other: Hits, folds: NDArray[np.int64] | None = None) -> Difference:
    """Return accuracy(`other`) − accuracy(`one`) with its 95 % interval and its p; arguments as of `Pair`.

    A single seed without folds: the exact McNemar test; its hypothesis is that these two trained networks are right
    equally often. It says nothing of the methods: single trainings of two equally accurate methods differ by that test
    in 3 to 54 % of the cases (docs/verdicts.md). Otherwise the images (or folds) and the seeds are both samples, and
    the hypothesis is that the methods are right equally often: the p of `crossed.p_value`. Swapping the methods'
    answers image by image, a common permutation test, would hold the networks for all that there are: with two points
    between three seeds on 1,000 images it finds a difference where there is none in a fifth of the cases.
    """
    return paired_differences([Pair(one, other, folds)])[0]


def paired_differences(pairs: Sequence[Pair], methods: int | None = None) -> list[Difference]:
    """Return `paired_difference` of every comparison of a table, their variances over seeds moderated.

    Args:
        pairs: all comparisons of the table, on the same test set.
        methods: how many methods are compared, as `moderated.moderate` takes it.
    """
    found = [difference_shares(*pair) for pair in pairs]
    return [
        _difference(pair, own, drawn) for pair, own, drawn in zip(pairs, found, moderate(found, methods), strict=True)
    ]


def _difference(pair: Pair, own: Shares, moderated: Shares) -> Difference:
    one, other, folds = pair
    low, high, _ = _interval(moderated)
    alone = len(one) == 1 and folds is None
    gain, size = float(other.mean() - one.mean()), (len(one), one.shape[1])
    smallest = smallest_difference(moderated)
    if alone:
        return Difference(gain, low, high, mcnemar(one[0], other[0]), "mcnemar", *size, NETWORKS, smallest)
    test = "crossed" if moderated == own else "moderated"
    return Difference(gain, low, high, p_value(moderated), test, *size, METHODS, smallest)


def paired_interval(one: Hits, other: Hits, folds: NDArray[np.int64] | None = None) -> Interval:
    """Return the 95 % interval of accuracy(`other`) − accuracy(`one`), a fraction in −1..1, on the same images.

    Two images are added, one that each method alone gets right, as Bonett and Price do for matched proportions
    (2012, Journal of Educational and Behavioral Statistics 37): so no exception is needed where few answers differ.
    Several seeds are joined as in `crossed`. Folds get the variance of the two added images at the least, so that
    methods whose answers differ in no fold, or in all alike, are not certain to differ.
    """
    return _interval(difference_shares(one, other, folds))


def unpaired_interval(
    one: Hits, other: Hits, folds: tuple[NDArray[np.int64] | None, NDArray[np.int64] | None] = (None, None)
) -> Interval:
    """Return the 95 % interval of accuracy(`other`) − accuracy(`one`), a fraction in −1..1, on different images.

    `folds` are those of either, as in `crossed.shares`. Their own intervals are joined (Zou and Donner 2008, Statistics
    in Medicine 27); with single seeds, whose intervals are Wilson's, that is Newcombe's (1998, Statistics in Medicine
    17).
    """
    (a, a_low, a_high), (b, b_low, b_high) = (
        (float(hits.mean()), *accuracy_interval(hits, of)[:2]) for hits, of in zip((one, other), folds, strict=True)
    )
    low = b - a - np.hypot(b - b_low, a_high - a)
    high = b - a + np.hypot(b_high - b, a - a_low)
    return Interval(max(float(low), -1.0), min(float(high), 1.0), "unpaired")


def gain_interval(hits: Hits, kept: NDArray[np.bool_], folds: NDArray[np.int64] | None = None) -> Interval:
    """Return the 95 % interval of how much more accurate `hits` are on all images than on those `kept` (images).

    A fraction in −1..1; `folds` (images) as in `crossed.shares`. The same networks answer both, so that what they have
    in common does not count, and the shares of kept and of other images add up. Each of the two groups gets a right and
    a wrong answer more (Agresti and Caffo 2000, The American Statistician 54), so that a handful of removed images that
    are all right is not certain.
    """
    share = float((~kept).mean())
    more = np.tile(np.array([True, False]), (len(hits), 1))
    groups = [shares(np.hstack([hits[:, each], more])) for each in (kept, ~kept)]
    means = [hits[:, each].mean(axis=1, keepdims=True) for each in (kept, ~kept)]
    # What each image adds to the gain, seed by seed: its mean is the gain, its variance that of both groups.
    adds = share * (means[1] - means[0])
    adds = adds + np.where(kept, share / (1 - share) * (means[0] - hits), hits - means[1])
    images, found = share**2 * (groups[0].images + groups[1].images), shares(adds, folds)
    if folds is None:
        return _interval(found._replace(images=images, images_df=groups[1].images_df))
    return _interval(found._replace(images=max(found.images, images)))


def mcnemar(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the exact two-sided p of McNemar's test on answers (images) that are right or wrong."""
    from scipy.stats import binomtest

    gained, lost = int((other & ~one).sum()), int((one & ~other).sum())
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's method (1979) for how many they are, in the given order."""
    # Written out, for that of statsmodels collects garbage each time; a test compares them.
    order = np.argsort(values, kind="stable")
    steps = np.asarray(values, dtype=np.float64)[order] * np.arange(len(values), 0, -1)
    result = np.empty(len(values))
    result[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in result]


def holm_within(values: Sequence[float], families: Sequence[Hashable]) -> list[float]:
    """Return p values adjusted by Holm's method within their families, in the given order.

    Args:
        values: the p values.
        families: of each value the family, such as the paper whose claim is tested. Claims of other papers are other
            questions, and do not make one paper's claim harder to show.
    """
    result = np.empty(len(values))
    for family in dict.fromkeys(families):
        rows = [k for k, each in enumerate(families) if each == family]
        result[rows] = holm([values[k] for k in rows])
    return [float(value) for value in result]


def images_to_find(difference: float, discordance: float, power: float = POWER) -> int:
    """Return how many images two networks must both be tested on so that McNemar's test finds their difference.

    Two-sided, at 5 %. `difference` (not 0) is that of their accuracies, `discordance` the share of images that only one
    of the two gets right, fractions; at least as large. n = (z₀.₉₇₅ √d + z_power √(d − δ²))² / δ² (Connor 1987,
    Biometrics 43).
    """
    gap = abs(difference)
    if not 0 < gap <= discordance:
        raise ValueError(f"a difference of {difference:g} needs 0 < |difference| <= discordance, found {discordance:g}")
    z, z_power = quantile(LEVEL), quantile(2 * power - 1)
    return math.ceil((z * math.sqrt(discordance) + z_power * math.sqrt(discordance - gap**2)) ** 2 / gap**2)


def _interval(found: Shares) -> Interval:
    half = half_width(found)
    return Interval(max(found.mean - half, -1.0), min(found.mean + half, 1.0), "paired")


def difference_shares(one: Hits, other: Hits, folds: NDArray[np.int64] | None = None) -> Shares:
    """Return where the variance of the difference comes from."""
    values = other.astype(np.int8) - one.astype(np.int8)
    added = np.tile(np.array([1, -1], dtype=np.int8), (len(values), 1))
    found = shares(np.hstack([values, added]))
    if folds is None:
        return found
    of_folds = shares(values, folds)
    return of_folds._replace(images=max(of_folds.images, found.images))
