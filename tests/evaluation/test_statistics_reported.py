"""Reported numbers as samples: what is printed so, what differs, what nobody can tell."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import samplesize_proportions_2indep_onetail

from refer.evaluation.departures import Departure
from refer.evaluation.granularity import counts
from refer.evaluation.intervals import wilson
from refer.evaluation.reported import (
    INCONCLUSIVE,
    NOT_REPRODUCED,
    NOT_TESTED,
    REPRODUCED,
    Against,
    against,
    claim,
    correlation_of,
    discordance_of,
    fisher,
    images_to_tell,
    judge,
)
from refer.papers import load_paper
from refer.reporting.tables.reported_results import beside_best, claims_table, untold
from refer.reporting.tables.write import markdown, write_tables


def right(k: int, n: int) -> np.ndarray:
    return (np.arange(n) < k)[None]


def test_viri_is_76_against_74_of_90_and_nobody_can_tell(root: Path) -> None:
    # shared/papers/FACTS.md: 84.44 is 76 of 90, 82.22 is 74 of 90, and Wilson's interval of 76 of 90 is 75.6 to 90.5.
    assert (counts(84.44, 90), counts(82.22, 90), counts(41.11, 90)) == ((76,), (74,), (37,))
    stated = claim(84.44, 90)
    assert (round(100 * stated.low, 1), round(100 * stated.high, 1)) == (75.6, 90.5)
    paper = load_paper(root / "papers/naseem2025.yaml")
    (text,) = untold(paper, beside_best(paper))
    assert text == (
        "Fused against Visible light on VIRI: 76 of 90 against 74 of 90 images. 90 images cannot tell them apart "
        "(p = 0.84); about 1,800 could."
    )
    assert text in markdown(claims_table(paper))
    # By hand: (1.960 + 0.842)² (p q + r s) / d².
    p, r = 76 / 90, 74 / 90
    by_hand = (1.959964 + 0.841621) ** 2 * (p * (1 - p) + r * (1 - r)) / (p - r) ** 2
    assert images_to_tell(p, r, 0.0) == pytest.approx(by_hand, rel=0.01)


@given(st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_the_test_set_that_could_tell_is_that_of_statsmodels(one: float, other: float) -> None:
    if abs(one - other) > 1e-3:
        theirs = samplesize_proportions_2indep_onetail(abs(one - other), min(one, other), 0.8, alpha=0.05)
        assert images_to_tell(one, other, 0.0) == math.ceil(theirs)


def test_fisher_is_that_of_the_tea_tasting_lady() -> None:
    # Fisher 1935: 3 of 4 against 1 of 4; two-sided 34/70.
    assert fisher(3, 4, (1,), 4) == pytest.approx(34 / 70)


def test_of_counts_that_are_printed_alike_the_nearest_is_tested() -> None:
    found = counts(85.3, 3068)
    assert found == (2616, 2617, 2618, 2619, 2620)
    assert fisher(2700, 3068, found, 3068) == fisher(2700, 3068, (2620,), 3068)
    assert fisher(2618, 3068, found, 3068) == 1


def test_numbers_that_no_count_gives_are_found(root: Path) -> None:
    assert counts(90.95, 3068) == ()
    assert (round(100 * 2790 / 3068, 2), round(100 * 2791 / 3068, 2)) == (90.94, 90.97)
    text = markdown(claims_table(load_paper(root / "papers/tran2023.yaml")))
    assert "none: no whole number of right answers is printed so" in text


@given(st.integers(1, 4000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(0, 3))
def test_what_is_printed_can_be_read_back(answer: tuple[int, int], digits: int) -> None:
    k, n = answer
    exact, unit = Fraction(100 * k, n), Fraction(1, 10**digits)
    cut = float(math.floor(exact / unit) * unit)
    assert k in counts(cut, n)
    assert k in counts(float(math.floor(exact / unit + Fraction(1, 2)) * unit), n)


def test_a_spread_over_folds_is_students_interval() -> None:
    # t of 9 degrees of freedom is 2.262157.
    stated = claim(82.11, 1, sd=4.39, folds=10)
    half = 2.262157 * 4.39 / math.sqrt(10)
    assert (100 * stated.low, 100 * stated.high) == pytest.approx((82.11 - half, 82.11 + half), abs=1e-4)


@pytest.mark.parametrize(
    ("wide", "inner", "verdict"),
    [
        ((-2.5, 1.2), (-1.9, 0.6), REPRODUCED),
        ((0.1, 0.9), (0.2, 0.8), REPRODUCED),  # significant, and of no matter
        ((-3.0, -0.1), (-2.7, -0.4), NOT_REPRODUCED),
        ((2.1, 9.0), (2.5, 8.6), NOT_REPRODUCED),
        ((-2.5, 0.3), (-2.1, 0.1), INCONCLUSIVE),
        ((-9.0, 13.0), (-8.0, 12.0), INCONCLUSIVE),
    ],
)
def test_the_rule(wide: tuple[float, float], inner: tuple[float, float], verdict: str) -> None:
    assert judge(wide, inner, 2.0) == verdict


def test_large_equal_numbers_are_reproduced_and_small_ones_cannot_be() -> None:
    assert against(right(9000, 10000), None, claim(90.0, 10000)).verdict == REPRODUCED
    small = against(right(81, 90), None, claim(90.0, 90))
    assert (small.verdict, small.difference, small.test, small.p) == (INCONCLUSIVE, 0.0, "fisher", 1.0)
    # 8.5638 = (1.6449 + 1.2816)², what shows two equal numbers to be within the margin in four of five cases.
    assert small.images == math.ceil(8.56385 * 2 * 0.9 * 0.1 / 0.02**2)
    same = against(right(81, 90), None, claim(90.0, 90), shared=90, correlation=0.5)
    assert same.images == math.ceil(8.56385 * 0.9 * 0.1 / 0.02**2)
    assert against(right(5400, 9000), None, claim(83, 9000)).verdict == NOT_REPRODUCED


def test_a_wider_margin_tells_more() -> None:
    hits = right(2480, 3589)
    stated = claim(69.99, 3589)
    assert against(hits, None, stated).verdict == INCONCLUSIVE
    assert against(hits, None, stated, margin=3.0).verdict == REPRODUCED


def test_away_from_the_budget_nothing_is_tested() -> None:
    changed = (Departure("epochs", "50", "6"),)
    for k in (2000, 2512):
        found = against(right(k, 3589), None, claim(69.99, 3589), departures=changed)
        assert (found.verdict, found.images, found.departures) == (NOT_TESTED, None, changed)


def of_one_test_set(k: int, shared: int = 3589, correlation: float = 0.6) -> Against:
    return against(right(k, 3589), None, claim(72.97, 3589, decimals=2), shared=shared, correlation=correlation)


def test_what_images_both_share_narrows_the_inner_interval_alone() -> None:
    apart, same = of_one_test_set(2619, shared=0), of_one_test_set(2619)
    assert (apart.low, apart.high, apart.p) == (same.low, same.high, same.p)
    # By hand: 1.645 √(2 p q (1 − ρ) / n), in points.
    p = 2619 / 3589
    by_hand = 100 * 1.644854 * math.sqrt(2 * p * (1 - p) / 3589 * (1 - 0.6))
    assert (same.inner_high - same.inner_low) / 2 == pytest.approx(by_hand, rel=0.01)
    assert (apart.inner_high - apart.inner_low) / 2 == pytest.approx(by_hand / math.sqrt(0.4), rel=0.01)
    assert (apart.correlation, same.correlation) == (0.0, 0.6)
    # Of a test set of which the audit removed a quarter, the covariance is that of three quarters.
    fewer = against(right(2007, 2750), None, claim(72.97, 3589, decimals=2), shared=2750)
    variance = p * (1 - p) * (1 / 2750 + 1 / 3589 - 2 * 0.6 / 3589)
    assert (fewer.inner_high - fewer.inner_low) / 2 == pytest.approx(164.4854 * math.sqrt(variance), rel=0.01)


@pytest.mark.parametrize(
    ("lower", "verdict", "least", "most"),
    [(0, REPRODUCED, 0.80, 1), (2, REPRODUCED, 0, 0.06), (4, REPRODUCED, 0, 0.01)],
)
def test_reproduced_can_be_reached_and_four_points_less_are_not_it(
    lower: float, verdict: str, least: float, most: float
) -> None:
    """A single run on FER2013's 3,589 images, whose answers correlate with the reported network's as the rule says."""
    ours, theirs, n, times = 0.73 - lower / 100, 0.73, 3589, 1000
    both = ours * theirs + 0.6 * math.sqrt(ours * (1 - ours) * theirs * (1 - theirs))
    counts_ = np.random.default_rng(1).multinomial(
        n, [both, ours - both, theirs - both, 1 - ours - theirs + both], times
    )
    pairs, often = np.unique(
        np.stack([counts_[:, 0] + counts_[:, 1], counts_[:, 0] + counts_[:, 2]]), axis=1, return_counts=True
    )
    found = [
        against(right(k, n), None, claim(round(100 * stated / n, 2), n, decimals=2), shared=n).verdict
        for k, stated in pairs.T.tolist()
    ]
    share = often[np.array(found) == verdict].sum() / times
    assert least <= share <= most


def test_the_correlation_taken_is_the_least_that_is_measured_and_never_more_than_stated() -> None:
    rng = np.random.default_rng(0)
    hard = rng.standard_normal(4000)
    alike, apart = (rng.standard_normal((2, 4000)) * spread < hard + 0.6 for spread in (0.3, 1.5))
    low = rng.random((2, 4000)) < 0.3  # far less accurate: not compared
    assert correlation_of([alike, alike, low]) == 0.6
    by_hand = np.mean([np.corrcoef(one, other)[0, 1] for one in alike for other in apart])
    assert by_hand < 0.6
    assert correlation_of([alike, apart, low], near=20) <= by_hand
    assert correlation_of([alike, apart], near=20) == pytest.approx(by_hand)
    assert correlation_of([alike]) == 0.6


def test_discordance_is_that_of_a_table_with_this_correlation() -> None:
    # Of 100 images both get 60 right, the first alone 20, the second alone 10: phi by NumPy.
    one, other = np.repeat([1, 1, 0, 0], [60, 20, 10, 10]), np.repeat([1, 0, 1, 0], [60, 20, 10, 10])
    phi = np.corrcoef(one, other)[0, 1]
    assert discordance_of(0.8, 0.7, phi) == pytest.approx(0.3)
    assert discordance_of(0.9, 0.5, 0.9) == pytest.approx(0.4), "never less than the difference"


def test_a_single_seed_says_nothing_of_the_method() -> None:
    one = of_one_test_set(2619)
    three = against(np.tile(right(2619, 3589), (3, 1)), None, claim(72.97, 3589, decimals=2))
    assert (one.about, three.about) == ("these networks", "methods")


def test_of_two_single_runs_the_interval_is_newcombes() -> None:
    # Newcombe 1998 (Statistics in Medicine 17:873), example (a): 56/70 and 48/80: 0.0524 to 0.3339.
    first, second = wilson(56, 70), wilson(48, 80)
    found = against(right(56, 70), None, claim(60, 80)._replace(value=0.6, low=second.low, high=second.high))
    assert (found.low, found.high) == pytest.approx((5.24, 33.39), abs=0.01)
    assert first.low < 0.8 < first.high


def test_seeds_that_differ_are_said_to_be_what_is_uncertain() -> None:
    n = np.arange(5000)
    apart = np.stack([n < 3900, n < 4000, n < 4100])
    alike = np.stack([n < 4000] * 3)
    assert against(apart, None, claim(80.02, 5000)).seeds
    found = against(alike, None, claim(80.02, 5000))
    assert (found.verdict, found.seeds) == (REPRODUCED, False)


def test_claims_are_adjusted_within_their_data_set(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    write_tables([claims_table(paper)], [tmp_path / "c.csv", tmp_path / "c.md", tmp_path / "c.tex"])
    rows = pd.read_csv(tmp_path / "c.csv")
    assert rows.best.sum() == 2 * 4, "data sets, measures"
    assert rows[rows.metric != "accuracy"][["low", "p"]].isna().all(axis=None), "no counts, and no spread is stated"
    rows = rows[rows.metric == "accuracy"].set_index(["dataset", "method"])
    real = rows.loc[[("bu3dfe", "baseline-real"), ("bu3dfe", "cls-real")]]
    assert (real.p_holm >= real.p).all()
    assert rows.loc[("bu3dfe", "cls-real"), "p"] == pytest.approx(0.394, abs=0.002)  # Welch, 80.41 ± 4.33, 82.11 ± 4.39
    assert rows.loc[("bu3dfe", "rep-synthetic"), ["low", "p"]].isna().all()
    assert "Welch's test of two means" in (tmp_path / "c.md").read_text()
