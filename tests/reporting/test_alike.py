"""Seeds are trainings of their own, methods see the same images, and what else differs stands in the table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refer.errors import UserError
from report_fixtures import make_preset, scored, written

RUNS = "runs/khalid2025/fer2013-standin"


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    return make_preset(tmp_path, images=80)


def change_record(run: Path, **facts: Any) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | facts))


def change_table(run: Path, change: Callable[[pa.Table, dict[str, Any]], pa.Table]) -> None:
    table = pq.read_table(run / "predictions.parquet")
    meta = json.loads(table.schema.metadata[b"refer"])
    table = change(table, meta)
    pq.write_table(table.replace_schema_metadata({b"refer": json.dumps(meta).encode()}), run / "predictions.parquet")


def test_one_checkpoint_is_not_two_seeds(preset: Path, root: Path) -> None:
    one, other = (preset / RUNS / "audited/full" / seed for seed in ("seed0", "seed1"))
    scored(preset)
    shutil.rmtree(other)
    shutil.copytree(one, other)
    change_record(other, seed=1)

    def second(table: pa.Table, meta: dict[str, Any]) -> pa.Table:
        meta["seed"] = 1
        return table

    change_table(other, second)
    with pytest.raises(UserError, match=r"audited/full/seed1/predictions.parquet: its checkpoint is that of .*seed0"):
        scored(preset)


def test_no_method_is_tested_on_fewer_images_than_another(preset: Path) -> None:
    for seed in ("seed0", "seed1"):

        def fewer(table: pa.Table, _: dict[str, Any]) -> pa.Table:
            kept = np.array(table["kept"])
            kept[np.flatnonzero(kept)[:40]] = False
            return table.set_column(table.schema.get_field_index("kept"), "kept", pa.array(kept))

        change_table(preset / RUNS / "audited/region" / seed, fewer)
    with pytest.raises(UserError, match=r"keeps 1\d\d of 160 images, and .* keeps 1\d\d of 160 \(they differ in"):
        scored(preset)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"versions": {"torch": "2.15.0"}}, "PyTorch 2.11.0 and 2.15.0"),
        ({"threads": 4}, "threads 2 and 4"),
        ({"device": "cuda", "threads": 4}, "device cpu and cuda"),
        ({"precision": "bf16"}, "precision bf16 and fp32"),
        ({}, ""),
    ],
)
def test_what_else_seeds_differ_in_stands_in_the_table(
    preset: Path, tmp_path: Path, facts: dict[str, Any], words: str
) -> None:
    change_record(preset / RUNS / "audited/full/seed1", **facts)
    text = written(scored(preset), "khalid2025.fer2013-standin", tmp_path / "out")[".md"].read_text()
    said = [line for line in text.splitlines() if "differ in more than the seed" in line]
    assert len(said) == bool(words)
    assert not words or ("audited" in said[0] and f"({words})" in said[0])
