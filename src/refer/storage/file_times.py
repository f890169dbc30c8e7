"""Contents decide where times lie: what Snakemake should make again although a file's time does not say so.

Snakemake goes by times. A file that was put in place with an old time (`cp -p`, `tar`, `rsync -t`) seems older than
what was made of its predecessor, and a file from the future (a clock that was ahead) newer than all that will ever be
made of it: its jobs fail, or are made again for ever. So before Snakemake looks, files from the future get the time of
now, and so do files whose content changed while their time hides it.

As git's index does, a record holds size, times and SHA-256 of each file, so that only files are read again that the
system says were touched. Of large files samples are read: jobs compare the whole of them by hash anyway.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from refer.files import NotJsonError, read_section, sha256, write_text

DATA = ("standin", "raw", "prepared", "audit", "splits", "backgrounds")
"""Folders of data/ whose files jobs read; downloads are known by their fingerprints."""
MADE = ("tables", "figures", "metrics", "plots")
"""Folders of results/<preset>/ that nothing is made from."""
LARGE, SAMPLES, SAMPLE = 1 << 24, 64, 1 << 16
"""Bytes from which a file is sampled, how often, and bytes a sample."""
AHEAD = 60_000_000_000
"""Nanoseconds that a file may be ahead: clocks of machines that share a disk differ by some."""
BACK = 2_000_000_000
"""Nanoseconds by which the time of a file lies before its last change only where somebody set it."""

LOGS = "logs"
"""Where benchmarks lie, which are outputs of jobs for Snakemake."""
STAMP = ".snakemake_timestamp"
"""By which Snakemake knows the time of a folder that a job made."""

State = list[Any]
"""Size, time and time of the last change (both in nanoseconds), and SHA-256."""


def settle(results: Path, record: Path, data: Path = Path("data"), others: Iterable[str] = ()) -> list[str]:
    """Give the time of now to files from the future, and to those whose contents changed behind their times.

    Args:
        results: results/<preset>.
        record: the file that remembers what was there, written again if that changed.
        data: the folder of the data.
        others: further files that jobs read, of which only those from the future are touched.

    Returns:
        What was done, for people; empty where all is well.
    """
    now = time.time_ns()
    found = list(_files(results, data))
    all_of_them = [*found, *((path, Path(path).stat()) for path in others if Path(path).is_file())]
    ahead = sorted((about.st_mtime_ns, path) for path, about in all_of_them if about.st_mtime_ns > now + AHEAD)
    for number, (_, path) in enumerate(ahead):
        _touch(path, now - 1000 * (len(ahead) - number))
    before, after, changed = _read(record), {}, []
    for path, about in _read_by_jobs(found if not ahead else _files(results, data), results):
        old = before.get(path)
        after[path] = state = _state(path, about, old)
        if old is not None and state[-1] != old[-1]:
            set_back = about.st_ctime_ns - about.st_mtime_ns > BACK or about.st_mtime_ns < old[1]
            changed.append((path, bool(ahead) or set_back))
    # Where runs came with their data, as from another machine, run.json says whether they belong together.
    came = any(path.endswith("/run.json") for path, _ in changed)
    hidden = [path for path, hides in changed if hides and not (came and path.startswith(f"{data}{os.sep}"))]
    for path in hidden:
        _touch(path, time.time_ns())
        after[path] = [*_times(os.lstat(path)), after[path][-1]]
    _write(record, before, after)
    said = []
    if ahead:
        said.append(f"{_some([path for _, path in ahead])} from the future: now they have the time of this start.")
    if hidden:
        said.append(f"{_some(hidden)} changed, which the time hid: what is made of it is made again.")
    return said


def remember(results: Path, record: Path, data: Path = Path("data")) -> None:
    """Write down what lies there at the end of a run."""
    before = _read(record)
    found = _read_by_jobs(_files(results, data), results)
    _write(record, before, {path: _state(path, about, before.get(path)) for path, about in found})


def _files(results: Path, data: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file and folder that the workflow made, but hidden ones. By os.scandir, thrice as fast as pathlib."""
    folders = [str(data / name) for name in DATA] + [str(results), LOGS]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith(".") and entry.name != STAMP:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    continue
                yield entry.path, entry.stat(follow_symlinks=False)


def _read_by_jobs(found: Iterable[tuple[str, os.stat_result]], results: Path) -> Iterator[tuple[str, os.stat_result]]:
    left_out = (f"{LOGS}{os.sep}", *(f"{results / name}{os.sep}" for name in MADE))
    return (each for each in found if stat.S_ISREG(each[1].st_mode) and not each[0].startswith(left_out))


def _touch(path: str, when: int) -> None:
    with suppress(OSError):  # another user's
        os.utime(path, ns=(when, when))


def _times(about: os.stat_result) -> list[int]:
    return [about.st_size, about.st_mtime_ns, about.st_ctime_ns]


def _state(path: str, about: os.stat_result, old: State | None) -> State:
    times = _times(about)
    if old is not None and old[:3] == times:
        return old
    try:
        return [*times, sha256(path) if about.st_size < LARGE else _sampled(path, about.st_size)]
    except OSError:
        return [*times, old[-1] if old else ""]


def _sampled(path: str, size: int) -> str:
    digest = hashlib.sha256(str(size).encode())
    with open(path, "rb") as handle:  # noqa: PTH123
        for number in range(SAMPLES):
            handle.seek((size - SAMPLE) * number // (SAMPLES - 1))
            digest.update(handle.read(SAMPLE))
    return digest.hexdigest()


def _read(record: Path) -> dict[str, State]:
    try:
        found = read_section(record)
    except (NotJsonError, OSError):
        return {}
    return {path: state for path, state in found.items() if isinstance(state, list) and len(state) == 4}


def _write(record: Path, before: dict[str, State], after: dict[str, State]) -> None:
    if after != before:
        lines = ",\n".join(f"{json.dumps(path)}: {json.dumps(after[path])}" for path in sorted(after))
        with suppress(OSError):  # in a folder that cannot be written, nothing is made either
            write_text(record, f"{{\n{lines}\n}}\n")


def _some(paths: list[str]) -> str:
    return f"{paths[0]}" + (f" and {len(paths) - 1} more files" if len(paths) > 1 else "")
