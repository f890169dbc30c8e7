"""docs/live.md word for word: its files are saved, its commands are run, and what it promises is there."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from refer.live.model import load_model
from workflow_fixtures import copy_of, environment

pytestmark = [pytest.mark.workflow, pytest.mark.slow]


def test_the_page_can_be_followed(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/live.md").read_text(encoding="utf-8")
    film, other = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    commands = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]
    assert commands.pop(0) == "source .venv/bin/activate"
    assert [command.split()[0] for command in commands] == ["snakemake", "refer", "python", "refer", "refer"]
    clone = copy_of(root, tmp_path)
    (clone / "film.py").write_text(film, encoding="utf-8")
    said = []
    for command in [*commands, f"python -c {shlex.quote(other)}"]:
        done = subprocess.run(
            [sys.executable if word == "python" else word for word in shlex.split(command)],
            cwd=clone, env=environment(), capture_output=True, text=True, timeout=1200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        said.append(done)
    difference = re.search(r"probabilities differ by (\S+) at most", said[1].stdout)
    assert difference is not None
    assert float(difference[1]) <= 1e-4
    model = load_model(clone / "model.onnx")
    card = model.session.get_modelmeta().custom_metadata_map["model_card"]
    assert "TRAINED ON DRAWN STAND-IN DATA" in card
    assert model.about["accuracy"][-1]["test_set"]
    assert len(list(csv.DictReader(said[3].stdout.splitlines()))) == 1
    assert "50 pictures" in said[4].stderr
    rows = list(csv.DictReader((clone / "faces.csv").read_text(encoding="utf-8").splitlines()))
    assert {int(row["frame"]) for row in rows} == set(range(50))
    assert all(row["class"] in model.classes for row in rows if row["face"])
    capture, count = cv2.VideoCapture(str(clone / "annotated.mp4")), 0
    while capture.read()[0]:
        count += 1
    assert count == 50
    assert all(name in said[5].stdout for name in model.classes)


def test_the_page_says_what_it_must_not_be_used_for(root: Path) -> None:
    page = (root / "docs/live.md").read_text(encoding="utf-8")
    assert "Article 5(1)(f)" in page
    assert "2 February 2025" in page
    assert page.index("must not be used") < page.index("## Try it")
