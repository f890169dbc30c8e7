"""Do the tests find faults? Each mutation of the list is made in a copy of the project, and its tests must fail there.

    .venv/bin/python tests/mutations/run.py [name …]

Prints for each whether it was killed (a test failed), by which test, and in how many seconds; ends with 1 where one
survived. Nothing in this folder is changed. First the tests run in the copy as it is, for where they fail anyway a
failure says nothing (`--unproven` leaves that out).
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from composing import MUTATIONS as COMPOSING
from listed import MUTATIONS as LISTED
from listed import Mutation

from networks import MUTATIONS as NETWORKS

MUTATIONS = (*LISTED, *NETWORKS, *COMPOSING)
ROOT = Path(__file__).resolve().parents[2]
PASSED, FAILED = 0, 1
"""pytest's exit status; all others mean that something else went wrong, which proves nothing."""
SLOW = ("torch", "torch.nn.functional", "torchvision.transforms.v2", "pandas", "pyarrow.parquet", "scipy.stats",
        "matplotlib.pyplot", "hypothesis", "statsmodels.stats.api", "yaml", "pytest")  # fmt: skip
"""Packages that are imported once: each mutation's tests run in a fork, and import nothing anew but the project."""


def found(mutation: Mutation, root: Path = ROOT) -> int:
    """How often the text that is to be replaced stands in its file."""
    path = root / mutation.file
    return path.read_text(encoding="utf-8").count(mutation.old) if path.is_file() else 0


def copied(to: Path) -> Path:
    """Copy what git knows or would take, without results."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file() and not name.startswith("results/"):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def tested(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests in a copy, up to the first failure; return pytest's status and what it said."""
    said = copy.parent / "said.log"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        status = 70
        try:
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(copy)
            # Before the editable install, which leads to the project itself; also in what the tests start.
            sys.path[:0] = [str(copy / "src")]
            os.environ["PYTHONPATH"] = str(copy / "src")
            options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", "--rootdir", str(copy)]
            status = int(importlib.import_module("pytest").main([*options, *tests]))
            sys.stdout.flush()
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(ended), said.read_text(encoding="utf-8", errors="replace")


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
    by = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", said, re.MULTILINE)
    if status == FAILED and by:
        return "killed", by[1].removeprefix("tests/"), seconds
    return "BROKEN", f"status {status}\n{said[-2000:]}", seconds


def main() -> int:
    """Try the mutations that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of the list; all without one")
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
    os.environ["OMP_NUM_THREADS"] = "1"  # a fork does not inherit threads
    for name in SLOW:
        importlib.import_module(name)
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder, "project"))
        if not given.unproven:
            status, said = tested(copy, sorted({test for mutation in chosen for test in mutation.tests}))
            if status != PASSED:
                print(f"without any mutation these tests fail, so that nothing can be shown:\n{said[-4000:]}")
                return 2
            print(f"without a mutation all tests pass ({time.monotonic() - began:.0f} s)", flush=True)
        for mutation in chosen:
            end, by, seconds = tried(mutation, copy)
            print(f"{mutation.name:30} {end:9} {seconds:5.1f} s  {by}", flush=True)
            ends.append(end)
    print(f"{ends.count('killed')} of {len(ends)} killed in {time.monotonic() - began:.0f} s")
    return int(set(ends) != {"killed"})


if __name__ == "__main__":
    sys.exit(main())
