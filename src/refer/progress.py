"""How far long work has come: a small file for the workflow's display, a bar for a person, or sparse lines.

A job's progress file stands beside its log (`progress_file`). The workflow's display reads it; nothing else
depends on it, so a missing or unreadable one is never an error.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol, Self

NOTES_WITHIN = 1 << 16  # bytes at the beginning of a log
FILE_EVERY = 0.5  # seconds: as often as a person can read
LINE_EVERY = 10.0  # seconds, and a tenth of the work, between two plain lines
LINE_AT_LEAST = 300.0  # seconds after which a line is due however little was done
MEMORY = 30.0  # seconds: how far back the rate looks when updates come often
FORGET_AT_MOST = 0.7  # share of the past kept per update when updates come seldom (an epoch may take an hour)


class Snapshot(NamedTuple):
    """What a progress file says: counts in `unit`, times as ISO 8601 in UTC, `seconds_left` null if unknown."""

    label: str
    unit: str
    done: float
    total: float
    note: str
    started: str
    updated: str
    seconds_left: float | None


def progress_file(log: str | Path) -> Path:
    """Return where the job with this log file writes its progress."""
    return Path(f"{log}.progress")


NOTE = "note: "
"""How a line of a job's log begins that the screen shows, too, when the job has ended."""


def notes(log: Path) -> list[str]:
    """Return the lines of a job's log that the screen shows."""
    try:
        with log.open("rb") as handle:
            lines = handle.read(NOTES_WITHIN).decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.startswith(NOTE)]


def read(file: Path) -> Snapshot | None:
    """Return what the progress file says, or None where it is absent, unreadable or not one of ours."""
    try:
        snapshot = Snapshot(**json.loads(file.read_text(encoding="utf-8")))
        numbers = (snapshot.done, snapshot.total, snapshot.seconds_left or 0.0)
        return snapshot if all(math.isfinite(number) for number in numbers) else None
    except (OSError, ValueError, TypeError):
        return None


