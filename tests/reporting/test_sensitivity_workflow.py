"""Sensitivity as a user runs it: from raw data to the table, and no training that is not needed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from refer import files
from workflow_fixtures import copy_of, invented, small, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

RESIDUAL = {
    "question": "Is there a way around the attention?",
    "reason": "nobody said",
    "choice": "no",
    "options": {"no": {"methods.joined.network.residual": False}, "yes": {"methods.joined.network.residual": True}},
}


def test_an_option_is_compared_with_the_choice_from_raw_to_table(root: Path, tmp_path: Path) -> None:
    clone = copy_of(root, tmp_path)
    paper = yaml.safe_load(invented())
    paper["ambiguities"]["residual"] = RESIDUAL
    (clone / "papers/invented2026.yaml").write_text(yaml.safe_dump(paper), encoding="utf-8")
    name = small(
        clone,
        reproduce={"invented2026": {"methods": ["joined"], "protocols": ["published"],
                                    "override": {"recipe.optimizer": "adamw", "recipe.lr": 0.001}}},
        sensitivity={"invented2026": {}},
        ambiguity={},
    )  # fmt: skip
    table = "results/small/tables/sensitivity.csv"
    arguments = (table, "--cores", "2", "--configfile", name)
    planned = snakemake(clone, *arguments, "-n", "--quiet", "rules")
    counts = " ".join(planned.stdout.split())
    assert "train 3 " in counts, "one backbone, the fusion as it is, and the fusion with the option"
    assert "split 1 " in counts
    done = snakemake(clone, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(clone / table).set_index("what")
    assert rows.state.to_dict() == {"residual": "run", "optimizer": "overruled"}
    row = rows.loc["residual"]
    runs = clone / "results/small/runs"
    accuracy = {}
    for paper in ("invented2026", "invented2026+residual-yes"):
        folder = runs / paper / "fer2013-standin/published/joined/seed0"
        frame = pd.read_parquet(folder / "predictions.parquet")
        frame = frame[frame.part == "test"]
        accuracy[paper] = 100 * (frame.filter(like="p_").to_numpy().argmax(axis=1) == frame.label).mean()
        assert files.read_json(folder / "run.json")["paper"] == paper
    assert row.default == pytest.approx(accuracy["invented2026"])
    assert row["mean"] == pytest.approx(accuracy["invented2026+residual-yes"])
    assert {path.name for path in runs.glob("invented2026+residual-yes/*/*/*")} == {"joined"}
    assert (clone / "results/small/figures/sensitivity.svg").is_file()
    again = snakemake(clone, *arguments, "-n")
    assert "Nothing to be done" in again.stdout + again.stderr
