"""`refer trace`: from a number in a table back to its runs, their predictions, checkpoints, data, choices and code.

The number is made anew from the files that it rests on. Needs neither torch nor data nor a GPU.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refer.datasets.catalog import DATASETS
from refer.errors import UserError, unknown
from refer.evaluation.predictions import read_predictions
from refer.files import sha256
from refer.plan import Run
from refer.records import Told, read
from refer.release.manifest import NAME as MANIFEST
from refer.release.manifest import read_manifest
from refer.release.recompute import recomputed
from refer.release.runs import Preset, find_preset
from refer.reporting.run_set import read_records

KEYS = (
    "scope", "paper", "data", "protocol", "method", "compared_with", "part", "metric", "seed", "fold", "what",
    "ambiguity", "option", "finding", "split", "other_split", "class", "modality", "removed", "reported", "source",
)  # fmt: skip
"""Columns that name a row, as far as a table has them."""
ALWAYS = ("paper", "data", "protocol", "method", "part", "metric")
"""Those that are always said."""
NAMES = (*KEYS, "label", "dataset", "run")
"""Columns in which a word is looked for."""
STANDIN = "-standin"
OF_MATRIX = ("matrix", "ranking", "contrasts")
SHOWN = 24  # rows that an error lists
TOLERANCE = 1e-6  # relative: tables have ten decimals


@dataclass(frozen=True)
class Table:
    """A table of a preset as its CSV has it, every value as text."""

    path: Path
    columns: Sequence[str]
    rows: Sequence[Mapping[str, str]]

    @property
    def naming(self) -> list[str]:
        """Those columns that tell its rows apart, each only if those before it do not."""
        found: list[str] = []
        for name in (name for name in KEYS if name in self.columns):
            if self._kinds([*found, name]) > self._kinds(found):
                found.append(name)
        return found

    def _kinds(self, columns: Sequence[str]) -> int:
        return len({tuple(row[name] for name in columns) for row in self.rows})

    def named(self, row: Mapping[str, str]) -> str:
        """What a row is called, e.g. `full · private`."""
        return " · ".join(row[name] for name in self.naming if row[name]) or "the only row"


def read_table(path: str | Path) -> Table:
    """Read results/<preset>/tables/<table>.csv.

    Raises:
        UserError: it is no such file.
    """
    path = Path(path)
    if path.suffix != ".csv":
        raise UserError(f"{path}: expected the CSV of a table; {path.with_suffix('.csv')} has its numbers in full.")
    if not path.is_file():
        known = sorted(each.name for each in path.parent.glob("*.csv"))
        raise UserError(f"{path.parent}: no table {unknown(path.name, known)}.")
    if [*path.absolute().parts[-4:-3], *path.absolute().parts[-2:-1]] != ["results", "tables"]:
        raise UserError(f"{path}: expected results/<preset>/tables/<table>.csv, with the runs beside it.")
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: no CSV in UTF-8 ({error}); restore it, or make the tables again.") from None
    return Table(path, list(reader.fieldnames or []), rows)


def find_row(table: Table, words: Iterable[str]) -> Mapping[str, str]:
    """Return the one row that all words name: each a value of a naming column, or `column=value`.

    Raises:
        UserError: no row, or several; lists them.
    """
    found = list(table.rows)
    for word in words:
        left = [row for row in found if _is_called(table, row, word)]
        if not left:
            raise UserError(f"{table.path}: no row is called {word!r}{_among(table, found)}")
        found = left
    if len(found) != 1:
        raise UserError(f"{table.path}: {len(found)} rows are called so; add a word that tells them apart"
                        f"{_among(table, found)}")  # fmt: skip
    return found[0]


def trace(path: str | Path, words: Iterable[str], column: str, configfile: str | Path | None = None) -> dict[str, Any]:
    """Return the chain behind one cell of a table, as plain JSON types; `told` puts it into lines.

    Args:
        path: results/<preset>/tables/<table>.csv.
        words: what names the row, see `find_row`.
        column: of the number.
        configfile: of the preset, where it is not in presets/ or config.yaml.

    Raises:
        UserError: there is no such cell, or a file behind it is missing or broken.
    """
    table = read_table(path)
    if column not in table.columns:
        raise UserError(f"{table.path}: no column {unknown(column, table.columns)}.")
    row = find_row(table, words)
    root = table.path.absolute().parents[3]
    root = Path() if root == Path().absolute() else root
    preset = find_preset(table.path.absolute().parts[-3], root, configfile)
    again = _again(preset, table, row, column)
    runs = [] if str(again["from"]).startswith("papers/") else _runs(preset, table.path.stem, row)
    chain: dict[str, Any] = {
        "table": f"results/{preset.name}/tables/{table.path.name}",
        "row": {name: row[name] for name in KEYS if row.get(name) and name in (*ALWAYS, *table.naming)},
        "column": column,
        "value": row[column],
        **again,
        "runs": [_run(preset, run, row.get("part")) for run in runs],
        "data": _data(preset, runs, row),
        "configuration": _configuration(preset, runs, row),
    }
    return chain


def _is_called(table: Table, row: Mapping[str, str], word: str) -> bool:
    name, equals, value = word.partition("=")
    if equals and name in table.columns:
        return row[name].lower() == value.lower()
    return any(row[name].lower() == word.lower() for name in NAMES if name in table.columns)


def _among(table: Table, rows: Sequence[Mapping[str, str]]) -> str:
    names = [table.named(row) for row in rows]
    more = f"\n  … and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ". Rows:\n  " + "\n  ".join(names[:SHOWN]) + more


def _again(preset: Preset, table: Table, row: Mapping[str, str], column: str) -> dict[str, Any]:
    """Return the number made anew, from what, and whether it agrees (None: it cannot be made from what is here)."""
    made = recomputed(preset, table.path.stem)
    if made is None:
        return {"from": None, "recomputed": None, "agrees": None}
    keys = [name for name in table.naming if name != column]
    found = [each for each in made.rows if all(each.get(name, "") == row[name] for name in keys)]
    if len(found) != 1 or column not in found[0]:
        return {"from": made.source, "recomputed": "", "agrees": False}
    return {"from": made.source, "recomputed": found[0][column], "agrees": _same(found[0][column], row[column])}


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        a, b = float(one), float(other)
    except ValueError:
        return False
    return abs(a - b) <= TOLERANCE * max(1.0, abs(a), abs(b))


def _runs(preset: Preset, stem: str, row: Mapping[str, str]) -> list[Run]:
    """Return the runs that a row of a table stands for, from the columns that name it."""
    plan = preset.plan
    seeds, folds = row.get("seed_list", "").split(), row.get("fold_list", "").split()
    for switch in plan.switches() if stem == "sensitivity" else ():
        names = {"what": "ambiguity", **{name: name for name in ("paper", "option", "method", "data")}}
        if all(row[name] == str(getattr(switch, of)) for name, of in names.items()):
            seeds, folds = list(map(str, switch.seeds)), list(map(str, switch.folds))
    papers = {row[name] for name in ("paper", "run") if row.get(name)}
    other = row.get("compared_with", "")
    known = preset.plan.papers.get(row.get("paper", ""))
    methods = {row.get("method", ""), *([other] if known and other in known.methods else [])} - {""}

    def stands(run: Run) -> bool:
        return (
            (not papers or run.paper in papers)
            and (not methods or run.method in methods)
            and all(
                not row.get(name) or row[name] == str(getattr(run, name))
                for name in ("dataset", "data", "protocol", "seed")
            )
            and (not seeds or str(run.seed) in seeds)
            and (not folds or run.fold is None or str(run.fold) in folds)
            and (not row.get("fold") or row["fold"] == str(run.fold))
        )

    all_runs = plan.matrix() if stem in OF_MATRIX else preset.runs
    return [run for run in all_runs if stands(run)] if row.get("method") else []


def _run(preset: Preset, run: Run, part: str | None) -> dict[str, Any]:
    """Return what one run adds: hashes as found, where and when it was trained, how many were right."""
    folder = preset.folder / "runs" / run.path
    record = next(iter(read_records([folder / "run.json"]).values()))
    predictions = read_predictions(folder / "predictions.parquet")
    name = f"runs/{run.path}/predictions.parquet"
    released = read_manifest(preset.folder)["files"] if (preset.folder / MANIFEST).is_file() else {}
    found = sha256(folder / "predictions.parquet")
    weights = folder / "checkpoint.safetensors"
    counted = predictions.of(part) if part in predictions.parts else None
    git = record.get("git") or {}
    return {
        "folder": f"results/{preset.name}/runs/{run.path}",
        "right": None if counted is None else int((predictions.predicted == predictions.label)[counted].sum()),
        "n": None if counted is None else int(counted.sum()),
        "removed": None if counted is None else predictions.removed(str(part)),
        "predictions_sha256": found,
        "as_released": found == released[name]["sha256"] if name in released else None,
        "checkpoint_sha256": record["checkpoint_sha256"],
        "checkpoint_agrees": predictions.checkpoint_sha256 == record["checkpoint_sha256"],
        "checkpoint_here": sha256(weights) == record["checkpoint_sha256"] if weights.is_file() else None,
        "data_fingerprint": record["data_fingerprint"],
        "parts": record["parts"],
        "selection": f"epoch {record['selected_epoch']} of {record['epochs']}, {record['selection']}",
        "started": record["started"],
        "finished": record["finished"],
        "seconds": record["seconds"],
        "device": {key: record.get(key) for key in ("device", "device_name", "threads", "precision")},
        "versions": record["versions"],
        "git_commit": git.get("commit"),
        "git_dirty": git.get("dirty"),
    }


def _data(preset: Preset, runs: Sequence[Run], row: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what is known of each data set behind a row, and of how it was divided."""
    cells = [(run.data, run.paper, run.protocol) for run in runs]
    cells = cells or [(row.get("data", ""), row.get("paper", ""), row.get("protocol", ""))]
    return [
        _data_set(preset, data, paper, protocol)
        for data, paper, protocol in dict.fromkeys(cells)
        if data.removesuffix(STANDIN) in DATASETS
    ]


