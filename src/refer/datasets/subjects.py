"""The pattern that finds a person in a file's name: a regular expression that a configuration brings along."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from refer.errors import UserError

GROUP = "subject"
SECONDS = 20.0
"""For all names of a data set together; a million names take a good pattern about one."""


def check_pattern(pattern: str) -> None:
    """Raise UserError unless `pattern` is a regular expression with a group named `subject`."""
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        raise UserError(f"The subject pattern {pattern!r} is no regular expression: {error}.") from error
    if GROUP not in groups:
        raise UserError(
            f"The subject pattern {pattern!r} has no group named {GROUP}: write for instance "
            r"'/(?P<subject>S\d+)_'."
        )


def finder(pattern: str, seconds: float = SECONDS) -> Callable[[str], str | None]:
    """Return what finds the person in a name: the group `subject` of the first match, None where there is none.

    A pattern such as `(a+)+$` tries ever more ways with each letter of a name. The module `regex` reads what `re` does
    and can be stopped; a linear engine would know neither look-around nor back-references.

    Args:
        pattern: a regular expression.
        seconds: for all names together.

    Raises:
        UserError: it is no regular expression with this group, or (by what is returned) took too long.
    """
    import regex

    check_pattern(pattern)
    try:
        compiled = regex.compile(pattern)
    except (regex.error, RecursionError) as error:
        raise UserError(f"The subject pattern {pattern!r} is no regular expression: {error}.") from error
    left = seconds

    def find(name: str) -> str | None:
        nonlocal left
        began = time.perf_counter()
        try:
            found = compiled.search(name, timeout=max(left, 1e-3))
        except TimeoutError:
            raise UserError(
                f"The subject pattern {pattern!r} took more than {seconds:g} s, the last of it on {name[:80]!r}: write "
                "one without repeats in repeats, such as (a+)+."
            ) from None
        left -= time.perf_counter() - began
        return (found[GROUP] or None) if found else None

    return find
