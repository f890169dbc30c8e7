"""Feed the readers of strangers' files with changed ones: anything but a UserError is a defect, and is kept.

    python benchmarks/fuzz.py [--seconds 600] [--found FOLDER] [--only yaml archive csv labels json]

With atheris installed (not locked: `uv pip install atheris`; coverage leads the changes) or without (blind changes of
the same seeds). Each reader gets its share of the time, in a process with 2 GB of address space. What breaks a reader
is written to FOLDER/<reader>-<error>-<place>, once for each place in the source, and the counts are printed as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

with atheris.instrument_imports(include=["refer"]) if atheris else contextlib.nullcontext():
    from refer import files, yaml
    from refer.datasets.raw.archive import members
    from refer.datasets.readers.fer2013 import FER2013
    from refer.datasets.readers.rafdb import RAFDB
    from refer.errors import UserError

MEMORY = 2 << 30
SLOW = 5.0
"""Seconds after which an input counts as a defect, too."""
SCRATCH = Path("/dev/shm" if Path("/dev/shm").is_dir() else tempfile.gettempdir())
PIXELS = " ".join(["7"] * 48 * 48)


def _yaml(path: Path) -> None:
    yaml.read(path)
    yaml.scalar(path.read_text(encoding="utf-8", errors="replace"))


def _archive(path: Path) -> None:
    for member in members(path):
        for _ in member.chunks:
            pass


def _zipped(path: Path, name: str) -> zipfile.ZipFile:
    packed = zipfile.ZipFile(io.BytesIO(), "w")
    packed.writestr(name, path.read_bytes())
    return packed


def _csv(path: Path) -> None:
    FER2013.read(_zipped(path, "fer2013.csv"))


def _labels(path: Path) -> None:
    packed = _zipped(path, "EmoLabel/list_patition_label.txt")
    packed.writestr("Image/aligned/train_00001_aligned.jpg", b"x")
    RAFDB.read(packed, None) if not RAFDB.names_subjects else RAFDB.read(packed)


def _json(path: Path) -> None:
    files.read_section(path, "dataset")


READERS: dict[str, Callable[[Path], None]] = {
    "yaml": _yaml, "archive": _archive, "csv": _csv, "labels": _labels, "json": _json,
}  # fmt: skip


def seeds(reader: str) -> list[bytes]:
    """Small inputs that a reader takes."""
    if reader == "yaml":
        return [b"a: &a [1, 2.5, x]\nb: *a\nc: {<<: {d: 1}, e: !!int 3}\n", b"outs:\n- md5: abc\n  path: x\n",
                b"a: 2021-01-01\nb: 1:30\nc: |\n  x\nd: 'y'\n? z\n: ~\n"]  # fmt: skip
    if reader == "csv":
        return [f"emotion,pixels,Usage\n3,{PIXELS},Training\n0,1 2 3,PublicTest\n".encode(),
                f'emotion, Usage, pixels\r\n"6",PrivateTest,"{PIXELS}"\r\n'.encode()]  # fmt: skip
    if reader == "labels":
        return [b"train_00001.jpg 1\n", b"train_00001,7\r\n", b"\xef\xbb\xbftrain_00001_aligned.jpg 2\n"]
    if reader == "json":
        return [b'{"dataset": "fer2013", "a": [1, 2.5, null, true, {"b": "\\u00e9"}]}']
    content = {"train/happy/Training_1.jpg": b"x" * 300, "test/": b"", "é.txt": b""}
    squeezed = io.BytesIO()
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(name, value)
    found = [squeezed.getvalue()]
    for mode in ("w:", "w:gz", "w:bz2", "w:xz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
            for name, value in content.items():
                info = tarfile.TarInfo(name)
                info.size = len(value)
                archive.addfile(info, io.BytesIO(value))
        found.append(packed.getvalue()[:4096] if mode == "w:" else packed.getvalue())
    with contextlib.suppress(ImportError):
        import py7zr

        packed = io.BytesIO()
        with py7zr.SevenZipFile(packed, "w") as archive:
            archive.writestr(b"x" * 300, "train/happy/Training_1.jpg")
        found.append(packed.getvalue())
    return found


class Target:
    """One reader, and what was seen of it."""

    def __init__(self, reader: str, found: Path) -> None:
        self.reader, self.found = reader, found
        self.path = SCRATCH / f"refer-fuzz-{reader}"
        self.inputs = self.refused = 0
        self.defects: dict[str, int] = {}
        self.began = self.told = time.monotonic()

    def __call__(self, content: bytes) -> None:
        """Give it one input."""
        self.path.write_bytes(content)
        self.inputs += 1
        began, name = time.monotonic(), ""
        try:
            READERS[self.reader](self.path)
        except UserError:
            self.refused += 1
        except Exception as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{self.reader}-{type(error).__name__}-{Path(at.filename).stem}.{at.lineno}"
        if time.monotonic() - began > SLOW:
            name = f"{self.reader}-slow"
        if name:
            self.defects[name] = self.defects.get(name, 0) + 1
            if self.defects[name] == 1:
                (self.found / name).write_bytes(content)
                self.tell()
        if time.monotonic() - self.told > 2:
            self.tell()

    def tell(self) -> None:
        """Write the counts down: libFuzzer ends without a chance to."""
        self.told = time.monotonic()
        about = {"inputs": self.inputs, "refused": self.refused, "seconds": round(self.told - self.began),
                 "defects": self.defects, "led_by_coverage": bool(atheris)}  # fmt: skip
        files.write_json(self.found / f"{self.reader}.json", about)


def changed(content: bytes, rng: random.Random) -> bytes:
    """Change a few bytes of an input, or cut, repeat or join pieces of it."""
    result = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at, length = rng.randrange(len(result) + 1), rng.randint(1, 20)
        match rng.randrange(4):
            case 0:
                result[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del result[at : at + length]
            case 2:
                result[at:at] = result[at : at + length]
            case _:
                result[at:at] = rng.choice([b"\0", b"\xff", b"[" * 99, b"&a", b"*a", b"-1", b"9" * 30, b'"', b"\r"])
    return bytes(result)


def one(reader: str, seconds: int, found: Path) -> None:
    """Feed one reader for so long."""
    target, start = Target(reader, found), seeds(reader)
    for content in start:
        target(content)
    if atheris is None:
        rng, until = random.Random(0), time.monotonic() + seconds
        while time.monotonic() < until:
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
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--only", nargs="*", choices=READERS, default=list(READERS))
    parser.add_argument("--one", choices=READERS, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    parsed.found.mkdir(parents=True, exist_ok=True)
    if parsed.one:
        if atheris is None:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        one(parsed.one, parsed.seconds, parsed.found)
        return 0
    summary = {}
    for reader in parsed.only:
        share = str(parsed.seconds // len(parsed.only))
        command = [sys.executable, __file__, "--one", reader, "--seconds", share, "--found", str(parsed.found)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        about = files.read_json(parsed.found / f"{reader}.json") if (parsed.found / f"{reader}.json").is_file() else {}
        if done.returncode not in (0,):
            about["ended"] = f"{done.returncode}: {done.stderr[-500:]}"
        summary[reader] = about
        print(json.dumps({reader: about}), flush=True)
    return int(any(about.get("defects") or about.get("ended") for about in summary.values()))


if __name__ == "__main__":
    sys.exit(main())
