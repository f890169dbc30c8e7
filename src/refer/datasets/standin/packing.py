"""Named contents into an archive: whole or not at all, and equal bytes for equal contents."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from refer.errors import UserError
from refer.files import whole

Files = Iterator[tuple[str, bytes]]
"""Paths inside the archive, with "/", and their contents; a path that ends in "/" is an empty folder."""

_PACKED = (".jpg", ".JPG", ".png", ".PNG", ".zip", ".7z")
"""What packing again would not make smaller."""

_EPOCH = 315532800.0
"""1 January 1980, 0:00 UTC, in seconds of Unix: the earliest time that a zip archive can tell."""


def check_place(out: Path) -> None:
    """Raise UserError unless `pack` can write to `out`."""
    if not out.name.lower().endswith((".tar.gz", ".tgz", ".zip")):
        raise UserError(f"{out}: cannot write {out.suffix!r}; expected .tar.gz, .tgz or .zip")


def pack(out: Path, files: Files) -> None:
    """Write `files` to `out`, a .tar.gz (.tgz) or a .zip; an archive that stands there is replaced.

    Times, owners and modes are fixed, so that equal files in equal order give equal bytes.
    """
    with whole(out) as temporary:
        (_zip if out.name.lower().endswith(".zip") else _tar)(temporary, files)


def _tar(path: Path, files: Files) -> None:
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member, io.BytesIO(content))


def zipped(files: Files) -> bytes:
    """Return a zip archive of `files`, as `pack` writes it, to lie in another archive."""
    content = io.BytesIO()
    _zip(content, files)
    return content.getvalue()


def sevenzipped(files: Files) -> bytes:
    """Return a 7z archive of `files`, with fixed times, to lie in another archive."""
    import py7zr
    from py7zr.helpers import ArchiveTimestamp

    content = io.BytesIO()
    with py7zr.SevenZipFile(content, "w", filters=[{"id": py7zr.FILTER_LZMA2, "preset": 1}]) as archive:
        for name, member in files:
            archive.writestr(member, name)
        # py7zr notes the time of writing; the header that holds it is written on leaving the block.
        for info in archive.header.files_info.files:
            for kind in ("creationtime", "lastwritetime", "lastaccesstime"):
                info[kind] = ArchiveTimestamp.from_datetime(_EPOCH)
    return content.getvalue()


def _zip(path: Path | IO[bytes], files: Files) -> None:
    with zipfile.ZipFile(path, "w", compresslevel=6) as archive:
        for name, content in files:
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix, wherever it is written
            member.external_attr = (0o40755 if name.endswith("/") else 0o644) << 16
            member.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
