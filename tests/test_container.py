"""What envs/Dockerfile says can be checked without a registry of images: what it copies is enough, and installs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def steps(root: Path) -> list[list[str]]:
    """The Dockerfile's instructions, word by word."""
    text = (root / "envs/Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_its_python_is_one_that_refer_runs_on(root: Path, steps: list[list[str]]) -> None:
    needs = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", needs).groups()  # type: ignore[union-attr]
    found = re.match(r"python:3\.(\d+)-", next(step[1] for step in steps if step[0] == "FROM"))
    assert found
    assert int(low) <= int(found[1]) < int(high)


def test_packages_are_installed_by_hash_and_refer_without_asking_for_more(steps: list[list[str]]) -> None:
    installs = [step for step in steps if step[:3] == ["RUN", "pip", "install"]]
    assert installs[0][4:] == ["--require-hashes", "-r", "envs/requirements.lock"]
    assert {"--no-deps", "--no-build-isolation", "."} <= set(installs[1])
    assert len(installs) == 2


def test_only_what_is_copied_is_sent(root: Path, steps: list[list[str]]) -> None:
    lines = (root / "envs/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {source for step in steps if step[0] == "COPY" for source in step[1:-1]}
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied


@pytest.mark.slow
def test_what_it_copies_is_enough_to_install_refer(root: Path, steps: list[list[str]], tmp_path: Path) -> None:
    image = tmp_path / "image"
    for step in steps:
        if step[0] == "COPY":
            *sources, to = step[1:]
            for source in sources:
                target = image / to / (Path(source).name if to.endswith(("/", ".")) else "")
                target.parent.mkdir(parents=True, exist_ok=True)
                if (root / source).is_file():
                    shutil.copy2(root / source, target)
                else:
                    shutil.copytree(root / source, target, ignore=shutil.ignore_patterns("__pycache__"))
    assert (image / "envs/requirements.lock").is_file()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=image, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    plan = subprocess.run(
        [sys.executable, "-m", "refer.cli", "plan", "--configfile", str(root / "presets/full.yaml")],
        cwd=root,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert plan.returncode == 0, plan.stderr
    assert "| all " in plan.stdout, "from rates.csv, which is in the package"
    where = "import refer, snakemake_logger_plugin_refer as plugin; print(refer.__file__, plugin.__file__)"
    told = subprocess.run(
        [sys.executable, "-c", where],
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.count(str(installed)) == 2
