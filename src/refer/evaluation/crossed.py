"""How far a mean over seeds and images can be trusted, when both are samples: two crossed random effects.

Every seed answers every image, so the variance of the mean has a share of the seeds and one of the images. Both are
estimated by moments, without a model of either (Gao and Owen 2017, Electronic Journal of Statistics 11): the seeds'
share is the variance of their means, over S; what different seeds have in common on an image, the mean covariance of
two seeds, is the images' share, over n. Resampling both instead (Owen 2007, The pigeonhole bootstrap, Annals of
Applied Statistics 1) knows nothing of how little two or three seeds tell of their own variance.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
POWER = 0.8


class Shares(NamedTuple):
    """A mean, and the variance that the seeds and the images give it, each with its degrees of freedom.

    A single seed has 0 degrees of freedom: nobody knows how much another would differ. `fixed` is the variance that
    the images alone give the mean of these very networks; no interval is narrower than that allows.
    """

    mean: float
    seeds: float
    seeds_df: float
    images: float
    images_df: int
    fixed: float = 0.0


def shares(values: NDArray[Any], folds: NDArray[np.int64] | None = None) -> Shares:
    """Return the mean of `values` (seeds, images) and where its variance comes from.

    `folds` (images) says in which fold each image was tested. A fold has its own networks and its own people, so
    that not the images but the folds are the sample; there must be two at least. The images' share is then never less
    than that of images without folds (as Korn and Graubard 1998, Survey Methodology 24). What all folds owe to the
    people that their training sets share stays unseen, as to every estimate from one cross-validation (Bengio and
    Grandvalet 2004, Journal of Machine Learning Research 5).
    """
    seeds, images = values.shape
    means = values.mean(axis=1, dtype=np.float64)
    rest = values - means[:, None]
    of_images, fixed = _common(rest, images, images), _common(rest.mean(axis=0)[None], images, images)
    units = images
    if folds is not None:
        units = len(np.unique(folds))
        sums = np.stack([np.bincount(folds, weights=row).astype(np.float64) for row in rest])
        of_images = max(of_images, _common(sums, units, images))
        fixed = max(fixed, _common(sums.mean(axis=0)[None], units, images))
    of_seeds = float(means.var(ddof=1)) / seeds if seeds > 1 else 0.0
    return Shares(float(means.mean()), of_seeds, seeds - 1, of_images, units - 1, fixed)


def _common(rest: NDArray[np.float64], units: int, images: int) -> float:
    """Return the variance of a mean over `images` that its seeds have in common; of one seed, all of it.

    `rest` (seeds, units) are deviations from the seeds' means, summed within units.
    """
    product = rest @ rest.T
    seeds = len(product)
    common = product[0, 0] if seeds == 1 else (product.sum() - np.trace(product)) / (seeds * (seeds - 1))
    return max(float(common), 0.0) * units / max(units - 1, 1) / images**2


def half_width(found: Shares, level: float = LEVEL) -> float:
    """Return half the width of the interval of a mean whose two shares are normal.

    That is `joined`, or what the sampling of images alone gives these very networks, where that is wider: a few seeds
    that happen to agree make no interval narrower than it would be if there were no other seeds.
    """
    t = quantile(level, found.images_df)
    return max(joined(t * found.images**0.5, found, level), t * found.fixed**0.5)


def joined(images: float, found: Shares, level: float = LEVEL) -> float:
    """Return half the width that the images alone would give, widened by what the seeds add to it.

    With half widths s = t_f √(the seeds' share) and i: (s^e + i^e)^(1/e), the exponent e being 2 + 8/f² for f = S − 1.
    For many seeds that is Howe's square root of a sum of squares (1974, Journal of the American Statistical
    Association 69), which is too wide for few, as Welch and Satterthwaite's is too narrow: with two seeds it covers
    down to 87 % where 95 are meant. No smooth rule is exact (Linnik 1968, Statistical Problems with Nuisance
    Parameters). This exponent was found numerically: whatever the shares are, a 95 % interval covers 94.9 to 96.0 %
    with 3 seeds or more, and 95.0 to 97.8 with two (tests/evaluation/test_statistics.py integrates it).
    """
    if not found.seeds_df:
        return images
    seeds = quantile(level, found.seeds_df) * found.seeds**0.5
    larger = max(seeds, images)
    if larger in (0.0, float("inf")):
        return larger
    exponent = 2 + 8 / found.seeds_df**2
    return float(larger * ((seeds / larger) ** exponent + (images / larger) ** exponent) ** (1 / exponent))


def smallest_difference(found: Shares, power: float = POWER) -> float:
    """Return the smallest true difference from 0 that a test at 5 % finds with this power.

    The half width of the 95 % interval, plus the standard error times Student's quantile of the power: (t₀.₉₇₅ + t₀.₈)
    times the standard error for 80 % (Bloom 1995, Evaluation Review 19). The degrees of freedom of the second t are
    Satterthwaite's.
    """
    total = found.seeds + found.images
    if not total:
        return half_width(found)
    parts = [(found.images, found.images_df), (found.seeds, found.seeds_df)]
    df = total**2 / sum(share**2 / df for share, df in parts if df)
    return half_width(found) + quantile(2 * power - 1, df) * float(max(total, found.fixed)) ** 0.5


def p_value(found: Shares, value: float = 0.0) -> float:
    """Return the two-sided p of the true mean being `value`: 1 less the level whose interval just reaches it."""
    from scipy.optimize import brentq

    distance, smallest = abs(found.mean - value), 1e-12
    if not distance:
        return 1.0
    if half_width(found, 1 - smallest) <= distance:
        return smallest
    if half_width(found, smallest) >= distance:
        return 1.0
    return float(brentq(lambda p: half_width(found, 1 - p) - distance, smallest, 1 - smallest, xtol=1e-12))


def quantile(level: float, df: float | None = None) -> float:
    """Return Student's two-sided quantile, the normal one for None; without a degree of freedom all is possible."""
    from scipy.special import ndtri, stdtrit  # scipy.stats takes a second to start

    share = (1 + level) / 2
    return float(ndtri(share)) if df is None else float(stdtrit(df, share)) if df else float("inf")
