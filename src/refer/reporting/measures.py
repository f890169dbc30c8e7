"""The numbers that DVC shows and compares: a metrics file a cell, tables of learning curves and of confusions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from refer.files import whole, write_json
from refer.reporting.results import Results

METRICS = ("accuracy", "macro_f1")
DIGITS = 6


def write_metrics(results: Results, folder: str | Path) -> None:
    """Write `<paper>.<data>.<protocol>.<method>.json` for each method.

    Each holds, for every split, the METRICS as fractions in 0..1, averaged over seeds (the folds of a seed count as
    one), and how many images they are of.
    """
    cells: dict[str, dict[str, dict[str, float | int]]] = {}
    for row in results.of("method", "mean"):
        if row["metric"] in METRICS:
            name = ".".join(row[key] for key in ("paper", "data", "protocol", "method"))
            split = cells.setdefault(name, {}).setdefault(row["part"], {"images": row["n"]})
            split[row["metric"]] = round(row["value"] / 100, DIGITS)
    for name, splits in cells.items():
        write_json(Path(folder, f"{name}.json"), splits)


def write_curves(training: Iterable[str | Path], folder: str | Path) -> None:
    """Write `<paper>.<data>.<protocol>.csv` from training.csv files: a row for each epoch of each run and split.

    Columns: method, run, part, epoch, accuracy (0..1), loss (mean cross-entropy, nats).
    """
    tables: dict[str, list[pd.DataFrame]] = {}
    for path in sorted(map(Path, training)):
        paper, data, protocol, method, run = path.absolute().parts[-6:-1]
        curve = pd.read_csv(path)
        for column in curve.columns:
            part, _, what = column.rpartition("_")
            if what != "accuracy":
                continue
            rows = {"epoch": curve["epoch"], "accuracy": curve[column], "loss": curve.get(f"{part}_loss")}
            named = pd.DataFrame({"method": method, "run": f"{method} {run}", "part": part, **rows})
            tables.setdefault(f"{paper}.{data}.{protocol}", []).append(named)
    for name, curves in tables.items():
        _write(pd.concat(curves), Path(folder, f"{name}.csv"))


def write_confusions(results: Results, folder: str | Path) -> None:
    """Write `<paper>.<data>.<protocol>.<method>.<part>.csv`: a row for each pair of classes.

    Columns: actual, predicted, images (counted over all seeds and folds), share of the actual class (0..1; empty
    where it has no images).
    """
    table = pd.DataFrame(results.of("confusion"))
    for names, rows in table.groupby(["paper", "data", "protocol", "method", "part"], sort=False):
        images = rows["value"].astype(int)
        of_class = images.groupby(rows["actual"], sort=False).transform("sum")
        cells = {"actual": rows["actual"], "predicted": rows["predicted"], "images": images, "share": images / of_class}
        _write(pd.DataFrame(cells), Path(folder, f"{'.'.join(map(str, names))}.csv"))


def _write(table: pd.DataFrame, path: Path) -> None:
    with whole(path) as temporary:
        table.round(DIGITS).to_csv(temporary, index=False, lineterminator="\n")
