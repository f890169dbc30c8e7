"""The results table: what stands in it is said, and rows that belong together are joined."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from refer.reporting.results import COLUMNS, Results
from report_fixtures import make_preset, scored

MEAN = {"scope": "method", "quantity": "mean", "paper": "p", "method": "a", "metric": "accuracy"}


def test_every_column_and_scope_is_documented(root: Path, tmp_path: Path) -> None:
    text = (root / "docs/results-table.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", text.split("## Scopes")[0], re.MULTILINE) == [
        (column.name, column.what) for column in COLUMNS
    ]
    folder = make_preset(tmp_path, images=40)
    scored(folder)
    table = pd.read_parquet(folder / "results.parquet")
    told = {
        scope: set(re.findall(r"`([\w ]+)`", quantities))
        for scope, quantities in re.findall(r"^\| `([\w ]+)` \| (`.*?) \| ", text.split("## Scopes")[1], re.MULTILINE)
    }
    for (scope, quantity), _ in table.groupby(["scope", "quantity"]):
        assert quantity in told[scope], scope


def test_each_estimate_and_comparison_stands_once(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, images=40)
    scored(folder)
    table = pd.read_parquet(folder / "results.parquet")
    names = ["scope", "quantity", "paper", "data", "protocol", "method", "part", "metric", "compared_with", "what",
             "option", "seed", "fold", "actual", "predicted", "source"]  # fmt: skip
    assert not table.duplicated(names).any()


def test_the_csv_is_the_parquet(tmp_path: Path) -> None:
    from refer.reporting.results import write_results

    rows = [{**MEAN, "value": 100 / 3, "label": "=SUM(1)", "stand_in": False}, {**MEAN, "quantity": "reported"}]
    write_results(rows, [tmp_path / "r.parquet", tmp_path / "r.csv"])
    table, text = pd.read_parquet(tmp_path / "r.parquet"), pd.read_csv(tmp_path / "r.csv")
    assert [*table.columns] == [*text.columns]
    assert table.value[0] == 100 / 3, "not rounded"
    assert text.value.tolist() == pytest.approx([100 / 3, float("nan")], nan_ok=True, abs=1e-10)
    assert text.label[0] == "'=SUM(1)", "no spreadsheet takes it for a formula"


def test_what_belongs_together_is_joined() -> None:
    found = Results([
        {**MEAN, "value": 70.0, "sd": 1.0},
        {**MEAN, "quantity": "difference", "value": -3.0, "low": -4.0, "high": -2.0, "verdict": "not reproduced"},
        {**MEAN, "quantity": "reported", "value": 73.0, "source": "Table 1"},
        {**MEAN, "quantity": "reported", "value": 74.0, "source": "Table 2"},
        {**MEAN, "quantity": "reported", "method": "b", "value": 1.0},
    ]).wide("method", "mean", "reported", "difference")  # fmt: skip
    (row,) = found
    assert (row["mean"], row["sd"], row["reported"], row["source"]) == (70.0, 1.0, 73.0, "Table 1"), "the first of two"
    assert (row["difference"], row["difference_low"], row["verdict"]) == (-3.0, -4.0, "not reproduced")
    assert row["low"] is None, "the ends of the difference are not those of the mean"
