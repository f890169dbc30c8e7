"""Snakemake's events, turned into lines and into the state that the display draws."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections import deque
from logging import LogRecord
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import OutputSettingsLoggerInterface

from refer.progress import duration, notes
from snakemake_logger_plugin_refer import failure
from snakemake_logger_plugin_refer.display import Display, Plain, Terminal, left
from snakemake_logger_plugin_refer.mistakes import in_plain_words
from snakemake_logger_plugin_refer.state import Job, Run

# Remarks of Snakemake that tell nothing beside the display; `--verbose` and its log file have them.
_NOISE = re.compile(
    r"Building DAG of jobs|Select jobs to execute|Using shell: |host: |Elapsed time: "
    r"|Assuming unrestricted shared filesystem|Conda environments: ignored|Singularity containers: ignored"
    r"|Group jobs: inactive|Shutting down, this might|Rules claiming more threads|None$|$"
)
SHOWN = 6
"""Inputs of a job that only gathers files, which a dry run names."""
_SILENT = (
    LogEvent.WORKFLOW_STARTED,
    LogEvent.RESOURCES_INFO,
    LogEvent.RULEGRAPH,
    LogEvent.GROUP_INFO,
    LogEvent.JOB_STARTED,
)


class Handler:
    """Takes Snakemake's records one by one, shows them, and never raises."""

    def __init__(self, settings: OutputSettingsLoggerInterface):
        quiet = set(settings.quiet or ())
        self._silent = Quietness.ALL in quiet
        self._show_jobs = not self._silent and Quietness.RULES not in quiet
        self._show_progress = not self._silent and Quietness.PROGRESS not in quiet
        self._verbose = bool(settings.verbose)
        self._dryrun = bool(settings.dryrun)
        self._whole_logs = bool(settings.show_failed_logs)
        self._default = _snakemakes_own(settings)
        self._run = Run(began=time.monotonic())
        self._display: Display = self._choose_display(settings)
        self._pending: deque[str] = deque()
        self._interrupted = False
        self._closed = False
        self._lock = threading.RLock()
        self._actions = {
            LogEvent.RUN_INFO: self._plan,
            LogEvent.JOB_INFO: self._job_started,
            LogEvent.JOB_FINISHED: self._job_finished,
            LogEvent.JOB_ERROR: self._job_failed,
            LogEvent.PROGRESS: self._counted,
            LogEvent.ERROR: self._error,
        }

    def take(self, record: LogRecord) -> None:
        """Show one record. What fails here falls back to Snakemake's own way of writing it."""
        try:
            with self._lock:
                mistake = record.levelno >= logging.ERROR and in_plain_words(record.getMessage(), sys.argv[1:])
                if mistake:
                    self._display.line(mistake, "red")  # also with `--quiet all`, as Snakemake says it
                elif self._dryrun:
                    self._delegate(_shortened(record))
                else:
                    self._show(record)
        except Exception:
            self._rescue(record)

    def close(self) -> None:
        """Stop the display, print what is still owed, and sum the run up. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._display.stop()
                self._flush_pending()
                self._sum_up()
            except Exception as error:
                logging.getLogger(__name__).debug("the display could not be closed: %r", error)

    def _choose_display(self, settings: OutputSettingsLoggerInterface) -> Display:
        live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and self._show_progress
        return Terminal(color=not settings.nocolor, jobs=self._show_jobs) if live else Plain(sys.stderr)

    def _show(self, record: LogRecord) -> None:
        event = getattr(record, "event", None)
        if event in self._actions:
            self._actions[event](record)
            if self._verbose and event in (LogEvent.JOB_INFO, LogEvent.RUN_INFO):
                self._delegate(record)
        elif self._verbose or record.levelno >= logging.WARNING:
            self._delegate(record)
        elif event is None:
            self._remark(record)
        elif event not in _SILENT:
            self._delegate(record)

    def _remark(self, record: LogRecord) -> None:
        """Show a message that belongs to no event, unless it is one of those that say nothing."""
        message = record.getMessage()
        if message.startswith("Building DAG of jobs") and self._show_progress:
            self._display.start(self._run)
        if message.startswith("Terminating processes on user request"):
            self._interrupted = True
        if not _NOISE.match(message) and not (self._interrupted and message.startswith("Complete log")):
            self._delegate(record)

    def _delegate(self, record: LogRecord) -> None:
        """Write a record as Snakemake itself words it, minding `--quiet`."""
        if self._dryrun:
            self._default.handle(record)
        elif self._default.filter(record) and (text := self._default.format(record)) not in ("", "None"):
            self._display.line(text, _style(record.levelno))

    def _rescue(self, record: LogRecord) -> None:
        """Write a record to the bare stream after the display has failed on it."""
        try:
            if not self._silent:
                sys.stderr.write(self._default.format(record) + "\n")
        except Exception:  # nosec B110
            pass  # neither the display nor the stream works: the workflow matters more

    def _plan(self, record: LogRecord) -> None:
        self._run.plan(_get(record, "stats", {}))
        if not self._show_progress:
            return
        each = ", ".join(f"{count} {rule}" for rule, count in self._run.planned.items())
        self._display.line(f"{_jobs(self._run.total)} to do: {each}")
        self._display.start(self._run)

    def _job_started(self, record: LogRecord) -> None:
        job = Job(
            id=_get(record, "jobid", -1),
            rule=_get(record, "rule_name", "?"),
            wildcards=dict(_get(record, "wildcards", {})),
            logs=[Path(log).absolute() for log in _get(record, "log", [])],
            began=time.monotonic(),
            is_target=not _get(record, "output", []) and not _get(record, "shellcmd", ""),
        )
        self._run.start(job)
        if self._show_jobs and not job.is_target and not self._display.live:
            self._display.line(f"{self._count()} started {self._run.name(job)}")

    def _job_finished(self, record: LogRecord) -> None:
        now = time.monotonic()
        job = self._run.finish(_get(record, "job_id", -1), now)
        if job is None or job.is_target or not self._show_jobs:
            return
        seconds, name = _seconds(now - job.began), self._run.name(job)
        if self._display.live:
            self._display.line(f"✓ {name}  {seconds}", "green")
        else:
            rest = f", {left(self._run, now)}" if self._run.done < self._run.total else ""
            self._display.line(f"{self._count()} finished {name} in {seconds}{rest}")
        for line in [line for log in job.logs for line in notes(log)]:
            self._display.line(f"    {line}", "yellow")

    def _counted(self, record: LogRecord) -> None:
        """Take Snakemake's own count, which knows of jobs added by checkpoints."""
        self._run.done = _get(record, "done", self._run.done)
        self._run.total = max(_get(record, "total", 0), self._run.done)

    def _error(self, record: LogRecord) -> None:
        """Show an error; how a job's command ended is kept back for the report on the job, which follows."""
        message = record.getMessage()
        if failure.exit_status(message) and self._run.running:
            self._pending.append(message)
            return
        if self._interrupted and "At least one job did not complete" in message:
            return
        self._job_fell_over(message)
        if _get(record, "exception", "") in ("UserError", "WorkflowError"):
            message = failure.without_frames(message)
        self._print(message, "red")

    def _job_fell_over(self, message: str) -> None:
        """Take note of a job that fails after its command, which Snakemake tells in words only."""
        now, running = time.monotonic(), list(self._run.running.values())
        if found := re.search(r"^Job (\d+) +completed successfully, but", message, re.M):
            self._run.fail(int(found[1]), now)
        elif found := re.match(r"\w+ in rule (\w+)", message):
            suspects = [job for job in running if job.rule == found[1]]
            if len(suspects) == 1:
                self._run.fail(suspects[0].id, now)

    def _job_failed(self, record: LogRecord) -> None:
        now = time.monotonic()
        job = self._run.fail(_get(record, "jobid", -1), now)
        status = self._status(_get(record, "shellcmd", None) or "")
        if job is None:
            self._delegate(record)
            return
        name, seconds = self._run.name(job), _seconds(now - job.began)
        if self._interrupted or failure.interrupted(status):
            self._interrupted = True
            return
        how = f"after {seconds}{f' ({status})' if status else ''}"
        self._print(
            f"✗ {name} failed {how}" if self._display.live else f"{self._count()} failed {name} {how}", "bold red"
        )
        for log in [Path(log).absolute() for log in _get(record, "log", [])] or job.logs:
            self._tell(log)
        if not job.logs and (command := _get(record, "shellcmd", None)):
            self._print(f"    command: {command.strip()}")
        for text in (_get(record, "rule_msg", None), *_notes(_get(record, "aux", {}))):
            if text:
                self._print(f"    {text}")

    def _tell(self, log: Path) -> None:
        """Show what a failed job's log says: its own error first, then the last lines, then where it is."""
        lines = failure.last_lines(log)
        error, tail = failure.story(lines, None if self._whole_logs else failure.TAIL)
        for line in error:
            self._print(f"    {line}", "red")
        where = os.path.relpath(log) if log.is_relative_to(Path.cwd()) else str(log)
        if tail:
            self._print("    the last lines of its log:" if error else "    its log ends with:")
        for line in tail:
            self._print(f"      {line}", "dim")
        self._print(f"    log: {where}{'' if lines else ' (empty or absent)'}")

    def _status(self, command: str) -> str | None:
        """Return how the failed job's command ended, from the error that came before the job's own record."""
        owner = [message for message in self._pending if command and command.strip() in message]
        if not owner and len(self._pending) == 1:
            owner = [self._pending[0]]
        if len(owner) != 1:
            self._flush_pending()
            return None
        self._pending.remove(owner[0])
        return failure.exit_status(owner[0])

    def _flush_pending(self) -> None:
        while self._pending:
            self._print(self._pending.popleft(), "red")

    def _sum_up(self) -> None:
        run = self._run
        if not run.total or not self._show_progress:
            return
        spent = duration(time.monotonic() - run.began)
        if run.done >= run.total:
            self._print(f"{_jobs(run.total)} done in {spent}", "bold green")
            return
        done = f"{run.done} of {_jobs(run.total)} done in {spent}"
        if self._interrupted:
            names = ", ".join([run.name(job) for job in run.failed][:3]) or "before any job ended"
            self._print(f"interrupted: {names}; {done}", "bold yellow")
        else:
            self._print(done, "bold")
        for job in [] if self._interrupted else run.failed:
            log = f", log: {os.path.relpath(job.logs[0])}" if job.logs else ""
            self._print(f"failed: {run.name(job)}{log}", "bold red")
        self._print("What is done is kept: the same command goes on from here.")

    def _print(self, text: str, style: str = "") -> None:
        """Print what must be seen unless all output is unwanted."""
        if not self._silent:
            self._display.line(text, style)

    def _count(self) -> str:
        return f"[{self._run.done}/{self._run.total}]"


