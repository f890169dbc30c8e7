"""What a paper's own numbers can tell: each with the interval that its test set gives it, beside the paper's best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from refer.evaluation.granularity import counts, decimals_of
from refer.evaluation.paired import holm, images_to_find
from refer.evaluation.reported import CORRELATION, Claim, claim, discordance_of, fisher
from refer.reporting.names import measure
from refer.reporting.tables import columns as c
from refer.reporting.tables.possible import Possible, every_from, f1_cell, possibility, possible_cell, possible_notes
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Row,
    Table,
    dataset_name,
    probability,
    rounded,
    signed,
    span_of,
    stated_spread,
    thousands,
)

if TYPE_CHECKING:
    from refer.spec import Paper, Reported


@dataclass(frozen=True)
class Beside:
    """A reported number, as a sample where its n or its spread is known, and beside the best one of its data set.

    `possible`: whether a count of images gives it. `low` and `high`: the 95 % interval of the best less this one, in
    points.
    """

    stated: Reported
    sample: Claim | None
    possible: Possible
    best: Reported
    low: float | None
    high: float | None
    p: float | None
    holm: float | None
    images: int | None


def beside_best(paper: Paper) -> list[Beside]:
    """Return every number that the paper reports, beside the best of the same data set, measure and part.

    Both are taken for samples of their own: two counts of n by Fisher's exact test, two means over folds, of which a
    standard deviation is stated, by Welch's. Precision, recall and F1 are no counts.
    """
    found: list[Beside] = []
    for kind in sorted(dict.fromkeys(map(_kind, paper.reported)), key=_order(paper)):
        claims = [each for each in paper.reported if _kind(each) == kind]
        best = max(claims, key=lambda each: each.value)
        mine = [_compare(paper, each, best) for each in claims]
        tested = [k for k, each in enumerate(mine) if each.p is not None]
        adjusted = dict(zip(tested, holm([mine[k].p or 0.0 for k in tested]), strict=True))
        found += [replace(each, holm=adjusted.get(k)) for k, each in enumerate(mine)]
    return found


Kind = tuple[str, str, str | None]
"""Data set, measure and part of a reported number."""


def _kind(claim: Reported) -> Kind:
    return claim.dataset, claim.metric, claim.part


def _order(paper: Paper) -> Callable[[Kind], tuple[int, int]]:
    """Return by what data sets and measures are sorted: as the paper's file names them, accuracy first."""
    metrics: list[str] = ["accuracy", *dict.fromkeys(claim.metric for claim in paper.reported)]
    return lambda each: (list(paper.parts).index(each[0]), metrics.index(each[1]))


def _sample(paper: Paper, stated_: Reported) -> Claim | None:
    folds = paper.folds.get(stated_.dataset)
    counted = stated_.n is not None and stated_.metric == "accuracy"
    if not counted and (stated_.sd is None or folds is None):
        return None
    return claim(stated_.value, stated_.n or 1, sd=stated_.sd, folds=folds, decimals=stated_.decimals)


def _compare(paper: Paper, one: Reported, best: Reported) -> Beside:
    mine, theirs, sort = _sample(paper, one), _sample(paper, best), possibility(paper, one)
    if mine is None or theirs is None or one is best:
        return Beside(one, mine, sort, best, None, None, None, None, None)
    gap = theirs.value - mine.value
    low = gap - math.hypot(theirs.value - theirs.low, mine.high - mine.value)
    high = gap + math.hypot(theirs.high - theirs.value, mine.value - mine.low)
    p = images = None
    folds = paper.folds.get(one.dataset)
    if one.sd is not None and best.sd is not None and folds:
        from scipy.stats import ttest_ind_from_stats

        p = float(ttest_ind_from_stats(one.value, one.sd, folds, best.value, best.sd, folds, equal_var=False).pvalue)
    elif one.n and best.n:
        right = mine.counts or (round(mine.value * mine.n),)
        p = max(fisher(each, mine.n, theirs.counts or (round(theirs.value * theirs.n),), theirs.n) for each in right)
        images = images_to_find(gap, discordance_of(mine.value, theirs.value)) if gap else None
    return Beside(one, mine, sort, best, 100 * low, 100 * high, p, None, images)


def claims_table(paper: Paper) -> Table:
    """Return the table of what the paper's own numbers can tell."""
    found = beside_best(paper)
    harmonic = any(each.possible.f1 is not None for each in found)
    measured = any(claim.metric != "accuracy" for claim in paper.reported)
    splits = {(claim.dataset, claim.part) for claim in paper.reported}
    divided = len(splits) > len({dataset for dataset, _ in splits})
    less = "The best less this"
    return Table(
        f"claims.{paper.id}",
        f"{paper.id}: what its own numbers (%) can tell",
        [
            *c.hidden("paper"),
            c.DATA,
            *c.hidden("part"),
            *([c.SPLIT] if divided else []),
            *c.hidden("method"),
            *([Column("scored", "Measure", lambda row: measure(row["scored"]))] if measured else []),
            c.METHOD,
            *c.hidden("metric"),
            Column("reported", "Reported", _stated, right=True),
            *c.hidden("decimals", "sd"),
            c.N,
            Column("right_least", "Right", _right, right=True),
            *c.hidden("right_most"),
            Column("possible", "Possible", lambda row: possible_cell(row["beside"].possible), right=True),
            *c.hidden("possible_n", "possible_n_first", "possible_n_every_from"),
            Column("f1_of_both", "F1 of both" if harmonic else "", lambda row: f1_cell(row["beside"].possible),
                   right=True),
            *c.hidden("f1_possible"),
            Column("low", "95 % interval", lambda row: span_of(row["low"], row["high"]), right=True),
            *c.hidden("high", "best"),
            Column("best_less", "Points", lambda row: _unless_best(row, signed(row["best_less"], 2)), less, right=True),
            replace(c.DIFFERENCE_LOW, title="95 % interval", group=less),
            *c.hidden("difference_high"),
            replace(c.P, group=less),
            replace(c.P_HOLM, group=less),
            Column("images_to_tell", "Images to tell", c.TO_TELL.show, less, right=True),
        ],
        [_row(paper, each) for each in found],
        _notes(paper, found),
        block=["dataset", "metric", "part"],
    )  # fmt: skip


