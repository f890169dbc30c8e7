"""What a release may hold: a closed list, so that no picture of a person and no weights slip in beside the results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from refer.errors import UserError

DATA = r"[a-z0-9]+(?:-standin)?"
RUN = rf"runs/[a-z0-9_+-]+/{DATA}/(?:published|audited)/[a-z0-9_-]+/seed\d+(?:-fold\d+)?"
FIGURES = (
    "audit", "batch_tokens", "classes", "confusion", "curves", "forest", "pairs", "ranking", "representations",
    "sensitivity", "verdicts",
)  # fmt: skip
"""Kinds of figures that show numbers, never a face."""
FACES = ("attention", "composed", "copies", "explained", "sheets")
"""Kinds of figures that show faces, and therefore drawn ones alone."""
LEFT_OF_BORDER = ("attention", "composed", "copies", "representations", "sheets")
"""Kinds of figures that are made from images or networks, not from predictions."""

ROLES = {
    "prediction": rf"{RUN}/predictions\.parquet",
    "record": rf"{RUN}/run\.json",
    "curve": rf"{RUN}/training\.csv",
    "audit": rf"data/{DATA}/audit\.json",
    "split": rf"data/{DATA}/split\.[a-z0-9_+-]+\.(?:published|audited)\.json",
    "images": rf"data/{DATA}/images\.parquet",
    "batches": r"batch_tokens/[a-z0-9_.-]+\.parquet",
    "realtime": r"realtime/[^/]+\.json",
    "results": r"results\.parquet",
    "table": r"tables/[^/]+\.(?:csv|md|tex|html)",
    "figure": rf"figures/(?:(?:{'|'.join(FIGURES)})|(?:{'|'.join(FACES)})(?=/[^/]*-standin))(?:/.*)?\.(?:svg|png)",
    "page": r"report\.html",
}
"""Role → the paths below results/<preset>/ that have it."""
LEFT_OUT = "|".join(
    [
        rf"{RUN}/(?:checkpoint|explanations|resume)\.safetensors",
        rf"{RUN}/resume\.stale",
        r"release\.json|workflow\.html|results\.csv",
        r"metrics/[^/]+\.json|plots/[^/]+/[^/]+\.csv",
        r"(?:.*/)?\.[^/]+",
    ]
)
"""What lies there too and is no part of the release: weights, Snakemake's own page, the results table once more as
text, DVC's copies of numbers, hidden files."""


def role_of(path: str) -> str | None:
    """Return the role of a path below results/<preset>/, None for one that is left out.

    Raises:
        UserError: nothing of that name belongs into a release.
    """
    if re.fullmatch(LEFT_OUT, path):
        return None
    for role, pattern in ROLES.items():
        if re.fullmatch(pattern, path):
            return role
    why = "it may show people, or be nobody's business"
    if (kind := path.split("/")[1:2]) and path.startswith("figures/") and kind[0] in FACES:
        why = "figures of this kind show faces, and only drawn ones may be released"
    raise UserError(
        f"{path}: nothing that a release may hold, for {why}. Remove it; if it belongs there, name its kind in "
        "src/refer/release/contents.py."
    )


def listed(folder: Path) -> dict[str, str]:
    """Return path → role of all that a release of results/<preset>/ holds, sorted by path.

    Raises:
        UserError: a file lies there that is neither released nor known to be left out, or is a link.
    """
    found = {}
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        try:
            role = role_of(name)
        except UserError as error:
            raise UserError(f"{folder}/{error}") from None
        if role is None:
            continue
        if path.is_symlink():
            raise UserError(f"{path}: a link; a release holds plain files alone. Put the file itself there.")
        found[name] = role
    return dict(sorted(found.items()))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
