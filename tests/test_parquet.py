"""Tables in Parquet: within bounds whatever they claim, and the same as Arrow's own reader says."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refer import parquet
from refer.errors import UserError

BOMBS = {
    "zeros": {"x": pa.array(np.zeros(5_000_000, np.int8))},
    "a long text in each row": {"id": pa.array(["x" * 10_000] * 2_000)},
    "texts beside texts": {f"c{k}": pa.array(["x" * 10_000] * 200) for k in range(9)},
    "lists of zeros": {"x": pa.array([np.zeros(50_000, np.float32)] * 90)},
    "many columns": {f"c{k}": pa.array([0]) for k in range(5_001)},
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_stands_for_too_much_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BYTES", 16_000_000)
    monkeypatch.setattr(parquet, "RATIO", 2)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(BOMBS[name]), path, compression="zstd")
    with pytest.raises(UserError, match=r"x\.parquet: takes more than 0\.0 GB of memory"):
        parquet.read(path)


def test_a_small_file_that_stands_for_gigabytes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"id": pa.array(["x" * 500_000] * 2_500)}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    code = f"import refer.parquet as p, sys\ntry: p.read({str(path)!r})\nexcept p.UserError as e: print(e)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (700 << 20, 700 << 20)),
    )  # fmt: skip
    assert "x.parquet: takes more than 1.1 GB of memory" in done.stdout
    assert len(done.stdout.splitlines()) == 1


def test_what_is_read_is_what_arrow_reads(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table(
        {
            "id": pa.array(["a", "b", None] * 50, pa.string()),
            "one": pa.array(["same"] * 150, pa.large_string()),
            "label": pa.array(np.arange(150) % 100, pa.int8()),
            "outline": pa.array([[1.0, 2.0], None, []] * 50, pa.list_(pa.float32())),
            "kept": pa.array([True, False, None] * 50),
        }
    ).replace_schema_metadata({b"refer": b"{}"})
    pq.write_table(table, path, write_page_checksum=True)
    assert parquet.read(path).equals(pq.read_table(path), check_metadata=True)
    assert parquet.read(path, ["label"]).column_names == ["label"]
    assert parquet.frame(path)["id"].tolist()[:2] == ["a", "b"]
    assert parquet.about(path) == b"{}"
    with pytest.raises(UserError, match=r"x\.parquet: the column 'x' is missing; score again\."):
        parquet.read(path, ["x"], again="score again.")
    path.write_bytes(path.read_bytes()[:-9])
    for attempt in (parquet.read, parquet.about):
        with pytest.raises(UserError, match="not a whole table"):
            attempt(path)
