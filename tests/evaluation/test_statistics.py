"""What intervals cover and how often tests are wrong: by integration where that is exact, else by simulation."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as theirs
from statsmodels.stats.multitest import multipletests

from refer.evaluation.crossed import Shares, half_width, p_value, shares
from refer.evaluation.intervals import accuracy_interval, wilson
from refer.evaluation.paired import gain_interval, holm, mcnemar, paired_difference, paired_interval, unpaired_interval
from statistics_fixtures import answers, pair

TIMES = 2000


@pytest.mark.parametrize(
    ("seeds", "least", "most"),
    [(2, 0.95, 0.979), (3, 0.948, 0.9605), (4, 0.948, 0.957), (6, 0.949, 0.956), (20, 0.949, 0.954)],
)
def test_the_rule_covers_what_it_says_whatever_the_shares(seeds: int, least: float, most: float) -> None:
    """The images' share is known and 1, the true share of the seeds anything, what is seen of it a chi-square."""
    f = seeds - 1
    nodes = stats.chi2.ppf((np.arange(400) + 0.5) / 400, f) / f
    for true in (0.01, 0.1, 0.3, 0.5, 1, 2, 5, 20, 200):
        half = np.array([half_width(Shares(0.0, true * node, f, 1.0, 10**6)) for node in nodes])
        covered = np.mean(2 * stats.norm.cdf(half / np.sqrt(1 + true)) - 1)
        assert least <= covered <= most, (true, covered)


@pytest.mark.parametrize("images", [90, 400, 3589])
@pytest.mark.parametrize("accuracy", [0.45, 0.7, 0.95])
def test_wilsons_interval_covers_95_percent(images: int, accuracy: float) -> None:
    """Of single runs; the accuracy itself is drawn from a small range, for at a given one Wilson's goes up and down."""
    rng = np.random.default_rng(images)
    truth = rng.uniform(accuracy - 0.02, accuracy + 0.02, TIMES)
    right = rng.binomial(images, truth)
    ends = np.array([wilson(k, images)[:2] for k in right])
    covered = np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    assert 0.94 <= covered <= 0.96


