"""The ways into the workflow plan the same jobs, also from a Snakemake that has neither this package nor its plugin."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

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
    command = [sys.executable, "-S", "-c", BARE, *arguments, "--workflow-profile", "none", "--nolock"]
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


def test_snakemakes_lint_finds_nothing(root: Path) -> None:
    snakemake(root, "--lint")
