"""A run folder has one owner: two jobs never write one run, wherever they run, and a dead owner's lock is taken over.

Whether an owner is dead is asked in this order; the first that can tell, tells.

1. **Its process**, where it runs on this machine and in this process namespace: a process with its number and its
   time of start.
2. **Slurm**, where it is another Slurm job of this cluster: that job has ended. (Not `NODE_FAIL`: a node that Slurm
   cannot reach may still be writing.)
3. **Its heartbeat**: it touches its lock every `BEAT` seconds. Silence for `LEASE` seconds, by the clock of the file
   system that both see, means death. NFS may show a touch a minute late, hence the distance between the two.

The file is made under another name and linked, which NFS does at once or not at all, and is moved aside before it is
taken over, which of two only one can do. An owner asks `check` before everything that it writes: if it was silent for
so long that another took its run, as a suspended job may be, it stops without writing.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from refer.errors import UserError

NAME = ".lock"
BEAT = 30.0
TAKING = 30.0
"""Seconds after which a takeover that left its mark behind counts as killed."""
LEASE = 180.0
ENDED = frozenset(
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED OUT_OF_MEMORY PREEMPTED REVOKED TIMEOUT".split()  # noqa: SIM905
)
"""What `squeue` calls a job of which nothing runs any more."""

Owner = Mapping[str, Any]


class Lock:
    """A folder's lock, held."""

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path = path
        self.owner = owner

    def check(self) -> None:
        """Make sure that the lock is still this process's.

        Raises:
            UserError: another job has taken it over, or somebody removed it.
        """
        now = read(self.path)
        if now is None:
            raise UserError(f"{self.path}: the lock of this job is gone; nothing more is written. Run it again.")
        if now["token"] != self.owner["token"]:
            raise UserError(f"{self.path}: taken over by {describe(now)}; this job writes nothing more.")


