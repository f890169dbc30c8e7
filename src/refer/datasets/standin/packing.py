"""Named contents into an archive or a directory: whole or not at all, and equal bytes for equal contents."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from refer.errors import UserError
from refer.files import whole

Files = Iterator[tuple[str, bytes]]
"""Paths inside the archive, with "/", and their contents."""


def _kind(out: Path) -> str:
    name = out.name.lower()
    if name.endswith((".tar.gz", ".tgz")):
        return "tar.gz"
    return "zip" if name.endswith(".zip") else "folder"


def check_place(out: Path) -> None:
    """Raise UserError unless `pack` can write to `out`."""
    if _kind(out) == "folder" and out.suffix:
        raise UserError(f"{out}: cannot write {out.suffix!r}; expected .tar.gz, .tgz, .zip, or no suffix for a folder")
    if _kind(out) == "folder" and out.exists():
        raise UserError(f"{out} exists already; remove it, or name another place")


def pack(out: Path, files: Files) -> None:
    """Write `files` to `out`: a .tar.gz (.tgz), a .zip or, with no suffix, a new directory.

    Times, owners and modes are fixed, so that equal files in equal order give equal bytes. An archive that
    stands at `out` is replaced. Raises UserError for another suffix or a directory that exists.
    """
    check_place(out)
    if _kind(out) == "folder":
        _folder(out, files)
        return
    with whole(out) as temporary:
        (_zip if _kind(out) == "zip" else _tar)(temporary, files)


def _tar(path: Path, files: Files) -> None:
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _zip(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w", compresslevel=6) as archive:
        for name, content in files:
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3  # Unix, wherever it is written
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
            archive.writestr(member, content)


def _folder(out: Path, files: Files) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        for name, content in files:
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    """Return the process's umask, which can be read only by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
