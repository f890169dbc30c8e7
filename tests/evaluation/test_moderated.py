"""The variance over seeds, moderated across comparisons: against the F distribution, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from refer.evaluation.crossed import Shares, half_width, shares, smallest_difference
from refer.evaluation.moderated import moderate, prior
from refer.evaluation.paired import (
    Pair,
    difference_shares,
    holm_within,
    images_to_find,
    paired_difference,
    paired_differences,
)
from statistics_fixtures import pair


def seeds(variance: float, df: float = 2) -> Shares:
    """Return a comparison whose seeds' means have this variance."""
    return Shares(0.0, variance / (df + 1), df, 1e-6, 2999)


@pytest.mark.parametrize(("df", "true_df", "true"), [(2, 6.0, 2.0), (2, 4.0, 1e-4), (4, 20.0, 0.5)])
def test_the_prior_of_many_variances_is_that_which_they_were_drawn_from(df: int, true_df: float, true: float) -> None:
    rng = np.random.default_rng(0)
    own = true * true_df / rng.chisquare(true_df, 20_000)
    found = prior(own * rng.chisquare(df, 20_000) / df, df)
    assert found.variance == pytest.approx(true, rel=0.1)
    assert found.df == pytest.approx(true_df, rel=0.25)


def test_the_prior_has_the_moments_of_the_f_distribution() -> None:
    """Variances scatter as `variance` times F(2, prior df): the mean and variance of log F by SciPy's quantiles."""
    logs = np.random.default_rng(1).normal(-8, 2.5, 16)
    found = prior(np.exp(logs), 2)
    theirs = np.log(stats.f.ppf((np.arange(100_000) + 0.5) / 100_000, 2, found.df))
    assert np.log(found.variance) + theirs.mean() == pytest.approx(logs.mean(), abs=1e-3)
    assert theirs.var() == pytest.approx(logs.var(ddof=1), rel=1e-2)


def test_variances_that_scatter_no_more_than_chance_are_pooled() -> None:
    found = prior([1.0, 1.1, 0.9, 1.4], [1, 2, 2, 5])
    assert found.df == np.inf
    assert found.variance == pytest.approx((1.0 + 2 * 1.1 + 2 * 0.9 + 5 * 1.4) / 10)
    assert prior([0.0, 0.0, 0.0], 2) == (0.0, np.inf)


def test_a_variance_is_drawn_towards_the_others_by_their_degrees_of_freedom() -> None:
    variances = [1e-6, 2e-5, 4e-5, 3e-4, 1e-5, 8e-5]
    common = prior(variances, 2)
    assert np.isfinite(common.df)
    for own, each in zip(variances, moderate([seeds(v) for v in variances]), strict=True):
        by_hand = (common.df * common.variance + 2 * own) / (common.df + 2)
        assert (3 * each.seeds, each.seeds_df) == pytest.approx((by_hand, common.df + 2))


def test_no_comparison_gets_more_degrees_of_freedom_than_there_are() -> None:
    equal = [seeds(v) for v in (1.0, 1.1, 0.9, 1.2)]
    assert {each.seeds_df for each in moderate(equal)} == {8.0}
    assert {each.seeds_df for each in moderate(equal, methods=3)} == {6.0}  # all pairs of three are not four


def test_single_seeds_outliers_and_few_comparisons_stay_as_they_are() -> None:
    single = Shares(0.0, 0.0, 0, 1e-6, 2999)
    assert moderate([seeds(1.0), seeds(2.0), single]) == [seeds(1.0), seeds(2.0), single]
    rest = [seeds(v) for v in np.linspace(0.5, 1.5, 20)]
    found = moderate([*rest, seeds(400.0), single])
    assert found[-2:] == [seeds(400.0), single]
    assert all(each.seeds_df > 2 for each in found[:-2])


@pytest.mark.parametrize(
    ("images", "accuracy", "spread", "count"),
    [(300, 0.6, 0.0, 2), (300, 0.9, 0.015, 3), (1000, 0.6, 0.006, 3), (1000, 0.9, 0.015, 2), (1000, 0.6, 0.015, 5)],
)
def test_moderated_intervals_cover_95_percent_and_are_narrower(
    images: int, accuracy: float, spread: float, count: int
) -> None:
    """benchmarks/coverage.py has all cells, with 4,000 comparisons each."""
    rng, covered, widths = np.random.default_rng(0), [], []
    for _ in range(60):
        found = [difference_shares(*pair(rng, count, images, accuracy, spread)) for _ in range(16)]
        for own, each in zip(found, moderate(found), strict=True):
            covered.append(abs(each.mean) <= half_width(each))
            widths.append((half_width(own), half_width(each)))
    before, now = np.mean(widths, axis=0)
    assert 0.93 <= np.mean(covered) <= 0.98
    assert now < before
    if count == 3:
        assert now < 0.8 * before


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_no_interval_is_narrower_than_the_images_alone_allow(count: int) -> None:
    """Of networks that are fixed, the images are the sample: SciPy's interval of the mean over seeds of each image."""
    rng = np.random.default_rng(count)
    for _ in range(200):
        one, other = pair(rng, count, 300, 0.7, 0.0)
        # The two added images of Bonett and Price.
        gains = np.append((other.astype(int) - one).mean(axis=0), [1, -1])
        low, high = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
        found = paired_difference(one, other)
        assert found.high - found.low >= high - low - 1e-12


