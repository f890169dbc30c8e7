"""What stands in front of Slurm's commands for Snakemake's plugin: no job is waited for in vain, none spent in vain."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ASKED = ("-X", "--parsable2", "--noheader", "--format=JobIdRaw,State", "--name", "11-22")
SUBMITTED = ("--parsable", "--job-name", "11-22", "--export=ALL", "--wrap=true")
TOOLS = ("awk", "cat", "date", "dirname", "grep", "mkdir", "mktemp", "paste", "rm", "sh", "sleep", "tr", "wc")


class Site:
    """A folder where Snakemake runs, with commands that say what a test wants."""

    def __init__(self, folder: Path, shims: Path) -> None:
        self.folder = folder
        self.shims = shims
        (folder / "bin").mkdir()
        (folder / ".snakemake").mkdir()
        # Nothing else, for the machine may have a Slurm.
        (folder / "tools").mkdir()
        for name in TOOLS:
            found = shutil.which(name)
            assert found, name
            (folder / "tools" / name).symlink_to(found)

    def command(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f'#!/bin/sh\necho "$*" >>{self.folder}/{name}.calls\n{script}\n', encoding="utf-8")
        path.chmod(0o755)

    def calls(self, name: str) -> int:
        return len((self.folder / f"{name}.calls").read_text(encoding="utf-8").splitlines())

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(self.shims), str(self.folder / "bin"), str(self.folder / "tools")])
        return subprocess.run(
            command, cwd=self.folder, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60
        )

    def accept(self, *jobs: str) -> None:
        """Submit jobs, which get these numbers."""
        for job in jobs:
            self.command("sbatch", f"echo {job}")
            assert self.run("sbatch", *SUBMITTED).stdout == f"{job}\n"

    def states(self) -> list[str]:
        done = self.run("sacct", *ASKED)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def site(root: Path, tmp_path: Path) -> Site:
    found = Site(tmp_path, root / "profiles/slurm/bin")
    found.command("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    found.command("squeue", "exit 0")
    return found


def test_a_job_that_the_controller_forgot_has_failed(site: Site) -> None:
    site.accept("7", "8", "9")
    site.command("squeue", "echo '7|RUNNING'; echo '9|COMPLETED'")
    assert site.states() == ["7|RUNNING", "9|COMPLETED", "8|FAILED"]


def test_where_there_is_no_sacct_it_is_the_same(site: Site) -> None:
    site.accept("7", "8")
    (site.folder / "bin/sacct").unlink()
    site.command("squeue", "echo '7|RUNNING'")
    assert site.states() == ["7|RUNNING", "8|FAILED"]


def test_accounting_that_is_away_may_know_what_the_controller_forgot(site: Site) -> None:
    site.accept("7", "8")
    site.command("sacct", "echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1")
    site.command("squeue", "echo '7|RUNNING'")
    assert site.states() == ["7|RUNNING"]


def test_a_controller_that_is_away_says_nothing_of_any_job(site: Site) -> None:
    site.accept("7")
    site.command("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    done = site.run("sacct", *ASKED)
    assert done.returncode != 0
    assert done.stdout == ""


def test_where_accounting_answers_nobody_else_is_asked(site: Site) -> None:
    site.accept("7")
    site.command("sacct", "echo '7|RUNNING'")
    assert site.states() == ["7|RUNNING"]
    assert not (site.folder / "squeue.calls").exists()


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ("echo '8|PENDING'", ["7|RUNNING"]),  # accounting is late
        ("exit 0", ["7|RUNNING", "8|FAILED"]),
        ("exit 1", ["7|RUNNING"]),
    ],
)
def test_what_accounting_does_not_know_the_controller_is_asked_for(site: Site, queue: str, expected: list[str]) -> None:
    site.accept("7", "8")
    site.command("sacct", "echo '7|RUNNING'")
    site.command("squeue", queue)
    assert site.states() == expected


@pytest.mark.parametrize(
    ("queue", "failed"),
    [("echo '7|PENDING'", False), ("echo '7|COMPLETING'", False), ("echo '7|PREEMPTED'", True), ("exit 0", True)],
)
def test_a_preempted_job_has_failed_unless_it_waits_for_its_next_life(site: Site, queue: str, failed: bool) -> None:
    site.accept("7")
    site.command("squeue", queue)
    assert (site.states()[-1:] == ["7|FAILED"]) is failed
    site.command("sacct", "echo '7|PREEMPTED'")
    assert site.states() == ["7|PREEMPTED", *(["7|FAILED"] if failed else [])]  # the last line counts


def test_jobs_of_other_runs_are_nobodys_business(site: Site) -> None:
    site.accept("7")
    done = site.run("sacct", *ASKED[:-1], "33-44")
    assert (done.returncode, done.stdout) == (0, "")
    assert site.run("sacct", "-j", "7", "-n", "-X", "-o", "nodelist%-256").returncode == 0


def test_a_submission_waits_for_a_controller_that_is_away(site: Site) -> None:
    away = "echo 'sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)' >&2"
    site.command("sbatch", f'[ "$(wc -l <{site.folder}/sbatch.calls)" -gt 2 ] || {{ {away}; exit 1; }}; echo 7')
    done = site.run("sbatch", *SUBMITTED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "")
    assert site.calls("sbatch") == 3


def test_a_submission_that_is_refused_or_may_have_been_accepted_is_not_repeated(site: Site) -> None:
    for said in ("Invalid account or account/partition combination", "Socket timed out on send/recv operation"):
        site.command("sbatch", f"echo 'sbatch: error: {said}' >&2; exit 1")
        before = 0 if said.startswith("Invalid") else 1
        done = site.run("sbatch", *SUBMITTED)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
        assert site.calls("sbatch") == before + 1
    assert not (site.folder / ".snakemake/slurm").exists()


def test_what_is_submitted_arrives_word_by_word(site: Site) -> None:
    site.command("sbatch", "printf '<%s>' \"$@\" >words; echo '7;other'")
    assert site.run("sbatch", *SUBMITTED[:3], "--wrap=a 'b c' \"d\" *").stdout == "7;other\n"
    assert (site.folder / "words").read_text() == "<--parsable><--job-name><11-22><--wrap=a 'b c' \"d\" *>"
    assert (site.folder / ".snakemake/slurm/11-22").read_text() == "7\n"


def test_the_number_of_a_forgotten_job_is_given_to_no_other(site: Site) -> None:
    site.accept("7")
    site.command("sbatch", f"echo $((5 + $(wc -l <{site.folder}/sbatch.calls)))")  # 7 once more, then 8
    site.command("scancel", "")
    assert site.run("sbatch", *SUBMITTED).stdout == "8\n"
    assert (site.folder / "scancel.calls").read_text(encoding="utf-8") == "7\n"
    assert (site.folder / ".snakemake/slurm/11-22").read_text(encoding="utf-8") == "7\n8\n"
