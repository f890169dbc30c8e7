"""A job that is told to end, by a scheduler's time limit, a preemption or a person, saves its state first."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from types import FrameType, TracebackType
from typing import Any

from refer.errors import UserError

SIGNALS = (signal.SIGTERM, *((signal.SIGUSR1,) if hasattr(signal, "SIGUSR1") else ()))
"""What schedulers send before they kill: Slurm SIGTERM, or with `--signal` what it is told to."""


class StoppedError(UserError):
    """Training was told to end, and has saved where it is; what is left is for the next start."""


class Stopping:
    """Remembers that the process was told to end, so that training can stop between two steps.

    Only the main thread may handle signals; elsewhere nothing is remembered.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._remember) for number in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _: FrameType | None) -> None:
        self.signal = signal.Signals(number).name

    def check(self) -> None:
        """Go on, or stop here.

        Raises:
            StoppedError: the process was told to end.
        """
        if self.signal is not None:
            raise StoppedError(f"told to end by {self.signal}.")


def requeue_if_preempted() -> bool:
    """Have Slurm put this job back into its queue, if it is why the job was told to end; True if it does.

    Slurm does so by itself with a preempted job that runs until its time of grace is over, and calls one failed that
    ends before by itself. To be called when nothing is left to be written, for Slurm ends the job.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if not job:
        return False
    try:
        shown = _scontrol("show", "job", job).stdout
        started, preempted = (re.search(rf"\b{name}=(\d\S*)", shown) for name in ("StartTime", "PreemptTime"))
        # In its second life a job still shows when it was preempted in its first.
        if not started or not preempted or preempted[1] < started[1]:
            return False
        return _scontrol("requeue", job).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _scontrol(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["scontrol", *words], capture_output=True, text=True, check=False, timeout=30)
