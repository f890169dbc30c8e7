"""docs/own-predictions.md: its commands, as they stand there, on the released predictions, without PyTorch."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from own_fixtures import write_list

LIST = "results/fer2013/data/fer2013/images.parquet"
RUN = "peers/fer2013/audited/wide/seed0"
HEAVY = ("dvc", "flyr", "pooch", "py7zr", "rocrate", "safetensors", "sklearn", "statsmodels", "torch", "torchvision")


@pytest.fixture(scope="module")
def commands(root: Path) -> list[str]:
    page = (root / "docs/own-predictions.md").read_text(encoding="utf-8")
    return [line.removeprefix("$ ") for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL)
            for line in block.splitlines()]  # fmt: skip


@pytest.fixture(scope="module")
def clone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of a clone the commands read. Its list of images is the released one, or as good for ids."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("presets", "papers"):
        (folder / name).symlink_to(root / name)
    (folder / "results/fer2013").mkdir(parents=True)
    (folder / "results/fer2013/runs").symlink_to(root / "results/fer2013/runs")
    if (root / LIST).is_file():
        (folder / LIST).parent.mkdir(parents=True)
        shutil.copy(root / LIST, folder / LIST)
    else:
        write_list(folder / "results/fer2013", root / "results/fer2013/runs" / RUN / "predictions.parquet")
    return folder


def test_the_commands_of_the_page_answer(root: Path, clone: Path, commands: list[str], tmp_path: Path) -> None:
    for name in HEAVY:
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name} here')\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PATH": path}
    typed = [line for line in commands if line.startswith(("python ", "refer "))]
    assert [line for line in commands if line not in typed] == [
        "make .venv-report/installed", "source .venv-report/bin/activate"
    ]  # fmt: skip
    assert len(typed) == 3
    for line in typed:
        done = subprocess.run(line, shell=True, cwd=clone, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert "My network on FER2013, 3,589 images of PrivateTest" in done.stdout
    tested = [
        row for row in pd.read_parquet(root / "results/fer2013/results.parquet").to_dict("records")
        if row["part"] == "private" and row["protocol"] == "audited"
    ]  # fmt: skip
    released = {
        row["metric"]: float(row["value"]) for row in tested if row["scope"] == "run" and str(row["run"]).endswith(RUN)
    }
    with (clone / "mine/measures.csv").open(encoding="utf-8", newline="") as handle:
        found = {row["metric"]: float(row["value"]) for row in csv.DictReader(handle) if row["images"] != "all"}
    assert set(found) == {"accuracy", "macro_f1", "balanced_accuracy", "ece"}
    assert found == {metric: pytest.approx(released[metric], rel=1e-5) for metric in found}
    with (clone / "mine/compared.csv").open(encoding="utf-8", newline="") as handle:
        compared = list(csv.DictReader(handle))
    expected = {
        (row["paper"], row["method"]): float(row["value"]) for row in tested
        if (row["scope"], row["quantity"], row["metric"]) == ("method", "mean", "accuracy")
    }  # fmt: skip
    assert len(expected) == 39
    means = {(row["paper"], row["method"]): float(row["mean"]) for row in compared if row["paper"] != "own"}
    assert means == {key: pytest.approx(mean) for key, mean in expected.items()}


def test_the_page_gives_the_command_that_makes_the_list(root: Path) -> None:
    from refer.cli import main

    page = (root / "docs/own-predictions.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if line.startswith("refer images "))
    assert line.endswith(LIST)
    options = re.findall(r"--[a-z]+", line)
    with pytest.raises(SystemExit) as ended:
        main(["images", *(word for name in options for word in (name, "x")), "--help"])
    assert ended.value.code == 0


@pytest.mark.parametrize("pixels", ["original", "equalised"])
def test_the_public_networks_numbers_are_those_of_its_predictions(root: Path, tmp_path: Path, pixels: str) -> None:
    from refer.cli import main

    page = (root / "docs/own-predictions.md").read_text(encoding="utf-8")
    (line,) = [line for line in page.splitlines() if line.startswith("|") and f"{pixels}" in line and "%" in line]
    file = str(root / f"results/fer-package/{pixels}.parquet")
    with contextlib.chdir(root):
        assert main(["compare", file, "--preset", "fer2013", "--partial", "--out", str(tmp_path / "out")]) == 0
    rows = pd.read_csv(tmp_path / "out/measures.csv").query("metric == 'accuracy'")
    told = [f"{row.value:.1f} % ({row.low:.1f} to {row.high:.1f}) | {row.n:,}" for row in rows.itertuples()]
    assert len(told) == 2
    assert all(each in line for each in told), told
