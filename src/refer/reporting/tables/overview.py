"""Every reported number of every paper with its verdict: what was reproduced, what was not, what cannot be told."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from refer.evaluation.reported import CANNOT_TELL, MARGIN, NOT_REPRODUCED, REPRODUCED, STAND_IN
from refer.reporting.evidence import Paper
from refer.reporting.names import listing, measure
from refer.reporting.tables.notes import rule, weight_note
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    csv_value,
    dataset_name,
    number,
    probability,
    rounded,
    signed,
    stand_in_notice,
    stated,
    thousands,
    write_faces,
)

NOT_RUN = "not run"
Found = Mapping[str, Any]
"""A row of the table of verdicts."""
ORDER = (REPRODUCED, NOT_REPRODUCED, CANNOT_TELL, STAND_IN, NOT_RUN)
Row = Mapping[str, str]
"""A row of the CSV that `refer.reporting.tables.compare` writes."""


def read_rows(tables: Iterable[str | Path]) -> list[Row]:
    """Return the rows of many comparison tables, in the order of the files."""
    rows: list[Row] = []
    for path in tables:
        with Path(path).open(encoding="utf-8", newline="") as handle:
            rows += csv.DictReader(handle)
    return rows


def as_rows(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return such rows from what is to be written there."""
    return [{name: str(csv_value(value)) for name, value in record.items()} for record in records]


def write_verdicts(
    papers: Sequence[Paper], tables: Iterable[str | Path], outputs: Iterable[str | Path], margin: float = MARGIN
) -> None:
    """Write the table of all verdicts to every path of `outputs` (.csv, .md, .tex, .html), from comparison CSVs."""
    found = verdicts(papers, read_rows(tables))
    write_faces(found, [verdict_table(papers, found, margin)], outputs)


def verdicts(papers: Sequence[Paper], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a row for every reported number and every way in which it was run, `not run` for one that was not.

    Numbers are percentages and points.
    """
    result = []
    for paper in papers:
        for claim in paper.reported:
            metric = paper.metrics.scored(claim.metric)
            mine = [
                row
                for row in rows
                if (row["paper"], row["method"], row["dataset"], row["metric"])
                == (paper.id, claim.method, claim.dataset, metric)
                and row["reported"]
                and float(row["reported"]) == claim.value
            ]
            common = {"paper": paper.id, "dataset": claim.dataset, "method": claim.method,
                      "label": paper.methods[claim.method].label, "metric": metric,
                      "reported": claim.value, "reported_sd": claim.sd, "reported_n": claim.n,
                      "source": claim.source}  # fmt: skip
            for row in mine or [{}]:
                result.append({**common, **_found(row)})
    return result


def _found(row: Row) -> dict[str, Any]:
    words = ("data", "protocol", "part", "split", "test", "stand_in")
    numbers = ("mean", "sd", "low", "high", "difference", "difference_low", "difference_high", "p")
    counts = ("n", "seeds", "images_to_tell")
    return {
        **{name: row.get(name) or None for name in words},
        **{name: float(row[name]) if row.get(name) else None for name in numbers},
        **{name: int(row[name]) if row.get(name) else None for name in counts},
        "verdict": row.get("verdict") or NOT_RUN,
    }


def chosen(found: Sequence[Found]) -> list[Found]:
    """Return one row for each reported number that was run in several ways.

    As published rather than audited, for that is what the number is of; on the test set.
    """
    result: dict[tuple[str, str, str, str, float], Found] = {}
    for row in found:
        key = (row["paper"], row["dataset"], row["method"], row["metric"], row["reported"])
        if key not in result or row["protocol"] in ("published", result[key]["protocol"]):
            result[key] = row
    return list(result.values())


def tally(found: Sequence[Found]) -> dict[str, int]:
    """Return how many reported numbers have which verdict, in order; see `chosen`."""
    verdict = [row["verdict"] for row in chosen(found)]
    return {name: verdict.count(name) for name in ORDER if name in verdict}


def verdict_table(papers: Sequence[Paper], found: Sequence[Found], margin: float = MARGIN) -> Table:
    """Return the table of verdicts: a block a paper, a row a reported number and way of running it."""
    run = [row for row in found if row["verdict"] != NOT_RUN]
    measured = any(row["metric"] != "accuracy" for row in run)
    columns = [Column("Paper"), Column("Data"), Column("Method"), *([Column("Measure")] if measured else [])]
    columns += [Column(head, right=True) for head in ("Reported", "Reproduced", "95 % interval", "Diff.", "95 % of it")]
    columns += [Column("Verdict"), Column("Protocol"), Column("Part")]
    columns += [Column(head, right=True) for head in ("n", "Seeds", "p", "Images to tell")]
    blocks = [[_row(row, measured) for row in run if row["paper"] == paper.id] for paper in papers]
    drawn = list(dict.fromkeys(row["dataset"] for row in found if row["stand_in"] == "true"))
    notes = [rule(margin)]
    if any(row["images_to_tell"] for row in found):
        notes.append(
            "Images to tell: the test set with which four of five such comparisons end in a verdict (two-sided 5 %, "
            "power 80 %), rounded; more seeds help where they differ more than the images make uncertain."
        )
    if drawn:
        notes.append("stand-in: run on drawn data, which says nothing about a reported number.")
    if len(run) < len(found):
        lacking = [row["paper"] for row in found if row["verdict"] == NOT_RUN]
        each = listing(f"{lacking.count(name)} of {name}" for name in dict.fromkeys(lacking))
        notes.append(f"Not run by this preset, and not in the table: {each}.")
    if any(row["reported_n"] is None and row["verdict"] not in (NOT_RUN, STAND_IN) for row in found):
        notes.append("Where a paper does not say n, that of the whole part tested here is taken for it.")
    if any(row["metric"] != "accuracy" and row["verdict"] != STAND_IN for row in run):
        notes.append(weight_note())
    everything = bool(run) and len(drawn) == len({row["dataset"] for row in run})
    return Table(
        name="verdicts",
        title="Reported numbers (%), reproduced or not",
        columns=columns,
        blocks=[block for block in blocks if block],
        notes=list(map(Note, notes)),
        banner=stand_in_notice(*drawn) if drawn and everything else "",
    )


def _row(row: Found, measured: bool) -> list[Cell]:
    reported = stated(row["reported"]) + (f" ± {stated(row['reported_sd'])}" if row["reported_sd"] is not None else "")
    cells = [Cell(row["paper"]), Cell(dataset_name(row["dataset"])), Cell(row["label"])]
    cells += [Cell(measure(row["metric"]))] if measured else []
    drawn = row["verdict"] == STAND_IN
    ends = "" if drawn else f"{signed(row['difference_low'])} to {signed(row['difference_high'])}"
    return [
        *cells,
        Cell(reported),
        Cell(number(row["mean"]) + (f" ± {row['sd']:.1f}" if row["sd"] is not None else "")),
        Cell(f"{row['low']:.1f}{DASH}{row['high']:.1f}"),
        Cell(DASH if drawn else signed(row["difference"])),
        Cell(ends or DASH),
        Cell(row["verdict"], bold=row["verdict"] == REPRODUCED),
        Cell(row["protocol"]),
        Cell(row["split"]),
        Cell(thousands(row["n"])),
        Cell(str(row["seeds"])),
        Cell(DASH if drawn else probability(row["p"])),
        Cell(rounded(row["images_to_tell"]) if row["images_to_tell"] else DASH),
    ]