def test_some_intervals_were_narrower_than_that() -> None:
    rng = np.random.default_rng(0)
    found = [difference_shares(*pair(rng, 3, 300, 0.7, 0.0)) for _ in range(100)]
    assert sum(half_width(each) > half_width(each._replace(fixed=0.0)) for each in found) > 10


def test_a_single_seed_is_about_these_networks_alone() -> None:
    rng = np.random.default_rng(0)
    assert paired_difference(*pair(rng, 1, 300, 0.7, 0.01)).about == "these networks"
    assert paired_difference(*pair(rng, 3, 300, 0.7, 0.01)).about == "methods"
    folds = np.repeat(np.arange(10), 30)
    assert paired_difference(*pair(rng, 1, 300, 0.7, 0.01), folds).about == "methods"
    # Why: of two trainings that differ by 1.5 points, McNemar's test calls equal methods different far too often.
    wrong = [paired_difference(*pair(rng, 1, 3000, 0.9, 0.015)).p <= 0.05 for _ in range(200)]
    assert np.mean(wrong) > 0.3


def test_comparisons_of_a_table_are_moderated_and_one_alone_is_not() -> None:
    rng = np.random.default_rng(3)
    pairs = [Pair(*pair(rng, 3, 400, 0.7, 0.01)) for _ in range(8)]
    pairs.append(Pair(*pair(rng, 1, 400, 0.7, 0.01)))
    found = paired_differences(pairs)
    assert [each.test for each in found] == ["moderated"] * 8 + ["mcnemar"]
    for each, own in zip(found, pairs, strict=True):
        alone = paired_difference(*own)
        assert each.difference == alone.difference == pytest.approx(own.other.mean() - own.one.mean())
        assert each.low < each.difference < each.high
        assert (each.p < 0.05) == (each.low > 0 or each.high < 0) or each.test == "mcnemar"
    assert found[-1] == paired_difference(*pairs[-1])


@pytest.mark.parametrize(("images", "noise", "count"), [(1000, 0.006, 5), (3000, 0.0, 3), (3000, 0.01, 5)])
def test_the_smallest_difference_is_found_in_four_of_five_cases(images: int, noise: float, count: int) -> None:
    """Means over seeds and images that are normal, their variances as seen a chi-square: SciPy's normal and chi2."""
    rng, times = np.random.default_rng(0), 20_000
    of_seeds, of_images = noise**2 / count, 0.12 / images
    truth = smallest_difference(Shares(0.0, of_seeds, count - 1, of_images, images - 1))
    means = stats.norm.rvs(truth, np.sqrt(of_seeds + of_images), times, random_state=rng)
    seen = of_seeds * stats.chi2.rvs(count - 1, size=times, random_state=rng) / (count - 1)
    found = [
        abs(m) > half_width(Shares(m, v, count - 1, of_images, images - 1)) for m, v in zip(means, seen, strict=True)
    ]
    assert 0.77 <= np.mean(found) <= 0.87


def test_of_images_alone_the_smallest_difference_is_28_standard_errors() -> None:
    # z(0.975) + z(0.8) = 1.95996 + 0.84162.
    hits = np.random.default_rng(0).random((1, 100_000)) < 0.5
    found = shares(hits)
    assert smallest_difference(found) == pytest.approx((1.95996 + 0.84162) * found.images**0.5, rel=1e-4)


def test_a_fifth_of_60_000_images_finds_a_difference_of_two_networks_that_agree_on_most() -> None:
    """tran2023: 0.47 points between two networks of which one alone is right on 3.5 % of the images."""
    needed = images_to_find(0.0047, 0.035)
    assert needed == pytest.approx(12_500, rel=0.02)
    rng, times = np.random.default_rng(0), 4000
    gained, lost = rng.multinomial(needed, [0.035 / 2 + 0.00235, 0.035 / 2 - 0.00235, 0.965], times)[:, :2].T
    p = np.minimum(2 * stats.binom.cdf(np.minimum(gained, lost), gained + lost, 0.5), 1)
    assert np.mean(p <= 0.05) == pytest.approx(0.8, abs=0.03)
    assert images_to_find(-0.0047, 0.035) == needed
    for wrong in (0.0, 0.04):
        with pytest.raises(ValueError, match="discordance"):
            images_to_find(wrong, 0.035)


def test_holm_is_within_each_family() -> None:
    values = [0.01, 0.02, 0.03, 0.04, 0.004]
    families = ["tran2023", "feratt2019", "tran2023", "feratt2019", "tran2023"]
    found = holm_within(values, families)
    for family in ("tran2023", "feratt2019"):
        rows = [k for k, each in enumerate(families) if each == family]
        theirs = multipletests([values[k] for k in rows], method="holm")[1]
        assert [found[k] for k in rows] == pytest.approx(list(theirs))
    assert holm_within([], []) == []