def _stated(row: Row) -> Cell:
    return Cell(stated_spread(row["stated"]), bold=row["best"])


def _right(row: Row) -> str:
    sample = row["beside"].sample
    return _counts(sample) if sample and row["n"] else DASH


def _unless_best(row: Row, text: str) -> str:
    return DASH if row["best"] else text


def _row(paper: Paper, each: Beside) -> dict[str, Any]:
    one, sample = each.stated, each.sample
    return {
        "beside": each,
        "stated": one,
        "paper": paper.id,
        "dataset": one.dataset,
        "part": one.part,
        "split": paper.parts[one.dataset][one.part] if one.part else None,
        "method": one.method,
        "label": paper.methods[one.method].label,
        "metric": one.metric,
        "scored": paper.metrics.scored(one.metric),
        "reported": one.value,
        "decimals": decimals_of(one.value, one.decimals),
        "sd": one.sd,
        "n": one.n,
        "right_least": sample.counts[0] if sample and sample.counts else None,
        "right_most": sample.counts[-1] if sample and sample.counts else None,
        "possible": each.possible.how,
        **_possible_sizes(paper, each),
        "f1_of_both": each.possible.f1,
        "f1_possible": each.possible.f1_agrees,
        "low": 100 * sample.low if sample else None,
        "high": 100 * sample.high if sample else None,
        "best": one is each.best,
        "best_less": each.best.value - one.value,
        "difference_low": each.low,
        "difference_high": each.high,
        "p": each.p,
        "p_holm": each.holm,
        "images_to_tell": each.images,
    }


def _possible_sizes(paper: Paper, each: Beside) -> dict[str, int | None]:
    sizes = each.possible.sizes
    if sizes is None:
        return dict.fromkeys(("possible_n", "possible_n_first", "possible_n_every_from"))
    step = paper.folds.get(each.stated.dataset, 1)
    return {
        "possible_n": len(sizes),
        "possible_n_first": sizes[0] if sizes else None,
        "possible_n_every_from": every_from(sizes, step),
    }


def _counts(sample: Claim) -> str:
    if not sample.counts:
        return "none"
    first, last = sample.counts[0], sample.counts[-1]
    return thousands(first) if first == last else f"{thousands(first)} to {thousands(last)}"


def _notes(paper: Paper, found: Sequence[Beside]) -> list[Note]:
    notes = ["Bold: the best of its data set, measure and split."]
    if any(each.stated.n for each in found):
        notes.append(
            "Right: how many right answers of n are printed so, rounded or cut off, with the decimals shown. "
            "Interval: Wilson's."
        )
    if any(each.p is not None and each.stated.n for each in found):
        notes.append(
            "p: Fisher's exact test that both methods are right equally often, as if on test images of their own: "
            "which of them each got right is not published; Holm: for all comparisons of a data set and measure. "
            "Images to tell: the test set that finds such a difference in four of five cases (two-sided 5 %, power "
            f"80 %), if the right answers of both on its images correlate as {CORRELATION:g} (docs/verdicts.md)."
        )
    if any(each.sample is not None and not each.sample.counts and each.stated.n for each in found):
        notes.append(
            "none: no whole number of right answers is printed so; the number is of another n, or a mean of several "
            "runs, folds or batches."
        )
    if any(each.stated.sd is not None for each in found):
        notes.append(
            "±: standard deviation over folds; there the interval is Student's, and p Welch's test of two means."
        )
    if any(each.sample is None for each in found):
        what = (
            " (precision, recall and F1 are no counts of images)"
            if any(each.stated.metric != "accuracy" for each in found)
            else ""
        )
        notes.append(f"{DASH}: the paper gives neither how many images were tested nor a spread{what}.")
    possible = possible_notes(paper, [(each.stated, each.possible) for each in found])
    return [*map(Note, notes), *possible, *map(Note, untold(paper, found))]


def untold(paper: Paper, found: Sequence[Beside]) -> list[str]:
    """Return a sentence for each reported number of another method that its test set cannot tell from the best."""
    return [
        f"{_names(paper, each)}: {_counted(each.best)} against {_counted(each.stated)} images. "
        f"{thousands(each.stated.n)} images cannot tell them apart ({_told(each.p)}); "
        f"about {rounded(each.images)} could."
        for each in found
        if each.p is not None
        and each.p > 0.05
        and each.images
        and each.stated.n
        and each.best.n
        and each.stated.method != each.best.method
    ]


def _told(p: float) -> str:
    text = probability(p)
    return f"p {text[0]} {text[1:]}" if text[0] in "<>" else f"p = {text}"


def _names(paper: Paper, each: Beside) -> str:
    one, other = (paper.methods[c.method].label for c in (each.best, each.stated))
    return f"{one} against {other} on {dataset_name(each.stated.dataset)}"


def _counted(stated_: Reported) -> str:
    found = counts(stated_.value, stated_.n or 1, stated_.decimals)
    middle = found[len(found) // 2] if found else round(stated_.value / 100 * (stated_.n or 1))
    return f"{'about ' if len(found) != 1 else ''}{middle:,} of {stated_.n or 0:,}"
