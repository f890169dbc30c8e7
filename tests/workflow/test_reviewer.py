"""The reviewer's way: every table from predictions, without data, GPU or PyTorch, whatever the times of files are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from refer.datasets.catalog import DATASETS
from refer.files import read_json, write_json
from refer.release.contents import listed
from refer.release.manifest import write_manifest
from release_fixtures import make_project

pytestmark = pytest.mark.workflow
HEAVY = ("dvc", "flyr", "pooch", "py7zr", "regex", "rocrate", "safetensors", "sklearn", "torch", "torchvision")
PREDICTION = "results/small/runs/khalid2025/fer2013/audited/full/seed0/predictions.parquet"
TABLE = "tables/khalid2025.fer2013.csv"
TITLE = "{x} </script><script>alert('a preset')</script>"


def a_split(folder: Path) -> None:
    """Write what the split of the made-up preset says of itself."""
    classes = list(DATASETS["fer2013"].classes)
    parts = {part: {"visible": {"kept": [9] * len(classes), "removed": {}}} for part in ("train", "public", "private")}
    fold = {"images": parts, "people": dict.fromkeys(parts), "people_shared": None, "unused": {}}
    scheme = {"parts": {}, "shares": None, "folds": None, "validation": None, "share": None}
    about = {
        "paper": "khalid2025", "protocol": "audited", "dataset": "fer2013", "stand_in": False, "classes": classes,
        "scheme": scheme, "off_target": None, "audited": True, "parts": list(parts), "modalities": ["visible"],
        "people_known": False, "folds": [fold],
    }  # fmt: skip
    write_json(folder / "data/fer2013/split.khalid2025.audited.json", about)


@pytest.fixture(scope="module")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of a released preset, of a data set that is not there."""
    folder = tmp_path_factory.mktemp("a clöne")
    make_project(root, folder, stand_in=False)
    shutil.copytree(root / "profiles", folder / "profiles")
    preset = folder / "presets/small.yaml"
    preset.write_text(yaml.safe_dump(yaml.safe_load(preset.read_text()) | {"realtime_seconds": 0, "title": TITLE}))
    a_split(folder / "results/small")
    for made in ("tables", "figures"):
        shutil.rmtree(folder / "results/small" / made)
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of somebody who has none of the packages that only training, data and storage need."""
    absent = tmp_path_factory.mktemp("absent")
    for name in HEAVY:
        (absent / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name} here')\n")
    return {**os.environ, "PYTHONPATH": str(absent)}


def report(project: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "-s", "workflow/report.smk", "--configfile", "presets/small.yaml"]
    return subprocess.run(
        [*command, "--cores", "2", *arguments],
        cwd=project, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != ".snakemake_timestamp"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def altered(path: Path) -> None:
    """Change a byte in the middle, and the time to long ago, as a checkout may."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, (0, 0))


@pytest.fixture(scope="module")
def reported(project: Path, stranger: dict[str, str]) -> dict[str, bytes]:
    """What the first report leaves in results/small/."""
    done = report(project, stranger)
    assert done.returncode == 0, done.stdout + done.stderr
    return contents(project / "results/small")


@pytest.mark.slow
def test_every_table_and_figure_comes_from_predictions_alone(project: Path, reported: dict[str, bytes]) -> None:
    assert {TABLE, "tables/runs.md", "tables/audit.fer2013.html", "tables/split.khalid2025.fer2013.md"} <= set(reported)
    assert {"figures/forest/khalid2025.fer2013.svg", "results.parquet", "report.html"} <= set(reported)
    assert not (project / "data").exists()


@pytest.mark.slow
def test_all_is_made_again_to_the_same_bytes_though_times_say_that_it_is_new(
    project: Path, stranger: dict[str, str], reported: dict[str, bytes]
) -> None:
    results = project / "results/small"
    for name, content in reported.items():
        if name.startswith(("tables/", "figures/")):
            (results / name).write_bytes(content + b" ")
            os.utime(results / name, (2**31, 2**31))
    lying_there = project / "data/raw/fer2013/files.zip"
    lying_there.parent.mkdir(parents=True)
    lying_there.write_bytes(b"raw data, newer than everything")
    done = report(project, stranger)
    shutil.rmtree(project / "data")
    assert done.returncode == 0, done.stdout + done.stderr
    again = contents(results)
    assert [name for name in reported if again[name] != reported[name]] == []


