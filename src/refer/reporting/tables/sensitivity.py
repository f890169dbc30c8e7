"""The table of sensitivity: what each thing that a paper leaves open is worth, in points of accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from refer.reporting.evidence import Paper
from refer.reporting.names import listing
from refer.reporting.swings import Sensitivity, Swing, measure
from refer.reporting.tables.departures import departures
from refer.reporting.tables.notes import cost
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    number,
    several,
    signed,
    thousands,
    write_faces,
)
from refer.switches import Switch

OTHER_IMAGES = "other images"
STATES = {
    "run": "run",
    "same": "changes nothing",
    "overruled": "overruled",
    "contradicts": "contradicts another choice",
    "left out": "left out",
}


def write_sensitivity(
    switches: Sequence[Switch],
    papers: Mapping[str, Paper],
    predictions: Iterable[str | Path],
    runs: Iterable[str | Path],
    outputs: Iterable[str | Path],
) -> None:
    """Write the tables of sensitivity to every path of `outputs` (.csv, .md, .tex, .html).

    See `swings.measure` for the arguments and errors. The CSV has a row for each comparison that was asked for, also
    for those that were not run; percentages and points in full precision.
    """
    found = measure(switches, papers, predictions, runs)
    write_faces(records(found), tables(found), outputs)


def tables(found: Sensitivity) -> list[Table]:
    """Return the tables to be read: the largest swing of each ambiguity, every swing, and what was not run."""
    made = [largest_table(found)]
    if found.swings:
        made.append(swings_table(found))
    return [*made, *([missing_table(found)] if found.missing else [])]


def records(found: Sensitivity) -> list[dict[str, Any]]:
    """Return the rows of the CSV, those of the ambiguities that matter most first, what was not run last."""
    rank = {question: place for place, question in enumerate([*found.largest, *found.unanswered], 1)}
    rows = [_record(found, each.switch, each) | {"rank": rank[_question(each.switch)]} for each in found.swings]
    return rows + [_record(found, each, None) | {"rank": rank[_question(each)]} for each in found.missing]


def largest_table(found: Sensitivity) -> Table:
    """Return for each ambiguity the largest swing that one of its options made, the largest of all first."""
    heads = ("Paper", "What is open", "Choice", "Option with the largest swing", "Method")
    numbers = ("Swing", "95 % interval", "p (Holm)", "Compared")
    counts: dict[tuple[str, str], int] = {}
    for each in found.swings:
        counts[_question(each.switch)] = counts.get(_question(each.switch), 0) + 1
    rows = []
    for question, each in found.largest.items():
        switch = each.switch
        texts = [switch.paper, switch.ambiguity, switch.default, switch.option, _method(found, each)]
        rows.append([*map(Cell, texts), *_effect(each), Cell(str(counts[question]))])
    for question in found.unanswered:
        choice = found.papers[question[0]].ambiguities[question[1]].choice
        why = listing(dict.fromkeys(STATES[each.state] for each in found.missing if _question(each) == question))
        rows.append([*map(Cell, (*question, choice, f"none was run: {why}", DASH)), *[Cell(DASH)] * 3, Cell("0")])
    questions = len(found.largest) + len(found.unanswered)
    return Table(
        name="sensitivity",
        title=f"What {several(questions, 'open question')} of {several(len(found.papers), 'paper')} "
        f"{'is' if questions == 1 else 'are'} worth: the largest swing of each, in points of accuracy",
        columns=[*map(Column, heads), *(Column(head, right=True) for head in numbers)],
        blocks=[rows],
        notes=[*map(Note, _notes(found))],
        banner=_banner(found),
    )


def swings_table(found: Sensitivity) -> Table:
    """Return every swing, a block for each paper."""
    marks, notes = _in_part(found)
    columns = [Column(head) for head in ("Paper", "Data", "Protocol", "What is open", "Method", "Choice")]
    columns += [Column("Accuracy", right=True), Column("Option"), Column("Accuracy", right=True)]
    columns += [Column(head, right=True) for head in ("Swing", "95 % interval", "p (Holm)", "n", "Seeds")]
    blocks = []
    for paper in found.papers:
        rows = []
        for each in (each for each in found.swings if each.switch.paper == paper):
            switch = each.switch
            texts = [paper, _data(found, each), switch.protocol, switch.ambiguity, each.label, switch.default]
            n = thousands(each.n) if each.n == each.n_before else f"{thousands(each.n_before)}; {thousands(each.n)}"
            rows.append(
                [
                    *map(Cell, texts),
                    Cell(_spread(each.before, each.before_sd)),
                    Cell(switch.option, mark=marks.get(switch.reason, "")),
                    Cell(_spread(each.after, each.after_sd)),
                    *_effect(each),
                    Cell(n),
                    Cell(str(len(switch.seeds))),
                ]
            )
        blocks.append(rows)
    return Table(
        name="sensitivity.all",
        title="Every option that was run, beside the choice that was made: accuracy (%) and swing (points)",
        columns=columns,
        blocks=[rows for rows in blocks if rows],
        notes=notes,
        banner=_banner(found),
    )


def missing_table(found: Sensitivity) -> Table:
    """Return which options were not run, with which methods and why."""
    groups: dict[tuple[str, str, str, str, str], list[Switch]] = {}
    for each in found.missing:
        groups.setdefault((each.paper, each.ambiguity, each.default, each.option, each.reason), []).append(each)
    rows = []
    for (paper, ambiguity, default, option, reason), those in groups.items():
        labels = dict.fromkeys(found.papers[paper].methods[each.method].label for each in those)
        data = dict.fromkeys(each.dataset for each in found.missing if each.paper == paper)
        where = dict.fromkeys(dataset_name(each.dataset) for each in those)
        text = listing(labels) + (f" on {listing(where)}" if len(data) > 1 else "")
        rows.append([*map(Cell, (paper, ambiguity, default, option, text, reason))])
    heads = {"Paper": 0.09, "What is open": 0.1, "Choice": 0.1, "Option": 0.12, "Methods": 0.25, "Why": 0.26}
    return Table(
        name="sensitivity.missing",
        title="What was not run, and why",
        columns=[Column(head, width=share) for head, share in heads.items()],
        blocks=[rows],
        notes=[
            Note(
                "An option that changes nothing of a method needs no run: its accuracy is the default's. One that is "
                "overruled says nothing here: the configuration runs something else in its place."
            )
        ],
        banner=_banner(found),
    )


def _record(found: Sensitivity, switch: Switch, swing: Swing | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "preset": found.preset,
        "paper": switch.paper,
        "dataset": switch.dataset,
        "data": switch.data,
        "stand_in": switch.data.endswith("-standin"),
        "protocol": switch.protocol,
        "method": switch.method,
        "label": found.papers[switch.paper].methods[switch.method].label,
        "ambiguity": switch.ambiguity,
        "default": switch.default,
        "option": switch.option,
        "state": STATES[switch.state],
        "reason": switch.reason,
        "run": switch.variant if swing else None,
    }
    numbers: dict[str, Any] = dict.fromkeys(
        ("part", "split", "default_accuracy", "default_sd", "accuracy", "sd", "swing", "low", "high",
         "images", "test", "p", "p_holm", "default_n", "n", "seeds", "folds")
    )  # fmt: skip
    if swing is not None:
        numbers |= {
            "part": swing.part,
            "split": swing.split,
            "default_accuracy": swing.before,
            "default_sd": swing.before_sd,
            "accuracy": swing.after,
            "sd": swing.after_sd,
            "swing": swing.swing,
            "low": 100 * swing.interval.low,
            "high": 100 * swing.interval.high,
            "images": "same" if swing.paired else OTHER_IMAGES,
            "test": swing.test or None,
            "p": swing.p,
            "p_holm": swing.adjusted,
            "default_n": swing.n_before,
            "n": swing.n,
            "seeds": len(switch.seeds),
            "folds": sum(fold is not None for fold in switch.folds) or None,
        }
    return row | numbers


def _effect(each: Swing) -> list[Cell]:
    """Return swing, interval and p; bold where chance alone hardly makes it."""
    low, high = (signed(100 * end) for end in each.interval[:2])
    p = OTHER_IMAGES if each.adjusted is None else p_text(each.adjusted)
    sure = each.adjusted is not None and each.adjusted < 0.05
    return [Cell(signed(each.swing), bold=sure), Cell(f"{low} to {high}"), Cell(p)]


def p_text(value: float) -> str:
    """Return a p as it is printed."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def _notes(found: Sensitivity) -> list[str]:
    texts = [
        "Swing: accuracy with the option minus accuracy with the choice that was made, all else equal, on the last "
        "test part. Compared: options × methods × data sets that were run. The largest of several swings is large by "
        "chance too: look at its interval, and at p. Bold: p below 0.05.",
        *_statistics(found),
    ]
    if any(len(each.switch.folds) == 1 and each.switch.folds != (None,) for each in found.swings):
        texts.append(
            "Of a single fold the images count as independent, which those of one person are not: there intervals are "
            "rather too narrow and p too small."
        )
    for name, paper in found.papers.items():
        if paper.departures:
            texts.append(f"What this preset changes in papers/{name}.yaml, for all options: {departures(paper)}.")
    return [*texts, *([f"Cost: {cost(found.records)}."] if found.records else [])]


