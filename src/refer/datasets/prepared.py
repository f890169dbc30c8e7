"""Prepared data as they were prepared: every pixel and every row of the index against the hashes stated of them.

A disk or a copy that turned a bit, and an index beside other images, are found before anything is made of them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refer import parquet, records
from refer.datasets import catalog
from refer.datasets.model import ImageRow
from refer.datasets.pixels import pixel_hash
from refer.datasets.prepare import IMAGES, INDEX, SUMMARY, fingerprint
from refer.errors import UserError

COLUMNS = ("id", "label", "split", "subject", "modality", "pair", "level", "votes", "outline", "sha256")


def open_images(path: Path) -> NDArray[np.uint8]:
    """Map an images.npy into memory: (N, H, W, C) uint8.

    Raises:
        UserError: it is missing, cut off, or no such array (never is anything but numbers read from it).
    """
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of a damaged header NumPy raises what Python's own parser does, too
        raise UserError(f"{path}: not a whole array of images ({str(error)[:120]}); {_again(path.parent)}") from None
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
        found = f"{images.dtype}, {images.ndim} dimensions" if isinstance(images, np.ndarray) else "an archive"
        raise UserError(f"{path}: found {found}, expected uint8 in 4 dimensions; {_again(path.parent)}")
    return images


def check(prepared: Path) -> None:
    """Compare a prepared folder with what it states of itself; once in a process for each state of its files.

    It takes about as long as reading the images. An index without hashes (`sha256`) is not what `prepare` writes, and
    is not compared.

    Raises:
        UserError: a file is missing or damaged, or an image or a row is not what was prepared.
    """
    stats = [path.stat() if (path := prepared / name).is_file() else None for name in (IMAGES, INDEX, SUMMARY)]
    _check(prepared, *(None if one is None else (one.st_size, one.st_mtime_ns, one.st_ino) for one in stats))


@cache
def _check(prepared: Path, *_: Any) -> None:
    try:
        stated = records.read(prepared / SUMMARY, records.Stated, _again(prepared))
        index = _columns(prepared / INDEX)
    except OSError as error:
        raise UserError(f"{prepared}: {error.strerror}: {error.filename or INDEX}; {_again(prepared)}") from None
    if "sha256" not in index:
        return
    images = open_images(prepared / IMAGES)
    if len(images) != len(index["id"]):
        found = f"{len(images):,} images, but {len(index['id']):,} rows in {INDEX}"
        raise UserError(f"{prepared / IMAGES}: {found}; {_again(prepared)}")
    for image, expected, name in zip(images, index["sha256"], index["id"], strict=True):
        if pixel_hash(image) != expected:
            raise UserError(f"{prepared / IMAGES}: the image {name!r} is not the one prepared; {_again(prepared)}")
    if _fingerprint(stated, index) != stated.get("fingerprint"):
        raise UserError(f"{prepared / INDEX}: its rows are not those prepared, by {SUMMARY}; {_again(prepared)}")


def _columns(path: Path) -> dict[str, list[Any]]:
    table = parquet.read(path, again=_again(path.parent))
    columns = {name: table[name].to_pylist() for name in COLUMNS if name in table.column_names}
    if "id" not in columns:
        raise UserError(f"{path}: there is no column 'id'; {_again(path.parent)}")
    return columns


def _fingerprint(stated: Any, index: dict[str, list[Any]]) -> str | None:
    """Compute anew what `prepare` stated; None where rows and statement cannot belong together."""
    try:
        known = catalog.dataset(stated["dataset"])
        if stated["classes"] != list(known.classes):
            return None
        nothing = [None] * len(index["id"])
        # Outlines are prepared to a hundredth of a pixel, and stored in single precision.
        outlines = [None if one is None else tuple(round(x, 2) for x in one) for one in index.get("outline", nothing)]
        # Older versions left out columns in which nothing stood.
        more = (index.get(name, nothing) for name in ("modality", "pair", "level", "votes"))
        rows = [
            ImageRow(name, label, split, subject, "", modality or "visible", pair, level, votes=votes)
            for name, label, split, subject, modality, pair, level, votes in zip(
                *(index[name] for name in ("id", "label", "split", "subject")), *more, strict=True
            )
        ]
        return fingerprint(known, rows, index["sha256"], outlines)
    except (KeyError, TypeError, UserError):
        return None


def _again(prepared: Path) -> str:
    return f"delete {prepared} and run again."
