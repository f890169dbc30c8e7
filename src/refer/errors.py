"""What is said to a person: the one exception that is meant for them, and a hint at what they may have meant."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable

DISK = {
    errno.ENOSPC: "free some, then start again.",
    errno.EFBIG: "no file may be so large here (ulimit -f): allow more, then start again.",
    errno.EDQUOT: "free some, then start again.",
    errno.EROFS: "it must be written here: mount it so, or work in another folder.",
    errno.EACCES: "let this user write there, or work in another folder.",
    errno.EPERM: "let this user write there, or work in another folder.",
    errno.ENOTDIR: "a file stands where a folder must be: move it away.",
    errno.ENOENT: "it is gone, or cannot be made there: look, then start again.",
    errno.EIO: "the disk or its connection fails; look after it, then start again.",
    errno.ESTALE: "the disk's connection was lost; look after it, then start again.",
    errno.ENOMEM: "the machine has no memory left; have fewer jobs at once.",
}
"""What the system says of a disk → what to do."""


class UserError(Exception):
    """Something that the user can mend.

    The message says in one or two lines what was found, what was expected, and what to do. Entry points
    (the Snakefile, the scripts, the command line) print it without a traceback; anything else that is
    raised is a defect of this project and keeps its traceback.
    """


def unknown(name: object, known: Iterable[str]) -> str:
    """`'tpyo'; did you mean 'typo'? Known: …`."""
    names = [str(entry) for entry in known]
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name!r}.{hint} Known: {', '.join(names) or 'none'}"


def refuse_unknown(where: str, kind: str, names: str | Iterable[str], known: Iterable[str], beside: str = "") -> None:
    """Raise UserError for the first name that is not known.

    Args:
        where: of what file and key the names are.
        kind: what they are names of.
        names: several, or the word "all", which is always known.
        known: what there is.
        beside: where that is.
    """
    options = list(known)
    for name in () if names == "all" else names:
        if name not in options:
            raise UserError(f"{where}: no {kind} {unknown(name, options)}{f' {beside}' if beside else ''}.")


NO_MEMORY = re.compile("out of memory|can(no|')t allocate memory|failed to map segment", re.IGNORECASE)
"""What PyTorch says, and the dynamic loader of a library such as PyTorch's."""


def of_the_machine(error: BaseException) -> str | None:
    """Return the line about an error that is the machine's (disk, permissions, memory); None of any other."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in DISK:
            return f"{cause.filename or 'a file'}: {cause.strerror}; {DISK[cause.errno]}"
        # PyTorch says so in a RuntimeError, of which no class of its own is known without importing it.
        if isinstance(cause, MemoryError) or NO_MEMORY.search(str(cause)):
            said = " ".join(str(cause).split())[:160]
            return (
                f"out of memory ({said or 'no more could be had'}); have fewer jobs at once (--cores, --resources "
                "mem_mb=…), or a smaller recipe.batch_size or recipe.image_size."
            )
        cause = cause.__cause__ or cause.__context__
    return None