def _statistics(found: Sensitivity) -> list[str]:
    """Return what intervals and p are, of what was run."""
    if not found.swings:
        return []
    tests = {each.test for each in found.swings if each.paired}
    told = []
    if "mcnemar" in tests:
        told.append(
            "of a single seed the interval counts the sampling of test images only (Bonett and Price, for matched "
            "proportions), and p is McNemar's exact test: both take the two networks as they are, and another seed "
            "may give another swing"
        )
    if "crossed" in tests:
        told.append("of several seeds or folds interval and p count test images and seeds (or folds) as samples")
    if len(tests) < len({each.test for each in found.swings}):
        told.append(
            f"“{OTHER_IMAGES}”: the option also changes which images are tested, so that nothing can be paired; the "
            "two intervals are joined (of single runs: Newcombe's), and n is that of the choice and that of the option"
        )
    tested = sum(each.paired for each in found.swings)
    adjusted = [f"p is adjusted by Holm for {several(tested, 'test')}"] if tested else []
    return [f"95 % interval and p: {'; '.join([*told, *adjusted])}."]


def _in_part(found: Sensitivity) -> tuple[dict[str, str], list[Note]]:
    """Return the letters and notes of options of which a part is overruled."""
    reasons = list(dict.fromkeys(each.switch.reason for each in found.swings if each.switch.reason))
    marks = {reason: chr(ord("a") + place % 26) for place, reason in enumerate(reasons)}
    return marks, [Note(f"In part only: {reason}.", mark) for reason, mark in marks.items()]


