"""Intervals against published numbers, closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refer.evaluation.intervals import accuracy_interval, bootstrap, mean_sd, wilson


def test_wilson_gives_the_worked_example() -> None:
    # 76 of 90: shared/papers/FACTS.md, naseem2025.
    low, high, method = wilson(76, 90)
    assert (round(100 * low, 1), round(100 * high, 1), method) == (75.6, 90.5, "wilson")


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_the_closed_form(counts: tuple[int, int]) -> None:
    k, n = counts
    z = 1.959963984540054
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    low, high, _ = wilson(k, n)
    assert low == pytest.approx(centre - half, abs=1e-9)
    assert high == pytest.approx(centre + half, abs=1e-9)
    assert -1e-12 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1 + 1e-12


def test_one_seed_gets_wilson_and_several_the_bootstrap() -> None:
    hits = np.random.default_rng(0).random((3, 200)) < 0.7
    assert accuracy_interval(hits[:1]) == wilson(int(hits[0].sum()), 200)
    assert accuracy_interval(hits).method == "bootstrap"


@pytest.mark.parametrize("right", [True, False])
def test_a_perfect_score_has_no_interval_of_width_zero(right: bool) -> None:
    interval = accuracy_interval(np.full((3, 50), right))
    assert interval.method == "wilson"
    assert interval.high - interval.low > 0.05


def test_bootstrap_repeats_itself_and_does_not_depend_on_order() -> None:
    rng = np.random.default_rng(0)
    hits = rng.random((2, 500)) < 0.6
    assert bootstrap(hits) == bootstrap(hits)
    assert bootstrap(hits) == bootstrap(hits[:, rng.permutation(500)])
    assert bootstrap(hits) != bootstrap(hits, seed=1)


def test_bootstrap_of_equal_seeds_is_that_of_the_images_alone() -> None:
    row = np.arange(4000) < 2800
    low, high, _ = bootstrap(np.stack([row, row]))
    assert (low, high) == pytest.approx(wilson(2800, 4000)[:2], abs=0.002)


def test_bootstrap_widens_with_the_spread_between_seeds() -> None:
    n = np.arange(1000)
    near = np.stack([n < 700, n < 700])
    far = np.stack([n < 650, n < 750])
    narrow, wide = bootstrap(near), bootstrap(far)
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


@pytest.mark.parametrize(("seeds", "images", "spread"), [(2, 400, 0.05), (3, 400, 0.15), (5, 400, 0.05)])
def test_bootstrap_covers_the_truth(seeds: int, images: int, spread: float) -> None:
    """Images differ in difficulty, seeds in skill; the truth is the mean over many of both."""
    rng = np.random.default_rng(11)

    def chance(images: int, seeds: int) -> np.ndarray:
        return 1 / (1 + np.exp(-(rng.normal(0.9, 2, images) + spread * rng.normal(size=(seeds, 1)))))

    truth = chance(20_000, 400).mean()
    covered = 0
    for _ in range(300):
        drawn = chance(images, seeds)
        interval = bootstrap(rng.random(drawn.shape) < drawn, resamples=500)
        covered += interval.low <= truth <= interval.high
    assert covered / 300 > 0.92  # 95 % less two and a half standard errors of 300 simulations


def test_one_value_has_no_spread() -> None:
    assert mean_sd([0.7]) == (0.7, None)
    assert mean_sd([0.6, 0.8]) == pytest.approx((0.7, 0.1 * np.sqrt(2)))
