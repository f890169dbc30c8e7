"""Mistakes on the command line that Snakemake answers with a traceback, or without the command that helps here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

UNREADABLE = ("RecursionError", "UnicodeDecodeError", "Config file is not valid")
"""What Snakemake says of a configuration that it cannot read."""


def in_plain_words(message: str, arguments: Sequence[str]) -> str | None:
    """Return a line for such a mistake, None for any other message.

    Args:
        message: what Snakemake says.
        arguments: its command line.
    """
    if "Invalid config definition" in message:
        for word in (word for flag in ("--config", "-C") for word in _after(flag, arguments)):
            key, equals, value = word.partition("=")
            if not equals:
                return f"error: --config {word}: expected KEY=VALUE, as in --config '{_KEY}=8'"
            if not re.fullmatch(r"[A-Za-z_][\w-]*\w", key):
                return f"error: --config {word}: {_right(key, value)}"
    files = [word for flag in ("--configfile", "--configfiles") for word in _after(flag, arguments)]
    if any(word in message for word in UNREADABLE):
        from refer import yaml
        from refer.errors import UserError

        for file in files:
            try:
                yaml.read(file)
            except UserError as error:
                return f"error: {error}"
    if "FileNotFoundError" in message and "configfile" in message:
        for file in files:
            if not Path(file).is_file():
                known = ", ".join(map(str, sorted(Path("presets").glob("*.yaml")))) or "none"
                return f"error: --configfile {file}: there is no such file. Presets here: {known}"
    if "Directory cannot be locked" in message:
        given = " ".join(word for word in arguments if word != "--unlock")
        return (
            "error: another Snakemake runs in this folder, or was killed in it. Wait for it, or end what it left:\n"
            f"  refer resume -- {given}"
        )
    return None


_KEY = "ambiguity__khalid2025__heads"


def _right(key: str, value: str) -> str:
    """Return how a value is given to a key that Snakemake does not take as it was written."""
    steps = [step for step in re.split(r"[^\w*-]+|__", key) if step]
    if "*" not in key:
        return f"two underscores lead into a section: --config '{'__'.join(steps)}={value}'"
    # A key of `override` with stars is one key, dots and all; Snakemake lays a section over what is there.
    *sections, last = [*steps[:3], ".".join(steps[3:])] if steps[0] == "reproduce" else [*steps[:-1], steps[-1]]
    inner = f"{{'{last}': {value}}}"
    for section in reversed(sections[1:]):
        inner = f"{{'{section}': {inner}}}"
    return f'a key with stars stands in a section: --config "{sections[0]}={inner}"'


def _after(flag: str, arguments: Sequence[str]) -> list[str]:
    """Return the words that follow a flag, up to the next one, each time it is given."""
    found, takes = [], False
    for word in arguments:
        name, equals, value = word.partition("=")
        if word.startswith("-C") and flag == "-C" and len(word) > 2:
            found.append(word[2:].removeprefix("="))
            takes = True
        elif word.startswith("-"):
            takes = name == flag
            found += [value] if takes and equals else []
        elif takes:
            found.append(word)
    return found
