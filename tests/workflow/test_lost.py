"""What is lost is made again, and what ran with other settings than are asked for is put into no table."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from workflow_fixtures import copy_of, small, snakemake

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
RUN = "results/small/runs/khalid2025/fer2013-standin/audited/backbone/seed0"
LOST = (
    "results/small/tables/khalid2025.fer2013-standin.md",
    "results/small/results.csv",
    "results/small/results.parquet",
    "results/small/figures/verdicts.png",
    "results/small/figures/sheets/fer2013-standin.png",
    "results/small/data/fer2013-standin/audit.json",
    "results/small/data/fer2013-standin/split.khalid2025.audited.json",
    f"{RUN}/predictions.parquet",
    f"{RUN}/run.json",
    f"{RUN}/training.csv",
    "data/raw/fer2013-standin/receipt.json",
    "data/prepared/fer2013-standin/images.npy",
    "data/prepared/fer2013-standin/prepare.json",
    "data/audit/fer2013-standin/audit.json",
    "data/splits/fer2013-standin/khalid2025.audited.parquet",
)


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small configuration, run to its end."""
    clone = copy_of(root, tmp_path_factory.mktemp("lost"))
    done = snakemake(clone, "--cores", "2", "--configfile", small(clone))
    assert done.returncode == 0, done.stdout + done.stderr
    return clone


def planned(clone: Path) -> str:
    done = snakemake(clone, "-n", "--configfile", "small.yaml", "--quiet", "rules")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_each_file_that_is_lost_is_made_again(made: Path) -> None:
    assert "Nothing to be done" in planned(made)
    unnoticed = []
    for name in LOST:
        (made / name).rename(made / "lost")
        if "Nothing to be done" in planned(made):
            unnoticed.append(name)
        (made / "lost").rename(made / name)
    assert unnoticed == []
    assert "Nothing to be done" in planned(made)


def test_raw_archives_and_weights_may_be_removed_to_save_room(made: Path) -> None:
    for name in ("data/raw/fer2013-standin/files.zip", f"{RUN}/checkpoint.safetensors"):
        (made / name).rename(made / "lost")
        assert "Nothing to be done" in planned(made), name
        (made / "lost").rename(made / name)


def test_no_table_names_settings_that_never_ran(made: Path, tmp_path: Path) -> None:
    clone = shutil.copytree(made, tmp_path / "clone", symlinks=True)
    shutil.rmtree(clone / ".snakemake")
    config = yaml.safe_load((clone / "small.yaml").read_text(encoding="utf-8"))
    config["reproduce"]["khalid2025"]["override"]["recipe.epochs"] = 60
    (clone / "small.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.rmtree(clone / "results/small/tables")
    before = (clone / "results/small/results.parquet").read_bytes()

    reviewer = snakemake(clone, "-s", "workflow/report.smk", "--cores", "2", "--configfile", "small.yaml")
    whole = snakemake(clone, "--cores", "2", "--configfile", "small.yaml", "--rerun-triggers", "mtime")
    for done in (reviewer, whole):
        said = done.stdout + done.stderr
        assert done.returncode != 0
        assert "audited/backbone/seed0/run.json: it ran with recipe.epochs 2, but the configuration asks for 60" in said
        assert "Traceback" not in said
    assert (clone / "results/small/results.parquet").read_bytes() == before
    # What tells of the data alone is made.
    assert {path.name.split(".")[0] for path in clone.glob("results/small/tables/*")} <= {"audit", "split"}


def test_no_table_is_made_of_images_prepared_in_another_way(made: Path, tmp_path: Path) -> None:
    clone = shutil.copytree(made, tmp_path / "clone", symlinks=True)
    shutil.rmtree(clone / ".snakemake")
    path = clone / "data/prepared/fer2013-standin/prepare.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    assert about["tolerate"] == []
    times = path.stat()
    path.write_text(json.dumps(about | {"tolerate": ["counts"]}), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (clone / "results/small/results.parquet").unlink()
    done = snakemake(clone, "--cores", "2", "--configfile", "small.yaml", "--rerun-triggers", "mtime")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "prepare.json: the images were prepared with tolerate ['counts'], but the configuration asks for []" in said
    assert "Traceback" not in said
