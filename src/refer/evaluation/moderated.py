"""The variance over seeds, moderated across the comparisons of a table.

Three seeds say little of how much seeds differ, but a table has many comparisons. Empirical Bayes draws each variance
towards what all of them have in common, and counts that as further degrees of freedom: limma's method (Smyth 2004,
Statistical Applications in Genetics and Molecular Biology 3), which was made for many genes and few arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from refer.evaluation.crossed import Shares

LEAST = 3
"""How many variances it takes at the least to estimate what they have in common."""
OUTLIER = 0.01
"""A variance so large that the common prior exceeds it with less than this probability is not moderated."""


class Prior(NamedTuple):
    """What variances have in common: they scatter as `variance` · `df` / a chi-square of `df` degrees of freedom.

    With infinite `df` they are all the same.
    """

    variance: float
    df: float


def prior(variances: ArrayLike, df: ArrayLike) -> Prior:
    """Return the common prior of sample variances, each with its degrees of freedom (> 0), by Smyth's moments.

    The logarithms of the variances scatter by trigamma(df/2) if the true variances are equal; what they scatter more
    is trigamma(prior df/2). Variances below a hundred-thousandth of the median are raised to it, as in limma.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    found, freedom = np.broadcast_arrays(np.asarray(variances, dtype=np.float64), np.asarray(df, dtype=np.float64))
    pooled = float(np.average(found, weights=freedom))
    if not np.median(found):
        return Prior(pooled, np.inf)
    logs = np.log(np.maximum(found, 1e-5 * np.median(found))) - digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, freedom / 2).mean())
    if excess <= polygamma(1, 1e6):
        return Prior(pooled, np.inf)
    half = np.exp(brentq(lambda x: polygamma(1, np.exp(x)) - excess, np.log(1e-4), np.log(1e7)))
    return Prior(float(np.exp(logs.mean() + digamma(half) - np.log(half))), float(2 * half))


def moderate(found: Sequence[Shares], methods: int | None = None) -> list[Shares]:
    """Return the comparisons of a table, their variances over seeds moderated.

    Args:
        found: the shares of every comparison, all on the same test set.
        methods: how many methods are compared; all pairs of a few methods are not as many independent comparisons.

    A comparison of a single seed stays as it is, so does one whose variance is an outlier (OUTLIER), and so do all
    where fewer than LEAST have several seeds. No comparison gets more degrees of freedom than all have together.
    """
    several = [each for each in found if each.seeds_df]
    if len(several) < LEAST:
        return list(found)
    df = np.array([each.seeds_df for each in several])
    common = prior([_variance(each) for each in several], df)
    most = float(df.sum()) * min(1.0, (methods or len(several)) / len(several))
    return [_moderated(each, common, most) if each.seeds_df else each for each in found]


def _variance(found: Shares) -> float:
    """Return the variance of the seeds' means: the seeds' share is that of their mean."""
    return found.seeds * (found.seeds_df + 1)


def _moderated(own: Shares, common: Prior, most: float) -> Shares:
    from scipy.special import fdtrc

    variance, df = _variance(own), min(common.df, most)
    if common.variance and fdtrc(own.seeds_df, df, variance / common.variance) < OUTLIER:
        return own
    weight = 1.0 if np.isinf(common.df) else common.df / (common.df + own.seeds_df)
    moderated = weight * common.variance + (1 - weight) * variance
    return own._replace(
        seeds=moderated / (own.seeds_df + 1), seeds_df=max(min(common.df + own.seeds_df, most), own.seeds_df)
    )
