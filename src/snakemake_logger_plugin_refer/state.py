"""What is known of the running workflow, and the estimate of the time that it still needs.

Times are seconds of the monotonic clock of this process. Nothing here prints or knows Snakemake.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from refer.progress import Snapshot, progress_file, read

READ_EVERY = 0.5  # seconds between two looks at a progress file
UNKNOWN_AT_MOST = 0.25  # share of all jobs whose time may be guessed from the other rules' durations
WORTH_TELLING = 60.0  # seconds: an incomplete estimate below this says nothing
COMMON = "preset"
"""The wildcard that all jobs share. Any other may turn out to differ, and a job's name must stay what it was."""


@dataclass
class Job:
    """One running job: Snakemake's id, its rule, its wildcards, its logs, and when it began.

    A target (`rule all`) is a job that only gathers others; it counts, but is not worth a line.
    """

    id: int
    rule: str
    wildcards: Mapping[str, str]
    logs: list[Path]
    began: float
    is_target: bool = False
    _old: int | None = None
    _looked: float = 0.0
    _changed: int | None = None
    _changed_at: float = 0.0
    _snapshot: Snapshot | None = None

    def __post_init__(self) -> None:
        # A progress file that stands here before the job writes its own is left from a killed run.
        self._old = self._changed_file()

    def snapshot(self, now: float) -> Snapshot | None:
        """Return what the job last said of its progress, or None."""
        if now - self._looked >= READ_EVERY:
            self._looked = now
            changed = self._changed_file()
            if changed is None or changed == self._old:
                self._snapshot = None
            elif changed != self._changed:
                self._changed, self._changed_at = changed, now
                self._snapshot = read(progress_file(self.logs[0]))
        return self._snapshot

    def said_left(self, now: float) -> float | None:
        """Return the job's own estimate of the seconds it still needs, less the time since it said so."""
        snapshot = self.snapshot(now)
        if snapshot is None or snapshot.seconds_left is None:
            return None
        return max(0.0, snapshot.seconds_left - (now - self._changed_at))

    def _changed_file(self) -> int | None:
        try:
            return progress_file(self.logs[0]).stat().st_mtime_ns if self.logs else None
        except OSError:
            return None


class Left(NamedTuple):
    """The estimated seconds to the end; `all_known` is False where it covers only a part of the jobs."""

    seconds: float
    all_known: bool


@dataclass
class Run:
    """The whole run: what is planned, running, done and failed."""

    began: float
    total: int = 0
    done: int = 0
    planned: dict[str, int] = field(default_factory=dict)
    running: dict[int, Job] = field(default_factory=dict)
    failed: list[Job] = field(default_factory=list)
    _seen: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _busy: float = 0.0
    _first: float | None = None

    def plan(self, stats: Mapping[str, int]) -> None:
        """Take the number of jobs of each rule; the key `total` is their sum."""
        self.planned = {rule: count for rule, count in stats.items() if rule != "total"}
        self.total = sum(self.planned.values())

    def start(self, job: Job) -> None:
        """Take note of a job that begins, or begins again."""
        self._first = job.began if self._first is None else self._first
        self.running[job.id] = job
        self.failed = [other for other in self.failed if other.id != job.id]
        self._seen[job.rule].add(job.id)
        # Checkpoints add jobs that the plan did not know.
        self.total = max(self.total, self.done + len(self.running) + len(self.failed))

    def finish(self, job_id: int, now: float) -> Job | None:
        """Take note of a finished job and return it, or None if it was not known to run."""
        job = self._end(job_id, now)
        if job is not None:
            self.done += 1
            self._seconds[job.rule].append(now - job.began)
        return job

    def fail(self, job_id: int, now: float) -> Job | None:
        """Take note of a failed job and return it, or None if it was not known to run."""
        job = self._end(job_id, now)
        if job is not None:
            self.failed.append(job)
        return job

    def name(self, job: Job) -> str:
        """Return the rule and its wildcards: `train khalid2025 fer2013 published full seed0`."""
        told = {name: str(value) for name, value in job.wildcards.items() if name != COMMON}
        return " ".join([job.rule, *(f"{name}{text}" if text[:1].isdecimal() else text for name, text in told.items())])

    def job_left(self, job: Job, now: float) -> float | None:
        """Return the seconds that a running job still needs: by its own word, else by the others of its rule."""
        said = job.said_left(now)
        if said is not None:
            return said
        typical = self._typical(job.rule, now)
        if typical is None:
            return None
        elapsed = now - job.began
        return max(typical - elapsed, 0.1 * elapsed)

    def left(self, now: float) -> Left | None:
        """Return the time that the rest of the run needs, or None while too little is known.

        The work of all unfinished jobs is added up (running: `job_left`; waiting: the mean of their rule, of
        finished jobs or of what running ones foretell) and divided by the number of jobs that have been
        running at once. Jobs of rules of which nothing is known are guessed if they are few.
        """
        running = [self.job_left(job, now) for job in list(self.running.values())]
        waiting = [(self._typical(rule, now), count) for rule, count in self._waiting().items()]
        known_running = [seconds for seconds in running if seconds is not None]
        known_waiting = [(seconds, count) for seconds, count in waiting if seconds is not None]
        unknown = len(running) - len(known_running) + sum(count for seconds, count in waiting if seconds is None)
        pending = len(running) + sum(count for _, count in waiting)
        work = sum(known_running) + sum(seconds * count for seconds, count in known_waiting)
        all_known = unknown <= UNKNOWN_AT_MOST * self.total
        if all_known and unknown and self._seconds:
            work += unknown * statistics.median(statistics.fmean(seconds) for seconds in list(self._seconds.values()))
        at_once = min(self._at_once(now), max(pending, 1))
        seconds = max([work / at_once, *known_running])
        if all_known and (known_running or known_waiting):
            return Left(seconds, True)
        return Left(seconds, False) if seconds >= WORTH_TELLING else None

    def _end(self, job_id: int, now: float) -> Job | None:
        job = self.running.pop(job_id, None)
        if job is not None:
            self._busy += now - job.began
        return job

    def _waiting(self) -> dict[str, int]:
        """Jobs of each rule that have not begun; those that no plan mentions stand under the empty name."""
        waiting = {rule: count - len(self._seen[rule]) for rule, count in list(self.planned.items())}
        waiting = {rule: count for rule, count in waiting.items() if count > 0}
        rest = self.total - self.done - len(self.running) - len(self.failed) - sum(waiting.values())
        return {**waiting, "": rest} if rest > 0 else waiting

    def _typical(self, rule: str, now: float) -> float | None:
        if durations := self._seconds.get(rule):
            return statistics.fmean(durations)
        foretold = [
            now - job.began + said
            for job in list(self.running.values())
            if job.rule == rule and (said := job.said_left(now)) is not None
        ]
        return statistics.fmean(foretold) if foretold else None

    def _at_once(self, now: float) -> float:
        """How many jobs run at once: now, or on the average so far if that is more."""
        running = list(self.running.values())
        busy = self._busy + sum(now - job.began for job in running)
        elapsed = now - self._first if self._first is not None else 0.0
        return max(1.0, len(running), busy / elapsed if elapsed > 0 else 0.0)
