"""A new paper is a file: the one of docs/adding-a-paper.md, put into a folder, gets its table."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from workflow_fixtures import PAGE, copy_of, first_preset, invented, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_a_fifth_paper_is_one_file(root: Path, tmp_path: Path) -> None:
    clone = copy_of(root, tmp_path)
    (clone / "papers/invented2026.yaml").write_text(invented(), encoding="utf-8")
    name = "presets/first.yaml"
    (clone / name).write_text(first_preset(), encoding="utf-8")
    assert len(first_preset().splitlines()) == 5
    table = "results/first/tables/invented2026.fer2013-standin.csv"
    done = snakemake(clone, table, "--cores", "2", "--configfile", name)
    assert done.returncode == 0, done.stdout + done.stderr
    (jobs,) = re.findall(r"ask for its table \((\d+) jobs", PAGE.read_text(encoding="utf-8"))
    assert f"{jobs} jobs done" in done.stdout + done.stderr
    rows = pd.read_csv(clone / table).set_index(["method", "part"])
    assert rows.loc[("joined", "test"), "reported"] == 99.9
    assert 0 < rows.loc[("joined", "test"), "mean"] < 100
    assert set(rows.index.get_level_values("method")) == {"alone", "joined"}
    text = (clone / table).with_suffix(".md").read_text(encoding="utf-8")
    assert "Goes on from the trained “One network”" in text
    questions = (clone / "results/first/tables/ambiguities.invented2026.fer2013-standin.md").read_text(encoding="utf-8")
    assert "nobody said" in questions
    switched = snakemake(clone, table, "-n", "--configfile", name, "--config", "ambiguity__invented2026__optimizer=sgd")
    assert "params have changed" in switched.stdout + switched.stderr
    assert yaml.safe_load((clone / "papers/invented2026.yaml").read_text())["id"] == "invented2026"