def _method(found: Sensitivity, each: Swing) -> str:
    """Return the method's name, with its data set and protocol where the paper has several here."""
    mine = [other.switch for other in found.swings if other.switch.paper == each.switch.paper]
    parts = [each.label]
    if len({other.data for other in mine}) > 1 or len({other.stand_in for other in found.swings}) > 1:
        parts.append(f"on {_data(found, each)}")
    if len({other.protocol for other in mine}) > 1:
        parts.append(f"({each.switch.protocol})")
    return " ".join(parts)


def _data(found: Sensitivity, each: Swing) -> str:
    mixed = len({other.stand_in for other in found.swings}) > 1
    return dataset_name(each.switch.dataset) + (" (drawn)" if mixed and each.stand_in else "")


def _banner(found: Sensitivity) -> str:
    drawn = list(dict.fromkeys(dataset_name(each.switch.dataset) for each in found.swings if each.stand_in))
    if not drawn:
        return ""
    if all(each.stand_in for each in found.swings):
        return f"Drawn stand-in data: these numbers say nothing about {listing(drawn)}"
    return f"Drawn stand-in data in the rows marked (drawn): those numbers say nothing about {listing(drawn)}"


def _question(switch: Switch) -> tuple[str, str]:
    return switch.paper, switch.ambiguity


def _spread(mean: float, sd: float | None) -> str:
    return number(mean) if sd is None else f"{number(mean)} ± {sd:.1f}"
