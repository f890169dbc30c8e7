"""Hashes of files: SHA-256, MD5, and git's blob id, by which owners on GitHub name a file's content."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

CHUNK = 1 << 20  # bytes read at once
DIGITS = {"sha256": 64, "md5": 32, "git": 40}  # algorithm: hexadecimal digits


class Digests(NamedTuple):
    """Two hashes of one file."""

    sha256: str  # 64 hexadecimal digits
    blob: str  # what `git hash-object` prints, 40 digits: the SHA-1 of b"blob <size>", a zero byte and the content


def digests(path: Path) -> Digests:
    """Return both hashes of a file, read once."""
    sha256, blob = hashlib.sha256(), _blob(path.stat().st_size)
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            sha256.update(chunk)
            blob.update(chunk)
    return Digests(sha256.hexdigest(), blob.hexdigest())


def digest(path: Path, algorithm: str) -> str:
    """Return the hash of a file by one of DIGITS as hexadecimal digits."""
    state = _blob(path.stat().st_size) if algorithm == "git" else hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()


def _blob(size: int) -> hashlib._Hash:
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