@contextmanager
def locked(folder: Path, *, beat: float = BEAT, lease: float = LEASE) -> Iterator[Lock]:
    """Own `folder` as long as the context lasts.

    Args:
        folder: what nobody else shall write; made if it is not there.
        beat: seconds between two touches of the lock.
        lease: seconds of silence after which an owner about whom nothing else is known counts as dead. So long this
            waits at most.

    Raises:
        UserError: somebody who lives has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, owner = folder / NAME, whoami()
    while not _create(path, owner):
        found = read(path)
        if found is None:
            continue
        _wait_for_the_end(path, found, beat, lease)
        if _take(path, found["token"], owner):
            print(f"{path}: its owner, {describe(found)}, is dead; its lock is taken over.", flush=True)
            break
    lock = Lock(path, owner)
    done = threading.Event()
    pulse = threading.Thread(target=_touch, args=(lock, done, beat), name="lock", daemon=True)
    pulse.start()
    try:
        yield lock
    finally:
        done.set()
        pulse.join()
        with suppress(UserError):
            lock.check()
            path.unlink(missing_ok=True)


def whoami() -> dict[str, Any]:
    """Say who this process is, so that others can find out whether it lives."""
    job = os.environ.get("SLURM_JOB_ID")
    return {
        "token": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "born": _born(os.getpid()),
        "slurm_job": job,
        "slurm_cluster": os.environ.get("SLURM_CLUSTER_NAME") if job else None,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe(owner: Owner) -> str:
    """Name an owner to a person."""
    job = f"Slurm job {owner['slurm_job']}, " if owner.get("slurm_job") else ""
    return f"{job}process {owner['pid']} on {owner['host']} (since {owner['since']})"


def read(path: Path) -> dict[str, Any] | None:
    """Return the owner that a lock names, or None if there is no lock.

    Raises:
        UserError: it is no lock of this project.
    """
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return {"token": owner["token"], "host": owner["host"], "pid": int(owner["pid"]), "since": "?", **owner}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a lock of this project ({error}); remove it if nobody writes there.") from None


def alive(owner: Owner) -> bool | None:
    """Whether an owner lives, as far as its process or Slurm can tell; None if neither can."""
    if owner.get("namespace") and owner["namespace"] == _namespace():
        return owner.get("born") is not None and _born(owner["pid"]) == owner["born"]
    job = owner.get("slurm_job")
    elsewhere = os.environ.get("SLURM_CLUSTER_NAME") not in (None, owner.get("slurm_cluster"))
    # Of a job that was requeued its number says nothing: it is the same, and may be this very job.
    if not job or elsewhere or job == os.environ.get("SLURM_JOB_ID"):
        return None
    return False if slurm_state(job) in ENDED else None


def slurm_state(job: str) -> str | None:
    """Return what Slurm says of a job, `COMPLETED` if it knows it no longer, or None if it cannot be asked."""
    if shutil.which("squeue") is None:
        return None
    try:
        asked = subprocess.run(
            ["squeue", "--noheader", "--states=all", "--format=%T", "--jobs", job],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if "Invalid job id" in asked.stderr:
        return "COMPLETED"
    states = asked.stdout.split()
    return states[-1] if asked.returncode == 0 and states else None


def _wait_for_the_end(path: Path, owner: Owner, beat: float, lease: float) -> None:
    """Return when an owner is dead; raise UserError if it lives."""
    told = False
    while True:
        lives = alive(owner)
        if lives is False or (lives is None and (silence := _silence(path)) is not None and silence > lease):
            return
        last = _modified(path)
        if lives:
            raise _taken(path, owner)
        if last is None:
            return
        if not told:
            print(f"{path}: waiting up to {lease:.0f} s to see whether {describe(owner)} lives.", flush=True)
            told = True
        time.sleep(min(beat, lease) / 4)
        if _modified(path) not in (None, last):
            raise _taken(path, owner)


def _taken(path: Path, owner: Owner) -> UserError:
    how = f"scancel {owner['slurm_job']}" if owner.get("slurm_job") else f"kill {owner['pid']} on {owner['host']}"
    return UserError(f"{path.parent}: is being written by {describe(owner)}. Wait for it, or end it: {how}.")


def _create(path: Path, owner: Owner) -> bool:
    """Make the lock, if there is none."""
    mine = path.with_name(f"{path.name}.{owner['token']}")
    mine.write_text(json.dumps(owner, indent=2) + "\n", encoding="utf-8")
    try:
        os.link(mine, path)
    except FileExistsError:
        # NFS may lose the answer to a link that it made.
        return mine.stat().st_nlink == 2
    except OSError:
        return _create_where_nothing_is_linked(path, owner)
    finally:
        mine.unlink(missing_ok=True)
    return True


def _create_where_nothing_is_linked(path: Path, owner: Owner) -> bool:
    try:
        with path.open("x", encoding="utf-8") as handle:
            json.dump(owner, handle, indent=2)
    except FileExistsError:
        return False
    return True


def _take(path: Path, token: str, owner: Owner) -> bool:
    """Replace the lock that holds `token` by this owner's; False if it is no longer that lock, or another is at it."""
    guard = path.with_name(f"{path.name}.taking")
    try:
        # Without it a new owner's lock could be replaced between a look at it and the replacement.
        guard.mkdir()
    except FileExistsError:
        if (age := _silence(guard)) is not None and age > TAKING:
            with suppress(OSError):
                guard.rmdir()
        time.sleep(0.05)
        return False
    try:
        found = read(path)
        if found is None or found["token"] != token:
            return False
        mine = path.with_name(f"{path.name}.{owner['token']}")
        mine.write_text(json.dumps(owner, indent=2) + "\n", encoding="utf-8")
        mine.replace(path)
        return True
    finally:
        with suppress(OSError):
            guard.rmdir()


def _touch(lock: Lock, done: threading.Event, beat: float) -> None:
    while not done.wait(beat):
        with suppress(OSError, UserError):
            lock.check()
            os.utime(lock.path)


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _silence(path: Path) -> float | None:
    """Seconds since the last heartbeat, both ends by the clock of the file system; None if the lock is gone."""
    probe = path.with_name(f"{path.name}.{uuid.uuid4().hex}.clock")
    probe.touch()
    try:
        now, last = _modified(probe), _modified(path)
    finally:
        probe.unlink(missing_ok=True)
    return None if now is None or last is None else (now - last) / 1e9


def _namespace() -> str | None:
    """What two processes share that see each other's numbers: a boot of one kernel, and a process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _born(pid: int) -> str | None:
    """When a process of this machine started, in ticks since the boot; None if it lives no more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
