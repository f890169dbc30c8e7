"""Each kind of table made anew from the files that it rests on: predictions, run.json, measurements, audits, papers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from refer.errors import UserError
from refer.release.runs import Preset
from refer.reporting.audit import read_audit
from refer.reporting.report import Report
from refer.reporting.run_set import read_records
from refer.reporting.score import Asked, score
from refer.reporting.tables.batch_tokens import batch_token_tables, read_batch_tokens
from refer.reporting.tables.listings import ambiguity_table, audit_table, runs_table
from refer.reporting.tables.realtime import read_realtime, realtime_table
from refer.reporting.tables.reported_results import claims_table
from refer.reporting.tables.splits import read_splits, split_table
from refer.reporting.tables.table import Table
from refer.reporting.tables.write import csv_text


class Recomputed(NamedTuple):
    """The rows of a table as its CSV has them, every value as text, and what they were made from."""

    source: str
    rows: Sequence[Mapping[str, str]]


def recomputed(preset: Preset, stem: str) -> Recomputed | None:
    """Make a table anew: `stem` is its name without suffix. None where nothing here says how it is made.

    Raises:
        UserError: a file that it rests on is missing or broken.
    """
    found = _tables(preset, stem, *[*stem.split("."), "", ""][:3])
    if found is None:
        return None
    source, tables = found
    return Recomputed(source, list(csv.DictReader(io.StringIO(csv_text(*tables), newline=""))))


def _tables(preset: Preset, stem: str, kind: str, one: str, two: str) -> tuple[str, list[Table]] | None:
    """Return what a table is made from, and the table; `one` and `two` are the further words of its name."""
    plan = preset.plan
    if kind == "runs":
        return "run.json of every run", [runs_table(list(read_records(preset.paths("run.json")).values()))]
    if kind == "realtime":
        measured = sorted(preset.folder.glob("realtime/*.json"))
        return "realtime/*.json", [realtime_table(read_realtime(measured), plan.papers.values())]
    if kind == "batch_tokens":
        measured = sorted(preset.folder.glob("batch_tokens/*.parquet"))
        return "batch_tokens/*.parquet", batch_token_tables(read_batch_tokens(measured))
    if kind == "audit":
        return f"data/{one}/audit.json", [audit_table(read_audit(_border(preset, one, "audit.json")))]
    if kind in ("ambiguities", "claims") and one in plan.papers:
        make = ambiguity_table if kind == "ambiguities" else claims_table
        return f"papers/{one}.yaml and the preset", [make(plan.papers[one])]
    if kind == "split" and one in plan.papers:
        protocols = [protocol for name, owner, protocol in plan.splits() if (name, owner) == (two, one)]
        paths = [_border(preset, two, f"split.{one}.{protocol}.json") for protocol in protocols]
        return f"data/{two}/split.{one}.*.json", [split_table(read_splits(paths))]
    if (
        kind in plan.papers
        or one in plan.papers
        or kind in ("matrix", "ranking", "contrasts", "sensitivity", "verdicts")
    ):
        # Scored anew, for the stored results table may be of other predictions.
        files = (preset.paths(name) for name in ("predictions.parquet", "run.json", "training.csv"))
        predictions, runs, training = files
        results = score(Asked.by(plan), predictions, runs, [], training)
        return "predictions", Report(Asked.by(plan), results, read_records(runs)).tables(stem)
    return None


def _border(preset: Preset, data: str, name: str) -> Path:
    """Return a file that the results keep of a data set."""
    path = preset.folder / "data" / data / name
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected what the table was made from. Run the workflow, or pull it.")
    return path
