"""The numbers that DVC shows and compares: a metrics file a cell, tables of learning curves and of confusions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from refer.evaluation.predictions import Predictions, read_all
from refer.files import whole, write_json

METRICS = ("accuracy", "macro_f1")
DIGITS = 6


def write_metrics(scores: str | Path, folder: str | Path) -> None:
    """Write `<paper>.<data>.<protocol>.<method>.json` for each cell of a scores.parquet.

    Each holds, for every evaluated part, the METRICS as fractions in 0..1, averaged over seeds (the folds of a seed
    count as one), and how many images they are of.
    """
    table = pd.read_parquet(scores)
    table = table[table["fold"].isna() & table["metric"].isin(METRICS)]
    for names, cell in table.groupby(["paper", "data", "protocol", "method"]):
        parts: dict[str, Any] = {}
        for part, rows in cell.groupby("part"):
            means = rows.groupby("metric")["value"].mean()
            parts[str(part)] = {
                **{metric: round(float(means[metric]), DIGITS) for metric in METRICS},
                "images": int(rows["n"].iloc[0]),
            }
        write_json(Path(folder, f"{'.'.join(map(str, names))}.json"), parts)


def write_curves(training: Iterable[str | Path], folder: str | Path) -> None:
    """Write `<paper>.<data>.<protocol>.csv` from training.csv files: a row for each epoch of each run and part.

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


def write_confusions(predictions: Iterable[str | Path], folder: str | Path) -> None:
    """Write `<paper>.<data>.<protocol>.<method>.<part>.csv` from predictions: a row for each pair of classes.

    Columns: actual, predicted, images (counted over all seeds and folds), share of the actual class (0..1; empty
    where it has no images).
    """
    cells: dict[str, list[Predictions]] = {}
    for run in read_all(predictions):
        key = run.key
        cells.setdefault(f"{key.paper}.{key.data}.{key.protocol}.{key.method}", []).append(run)
    for name, runs in cells.items():
        classes = runs[0].classes
        for part in sorted({part for run in runs for part in run.parts}):
            counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
            for run in runs:
                counted = run.of(part)
                np.add.at(counts, (run.label[counted], run.predicted[counted]), 1)
            with np.errstate(invalid="ignore"):
                shares = counts / counts.sum(axis=1, keepdims=True)
            rows = [
                {"actual": actual, "predicted": predicted, "images": counts[a, p], "share": shares[a, p]}
                for a, actual in enumerate(classes)
                for p, predicted in enumerate(classes)
            ]
            _write(pd.DataFrame(rows), Path(folder, f"{name}.{part}.csv"))


def _write(table: pd.DataFrame, path: Path) -> None:
    with whole(path) as temporary:
        table.round(DIGITS).to_csv(temporary, index=False, lineterminator="\n")
