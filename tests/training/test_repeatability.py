"""The same bytes whatever surrounds a run: language, time zone, rights, hash seed, path, and what is killed."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path
from types import ModuleType

import pytest

from benchmark_fixtures import benchmark

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (
    "results/tiny/tables/naseem2025.viri-standin.csv",
    "results/tiny/figures/audit/viri-standin.png",
)
HERE = {"LC_ALL": "C", "LANG": "C", "TZ": "UTC", "PYTHONHASHSEED": "0"}
ELSEWHERE = {"LC_ALL": "C.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4711"}


@pytest.fixture(scope="module")
def kill() -> ModuleType:
    return benchmark("kill")


@pytest.mark.workflow
@pytest.mark.slow
def test_other_surroundings_and_two_kills_change_no_byte_and_two_at_once_are_one(
    kill: ModuleType, tmp_path: Path
) -> None:
    source = kill.copied(tmp_path / "source")
    undisturbed = Path(shutil.copytree(source, tmp_path / "plain"))
    elsewhere = Path(shutil.copytree(source, tmp_path / "ein Ordner für $x; rm"))
    began = time.monotonic()
    process = kill.start(undisturbed, "snakemake", *TARGETS, *kill.ARGUMENTS, surroundings=HERE, umask=0o022)
    while not list((undisturbed / ".snakemake/locks").glob("*")):
        assert process.poll() is None, (undisturbed / "said.log").read_text()
        time.sleep(0.2)
    said = undisturbed / "second.log"
    with said.open("wb") as output:
        second = kill.psutil.Popen(
            ["snakemake", *TARGETS, *kill.ARGUMENTS],
            cwd=undisturbed, env=kill.environment(undisturbed), stdout=output, stderr=output,
        )  # fmt: skip
        assert second.wait(120) != 0
    assert "error: another Snakemake" in said.read_text()
    assert "Traceback" not in said.read_text()
    assert process.wait(600) == 0, (undisturbed / "said.log").read_text()
    seconds = time.monotonic() - began

    options = {"targets": TARGETS, "surroundings": ELSEWHERE, "umask": 0o077}
    records = list(kill.chain(elsewhere, 2, seconds, random.Random(3), undisturbed, **options))
    assert [record["wrong"] for record in records] == [[]] * len(records)
    assert records[-1]["end"] == 0, records[-1]["said"]
    assert sum("kill" in record for record in records) >= 1
    # The rights are the surroundings', and nothing else is.
    checkpoint = next(elsewhere.glob("results/tiny/runs/*/*/*/*/*/checkpoint.safetensors"))
    assert checkpoint.stat().st_mode & 0o077 == 0
    assert os.access(checkpoint, os.R_OK)
    assert len(list(kill.final(undisturbed))) > 30
