"""Which GPUs a job sees: several on one machine are handed out one to a job, no two jobs on one."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from refer.errors import UserError
from refer.files import private_folder

POLL = 2.0
NONE = ("", "-1", "NoDevFiles", "void")
"""What no GPU is called: the last two by Slurm and by NVIDIA's container runtime."""

SCHEDULERS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")
"""Variables in which a scheduler numbers the job that it gave GPUs to."""


def visible(devices: str | Path = "/dev") -> list[str]:
    """Name the GPUs that this process may use: what CUDA_VISIBLE_DEVICES lists, or else the machine's NVIDIA devices.

    Asks neither torch nor a driver. CUDA counts from 0 those that it sees: in a container that was given the third and
    the fourth GPU, /dev/nvidia2 and /dev/nvidia3 are 0 and 1.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        names = [name.strip() for name in given.split(",")]
        # As CUDA reads it: what stands behind an invalid entry is not seen.
        return names[: next((at for at, name in enumerate(names) if name in NONE), len(names))]
    found = (path.name.removeprefix("nvidia") for path in Path(devices).glob("nvidia[0-9]*"))
    return list(map(str, range(sum(name.isdigit() for name in found))))


@contextmanager
def handed_out(count: int, folder: Path | None = None, poll: float = POLL) -> Iterator[list[str]]:
    """Have `count` of the visible GPUs to oneself, and CUDA see no others; must be called before CUDA is.

    Each GPU is a file that is locked by the job that has it; the system unlocks it when the job ends, however it ends.
    A scheduler that hands out GPUs itself may call each job's own by the same name, so that every job of such a
    scheduler has locks of its own.

    Args:
        count: how many, at most as many as are visible; 0 hides none and locks none.
        folder: of the lock files; by default one per user and scheduler's job in the machine's temporary folder, never
            on a shared disk. It must be this user's own, for whoever may write there could lead the locks astray.
        poll: seconds between two looks at whether one has become free, where more jobs want GPUs than there are.

    Raises:
        UserError: the folder, or a lock in it, is a link or another user's.
    """
    names = visible()
    count = min(count, len(names))
    if count < 1:
        yield names
        return
    given = "".join(f"-{os.environ[job]}" for job in SCHEDULERS if job in os.environ)
    folder = folder or Path(tempfile.gettempdir(), f"refer-gpus-{os.getuid()}{given}")
    place = private_folder(folder)
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    held: dict[str, int] = {}
    try:
        told = False
        while len(held) < count:
            for name in names:
                if name in held or len(held) == count:
                    continue
                if (handle := _lock(place, folder / f"{name}.lock")) is not None:
                    held[name] = handle
            if len(held) < count:
                for handle in held.values():  # so that two jobs never wait for each other's
                    os.close(handle)
                held.clear()
                if not told:
                    print(f"waiting for {count} of the GPUs {', '.join(names)}: other jobs have them.", flush=True)
                    told = True
                time.sleep(poll)
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(held)
        yield list(held)
    finally:
        if before is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = before
        for handle in (*held.values(), place):
            os.close(handle)


def _lock(place: int, path: Path) -> int | None:
    """Lock a file of the folder `place` as long as the returned descriptor is open; None if another process has it."""
    try:
        handle = os.open(path.name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600, dir_fd=place)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UserError(f"{path}: found a link, expected a lock; remove it, then start again.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
