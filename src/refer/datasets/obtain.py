"""Raw archive in, one safely repacked archive and its receipt out.

`files.zip` holds every member, so that no 36,000 small files lie about; the receipt says what it was made of.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import refer
from refer.datasets import archive, catalog, sources
from refer.datasets.model import Progress
from refer.errors import UserError
from refer.files import read_json, sha256, whole, write_json

FILES = "files.zip"
RECEIPT = "receipt.json"
PACKED = (".jpg", ".jpeg", ".png", ".webp", ".gz", ".xz", ".bz2", ".zip", ".7z")  # deflating them gains nothing
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time a zip can state: the same input gives the same bytes
REPORT_EACH = 1 << 20  # bytes between two calls of `progress`


def obtain(
    dataset: str,
    source: str,
    raw: Path,
    *,
    stand_in: bool = False,
    downloads: Path = sources.DOWNLOADS,
    limits: archive.Limits = archive.LIMITS,
    progress: Progress | None = None,
) -> None:
    """Repack `source` into `raw`/files.zip and write `raw`/receipt.json, both or neither.

    Args:
        dataset: a name of the catalogue.
        source: a path, or a URL with its hash (see sources.parse).
        raw: folder for the two outputs; what stood there is replaced.
        stand_in: the data are drawn, and everything made from them has to say so.
        downloads: where a URL is downloaded to.
        limits: what the archive may unpack to.
        progress: called with the bytes of the source that are done and their number (downloading first).

    Raises:
        UserError: the source is missing, damaged, unsafe, changed meanwhile, or no layout of this data set.
    """
    known = catalog.dataset(dataset)
    receipt = raw / RECEIPT
    place = sources.locate(dataset, source, downloads, progress)
    before = sources.fingerprint(source, receipt, dataset)
    with whole(raw / FILES) as temporary:
        contents = _repack(place, temporary, limits, progress)
        layout = known.recognise(sorted(contents.hashes))
        origin = contents.digest() if place.is_dir() else sha256(place)
        if sources.fingerprint(source, receipt, dataset) != before:
            raise UserError(f"{place.name} changed while it was read: start again when it is whole.")
        receipt.unlink(missing_ok=True)  # from here on it would describe other files
        statement = {
            "dataset": dataset,
            "stand_in": stand_in,
            "layout": layout,
            "source": sources.shown(source),
            "source_kind": archive.kind(place),
            "source_sha256": origin,
            "source_bytes": contents.bytes if place.is_dir() else place.stat().st_size,
            "members": len(contents.hashes),
            "members_bytes": contents.bytes,
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


def read_receipt(raw: Path, dataset: str) -> dict[str, Any]:
    """Return the receipt of `raw` after checking that files.zip is what it describes.

    Raises:
        UserError: one of the two is missing, they do not belong together, or it is another data set's.
    """
    if not (raw / FILES).is_file() or not (raw / RECEIPT).is_file():
        raise UserError(f"{raw} holds no {FILES} with its {RECEIPT}: obtain {dataset} first.")
    receipt: dict[str, Any] = read_json(raw / RECEIPT)
    if receipt["dataset"] != dataset:
        raise UserError(f"{raw} holds {receipt['dataset']}, not {dataset}: obtain each into a folder of its own.")
    if sha256(raw / FILES) != receipt["files_sha256"]:
        raise UserError(f"{raw / FILES} is not what its {RECEIPT} describes: remove both and obtain {dataset} again.")
    return receipt


@dataclass
class _Contents:
    hashes: dict[str, str] = field(default_factory=dict)  # name → sha256
    dust: list[str] = field(default_factory=list)
    bytes: int = 0

    def digest(self) -> str:
        """Return a hash of all names and contents that does not depend on their order."""
        lines = sorted(f"{digest}  {name}\n" for name, digest in self.hashes.items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _repack(source: Path, path: Path, limits: archive.Limits, progress: Progress | None) -> _Contents:
    contents = _Contents()
    total = archive.extent(source)
    reported = 0
    with zipfile.ZipFile(path, "w") as packed:
        for member in archive.members(source, limits):
            if archive.is_dust(member.name):
                contents.dust.append(member.name)
                continue
            contents.hashes[member.name] = _copy(member, packed)
            contents.bytes += member.size
            if progress and member.position - reported >= REPORT_EACH:
                reported = member.position
                progress(reported, total)
    if progress:
        progress(total, total)
    return contents


def _copy(member: archive.Member, packed: zipfile.ZipFile) -> str:
    """Write one member and return its sha256."""
    info = zipfile.ZipInfo(member.name, EPOCH)
    info.compress_type = zipfile.ZIP_STORED if member.name.lower().endswith(PACKED) else zipfile.ZIP_DEFLATED
    info._compresslevel = 1  # type: ignore[attr-defined]  # text shrinks nearly as far as with 6, four times faster
    info.external_attr = 0o644 << 16
    info.file_size = member.size  # tells zipfile whether zip64 is needed
    digest = hashlib.sha256()
    with packed.open(info, "w") as target:
        for chunk in member.chunks:
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()
