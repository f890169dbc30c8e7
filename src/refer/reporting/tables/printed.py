"""A paper's tables in the paper's own layout: reported / reproduced in each cell, to be held beside the PDF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from refer.evaluation.reported import NOT_REPRODUCED, REPRODUCED
from refer.printed import PrintedRow, PrintedTable
from refer.reporting.names import listing
from refer.reporting.results import Results
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Row,
    Table,
    dataset_name,
    number,
    stand_in_notice,
    stated,
)

if TYPE_CHECKING:
    from refer.spec import Paper

MARKS = {REPRODUCED: "r", NOT_REPRODUCED: "n"}


def printed_tables(paper: Paper, results: Results, data: str | None = None) -> list[Table]:
    """Return each table of the paper's layout once for every protocol that was run, drawn data apart from real.

    With `data`, those tables that show this data set, and of what was run that on it.
    """
    where = {"paper": paper.id} | ({"data": data} if data else {})
    rows = [row for row in results.wide("method", "mean", "reported", "difference", **where)
            if row["metric"] == "accuracy" or row["reported"] is not None]  # fmt: skip
    layout = paper.layout or _plain(paper)
    if data is not None:
        layout = [each for each in paper.layout if data.removesuffix("-standin") in each.datasets]
    made = []
    for number_, printed in enumerate(layout):
        used = [row for row in rows if row["dataset"] in printed.datasets]
        kinds = dict.fromkeys((row["stand_in"], row["protocol"]) for row in used)
        for stand_in, protocol in kinds or {(False, ""): None}:
            mine = [row for row in used if (row["stand_in"], row["protocol"]) == (stand_in, protocol)]
            made.append(_table(paper, printed, number_, mine, protocol, stand_in))
    return made


def _plain(paper: Paper) -> list[PrintedTable]:
    """Return a layout for a paper whose file gives none: a table a data set, a row a method that reports a number."""
    made = []
    for dataset in dict.fromkeys(claim.dataset for claim in paper.reported) or paper.parts:
        claims = [claim for claim in paper.reported if claim.dataset == dataset]
        kinds = dict.fromkeys((claim.metric, claim.part) for claim in claims) or [("accuracy", None)]
        splits = paper.parts[dataset] if len({part for _, part in kinds}) > 1 else {}
        methods = dict.fromkeys(claim.method for claim in claims) or paper.methods

        plain = {
            "title": "reported numbers",
            "dataset": dataset,
            "columns": [
                {
                    "title": ", ".join(filter(None, (dataset_name(dataset), splits.get(part or ""), metric))),
                    "metric": metric,
                    "part": part,
                }
                for metric, part in kinds
            ],
            "rows": [{"title": paper.methods[name].label, "methods": [name]} for name in methods],
        }
        made.append(PrintedTable.model_validate(plain))
    return made


def _table(
    paper: Paper, printed: PrintedTable, number_: int, rows: Sequence[Row], protocol: str, stand_in: bool
) -> Table:
    used: list[Row] = []
    cells = [[*map(Cell, row.words), *_cells(paper, printed, row, rows, used)] for row in printed.rows]
    heads = [*((title, "") for title in printed.heads), *((each.title, each.group) for each in printed.columns)]
    columns = [
        Column(f"{k}", title, group=group, right=k >= len(printed.heads)) for k, (title, group) in enumerate(heads)
    ]
    drawn = dict.fromkeys(row["dataset"] for row in rows)
    notes = [
        f"Each cell: reported / reproduced, in %. {DASH}: the paper gives no number, or it was not run. Empty: the "
        "paper has no such cell."
    ]
    if {cell.mark for row in cells for cell in row} - {""}:
        notes.append(
            "r: reproduced, n: not reproduced, by the rule below the table of accuracies (docs/verdicts.md); the "
            "others are inconclusive or were not tested at the paper's budget."
        )
    if used:
        seeds = sorted({row["seeds"] for row in used})
        notes.append(f"Reproduced: {protocol} protocol, mean over {' or '.join(map(str, seeds))} seed"
                     f"{'s' if seeds != [1] else ''}, {_parts(used)}.")  # fmt: skip
    ran = f", reported and reproduced ({protocol} protocol)" if protocol else ", reported (nothing of it was run)"
    return Table(
        name=f"printed.{paper.id}.{number_ + 1}{f'.{protocol}' if protocol else ''}",
        title=f"{paper.id}, {printed.title}{ran}",
        columns=columns,
        rows=[{f"{k}": cell for k, cell in enumerate(line)} for line in cells],
        notes=list(map(Note, notes)),
        banner=stand_in_notice(*drawn) if stand_in else "",
    )


def _cells(paper: Paper, printed: PrintedTable, row: PrintedRow, rows: Sequence[Row], used: list[Row]) -> list[Cell]:
    """Return the cells of a row, and add what was reproduced of it to `used`."""
    cells = []
    for method, dataset, metric, part in printed.cells(row):
        if method is None:
            cells.append(Cell(""))
            continue
        claims = [
            c
            for c in paper.reported
            if (c.method, c.dataset, c.metric) == (method, dataset, metric) and part in (None, c.part)
        ]
        found = _found(paper, rows, method, dataset, metric, claims[0].part if claims else part)
        used += [found] if found else []
        reported = stated(claims[0].value, claims[0].decimals) if claims else DASH
        cells.append(Cell(f"{reported} / {number(found['mean']) if found else DASH}",
                          mark=MARKS.get(found["verdict"], "") if found else ""))  # fmt: skip
    return cells


def _found(paper: Paper, rows: Sequence[Row], method: str, dataset: str, metric: str, part: str | None) -> Row | None:
    """Return what was reproduced: on the part that the paper names, else on the test set."""
    name = paper.metrics.scored(metric)
    mine = [row for row in rows if (row["method"], row["dataset"], row["metric"]) == (method, dataset, name)]
    wanted = {row["part"]: row for row in mine}
    return wanted.get(part or "") or wanted.get(paper.test_sets[dataset])


def _parts(rows: Sequence[Row]) -> str:
    """Return on which part each data set was tested."""
    tested: dict[str, dict[str, None]] = {}
    for row in rows:
        tested.setdefault(row["dataset"], {})[row["split"]] = None
    return ", ".join(f"{dataset_name(dataset)}: {listing(splits)}" for dataset, splits in tested.items())
