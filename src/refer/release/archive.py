"""One zip with equal bytes for equal content, and the check of one that somebody was given.

Members are stored, not deflated: compressed bytes depend on the version of zlib, and pictures and Parquet files are
compressed already. So an archive with a deflated member is none of ours, and unpacks to no more than its own size.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from refer.datasets.raw.archive_base import explained, link, safe_name
from refer.errors import UserError
from refer.files import whole

SUMS = "SHA256SUMS"
BLOCK = 1 << 20

Source = Path | bytes
"""What becomes a member: a file, or its content."""
Report = Callable[[int], object]
"""Is told how many more bytes are done."""


class Checked(NamedTuple):
    """An archive that was found whole: its number of files and their bytes."""

    files: int
    bytes: int


def size(source: Source) -> int:
    """Return the bytes of a member to be."""
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def digest(source: Source, report: Report = lambda done: None) -> str:
    """Return the SHA-256 of a member to be, as 64 hexadecimal digits."""
    if isinstance(source, bytes):
        report(len(source))
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as handle:
        return _digest(handle, report)


def write(
    out: Path, top: str, members: Mapping[str, Source], sums: Mapping[str, str], created: str,
    report: Report = lambda done: None,
) -> None:  # fmt: skip
    """Write the archive, whole or not at all, with the list of hashes that `sha256sum -c` reads.

    Args:
        out: the zip.
        top: the folder that everything lies in.
        members: path below it → file or content.
        sums: path → SHA-256 of each.
        created: the time that every member is given, ISO 8601.
        report: see `Report`; each byte is read twice.

    Raises:
        UserError: a file is not what was hashed: it changed meanwhile.
    """
    when = datetime.fromisoformat(created).timetuple()[:6]
    listing = "".join(f"{sums[name]}  {name}\n" for name in sorted(members)).encode()
    with whole(out) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            for name, source in sorted({**members, SUMS: listing}.items()):
                info = zipfile.ZipInfo(f"{top}/{name}", when)
                info.create_system, info.external_attr = 3, 0o100644 << 16
                info.file_size = size(source)
                with archive.open(info, "w") as target:
                    if isinstance(source, bytes):
                        target.write(source)
                    else:
                        with source.open("rb") as handle:
                            shutil.copyfileobj(handle, target, BLOCK)
                report(size(source))
        check(temporary, report)


def check(path: Path, report: Report = lambda done: None) -> Checked:
    """Check every file of an archive against its list of hashes.

    Raises:
        UserError: it is no archive of a release, or a file is altered, missing or too many.
    """
    with explained(str(path)), zipfile.ZipFile(path) as archive:
        return _check(path, archive, report)


def _check_directory(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse what is not written by `write`, and would do harm to who unpacks it."""
    for info in archive.infolist():
        safe_name(info.orig_filename, str(path))
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise link(str(path), repr(info.orig_filename))
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1:
            raise UserError(f"{path}: {info.filename} is compressed or encrypted; expected plain content, as in every "
                            "release. Fetch it again from where it was released.")  # fmt: skip
    if (total := sum(info.file_size for info in archive.infolist())) > (size := path.stat().st_size):
        raise UserError(f"{path}: its files are {total:,} bytes, more than its own {size:,}; fetch it again.")


def _check(path: Path, archive: zipfile.ZipFile, report: Report) -> Checked:
    _check_directory(path, archive)
    names = archive.namelist()
    lists = [name for name in names if name.count("/") == 1 and name.endswith(f"/{SUMS}")]
    if len(lists) != 1 or len(set(names)) != len(names):
        raise UserError(f"{path}: no archive of a release: expected one folder with one {SUMS}, and no name twice.")
    top = lists[0].removesuffix(SUMS)
    expected = dict(_lines(archive.read(lists[0]).decode("utf-8")))
    for number, name in enumerate(sorted({*expected} ^ {name.removeprefix(top) for name in names} - {SUMS})):
        if number == 0:
            what = "is missing" if name in expected else f"is not in {SUMS}"
            raise UserError(f"{path}: {name} {what}; fetch the archive again.")
    total = 0
    for name, wanted in expected.items():
        info = archive.getinfo(top + name)
        total += info.file_size
        with archive.open(info) as handle:
            found = _digest(handle, report)
        if found != wanted:
            raise UserError(f"{path}: {name} is altered: found SHA-256 {found[:12]}, expected {wanted[:12]}.")
    return Checked(len(expected), total)


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        digits, _, name = line.partition("  ")
        yield name, digits


def _digest(handle: IO[bytes], report: Report) -> str:
    found = hashlib.sha256()
    while block := handle.read(BLOCK):
        found.update(block)
        report(len(block))
    return found.hexdigest()
