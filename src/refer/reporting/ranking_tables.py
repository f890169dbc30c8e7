"""The tables of the ranking and of what single things are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from refer.evaluation.paired import Difference
from refer.reporting.matrix_cells import PROTOCOL
from refer.reporting.notes import cost, departure_notes, interval_note
from refer.reporting.pairs import TESTS
from refer.reporting.ranking import Ranked, Worth, ranking, ranking_records, worth_records, worths
from refer.reporting.results import Comparison
from refer.reporting.tables import (
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
    write_csv,
    write_tables,
)

WRITERS: Mapping[str, Callable[[Sequence[Comparison]], tuple[list[dict[str, Any]], list[Table]]]] = {
    "ranking": lambda given: (ranking_records(found := ranking(given)), ranking_tables(found)),
    "contrasts": lambda given: (worth_records(found := worths(given)), worth_tables(found)),
}


def write_rankings(comparisons: Sequence[Comparison], outputs: Mapping[str, Iterable[str | Path]]) -> None:
    """Write the tables named in `outputs` ("ranking", "contrasts"), each to its files (.csv, .md, .tex, .html)."""
    for name, paths in outputs.items():
        records, tables = WRITERS[name](comparisons)
        faces = [Path(path) for path in paths]
        for path in faces:
            if path.suffix == ".csv":
                write_csv(records, path)
        write_tables(tables, [path for path in faces if path.suffix != ".csv"])


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
    rows = [
        [
            Cell(str(each.place)),
            Cell(each.entry.row[0]),
            Cell(each.entry.result.label),
            Cell(number(100 * each.mean), bold=each is best),
            Cell(f"{100 * each.interval.low:.1f}{DASH}{100 * each.interval.high:.1f}"),
            Cell(str(len(each.entry.result.seeds))),
            *_points(each.behind, each.holm),
        ]
        for each in those
    ]
    compared = [each for each in those if each.holm is not None]
    level = [each for each in compared if each.holm is not None and each.holm >= 0.05]
    close = f"{several(len(level), 'method')} cannot be told from the best" if level else "the best stands alone"
    notes = [
        f"Accuracy (%) on the {several(best.n, 'image')} of {best.entry.result.split} that all methods were tested on, "
        "means over seeds.",
        interval_note(each.entry.result for each in those),
        _family([each.behind for each in compared if each.behind], "methods") + f" Of these {close}.",
        "A place alone says little: methods differ in what they cost, and by the preset's epochs in how far they got.",
        f"Cost: {cost([run for each in those for run in each.entry.records])}.",
    ]
    return Table(
        name=f"ranking.{data}",
        title=f"All methods on {dataset_name(evidence.dataset)}, from the best to the worst, {PROTOCOL}",
        columns=columns,
        blocks=[rows],
        notes=[
            *map(Note, notes),
            *departure_notes({each.entry.row[0]: each.entry.evidence.paper for each in those}.values()),
        ],
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def _worths(data: str, those: Sequence[Worth]) -> Table:
    evidence = those[0].evidence
    columns = [Column("Paper"), Column("What"), Column("Beside the method without it")]
    columns += [Column(head, "Worth", right=True) for head in ("Points", "95 % interval", "p (Holm)")]
    columns += [Column("Seeds", right=True), Column("n", right=True), Column("By the paper", right=True)]
    rows: dict[str, list[list[Cell]]] = {}
    for each in those:
        label = each.evidence.paper.methods[each.contrast.lacks].label
        claimed = f"{signed(each.claimed[0], 2)} ({dataset_name(each.claimed[1])})" if each.claimed else DASH
        rows.setdefault(each.evidence.paper.id, []).append(
            [
                Cell(each.evidence.paper.id),
                Cell(each.contrast.what),
                Cell(label),
                *_points(each.found, each.holm),
                Cell(str(each.found.seeds)),
                Cell(thousands(each.found.n)),
                Cell(claimed),
            ]
        )
    notes = [
        "Points: accuracy of the method with it (the CSV names both) less that of the method without it, on the test "
        "images of both.",
        _family([each.found for each in those], "contrasts"),
        "By the paper: the difference of the accuracies that it reports, on its own data and with its own networks.",
        *(
            []
            if any(each.found.seeds > 1 for each in those)
            else ["One seed: how networks differ by chance is unknown."]
        ),
    ]
    return Table(
        name=f"contrasts.{data}",
        title=f"What single things are worth on {dataset_name(evidence.dataset)}, in points of accuracy, {PROTOCOL}",
        columns=columns,
        blocks=list(rows.values()),
        notes=list(map(Note, notes)),
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


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
