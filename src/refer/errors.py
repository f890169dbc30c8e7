"""What is said to a person: the one exception that is meant for them, and a hint at what they may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
