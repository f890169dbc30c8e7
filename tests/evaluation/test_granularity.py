"""Which counts, means over folds and sizes a printed number can have, against trying all of them."""

from __future__ import annotations

import itertools
import math
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from refer.errors import UserError
from refer.evaluation.granularity import (
    agree,
    counts,
    decimals_of,
    f1_of,
    possible,
    possible_mean,
    reachable,
    rounded_to,
    sizes_of,
)
from refer.papers import load_paper
from refer.reporting.tables.possible import every_from
from refer.reporting.tables.reported_results import claims_table
from refer.reporting.tables.write import markdown, write_tables

EXACT = Context(prec=60)


def printed(share: Fraction, decimals: int, rounding: str) -> Decimal:
    """Print a share in percent with Python's own decimals, which round a tie as they are told."""
    unit = Decimal(1).scaleb(-decimals)
    scaled = share * 100 * 10**decimals
    if scaled.denominator in (1, 2):  # exact, a tie perhaps
        return EXACT.divide(Decimal(scaled.numerator), Decimal(scaled.denominator) * 10**decimals).quantize(
            unit, rounding=rounding
        )
    # No tie: the floor and a half say the same as the fraction.
    between = Decimal(math.floor(scaled)) + (Decimal("0.75") if scaled % 1 > Fraction(1, 2) else Decimal("0.25"))
    return (between * unit).quantize(unit, rounding=rounding)


def tried(value: str, shares: set[Fraction]) -> str:
    """Say how one of `shares` is printed as `value`, by printing all of them."""
    decimals = -int(Decimal(value).as_tuple().exponent)
    for word, ways in (("rounded", (ROUND_HALF_UP, ROUND_HALF_EVEN)), ("cut off", (ROUND_DOWN,))):
        if any(printed(share, decimals, way) == Decimal(value) for share in shares for way in ways):
            return word
    return "no"


def of(n: int) -> set[Fraction]:
    return {Fraction(k, n) for k in range(n + 1)}


def asked(value: str, n: int) -> str:
    return possible(float(value), n, -int(Decimal(value).as_tuple().exponent))


@pytest.mark.parametrize(("value", "right"), [("84.44", 76), ("82.22", 74), ("41.11", 37)])
def test_viris_numbers_are_counts_of_90(value: str, right: int) -> None:
    assert asked(value, 90) == tried(value, of(90)) == "rounded"
    assert counts(float(value), 90) == (right,)


# shared/papers/FACTS.md, Granularity.
TRAN = {
    "90.95": "no", "90.92": "no", "86.35": "no",
    "86.66": "cut off", "85.49": "cut off", "86.63": "cut off",
    "85.3": "rounded", "85.5": "rounded", "85.23": "rounded", "85.2": "rounded", "85.98": "rounded",
    "86.08": "rounded", "86.05": "rounded", "86.4": "rounded", "90.48": "rounded",
}  # fmt: skip


@pytest.mark.parametrize(("value", "how"), TRAN.items())
def test_six_of_trans_numbers_are_no_count_rounded_and_three_not_cut_off_either(value: str, how: str) -> None:
    assert asked(value, 3068) == how
    assert tried(value, of(3068)) == how


