"""What a failed job's log says, shortened to what a person needs first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

TAIL = 10  # lines of the log shown beside the error itself
READ_AT_MOST = 65_536  # bytes from the end of the log

# The last line of a Python traceback, or a line in which a program names its error.
_ERROR = re.compile(r"(?i:error|fatal)\b|[\w.]*(?:Error|Exception|Interrupt|Exit)(?::|$)")
# Escape sequences and other control characters, which would play with the terminal; tabs are kept.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")
_STATUS = re.compile(r"(?:returned non-zero exit status (\d+)|died with <Signals\.(\w+): \d+>)\.?\s*$", re.M)


class Story(NamedTuple):
    """The error in the job's own words (0 to 3 lines) and the last other lines of its log."""

    error: list[str]
    tail: list[str]


def clean(line: str) -> str:
    """Return the line without control characters; of a line rewritten by carriage returns, the last state."""
    return _CONTROL.sub("", line.rstrip("\r\n").rpartition("\r")[2]).rstrip()


def last_lines(log: Path) -> list[str]:
    """Return the non-empty lines at the end of a log; none where it is absent, empty or unreadable."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - READ_AT_MOST))
            text = handle.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line for raw in text.split("\n") if (line := clean(raw))]


def story(lines: list[str], tail: int | None = TAIL) -> Story:
    """Find the job's own error among the lines of its log; `tail` None keeps all the other lines."""
    place = next((i for i in reversed(range(len(lines))) if _ERROR.match(lines[i])), None)
    if place is None:
        return Story([], lines if tail is None else lines[-tail:])
    # What follows the error at once and is not indented belongs to its message.
    end = place + 1
    while end < min(len(lines), place + 3) and not lines[end][0].isspace():
        end += 1
    rest = lines[:place] + lines[end:]
    return Story(lines[place:end], rest if tail is None else rest[-tail:])


def exit_status(message: str) -> str | None:
    """Return how a command ended (`exit status 2`, `killed by SIGTERM`) if that is what the message tells."""
    found = _STATUS.search(message)
    if found is None:
        return None
    if found[1] == "137" or found[2] == "SIGKILL":
        return "killed by SIGKILL: most often the memory ran out"
    return f"exit status {found[1]}" if found[1] else f"killed by {found[2]}"


def interrupted(status: str | None) -> bool:
    """Tell whether an exit status is that of Ctrl-C."""
    return status in ("exit status 130", "killed by SIGINT")


def without_frames(message: str) -> str:
    """Return Snakemake's error message for a person's own mistake without the stack frames at its end.

    A `UserError` loses Snakemake's heading too, for the place in the Snakefile where it surfaced means nothing
    to whoever has to mend a path or a configuration key; and so does a heading that names no place.
    """
    lines = message.rstrip().split("\n")
    while lines and re.match(r'  File ".*", line \d+, in ', lines[-1]):
        lines.pop()
    if len(lines) > 1 and (lines[0].startswith("UserError") or lines[0] == "WorkflowError:"):
        lines[0:2] = [f"error: {lines[1].strip()}"]
    return "\n".join(lines)
