"""Members of a folder, a zip, a 7z, a tar or a single table, one after the other and safely.

An archive from the network is not trusted: names cannot leave the place they are unpacked to, links and
devices are refused, and what unpacks to absurdly much is refused before it fills the disk. Nothing is ever
held in memory whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, Any, NamedTuple

from refer.datasets.raw.archive_base import CHUNK, LIMITS, Budget, Entry, Limits, Packed, explained, safe_name
from refer.datasets.raw.archive_formats import folder, sevenzip, tabled, unpacked, zipped
from refer.datasets.raw.image_tables import image_table
from refer.datasets.texts import is_table
from refer.errors import UserError

PACKED_NAME = re.compile(
    r"(?P<stem>.*[^/])\.(zip|7z|rar|tar|tgz|txz|tbz2?|tar\.(gz|xz|bz2|zst|lzma)|csv\.(gz|xz|bz2)|parquet)",
    re.IGNORECASE,
)
DUST = re.compile(r"(.*/)?(__MACOSX/.*|\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini)", re.IGNORECASE)
SIGNATURES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty one
    b"\x1f\x8b": "gz",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bz2",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x28\xb5\x2f\xfd": "zst",
    b"Rar!": "rar",
    b"PAR1": "parquet",
    b"version https://git-lfs": "a git-lfs pointer",
    b"\x89HDF": "an HDF5 file",
}
READABLE = ("zip", "7z", "tar", "gz", "xz", "bz2", "parquet")
HELP = {
    "rar": "Unpack it (unrar x {name}), and give the folder",
    "zst": "Unpack it (tar --zstd -xf {name}), and give the folder",
    "a git-lfs pointer": "Get the file that it stands for: git lfs pull",
}
"""What is found → what to do about it."""
TABLES = (".csv", ".tsv", ".txt")


class Member(NamedTuple):
    """One file of an archive."""

    name: str  # normalised, see safe_name
    size: int  # unpacked, in bytes
    position: int  # how far the archive is read up to this file, of `extent` bytes
    chunks: Iterator[bytes]  # the content, to be read once
    path: Path | None = None  # where it lies, if it is a plain file of a folder


def is_dust(name: str) -> bool:
    """Tell whether a member is what macOS or Windows leaves behind, and no data."""
    return DUST.fullmatch(name) is not None


def stem(name: str) -> str:
    """Return the name of an archive without its suffix, "" for a name that is no archive's."""
    found = PACKED_NAME.fullmatch(name)
    return found["stem"] if found else ""


def kind(source: Path, name: str = "") -> str:
    """Return what `source` is by its first bytes: folder, csv or one of READABLE; `name` is for messages.

    Raises:
        UserError: it is none of these; the message says what it looks like.
    """
    name = name or source.name
    if source.is_dir():
        return "folder"
    if not source.is_file():
        raise UserError(f"{name} is neither a file nor a folder. Give the path of the archive or its folder.")
    with explained(name), source.open("rb") as handle:
        return _kind(name, handle.read(512))


def _kind(name: str, head: bytes) -> str:
    found = next((form for signature, form in SIGNATURES.items() if head.startswith(signature)), None)
    if found is None and head[257:262] == b"ustar":
        found = "tar"
    if found is None and (Path(name).suffix.lower() in TABLES or not Path(name).suffix) and is_table(head):
        found = "csv"
    if found in READABLE or found == "csv":
        return str(found)
    way = HELP.get(str(found), "Unpack it and give the folder, or see what it is: file {name}")
    raise UserError(
        f"{name} is {_looks_like(head, found)}; expected a folder, .zip, .7z, .tar, .tar.gz, .tar.xz, .tar.bz2, "
        f".parquet or .csv. {way.format(name=name)}."
    )


def members(
    source: Path, limits: Limits = LIMITS, budget: Budget | None = None, name: str = "", *, whole: bool = False
) -> Iterator[Member]:
    """Yield the files of `source` in its own order, a folder's and a 7z's by name; use up each before the next.

    Args:
        source: a folder, an archive or a table.
        limits: what one archive may unpack to.
        budget: what several archives may unpack to together; this one alone if it is not given.
        name: what the source is called in messages, where its path does not tell it.
        whole: a parquet file is the one member, not what it holds.

    Raises:
        UserError: damaged, encrypted or cut off; a name that is absolute, leaves the folder, or stands twice;
            a link or device; more than `limits` or `budget` allow.
    """
    name = name or source.name
    form = kind(source, name)
    budget = budget or Budget(limits, extent(source))
    with ExitStack() as opened:
        if form == "folder":
            entries = folder(source)
        else:
            with explained(name):
                stream = opened.enter_context(source.open("rb"))
            packed = Packed(name, stream, source.stat().st_size)
            if form == "csv" or (form == "parquet" and whole):
                entries = tabled(packed)
            elif form == "zip":
                entries = zipped(packed, limits)
            elif form == "7z":
                entries = sevenzip(packed, budget)
            elif form == "parquet":
                entries = image_table(packed, limits)
            else:
                entries = unpacked(packed, form, limits)
        # Closed here, not whenever it is collected: a 7z is unpacked into a temporary folder.
        with closing(entries):
            yield from _checked(name, entries, budget)


def extent(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(path) for name in names)  # noqa: PTH118


def _checked(archive: str, entries: Iterator[Entry], budget: Budget) -> Iterator[Member]:
    """Apply to every archive alike what does not depend on its format."""
    seen: set[str] = set()
    done = 0
    with explained(archive):
        for raw_name, size, stream, position, path in entries:
            budget.entry(archive)
            if raw_name in (".", "./"):
                continue
            name = safe_name(raw_name, archive)
            if size is None or stream is None:
                continue
            if name in seen:
                raise UserError(f"{archive} holds {name} twice: pack it anew with each file once.")
            seen.add(name)
            done += size
            with stream:
                budget.member(archive, name, size)
                yield Member(
                    name, size, done if position is None else position, _chunks(archive, name, size, stream), path
                )


def _chunks(archive: str, name: str, size: int, stream: IO[bytes]) -> Iterator[bytes]:
    left = size
    with explained(archive, name):
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise UserError(f"{archive}: {name} has another length than stated: it is damaged or was changed meanwhile.")


def _looks_like(head: bytes, found: Any) -> str:
    if found:
        return (
            f"{found}"
            if " " in found
            else f"{found}, which is not read here"
            if found in ("HDF5",)
            else f"a {found} archive"
        )
    if not head:
        return "empty"
    if head.lstrip()[:1] == b"<":
        return "a web page (perhaps the log-in page that came in its place)"
    return f"of an unknown kind (it begins with {head[:12]!r})"
