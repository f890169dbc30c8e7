"""The first screen of the front page: what was reproduced, what was not, what is inconclusive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from refer.evaluation.reported import INCONCLUSIVE, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, STAND_IN
from refer.reporting.names import listing, measure
from refer.reporting.results import Row
from refer.reporting.tables.reported_results import beside_best, untold
from refer.reporting.tables.table import dataset_name, rounded, several, signed, stated, thousands
from refer.reporting.tables.verdicts import NOT_RUN, chosen, tally

if TYPE_CHECKING:
    from refer.spec import Paper

HEADINGS = {
    REPRODUCED: "Reproduced",
    NOT_REPRODUCED: "Not reproduced",
    INCONCLUSIVE: "Inconclusive",
    NOT_TESTED: "Not tested at the paper's budget",
    STAND_IN: "Run on drawn data",
    NOT_RUN: "Not run",
}
SHOWN = 6
"""So many sentences of a kind stand on the first screen; the table of verdicts has them all."""


@dataclass(frozen=True)
class Kind:
    """The reported numbers of one verdict; `sentences` tell of some of them, `more` are left out."""

    key: str
    heading: str
    count: int
    sentences: Sequence[str]
    more: int


@dataclass(frozen=True)
class Summary:
    """What the first screen says: in one sentence, of each kind, and of the papers' own numbers.

    `ran` says whether any reported number was run, so that there is something to draw.
    """

    result: str
    ran: bool
    kinds: Sequence[Kind]
    untold: Sequence[str]


def summary(papers: Sequence[Paper], found: Sequence[Row]) -> Summary:
    """Return the first screen of `papers`, from the rows of the table of verdicts."""
    counts = tally(found)
    kinds = []
    for verdict, heading in HEADINGS.items():
        rows = [row for row in chosen(found) if row["verdict"] == verdict]
        rows.sort(key=lambda row: row["metric"] != "accuracy")
        if verdict in (STAND_IN, NOT_RUN):
            sentences = [_together(verdict, rows)] if rows else []
        else:
            sentences = [_sentence(row) for row in rows]
        if rows:
            shown = sentences[:SHOWN]
            kinds.append(Kind(verdict.replace(" ", "-").replace("'", ""), heading, counts.get(verdict, 0), shown,
                              len(sentences) - len(shown)))  # fmt: skip
    own = [f"{paper.id}: {text}" for paper in papers for text in untold(paper, beside_best(paper))]
    ran = any(row["verdict"] != NOT_RUN for row in found)
    return Summary(_result(chosen(found)), ran, kinds, own)


def _result(found: Sequence[Row]) -> str:
    """Return the result in one sentence, from one row for each reported number."""
    run = [row for row in found if row["verdict"] not in (STAND_IN, NOT_RUN)]
    drawn = sum(row["verdict"] == STAND_IN for row in found)
    numbers = several(len(found), "reported number")
    if len(run) == 1:
        (one,) = run
        return (
            f"1 of {numbers} was run on real data: {one['paper']} reports {stated(one['reported'])} %, here it is "
            f"{one['mean']:.1f} % ({one['low']:.1f} to {one['high']:.1f}), {one['verdict']}."
        )
    if run:
        each = [row["verdict"] for row in run]
        return (
            f"{len(run)} of {numbers} were run on real data: "
            f"{listing(f'{each.count(name)} {name}' for name in HEADINGS if name in each)}."
        )
    if drawn:
        return (
            f"{several(drawn, 'number')} run on drawn data: the whole way from raw archives to this page works, and "
            "nothing is said about what the papers report."
        )
    return f"None of {numbers} was run: what is compared here are methods." if found else "The papers report no number."


def _sentence(row: Row) -> str:
    where = f"{row['split']}, {row['protocol']} protocol, n = {thousands(row['n'])}, {several(row['seeds'], 'seed')}"
    name = measure(row["metric"])
    what = "" if row["metric"] == "accuracy" else f"{name[0].lower()}{name[1:]} "
    text = (
        f"{row['paper']}, {row['label']} on {dataset_name(row['dataset'])}: {what}reported "
        f"{stated(row['reported'])} %, here "
        f"{row['mean']:.1f} % ({row['low']:.1f} to {row['high']:.1f}; {where}): {signed(row['difference'])} points "
        f"({signed(row['difference_low'])} to {signed(row['difference_high'])})"
    )
    needed = row["images_to_tell"]
    return f"{text}; about {rounded(needed)} test images could tell." if needed else f"{text}."


def _together(verdict: str, rows: Sequence[Row]) -> str:
    by_paper: Mapping[str, list[str]] = {row["paper"]: [] for row in rows}
    for row in rows:
        by_paper[row["paper"]].append(dataset_name(row["dataset"]))
    listed = listing(f"{len(names)} of {paper} ({listing(dict.fromkeys(names))})" for paper, names in by_paper.items())
    tail = (
        ": run from raw data to tables, but on drawings, which say nothing about these numbers"
        if verdict == STAND_IN
        else ""
    )
    return f"{listed}{tail}."
