"""Outputs that appear whole or not at all, and the hashes that name them."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from refer.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says of a disk without room."""


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success flush it to disk and rename it to `path`.

    On an exception the temporary file is removed and whatever stood at `path` stays as it was. The name
    keeps the suffix of `path`, because writers such as NumPy and Matplotlib go by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*.part{glob.escape(path.suffix)}"):
        if not _lives(left.name.removesuffix(f".part{path.suffix}").rpartition(".")[2]):
            left.unlink(missing_ok=True)  # of a process that was killed
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def room(path: Path, needed: int = 0) -> Iterator[None]:
    """Turn the error of a full disk into a sentence.

    Args:
        path: what is being written.
        needed: bytes that it takes, 0 where that is not known.

    Raises:
        UserError: there is no room left.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        # A writer that fails to close after a failed write raises about that; the cause stands behind it.
        cause: BaseException | None = error
        while cause is not None and getattr(cause, "errno", None) not in FULL:
            cause = cause.__context__
        if cause is None:
            raise
        size = f", which takes about {needed / 1e6:,.0f} MB" if needed else ""
        raise UserError(f"There is no room left on the disk for {path}{size}. Free some, then start again.") from error


def private_folder(path: str | Path) -> int:
    """Open a folder that nobody else can write into; make it if it is not there.

    Args:
        path: the folder, whose parents may be anybody's.

    Returns:
        Its descriptor, for files to be opened relative to it (`dir_fd`), whatever its name leads to later. Close it.

    Raises:
        UserError: it is a link, no folder, or another user's.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (NotADirectoryError, PermissionError) as error:  # a link is no directory, either
        what = "another user's folder" if isinstance(error, PermissionError) else "a link or no folder"
        raise UserError(f"{path}: found {what}, expected a folder of your own; remove it, then start again.") from None
    about = os.fstat(folder)
    if about.st_uid != os.geteuid():
        os.close(folder)
        raise UserError(
            f"{path}: found a folder of user {about.st_uid}, expected one of user {os.geteuid()}; have it removed."
        )
    if about.st_mode & 0o022:
        os.fchmod(folder, 0o700)
    return folder


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except OSError:
        return True
    return True


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with Unix line ends, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


class NotJsonError(UserError, ValueError):
    """A file that should hold JSON and does not."""


def read_json(path: str | Path) -> Any:
    """Read the JSON file `path`.

    Raises:
        NotJsonError: it is damaged, or no JSON.
        OSError: it cannot be read.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"{path}: not valid JSON ({str(error)[:120]}); restore it, or make it again.") from None


def read_section(path: str | Path, *keys: str) -> dict[str, Any]:
    """Read a JSON file that this project wrote: a section with these keys.

    Raises:
        NotJsonError: it is damaged, or lacks some.
        OSError: it cannot be read.
    """
    content = read_json(path)
    missing = [key for key in keys if key not in content] if isinstance(content, dict) else list(keys)
    if missing or not isinstance(content, dict):
        found = f"lacks {', '.join(missing)}" if isinstance(content, dict) else f"is a {type(content).__name__}"
        raise NotJsonError(f"{path}: {found}; expected what this project wrote: restore it, or make it again.")
    return content


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def seal(content: Iterable[tuple[str, Any]], about: Any) -> str:
    """Return the SHA-256 of what is stated, as JSON, and of named buffers in the order of their names."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, buffer in sorted(content, key=lambda item: item[0]):
        digest.update(name.encode())
        digest.update(buffer)
    return digest.hexdigest()