@pytest.mark.slow
def test_verify_makes_the_tables_again_and_names_the_cell_that_somebody_changed(
    project: Path, stranger: dict[str, str], reported: dict[str, bytes]
) -> None:
    results = project / "results/small"
    table = results / TABLE
    lines = table.read_text(encoding="utf-8").splitlines()
    columns, cells = lines[0].split(","), lines[1].split(",")
    cells[columns.index("mean")] = "83.0000000000"
    table.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n", encoding="utf-8")
    # Whoever edits a number may renew its hash too.
    write_manifest(results, listed(results), title="small", created="2025-01-01T10:10:00+00:00", git_commit=None)
    done = subprocess.run(
        [sys.executable, "-m", "refer.cli", "verify", "small", "--cores", "2"],
        cwd=project, env=stranger, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    table.write_bytes(reported[TABLE])
    (results / "release.json").unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    *found, summary = done.stdout.strip().splitlines()
    assert found[0].startswith(f"differs: {TABLE}: line 2, mean: '83.0000000000', made again '")
    assert len(found) == 1, done.stdout
    assert summary.endswith("made again: 1 thing is not as released.")


def test_a_missing_prediction_is_named_before_anything_is_made(project: Path, stranger: dict[str, str]) -> None:
    (project / PREDICTION).rename(project / "elsewhere")
    done = report(project, stranger, "results/small/tables/khalid2025.fer2013.csv")
    (project / "elsewhere").rename(project / PREDICTION)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{PREDICTION} is missing, of 14 files that tables are made from" in output
    assert "Traceback" not in output


def test_an_altered_prediction_is_named_where_a_release_says_what_it_was(
    project: Path, stranger: dict[str, str]
) -> None:
    results, original = project / "results/small", (project / PREDICTION).read_bytes()
    write_manifest(results, listed(results), title="small", created="2025-01-01T10:10:00+00:00", git_commit=None)
    assert read_json(results / "release.json")["files"][PREDICTION.removeprefix("results/small/")]["bytes"]
    altered(project / PREDICTION)
    done = report(project, stranger, "-n")
    (project / PREDICTION).write_bytes(original)
    (results / "release.json").unlink()
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{PREDICTION} is not what results/small/release.json says was released" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_title_is_text_in_the_page_and_in_snakemakes_report(
    project: Path, stranger: dict[str, str], reported: dict[str, bytes]
) -> None:
    done = report(project, stranger, "--report", "report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    html = (project / "report.html").read_text(encoding="utf-8")
    assert "alert('a preset')" in html, "the title is there"
    for text in (html, reported["report.html"].decode()):
        assert "<script>alert(" not in text


def test_a_preset_that_was_edited_after_its_runs_stops_before_anything_is_made(
    project: Path, stranger: dict[str, str]
) -> None:
    preset = project / "presets/small.yaml"
    text = preset.read_text(encoding="utf-8")
    preset.write_text(text.replace("recipe.epochs: 3", "recipe.epochs: 60"), encoding="utf-8")
    done = report(project, stranger, "-n")
    preset.write_text(text, encoding="utf-8")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "run.json: it ran with recipe.epochs 3, but the configuration asks for 60 (3 more runs differ)" in output
    assert "Traceback" not in output


def test_the_reviewers_rules_are_those_of_the_whole_workflow_and_none_reads_data(root: Path) -> None:
    names = ("report", "data_and_times", "page")
    rules = [root / f"workflow/rules/{name}.smk" for name in names]
    entry, whole = (root / "workflow/report.smk").read_text(), (root / "workflow/Snakefile").read_text()
    for path in rules:
        assert f'include: "rules/{path.name}"' in entry
        assert f'include: "rules/{path.name}"' in whole
        text = path.read_text(encoding="utf-8")
        for left in ("data/prepared", "data/splits", "data/audit", "data/raw", "checkpoint", "explanations"):
            assert left not in text, f"{path.name}: {left}"
    assert entry.count("include:") == 1 + len(rules)
