"""A reproduced number against a reported one: interval of the difference, test and verdict (docs/verdicts.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.crossed import LEVEL, joined, p_value, quantile, shares
from refer.evaluation.granularity import counts
from refer.evaluation.intervals import divided, interval_of, wilson

MARGIN = 2.0
"""Points within which two accuracies pass for the same; docs/verdicts.md says why."""
REPRODUCED, NOT_REPRODUCED, CANNOT_TELL, STAND_IN = "reproduced", "not reproduced", "cannot tell", "stand-in"
POWER = 0.8


class Claim(NamedTuple):
    """A reported number as the sample that it is (fractions in 0..1).

    `counts` are the numbers of right answers out of `n` that are printed so: none where no number is, as for 90.95 %
    of 3,068, and none of a metric that is no share of images. `assumed`: the paper does not say n, and that of the
    part tested here is taken.
    """

    value: float
    low: float
    high: float
    n: int
    counts: tuple[int, ...]
    assumed: bool


class Against(NamedTuple):
    """Reproduced less reported, in points, with its 95 % interval, its p and the verdict.

    `test` is "fisher" (both numbers counted, a single run) or "crossed". `images` is the size of test set that could
    tell, None where this one can; `seeds` whether the seeds make it uncertain rather than the images.
    """

    difference: float
    low: float
    high: float
    p: float
    test: str
    verdict: str
    images: int | None
    seeds: bool


def claim(
    value: float,
    n: int,
    *,
    assumed: bool = False,
    sd: float | None = None,
    folds: int | None = None,
    weight: float | None = None,
    decimals: int | None = None,
) -> Claim:
    """Return a reported accuracy (percent) of `n` images with its own 95 % interval.

    Wilson's from the counts that would be printed so; where a standard deviation `sd` over `folds` is stated, Student's
    from that, which also counts people and networks. For a metric that is no share of images, `weight` is of how many
    images of such a share one of its images counts (see `weight_of`), and the interval Wilson's of so many. `decimals`
    are those that are printed, where the number ends on 0; see `counts`.
    """
    share = value / 100
    if sd is not None and folds is not None and folds > 1:
        half = quantile(LEVEL, folds - 1) * sd / 100 / math.sqrt(folds)
        return Claim(share, max(share - half, 0.0), min(share + half, 1.0), n, (), assumed)
    found = counts(value, n, decimals) if weight is None else ()
    size = n if weight is None else n * weight
    ends = (found[0], found[-1]) if found else (share * size, share * size)
    return Claim(share, wilson(ends[0], size).low, wilson(ends[1], size).high, n, found, assumed)


def against(values: NDArray[Any], folds: NDArray[np.int64] | None, stated: Claim, *, margin: float = MARGIN) -> Against:
    """Compare what was reproduced with a reported number.

    `values` (seeds, images) are right and wrong answers, as booleans, for an accuracy; for another metric the
    pseudo-values of `refer.evaluation.averages`.

    Both are taken for samples of their own, though they may be of the same images: which of these the paper's network
    got right, nobody knows. So the interval (of both, joined: Zou and Donner 2008, Statistics in Medicine 27) is
    rather too wide, and a verdict rather too careful.
    """
    mean, images = float(values.mean()), values.shape[1]
    low, high, _ = interval_of(values, folds)
    difference = mean - stated.value
    ends = (
        100 * (difference - math.hypot(mean - low, stated.high - stated.value)),
        100 * (difference + math.hypot(high - mean, stated.value - stated.low)),
    )
    verdict = judge(*ends, margin)
    share = values.dtype == np.bool_
    if share and len(values) == 1 and folds is None and stated.counts:
        p, test = fisher(int(values.sum()), images, stated.counts, stated.n), "fisher"
    else:
        found = shares(values, divided(folds))
        theirs = ((stated.high - stated.low) / 2 / quantile(LEVEL)) ** 2
        found = found._replace(mean=difference, images=found.images + theirs)
        p, test = p_value(found), "crossed"
    undecided = verdict == CANNOT_TELL
    weight = 1.0 if share else weight_of(values, folds)
    needed = images_to_tell(mean, stated.value, margin, weight) if undecided else None
    return Against(100 * difference, *ends, p, test, verdict, needed, undecided and _seeds_weigh(values, folds))


def weight_of(values: NDArray[np.float64], folds: NDArray[np.int64] | None) -> float:
    """Return how many images of an accuracy tell as much as one image of a metric, given its pseudo-values.

    That is the variance of an accuracy of the metric's size over the metric's own, in a single run; folds count as in
    `crossed.shares`. A macro average rests on its rarest class, so that an image of it counts for less than one.
    """
    mean, images = float(values.mean()), values.shape[1]
    single = float(np.mean([shares(row[None], divided(folds)).images for row in values]))
    return mean * (1 - mean) / (images * single) if single > 0 and 0 < mean < 1 else 1.0


def judge(low: float, high: float, margin: float = MARGIN) -> str:
    """Return the verdict on a difference whose 95 % interval is `low` to `high`, in points.

    Reproduced: the interval lies within ± `margin`. Not reproduced: it does not, and excludes 0. Else nobody can tell.
    """
    if -margin <= low and high <= margin:
        return REPRODUCED
    return NOT_REPRODUCED if low > 0 or high < 0 else CANNOT_TELL


def fisher(right: int, n: int, other: Sequence[int], other_n: int) -> float:
    """Return Fisher's exact two-sided p of `right` of `n` and `other` of `other_n` having the same chance.

    Of several counts that are printed alike, the one that differs least (the largest p) is taken.
    """
    from scipy.stats import fisher_exact

    nearest = min(other, key=lambda k: abs(k / other_n - right / n))
    return float(fisher_exact([[right, n - right], [nearest, other_n - nearest]]).pvalue)


def images_to_tell(one: float, other: float, margin: float = MARGIN, weight: float = 1.0) -> int:
    """Return how many test images each of two accuracies needs (fractions) for a verdict in four of five cases.

    The smaller of what finds the difference that was seen (two-sided 5 %, power 80 %) and, where it is less than
    `margin` points, what shows it to be within them. `weight` is that of another metric's image, see `weight_of`.
    """
    from scipy.special import ndtri

    alpha, gap = 0.05, abs(one - other)
    spread = one * (1 - one) + other * (1 - other)
    sizes = []
    if gap > 0:  # Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, chapter 4
        pooled = (one + other) / 2
        under_no_difference = ndtri(1 - alpha / 2) * math.sqrt(2 * pooled * (1 - pooled))
        sizes.append((under_no_difference + ndtri(POWER) * math.sqrt(spread)) ** 2 / gap**2)
    if (room := margin / 100 - gap) > 0:
        sizes.append((ndtri(1 - alpha / 2) + ndtri(1 - (1 - POWER) / 2)) ** 2 * spread / room**2)
    return math.ceil(min(sizes) / weight)


def _seeds_weigh(values: NDArray[Any], folds: NDArray[np.int64] | None) -> bool:
    """Whether the seeds widen the interval by more than the images would have made it alone."""
    if len(values) == 1:
        return False
    found = shares(values, divided(folds))
    images = quantile(LEVEL, found.images_df) * math.sqrt(found.images)
    return joined(images, found) > 2 * images
