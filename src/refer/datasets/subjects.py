"""The pattern that finds a person in a file's name: a regular expression that a configuration brings along."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from refer.datasets.model import ImageRow, some
from refer.errors import UserError

GROUP = "subject"
ENOUGH = (40, 10)
"""Images, and pairs or unpaired images, from which on their number for each person must be plausible."""
SECONDS = 20.0
"""For all names of a data set together; a million names take a good pattern about one."""


def check_pattern(pattern: str, group: str = GROUP) -> None:
    """Raise UserError unless `pattern` is a regular expression with a group of this name."""
    try:
        groups = re.compile(pattern).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        raise UserError(f"The {group} pattern {pattern!r} is no regular expression: {error}.") from error
    if group not in groups:
        raise UserError(
            f"The {group} pattern {pattern!r} has no group named {group}: write for instance "
            rf"'/(?P<{group}>S\d+)_'."
        )


def finder(pattern: str, seconds: float = SECONDS, group: str = GROUP) -> Callable[[str], str | None]:
    """Return what finds the person in a name: the group `subject` of the first match, None where there is none.

    A match begins where a folder or a word of the name does, and cuts no number off: S1 is nobody in GLASSES1 and S12.

    A pattern such as `(a+)+$` tries ever more ways with each letter of a name. The module `regex` reads what `re` does
    and can be stopped; a linear engine would know neither look-around nor back-references.

    Args:
        pattern: a regular expression.
        seconds: for all names together.
        group: the name of the group, where something else than a person is looked for.

    Raises:
        UserError: it is no regular expression with this group, or (by what is returned) took too long.
    """
    import regex

    check_pattern(pattern, group)
    try:
        compiled = regex.compile(pattern)
    except (regex.error, RecursionError) as error:
        raise UserError(f"The {group} pattern {pattern!r} is no regular expression: {error}.") from error
    left = seconds

    def find(name: str) -> str | None:
        nonlocal left
        began = time.perf_counter()
        try:
            person = _first(compiled.finditer(name, timeout=max(left, 1e-3)), name, group)
        except TimeoutError:
            raise UserError(
                f"The {group} pattern {pattern!r} took more than {seconds:g} s, the last of it on {name[:80]!r}: write "
                "one without repeats in repeats, such as (a+)+."
            ) from None
        left -= time.perf_counter() - began
        return person

    return find


def _first(matches: Iterable[Any], name: str, group: str) -> str | None:
    for found in matches:
        start, end = found.start(), found.end(group)
        inside = start and name[start - 1].isalnum() and name[start : start + 1].isalnum()
        cut_off = name[end - 1 : end].isdecimal() and name[end : end + 1].isdecimal()
        if found[group] and not inside and not cut_off:
            return str(found[group])
    return None


def with_people(rows: Sequence[ImageRow], pattern: str) -> tuple[list[ImageRow], dict[str, int]]:
    """Return the rows with the person that the pattern finds in each member's name, and what a report says of it.

    Raises:
        UserError: it is no such pattern, or finds two people in a pair, or what cannot be people (see `plausible`).
    """
    find = finder(pattern)
    rows = [row._replace(subject=find(row.member)) for row in rows]
    subjects: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.pair and row.subject:
            subjects[row.pair].add(row.subject)
    mixed = sorted(pair for pair, found in subjects.items() if len(found) > 1)
    if mixed:
        raise UserError(
            f"The subject pattern finds two persons in one pair ({mixed[0]}: {', '.join(sorted(subjects[mixed[0]]))}"
            f"{f'; {len(mixed) - 1} more' if len(mixed) > 1 else ''}): correct the pattern or the names of the files."
        )
    unnamed = {"images whose name matches no subject": sum(row.subject is None for row in rows)}
    return rows, unnamed | plausible(pattern, rows)


def plausible(pattern: str, rows: Sequence[ImageRow]) -> dict[str, int]:
    """Return how many people the pattern found, on how many images.

    Raises:
        UserError: it found fewer than two people, or numbers of images of each that cannot be people.
    """
    images = Counter(row.subject for row in rows if row.subject is not None)
    moments = len({row.pair or row.id for row in rows if row.subject is not None})
    most = images.most_common(1)
    what = ""
    if not images:
        what = f"nobody in {len(rows):,} images, such as {rows[0].member}; expected at least two people"
    elif len(images) == 1:
        what = (
            f"one person alone, {most[0][0]}, in {most[0][1]:,} of {len(rows):,} images; expected at least two people"
        )
    elif images.total() >= ENOUGH[0] and 2 * most[0][1] > images.total():
        what = f"{len(images):,} people, of whom {most[0][0]} is on {most[0][1]:,} of {images.total():,} images"
    elif moments >= ENOUGH[1] and len(images) == moments:
        what = f"another person in each of {moments:,} pictures ({some(sorted(images))}), as a picture's number is"
    if what:
        raise UserError(
            f"The subject pattern {pattern!r} finds {what}. Correct `subject_pattern`, or remove it: then nobody is "
            "kept apart, and the audit says so."
        )
    return {
        "people found by the subject pattern": len(images),
        "images of one of these people, at most": most[0][1],
        "images of one of these people, at least": min(images.values()),
    }
