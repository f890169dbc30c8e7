"""A reproduced number against a reported one: interval of the difference, test and verdict (docs/verdicts.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.crossed import LEVEL, POWER, Shares, joined, p_value, quantile, shares
from refer.evaluation.granularity import counts
from refer.evaluation.intervals import divided, image_interval, wilson
from refer.evaluation.paired import METHODS, NETWORKS

if TYPE_CHECKING:
    from refer.evaluation.departures import Departure

MARGIN = 2.0
"""Points within which two accuracies pass for the same; docs/verdicts.md says why."""
EQUIVALENCE = 0.90
"""Level of the interval that must lie within the margin: two one-sided tests at 5 % (Schuirmann 1987)."""
CORRELATION = 0.6
"""Of the right answers of two networks on the same images, taken where both numbers are of one test set: the least of
1,128 pairs of networks of different papers within 5 points of accuracy on FER2013 (docs/verdicts.md)."""
NOT_TESTED = "not tested at the paper's budget"
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, STAND_IN = "reproduced", "not reproduced", "inconclusive", "stand-in"
CANNOT_TELL = INCONCLUSIVE


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

    `low`, `high` and `p` take both numbers for samples of their own. `inner_low` and `inner_high` are the ends of the
    90 % interval that lies within the margin if the number is reproduced; it counts what images both share. `test` is
    "fisher" (both numbers counted, a single run) or "crossed". `images` is the size of test set that would settle it,
    None where this one does; `seeds` whether the seeds make it uncertain rather than the images. `about`: as of
    `paired.Difference`; a single seed says nothing of the method. `correlation` is that of right answers which was
    taken, 0 for different images. `departures` are those from the paper's budget.
    """

    difference: float
    low: float
    high: float
    p: float
    test: str
    verdict: str
    images: int | None
    seeds: bool
    inner_low: float
    inner_high: float
    about: str
    correlation: float
    departures: tuple[Departure, ...]


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


def against(
    values: NDArray[Any],
    folds: NDArray[np.int64] | None,
    stated: Claim,
    *,
    margin: float = MARGIN,
    shared: int = 0,
    correlation: float = CORRELATION,
    departures: Sequence[Departure] = (),
) -> Against:
    """Compare what was reproduced with a reported number.

    Args:
        values: (seeds, images) right and wrong answers, as booleans, for an accuracy; for another metric the
            pseudo-values of `refer.evaluation.averages`.
        folds: as in `crossed.shares`.
        stated: the reported number.
        margin: points within which two numbers pass for the same.
        shared: how many images both numbers are of: all where the test set is the same, 0 where that is not known. It
            counts only for an accuracy that is stated without a spread.
        correlation: of the right answers of the two networks on those images, at the least. Which of them the paper's
            network got right nobody knows; `correlation_of` measures it between networks that ran here.
        departures: those of the runs from the paper's budget; with any the number was not tested.

    The images that both share cancel in part. That counts for showing that the numbers agree: the variance of their
    difference is less by twice their covariance, which is `correlation` times the standard deviations of an answer,
    over the images. It does not count for showing that they differ, for there it would leave no room for the seed of
    the reported network, which nobody knows: so both verdicts are careful ones.
    """
    counted = values.dtype == np.bool_
    single = counted and len(values) == 1 and divided(folds) is None
    found = shares(values, divided(folds))
    difference = found.mean - stated.value
    theirs = ((stated.high - stated.low) / 2 / quantile(LEVEL)) ** 2
    both = _covariance(found, values.shape[1], stated, shared, correlation) if counted and stated.counts else 0.0
    together = min(both / math.sqrt(found.images * theirs), 1.0) if both else 0.0
    wide = _ends(difference, values, found, stated, single, LEVEL)
    inner = _ends(difference, values, found, stated, single, EQUIVALENCE, together)
    verdict = NOT_TESTED if departures else judge(wide, inner, margin)
    if single and stated.counts:
        p, test = fisher(int(values.sum()), values.shape[1], stated.counts, stated.n), "fisher"
    else:
        p, test = p_value(found._replace(mean=difference, images=found.images + theirs)), "crossed"
    undecided, known = verdict == INCONCLUSIVE, correlation if both else 0.0
    weight = 1.0 if counted else weight_of(values, folds)
    return Against(
        100 * difference,
        *wide,
        p,
        test,
        verdict,
        images_to_tell(found.mean, stated.value, margin, weight, known) if undecided else None,
        undecided and _seeds_weigh(values, folds),
        *inner,
        NETWORKS if len(values) == 1 and divided(folds) is None else METHODS,
        known,
        tuple(departures),
    )


def _covariance(found: Shares, images: int, stated: Claim, shared: int, correlation: float) -> float:
    """Return the covariance of an accuracy of so many images and a reported one, of which `shared` are the same.

    Answers of a reported network have no more in common with those of a method than its own seeds have.
    """
    spread = found.mean * (1 - found.mean) * stated.value * (1 - stated.value)
    return min(correlation * math.sqrt(spread) * shared / (images * stated.n), found.images)