def duration(seconds: float) -> str:
    """Write a time span for a person with its two largest units: `42 s`, `3 min 20 s`, `1 h 05 min`, `2 d 3 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def speed(rate: float, unit: str) -> str:
    """Write a rate in units per second for a person; slow work is told in seconds per unit."""
    if rate >= 1:
        return f"{rate:,.{1 if rate < 9.95 else 0}f} {unit}/s"
    return f"{duration(1 / rate) if rate < 0.1 else f'{1 / rate:.1f} s'} each"


def counts(done: float, total: float, unit: str) -> str:
    """Write `12/30 epochs`; a fraction of a unit is not shown."""
    return f"{math.floor(done):,}/{math.floor(total):,} {unit}"


class Rate:
    """Units per second, weighing the last half minute (or the last few updates) most."""

    def __init__(self, done: float, now: float):
        self._done, self._now = done, now
        self._units = self._seconds = 0.0

    def add(self, done: float, now: float) -> None:
        """Take note that `done` units are finished at the monotonic time `now`, in seconds."""
        units, seconds = done - self._done, now - self._now
        if units == 0 or seconds <= 0:
            return
        self._done, self._now = done, now
        if units > 0:
            keep = max(math.exp(-seconds / MEMORY), FORGET_AT_MOST)
            self._units = keep * self._units + units
            self._seconds = keep * self._seconds + seconds

    @property
    def value(self) -> float | None:
        """Units per second, or None before the first unit is finished."""
        return self._units / self._seconds if self._seconds else None


class _Work(NamedTuple):
    """One moment of the work, as the three ways of showing it need it."""

    label: str
    unit: str
    done: float
    total: float
    note: str
    rate: float | None

    @property
    def seconds_left(self) -> float | None:
        return max(0.0, self.total - self.done) / self.rate if self.rate else None

    @property
    def remarks(self) -> str:
        """The rate, the time left and the note, as far as they are known."""
        left = self.seconds_left
        parts = [
            speed(self.rate, self.unit) if self.rate else "",
            f"{duration(left)} left" if left and self.done < self.total else "",
            self.note,
        ]
        return " · ".join(part for part in parts if part)


class _Way(Protocol):
    """One way of showing the work."""

    def show(self, work: _Work, now: float) -> None: ...

    def close(self, work: _Work, seconds: float) -> None: ...


class _File:
    """A JSON file, replaced at most twice a second and removed at the end.

    Progress that cannot be written (a full disk, a folder that went away) must not end hours of training,
    so such errors are passed over; and nothing is flushed to disk, for nobody needs it after a crash.
    """

    def __init__(self, file: Path):
        self._file = file
        self._temporary = file.with_name(f".{file.name}.{os.getpid()}.part")
        self._started = _timestamp()
        self._due = -math.inf

    def show(self, work: _Work, now: float) -> None:
        if now < self._due:
            return
        self._due = now + FILE_EVERY
        left = work.seconds_left
        snapshot = Snapshot(
            work.label,
            work.unit,
            round(work.done, 3),
            work.total,
            work.note,
            self._started,
            _timestamp(),
            None if left is None else round(left, 1),
        )
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.write_text(json.dumps(snapshot._asdict(), ensure_ascii=False) + "\n", "utf-8")
            self._temporary.replace(self._file)
        except OSError:
            pass

    def close(self, work: _Work, seconds: float) -> None:
        for file in (self._temporary, self._file):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)


class _Bar:
    """A live bar on the terminal."""

    def __init__(self, work: _Work):
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[remarks]}", markup=False),
            console=Console(stderr=True),
            refresh_per_second=4,
        )
        self._task = self._bar.add_task(work.label, total=work.total, remarks="")
        self._bar.start()

    def show(self, work: _Work, now: float) -> None:
        remarks = "  ".join([counts(work.done, work.total, work.unit), work.remarks])
        self._bar.update(self._task, completed=work.done, remarks=remarks)

    def close(self, work: _Work, seconds: float) -> None:
        remarks = f"{counts(work.done, work.total, work.unit)} in {duration(seconds)}"
        self._bar.update(self._task, completed=work.done, remarks=remarks)
        self._bar.stop()


class _Lines:
    """Sparse plain lines on standard error, for log files."""

    def __init__(self, work: _Work, now: float):
        self._shown, self._when = work.done, now

    def show(self, work: _Work, now: float) -> None:
        waited, share = now - self._when, (work.done - self._shown) / max(work.total, 1)
        if waited < LINE_EVERY or (share < 0.1 and waited < LINE_AT_LEAST):
            return
        self._shown, self._when = work.done, now
        remarks = f" ({work.remarks})" if work.remarks else ""
        self._print(f"{work.label}: {counts(work.done, work.total, work.unit)}{remarks}")

    def close(self, work: _Work, seconds: float) -> None:
        self._print(f"{work.label}: {counts(work.done, work.total, work.unit)} in {duration(seconds)}")

    def _print(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


class Progress:
    """Tell how far long work has come; a context manager.

    Where `file` is given, it is kept up to date as JSON (`Snapshot`) and removed at the end, whatever the
    end is. Otherwise a bar is drawn if standard error is a terminal, and else a few plain lines.

    Args:
        total: how many units there are to do.
        label: what is being done, in two or three words.
        unit: what is counted, in the plural (`epochs`, `images`, `MB`).
        file: the progress file, usually `progress_file(log)`.
        initial: units that were done before this process started (a resumed training); they do not count
            towards the rate.
    """

    def __init__(self, total: int, *, label: str, unit: str, file: Path | None = None, initial: float = 0):
        self._begun = time.monotonic()
        self._rate = Rate(initial, self._begun)
        self._work = _Work(label, unit, initial, total, "", None)
        self._closed = False
        self._way: _Way
        if file is not None:
            self._way = _File(Path(file))
        elif sys.stderr.isatty():
            self._way = _Bar(self._work)
        else:
            self._way = _Lines(self._work, self._begun)
        self._way.show(self._work, self._begun)

    def update(self, done: float, note: str = "") -> None:
        """Say that `done` units in all are finished (a part of a unit may count), with a short remark."""
        if self._closed:
            return
        now = time.monotonic()
        self._rate.add(done, now)
        self._work = self._work._replace(done=done, note=note, rate=self._rate.value)
        self._way.show(self._work, now)

    def close(self) -> None:
        """Remove the file, or leave the bar as it is and free the terminal. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._way.close(self._work, time.monotonic() - self._begun)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
