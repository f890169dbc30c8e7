"""What machines do to files, and what is promised then: found, named, made again or refused, never used."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from data_fixtures import as_zip, folders
from refer import files
from refer.datasets import prepared as made
from refer.datasets.audit import audit
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.errors import UserError
from refer.reporting.figures.explanation_file import read_explained
from refer.resume import resume
from refer.training import checkpoint
from refer.training.data import load_index

ROOT = Path(__file__).resolve().parents[1]
ROOT_USER = os.geteuid() == 0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with raw and prepared data."""
    obtain("fer2013", str(as_zip(tmp_path / "a.zip", folders(3))), tmp_path / "raw", stand_in=True)
    prepare("fer2013", tmp_path / "raw", tmp_path / "prepared", workers=1)
    return tmp_path


def turned(path: Path, at: float = 0.7, bit: int = 3) -> None:
    """Turn one bit of a file and leave its times as they were."""
    stat, content = path.stat(), bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1 << bit
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def forgotten() -> None:
    """Have the next look be a first one, as in another process."""
    made._check.cache_clear()


# --- bits that turn ---------------------------------------------------------------------------------------------


def test_a_turned_bit_of_the_raw_archive_is_found_by_its_hash(data: Path) -> None:
    turned(data / "raw/files.zip")
    with pytest.raises(UserError, match=r"files\.zip is not what its receipt\.json describes"):
        prepare("fer2013", data / "raw", data / "again", workers=1)
    assert not list(data.glob("again/*"))


@pytest.mark.parametrize("at", [0.0, 0.0005, 0.2, 0.9999])
def test_a_turned_bit_of_a_prepared_image_is_found_before_it_is_used(data: Path, at: float) -> None:
    made.check(data / "prepared")
    turned(data / "prepared/images.npy", at)
    forgotten()
    for use in (
        lambda: load_index(data / "prepared", data / "split.parquet"),
        lambda: audit("fer2013", data / "prepared", data / "audit"),
    ):
        with pytest.raises(UserError, match=r"images\.npy: .*delete .*prepared and run again"):
            use()
    assert not list(data.glob("audit/*"))


def test_any_turned_bit_of_the_index_is_found_or_changes_nothing(data: Path) -> None:
    path = data / "prepared/index.parquet"
    whole, table = path.read_bytes(), pq.read_table(path)
    found = 0
    for at in np.linspace(0, 0.9999, 60):
        path.write_bytes(whole)
        turned(path, at)
        forgotten()
        try:
            made.check(data / "prepared")
        except UserError:
            found += 1
            continue
        again = pq.read_table(path)
        assert all(again[name].equals(table[name]) for name in made.COLUMNS if name in table.column_names)
    assert found > 15


def test_an_index_beside_other_images_is_found(data: Path) -> None:
    images = np.load(data / "prepared/images.npy")
    np.save(data / "prepared/images.npy", images[:-1])
    forgotten()
    with pytest.raises(UserError, match=rf"{len(images) - 1} images, but {len(images)} rows"):
        made.check(data / "prepared")
    np.save(data / "prepared/images.npy", images.astype(np.float32))
    with pytest.raises(UserError, match="found float32"):
        made.open_images(data / "prepared/images.npy")


def test_statements_about_other_rows_are_found(data: Path) -> None:
    about = files.read_json(data / "prepared/prepare.json")
    for key, value in (("fingerprint", "0" * 64), ("classes", about["classes"][::-1]), ("dataset", "rafdb")):
        files.write_json(data / "prepared/prepare.json", about | {key: value})
        forgotten()
        with pytest.raises(UserError, match="its rows are not those prepared"):
            made.check(data / "prepared")


def test_explanations_with_a_turned_bit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "explanations.safetensors"
    tensors = {
        "test": {"features": torch.ones(4, 3), "labels": torch.arange(4)},
        "classes": {"means": torch.ones(2, 3)},
    }
    checkpoint.save(path, tensors, {"classes": ["a", "b"], "part": "test"})
    assert read_explained(path).tensors["test/features"].shape == (4, 3)
    turned(path, 0.95, 0)
    with pytest.raises(UserError, match="not what its seal states"):
        read_explained(path)


# --- disks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not ROOT_USER or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_in_prepare_is_said_and_leaves_nothing(data: Path, small_disk: Path) -> None:
    (small_disk / "filled").write_bytes(bytes(200 << 10))
    with pytest.raises(UserError, match="no room left on the disk"):
        prepare("fer2013", data / "raw", small_disk / "out", workers=1)
    assert not list(small_disk.glob("out/*"))
    assert not list(small_disk.glob("out/.*"))


def test_a_full_disk_leaves_what_stood_there(small_disk: Path) -> None:
    files.write_text(small_disk / "table.csv", "old\n")
    with pytest.raises(OSError, match="No space left"):
        files.write_text(small_disk / "table.csv", "new\n" * 100_000)
    assert (small_disk / "table.csv").read_text() == "old\n"
    assert [path.name for path in small_disk.iterdir()] == ["table.csv"]


