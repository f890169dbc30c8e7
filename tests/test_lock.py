"""A run folder has one owner; a dead owner's lock is taken over, a living one's never."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from refer import lock
from refer.errors import UserError
from refer.lock import Lock, locked

FOREIGN = {"host": "node17", "namespace": "another/1", "pid": 4711, "born": "1", "since": "yesterday"}


def leave(folder: Path, **owner: object) -> Path:
    """Write the lock of somebody else."""
    path = folder / lock.NAME
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"token": "theirs", **FOREIGN, **owner}), encoding="utf-8")
    return path


def holder(folder: Path) -> subprocess.Popen[str]:
    """Start a process that owns a folder until its input ends; returns when it does own it."""
    code = f"""
        import sys
        from pathlib import Path
        from refer.lock import locked
        with locked(Path({str(folder)!r})):
            print("locked", flush=True)
            sys.stdin.read()
    """
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "locked\n"
    return started


def squeue(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Have Slurm's command be a script."""
    command = folder / "bin/squeue"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")


def test_the_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "run") as mine:
            mine.check()
            assert json.loads((tmp_path / "run/.lock").read_text())["pid"] == os.getpid()
        assert list((tmp_path / "run").iterdir()) == []


def test_it_is_free_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_others_out_and_is_named(tmp_path: Path) -> None:
    other = holder(tmp_path)
    try:
        with pytest.raises(UserError, match=rf"is being written by process {other.pid} on .*kill {other.pid}"):
            locked(tmp_path).__enter__()
    finally:
        other.communicate("")


def test_the_lock_of_a_killed_process_is_taken_over_at_once_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = holder(tmp_path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    began = time.monotonic()
    with locked(tmp_path) as mine:
        mine.check()
    assert time.monotonic() - began < lock.LEASE / 10
    assert f"process {other.pid} on" in capsys.readouterr().out


def test_a_process_that_has_got_the_number_of_a_dead_one_is_not_its_owner(tmp_path: Path) -> None:
    leave(tmp_path, namespace=lock.whoami()["namespace"], pid=os.getpid(), born="1")
    with locked(tmp_path):
        pass


def test_a_silent_owner_elsewhere_is_waited_for_and_then_taken_over(tmp_path: Path) -> None:
    path = leave(tmp_path)
    began = time.monotonic()
    with locked(tmp_path, beat=0.1, lease=0.5) as mine:
        mine.check()
    assert time.monotonic() - began >= 0.5
    assert not path.exists()


def test_an_owner_elsewhere_whose_heart_beats_is_alive(tmp_path: Path) -> None:
    path = leave(tmp_path)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.1):
            os.utime(path)

    pulse = threading.Thread(target=beat)
    pulse.start()
    try:
        with pytest.raises(UserError, match="is being written by process 4711 on node17"):
            locked(tmp_path, beat=1, lease=10).__enter__()
    finally:
        done.set()
        pulse.join()
    assert json.loads(path.read_text())["token"] == "theirs"


def test_an_owners_heart_beats(tmp_path: Path) -> None:
    with locked(tmp_path, beat=0.05):
        first = (tmp_path / ".lock").stat().st_mtime_ns
        deadline = time.monotonic() + 30
        while (tmp_path / ".lock").stat().st_mtime_ns == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize(
    "answer", ["echo TIMEOUT", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"]
)
def test_slurm_is_believed_when_it_says_that_the_job_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    squeue(tmp_path, monkeypatch, answer)
    leave(tmp_path / "run", slurm_job="12")
    began = time.monotonic()
    with locked(tmp_path / "run"):
        assert time.monotonic() - began < lock.LEASE / 10


@pytest.mark.parametrize(
    ("answer", "mine"),
    [
        ("echo RUNNING", "13"),
        ("echo NODE_FAIL", "13"),  # a node that is out of reach may still be writing
        ("echo PENDING", "12"),  # requeued: the same job, in its next life
        ("exit 1", "13"),
    ],
)
def test_where_slurm_does_not_know_the_heartbeat_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, mine: str
) -> None:
    squeue(tmp_path, monkeypatch, answer)
    monkeypatch.setenv("SLURM_JOB_ID", mine)
    assert lock.alive({"token": "theirs", **FOREIGN, "slurm_job": "12"}) is None


def test_an_owner_that_was_taken_for_dead_writes_nothing_more(tmp_path: Path) -> None:
    with locked(tmp_path) as mine:
        leave(tmp_path)
        with pytest.raises(UserError, match="taken over by process 4711 on node17"):
            mine.check()
    assert json.loads((tmp_path / ".lock").read_text())["token"] == "theirs", "the new owner's lock stays"


def test_a_lock_that_was_removed_by_hand_stops_its_owner(tmp_path: Path) -> None:
    with locked(tmp_path) as mine:
        (tmp_path / ".lock").unlink()
        with pytest.raises(UserError, match="is gone"):
            mine.check()


def test_of_many_that_find_a_dead_owner_one_takes_over(tmp_path: Path) -> None:
    leave(tmp_path, namespace=lock.whoami()["namespace"], pid=1, born="never")
    inside: list[Lock] = []
    most = []
    barrier = threading.Barrier(8)

    def try_it() -> None:
        barrier.wait()
        try:
            with locked(tmp_path) as mine:
                inside.append(mine)
                most.append(len(inside))
                time.sleep(0.05)
                mine.check()
                inside.remove(mine)
        except UserError:
            return

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most
    assert max(most) == 1


def test_a_file_that_is_no_lock_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("[]")
    with pytest.raises(UserError, match=r"\.lock: not a lock of this project"):
        locked(tmp_path).__enter__()
