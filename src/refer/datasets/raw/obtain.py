"""Raw archive in, one safely repacked archive and its receipt out.

`files.zip` holds every member, so that no 36,000 small files lie about; the receipt says what it was made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import refer
from refer.datasets import catalog
from refer.datasets.model import Dataset, ProgressCallback, base_name
from refer.datasets.raw import archive, sources
from refer.datasets.raw.repack import Contents, Part, repack
from refer.datasets.raw.source_types import Pointer, Remote
from refer.errors import UserError
from refer.files import room, sha256, whole, write_json
from refer.records import Receipt, read

FILES = "files.zip"
RECEIPT = "receipt.json"


def obtain(
    dataset: str,
    source: sources.Source,
    raw: Path,
    *,
    stand_in: bool = False,
    downloads: Path = sources.DOWNLOADS,
    limits: archive.Limits = archive.LIMITS,
    progress: ProgressCallback | None = None,
) -> None:
    """Repack `source` into `raw`/files.zip and write `raw`/receipt.json, both or neither.

    The members of a single source keep their names; those of each of several stand below its name without
    suffix, and so do those of archives inside a source (see repack).

    Args:
        dataset: a name of the catalogue.
        source: a path, a URL with its hash, a .dvc file, a Kaggle data set (see source_types.parse), a list of these,
            or `download` for the files that the owner publishes.
        raw: folder for the two outputs; what stood there is replaced.
        stand_in: the data are drawn, and everything made from them has to say so.
        downloads: where URLs are downloaded to.
        limits: what the source may unpack to.
        progress: called with the bytes that are done and their number: of downloads, then of the source, then
            of the archives inside it.

    Raises:
        UserError: the source is missing, damaged, unsafe, changed meanwhile, or no layout of this data set, or
            the disk is full.
    """
    known = catalog.dataset(dataset)
    receipt = raw / RECEIPT
    found = sources.locate(dataset, source, receipt, downloads, progress)
    before = (
        sources.joined([(one.place.name, one.fingerprint) for one in found])
        if sources.several(source)
        else found[0].fingerprint
    )
    labelled = [(_label(one) if sources.several(source) else "", one.path) for one in found]
    with room(raw / FILES, sum(archive.extent(path) for _, path in labelled)), whole(raw / FILES) as temporary:
        contents = repack(labelled, temporary, None if known.files else _recognised(known), limits, progress)
        layout = known.recognise(sorted(contents.hashes))
        if sources.fingerprint(source, receipt, dataset) != before:
            raise UserError(f"{found[0].place.name} changed while it was read: start again when it is whole.")
        receipt.unlink(missing_ok=True)  # from here on it would describe other files
        statement = {
            "dataset": dataset,
            "stand_in": stand_in,
            "layout": layout,
            "source": sources.shown(source),
            **_origin(contents, several=sources.several(source)),
            **_parts(known, found, contents, compared=not stand_in),
            "members": len(contents.hashes),
            "members_bytes": contents.bytes(),
            "members_sha256": contents.digest(),
            "ignored": len(contents.dust),
            "ignored_examples": contents.dust[:5],
            "files_sha256": sha256(temporary),
            "licence": "drawn by this project's own code, under its licence" if stand_in else known.licence,
            "home": None if stand_in else known.home,
            "obtained": datetime.now(UTC).isoformat(timespec="seconds"),
            "refer": refer.__version__,
            "fingerprint": before,
        }
    write_json(receipt, statement)


def _label(found: sources.Found) -> str:
    """Return the folder that one of several sources goes below."""
    name = found.place.name
    return archive.safe_name(archive.stem(name) or name, name)


def _recognised(known: Dataset) -> Callable[[Sequence[str]], bool]:
    def recognised(names: Sequence[str]) -> bool:
        try:
            known.recognise(names)
        except UserError:
            return False
        return True

    return recognised


def _origin(contents: Contents, several: bool) -> dict[str, Any]:
    """Describe the source as a whole."""
    if not several:
        only = contents.sources[0]
        return {"source_kind": only.kind, "source_sha256": only.sha256, "source_bytes": only.bytes}
    lines = "".join(sorted(f"{part.sha256}  {part.name}\n" for part in contents.sources))
    return {
        "source_kind": "several",
        "source_sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "source_bytes": sum(part.bytes for part in contents.sources),
    }


def _parts(known: Dataset, found: Sequence[sources.Found], contents: Contents, compared: bool) -> dict[str, Any]:
    """List every source and every opened archive inside, each compared with the owner's file of its name.

    `missing` are the owner's files that are not among them; null where there are none to compare, as of a
    folder in which all of them were unpacked. `left_shut` are archives inside that were not opened.
    """
    pins = {file.name.lower(): file.blob.lower() for file in known.files} if compared else {}
    entries = []
    for one, part in zip(found, contents.sources, strict=True):
        pinned = compared and isinstance(one.place, Remote | Pointer)
        told = {"source": one.place.shown, "fingerprint": one.fingerprint}
        entries.append(_entry(part._replace(name=one.place.name), pins, pinned) | told)
    entries += [_entry(part, pins, pinned=False) for part in contents.opened]
    names = {base_name(entry["name"]) for entry in entries}
    missing = [file.name for file in known.files if file.name.lower() not in names]
    return {
        "parts": entries,
        "missing": missing if pins and names & pins.keys() else None,
        "left_shut": contents.shut,
    }


def _entry(part: Part, pins: dict[str, str], pinned: bool) -> dict[str, Any]:
    """Describe one archive; `pinned` says that it has the hash that the configuration states."""
    owners = pins.get(base_name(part.name))
    if owners and part.blob:
        verified = "verified" if part.blob == owners else "differs"
    else:
        verified = "verified" if pinned or part.blob in pins.values() else "unknown"
    return {**part._asdict(), "verified": verified}


def read_receipt(raw: Path, dataset: str) -> dict[str, Any]:
    """Return the receipt of `raw` after checking that files.zip is what it describes.

    Raises:
        UserError: one of the two is missing, they do not belong together, or it is another data set's.
    """
    if not (raw / FILES).is_file() or not (raw / RECEIPT).is_file():
        raise UserError(f"{raw} holds no {FILES} with its {RECEIPT}: obtain {dataset} first.")
    receipt = read(raw / RECEIPT, Receipt, f"Remove it and {FILES}, and obtain {dataset} again.")
    if receipt["dataset"] != dataset:
        raise UserError(f"{raw} holds {receipt['dataset']}, not {dataset}: obtain each into a folder of its own.")
    if sha256(raw / FILES) != receipt["files_sha256"]:
        raise UserError(f"{raw / FILES} is not what its {RECEIPT} describes: remove both and obtain {dataset} again.")
    return receipt