JOB = """
import sys
from pathlib import Path
from types import SimpleNamespace
from refer.files import write_text
from refer.workflow import job
with job(SimpleNamespace(log=[sys.argv[1]], resources={})):
    {work}
"""


def run_job(tmp_path: Path, work: str, *arguments: str, **options: object) -> tuple[int, str]:
    """Run a job's work as a script of the workflow does; returns its status and what its log says."""
    log = tmp_path / "job.log"
    command = [sys.executable, "-c", JOB.replace("{work}", work), str(log), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)  # type: ignore[call-overload]
    return done.returncode, log.read_text(encoding="utf-8")


def test_a_folder_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    # A file in the place of a folder stops root, too.
    (tmp_path / "results").write_text("no folder")
    status, said = run_job(tmp_path, "write_text(Path(sys.argv[2]) / 'x/table.csv', 'x')", str(tmp_path / "results"))
    assert status == 1
    assert said.startswith("error: ")
    assert str(tmp_path / "results") in said
    assert len(said.splitlines()) == 1


@pytest.mark.skipif(ROOT_USER and not shutil.which("setpriv"), reason="root may write everywhere")
def test_a_read_only_folder_is_said_in_a_line(tmp_path: Path) -> None:
    work = "write_text(Path('/proc/refer/table.csv'), 'x')"
    status, said = run_job(tmp_path, work)
    assert status == 1
    assert said.startswith("error: /proc/refer")
    assert len(said.splitlines()) == 1


def test_out_of_memory_is_said_in_a_line(tmp_path: Path) -> None:
    limit = 3 << 30
    work = "import torch; torch.empty(1 << 33, dtype=torch.uint8).zero_()"
    status, said = run_job(tmp_path, work, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert status == 1
    assert said.startswith("error: out of memory")
    assert len(said.splitlines()) == 1
    status, said = run_job(
        tmp_path, "bytearray(1 << 33)", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    )
    assert (status, len(said.splitlines())) == (1, 1), said


# --- time -------------------------------------------------------------------------------------------------------


def test_times_in_the_future_or_the_past_hide_no_change(data: Path) -> None:
    made.check(data / "prepared")
    for moment in (0, time.time() + 10 * 365 * 86_400):
        path = data / "prepared/images.npy"
        turned(path, 0.5)
        os.utime(path, (moment, moment))
        with pytest.raises(UserError, match="is not the one prepared"):
            made.check(data / "prepared")
        turned(path, 0.5)
        os.utime(path, (moment, moment))
        made.check(data / "prepared")


def test_leftovers_of_a_killed_writer_go_and_those_of_a_living_one_stay(tmp_path: Path) -> None:
    dead, alive = tmp_path / ".table.999999999.part.csv", tmp_path / f".table.{os.getppid()}.part.csv"
    for path in (dead, alive):
        path.write_text("half")
        os.utime(path, (2**33, 2**33))
    files.write_text(tmp_path / "table.csv", "whole\n")
    assert not dead.exists()
    assert alive.exists()


def test_resume_starts_what_was_killed_before_it_left_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/snakemake"
    command.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    (tmp_path / "project").mkdir()
    assert resume(tmp_path / "project", ["--cores", "2"], say=lambda _: None) == 0
    assert (tmp_path / "calls").read_text().splitlines()[-1] == "--cores 2 --rerun-incomplete"


def test_every_test_that_the_page_names_exists() -> None:
    page = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"\[`(test_\w+)`\]\(\.\./tests/([\w/]+\.py)\)", page)
    assert len(named) > 70
    missing = [
        name for name, file in named if f"def {name}(" not in (ROOT / "tests" / file).read_text(encoding="utf-8")
    ]
    assert missing == []
    promises = page.partition("## Machines")[2].partition("## Harnesses")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and line.count(" | ") == 2]
    heads = ("| fault", "| input", "| threat", "| what changes", "| load", "| | seconds")
    measured = ("| 3,042", "| 10,006,132", "| 100,000", "| 1,000,000")
    assert [row for row in rows if "test_" not in row and not row.startswith((*heads, *measured))] == []


@pytest.mark.parametrize("megabytes", [400, 800, 1500])
def test_too_little_memory_to_load_pytorch_is_said_in_a_line(tmp_path: Path, megabytes: int) -> None:
    script = tmp_path / ".snakemake/scripts/train.py"
    script.parent.mkdir(parents=True)
    script.write_text("from refer.training.train import train\n", encoding="utf-8")
    limited = f"import resource, runpy; resource.setrlimit(resource.RLIMIT_AS, ({megabytes} << 20,) * 2)"
    run = f"import sys; sys.argv = [{str(script)!r}]; runpy.run_path({str(script)!r})"
    done = subprocess.run([sys.executable, "-c", f"{limited}; {run}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert re.fullmatch(r"error: out of memory \(.*\); have fewer jobs at once .*\n", done.stderr), done.stderr
