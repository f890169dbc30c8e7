"""Snakemake where times lie: nothing is made again for ever, no old number stays, and no stand-in is another's."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from workflow_fixtures import copy_of, small, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
RUN = "results/small/runs/khalid2025/fer2013-standin/audited/backbone/seed0"
YEAR = 365 * 86_400
NOTHING = "Nothing to be done"


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small configuration, run to its end."""
    clone = copy_of(root, tmp_path_factory.mktemp("clocks"))
    done = snakemake(clone, "--cores", "2", "--configfile", small(clone))
    assert done.returncode == 0, done.stdout + done.stderr
    return clone


def planned(clone: Path, *arguments: str) -> str:
    done = snakemake(clone, "-n", "--configfile", "small.yaml", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_clock_that_was_ahead_makes_nothing_again(made: Path) -> None:
    assert NOTHING in planned(made)
    for path in [*made.glob("data/**/*"), *made.glob("results/small/**/*"), *made.glob("logs/**/*")]:
        about = path.stat()
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + YEAR * 10**9))
    said = planned(made)
    assert "from the future: now they have the time of this start" in said
    assert NOTHING in said
    assert planned(made).count("future") == 0


def test_an_old_time_hides_no_other_content(made: Path) -> None:
    assert NOTHING in planned(made)
    path = made / RUN / "predictions.parquet"
    before, times = path.read_bytes(), path.stat()
    pq.write_table(pq.read_table(path), path, compression="gzip")
    assert path.read_bytes() != before
    os.utime(path, (time.time() - YEAR, time.time() - YEAR))
    said = planned(made)
    assert f"{RUN}/predictions.parquet changed, which the time hid" in said
    assert "rule score:" in said
    assert "rule train:" not in said
    path.write_bytes(before)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_no_table_is_made_of_a_run_that_learnt_from_other_images(made: Path, tmp_path: Path) -> None:
    clone = shutil.copytree(made, tmp_path / "clone", symlinks=True)
    path = clone / RUN / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_fingerprint": "0" * 64}))
    done = snakemake(clone, "results/small/results.parquet", "--cores", "1", "--configfile", "small.yaml")
    assert done.returncode != 0
    assert "it learnt from other images than data/prepared/fer2013-standin holds" in done.stdout + done.stderr


def test_a_clone_that_shares_the_data_draws_its_own(made: Path, tmp_path: Path) -> None:
    clone = tmp_path / "other"
    shutil.copytree(made, clone, symlinks=True, ignore=shutil.ignore_patterns("results", ".snakemake", "data", "logs"))
    (clone / "data").symlink_to(made / "data", target_is_directory=True)
    said = planned(clone)
    assert "rule train:" in said
    assert "rule draw:" not in said
    config = yaml.safe_load((clone / "small.yaml").read_text())
    config["standin"]["fer2013"]["seed"] = 7
    (clone / "small.yaml").write_text(yaml.safe_dump(config))
    said = planned(clone)
    assert "rule draw:" in said
    assert "rule obtain:" in said