def _ends(
    difference: float,
    values: NDArray[Any],
    found: Shares,
    stated: Claim,
    single: bool,
    level: float,
    together: float = 0.0,
) -> tuple[float, float]:
    """Return the interval of the difference in points: the sides of both numbers joined (Zou and Donner 2008).

    `together` is the correlation of the two numbers by the images that both are of. The images of both come first, the
    seeds widen what they give (`crossed.joined`). Of two single runs without it, it is Newcombe's (1998, Statistics in
    Medicine 17).
    """
    mean = found.mean
    low, high = wilson(values.sum(), values.size, level)[:2] if single else image_interval(values, found, level)
    narrower = quantile(level) / quantile(LEVEL)
    sides = [
        (mean - low, narrower * (stated.high - stated.value)),
        (high - mean, narrower * (stated.value - stated.low)),
    ]
    below, above = (
        joined(math.sqrt(max(ours**2 + theirs**2 - 2 * together * ours * theirs, 0.0)), found, level)
        for ours, theirs in sides
    )
    return 100 * (difference - below), 100 * (difference + above)


def correlation_of(hits: Sequence[NDArray[np.bool_]], near: float = 5.0) -> float:
    """Return the correlation that `against` may take of numbers of one test set: at most CORRELATION.

    It is the least correlation of right answers between two methods of about the same accuracy (within `near` points),
    the mean over all pairs of their seeds.

    Args:
        hits: of each method the right answers (seeds, images), all on the same images in the same order.
        near: how far the accuracies of two methods may lie apart, in points.
    """
    least = CORRELATION
    for k, one in enumerate(hits):
        for other in hits[:k]:
            if abs(one.mean() - other.mean()) * 100 <= near:
                rows = np.corrcoef(np.vstack([one, other]))[: len(one), len(one) :]
                least = min(least, float(np.nanmean(rows))) if np.isfinite(rows).any() else least
    return max(least, 0.0)


def weight_of(values: NDArray[np.float64], folds: NDArray[np.int64] | None) -> float:
    """Return how many images of an accuracy tell as much as one image of a metric, given its pseudo-values.

    That is the variance of an accuracy of the metric's size over the metric's own, in a single run; folds count as in
    `crossed.shares`. A macro average rests on its rarest class, so that an image of it counts for less than one.
    """
    mean, images = float(values.mean()), values.shape[1]
    single = float(np.mean([shares(row[None], divided(folds)).images for row in values]))
    return mean * (1 - mean) / (images * single) if single > 0 and 0 < mean < 1 else 1.0


def judge(wide: tuple[float, float], inner: tuple[float, float], margin: float = MARGIN) -> str:
    """Return the verdict on a difference of which the 95 % interval is `wide` and the 90 % interval `inner`, in points.

    Reproduced: the inner interval lies within ± `margin`. Not reproduced: it does not, and the wide one excludes 0.
    Anything else is inconclusive.
    """
    low, high = inner
    if -margin <= low and high <= margin:
        return REPRODUCED
    return NOT_REPRODUCED if wide[0] > 0 or wide[1] < 0 else INCONCLUSIVE


def fisher(right: int, n: int, other: Sequence[int], other_n: int) -> float:
    """Return Fisher's exact two-sided p of `right` of `n` and `other` of `other_n` having the same chance.

    Of several counts that are printed alike, the one that differs least (the largest p) is taken.
    """
    from scipy.stats import fisher_exact

    nearest = min(other, key=lambda k: abs(k / other_n - right / n))
    return float(fisher_exact([[right, n - right], [nearest, other_n - nearest]]).pvalue)


def images_to_tell(
    one: float, other: float, margin: float = MARGIN, weight: float = 1.0, correlation: float = 0.0
) -> int:
    """Return how many test images two accuracies need (fractions) for a verdict in four of five cases.

    The smaller of what finds the difference that was seen (two-sided 5 %, power 80 %) and, where it is less than
    `margin` points, what shows it to be within them (two one-sided 5 %). `weight` is that of another metric's image,
    see `weight_of`. `correlation` is that of right answers, where both are of the same images.
    """
    gap = abs(one - other)
    spread = one * (1 - one) + other * (1 - other)
    z, z_power = quantile(LEVEL), quantile(2 * POWER - 1)
    sizes = []
    if gap > 0:  # Fleiss, Levin and Paik 2003, Statistical Methods for Rates and Proportions, chapter 4
        pooled = (one + other) / 2
        sizes.append((z * math.sqrt(2 * pooled * (1 - pooled)) + z_power * math.sqrt(spread)) ** 2 / gap**2)
    if (room := margin / 100 - gap) > 0:
        spread -= 2 * correlation * math.sqrt(one * (1 - one) * other * (1 - other))
        sizes.append((quantile(EQUIVALENCE) + quantile(POWER)) ** 2 * spread / room**2)
    return math.ceil(min(sizes) / weight)


def discordance_of(one: float, other: float, correlation: float = CORRELATION) -> float:
    """Return the share of images that only one of two networks gets right, given both accuracies (fractions).

    For `paired.images_to_find`, where it was not measured: with the least correlation of right answers, it is the
    largest share.
    """
    agreed = correlation * math.sqrt(one * (1 - one) * other * (1 - other))
    return max(one + other - 2 * (one * other + agreed), abs(one - other))


def _seeds_weigh(values: NDArray[Any], folds: NDArray[np.int64] | None) -> bool:
    """Whether the seeds widen the interval by more than the images would have made it alone."""
    if len(values) == 1:
        return False
    found = shares(values, divided(folds))
    images = quantile(LEVEL, found.images_df) * math.sqrt(found.images)
    return joined(images, found) > 2 * images
