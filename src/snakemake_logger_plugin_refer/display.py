"""The two faces of a run: a live display on a terminal, plain lines anywhere else."""

from __future__ import annotations

import os
import sys
import time
from typing import Protocol, TextIO

from rich.console import Console, ConsoleDimensions, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from refer.progress import counts, duration, speed
from snakemake_logger_plugin_refer.capture import Capture
from snakemake_logger_plugin_refer.state import Job, Run

REFRESH = 4  # times a second


class Display(Protocol):
    """Where the handler writes."""

    live: bool

    def start(self, run: Run) -> None:
        """Begin to show the run as it stands; a second call does nothing."""

    def stop(self) -> None:
        """Show no more of the run; lines can still be written."""

    def line(self, text: str, style: str = "") -> None:
        """Write a line that stays, or several."""


class Plain:
    """Lines without any control character, for files, pipes and continuous integration."""

    live = False

    def __init__(self, stream: TextIO):
        self._stream = stream

    def start(self, run: Run) -> None:
        """Do nothing: there is nothing to keep up to date."""

    def stop(self) -> None:
        """Do nothing."""

    def line(self, text: str, style: str = "") -> None:
        """Write the text and a line end; characters that the stream cannot encode become question marks."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()


class _TerminalConsole(Console):
    """A console that asks the terminal it writes to for its size, not the standard streams of the process."""

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        try:
            columns, lines = os.get_terminal_size(self.file.fileno())
        except (OSError, ValueError):
            return super().size
        return ConsoleDimensions(columns or 80, lines or 25)


class Terminal:
    """A bar for the run and a line for each running job, under the lines that stay."""

    live = True

    def __init__(self, *, color: bool = True, jobs: bool = True):
        self._console = _TerminalConsole(stderr=True, no_color=not color or None, highlight=False)
        self._jobs = jobs
        self._run: Run | None = None
        self._live: Live | None = None
        self._capture: Capture | None = None

    def start(self, run: Run) -> None:
        """Begin to draw the run; everything else that is written to the terminal goes above it."""
        if self._live is not None:
            return
        self._run = run
        self._capture = Capture(self._stray)
        self._console.file = self._capture.terminal
        self._live = Live(
            console=self._console,
            get_renderable=self._safe_render,
            refresh_per_second=REFRESH,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def stop(self) -> None:
        """Wipe the display and give the terminal back, cursor included."""
        live, capture = self._live, self._capture
        self._live = self._capture = None
        try:
            if capture is not None:
                capture.stop()
        finally:
            if live is not None:
                live.stop()
            self._console.file = sys.stderr

    def line(self, text: str, style: str = "") -> None:
        """Print a line that stays."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _stray(self, line: str) -> None:
        self._console.print(Text.from_ansi(line.rstrip("\r").rpartition("\r")[2]), soft_wrap=True)

    def _safe_render(self) -> RenderableType:
        try:
            return render(self._run, self._console.size, jobs=self._jobs) if self._run else ""
        except Exception as error:  # the thread that draws must go on: the next picture may succeed
            return Text(f"(the display failed: {error!r})", style="dim")


def render(run: Run, size: ConsoleDimensions, *, jobs: bool = True) -> RenderableType:
    """Return the picture of the run for a terminal of that size."""
    now = time.monotonic()
    if not run.total:
        return Spinner("dots", Text(f"planning the jobs, {duration(now - run.began)}"))
    running = list(run.running.values()) if jobs else []
    room = max(1, size.height - 4)
    shown = running[:room]
    bar = 24 if size.width >= 110 else 12 if size.width >= 72 else 0
    table = Table.grid(padding=(0, 2, 0, 0))
    # Room for the ^C that a terminal echoes: if it wrapped, the display would leave a line behind.
    table.width = max(20, size.width - 3)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(16, size.width * 2 // 5))
    if bar:
        table.add_column(width=bar)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for cells in [_overall(run, now), *(_running(run, job, now) for job in shown)]:
        name, done, total, count, remark = cells
        picture = ProgressBar(total=total, completed=done, width=bar) if total else Text()
        table.add_row(name, *([picture] if bar else []), count, remark)
    if len(shown) < len(running):
        table.add_row(Text(f"  … {len(running) - len(shown)} more", style="dim"))
    return table


_Cells = tuple[Text, float, float, Text, Text]


def _overall(run: Run, now: float) -> _Cells:
    remark = f"{duration(now - run.began)} · {left(run, now)}"
    text = Text(remark)
    if run.failed:
        text = Text.assemble((f"{len(run.failed)} failed", "bold red"), " · ", remark)
    name = Text("all jobs", style="bold")
    return name, run.done, run.total, Text(f"{run.done}/{run.total}", style="bold"), text


def _running(run: Run, job: Job, now: float) -> _Cells:
    name, snapshot, seconds = Text(f"  {run.name(job)}"), job.snapshot(now), run.job_left(job, now)
    remarks = [] if seconds is None else [f"{duration(seconds)} left"]
    if snapshot is None or snapshot.total <= 0:
        return name, 0, 0, Text(duration(now - job.began)), Text(" · ".join(remarks), style="dim")
    if snapshot.seconds_left and snapshot.done < snapshot.total:
        rate = (snapshot.total - snapshot.done) / snapshot.seconds_left
        remarks.append(speed(rate, snapshot.unit))
    remarks += [snapshot.note] if snapshot.note else []
    count = Text(counts(snapshot.done, snapshot.total, snapshot.unit))
    return name, snapshot.done, snapshot.total, count, Text(" · ".join(remarks), style="dim")


def left(run: Run, now: float) -> str:
    """Say how long the rest of the run takes, as far as it is known."""
    estimate = run.left(now)
    if estimate is None:
        return "time left: estimating"
    return f"{'about' if estimate.all_known else 'more than'} {duration(estimate.seconds)} left"
