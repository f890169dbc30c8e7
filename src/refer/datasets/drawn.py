"""How a stand-in was drawn: presets and clones that share data/ must not take each other's for theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refer.files import NotJsonError, read_section, write_json

KEYS = ("images", "subjects", "seed", "layout", "usual")


def _beside(archive: str | Path) -> Path:
    path = Path(archive)
    return path.with_name(f".{path.name}.json")


def forget_drawn(archive: str | Path) -> None:
    """Before an archive is drawn: what lies beside it will no longer hold."""
    _beside(archive).unlink(missing_ok=True)


def note_drawn(archive: str | Path, how: Mapping[str, Any]) -> None:
    """Write down beside an archive how it was drawn: KEYS, with the layout that is taken where none is asked for."""
    write_json(_beside(archive), how)


def drawn_otherwise(archive: str | Path, how: Mapping[str, Any]) -> bool:
    """Return whether an archive is known to be drawn with other numbers, seed or layout than a configuration asks for.

    Args:
        archive: data/standin/<data set>.tar.gz. If an older version drew it, or the note was lost, nothing is known.
        how: `images`, `subjects`, `seed`, and `layout` if one is asked for.
    """
    try:
        note = read_section(_beside(archive), *KEYS)
    except (OSError, NotJsonError):
        return False
    wanted = {"layout": note["usual"], **how}
    return any(note[key] != wanted[key] for key in KEYS[:-1])
