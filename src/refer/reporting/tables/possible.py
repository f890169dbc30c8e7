"""Whether a paper's numbers are possible: counts of its test set, means over its folds, an F1 of its precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from refer.evaluation.granularity import MOST, agree, decimals_of, f1_of, possible, possible_mean, sizes_of
from refer.reporting.names import listing
from refer.reporting.tables.table import Cell, Note, dataset_name, number, stated, thousands

if TYPE_CHECKING:
    from refer.spec import Paper, Reported

MARK = "a"
"""Of an F1 that no precision and recall have which are printed so."""


@dataclass(frozen=True)
class Possible:
    """What a reported number can be.

    Attributes:
        how: whether right answers of its n, or of its folds, are `rounded` to it, `cut off` to it, or neither: `no`;
            None where neither n nor the folds' sizes are stated, or it is no accuracy.
        sizes: where n is not stated, those up to `granularity.MOST` that can give it; of a mean over folds, those that
            divide into folds of equal size.
        f1: the harmonic mean of the stated precision and recall, in percent, if it is an F1 that should be that.
        f1_agrees: whether a precision and a recall that are printed so can have it.
    """

    how: str | None = None
    sizes: Sequence[int] | None = None
    f1: float | None = None
    f1_agrees: bool | None = None


def possibility(paper: Paper, claim: Reported) -> Possible:
    """Return what a number that the paper reports can be."""
    if claim.metric == "f1":
        return _f1(paper, claim)
    if claim.metric != "accuracy":
        return Possible()
    if claim.fold_sizes is not None:
        return Possible(how=possible_mean(claim.value, claim.fold_sizes, claim.decimals))
    folds = paper.folds.get(claim.dataset, 1)
    if claim.sd is not None and (claim.n is not None or folds == 1):
        return Possible()  # a mean of runs or folds of which it is not known how many images each had
    if claim.n is not None:
        return Possible(how=possible(claim.value, claim.n, claim.decimals))
    return Possible(sizes=sizes_of(claim.value, claim.decimals, folds))


def _f1(paper: Paper, claim: Reported) -> Possible:
    mates = {
        each.metric: each
        for each in paper.reported
        if (each.method, each.dataset, each.part) == (claim.method, claim.dataset, claim.part)
    }
    precision, recall = mates.get("precision"), mates.get("recall")
    if paper.metrics.f1 != "of-means" or precision is None or recall is None:
        return Possible()
    three = [(each.value, each.decimals) for each in (precision, recall, claim)]
    return Possible(f1=f1_of(precision.value, recall.value), f1_agrees=agree(*three))


def possible_cell(found: Possible) -> Cell:
    """Return the cell that says whether a number is possible."""
    return Cell(f"{thousands(len(found.sizes))} n" if found.sizes is not None else found.how or number(None))


def f1_cell(found: Possible) -> Cell:
    """Return the cell with the F1 of the stated precision and recall."""
    return Cell(number(found.f1, 2), mark=MARK if found.f1_agrees is False else "")


def possible_notes(paper: Paper, found: Sequence[tuple[Reported, Possible]]) -> list[Note]:
    """Explain the two columns, and say of each number without n which n can give it."""
    notes = []
    if any(each.how for _, each in found):
        text = (
            "Possible: whether a whole number of right answers gives the number: rounded (half up or to even); cut "
            "off, if none is rounded to it; no, if neither."
        )
        if any(claim.fold_sizes for claim, _ in found):
            text += " Of a mean over folds: whether some right answers of each fold do, of so many images: "
            text += f"{_fold_sizes([claim for claim, each in found if each.how])}."
        notes.append(Note(text))
    unknown = [(claim, each.sizes) for claim, each in found if each.sizes is not None]
    if unknown:
        folded = any(claim.dataset in paper.folds for claim, _ in unknown)
        notes.append(
            Note(
                f"n under Possible: where no n is stated, how many n up to {MOST:,} can give the number, rounded or "
                f"cut off{' (a mean over folds: that divide into folds of equal size)' if folded else ''}. "
                f"{' '.join(_sizes(paper, claim, sizes) for claim, sizes in unknown)}"
            )
        )
    notes += _f1_notes([(claim, each) for claim, each in found if each.f1 is not None])
    return notes


def _fold_sizes(claims: Sequence[Reported]) -> str:
    told: dict[str, None] = {}
    for claim in claims:
        sizes = claim.fold_sizes
        if sizes:
            same = len(set(sizes)) == 1
            told[f"{len(sizes)} times {sizes[0]:,}" if same else ", ".join(f"{n:,}" for n in sizes)] = None
    return "; ".join(told)


def _sizes(paper: Paper, claim: Reported, sizes: Sequence[int]) -> str:
    where = f"{stated(claim.value, decimals_of(claim.value, claim.decimals))} on {dataset_name(claim.dataset)}"
    if not sizes:
        return f"{where}: none."
    text = f"{where}: {len(sizes):,}, the first {listing([f'{n:,}' for n in sizes[:3]])}"
    first = every_from(sizes, paper.folds.get(claim.dataset, 1))
    return f"{text}." if first is None else f"{text}; every one from {first:,} on."


def every_from(sizes: Sequence[int], step: int) -> int | None:
    """Return from which n on every one up to `MOST` is possible, in steps of so many; None where the last is not."""
    if not sizes or sizes[-1] + step <= MOST:
        return None
    gaps = [after for before, after in pairwise(sizes) if after - before > step]
    return gaps[-1] if gaps else sizes[0]


def _f1_notes(found: Sequence[tuple[Reported, Possible]]) -> list[Note]:
    if not found:
        return []
    notes = [Note("F1 of both: the harmonic mean of the precision and the recall that are reported with it.")]
    off = [
        f"{stated(claim.value, claim.decimals)} ({number(each.f1, 2)})"
        for claim, each in found
        if each.f1_agrees and number(each.f1, 2) != number(claim.value, 2)
    ]
    if off:
        notes.append(Note(f"Off in the last decimal, as rounding or cutting off all three allows: {listing(off)}."))
    impossible = [
        f"{stated(claim.value, claim.decimals)} ({number(each.f1, 2)})" for claim, each in found if not each.f1_agrees
    ]
    if impossible:
        text = "no precision and recall that are printed so have this F1, be all three rounded or cut off"
        notes.append(Note(f"{listing(impossible)}: {text}.", mark=MARK))
    return notes
