"""The entries of folders, zips, tars and 7z archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from refer.datasets.raw.archive_base import (
    CHUNK,
    Budget,
    Entry,
    Limits,
    Packed,
    damaged,
    encrypted,
    explained,
    judge_ratio,
    link,
    safe_name,
    too_many,
)
from refer.errors import UserError

HEADER = 1 << 16
"""Bytes of a header of a tar, at most; a name has 4,096."""
LONG_NUMBER = re.compile(rb"\d{256}")


def folder(path: Path) -> Generator[Entry]:
    """Walk a folder in the order of names, following no link."""
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        yield from _below(entry, entry.name)


def _below(entry: os.DirEntry[str], name: str) -> Generator[Entry]:
    mode = entry.stat(follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        yield Entry(name)
        for inner in sorted(os.scandir(entry.path), key=lambda inner: inner.name):
            yield from _below(inner, f"{name}/{inner.name}")
    elif stat.S_ISREG(mode):
        path = Path(entry.path)
        yield Entry(name, entry.stat(follow_symlinks=False).st_size, path.open("rb"), path=path)
    else:
        raise UserError(f"{name} is a link or a device: give a folder with plain files (cp -rL makes one).")


def tabled(packed: Packed) -> Generator[Entry]:
    """Yield a single table as its own only entry."""
    yield Entry(packed.name, packed.size, packed.stream)


def zipped(packed: Packed, limits: Limits) -> Generator[Entry]:
    """Yield the entries of a zip."""
    with explained(packed.name), zipfile.ZipFile(packed.stream) as archive:
        infos = archive.infolist()
        if len(infos) > limits.entries:
            raise too_many(packed.name, limits)
        # What the directory at the end states is judged before anything is unpacked; zipfile holds members to it.
        judge_ratio(packed.name, "all of it", sum(info.file_size for info in infos), packed.size, limits)
        for info in infos:
            name = info.orig_filename
            form = stat.S_IFMT(info.external_attr >> 16)
            if form not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise link(packed.name, name)
            if info.flag_bits & 0x1:
                raise encrypted(packed.name, name)
            if info.is_dir():
                yield Entry(name)
                continue
            judge_ratio(packed.name, name, info.file_size, info.compress_size, limits)
            yield Entry(name, info.file_size, archive.open(info), info.header_offset + info.compress_size)


def unpacked(packed: Packed, form: str, limits: Limits) -> Generator[Entry]:
    """Yield the entries of a tar, packed as `form` says, or the one file that is packed alone (fer2013.csv.gz)."""
    alone = re.fullmatch(r"(?P<name>.+)\.(gz|xz|bz2)", packed.name, re.IGNORECASE)
    if form == "tar" or not alone or alone["name"].lower().endswith(".tar"):
        yield from tarred(packed, form, limits)
        return
    with explained(packed.name):
        size, head = _measured(form, packed, limits)
        packed.stream.seek(0)
    if _begins_a_tar(head):
        yield from tarred(packed, form, limits)
    else:
        yield Entry(alone["name"], size, _unpacked(form, packed.stream))


def _measured(form: str, packed: Packed, limits: Limits) -> tuple[int, bytes]:
    """Return how many bytes a packed file has, after reading it once, and the first of them."""
    stream, size, head = _unpacked(form, packed.stream), 0, b""
    while block := stream.read(CHUNK):
        head = head or block[: tarfile.BLOCKSIZE]
        size += len(block)
        if size > limits.member:
            raise UserError(f"{packed.name} unpacks to more than {limits.member:,} bytes: refused as no data set.")
        judge_ratio(packed.name, "all of it", size, packed.stream.tell(), limits)
    return size, head


def _begins_a_tar(head: bytes) -> bool:
    if not head.strip(b"\0"):
        return True  # an empty one
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def tarred(packed: Packed, form: str, limits: Limits) -> Generator[Entry]:
    """Yield the entries of a tar that is packed as `form` says: tar (not at all), gz, xz or bz2."""
    with explained(packed.name):
        source = _Bounded(_unpacked(form, packed.stream), packed, limits)
        with tarfile.open(fileobj=source, mode="r:") as archive:
            while (info := source.header(archive)) is not None:
                archive.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
                if info.isdir():
                    yield Entry(info.name)
                elif info.isreg() and not info.issparse():
                    yield Entry(info.name, info.size, archive.extractfile(info), packed.stream.tell())
                else:
                    raise link(packed.name, info.name)
        # tarfile takes a damaged header for the end, so look for the block of zeros that is the end.
        if source.last.strip(b"\0") or not source.last:
            raise UserError(f"{packed.name} ends before its end mark: it is damaged or cut off. Get it again.")
        while source.read(CHUNK):
            pass  # to the end: only there are the checksums of gz, xz and bz2 compared


def sevenzip(packed: Packed, budget: Budget) -> Generator[Entry]:
    """Yield the entries of a 7z by name, after unpacking it into a temporary folder.

    Names, kinds and sizes are judged before the first is unpacked.
    """
    import py7zr

    with _explained_7z(packed.name), py7zr.SevenZipFile(packed.stream) as archive:
        if archive.needs_password():
            raise encrypted(packed.name)
        planned, names = Budget(budget.limits, packed.size), set()
        for file in archive.files:
            form = file.st_fmt or 0
            if file.is_symlink or file.is_junction or form not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise link(packed.name, file.filename)
            planned.entry(packed.name)
            name = safe_name(file.filename, packed.name)
            if file.is_directory or form == stat.S_IFDIR:
                continue
            if name in names:  # py7zr would call the second name_0
                raise UserError(f"{packed.name} holds {name} twice: pack it anew with each file once.")
            names.add(name)
            planned.member(packed.name, name, file.uncompressed)
            if file.compressed is not None:  # None: packed together with the file before it
                judge_ratio(packed.name, name, file.uncompressed, file.compressed, budget.limits)
        with tempfile.TemporaryDirectory(dir=budget.workspace) as place:
            archive.extractall(place)  # nosec B202  # names, kinds and sizes were judged above
            for entry in folder(Path(place)):
                yield entry._replace(path=None, position=packed.size)  # the path goes with the folder


@contextmanager
def _explained_7z(name: str) -> Iterator[None]:
    """Turn what py7zr raises into a sentence: about a damaged header it may raise anything."""
    from py7zr.exceptions import CrcError, PasswordRequired, UnsupportedCompressionMethodError

    try:
        yield
    except (UserError, OSError):  # `explained` tells damage from a full disk
        raise
    except PasswordRequired as error:
        raise encrypted(name) from error
    except UnsupportedCompressionMethodError as error:
        raise UserError(
            f"{name} uses a compression that is not known here ({error.message}): unpack it, give the folder."
        ) from error
    except CrcError as error:
        raise damaged(name, ValueError("wrong checksum")) from error
    except Exception as error:
        raise damaged(name, error) from error


def _unpacked(form: str, packed: IO[bytes]) -> Any:
    if form == "gz":
        return gzip.GzipFile(fileobj=packed)
    if form == "xz":
        return lzma.LZMAFile(packed)
    if form == "bz2":
        return bz2.BZ2File(packed)
    return packed


class _Bounded(io.RawIOBase):
    """What tarfile reads from: only forwards, and never more than `limits` allows."""

    def __init__(self, stream: IO[bytes], packed: Packed, limits: Limits) -> None:
        self.stream, self.packed, self.limits = stream, packed, limits
        self.position = 0
        self.last = b""  # the latest block that was read, empty at the end of the file
        self.in_header = True  # tarfile reads the first one when it opens the archive

    def header(self, archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        """Return the next member of `archive`, whose headers are held to `HEADER` bytes."""
        self.in_header = True
        try:
            return archive.next()
        finally:
            self.in_header = False

    def read(self, size: int = -1) -> bytes:
        # A header may state any length for a long name, and tarfile reads it at one go.
        limit = HEADER if self.in_header else 16 * CHUNK
        if not 0 <= size <= limit:
            raise UserError(
                f"{self.packed.name} holds a header of {size:,} bytes: refused, expected at most {limit:,}. Get it "
                "from its owner."
            )
        block = self._read(size)
        # tarfile looks for a number at each digit of a run of them (quadratic, CVE-2024-6232).
        if self.in_header and LONG_NUMBER.search(block):
            raise UserError(
                f"{self.packed.name} holds a header with a number without end: refused. Get it from its owner."
            )
        return block

    def _read(self, size: int) -> bytes:
        self.last = self.stream.read(size)
        self.position += len(self.last)
        # Padding and headers come on top of the members: twice the total leaves room for them.
        if self.position > 2 * self.limits.total:
            raise UserError(f"{self.packed.name} unpacks to more than {self.limits.total:,} bytes: refused.")
        judge_ratio(self.packed.name, "all of it", self.position, self.packed.stream.tell(), self.limits)
        return self.last

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < self.position:
            raise io.UnsupportedOperation("only forwards")
        while self.position < offset and self._read(min(CHUNK, offset - self.position)):
            pass
        return self.position

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True
