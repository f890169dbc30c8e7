"""A disk without room is something that a person can mend."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from refer.errors import UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


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
