"""The experiment on test batches as a user runs it: from drawn images to table and figure, and again from answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from workflow_fixtures import copy_of, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_the_experiment_from_raw_to_table_and_again_from_its_answers(root: Path, tmp_path: Path) -> None:
    clone = copy_of(root, tmp_path)
    config = yaml.safe_load((clone / "presets/batch-tokens.yaml").read_text(encoding="utf-8"))
    config["standin"]["rafdb"] = {"images": {"train": 96, "test": 60}, "subjects": 40}
    config["matrix"]["data"] = ["rafdb"]
    config["reproduce"]["tran2023"]["override"] |= {"recipe.epochs": 1, "recipe.image_size": 24}
    config["reproduce"]["tran2023"]["override"]["methods.attention-r18-r34.recipe"]["epochs"] = 1
    config["batch_tokens"]["tran2023"] |= {"batches": [1, 8], "orders": ["shuffled", "class"], "seeds": [0]}
    (clone / "small.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    table = "results/batch-tokens/tables/batch_tokens.csv"
    done = snakemake(clone, table, "--cores", "2", "--configfile", "small.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(clone / table)
    assert len(rows) == 3 * 2 * 2
    made = clone / "results/batch-tokens/batch_tokens"
    for row in rows.itertuples():
        answers = pd.read_parquet(made / f"tran2023.rafdb-standin.attention-r18-r34.seed0.{row.tokens}.parquet")
        column = answers[f"{row.tokens}.0.{row.order}.{row.batch}"]
        assert row.mean == pytest.approx(100 * (column == answers["label"]).mean()), row
    apart = rows[rows.tokens != "batch"].groupby(["tokens", "batch"])["mean"].nunique()
    assert (apart == 1).all(), "an order acts on nothing that does not read its batch"
    assert (clone / "results/batch-tokens/figures/batch_tokens.svg").is_file()
    before = (clone / table).read_bytes()
    (clone / table).unlink()
    again = snakemake(clone, table, "--cores", "1", "--configfile", "small.yaml", "--quiet", "all")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (clone / table).read_bytes() == before
