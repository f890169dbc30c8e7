"""The ways into the workflow plan the same jobs, also from a Snakemake that has neither this package nor its plugin."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config
from snakemake.utils import update_config

from refer import yaml as refer_yaml
from refer.workflow import load
from snakemake_logger_plugin_refer.mistakes import in_plain_words

pytestmark = pytest.mark.workflow
BARE = f"""
import sys
sys.path.append({sysconfig.get_path("purelib")!r})
from snakemake.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""Snakemake without what .pth files add to the path, which is this project's src/."""
MODULE = """
configfile: "config.yaml"


module faces:
    snakefile:
        "{root}/workflow/Snakefile"
    config:
        config


use rule * from faces{renamed}
"""


def snakemake(root: Path, *arguments: str, folder: Path | None = None) -> str:
    command = [sys.executable, "-S", "-c", BARE, *arguments, "--nolock"]
    done = subprocess.run(command, cwd=folder or root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outputs(summary: str) -> list[str]:
    """The files of a `--summary`, which has one a line behind a heading."""
    return sorted(line.split("\t")[0] for line in summary.splitlines()[1:])


@pytest.fixture(scope="module")
def front(root: Path) -> list[str]:
    """What the front door makes of .test/config.yaml."""
    return outputs(snakemake(root, "--summary", "--configfile", ".test/config.yaml"))


def test_both_snakefiles_make_the_same(root: Path, front: list[str]) -> None:
    given = ("--summary", "--configfile", ".test/config.yaml", "-s", "workflow/Snakefile")
    assert outputs(snakemake(root, *given)) == front
    assert "results/test/report.html" in front


@pytest.mark.parametrize("renamed", ["", " as drawn_*"])
def test_another_workflow_makes_the_same_with_it_as_a_module(
    root: Path, tmp_path: Path, front: list[str], renamed: str
) -> None:
    (tmp_path / "config.yaml").write_bytes((root / ".test/config.yaml").read_bytes())
    (tmp_path / "Snakefile").write_text(MODULE.format(root=root, renamed=renamed), encoding="utf-8")
    assert outputs(snakemake(root, "--summary", folder=tmp_path)) == front


@pytest.mark.parametrize("arguments", [[], ["--workflow-profile", "none"], ["-s", "workflow/report.smk"]])
def test_snakemakes_lint_finds_nothing(root: Path, arguments: list[str]) -> None:
    snakemake(root, "--lint", *arguments)


def test_a_job_of_the_module_finds_the_library(root: Path, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes((root / ".test/config.yaml").read_bytes())
    (tmp_path / "Snakefile").write_text(MODULE.format(root=root, renamed=""), encoding="utf-8")
    snakemake(root, "--cores", "1", "data/raw/fer2013-standin/receipt.json", folder=tmp_path)
    assert (tmp_path / "data/raw/fer2013-standin/receipt.json").exists()


def test_the_workflow_catalog_takes_it_for_standardized_usage(root: Path) -> None:
    """What scripts/generate-catalog.py of snakemake/snakemake-workflow-catalog asks for, beside the lint above."""
    readme = (root / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    rules = sorted((root / "workflow/rules").glob("*.smk"))
    assert rules
    assert (root / "config/README.md").read_text(encoding="utf-8")
    usage = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage.keys() <= {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["software-stack-deployment"].keys() <= {"conda", "apptainer", "apptainer+conda", "singularity"}
    snakefmt = [
        str(Path(sys.executable).with_name("snakefmt")),
        "--check",
        "-v",
        "workflow/Snakefile",
        *map(str, rules),
    ]
    done = subprocess.run(snakefmt, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every value of a configuration that is no section, with the keys that lead to it."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, (*path, str(key)))
    else:
        yield path, value


@pytest.mark.parametrize("file", ["config.yaml", "presets/fer2013.yaml"])
def test_the_form_that_is_documented_gives_every_key(root: Path, file: str) -> None:
    """What Snakemake makes of `--config a__b=value` is what the file has: numbers, truth values, lists, keys with dots.

    A key with stars, which Snakemake takes in no form but a section, is given as the message on it says.
    """
    plain = refer_yaml.read(root / file)
    words = []
    for path, value in leaves(plain):
        key, text = "__".join(path).replace(".", "__"), value if isinstance(value, str) else json.dumps(value)
        if "*" in key:
            said = in_plain_words("Invalid config definition", ["--config", f"{'.'.join(path)}={text}"])
            assert said
            words.append(shlex.split(said.partition("--config ")[2].partition(" --config ")[2])[0])
        else:
            words.append(f"{key}={text}")
    given = parse_config(words)
    config: dict[str, object] = {}
    update_config(config, given)
    _, plan = load(config, [], root, given)
    _, asked = load(plain, [], root)
    assert {run.path: run.as_dict() for run in plan.runs()} == {run.path: run.as_dict() for run in asked.runs()}
    assert sorted(plan.datasets()) == sorted(asked.datasets())
