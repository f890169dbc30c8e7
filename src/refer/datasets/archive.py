"""Members of a folder, a zip, a tar or a single table, one after the other and safely.

An archive from the network is not trusted: names cannot leave the place they are unpacked to, links and
devices are refused, and what unpacks to absurdly much is refused before it fills the disk. Nothing is ever
held in memory whole.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from refer.errors import UserError

CHUNK = 1 << 20  # bytes read at once
RATIO_FROM = 4 << 20  # bytes: below, a high compression ratio does no harm and blank images reach one
TABLE_SUFFIXES = (".csv",)
DUST = re.compile(r"(.*/)?(__MACOSX/.*|\._[^/]*|\.DS_Store|Thumbs\.db|desktop\.ini)", re.IGNORECASE)
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)
SIGNATURES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty one
    b"\x1f\x8b": "gz",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zst",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"version https://git-lfs": "a git-lfs pointer",
}


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to; the defaults are far above every real data set.

    entries: number of members, folders included. member, total: unpacked bytes of one and of all.
    ratio: unpacked bytes for each packed byte, of one member and of all (judged from RATIO_FROM bytes on).
    """

    entries: int = 2_000_000
    member: int = 16 << 30
    total: int = 256 << 30
    ratio: float = 200.0


LIMITS = Limits()


class Member(NamedTuple):
    """One file of an archive."""

    name: str  # normalised, see safe_name
    size: int  # unpacked, in bytes
    position: int  # how far the archive is read up to this file, of `extent` bytes
    chunks: Iterator[bytes]  # the content, to be read once


def is_dust(name: str) -> bool:
    """Tell whether a member is what macOS or Windows leaves behind, and no data."""
    return DUST.fullmatch(name) is not None


def kind(path: Path) -> str:
    """Return what `path` is by its first bytes: folder, zip, tar, gz, xz, bz2, csv.

    Raises:
        UserError: it is none of these; the message says what it looks like.
    """
    if path.is_dir():
        return "folder"
    if not path.is_file():
        raise UserError(f"{path.name} is neither a file nor a folder. Give the path of the archive or its folder.")
    with _explained(path), path.open("rb") as handle:
        head = handle.read(512)
    found = next((name for signature, name in SIGNATURES.items() if head.startswith(signature)), None)
    if found is None and head[257:262] == b"ustar":
        found = "tar"
    if found is None and path.suffix.lower() in TABLE_SUFFIXES and b"\0" not in head and head.lstrip()[:1] != b"<":
        found = "csv" if head else None
    if found in {"folder", "zip", "tar", "gz", "xz", "bz2", "csv"}:
        return str(found)
    raise UserError(
        f"{path.name} is {_looks_like(head, found)}; expected a folder, .zip, .tar, .tar.gz, .tar.xz, .tar.bz2 or "
        ".csv. Unpack it and give the folder, or get it again."
    )


def members(path: Path, limits: Limits = LIMITS) -> Iterator[Member]:
    """Yield the files of `path` in its own order (a folder's by name); use up each before the next.

    Raises:
        UserError: damaged, encrypted or cut off; a name that is absolute, leaves the folder, or stands twice;
            a link or device; more than `limits` allows.
    """
    form = kind(path)
    if form == "folder":
        entries = _folder(path)
    elif form == "csv":
        entries = iter([Entry(path.name, path.stat().st_size, path.open("rb"))])
    elif form == "zip":
        entries = _zip(path, limits)
    else:
        entries = _tar(path, form, limits)
    yield from _checked(path, entries, limits)


def extent(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(path) for name in names)  # noqa: PTH118


class Entry(NamedTuple):
    """What an archive says of one entry, before it is judged."""

    name: str
    size: int | None = None  # None: a folder
    stream: IO[bytes] | None = None
    position: int | None = None  # None: the sizes up to here


def _checked(path: Path, entries: Iterator[Entry], limits: Limits) -> Iterator[Member]:
    """Apply to every archive alike what does not depend on its format."""
    seen: set[str] = set()
    total = 0
    with _explained(path):
        for count, (raw_name, size, stream, position) in enumerate(entries, 1):
            if count > limits.entries:
                raise UserError(f"{path.name} holds more than {limits.entries:,} entries: refused as no data set.")
            if raw_name in (".", "./"):
                continue
            name = safe_name(raw_name, path.name)
            if size is None or stream is None:
                continue
            if name in seen:
                raise UserError(f"{path.name} holds {name} twice: pack it anew with each file once.")
            seen.add(name)
            total += size
            if size > limits.member or total > limits.total:
                raise UserError(
                    f"{path.name} unpacks to more than {limits.member:,} bytes in one file or {limits.total:,} in all "
                    f"(at {name}): refused as no data set."
                )
            with stream:
                yield Member(name, size, total if position is None else position, _chunks(path, name, size, stream))


def _chunks(path: Path, name: str, size: int, stream: IO[bytes]) -> Iterator[bytes]:
    left = size
    with _explained(path, name):
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise UserError(f"{path.name}: {name} has another length than stated: it is damaged or was changed meanwhile.")


def safe_name(name: str, archive: str) -> str:
    """Return a member's name with forward slashes, in Unicode NFC, and without "." parts.

    Raises:
        UserError: the name is absolute, climbs with .., is empty or holds control characters.
    """
    plain = unicodedata.normalize("NFC", name).replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    absolute = plain.startswith("/") or re.match(r"[A-Za-z]:", plain)
    unprintable = any(unicodedata.category(letter) in ("Cc", "Cs") for letter in plain)
    if absolute or unprintable or ".." in parts or not parts:
        raise UserError(
            f"{archive} holds a file named {name[:80]!r}, which is not a plain relative path: refused. "
            "Get the archive from its owner, or pack it anew."
        )
    return "/".join(parts)


