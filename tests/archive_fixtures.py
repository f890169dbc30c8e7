"""What packs raw sets as 7z, also those that no honest program writes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import py7zr

FAST = [{"id": py7zr.FILTER_LZMA2, "preset": 1}]


def as_7z(path: Path, files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], password: str | None = None) -> Path:
    """Write a 7z with any names: py7zr's own check of them is passed by."""
    pairs = files.items() if isinstance(files, Mapping) else files
    with py7zr.SevenZipFile(path, "w", filters=None if password else FAST, password=password) as archive:
        for name, content in pairs:
            archive._writef(io.BytesIO(content), name)
    return path


def with_header(path: Path, at: int, value: int) -> Path:
    """Change one byte of a 7z's plain header, and its checksums with it, so that only the content is wrong."""
    raw = bytearray(path.read_bytes())
    offset, size, _ = struct.unpack("<QQI", raw[12:32])
    raw[32 + offset + at % size] = value
    raw[12:32] = struct.pack("<QQI", offset, size, zlib.crc32(raw[32 + offset : 32 + offset + size]))
    raw[8:12] = struct.pack("<I", zlib.crc32(raw[12:32]))
    path.write_bytes(raw)
    return path
