"""Every reported number of every paper with its verdict: reproduced, not reproduced, inconclusive, not run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from refer.evaluation.reported import INCONCLUSIVE, MARGIN, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, STAND_IN
from refer.reporting.names import listing
from refer.reporting.results import Results
from refer.reporting.tables import columns as c
from refer.reporting.tables.notes import WEIGHT_NOTE, rule
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Row,
    Table,
    probability,
    signed,
    signed_span,
    spread,
    stand_in_notice,
)

if TYPE_CHECKING:
    from refer.spec import Paper

NOT_RUN = "not run"
ORDER = (REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, NOT_TESTED, STAND_IN, NOT_RUN)
CLAIM = ("paper", "dataset", "method", "metric", "source", "reported")
"""Columns that name a reported number."""


def verdicts(papers: Iterable[Paper], results: Results) -> list[dict[str, Any]]:
    """Return a row for every reported number and every way in which it was run, `not run` for one that was not.

    In the order of the papers' files.
    """
    rows = []
    means = {_of(row): row for row in results.of("method", "mean")}
    differences = {(*_of(row), row["source"], row["compared_with"]): row for row in results.of("method", "difference")}
    for claim in results.of("method", "reported"):
        mean, difference = means[_of(claim)], differences[*_of(claim), claim["source"], "reported"]
        rows.append(_row(claim) | {name: mean[name] for name in ("sd", "low", "high", "n", "seeds", "departures")}
                    | {name: difference[name] for name in ("p", "test", "about", "verdict", "images_to_tell")}
                    | {"mean": mean["value"], "difference": difference["value"], "difference_low": difference["low"],
                       "difference_high": difference["high"]})  # fmt: skip
    empty = dict.fromkeys(("mean", "difference", "difference_low", "difference_high", "sd"))
    rows += [_row(claim) | {**empty, "n": None, "verdict": NOT_RUN} for claim in results.of("not run")]
    place = {
        (paper.id, each.dataset, each.method, paper.metrics.scored(each.metric), each.source, each.value): number
        for number, (paper, each) in enumerate((paper, each) for paper in papers for each in paper.reported)
    }
    found = [row for row in rows if tuple(row[name] for name in CLAIM) in place]
    return sorted(found, key=lambda row: place[tuple(row[name] for name in CLAIM)])


def _of(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("paper", "data", "protocol", "method", "part", "metric"))


def _row(claim: Row) -> dict[str, Any]:
    return {**claim, "reported": claim["value"], "reported_sd": claim["sd"], "reported_n": claim["n"]}


def chosen(found: Sequence[Row]) -> list[Row]:
    """Return one row for each reported number that was run in several ways.

    As published rather than audited, for that is what the number is of; on the test set.
    """
    result: dict[tuple[Any, ...], Row] = {}
    for row in found:
        key = tuple(row[name] for name in CLAIM)
        if key not in result or row["protocol"] in ("published", result[key]["protocol"]):
            result[key] = row
    return list(result.values())


def tally(found: Sequence[Row]) -> dict[str, int]:
    """Return how many reported numbers have which verdict, in order; see `chosen`."""
    verdict = [row["verdict"] for row in chosen(found)]
    return {name: verdict.count(name) for name in ORDER if name in verdict}


def verdict_table(found: Sequence[Row], margin: float = MARGIN) -> Table:
    """Return the table of verdicts: a block a paper, a row a reported number and way of running it."""
    run = [row for row in found if row["verdict"] != NOT_RUN]
    measured = any(row["metric"] != "accuracy" for row in run)
    stand_in = list(dict.fromkeys(row["dataset"] for row in run if row["stand_in"]))
    everything = bool(run) and len(stand_in) == len({row["dataset"] for row in run})
    return Table(
        "verdicts",
        "Reported numbers (%), reproduced or not",
        [
            c.PAPER,
            c.DATA,
            *c.hidden("data", "stand_in", "method"),
            c.METHOD,
            *([c.METRIC] if measured else c.hidden("metric")),
            Column("reported", "Reported",
                   lambda row: c.claimed(row["reported"], row["reported_sd"], row["decimals"]), right=True),
            *c.hidden("reported_sd", "reported_n", "source"),
            Column("mean", "Reproduced", lambda row: spread(row["mean"], row["sd"]), right=True),
            *c.hidden("sd"),
            c.LOW,
            *c.hidden("high"),
            Column("difference", "Diff.", lambda row: _judged(row, signed(row["difference"])), right=True),
            Column("difference_low", "95 % of it",
                   lambda row: signed_span(row["difference_low"], row["difference_high"]), right=True),
            *c.hidden("difference_high"),
            Column("verdict", "Verdict", lambda row: Cell(row["verdict"], bold=row["verdict"] == REPRODUCED)),
            c.PROTOCOL,
            *c.hidden("part"),
            c.SPLIT,
            c.N,
            c.SEEDS,
            c.DEPARTURES,
            Column("p", "p", lambda row: DASH if row["p"] is None else probability(row["p"]), right=True),
            *c.hidden("test", "about"),
            c.TO_TELL,
        ],
        found,
        [*map(Note, _notes(found, run, stand_in, margin))],
        stand_in_notice(*stand_in) if everything else "",
        block=["paper"],
        shown=lambda row: row["verdict"] != NOT_RUN,
    )  # fmt: skip


def _judged(row: Row, text: str) -> str:
    return DASH if row["verdict"] == STAND_IN else text


def _notes(found: Sequence[Row], run: Sequence[Row], stand_in: Sequence[str], margin: float) -> list[str]:
    notes = [rule(margin)]
    if any(row["images_to_tell"] for row in found):
        notes.append(
            "Images to tell: the test set with which four of five such comparisons end in a verdict (two-sided 5 %, "
            "power 80 %), rounded; more seeds help where they differ more than the images make uncertain."
        )
    if stand_in:
        notes.append("stand-in: run on drawn data, which says nothing about a reported number.")
    if len(run) < len(found):
        lacking = [row["paper"] for row in found if row["verdict"] == NOT_RUN]
        each = listing(f"{lacking.count(name)} of {name}" for name in dict.fromkeys(lacking))
        notes.append(f"Not run by this preset, and not in the table: {each}.")
    if any(row["reported_n"] is None and row["verdict"] != STAND_IN for row in run):
        notes.append("Where a paper does not say n, that of the whole split tested here is taken for it.")
    if any(row["metric"] != "accuracy" and row["verdict"] != STAND_IN for row in run):
        notes.append(WEIGHT_NOTE)
    return notes
