"""A run folder has one owner; a dead owner's lock is taken over, a living one's never."""

from __future__ import annotations

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


def leave(folder: Path, *, pid: int = 4711, host: str = "node17", start: int = 1, lease: float = lock.LEASE) -> Path:
    """Write the lock of somebody else, as filelock's version 4 writes it."""
    path = folder / lock.NAME
    folder.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # whoever takes a lock over makes a new file
    lines = ["filelock/2", f"pid={pid}", f"host={host}", "mode=lease", "token=theirs", f"duration={lease!r}"]
    path.write_text("\n".join([*lines, f"start={start}", ""]), encoding="utf-8")
    return path


def owner(path: Path) -> dict[str, str]:
    """Return what a lock says of its owner."""
    return dict(line.split("=") for line in path.read_text(encoding="utf-8").splitlines()[1:])


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


def test_the_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "run") as mine:
            mine.check()
            assert owner(tmp_path / "run/.lock")["pid"] == str(os.getpid())
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
    with locked(tmp_path / "other"):
        here = owner(tmp_path / "other/.lock")["host"]
    leave(tmp_path, host=here, pid=os.getpid())
    with locked(tmp_path):
        pass


def test_a_silent_owner_elsewhere_is_waited_for_and_then_taken_over(tmp_path: Path) -> None:
    path = leave(tmp_path, lease=0.5)
    began = time.monotonic()
    with locked(tmp_path, beat=0.1, lease=0.5) as mine:
        mine.check()
    assert time.monotonic() - began >= 0.5
    assert not path.exists()


@pytest.mark.parametrize("years", [-20, 20])
@pytest.mark.parametrize("host", ["node17", "here"])
def test_a_dead_owner_whose_clock_was_wrong_is_not_waited_for_longer(tmp_path: Path, years: int, host: str) -> None:
    with locked(tmp_path / "mine"):
        told = owner(tmp_path / "mine/.lock")
    here = {"host": told["host"], "pid": 2**22 + 1, "start": int(told["start"])}
    path = leave(tmp_path, lease=0.5, **(here if host == "here" else {}))
    moment = time.time() + years * 365 * 86_400
    os.utime(path, (moment, moment))
    began = time.monotonic()
    with locked(tmp_path, beat=0.1, lease=0.5) as mine:
        mine.check()
        assert owner(path)["pid"] == str(os.getpid())
    assert time.monotonic() - began < 20


def test_an_owner_elsewhere_whose_heart_beats_is_alive(tmp_path: Path) -> None:
    path = leave(tmp_path, lease=10.0)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.1):
            os.utime(path)

    pulse = threading.Thread(target=beat)
    pulse.start()
    try:
        with pytest.raises(UserError, match="is being written by process 4711 on node17"):
            locked(tmp_path, beat=1.0, lease=10.0).__enter__()
    finally:
        done.set()
        pulse.join()
    assert owner(path)["token"] == "theirs"


def test_an_owners_heart_beats(tmp_path: Path) -> None:
    with locked(tmp_path, beat=0.05):
        first = (tmp_path / ".lock").stat().st_mtime_ns
        deadline = time.monotonic() + 30
        while (tmp_path / ".lock").stat().st_mtime_ns == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_an_owner_that_was_taken_for_dead_writes_nothing_more(tmp_path: Path) -> None:
    with locked(tmp_path) as mine:
        leave(tmp_path)
        with pytest.raises(UserError, match="taken over by process 4711 on node17"):
            mine.check()
    assert owner(tmp_path / ".lock")["token"] == "theirs", "the new owner's lock stays"


def test_a_lock_that_is_aside_for_a_moment_is_not_lost(tmp_path: Path) -> None:
    with locked(tmp_path) as mine:
        (tmp_path / ".lock").rename(tmp_path / "aside")
        back = threading.Timer(0.5, (tmp_path / "aside").rename, [tmp_path / ".lock"])
        back.start()
        mine.check()
        back.join()


def test_what_is_no_lock_and_stays_is_refused_by_name(tmp_path: Path) -> None:
    path = leave(tmp_path)
    path.write_text(path.read_text().replace("mode=lease", "mode=exclusive"))
    with pytest.raises(UserError, match=r"\.lock: not a lock of this project"):
        locked(tmp_path, beat=0.1, lease=0.5).__enter__()


def test_a_lock_that_was_removed_by_hand_stops_its_owner(tmp_path: Path) -> None:
    with locked(tmp_path) as mine:
        (tmp_path / ".lock").unlink()
        with pytest.raises(UserError, match="is gone"):
            mine.check()


def test_of_many_that_find_a_dead_owner_one_takes_over(tmp_path: Path) -> None:
    with locked(tmp_path / "other"):
        here = owner(tmp_path / "other/.lock")["host"]
    leave(tmp_path, host=here, pid=1)
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
