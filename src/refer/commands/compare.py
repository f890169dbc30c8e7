"""`refer compare`: predictions that any program made, beside those of a released preset."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console

    from refer.evaluation.own import Own
    from refer.release.runs import Preset
    from refer.reporting.comparisons import Entry
    from refer.reporting.tables.table import Cell, Column, Table

ENDS = (".csv", ".md", ".html")
WIDE = 120
"""Letters of a line where no terminal says how many it has."""


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("compare", help="compare predictions of your own with those of a released preset")
    parser.add_argument("file", type=Path, metavar="FILE",
                        help="CSV or parquet: image and class, or image and a probability for each class")  # fmt: skip
    parser.add_argument("--preset", required=True, help="released, below results/, e.g. fer2013")
    parser.add_argument("--data", metavar="NAME", help="the data set (that of the preset, if it has one)")
    parser.add_argument("--name", help="what to call the predictions (the file's name)")
    parser.add_argument("--rename", metavar="THEIRS=OURS", action="append", default=[],
                        help="a class that the file calls otherwise, e.g. happiness=happy")  # fmt: skip
    parser.add_argument("--partial", action="store_true", help="compare what is there, though images are missing")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write tables (CSV, Markdown, HTML) and figures")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    from rich.console import Console

    from refer.datasets.image_list import NAME, read_image_list
    from refer.evaluation.own import match, read_table
    from refer.release.runs import find_preset
    from refer.reporting.tables.own import own_tables
    from refer.reporting.tables.write import write_tables

    preset = find_preset(parsed.preset)
    data = _data(preset, parsed.data)
    listed = read_image_list(preset.folder / "data" / data / NAME)
    own = match(read_table(parsed.file, listed.classes, _renamed(parsed.rename)), listed, parsed.partial)
    released, apart = _released(preset, data, str(listed.about["data_fingerprint"]))
    name = parsed.name or parsed.file.stem
    tables = own_tables(own, released, name, apart)
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, WIDE)
    for table in (each for key, each in tables.items() if key != "reliability"):
        _show(table, console)
    if parsed.out is not None:
        for key, table in tables.items():
            write_tables([table], [parsed.out / f"{key}{end}" for end in ENDS])
        if own.probabilities is not None:
            _draw(own, name, tables["measures"].banner, parsed.out)
        console.print(f"written: {parsed.out}", markup=False)
    return 0


def _data(preset: Preset, wanted: str | None) -> str:
    """Return the data set that is meant, as paths have it."""
    from refer.errors import UserError, unknown

    known = list(dict.fromkeys(run.data for run in preset.runs))
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted is None:
        raise UserError(f"{preset.file}: has several data sets; say which one: --data {' or '.join(known)}")
    found = [data for data in known if wanted in (data, data.removesuffix("-standin"))]
    if not found:
        raise UserError(f"{preset.file}: no data set {unknown(wanted, known)}")
    return found[0]


def _renamed(pairs: Sequence[str]) -> Mapping[str, str]:
    from refer.errors import UserError

    if wrong := [pair for pair in pairs if pair.count("=") != 1]:
        raise UserError(f"--rename {wrong[0]}: expected THEIRS=OURS, e.g. --rename happiness=happy")
    return {pair.split("=")[0].strip(): pair.split("=")[1].strip() for pair in pairs}


def _released(preset: Preset, data: str, fingerprint: str) -> tuple[list[Entry], list[str]]:
    """Return the released methods on a data set under the audited protocol, and which others there are.

    Raises:
        UserError: no predictions are there, or they are of other data than the list of images.
    """
    from refer.errors import UserError
    from refer.evaluation.predictions import read_all
    from refer.reporting.comparisons import entries
    from refer.reporting.run_set import AUDITED, read_records, run_set

    plan = preset.plan
    runs = [run for run in preset.runs if run.data == data and not plan.switched(run)]
    audited = [run for run in runs if run.protocol == AUDITED]
    here = [run for run in audited if preset.paths("predictions.parquet", [run])[0].is_file()]
    if not here:
        raise UserError(f"{preset.folder}/runs: no audited predictions on {data}; pull them, or run {preset.command}")
    found = read_all(preset.paths("predictions.parquet", here))
    if found[0].data_fingerprint != fingerprint:
        raise UserError(f"{preset.folder}/data/{data}: the list of images is of other data than the predictions; "
                        "make it again: refer images --help")  # fmt: skip
    records = read_records(preset.paths("run.json", here))
    cells = {name: [run for run in found if run.key[:2] == (name, data)] for name in plan.papers}
    sets = [run_set(plan.papers[name], mine, records) for name, mine in cells.items() if mine]
    there = {(run.paper, run.method) for run in here}
    absent = dict.fromkeys((run.paper, run.method) for run in runs if (run.paper, run.method) not in there)
    planned = {(run.paper, run.method) for run in audited}
    why = [f"{'.'.join(one)}, {'predictions not here' if one in planned else 'only published protocol'}"
           for one in absent]  # fmt: skip
    return entries(sets).get(data, []), why


def _show(table: Table, console: Console) -> None:
    from rich.table import Table as Grid
    from rich.text import Text

    from refer.reporting.names import LONG, brief

    def text(column: Column, cell: Cell) -> Text:
        return Text(brief(cell.text) if column.name == "label" else cell.text, style="bold" if cell.bold else "")

    grid = Grid(title=Text(table.title), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(table.heads):
        longest = max((len(text(column, row[place])) for row in table.lines), default=0)
        side: Literal["left", "right"] = "right" if column.right else "left"
        grid.add_column(Text(column.title), justify=side, overflow="fold", min_width=min(longest, LONG))
    for block in table.blocks:
        for row in block:
            grid.add_row(*map(text, table.heads, row))
        grid.add_section()
    if table.banner:
        console.print(Text(table.banner, style="bold yellow"))
    console.print(grid)
    for note in table.notes:
        console.print(Text(f"· {note.text}", style="dim"))
    console.print()


def _draw(own: Own, name: str, notice: str, out: Path) -> None:
    from refer.reporting.figures.reliability import draw_reliability
    from refer.reporting.own import measures, reliability
    from refer.reporting.tables.own import about

    errors = {row["images"]: row["value"] for row in measures(own) if row["metric"] == "ece"}
    outputs = [out / "reliability.svg", out / "reliability.png"]
    draw_reliability(list(reliability(own)), errors, f"Calibration of {about(own, name)}", notice, outputs)
