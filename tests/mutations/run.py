"""Do the tests find faults? Each mutation of the list is made in a copy of the project, and its tests must fail there.

    .venv/bin/python tests/mutations/run.py [name …] [--jobs 2] [--all]

Prints for each whether it was killed (a test failed), by which test, and in how many seconds; ends with 1 where one
survived. Nothing in this folder is changed. First the tests run in the copy as it is, for where they fail anyway a
failure says nothing (`--unproven` leaves that out).
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from listed import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[2]

PASSED, FAILED = 0, 1
"""pytest's exit status; all others mean that something else went wrong, which proves nothing."""


def found(mutation: Mutation, root: Path = ROOT) -> int:
    """How often the text that is to be replaced stands in its file."""
    path = root / mutation.file
    return path.read_text(encoding="utf-8").count(mutation.old) if path.is_file() else 0


def copied(to: Path) -> Path:
    """Copy what git knows or would take; results stay, the tests here need none."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def tested(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests in a copy, up to the first failure; return pytest's status and what it said."""
    # Before the editable install, which leads to the project itself; one thread, for several copies may be tested.
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1", "COLUMNS": "500"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short"]
    done = subprocess.run([*command, *tests], cwd=copy, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def tried(mutation: Mutation, copy: Path) -> tuple[str, str, float]:
    """Make a mutation in a copy, test it and take it back: what became of it, by which test, and the seconds."""
    path, began = copy / mutation.file, time.monotonic()
    before = path.read_text(encoding="utf-8")
    when = path.stat()
    path.write_text(before.replace(mutation.old, mutation.new), encoding="utf-8")
    # Compiled files are known by the second and the size of their source, which a mutation may leave.
    os.utime(path, (when.st_atime, when.st_mtime - 86_400))
    try:
        status, said = tested(copy, mutation.tests)
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, (when.st_atime, when.st_mtime))
    seconds = time.monotonic() - began
    if status == PASSED:
        return "SURVIVED", ", ".join(mutation.tests), seconds
    by = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
    if status == FAILED and by:
        return "killed", by[1].removeprefix("tests/"), seconds
    return "BROKEN", said[-2000:], seconds


def main() -> int:
    """Try the mutations that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of the list; all without one")
    parser.add_argument("--jobs", type=int, default=1, help="so many copies are tested at once")
    parser.add_argument("--unproven", action="store_true", help="do not run the tests without a mutation first")
    given = parser.parse_args()
    known = {mutation.name: mutation for mutation in MUTATIONS}
    if unknown := [name for name in given.names if name not in known]:
        parser.error(f"no such mutation: {', '.join(unknown)}; known: {', '.join(known)}")
    chosen = [known[name] for name in given.names] or list(MUTATIONS)
    if stale := [mutation for mutation in chosen if found(mutation) != 1]:
        for mutation in stale:
            print(f"{mutation.name}: {mutation.old!r} stands {found(mutation)} times in {mutation.file}, expected once")
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copies = [copied(Path(folder, str(number), "project")) for number in range(given.jobs)]
        if not given.unproven:
            status, said = tested(copies[0], sorted({test for mutation in chosen for test in mutation.tests}))
            if status != PASSED:
                print(f"without any mutation these tests fail, so that nothing can be shown:\n{said[-4000:]}")
                return 2
            print(f"without a mutation all tests pass ({time.monotonic() - began:.0f} s)", flush=True)
        free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for copy in copies:
            free.put(copy)

        def told(mutation: Mutation) -> str:
            copy = free.get()
            try:
                end, by, seconds = tried(mutation, copy)
            finally:
                free.put(copy)
            print(f"{mutation.name:30} {end:9} {seconds:5.0f} s  {by}", flush=True)
            return end

        with ThreadPoolExecutor(given.jobs) as pool:
            ends = list(pool.map(told, chosen))
    print(f"{ends.count('killed')} of {len(ends)} killed in {time.monotonic() - began:.0f} s")
    return int(set(ends) != {"killed"})


if __name__ == "__main__":
    sys.exit(main())
