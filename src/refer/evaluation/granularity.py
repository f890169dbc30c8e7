"""What a printed number can be: which counts, means over folds and sizes of a test set give it.

The granularity test of Brown and Heathers (2017, Social Psychological and Personality Science 8) for means of whole
numbers, applied to accuracies. All is exact: whole numbers and fractions, so that no tie is lost.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

ROUNDED, CUT, NEITHER = "rounded", "cut off", "no"
"""How counts can give a printed number: some are rounded to it; none is, but some are cut off to it; none does."""
MOST = 10_000
"""The largest test set that is tried where a paper states none."""
EXACT = 10_000_000
"""Up to so many possible sums of folds, all of them are looked at; a finer grain is searched."""


class Window(NamedTuple):
    """The percentages that are printed alike: from `low` to `high`, which counts among them if `closed`."""

    low: Fraction
    high: Fraction
    closed: bool

    def wholes(self, per_percent: Fraction, most: int) -> range:
        """Return the whole numbers up to `most` that lie in the window, of which `per_percent` make a percent."""
        first = math.ceil(self.low * per_percent)
        end = self.high * per_percent
        last = math.floor(end) if self.closed else math.ceil(end) - 1
        return range(max(first, 0), min(last, most) + 1)


def decimals_of(value: float, decimals: int | None = None) -> int:
    """Return with how many decimals a number is printed: as many as stated, else as it is written with."""
    if decimals is not None:
        return decimals
    return max(-int(Decimal(f"{value:.6g}").as_tuple().exponent), 0) if value % 1 else 0


def rounded_to(value: float, decimals: int | None = None) -> Window:
    """Return what is rounded to `value`, half up or half to even: the upper end counts if the last digit is even."""
    units, unit = _units(value, decimals)
    return Window((units - Fraction(1, 2)) * unit, (units + Fraction(1, 2)) * unit, units % 2 == 0)


def cut_off_to(value: float, decimals: int | None = None) -> Window:
    """Return what is cut off to `value`."""
    units, unit = _units(value, decimals)
    return Window(units * unit, (units + 1) * unit, False)


def either(value: float, decimals: int | None = None) -> Window:
    """Return what is rounded or cut off to `value`."""
    return Window(rounded_to(value, decimals).low, cut_off_to(value, decimals).high, False)


def counts(value: float, n: int, decimals: int | None = None) -> tuple[int, ...]:
    """Return how many right answers of `n` are printed as `value` percent, be it rounded or cut off.

    Without `decimals`, `value` has as many as it is written with, so that 85.3 may be anything from 85.25 to 85.4, and
    83 from 82.5 to 84; a number that is printed as 73.70 needs its two decimals stated.
    """
    return tuple(either(value, decimals).wholes(Fraction(n, 100), n))


def possible(value: float, n: int, decimals: int | None = None) -> str:
    """Return how a whole number of `n` right answers can give `value` percent: ROUNDED, CUT or NEITHER."""
    return _how(*(bool(w.wholes(Fraction(n, 100), n)) for w in _both(value, decimals)))


def possible_mean(value: float, folds: Sequence[int], decimals: int | None = None) -> str:
    """Return how a mean of accuracies over folds of so many images can give `value`: ROUNDED, CUT or NEITHER.

    Folds of equal size n give the multiples of 1 / (F n), as F n images would. In general a mean is a multiple of
    1 / (F l), where l is the least common multiple of the sizes, and not every multiple is one.
    """
    return _how(*(reachable(w, folds) for w in _both(value, decimals)))


def reachable(window: Window, folds: Sequence[int]) -> bool:
    """Whether some mean of k / n over folds of n images, k right, lies in a window of percentages."""
    common = math.lcm(*folds)
    most = len(folds) * common
    wanted = window.wholes(Fraction(most, 100), most)
    if not wanted:
        return False
    sizes = sorted(Counter(folds).items())
    if most > EXACT:
        return _found(wanted.start, wanted.stop - 1, [(common // n, n * times) for n, times in sizes])
    sums = 1  # bit s: folds so far can sum to s / common
    for n, times in sizes:
        sums = _with_multiples(sums, common // n, n * times)
    return (sums >> wanted.start) & ((1 << len(wanted)) - 1) != 0


def sizes_of(value: float, decimals: int | None = None, folds: int = 1, most: int = MOST) -> list[int]:
    """Return which n up to `most` can give `value`; with several `folds` those that divide into so many equal ones."""
    window = either(value, decimals)
    (low, under), (high, over) = (end.as_integer_ratio() for end in (window.low / 100, window.high / 100))

    def some(n: int) -> bool:  # as `counts`, in whole numbers for the sake of speed
        first = max(-(-low * n // under), 0)
        return first <= n and first * over < high * n

    return [n for n in range(folds, most + 1, folds) if some(n)]


def f1_of(precision: float, recall: float) -> float:
    """Return the harmonic mean of a precision and a recall."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def agree(precision: tuple[float, int | None], recall: tuple[float, int | None], f1: tuple[float, int | None]) -> bool:
    """Whether a precision and a recall that are printed so can have an F1, their harmonic mean, that is printed so.

    Each is a number in percent and its decimals. All three are rounded, or all three cut off.
    """
    for way in (rounded_to, cut_off_to):
        p, r, f = (way(*each) for each in (precision, recall, f1))
        low, high = (2 * a * b / (a + b) if a + b > 0 else Fraction(0) for a, b in ((p.low, r.low), (p.high, r.high)))
        # Their harmonic mean grows with both, so that the ends are those of the windows.
        above = low < f.high or (low == f.high and f.closed)
        below = f.low < high or (f.low == high and p.closed and r.closed)
        if above and below:
            return True
    return False


def _both(value: float, decimals: int | None) -> tuple[Window, Window]:
    return rounded_to(value, decimals), cut_off_to(value, decimals)


def _how(rounded: bool, cut: bool) -> str:
    return ROUNDED if rounded else CUT if cut else NEITHER


def _units(value: float, decimals: int | None) -> tuple[int, Fraction]:
    """`value` in units of its last decimal, and that unit."""
    digits = decimals_of(value, decimals)
    return round(value * 10**digits), Fraction(1, 10**digits)


def _with_multiples(sums: int, step: int, most: int) -> int:
    """Add 0 to `most` times `step` to every sum; the bits of `sums` say which there are."""
    done = 0
    while done < most:
        more = min(done + 1, most - done)
        sums |= sums << (step * more)
        done += more
    return sums


def _found(low: int, high: int, steps: Sequence[tuple[int, int]]) -> bool:
    """Whether some sum of multiples lies in `low` to `high`: of each (step, most) 0 to `most` times the step.

    Tried are first those in proportion, for where the grain is fine nearly every sum is reached.
    """
    (step, most), *others = steps
    if not others:
        return max(-(-low // step), 0) <= min(high // step, most)
    rest = sum(each * times for each, times in others)
    first, last = max(-(-(low - rest) // step), 0), min(high // step, most)
    middle = min(max(round(low * most / (step * most + rest)), first), last)
    order = sorted(range(first, last + 1), key=lambda k: abs(k - middle))
    return any(_found(low - k * step, high - k * step, others) for k in order)
