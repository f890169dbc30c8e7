"""The tables of sensitivity: what each thing that a paper leaves open is worth, in points of accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from refer.evaluation.predictions import RunKey
from refer.reporting.names import listing
from refer.reporting.results import Results, unique
from refer.reporting.run_set import Record
from refer.reporting.sensitivity import compared_runs
from refer.reporting.tables import columns as c
from refer.reporting.tables.changes import changes
from refer.reporting.tables.notes import cost
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Row,
    Table,
    dataset_name,
    number,
    several,
    signed,
    signed_span,
    spread,
    thousands,
)

if TYPE_CHECKING:
    from refer.spec import Paper
    from refer.switches import Switch

OTHER_IMAGES = "other images"
STATES = {
    "run": "run",
    "same": "changes nothing",
    "overruled": "overruled",
    "contradicts": "contradicts another choice",
    "left out": "left out",
}


def options_of(results: Results) -> list[dict[str, Any]]:
    """Return a row for each option that was asked for, those of the ambiguities that matter most first.

    An ambiguity's `rank` is by its largest difference; options that were not run stand last.
    """
    rows = results.wide("option", "difference", "default", "mean")
    run = [row for row in rows if row["state"] == "run"]
    largest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(run, key=lambda row: -abs(row["difference"])):
        largest.setdefault(_question(row), row)
    ranks = [*largest, *(question for question in unique(map(_question, rows)) if question not in largest)]
    for row in rows:
        row["rank"] = 1 + ranks.index(_question(row))
        row["largest"] = largest.get(_question(row)) is row
        row["images"] = {"paired": "same", "unpaired": OTHER_IMAGES}.get(row["interval_method"])
    return sorted(run, key=lambda row: row["rank"]) + [row for row in rows if row["state"] != "run"]


def sensitivity_tables(
    results: Results, papers: Mapping[str, Paper], switches: Sequence[Switch], records: Mapping[RunKey, Record]
) -> list[Table]:
    """Return the tables to be read: the largest difference of each ambiguity, every one, and what was not run."""
    rows = options_of(results)
    run = [row for row in rows if row["state"] == "run"]
    mixed = len({row["stand_in"] for row in run}) > 1
    for row in rows:
        row["shown_data"] = dataset_name(row["dataset"]) + (" (drawn)" if mixed and row["stand_in"] else "")
    behind = [records[key] for key in compared_runs(switches) if key in records]
    made = [_largest(rows, run, papers, behind), _all(rows, run)]
    return [*made, *([_missing(rows, run, papers)] if len(run) < len(rows) else [])]


def _largest(rows: Sequence[Row], run: Sequence[Row], papers: Mapping[str, Paper], behind: Sequence[Record]) -> Table:
    """Return for each ambiguity the largest difference that one of its options made, the largest of all first."""
    lines = []
    for question in unique(map(_question, rows)):
        mine = [row for row in rows if _question(row) == question]
        tried = [row for row in mine if row["state"] == "run"]
        best = next((row for row in tried if row["largest"]), None)
        why = listing(unique(STATES[row["state"]] for row in mine if row["state"] != "run")) if not tried else ""
        lines.append({
            **(best or {**mine[0], "option": f"none was run: {why}"}),
            "compared": len(tried),
            "name": _method(best, run) if best else DASH,
            "compared_with": mine[0]["compared_with"],
        })  # fmt: skip
    return Table(
        "sensitivity",
        f"What {several(len(lines), 'open question')} of {several(len(papers), 'paper')} "
        f"{'is' if len(lines) == 1 else 'are'} worth: the largest difference of each, in points of accuracy",
        [
            c.PAPER,
            Column("what", "What is open"),
            Column("compared_with", "Choice"),
            Column("option", "Option with the largest difference"),
            Column("name", "Method"),
            *_effect(),
            Column("compared", "Compared", right=True),
        ],
        sorted(lines, key=lambda row: row["rank"]),
        [*map(Note, _notes(run, papers, behind))],
        _banner(run),
        csv=False,
    )


def _all(rows: Sequence[Row], run: Sequence[Row]) -> Table:
    """Return every option that was run, a block for each paper."""
    reasons = unique(row["reason"] for row in run if row["reason"])
    marks = {reason: chr(ord("a") + place % 26) for place, reason in enumerate(reasons)}
    return Table(
        "sensitivity.all",
        "Every option that was run, beside the choice that was made: accuracy (%) and difference (points)",
        [
            *c.hidden("preset"),
            c.PAPER,
            *c.hidden("dataset", "data", "stand_in"),
            Column("", "Data", lambda row: row["shown_data"]),
            c.PROTOCOL,
            *c.hidden("method"),
            Column("what", "What is open"),
            Column("label", "Method"),
            Column("compared_with", "Choice"),
            Column("default", "Accuracy", lambda row: spread(row["default"], row["default_sd"]), right=True),
            *c.hidden("default_sd", "default_n"),
            Column("option", "Option", lambda row: Cell(row["option"], mark=marks.get(row["reason"], ""))),
            Column("mean", "Accuracy", lambda row: spread(row["mean"], row["mean_sd"]), right=True),
            *c.hidden("mean_sd"),
            *_effect(),
            *c.hidden("p", "test", "images"),
            Column("n", "n", _sizes, right=True),
            c.SEEDS,
            *c.hidden("folds", "part", "split", "state", "reason", "run", "rank"),
        ],
        rows,
        [Note(f"In part only: {reason}.", mark) for reason, mark in marks.items()],
        _banner(run),
        block=["paper"],
        shown=lambda row: row["state"] == "run",
    )


def _missing(rows: Sequence[Row], run: Sequence[Row], papers: Mapping[str, Paper]) -> Table:
    """Return which options were not run, with which methods and why."""
    missing = [row for row in rows if row["state"] != "run"]
    names = ("paper", "what", "compared_with", "option", "reason")
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in missing:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    lines = []
    for key, those in groups.items():
        labels = unique(papers[key[0]].methods[row["method"]].label for row in those)
        several_data = len({row["dataset"] for row in missing if row["paper"] == key[0]}) > 1
        where = listing(unique(dataset_name(row["dataset"]) for row in those))
        methods = listing(labels) + (f" on {where}" if several_data else "")
        lines.append(dict(zip(names, key, strict=True)) | {"methods": methods})
    heads = {"paper": ("Paper", 0.09), "what": ("What is open", 0.1), "compared_with": ("Choice", 0.1),
             "option": ("Option", 0.12), "methods": ("Methods", 0.25), "reason": ("Why", 0.26)}  # fmt: skip
    return Table(
        "sensitivity.missing",
        "What was not run, and why",
        [Column(name, title, width=share) for name, (title, share) in heads.items()],
        lines,
        [
            Note(
                "An option that changes nothing of a method needs no run: its accuracy is the default's. One that is "
                "overruled says nothing here: the configuration runs something else in its place."
            )
        ],
        _banner(run),
        csv=False,
    )


def _effect() -> list[Column]:
    """Return difference, interval and p; bold where p is below 0.05."""
    return [
        Column("difference", "Difference", lambda row: Cell(
            signed(row["difference"]), bold=row["p_holm"] is not None and row["p_holm"] < 0.05), right=True),
        Column("low", "95 % interval", lambda row: signed_span(row["low"], row["high"]), right=True),
        Column("high"),
        Column("p_holm", "p (Holm)", _p, right=True),
    ]  # fmt: skip


def _p(row: Row) -> str:
    if row["p_holm"] is None:
        return OTHER_IMAGES if row["images"] == OTHER_IMAGES else DASH
    value = row["p_holm"]
    return "< 0.001" if value < 0.001 else number(value, 3 if value < 0.1 else 2)


def _sizes(row: Row) -> str:
    sizes = dict.fromkeys((row["default_n"], row["n"]))
    return "; ".join(map(thousands, sizes))


def _notes(run: Sequence[Row], papers: Mapping[str, Paper], behind: Sequence[Record]) -> list[str]:
    texts = [
        "Difference: accuracy with the option minus accuracy with the choice that was made, all else equal, on the "
        "test set. Compared: options × methods × data sets that were run. The largest of several differences is large "
        "by chance too: look at its interval, and at p. Bold: p below 0.05.",
        *_statistics(run),
    ]
    if any((row["folds"] or 0) == 1 for row in run):
        texts.append(
            "Of a single fold the images count as independent, which those of one person are not: there intervals are "
            "rather too narrow and p too small."
        )
    for name, paper in papers.items():
        if paper.departures:
            texts.append(f"What this preset changes in papers/{name}.yaml, for all options: {changes(paper)}.")
    return [*texts, *([f"Cost: {cost(behind)}."] if behind else [])]


def _statistics(run: Sequence[Row]) -> Iterable[str]:
    """Yield what intervals and p are, of what was run."""
    tests = {row["test"] for row in run}
    told = []
    if "mcnemar" in tests:
        told.append(
            "of a single seed the interval counts the sampling of test images only (Bonett and Price, for matched "
            "proportions), and p is McNemar's exact test: both take the two networks as they are, and another seed "
            "may give another difference"
        )
    if "crossed" in tests:
        told.append("of several seeds or folds interval and p count test images and seeds (or folds) as samples")
    if any(row["images"] == OTHER_IMAGES for row in run):
        told.append(
            f"“{OTHER_IMAGES}”: the option also changes which images are tested, so that nothing can be paired; the "
            "two intervals are joined (of single runs: Newcombe's), and n is that of the choice and that of the option"
        )
    tested = sum(row["p"] is not None for row in run)
    told += [f"p is adjusted by Holm for {several(tested, 'test')}"] if tested else []
    if run:
        yield f"95 % interval and p: {'; '.join(told)}."


def _method(row: Row, run: Sequence[Row]) -> str:
    """Return the method's name, with its data set and protocol where the paper has several here."""
    mine = [other for other in run if other["paper"] == row["paper"]]
    parts = [row["label"]]
    if len({other["data"] for other in mine}) > 1 or len({other["stand_in"] for other in run}) > 1:
        parts.append(f"on {row['shown_data']}")
    if len({other["protocol"] for other in mine}) > 1:
        parts.append(f"({row['protocol']})")
    return " ".join(parts)


def _banner(run: Sequence[Row]) -> str:
    drawn = listing(unique(dataset_name(row["dataset"]) for row in run if row["stand_in"]) or [""])
    if not drawn:
        return ""
    if all(row["stand_in"] for row in run):
        return f"Drawn stand-in data: these numbers say nothing about {drawn}"
    return f"Drawn stand-in data in the rows marked (drawn): those numbers say nothing about {drawn}"


def _question(row: Row) -> tuple[str, str]:
    return row["paper"], row["what"]