def _data_set(preset: Preset, data: str, paper: str, protocol: str) -> dict[str, Any]:
    known, drawn = DATASETS[data.removesuffix(STANDIN)], data.endswith(STANDIN)
    audit = preset.folder / f"data/{data}/audit.json"
    split = preset.folder / f"data/{data}/split.{_divider(preset, paper, known.name, protocol)}.{protocol}.json"
    source = next((path for path in (split, audit) if path.is_file()), None)
    return {
        "data": data,
        "protocol": protocol or None,
        "title": known.title,
        "stand_in": drawn,
        "home": None if drawn else known.home,
        "data_fingerprint": None if source is None else read(source, Told).get("data_fingerprint"),
        "split": _named(preset, split) if split.is_file() else None,
        "audit": _named(preset, audit) if audit.is_file() else None,
    }


def _divider(preset: Preset, paper: str, dataset: str, protocol: str) -> str:
    """Return the paper under whose name the division stands."""
    return preset.plan.divider(paper, dataset, protocol) if paper in preset.plan.variants else paper


def _named(preset: Preset, path: Path) -> dict[str, str]:
    return {"file": f"results/{preset.name}/{path.relative_to(preset.folder).as_posix()}", "sha256": sha256(path)}


def _configuration(preset: Preset, runs: Sequence[Run], row: Mapping[str, str]) -> dict[str, Any]:
    """Return the preset's file; of each paper what the preset changes, and what was chosen where it says nothing."""
    names = list(dict.fromkeys(run.paper for run in runs))
    names = names or [name for name in preset.plan.papers if name == row.get("paper")]
    papers = {}
    for name in names:
        spec = preset.plan.paper(name)
        papers[name] = {
            "file": f"{preset.plan.config.papers}/{preset.plan.origin(name)}.yaml",
            "changed": spec.departures,
            "chosen": {key: each.choice for key, each in spec.ambiguities.items()},
            "overruled": spec.overruled,
        }
    return {"file": preset.file, "preset": preset.name, "papers": papers}
