"""Where raw data comes from: one place or several, checked while planning and fetched when obtained.

A source is a string (see source_types.parse), the word `download` for the files that the owner publishes, or a list
of strings: several archives that make one data set. Asking about a source is cheap and imports nothing heavy.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from refer.datasets.raw.source_types import DOWNLOAD, Kaggle, Local, Pointer, Remote, SourceType, owners, parse
from refer.errors import UserError
from refer.records import Receipt, read

if TYPE_CHECKING:
    from refer.datasets.model import ProgressCallback

__all__ = ["DOWNLOAD", "DOWNLOADS", "Found", "check", "fingerprint", "locate", "parse", "parsed", "several", "shown"]

Source = str | Sequence[str]
DOWNLOADS = Path("data/downloads")


class Found(NamedTuple):
    """A place and where its data lie on this machine."""

    place: SourceType
    path: Path
    fingerprint: str


def several(source: Source) -> bool:
    """Tell whether a source is several archives that make one set, each below its own name."""
    return not isinstance(source, str) or source.strip() == DOWNLOAD


def parsed(source: Source, dataset: str = "") -> list[SourceType]:
    """Return the places of a source; the order of a list means nothing, so they come by their names.

    Raises:
        UserError: one is none (see parse), the list is empty or names one twice, or this data set has no files
            to download.
    """
    from refer.datasets import catalog

    if isinstance(source, str) and source.strip() == DOWNLOAD:
        if not dataset:
            raise UserError(f"`{DOWNLOAD}` means something only for a data set.")
        return sorted(owners(catalog.dataset(dataset)), key=lambda place: place.name)
    if isinstance(source, str):
        return [parse(source)]
    if not source:
        raise UserError("The list of sources of a data set is empty: write paths, or URLs with their hashes.")
    if any(one.strip() == DOWNLOAD for one in source):
        raise UserError(f"`{DOWNLOAD}` is a source by itself; in a list of sources write paths or URLs.")
    found = sorted((parse(one) for one in source), key=lambda place: place.name)
    twice = [first.name for first, second in pairwise(found) if first.name == second.name]
    if twice:
        raise UserError(f"The list of sources names {twice[0]} twice: each needs a name of its own.")
    return found


def shown(source: Source) -> str | list[str]:
    """Return a source as a receipt may state it: a file's name, a URL without its secrets, or a list of them."""
    if isinstance(source, str):
        return source.strip() if source.strip() == DOWNLOAD else parse(source).shown
    return [place.shown for place in parsed(source)]


def check(dataset: str, source: Source, receipt: Path) -> None:
    """Check early, before any job starts, that the source is there and of a known kind.

    A source that has gone since it was obtained is no error: `receipt` says that it was.

    Raises:
        UserError: what is wrong, and how to get the data set.
    """
    from refer.datasets.raw import archive, pointers

    for place in parsed(source, dataset):
        if _obtained(place, source, receipt):
            continue
        if isinstance(place, Pointer):
            _existing(place, dataset)
            pointers.tracked(place)
        elif isinstance(place, Local):
            _existing(place, dataset)
            archive.kind(place.path)
        elif isinstance(place, Kaggle):
            pointers.check_kaggle(place)


def fingerprint(source: Source, receipt: Path, dataset: str = "") -> str:
    """Return a short string that changes when the source does, cheap enough to ask while planning.

    A file gives "size-mtime_ns", a folder "count-size-mtime_ns" over its files, a URL its hash, a .dvc file the
    MD5 that it states, a Kaggle data set its version; several give a hash of theirs, whatever their order.
    Where a source has gone but `receipt` says that it was obtained, the fingerprint stored there. `dataset` (a
    name) makes an error say how to get it.

    Raises:
        UserError: neither the source nor its receipt is there.
    """
    states = [(place.name, _fingerprint(place, source, receipt, dataset)) for place in parsed(source, dataset)]
    return joined(states) if several(source) else states[0][1]


def joined(states: Sequence[tuple[str, str]]) -> str:
    """Return one fingerprint for the names and fingerprints of several places."""
    return f"several:{hashlib.sha256(json.dumps(sorted(states)).encode()).hexdigest()[:32]}"


def locate(
    dataset: str,
    source: Source,
    receipt: Path,
    downloads: Path = DOWNLOADS,
    progress: ProgressCallback | None = None,
) -> list[Found]:
    """Return where a source lies on this machine, fetching what does not: by HTTPS, DVC or kagglehub.

    Raises:
        UserError: a path does not exist, a download fails, or it is another file than stated.
    """
    everything = parsed(source, dataset)
    paths: dict[SourceType, Path] = {}
    for place in everything:
        if isinstance(place, Local):
            _existing(place, dataset)
            paths[place] = place.path
    for place in everything:
        if isinstance(place, Pointer | Kaggle):
            from refer.datasets.raw import pointers

            paths[place] = pointers.pull(place) if isinstance(place, Pointer) else pointers.kaggle(place)
    remotes = [place for place in everything if isinstance(place, Remote)]
    if remotes:
        from refer.datasets.raw.download import download

        paths |= zip(remotes, download(remotes, downloads, progress), strict=True)
    return [Found(place, paths[place], _fingerprint(place, source, receipt, dataset)) for place in everything]


def _fingerprint(place: SourceType, source: Source, receipt: Path, dataset: str) -> str:
    if isinstance(place, Remote):
        return place.pin
    if isinstance(place, Kaggle):
        return place.shown
    if stored := _obtained(place, source, receipt):
        return stored
    _existing(place, dataset)
    if isinstance(place, Pointer):
        from refer.datasets.raw import pointers

        return f"md5:{pointers.tracked(place).md5}"
    return _state(place.path)


def _obtained(place: SourceType, source: Source, receipt: Path) -> str:
    """Return the stored fingerprint of a source that has gone since, "" where that does not apply."""
    if isinstance(place, Remote) or (isinstance(place, Local) and place.path.exists()) or not receipt.is_file():
        return ""
    stored = read(receipt, Receipt)
    # A receipt of another file says nothing about this one: a slip in the path must not go unseen.
    if not several(source):
        return str(stored.get("fingerprint", "")) if stored.get("source") == place.shown else ""
    parts = [part for part in stored.get("parts", []) if part.get("source") == place.shown]
    return str(parts[0].get("fingerprint", "")) if len(parts) == 1 else ""


def _existing(place: Local, dataset: str) -> None:
    from refer.datasets import catalog

    if place.path.exists():
        return
    missing = f"there is no {place.path} ({_instead(place.path)})."
    if not dataset:
        raise UserError(f"Raw data: {missing}\nCorrect the path in the configuration.")
    known = catalog.dataset(dataset)
    gate = f"It is given on request: apply at {known.home}\nIts terms: {known.licence}\n"
    raise UserError(f"{known.title}: {missing}\n{gate if known.access == 'request' else ''}{known.how_to_get}")


def _instead(path: Path) -> str:
    """Say what stands where `path` was looked for."""
    from refer.datasets.model import some

    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return f"{folder} holds {some(names)}" if names else f"{folder} is empty"


def _state(path: Path) -> str:
    if path.is_file():
        state = path.stat()
        return f"{state.st_size}-{state.st_mtime_ns}"
    count = total = latest = 0
    for folder, _, names in os.walk(path):
        for name in names:
            state = os.lstat(os.path.join(folder, name))  # noqa: PTH118 (twice as fast for 36,000 files)
            count, total, latest = count + 1, total + state.st_size, max(latest, state.st_mtime_ns)
    return f"{count}-{total}-{latest}"
