"""Hashes of files: SHA-256, MD5, and git's blob id, by which owners on GitHub name a file's content."""

from __future__ import annotations

import hashlib
from pathlib import Path

CHUNK = 1 << 20  # bytes read at once
DIGITS = {"sha256": 64, "md5": 32, "git": 40}  # algorithm: hexadecimal digits


class Digests:
    """The SHA-256 and the git blob id of a content whose length in bytes is known beforehand."""

    def __init__(self, size: int) -> None:
        self._sha256 = hashlib.sha256()
        self._blob = _blob(size)

    def update(self, chunk: bytes) -> None:
        """Take the next bytes in."""
        self._sha256.update(chunk)
        self._blob.update(chunk)

    @property
    def sha256(self) -> str:
        """64 hexadecimal digits."""
        return self._sha256.hexdigest()

    @property
    def blob(self) -> str:
        """What `git hash-object` prints: the SHA-1 of b"blob <size>" + a zero byte + content, 40 digits."""
        return self._blob.hexdigest()


def digests(path: Path) -> Digests:
    """Return both hashes of a file, read once."""
    both = Digests(path.stat().st_size)
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            both.update(chunk)
    return both


def digest(path: Path, algorithm: str) -> str:
    """Return the hash of a file by one of DIGITS as hexadecimal digits."""
    state = _blob(path.stat().st_size) if algorithm == "git" else hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as handle:
        while chunk := handle.read(CHUNK):
            state.update(chunk)
    return state.hexdigest()


def _blob(size: int) -> hashlib._Hash:
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
