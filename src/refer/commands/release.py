"""`refer release`: bundle a preset's results into one archive, or check such an archive."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

MEGABYTE = 1e6


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("release", help="bundle a preset's results into one archive, or check an archive")
    parser.add_argument("--preset", metavar="NAME", help="the folder below results/")
    parser.add_argument("--configfile", type=Path, help="its configuration (found in presets/ and config.yaml)")
    parser.add_argument("--out", type=Path, metavar="FILE.zip", help="the archive (releases/refer-<preset>.zip)")
    parser.add_argument("--checkpoints", choices=("none", "all"), default="none", help="weights in it (none: hashes)")
    parser.add_argument("--check", type=Path, metavar="FILE.zip", help="check an archive against its hashes, no more")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    from refer.errors import UserError

    if parsed.check is not None:
        _check(parsed.check)
        return 0
    if parsed.preset is None:
        raise UserError("refer release: say which preset, e.g. --preset fer2013-cpu, or which archive to --check.")
    from refer.release.bundle import release
    from refer.release.runs import find_preset

    preset = find_preset(parsed.preset, configfile=parsed.configfile)
    bar = _Bar("release")
    try:
        made = release(preset, parsed.out, checkpoints=parsed.checkpoints == "all", report=bar)
    finally:
        bar.close()
    for remark in made.remarks:
        print(f"note: {remark}")
    print(f"{made.manifest}")
    print(f"{made.path}: {made.files:,} files, {made.bytes / MEGABYTE:.1f} MB, sha256 {made.sha256}")
    return 0


def _check(path: Path) -> None:
    from refer.release import archive

    bar, total = _Bar("check"), max(1, path.stat().st_size if path.is_file() else 1)
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        bar(min(done, total), total, "")

    try:
        found = archive.check(path, tell)
    finally:
        bar.close()
    print(f"{path}: {found.files:,} files, {found.bytes / MEGABYTE:.1f} MB, all as released.")


class _Bar:
    """Shows work only once it is long enough to be waited for."""

    LONG = 200 * MEGABYTE

    def __init__(self, label: str) -> None:
        self._label = label
        self._progress: Any = None

    def __call__(self, done: int, total: int, what: str) -> None:
        if total < self.LONG:
            return
        if self._progress is None:
            from refer.progress import Progress

            self._progress = Progress(round(total / MEGABYTE), label=self._label, unit="MB")
        self._progress.update(done / MEGABYTE, what)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.close()