def coverage(seeds: int, images: int, accuracy: float, spread: float, folds: int = 0) -> float:
    rng = np.random.default_rng(0)
    fold = np.repeat(np.arange(folds), images // folds) if folds else None
    drawn = (accuracy_interval(answers(rng, seeds, images, accuracy, spread, folds), fold) for _ in range(TIMES))
    return float(np.mean([interval.low <= accuracy <= interval.high for interval in drawn]))


@pytest.mark.parametrize(
    ("images", "accuracy", "spread"),
    [(90, 0.8, 0.01), (90, 0.95, 0.01), (400, 0.45, 0.03), (1000, 0.9, 0.01), (3589, 0.7, 0.0)],
)
def test_five_seeds_cover_95_percent(images: int, accuracy: float, spread: float) -> None:
    assert 0.94 <= coverage(5, images, accuracy, spread) <= 0.96


@pytest.mark.parametrize(
    ("images", "accuracy", "spread"),
    [(90, 0.8, 0.01), (90, 0.95, 0.01), (400, 0.45, 0.03), (1000, 0.7, 0.0), (3589, 0.7, 0.02)],
)
def test_three_seeds_cover_95_percent_or_little_more(images: int, accuracy: float, spread: float) -> None:
    assert 0.94 <= coverage(3, images, accuracy, spread) <= 0.97


@pytest.mark.parametrize(("images", "accuracy", "spread"), [(90, 0.8, 0.0), (400, 0.7, 0.01), (1000, 0.9, 0.03)])
def test_two_seeds_cover_95_percent_or_more(images: int, accuracy: float, spread: float) -> None:
    assert 0.945 <= coverage(2, images, accuracy, spread) <= 0.99


@pytest.mark.parametrize(
    ("seeds", "images", "spread", "folds"), [(1, 300, 0.0, 10), (1, 1000, 0.02, 4), (3, 1000, 0.02, 10)]
)
def test_folds_cover_what_images_alone_would_not(seeds: int, images: int, spread: float, folds: int) -> None:
    assert 0.94 <= coverage(seeds, images, 0.8, spread, folds) <= 0.975


def test_shares_are_those_of_an_analysis_of_variance() -> None:
    values = np.random.default_rng(1).random((3, 40))
    s, n = values.shape
    seeds, images, grand = values.mean(axis=1), values.mean(axis=0), values.mean()
    ms_seeds = n * ((seeds - grand) ** 2).sum() / (s - 1)
    ms_images = s * ((images - grand) ** 2).sum() / (n - 1)
    ms_rest = ((values - seeds[:, None] - images + grand) ** 2).sum() / ((s - 1) * (n - 1))
    found = shares(values)
    assert found.seeds == pytest.approx(ms_seeds / (s * n))
    assert found.images == pytest.approx(max((ms_images - ms_rest) / (s * n), 0))
    assert (found.seeds_df, found.images_df) == (2, 39)


@given(st.integers(0, 4), st.floats(0.001, 1), st.floats(0.001, 1), st.floats(-2, 2))
def test_p_and_interval_agree(df: int, seeds: float, images: float, mean: float) -> None:
    found = Shares(mean, seeds if df else 0.0, df, images, 50)
    p = p_value(found)
    assert 0 < p <= 1
    if abs(p - 0.05) > 1e-6:
        assert (p < 0.05) == (abs(mean) > half_width(found))


@given(st.integers(0, 2**31), st.integers(5, 60))
def test_mcnemar_is_that_of_statsmodels(seed: int, images: int) -> None:
    one, other = np.random.default_rng(seed).random((2, images)) < 0.6
    table = [[(one & other).sum(), (one & ~other).sum()], [(~one & other).sum(), (~one & ~other).sum()]]
    assert mcnemar(one, other) == pytest.approx(min(theirs(table, exact=True).pvalue, 1.0), abs=1e-12)


def test_mcnemar_of_the_textbook() -> None:
    # Agresti, Categorical Data Analysis, table 11.1: 86 and 150 changed their minds; z² = 17.36.
    one = np.repeat([True, False], [150, 86])
    assert mcnemar(one, ~one) == pytest.approx(stats.binomtest(86, 236).pvalue)
    assert mcnemar(one, ~one) < 1e-4


@pytest.mark.parametrize(
    ("seeds", "images", "accuracy", "spread"),
    [(1, 90, 0.8, 0.0), (1, 1000, 0.8, 0.0), (2, 400, 0.7, 0.01), (3, 90, 0.8, 0.01), (5, 400, 0.7, 0.02)],
)
def test_equal_methods_are_told_apart_in_one_of_twenty_cases_at_most(
    seeds: int, images: int, accuracy: float, spread: float
) -> None:
    rng = np.random.default_rng(0)
    wrong = [paired_difference(*pair(rng, seeds, images, accuracy, spread)).p <= 0.05 for _ in range(TIMES)]
    assert np.mean(wrong) <= 0.05 + 0.003  # a standard error of 2,000 simulations is half a percent


def test_swapping_answers_image_by_image_would_be_wrong_more_often() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(300):
        one, other = pair(rng, 3, 1000, 0.7, 0.02)
        gain = (other.astype(int) - one).sum(axis=0)
        gain = gain[gain != 0]
        sums = rng.choice([-1, 1], (200, len(gain))) @ gain
        wrong += np.mean(abs(sums) >= abs(gain.sum())) <= 0.05
    assert wrong / 300 > 0.15


def test_a_difference_that_is_there_is_found() -> None:
    rng = np.random.default_rng(2)
    one = rng.random((3, 2000)) < 0.70
    other = one | (rng.random((3, 2000)) < 0.15)
    found = paired_difference(one, other)
    assert found.p < 0.001
    assert found.low < found.difference < found.high
    assert (found.test, found.seeds, found.n) == ("crossed", 3, 2000)
    back = paired_difference(other, one)
    assert (back.difference, back.low, back.p) == pytest.approx((-found.difference, -found.high, found.p))


def test_the_interval_of_a_pair_is_bonett_and_prices() -> None:
    # Ten gained and two lost of 50; with one added to each: (11 − 3) / 52.
    one, other = np.zeros((2, 1, 50), dtype=bool)
    other[0, :10] = True
    one[0, 10:12] = True
    low, high, _ = paired_interval(one, other)
    p, q, n = 11 / 52, 3 / 52, 52
    error = stats.t.ppf(0.975, n - 1) * np.sqrt((p + q - (p - q) ** 2) / (n - 1))
    assert (low, high) == pytest.approx((p - q - error, p - q + error))


def test_equal_answers_have_an_interval_and_no_p() -> None:
    hits = np.random.default_rng(0).random((2, 100)) < 0.6
    found = paired_difference(hits, hits)
    assert (found.difference, found.p) == (0.0, 1.0)
    assert found.low < 0 < found.high


@pytest.mark.parametrize("seeds", [1, 3])
def test_folds_in_which_nothing_differs_are_not_certain_either(seeds: int) -> None:
    folds, wrong = np.repeat(np.arange(4), 10), np.zeros((seeds, 40), dtype=bool)
    found = paired_difference(wrong, wrong, folds)
    assert (found.difference, found.p) == (0.0, 1.0)
    assert found.low < 0 < found.high
    once = wrong.copy()
    once[:, ::10] = True  # an image more in each fold
    found = paired_difference(wrong, once, folds)
    assert found.low < 0.1 < found.high
    assert found.p > 0.001


@pytest.mark.parametrize(
    ("seeds", "removed", "right", "least", "most"),
    [(1, 840, 0.7, 0.935, 0.965), (1, 20, 0.7, 0.935, 0.975), (1, 4, 0.9, 0.935, 1.0), (3, 300, 0.7, 0.94, 0.985)],
)
def test_what_removed_images_add_is_covered(seeds: int, removed: int, right: float, least: float, most: float) -> None:
    rng, times, n = np.random.default_rng(3), 1000, 1000 + removed
    kept, covered = np.arange(n) >= removed, 0
    chance = np.where(kept, 0.6, right)
    for _ in range(times):
        # Half of the images' chances is their own, common to all seeds.
        known, own = rng.random(n) < chance, rng.random((seeds, n)) < chance
        hits = np.where(rng.random((seeds, n)) < 0.5, known, own)
        low, high, _ = gain_interval(hits, kept)
        covered += bool(low <= removed / n * (right - 0.6) <= high)
    assert least <= covered / times <= most


def test_unpaired_is_newcombes_for_single_runs() -> None:
    # Newcombe 1998 (Statistics in Medicine 17:873), example (a), method 10: 56/70 − 48/80: 0.0524 to 0.3339.
    one, other = ((np.arange(n) < k)[None] for k, n in ((48, 80), (56, 70)))
    assert unpaired_interval(one, other)[:2] == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_holm_of_a_worked_example() -> None:
    # Holm 1979: of 0.01, 0.04, 0.03, 0.005: 4 · 0.005, 3 · 0.01, 2 · 0.03, then never less.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    with mock.patch("gc.collect"):  # theirs collects garbage each time: a third of a second beside PyTorch
        assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])