def _folder(path: Path) -> Iterator[Entry]:
    """Walk a folder in the order of names, following no link."""
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        yield from _below(entry, entry.name)


def _below(entry: os.DirEntry[str], name: str) -> Iterator[Entry]:
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        yield Entry(name)
        for inner in sorted(os.scandir(entry.path), key=lambda inner: inner.name):
            yield from _below(inner, f"{name}/{inner.name}")
    elif stat.S_ISREG(mode):
        yield Entry(name, entry.stat(follow_symlinks=False).st_size, _opened(entry))
    else:
        raise UserError(f"{name} is a link or a device: give a folder with plain files (cp -rL makes one).")


def _opened(entry: os.DirEntry[str]) -> IO[bytes]:
    return Path(entry.path).open("rb")


def _zip(path: Path, limits: Limits) -> Iterator[Entry]:
    with _explained(path), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        # What the directory at the end states is judged before anything is unpacked; zipfile holds members to it.
        _judge_ratio(path, "all of it", sum(info.file_size for info in infos), path.stat().st_size, limits)
        for info in infos:
            name = info.orig_filename
            form = stat.S_IFMT(info.external_attr >> 16)
            if form not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(f"{path.name}: {name} is a link or a device: refused. Pack it anew with plain files.")
            if info.flag_bits & 0x1:
                raise UserError(f"{path.name} is encrypted (at {name}): unpack it with its password, give the folder.")
            if info.is_dir():
                yield Entry(name)
                continue
            _judge_ratio(path, name, info.file_size, info.compress_size, limits)
            yield Entry(name, info.file_size, archive.open(info), info.header_offset + info.compress_size)


def _tar(path: Path, form: str, limits: Limits) -> Iterator[Entry]:
    with _explained(path), path.open("rb") as packed:
        source = _Bounded(_unpacked(path, form, packed), packed, path, limits)
        with tarfile.open(fileobj=source, mode="r:") as archive:
            while (info := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
                if info.isdir():
                    yield Entry(info.name)
                elif info.isreg() and not info.issparse():
                    yield Entry(info.name, info.size, archive.extractfile(info), packed.tell())
                else:
                    raise UserError(
                        f"{path.name}: {info.name} is a link or a device: refused. Pack it anew with plain files."
                    )
        # tarfile takes a damaged header for the end, so look for the block of zeros that is the end.
        if source.last.strip(b"\0") or not source.last:
            raise UserError(f"{path.name} ends before its end mark: it is damaged or cut off. Get it again.")
        while source.read(CHUNK):
            pass  # to the end: only there are the checksums of gz, xz and bz2 compared


def _unpacked(path: Path, form: str, packed: IO[bytes]) -> Any:
    if form == "gz":
        return gzip.GzipFile(fileobj=packed)
    if form == "xz":
        return lzma.LZMAFile(packed)
    if form == "bz2":
        return bz2.BZ2File(packed)
    return packed


class _Bounded(io.RawIOBase):
    """What tarfile reads from: only forwards, and never more than `limits` allows."""

    def __init__(self, stream: IO[bytes], packed: IO[bytes], path: Path, limits: Limits) -> None:
        self.stream, self.packed, self.path, self.limits = stream, packed, path, limits
        self.position = 0
        self.last = b""  # the latest block that was read, empty at the end of the file

    def read(self, size: int = -1) -> bytes:
        # A header may state any length for a long name, and tarfile reads it at one go.
        if not 0 <= size <= 16 * CHUNK:
            raise UserError(f"{self.path.name} holds a header of {size:,} bytes: refused. Get it from its owner.")
        self.last = self.stream.read(size)
        self.position += len(self.last)
        # Padding and headers come on top of the members: twice the total leaves room for them.
        if self.position > 2 * self.limits.total:
            raise UserError(f"{self.path.name} unpacks to more than {self.limits.total:,} bytes: refused.")
        _judge_ratio(self.path, "all of it", self.position, self.packed.tell(), self.limits)
        return self.last

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < self.position:
            raise io.UnsupportedOperation("only forwards")
        while self.position < offset and self.read(min(CHUNK, offset - self.position)):
            pass
        return self.position

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


def _judge_ratio(path: Path, name: str, unpacked: int, packed: int, limits: Limits) -> None:
    if unpacked > RATIO_FROM and unpacked > limits.ratio * max(packed, 1):
        raise UserError(
            f"{path.name} ({name}) unpacks to more than {limits.ratio:g} times its size: refused as a "
            "decompression bomb. If it is honest, unpack it and give the folder."
        )


@contextmanager
def _explained(path: Path, name: str = "") -> Iterator[None]:
    """Turn what the readers raise about a damaged archive into a sentence."""
    try:
        yield
    except DAMAGED as error:
        where = f"{path.name}: {name}" if name else path.name
        raise UserError(
            f"{where} cannot be read ({error or type(error).__name__}): damaged or cut off? Get it again."
        ) from error
    except NotImplementedError as error:
        raise UserError(
            f"{path.name} uses a compression that is not known here ({error}): unpack it, give the folder."
        ) from error


def _looks_like(head: bytes, found: Any) -> str:
    if found:
        return f"{found}" if " " in found else f"a {found} archive"
    if not head:
        return "empty"
    if head.lstrip()[:1] == b"<":
        return "a web page (perhaps the log-in page that came in its place)"
    return f"of an unknown kind (it begins with {head[:12]!r})"