def test_trans_table_says_so(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/tran2023.yaml")
    write_tables([claims_table(paper)], [tmp_path / "c.csv"])
    rows = pd.read_csv(tmp_path / "c.csv", dtype={"reported": str})
    assert dict(zip(rows.reported, rows.possible, strict=True)) == TRAN
    assert rows.right_least.isna().tolist() == [TRAN[value] == "no" for value in rows.reported]


decimal = st.integers(0, 2)


@given(decimal, st.integers(1, 60), st.data())
@settings(max_examples=150, deadline=None)
def test_a_count_is_possible_if_trying_all_finds_one(decimals: int, n: int, data: st.DataObject) -> None:
    value = str(Decimal(data.draw(st.integers(0, 100 * 10**decimals))).scaleb(-decimals))
    assert asked(value, n) == tried(value, of(n))


@pytest.mark.parametrize(
    ("value", "n", "how"),
    # 1 of 8 is 12.5, 3 of 8 is 37.5: half up 13 and 38, half to even 12 and 38; 37 is what is cut off.
    [("13", 8, "rounded"), ("12", 8, "rounded"), ("38", 8, "rounded"), ("37", 8, "cut off"), ("36", 8, "no")],
)
def test_a_tie_may_be_rounded_up_or_to_even(value: str, n: int, how: str) -> None:
    assert asked(value, n) == tried(value, of(n)) == how


def test_a_number_that_ends_on_0_has_the_decimals_that_are_stated() -> None:
    # 2,645 of 3,589 is 73.697; 2,644 is 73.669 and 2,648 is 73.781.
    assert counts(73.7, 3589) == (2644, 2645, 2646, 2647, 2648)
    assert counts(73.7, 3589, 2) == (2645,)
    assert [decimals_of(v) for v in (83.0, 83.5, 83.25)] == [0, 1, 2]
    assert (decimals_of(83.0, 1), possible(86.4, 3068, 1), possible(86.4, 3068, 2)) == (1, "rounded", "cut off")


sizes = st.lists(st.integers(1, 9), min_size=2, max_size=4)


@given(decimal, sizes, st.data())
@settings(max_examples=150, deadline=None)
def test_a_mean_over_folds_is_possible_if_trying_all_finds_one(
    decimals: int, folds: list[int], data: st.DataObject
) -> None:
    value = str(Decimal(data.draw(st.integers(0, 100 * 10**decimals))).scaleb(-decimals))
    means = {
        sum((Fraction(k, n) for k, n in zip(right, folds, strict=True)), Fraction(0)) / len(folds)
        for right in itertools.product(*(range(n + 1) for n in folds))
    }
    assert possible_mean(float(value), folds, decimals) == tried(value, means)


@given(st.integers(0, 10_000), sizes)
@settings(max_examples=100, deadline=None)
def test_searching_a_fine_grain_finds_what_looking_at_all_sums_does(units: int, folds: list[int]) -> None:
    from refer.evaluation import granularity

    window = rounded_to(units / 100, 2)
    looked = reachable(window, folds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(granularity, "EXACT", 0)
        assert reachable(window, folds) == looked


def test_equal_folds_have_the_grain_of_all_their_images() -> None:
    # Ten folds of 250: multiples of 0.04. 75.22, 80.41 and 82.11 are none, rounded or cut off; 75.20 and 75.24 are.
    assert [possible_mean(v, [250] * 10, 2) for v in (75.22, 80.41, 82.11)] == ["no"] * 3
    assert [tried(v, of(2500)) for v in ("75.22", "80.41", "82.11")] == ["no"] * 3
    assert [possible_mean(v, [250] * 10, 2) for v in (75.20, 75.24)] == ["rounded"] * 2
    # The two strongest intensities and neutral: 13 images of each person. No better.
    assert [tried(v, of(1300)) for v in ("75.22", "80.41", "82.11")] == ["no"] * 3
    # Unequal folds have a finer grain, that of their least common multiple: here 12 · 7,800 sums, 0.001 points.
    assert all(possible_mean(v / 100, [24, 25, 26] * 4, 2) == "rounded" for v in range(6000, 6100))
    assert possible_mean(90.3, [23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71], 2) == "rounded"


@pytest.mark.parametrize(("value", "first"), [("85.20", 169), ("83", 6), ("69.37", 111)])
def test_the_n_that_can_give_a_number(value: str, first: int) -> None:
    decimals = -int(Decimal(value).as_tuple().exponent)
    found = sizes_of(float(value), decimals, most=230)
    assert found == [n for n in range(1, 231) if tried(value, of(n)) != "no"]
    assert found[0] == first
    assert sizes_of(float(value), decimals, folds=10, most=230) == [n for n in found if n % 10 == 0]


def test_from_where_on_every_n_is_possible() -> None:
    # A grain of 1/n is finer than the window of a number cut off or rounded, 1.5 units, from n = 100 / 1.5 units on.
    found = sizes_of(85.2, 2)
    first = every_from(found, 1)
    assert first is not None
    assert found[found.index(first) :] == list(range(first, 10_001))
    assert first - 1 not in found
    assert first <= math.ceil(100 / 0.015)
    assert every_from([3, 9_990], 1) is None
    assert every_from([], 1) is None
    assert every_from([10, 30, 40, *range(60, 10_001, 10)], 10) == 60


# shared/papers/FACTS.md: precision / recall / F1 of feratt2019; by hand 2 P R / (P + R).
FERATT = [
    ("71.48", "69.56", "70.50", "70.51"), ("77.58", "75.49", "76.52", "76.52"), ("68.42", "68.56", "68.49", "68.49"),
    ("81.62", "80.15", "80.87", "80.88"), ("77.34", "75.45", "76.38", "76.38"), ("82.30", "80.79", "81.54", "81.54"),
    ("74.94", "76.30", "75.61", "75.61"), ("75.65", "78.79", "77.18", "77.19"), ("79.58", "78.05", "78.81", "78.81"),
    ("83.72", "82.42", "83.06", "83.06"), ("74.68", "77.45", "76.04", "76.04"), ("83.64", "84.90", "84.25", "84.27"),
]  # fmt: skip


def corners(precision: str, recall: str, low: str, high: str) -> tuple[Fraction, Fraction]:
    """The least and greatest F1 of a precision and a recall, each from so much below to so much above."""
    found = []
    for away in (low, high):
        p, r = Fraction(precision) + Fraction(away), Fraction(recall) + Fraction(away)
        found.append(2 * p * r / (p + r))
    return found[0], found[1]


@pytest.mark.parametrize(("precision", "recall", "f1", "by_hand"), FERATT)
def test_f1_is_checked_against_its_precision_and_recall(precision: str, recall: str, f1: str, by_hand: str) -> None:
    assert f"{f1_of(float(precision), float(recall)):.2f}" == by_hand
    rounded = corners(precision, recall, "-0.005", "0.005")
    cut = corners(precision, recall, "0", "0.01")
    half, whole = Fraction(1, 200), Fraction(1, 100)
    expected = (rounded[0] < Fraction(f1) + half and rounded[1] > Fraction(f1) - half) or (
        cut[0] < Fraction(f1) + whole and cut[1] > Fraction(f1)
    )
    assert agree((float(precision), 2), (float(recall), 2), (float(f1), 2)) is expected
    assert expected is (f1 != "84.25")


def test_three_f1_are_off_by_a_hundredth_and_one_by_two(root: Path, tmp_path: Path) -> None:
    off = {f1: round(float(by_hand) - float(f1), 2) for _, _, f1, by_hand in FERATT if f1 != by_hand}
    assert off == {"70.50": 0.01, "80.87": 0.01, "77.18": 0.01, "84.25": 0.02}
    paper = load_paper(root / "papers/feratt2019.yaml")
    text = markdown(claims_table(paper))
    assert "70.50 (70.51), 80.87 (80.88) and 77.18 (77.19)" in text
    assert "84.25 (84.27): no precision and recall that are printed so" in text
    write_tables([claims_table(paper)], [tmp_path / "c.csv"])
    rows = pd.read_csv(tmp_path / "c.csv")
    mine = rows[rows.metric == "f1"]
    assert sorted(f"{value:.2f}" for value in mine.f1_of_both) == sorted(by_hand for *_, by_hand in FERATT)
    assert mine[~mine.f1_possible.astype(bool)].reported.tolist() == [84.25]
    assert rows[rows.metric != "f1"].f1_of_both.isna().all()
    real = rows[(rows.metric == "accuracy") & (rows.dataset == "bu3dfe") & rows.sd.notna()]
    assert real.possible.tolist() == ["no"] * 3
    assert rows[(rows.metric == "accuracy") & rows.possible.isna()].possible_n.notna().all()


def test_numbers_are_shown_with_the_decimals_that_the_paper_prints(root: Path) -> None:
    texts = {name: markdown(claims_table(load_paper(root / f"papers/{name}.yaml"))) for name in ("peers", "naseem2025")}
    assert "**73.70**" in texts["peers"]
    assert "85.20 on NVIE: " in texts["naseem2025"]
    assert "the first 169, 196 and 223" in texts["naseem2025"]


def test_a_paper_may_state_decimals_and_is_told_of_too_few(root: Path, tmp_path: Path) -> None:
    paper = yaml.safe_load((root / "papers/tran2023.yaml").read_text(encoding="utf-8"))
    paper["reported"][0]["decimals"] = 2
    path = tmp_path / "tran2023.yaml"
    path.write_text(yaml.safe_dump(paper, allow_unicode=True), encoding="utf-8")
    assert "85.30" in markdown(claims_table(load_paper(path)))
    paper["reported"][2]["decimals"] = 1
    path.write_text(yaml.safe_dump(paper, allow_unicode=True), encoding="utf-8")
    with pytest.raises(UserError, match=r"85\.23 has more decimals than the 1"):
        load_paper(path)
