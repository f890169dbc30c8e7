"""Feed the readers of strangers' files with changed ones: anything but a UserError is a defect, and is kept.

    python benchmarks/fuzz.py [--seconds 600] [--inputs 0] [--found FOLDER] [--only yaml archive …]

The readers are in fuzz_readers.py. With atheris installed (not locked: `uv pip install atheris`; coverage leads the
changes) or without (blind changes of the same seeds). Each reader gets its share of the time, in a process that may
take 2 GB. What breaks a reader is written to FOLDER/<reader>-<error>-<place>, once for each place in the source, and
the counts are printed as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["refer"]) if atheris else contextlib.nullcontext():
    from fuzz_readers import READERS, changed, place, seeds

    from refer import files
    from refer.errors import UserError

MEMORY = 2 << 30
SLOW = 5.0
"""Seconds of the processor after which an input counts as a defect, too."""
HANGS = 60
"""Seconds of the clock after which one is broken off."""


class HangError(BaseException):
    """An input that is not done after HANGS seconds; no Exception, for readers tell of those in a sentence."""


class Target:
    """One reader, and what was seen of it."""

    def __init__(self, reader: str, found: Path) -> None:
        self.reader, self.found = reader, found
        self.path = place() / "input"
        self.inputs = self.refused = 0
        self.defects: dict[str, int] = {}
        self.began = self.told = time.monotonic()

    def __call__(self, content: bytes) -> None:
        """Give it one input."""
        self.path.write_bytes(content)
        self.inputs += 1
        began, name = time.process_time(), ""
        signal.alarm(HANGS)
        try:
            READERS[self.reader](self.path)
        except UserError:
            self.refused += 1
        except (Exception, HangError) as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{self.reader}-{type(error).__name__}-{Path(at.filename).stem}.{at.lineno}"
        signal.alarm(0)
        if time.process_time() - began > SLOW:
            name = f"{self.reader}-slow"
        if name:
            self.defects[name] = self.defects.get(name, 0) + 1
            if self.defects[name] == 1:
                (self.found / name.replace("/", " ")).write_bytes(content)
                self.tell()
        if time.monotonic() - self.told > 2:
            self.tell()

    def tell(self) -> None:
        """Write the counts down: libFuzzer ends without a chance to."""
        self.told = time.monotonic()
        about = {"inputs": self.inputs, "refused": self.refused, "seconds": round(self.told - self.began),
                 "largest_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
                 "defects": self.defects, "led_by_coverage": bool(atheris)}  # fmt: skip
        files.write_json(self.found / f"{self.reader}.json", about)


def _hangs(*_: object) -> None:
    raise HangError


def one(reader: str, seconds: int, found: Path, inputs: int = 0) -> None:
    """Feed one reader for so long, or with so many inputs."""
    signal.signal(signal.SIGALRM, _hangs)
    target, start = Target(reader, found), seeds(reader)
    for content in start:
        target(content)
    if atheris is None or inputs:
        rng, until = random.Random(0), time.monotonic() + seconds
        while target.inputs < inputs if inputs else time.monotonic() < until:
            target(changed(rng.choice(start), rng))
        target.tell()
        return
    with tempfile.TemporaryDirectory() as corpus:
        for number, content in enumerate(start):
            Path(corpus, str(number)).write_bytes(content)
        options = [f"-max_total_time={seconds}", "-max_len=16384", "-rss_limit_mb=2048", "-verbosity=0", "-seed=1"]
        atheris.Setup(["fuzz", *options, corpus], target)
        atheris.Fuzz()


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600, help="in all")
    parser.add_argument("--inputs", type=int, default=0, help="so many for each reader, and no bound of time")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--only", nargs="*", choices=READERS, default=list(READERS))
    parser.add_argument("--one", choices=READERS, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    parsed.found.mkdir(parents=True, exist_ok=True)
    if parsed.one:
        if atheris is None:
            resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        try:
            one(parsed.one, parsed.seconds, parsed.found, parsed.inputs)
        finally:
            shutil.rmtree(place(), ignore_errors=True)
        return 0
    summary = {}
    for reader in parsed.only:
        share = str(parsed.seconds // len(parsed.only))
        command = [sys.executable, __file__, "--one", reader, "--seconds", share, "--found", str(parsed.found)]
        command += ["--inputs", str(parsed.inputs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        about = files.read_json(parsed.found / f"{reader}.json") if (parsed.found / f"{reader}.json").is_file() else {}
        if done.returncode not in (0,):
            about["ended"] = f"{done.returncode}: {done.stderr[-500:]}"
        summary[reader] = about
        print(json.dumps({reader: about}), flush=True)
    return int(any(about.get("defects") or about.get("ended") for about in summary.values()))


if __name__ == "__main__":
    sys.exit(main())
