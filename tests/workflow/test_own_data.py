"""docs/own-data.md word for word: its preset is saved, its commands are run, and what it promises is there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from refer.datasets import catalog
from refer.plan import load_plan
from workflow_fixtures import copy_of, environment, snakemake

BLOCKS = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
FIRST = {"preset": "x", "title": "x", "reproduce": {"peers": {"data": ["mine"], "methods": ["compact"]}}}


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs/own-data.md").read_text(encoding="utf-8")


@pytest.fixture
def _forgotten() -> Iterator[None]:
    yield
    catalog.add({})


@pytest.mark.usefixtures("_forgotten")
def test_every_declaration_of_the_page_makes_a_plan(root: Path, page: str) -> None:
    preset, table, tufts, divide, matrix = (yaml.safe_load(block) for block in BLOCKS.findall(page))
    assert len(list(load_plan(preset, "page", root).runs())) == 2
    assert len(list(load_plan({**FIRST, **table, "mine": "x"}, "page", root).runs())) == 2
    runs = list(load_plan({**FIRST, **tufts}, "page", root).runs())
    assert {run.method for run in runs} >= {"visible", "infrared", "fused"}
    assert {run.fold for run in runs} == set(range(10))
    undivided = {**preset["datasets"]["mine"], "splits": ["all"]}
    own = {"datasets": {"mine": {**undivided, **divide}}, "mine": "x"}
    assert len(list(load_plan({**FIRST, **own}, "page", root).runs())) == 2
    everyone = load_plan({**preset, **matrix}, "page", root)
    assert {run.paper for run in everyone.matrix()} == {"khalid2025", "tran2023", "peers"}


@pytest.mark.workflow
@pytest.mark.slow
def test_the_page_can_be_followed(root: Path, tmp_path: Path, page: str) -> None:
    commands = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]
    assert [command.split()[:2] for command in commands] == [
        ["refer", "faces"], ["refer", "check"], ["refer", "datasets"], ["snakemake", commands[-1].split()[1]],
    ]  # fmt: skip
    clone = copy_of(root, tmp_path)
    (clone / "presets/mine.yaml").write_text(BLOCKS.findall(page)[0], encoding="utf-8")
    for command in commands:
        done = subprocess.run(shlex.split(command), cwd=clone, env=environment(), capture_output=True, text=True,
                              timeout=1200, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(clone / "results/mine/tables/peers.mine.csv")
    assert set(rows["method"]) == {"compact", "compact-flip"}
    assert set(rows.loc[rows["part"] == "test", "n"]) == {56}, "280 faces, a fifth of the people"
    assert "My faces" in (clone / "results/mine/tables/peers.mine.md").read_text(encoding="utf-8")
    about = json.loads((clone / "data/prepared/mine/prepare.json").read_text(encoding="utf-8"))
    assert (about["images"], about["subjects"], about["shape"]) == (280, 20, [48, 48, 1])
    again = snakemake(clone, *shlex.split(commands[-1])[1:], "-n")
    assert "Nothing to be done" in again.stdout + again.stderr
    other = yaml.safe_load((clone / "presets/mine.yaml").read_text(encoding="utf-8"))
    other["datasets"]["mine"] |= {"size": 32, "fit": "square"}
    (clone / "presets/other.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    smaller = snakemake(clone, "data/prepared/mine/images.npy", "-n", "--configfile", "presets/other.yaml")
    told = smaller.stdout + smaller.stderr
    assert "params have changed" in told
    assert "rule prepare" in told
    assert "rule obtain" not in told, "the raw files are what they were"
