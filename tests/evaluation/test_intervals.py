"""Intervals against published numbers, closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from refer.evaluation.intervals import accuracy_interval, mean_sd, wilson


def test_wilson_gives_the_worked_example() -> None:
    # 76 of 90: shared/papers/FACTS.md, naseem2025.
    low, high, method = wilson(76, 90)
    assert (round(100 * low, 1), round(100 * high, 1), method) == (75.6, 90.5, "wilson")


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_that_of_statsmodels(counts: tuple[int, int]) -> None:
    k, n = counts
    low, high, _ = wilson(k, n)
    assert (low, high) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)
    assert -1e-12 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1 + 1e-12


def test_one_seed_gets_wilson_and_several_the_crossed_interval() -> None:
    hits = np.random.default_rng(0).random((3, 200)) < 0.7
    assert accuracy_interval(hits[:1]) == wilson(int(hits[0].sum()), 200)
    assert accuracy_interval(hits).method == "crossed"


@pytest.mark.parametrize("right", [True, False])
def test_a_perfect_score_has_no_interval_of_width_zero(right: bool) -> None:
    interval = accuracy_interval(np.full((3, 50), right))
    assert interval[:2] == pytest.approx(wilson(50 * right, 50)[:2], abs=1e-9)
    assert interval.high - interval.low > 0.05


def test_the_order_of_seeds_and_images_is_no_matter() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random((3, 500)) < 0.6
    interval = accuracy_interval(hits)
    assert accuracy_interval(hits[::-1][:, rng.permutation(500)])[:2] == pytest.approx(interval[:2], abs=1e-12)


def test_equal_seeds_give_the_interval_of_the_images_alone() -> None:
    row = np.arange(4000) < 2800
    assert accuracy_interval(np.stack([row, row]))[:2] == pytest.approx(wilson(2800, 4000)[:2], abs=1e-4)


def test_the_interval_widens_with_the_spread_between_seeds() -> None:
    n = np.arange(1000)
    narrow, wide = (accuracy_interval(np.stack([n < a, n < b, n < c])) for a, b, c in [(700,) * 3, (660, 700, 740)])
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_folds_that_differ_widen_it_and_folds_that_agree_never_narrow_it() -> None:
    rng = np.random.default_rng(3)
    folds = np.repeat(np.arange(10), 60)
    alike = rng.random((1, 600)) < 0.7
    apart = rng.random((1, 600)) < np.repeat(np.linspace(0.45, 0.95, 10), 60)
    widths = []
    for hits in (alike, apart):
        low, high, method = accuracy_interval(hits, folds)
        assert method == "crossed"
        plain = wilson(int(hits.sum()), 600)
        assert high - low >= plain.high - plain.low
        widths.append(high - low)
    assert widths[1] > 1.5 * widths[0]


def test_a_single_fold_is_no_sample_of_folds() -> None:
    hits = np.random.default_rng(0).random((1, 200)) < 0.7
    assert accuracy_interval(hits, np.zeros(200, dtype=np.int64)) == wilson(int(hits.sum()), 200)


@given(st.integers(2, 5), st.integers(20, 200), st.integers(0, 2**31))
def test_an_interval_is_within_0_and_1_around_the_mean(seeds: int, images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hits = rng.random((seeds, images)) < rng.random((seeds, 1)) * rng.random(images)
    low, high, _ = accuracy_interval(hits)
    assert 0 <= low <= hits.mean() + 1e-12
    assert hits.mean() - 1e-12 <= high <= 1


def test_one_value_has_no_spread() -> None:
    assert mean_sd([0.7]) == (0.7, None)
    assert mean_sd([0.6, 0.8]) == pytest.approx((0.7, 0.1 * np.sqrt(2)))
