"""What the readers of all archive formats share: entries, limits, and sentences about what is wrong."""

from __future__ import annotations

import lzma
import re
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from refer.errors import UserError
from refer.files import FULL

CHUNK = 1 << 20  # bytes read at once
RATIO_FROM = 4 << 20  # bytes: below, a high compression ratio does no harm and blank images reach one
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError,
    ValueError, OverflowError, LookupError, struct.error,  # of headers that no honest program writes
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What a data set may unpack to; the defaults are far above every real one.

    entries: number of members, folders included. member, total: unpacked bytes of one and of all.
    ratio: unpacked bytes for each packed byte, of one member and of all (judged from RATIO_FROM bytes on).
    archives: number of archives inside a folder or an archive.
    """

    entries: int = 2_000_000
    member: int = 16 << 30
    total: int = 256 << 30
    ratio: float = 200.0
    archives: int = 200


LIMITS = Limits()


class Packed(NamedTuple):
    """An archive that is open."""

    name: str  # for messages
    stream: IO[bytes]
    size: int  # in bytes


class Entry(NamedTuple):
    """What an archive says of one entry, before it is judged."""

    name: str
    size: int | None = None  # None: a folder
    stream: IO[bytes] | None = None
    position: int | None = None  # None: the sizes up to here
    path: Path | None = None  # where it lies as a plain file


class Budget:
    """What may still be unpacked, over all archives of one data set together.

    packed: bytes of what the user gave. Archives inside are no excuse: ten that unpack to 200 times their
    size, in one that does the same, are judged by the size of that one.
    workspace: folder for temporary files; None: the system's.
    """

    def __init__(self, limits: Limits, packed: int, workspace: Path | None = None) -> None:
        self.limits, self.packed, self.workspace = limits, packed, workspace
        self.entries = self.total = 0

    def entry(self, archive: str) -> None:
        """Count one more entry.

        Raises:
            UserError: there are more than the limit.
        """
        self.entries += 1
        if self.entries > self.limits.entries:
            raise too_many(archive, self.limits)

    def member(self, archive: str, name: str, size: int) -> None:
        """Count the bytes of one more file, before it is unpacked.

        Raises:
            UserError: the file, or all together, are more than the limits.
        """
        self.total += size
        if size > self.limits.member or self.total > self.limits.total:
            raise UserError(
                f"{archive} unpacks to more than {self.limits.member:,} bytes in one file or "
                f"{self.limits.total:,} in all (at {name}): refused as no data set."
            )
        judge_ratio(archive, "all up to " + name, self.total, self.packed, self.limits)


def judge_ratio(archive: str, name: str, unpacked: int, packed: int, limits: Limits) -> None:
    """Refuse what unpacks to absurdly much.

    Raises:
        UserError: `unpacked` bytes are more than limits.ratio times `packed`.
    """
    if unpacked > RATIO_FROM and unpacked > limits.ratio * max(packed, 1):
        raise UserError(
            f"{archive} ({name}) unpacks to more than {limits.ratio:g} times its size: refused as a "
            "decompression bomb. If it is honest, unpack it and give the folder."
        )


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


@contextmanager
def explained(archive: str, name: str = "") -> Iterator[None]:
    """Turn what the readers raise about a damaged archive into a sentence."""
    try:
        yield
    except DAMAGED as error:
        if getattr(error, "errno", None) in FULL:  # no fault of the archive
            raise
        raise damaged(f"{archive}: {name}" if name else archive, error) from error
    except NotImplementedError as error:
        raise UserError(
            f"{archive} uses a compression that is not known here ({error}): unpack it, give the folder."
        ) from error


def damaged(what: str, error: BaseException) -> UserError:
    """Return the sentence about something that cannot be read."""
    said = str(error) if str(error).strip("()") else type(error).__name__
    return UserError(f"{what} cannot be read ({said}): damaged or cut off? Get it again.")


def too_many(archive: str, limits: Limits) -> UserError:
    """Return the sentence about an archive of more entries than any data set has."""
    return UserError(f"{archive} holds more than {limits.entries:,} entries: refused as no data set.")


def link(archive: str, name: str) -> UserError:
    """Return the sentence about an entry that is neither a file nor a folder."""
    return UserError(f"{archive}: {name} is a link or a device: refused. Pack it anew with plain files.")


def encrypted(archive: str, name: str = "") -> UserError:
    """Return the sentence about an archive that needs a password."""
    where = f" (at {name})" if name else ""
    return UserError(f"{archive} is encrypted{where}: unpack it with its password, give the folder.")
