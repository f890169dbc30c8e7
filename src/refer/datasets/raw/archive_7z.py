"""The entries of a 7z archive, one after the other and never on the disk.

Imported only where there is one, for py7zr takes a while. py7zr pushes what it unpacks into writers; here it does
so in a thread that waits for the reader, so that a 7z is read like every other archive.
"""

from __future__ import annotations

import stat
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path, PurePath
from queue import Empty, Queue
from typing import Any

import py7zr
from py7zr.exceptions import CrcError, PasswordRequired, UnsupportedCompressionMethodError
from py7zr.io import Py7zIO, WriterFactory

from refer.datasets.raw.archive import safe_name
from refer.datasets.raw.archive_base import Entry, Limits, Packed, damaged, encrypted, judge_ratio, link
from refer.errors import UserError

AHEAD = 1  # chunks that wait for the reader: py7zr makes each as long as its member, 128 MB at most


def sevenzip(packed: Packed, limits: Limits) -> Generator[Entry]:
    """Yield the entries of a 7z; names, kinds and sizes are judged before the first is unpacked."""
    with _explained(packed.name), py7zr.SevenZipFile(packed.stream) as archive:
        if archive.needs_password():
            raise encrypted(packed.name)
        sizes: dict[str, int] = {}
        for file in archive.files:
            form = file.st_fmt or 0
            if file.is_symlink or file.is_junction or form not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise link(packed.name, file.filename)
            if file.is_directory or form == stat.S_IFDIR:
                yield Entry(file.filename)
                continue
            name = safe_name(file.filename, packed.name)
            if name in sizes:  # py7zr would call the second name_0
                raise UserError(f"{packed.name} holds {name} twice: pack it anew with each file once.")
            sizes[name] = file.uncompressed
            if file.compressed is not None:  # None: packed together with the file before it
                judge_ratio(packed.name, name, file.uncompressed, file.compressed, limits)
        judge_ratio(packed.name, "all of it", sum(sizes.values()), packed.size, limits)
        # py7zr checks names against a folder, follows the links in it, and writes nothing there.
        with tempfile.TemporaryDirectory() as empty, closing(_Pipe(packed.name, archive, Path(empty))) as pipe:
            while (found := pipe.next_member()) is not None:
                name = safe_name(found, packed.name)
                yield Entry(name, sizes[name], _Member(pipe), packed.stream.tell())  # type: ignore[arg-type]


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what py7zr raises into a sentence: about a damaged header it may raise anything."""
    try:
        yield
    except Exception as error:
        raise _sentence(name, error) from error


def _sentence(name: str, error: BaseException) -> BaseException:
    if isinstance(error, UserError) or not isinstance(error, Exception):
        return error
    if isinstance(error, PasswordRequired):
        return encrypted(name)
    if isinstance(error, UnsupportedCompressionMethodError):
        return UserError(
            f"{name} uses a compression that is not known here ({error.message}): unpack it, give the folder."
        )
    if isinstance(error, CrcError):
        return damaged(name, ValueError("wrong checksum"))
    return damaged(name, error)


class _Abandoned(Exception):  # noqa: N818 (no error: the reader has gone)
    """Ends py7zr's thread."""


class _Pipe(WriterFactory):
    """Runs py7zr in a thread and hands over what it writes: a str begins a member, None ends the archive."""

    def __init__(self, name: str, archive: py7zr.SevenZipFile, empty: Path) -> None:
        self._name, self._archive, self._empty = name, archive, empty
        self._queue: Queue[str | bytes | BaseException | None] = Queue(AHEAD)
        self._waiting: Any = b""  # the str or None that was taken out of the queue and belongs to the next member
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._unpack, daemon=True)
        self._thread.start()

    def next_member(self) -> str | None:
        """Return the name of the next member, None behind the last."""
        while self.read():
            pass
        name, self._waiting = self._waiting, b""
        return name

    def read(self) -> bytes:
        """Return the next bytes of this member, none at its end; raises what py7zr raised."""
        if self._waiting == b"":
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise _sentence(self._name, item) from item
            if isinstance(item, bytes):
                return item
            self._waiting = item
        return b""

    def close(self) -> None:
        """End the thread, wherever it is."""
        self._abandoned.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)  # lets a waiting thread go on to where it sees that it is over
            except Empty:
                continue
        self._thread.join()

    def put(self, item: Any) -> None:
        """Hand one item over; called in the thread."""
        if self._abandoned.is_set():
            raise _Abandoned
        self._queue.put(item)

    def create(self, filename: str) -> Py7zIO:
        """Begin a member; py7zr calls it, in the thread."""
        self.put(PurePath(filename).relative_to(self._empty).as_posix())
        return _Writer(self)

    def _unpack(self) -> None:
        try:
            self._archive.extractall(self._empty, factory=self)
            self.put(None)
        except _Abandoned:
            pass
        except BaseException as error:
            if not self._abandoned.is_set():
                self._queue.put(error)


class _Writer(Py7zIO):
    """What py7zr writes one member to."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._size = 0

    def write(self, s: bytes | bytearray) -> int:
        if s:
            self._pipe.put(bytes(s))
            self._size += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def flush(self) -> None:
        pass

    def size(self) -> int:
        return self._size


class _Member:
    """One member as a stream to read from."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe

    def read(self, _: int = -1) -> bytes:
        return self._pipe.read()

    def __enter__(self) -> _Member:
        return self

    def __exit__(self, *_: object) -> None:
        pass
