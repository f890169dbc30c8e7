"""results/<preset>/release.json: every released file with its SHA-256, size and role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import refer
from refer.errors import UserError
from refer.files import sha256, write_json
from refer.records import Manifest, read

NAME = "release.json"
FORMAT = 1
TOOLS = ("matplotlib", "numpy", "pandas", "pyarrow", "scipy")
"""What tables and figures are made with."""


def write_manifest(
    folder: str | Path,
    roles: Mapping[str, str],
    *,
    title: str,
    created: str,
    git_commit: str | None,
    report: Callable[[int], object] | None = None,
) -> dict[str, Any]:
    """Write and return the manifest of results/<preset>/.

    Args:
        folder: results/<preset>/.
        roles: path below it → role (`refer.release.contents`).
        title: of the preset.
        created: when the newest run was finished, ISO 8601.
        git_commit: of the code, where it is known.
        report: is told how many bytes were hashed.
    """
    folder, done = Path(folder), 0
    listing = {}
    for name, role in sorted(roles.items()):
        size = (folder / name).stat().st_size
        listing[name] = {"sha256": sha256(folder / name), "bytes": size, "role": role}
        done += size
        if report is not None:
            report(done)
    manifest = {
        "format": FORMAT,
        "preset": folder.name,
        "title": title,
        "refer_version": refer.__version__,
        "behaviour": dict(refer.BEHAVIOUR),
        "git_commit": git_commit,
        "created": created,
        "made_with": tools(),
        "files": listing,
    }
    write_json(folder / NAME, manifest)
    return manifest


def tools() -> dict[str, str]:
    """Return the versions of TOOLS here."""
    return {name: metadata.version(name) for name in TOOLS}


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Read the manifest of results/<preset>/.

    Raises:
        UserError: there is none, or it is of another format.
    """
    path = Path(folder, NAME)
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; expected the manifest of a release: refer release --preset {path.parent.name}"
        )
    return read(path, Manifest, "It is not the manifest of a release: restore it, or release again.")


def altered(folder: str | Path, name: str, listed: Mapping[str, Any]) -> bool:
    """Whether a file is there and is not the one that a manifest lists."""
    path = Path(folder, name)
    return path.is_file() and (path.stat().st_size != listed["bytes"] or sha256(path) != listed["sha256"])


def check_border(folder: Path, needed: Sequence[Path]) -> None:
    """See that all files that tables are made from are there, and are the released ones where there is a manifest.

    Args:
        folder: results/<preset>/.
        needed: the files, below it.

    Raises:
        UserError: names those that are missing or altered, and says what to do.
    """
    if missing := [path for path in needed if not path.is_file()]:
        where = f"git checkout -- {folder}, or dvc pull" if (folder / NAME).is_file() else "dvc pull"
        raise UserError(
            f"{_several(missing, 'is', 'are')} missing, of {len(needed)} files that tables are made from. "
            f"Restore what was released ({where}), or make it from the data: snakemake (without -s)."
        )
    if not (folder / NAME).is_file():
        return
    files = read_manifest(folder)["files"]
    names = {path.relative_to(folder).as_posix(): path for path in needed}
    if other := [path for name, path in names.items() if name in files and altered(folder, name, files[name])]:
        raise UserError(
            f"{_several(other, 'is', 'are')} not what {folder / NAME} says was released. Restore it "
            f"(git checkout -- {folder}); if it is to be new, delete {NAME} and release again."
        )


def _several(paths: Sequence[Path], one: str, many: str, shown: int = 3) -> str:
    names = ", ".join(map(str, paths[:shown]))
    more = f" and {len(paths) - shown} more" if len(paths) > shown else ""
    return f"{names}{more} {one if len(paths) == 1 else many}"
