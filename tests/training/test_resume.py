"""After a kill of Snakemake: what it left is ended first, then the folder is unlocked, then it goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refer.errors import UserError
from refer.resume import last_run, orphans, resume, slurm_jobs, snakemakes

LOG = """
SNAKEMAKE
  Host: {host}
  Command: snakemake --cores 2
"""
RUN_ID = "SLURM run ID: 11-22\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a Snakemake ran."""
    (tmp_path / ".snakemake/log").mkdir(parents=True)
    (tmp_path / ".snakemake/scripts").mkdir()
    (tmp_path / "bin").mkdir()
    log(tmp_path, "2026-01-02", socket.gethostname())
    return tmp_path


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def log(folder: Path, day: str, host: str, more: str = "") -> None:
    text = LOG.format(host=host) + more
    (folder / f".snakemake/log/{day}T000000.1.snakemake.log").write_text(text, encoding="utf-8")


@pytest.fixture
def on_slurm(folder: Path) -> Path:
    """Where a Snakemake ran with Slurm."""
    log(folder, "2026-01-01", socket.gethostname(), RUN_ID)
    return folder


def command(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """Have a command be a script that also writes down how it was called."""
    path = folder / "bin" / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/calls\n{script}\n', encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text(encoding="utf-8").splitlines()


def run_script(folder: Path, name: str, body: str, started: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Start a script as Snakemake would, and wait until it runs."""
    path = folder / name
    path.write_text(f"from pathlib import Path\n{body}", encoding="utf-8")
    process = subprocess.Popen([sys.executable, str(path)], cwd=folder)
    started.append(process)
    deadline = time.monotonic() + 60
    while not (folder / "runs").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


WAITS = "import time\nPath('runs').touch()\ntime.sleep(600)\n"


def test_orphans_are_ended_gently_and_only_those_of_this_folder(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[subprocess.Popen[bytes]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    saves = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: (Path('saved').touch(), sys.exit(1)))\n"
    orphan = run_script(folder, ".snakemake/scripts/tmp1.train.py", saves + WAITS, started)
    elsewhere = tmp_path_factory.mktemp("other")
    (elsewhere / ".snakemake/scripts").mkdir(parents=True)
    other = run_script(elsewhere, ".snakemake/scripts/tmp2.train.py", WAITS, started)
    command(folder, monkeypatch, "snakemake", "exit 0")
    assert [process.pid for process in orphans(folder)] == [orphan.pid]
    said: list[str] = []
    assert resume(folder, ["--cores", "2"], say=said.append) == 0
    orphan.wait(10)
    assert (folder / "saved").exists(), "told to end, not killed"
    assert other.poll() is None
    assert f"Ending orphaned processes {orphan.pid}." in said
    unlock, again = calls(folder)
    assert unlock == "snakemake --cores 2 --unlock --quiet all"
    assert again == "snakemake --cores 2 --rerun-incomplete"


def test_a_living_snakemake_is_left_alone(folder: Path, started: list[subprocess.Popen[bytes]]) -> None:
    alive = run_script(folder, "bin/snakemake", WAITS, started)
    assert [process.pid for process in snakemakes(folder)] == [alive.pid]
    with pytest.raises(UserError, match=rf"Snakemake runs here \(process {alive.pid}\)"):
        resume(folder, [])
    assert alive.poll() is None


def test_a_snakemake_on_another_machine_is_asked_about(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(folder, monkeypatch, "snakemake", "exit 0")
    log(folder, "2026-01-03", "login2")
    with pytest.raises(UserError, match=r"the last Snakemake ran on login2.*refer resume --sure"):
        resume(folder, [])
    assert resume(folder, [], sure=True, say=lambda _: None) == 0


def test_its_slurm_jobs_are_cancelled_and_waited_for_before_anything_is_unlocked(
    on_slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = on_slurm
    command(folder, monkeypatch, "snakemake", "exit 3")
    # Two jobs until they are cancelled, and one of them for a moment longer.
    gone = f'n=$(grep -c ^squeue {folder}/calls); grep -q ^scancel {folder}/calls || echo "7|RUNNING|11-22"'
    command(folder, monkeypatch, "squeue", f'{gone}\n[ "$n" -ge 3 ] || echo "8|COMPLETING|11-22"')
    command(folder, monkeypatch, "scancel", "")
    said: list[str] = []
    assert resume(folder, ["all"], say=said.append) == 3, "Snakemake's own status"
    assert "Ending orphaned Slurm jobs 7, 8." in said
    names = [call.split()[0] for call in calls(folder)]
    assert names == ["squeue", "scancel", "squeue", "squeue", "snakemake", "snakemake"]
    assert "scancel 7 8" in calls(folder)
    assert "--name=11-22" in calls(folder)[0]


def test_a_submission_that_still_waits_for_the_controller_is_ended_before_jobs_are_looked_for(
    on_slurm: Path, monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    folder = on_slurm
    submits = run_script(folder, "bin/sbatch", WAITS, started)
    command(folder, monkeypatch, "snakemake", "exit 0")
    command(folder, monkeypatch, "squeue", f"[ ! -e /proc/{submits.pid} ] || touch {folder}/early")
    said: list[str] = []
    assert resume(folder, [], say=said.append) == 0
    assert f"Ending orphaned processes {submits.pid}." in said
    assert calls(folder)[0].startswith("squeue")
    assert not (folder / "early").exists()


def test_wait_lets_them_finish(on_slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = on_slurm
    command(folder, monkeypatch, "snakemake", "exit 0")
    command(folder, monkeypatch, "squeue", f'[ "$(grep -c ^squeue {folder}/calls)" -ge 2 ] || echo "7|RUNNING|11-22"')
    assert resume(folder, [], wait=True, say=lambda _: None) == 0
    assert not any(call.startswith("scancel") for call in calls(folder))


def test_a_slurm_that_does_not_answer_stops_it(on_slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = on_slurm
    command(folder, monkeypatch, "snakemake", "exit 0")
    command(folder, monkeypatch, "squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(UserError, match=r"Slurm does not say which jobs are left \(Unable to contact"):
        resume(folder, [], say=lambda _: None)
    assert not any(call.startswith("snakemake") for call in calls(folder))


def test_without_slurm_jobs_slurm_is_not_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(folder, monkeypatch, "squeue", "exit 1")
    assert slurm_jobs(folder) == {}


def test_the_last_run_is_known_from_its_log(folder: Path) -> None:
    last = last_run(folder)
    assert last is not None
    assert (last.host, last.command) == (socket.gethostname(), "snakemake --cores 2")


def test_where_nothing_ran_there_is_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Snakemake has run here"):
        resume(tmp_path, [])


def test_a_process_that_ends_by_itself_meanwhile_does_no_harm(
    folder: Path, monkeypatch: pytest.MonkeyPatch, started: list[subprocess.Popen[bytes]]
) -> None:
    command(folder, monkeypatch, "snakemake", "exit 0")
    orphan = run_script(folder, ".snakemake/scripts/tmp1.train.py", WAITS, started)
    found = orphans(folder)
    os.kill(orphan.pid, signal.SIGKILL)
    orphan.wait()
    monkeypatch.setattr("refer.resume.orphans", lambda _: found)
    assert resume(folder, [], say=lambda _: None) == 0
