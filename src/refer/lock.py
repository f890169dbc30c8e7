"""A run folder has one owner: two jobs never write one run, wherever they run, and a dead owner's lock is taken over.

The lock is a lease of filelock. Its file names the owner, and the owner touches it every `BEAT` seconds. An owner of
this machine is dead when its process is. Any other owner is dead after `LEASE` seconds without a touch, by the clock of
the machine that waits, so that no two clocks are compared. NFS may show a touch a minute late, hence the distance
between the two numbers.

An owner asks `check` before everything that it writes. If it was silent for so long that another took its run, as a
suspended job may be, it stops without writing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from refer.errors import UserError

if TYPE_CHECKING:
    from filelock import OwnerRecord, SoftFileLease

NAME = ".lock"
BEAT = 30.0
LEASE = 180.0


class Lock:
    """A folder's lock, held."""

    def __init__(self, path: Path, claim: SoftFileLease) -> None:
        self.path = path
        self._claim = claim

    def check(self) -> None:
        """Make sure that the lock is still this process's.

        Raises:
            UserError: another job has taken it over, or somebody removed it.
        """
        # Whoever looks whether an owner lives moves its lock aside for a moment, and NFS may fail to show it once.
        for wait in (0.0, 0.2, 1.0):
            time.sleep(wait)
            now = self._claim.owner
            if now is not None and now.token == self._claim.token:
                return
        if now is None:
            raise UserError(f"{self.path}: the lock of this job is gone; nothing more is written. Run it again.")
        raise UserError(f"{self.path}: taken over by {describe(now)}; this job writes nothing more.")


@contextmanager
def locked(folder: Path, *, beat: float = BEAT, lease: float = LEASE) -> Iterator[Lock]:
    """Own `folder` as long as the context lasts.

    Args:
        folder: what nobody else shall write; made if it is not there.
        beat: seconds between two touches of the lock.
        lease: seconds of silence after which an owner on another machine counts as dead. This waits so long at most.

    Raises:
        UserError: somebody who lives has it.
    """
    from filelock import SoftFileLease

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    claim = SoftFileLease(path, lease_duration=lease, heartbeat_interval=beat, thread_local=False)
    before = claim.owner
    _acquire(claim, path, lease)
    if before is not None:
        print(f"{path}: its owner, {describe(before)}, is dead; its lock is taken over.", flush=True)
    try:
        yield Lock(path, claim)
    finally:
        claim.release()


def describe(owner: OwnerRecord) -> str:
    """Name an owner to a person."""
    return f"process {owner.pid} on {owner.hostname.partition('?')[0]}"


def _acquire(claim: SoftFileLease, path: Path, lease: float) -> None:
    """Wait until the lock is this process's; raise UserError if its owner lives."""
    from filelock import Timeout

    began = time.monotonic()
    first: tuple[str | None, int] | None = None
    while True:
        try:
            claim.acquire(blocking=False)
            return
        except Timeout:
            owner, touched = claim.owner, _modified(path)
        if time.monotonic() - began > 2 * lease:
            raise UserError(f"{path}: not a lock of this project; remove it if nobody writes there.")
        if owner is None or touched is None:  # it is being made or removed
            time.sleep(0.05)
            continue
        if first is None:
            first = owner.token, touched
            # filelock has just looked for its process, and would have taken over from a dead one.
            if owner.hostname == _this_machine():
                raise _taken(path, owner)
            print(f"{path}: waiting up to {lease:.0f} s to see whether {describe(owner)} lives.", flush=True)
        if (owner.token, touched) != first:
            raise _taken(path, owner)
        time.sleep(lease / 24)


def _taken(path: Path, owner: OwnerRecord) -> UserError:
    host = owner.hostname.partition("?")[0]
    return UserError(
        f"{path.parent}: is being written by {describe(owner)}. Wait for it, or end it: kill {owner.pid} on {host} "
        "(a Slurm job: scancel)."
    )


def _this_machine() -> str | None:
    """Return how filelock names this machine and the process namespace, as it writes it into a lock."""
    from filelock import SoftFileLease

    # Not beside the lock: a job that is killed here would leave it there.
    with tempfile.TemporaryDirectory() as place, SoftFileLease(Path(place, NAME)) as probe:
        return None if probe.owner is None else probe.owner.hostname


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
