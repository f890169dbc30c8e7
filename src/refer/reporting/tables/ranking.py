"""The tables of the ranking and of what single things are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from refer.evaluation.paired import Difference
from refer.reporting.matrix_cells import PROTOCOL, Entry, facts
from refer.reporting.ranking import Ranked, Worth, ranking, ranking_records, worth_records, worths
from refer.reporting.results import Comparison
from refer.reporting.tables.notes import cost, departure_notes, interval_note
from refer.reporting.tables.pairs import TESTS
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    number,
    probability,
    several,
    signed,
    stand_in_notice,
    thousands,
    write_faces,
)

CHOSEN = (
    "The best was found on these very images, so that what others lack of it is rather too much. A place alone says "
    "little: methods differ in what they cost, and by the preset's epochs in how far they got."
)

SHARED = (
    "Points are of the seeds that a method shares with the best, seed by seed; for {} these are fewer than one of the "
    "two accuracies is of."
)

ALONE = "Of one seed: how networks differ by chance is unknown."


def write_ranking(comparisons: Sequence[Comparison], outputs: Iterable[str | Path]) -> None:
    """Write every method beside the best to every path of `outputs` (.csv, .md, .tex, .html); see `compare_all`."""
    found = ranking(comparisons)
    write_faces(ranking_records(found), ranking_tables(found), outputs)


def write_contrasts(comparisons: Sequence[Comparison], outputs: Iterable[str | Path]) -> None:
    """Write what single things are worth to every path of `outputs`, likewise."""
    found = worths(comparisons)
    write_faces(worth_records(found), worth_tables(found), outputs)


def ranking_tables(found: Mapping[str, Sequence[Ranked]]) -> list[Table]:
    """Return a table a data set: every method, the best first, with its distance from the best."""
    return [_ranking(data, those) for data, those in found.items()] or [
        _none("ranking", "No two methods were tested on the same images")
    ]


def worth_tables(found: Mapping[str, Sequence[Worth]]) -> list[Table]:
    """Return a table a data set: every contrast of the papers with the difference that was found."""
    return [_worths(data, those) for data, those in found.items()] or [
        _none("contrasts", "No two methods that differ in one thing were run")
    ]


def _ranking(data: str, those: Sequence[Ranked]) -> Table:
    evidence, best = those[0].entry.evidence, those[0]
    heads = ("Accuracy", "95 % interval", "Seeds")
    columns = [Column("Place", right=True), Column("Paper"), Column("Method")]
    columns += [Column(head, right=True) for head in heads]
    behind = f"Less “{best.entry.result.label}”"
    columns += [Column(head, behind, right=True) for head in ("Points", "95 % interval", "p (Holm)")]
    apart, marks = facts({each.entry.row: [each.entry] for each in those})
    rows = [
        [
            Cell(str(each.place)),
            Cell(each.entry.row[0]),
            Cell(each.entry.result.label, mark=marks.get(each.entry.row, "")),
            Cell(
                number(100 * each.mean) + ("" if each.sd is None else f" ± {each.sd:.1f}"), bold=each.mean == best.mean
            ),
            Cell(f"{100 * each.interval.low:.1f}{DASH}{100 * each.interval.high:.1f}"),
            Cell(str(len(each.entry.result.seeds))),
            *_points(each.behind, each.holm),
        ]
        for each in those
    ]
    compared = [each for each in those if each.holm is not None]
    level = [each for each in compared if each.holm is not None and each.holm >= 0.05]
    close = f"{several(len(level), 'method')} cannot be told from the best" if level else "every one falls short of it"
    apart_from = len(those) - 1 - len(compared)
    fewer = [
        each
        for each in compared
        if each.behind and each.behind.seeds < max(len(e.result.seeds) for e in (each.entry, best.entry))
    ]
    notes = [
        f"Accuracy (%) on the {several(best.n, 'image')} of {best.entry.result.split} that all methods were tested on, "
        "mean ± standard deviation over seeds (n − 1 in the denominator; with one seed there is none).",
        interval_note(each.entry.result for each in those),
        *(
            [_family([each.behind for each in compared if each.behind], "methods") + f" Of these {close}."]
            if compared
            else []
        ),
        *(
            [f"{several(apart_from, 'method')} with no seed in common with the best: not compared with it."]
            if apart_from
            else []
        ),
        *([SHARED.format(several(len(fewer), "method"))] if fewer else []),
        CHOSEN,
    ]
    return Table(
        name=f"ranking.{data}",
        title=f"All methods on {dataset_name(evidence.dataset)}, from the best to the worst, {PROTOCOL}",
        columns=columns,
        blocks=[rows],
        notes=[*apart, *map(Note, notes), *_budget([each.entry for each in those])],
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def _worths(data: str, those: Sequence[Worth]) -> Table:
    evidence = those[0].has.evidence
    apart, marks = facts({entry.row: [entry] for each in those for entry in (each.has, each.lacks)})
    columns = [Column("Paper"), Column("What"), Column("Beside the method without it")]
    columns += [Column(head, "Worth", right=True) for head in ("Points", "95 % interval", "p (Holm)")]
    columns += [Column("Seeds", right=True), Column("n", right=True), Column("By the paper", right=True)]
    rows: dict[str, list[list[Cell]]] = {}
    for each in those:
        claimed = f"{signed(each.claimed[0], 2)} ({dataset_name(each.claimed[1])})" if each.claimed else DASH
        paper = each.has.row[0]
        rows.setdefault(paper, []).append(
            [
                Cell(paper),
                Cell(each.contrast.what),
                Cell(each.lacks.result.label, mark=marks.get(each.lacks.row, "")),
                *_points(each.found, each.holm),
                Cell(str(each.found.seeds)),
                Cell(thousands(each.found.n)),
                Cell(claimed),
            ]
        )
    notes = [
        "Points: accuracy of the method with it (the CSV names both) less that of the method without it, on those "
        f"images of {evidence.split(those[0].has.result.part)} that both were tested on, seed by seed.",
        _family([each.found for each in those], "contrasts"),
        "By the paper: the difference of the accuracies that it reports, on its own data and with its own networks.",
        *([ALONE] if any(each.found.seeds == 1 for each in those) else []),
    ]
    return Table(
        name=f"contrasts.{data}",
        title=f"What single things are worth on {dataset_name(evidence.dataset)}, in points of accuracy, {PROTOCOL}",
        columns=columns,
        blocks=list(rows.values()),
        notes=[*apart, *map(Note, notes), *_budget([entry for each in those for entry in (each.has, each.lacks)])],
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def _budget(entries: Sequence[Entry]) -> list[Note]:
    """Say what the runs behind a table cost, and what was changed in the papers' files."""
    once = {entry.row: entry for entry in entries}.values()
    spent = Note(f"Cost: {cost([run for entry in once for run in entry.records])}.")
    return [spent, *departure_notes({entry.row[0]: entry.evidence.paper for entry in once}.values())]


def _none(name: str, title: str) -> Table:
    return Table(name=name, title=title, columns=[Column("Paper"), Column("Method")], blocks=[], notes=[])


def _points(found: Difference | None, adjusted: float | None) -> list[Cell]:
    if found is None or adjusted is None:
        return [Cell(DASH)] * 3
    interval = f"{signed(100 * found.low)} to {signed(100 * found.high)}"
    return [Cell(signed(100 * found.difference), bold=adjusted < 0.05), Cell(interval), Cell(probability(adjusted))]


def _family(found: Sequence[Difference], of: str) -> str:
    """Say what is tested, and for how many comparisons the p values are adjusted."""
    tested = {each.test for each in found}
    told = "; ".join(text for test, text in TESTS.items() if test in tested)
    return f"p, two-sided: {told}; adjusted by Holm for all {len(found)} {of}. Bold points: below 0.05."
