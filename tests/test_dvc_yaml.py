"""dvc.yaml: what `refer dvc` writes, and that it knows every file that Snakemake makes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from refer.errors import UserError
from refer.plan import load_plan
from refer.storage.pipeline import DEFAULT, check_pipeline, pipeline, write_pipeline
from refer.yaml import read
from workflow_fixtures import snakemake


def outs(text: str, **options: object) -> list[str]:
    """The outputs of a dvc.yaml whose options have these values."""
    listed: list[dict[str, dict[str, Any]]] = [
        out for stage in yaml.safe_load(text)["stages"].values() for out in stage["outs"]
    ]
    found = [(name, how) for out in listed for name, how in out.items()]
    return [name for name, how in found if all(how.get(key) == value for key, value in options.items())]


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    """A repository that holds configurations, papers and rules, and releases the preset `shown`."""
    for folder in ("papers", "workflow/rules"):
        shutil.copytree(root / folder, tmp_path / folder)
    config = read(root / "presets/fer2013-cpu.yaml")
    (tmp_path / "presets").mkdir()
    for name in ("config", "presets/shown", "presets/second"):
        text = yaml.safe_dump(config | {"preset": Path(name).name, "data": ["fer2013"]})
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / ".gitignore").write_text("/results/*\n!/results/shown/\n/data/\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_every_committed_dvc_yaml_is_the_one_that_refer_dvc_writes(root: Path) -> None:
    check_pipeline(DEFAULT, root)
    for path in root.glob("presets/*/dvc.yaml"):
        check_pipeline(f"presets/{path.parent.name}.yaml", root)


@pytest.mark.workflow
def test_every_file_that_snakemake_makes_for_the_demo_is_an_output_once(root: Path) -> None:
    done = snakemake(root, "--summary")
    assert done.returncode == 0, done.stderr
    made = [line.split("\t")[0] for line in done.stdout.splitlines()[1:]]
    listed = outs(pipeline(DEFAULT, root))
    assert len(made) > 100
    for path in made:
        holders = [out for out in listed if path == out or path.startswith(f"{out}/")]
        assert len(holders) == 1, (path, holders)
    for out in listed:
        assert any(path == out or path.startswith(f"{out}/") for path in made), out


def test_dvc_deletes_no_output_before_a_stage(project: Path) -> None:
    for name in (DEFAULT, "presets/shown.yaml"):
        text = pipeline(name, project)
        assert outs(text) == outs(text, persist=True)


def test_of_a_released_preset_only_checkpoints_and_data_are_cached(project: Path) -> None:
    text = pipeline("presets/shown.yaml", project)
    kept, cached = outs(text, cache=False), outs(text, cache=None)
    plan = load_plan(read(project / "presets/shown.yaml"), base=project)
    runs = [f"results/shown/runs/{run.path}" for run in plan.runs()]
    assert {f"{run}/checkpoint.safetensors" for run in runs} <= set(cached)
    assert not [path for path in cached if "/runs/" in path and not path.endswith(".safetensors")]
    for name in ("predictions.parquet", "run.json", "training.csv"):
        assert {f"{run}/{name}" for run in runs} <= set(kept)
    assert {"results/shown/tables", "results/shown/metrics", "results/shown/data"} <= set(kept)
    assert not [path for path in kept if path.startswith("data/")], "prepared faces never go into git"


def test_of_a_preset_that_git_ignores_everything_is_cached(project: Path) -> None:
    text = pipeline(DEFAULT, project)
    assert outs(text, cache=False) == []
    assert "results/config/runs" in outs(text)


def test_two_presets_share_real_data_without_both_making_it(project: Path) -> None:
    first = write_pipeline("presets/shown.yaml", project)
    second = write_pipeline("presets/second.yaml", project)
    assert first == project / "presets/shown/dvc.yaml"
    assert "data/prepared/fer2013" in outs(first.read_text())
    assert not set(outs(first.read_text())) & set(outs(second.read_text()))
    assert "data/prepared/fer2013" in yaml.safe_load(second.read_text())["stages"]["train"]["deps"]
    check_pipeline("presets/shown.yaml", project)
    check_pipeline("presets/second.yaml", project)


def test_a_plan_that_asks_for_other_files_is_told_to_be_written_again(project: Path) -> None:
    with pytest.raises(UserError, match=r"write it with `refer dvc presets/shown\.yaml`"):
        check_pipeline("presets/shown.yaml", project)
    write_pipeline("presets/shown.yaml", project)
    check_pipeline("presets/shown.yaml", project)
    config = read(project / "presets/shown.yaml")
    config["reproduce"]["khalid2025"]["seeds"] = [0, 1, 2]
    (project / "presets/shown.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(UserError, match=r"seed2.*`refer dvc presets/shown\.yaml`"):
        check_pipeline("presets/shown.yaml", project)


def test_a_configuration_outside_the_project_is_refused(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="copy it to presets/"):
        write_pipeline(str(tmp_path / "config.yaml"), project)