def _snakemakes_own(settings: OutputSettingsLoggerInterface) -> ColorizingTextHandler:
    """Return the handler that Snakemake would use, for dry runs and for whatever is not handled here."""
    quiet = settings.quiet
    return ColorizingTextHandler(
        nocolor=settings.nocolor,
        stream=sys.stdout if settings.stdout else sys.stderr,
        formatter=DefaultFormatter(quiet, settings.show_failed_logs),
        filter=DefaultFilter(quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds),
    )


def _shortened(record: LogRecord) -> LogRecord:
    """Leave out most files of a job that only gathers what others make: of `all`, there are hundreds."""
    if getattr(record, "event", None) == LogEvent.JOB_INFO and not _get(record, "output", []):
        given = list(_get(record, "input", []))
        if len(given) > SHOWN:
            record.input = [*given[:SHOWN], f"… and {len(given) - SHOWN} more"]
            record.reason = str(_get(record, "reason", "")).partition(":")[0]
    return record


def _get(record: LogRecord, name: str, default: Any) -> Any:
    """Return an attribute of the record; absent ones and None give the default."""
    value = getattr(record, name, None)
    return default if value is None else value


def _style(level: int) -> str:
    return "red" if level >= logging.ERROR else "yellow" if level >= logging.WARNING else ""


def _jobs(count: int) -> str:
    return f"{count} job" if count == 1 else f"{count} jobs"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def _notes(aux: dict[str, Any]) -> list[str]:
    """What an executor adds to a failed job, such as the number it has in the cluster's queue."""
    return [f"{name}: {value}" for name, value in aux.items() if value not in (None, "", [])]
