"""The pixels of a data set's rows, in the order of the rows, decoded in as many processes as wanted."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from refer.datasets.decode import MAX_BYTES, Recipe, Verdict, decode
from refer.datasets.model import ImageRow, Listing
from refer.errors import UserError

TOGETHER = 64  # images that go to a process and come back at once
AHEAD = 16 * TOGETHER  # images that are asked for before the first of them is written

ALONE = 1.0  # seconds between two looks of a process that decodes whether its parent lives

Decoded = tuple[np.ndarray | None, Verdict]

_archive: zipfile.ZipFile
"""Of a process that decodes. Each opens it for itself, since processes that share an open file share its position."""


def decoded(source: Path, rows: Sequence[ImageRow], recipe: Recipe, workers: int) -> Iterator[Decoded]:
    """Yield what became of the file of each row in the zip archive `source`, in order.

    Processes, since Pillow holds the interpreter's lock for most of a small image: two threads took longer
    than one. They are forked, since a spawned one would run the calling Snakemake script again; where
    forking is not safe (macOS, Windows) one process does it all.

    Raises:
        UserError: a process was killed.
    """
    if workers < 2 or len(rows) <= TOGETHER or sys.platform != "linux":
        with zipfile.ZipFile(source) as archive:
            for row in rows:
                yield _decode(archive, recipe, row)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=_open, initargs=(source, os.getpid())) as pool:
        try:
            for start in range(0, len(rows), AHEAD):  # no more than these wait in memory to be written
                yield from pool.map(partial(_decode_here, recipe), rows[start : start + AHEAD], chunksize=TOGETHER)
        except BrokenProcessPool as error:
            raise UserError(
                "A process that decoded was killed, most likely for want of memory. Start again with fewer threads."
            ) from error


def _open(source: Path, parent: int) -> None:
    global _archive
    _archive = zipfile.ZipFile(source)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: a killed one can tell it nothing, and it would wait for ever."""
    while os.getppid() == parent:
        time.sleep(ALONE)
    os._exit(1)


def _decode_here(recipe: Recipe, row: ImageRow) -> Decoded:
    return _decode(_archive, recipe, row)


def _decode(archive: zipfile.ZipFile, recipe: Recipe, row: ImageRow) -> Decoded:
    size = archive.getinfo(row.member).file_size
    if size > MAX_BYTES:
        return None, Verdict("", ("unreadable", f"{size:,} bytes are no face image"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: MAX_PIXELS is stricter, and damaged EXIF data do not matter
        return decode(archive.read(row.member), recipe, row.box, row.outline, row.view)


@contextmanager
def pictures_of(archive: zipfile.ZipFile, listing: Listing, beside: Path) -> Iterator[zipfile.ZipFile]:
    """Yield the archive with the image files of a listing: itself, or one of the files that its tables hold.

    That one is written into the folder `beside`, and removed at the end.
    """
    if listing.inside is None:
        yield archive
        return
    with tempfile.TemporaryDirectory(dir=beside) as aside:
        path = Path(aside, "images.zip")
        with zipfile.ZipFile(path, "w") as packed:
            for name, content in listing.inside():
                packed.writestr(zipfile.ZipInfo(name), content)
        with zipfile.ZipFile(path) as pictures:
            yield pictures


def given(pixels: np.ndarray) -> Iterator[Decoded]:
    """Yield pixels (N×H×W×C, uint8) that a reader found without an image file."""
    size = (pixels.shape[2], pixels.shape[1])
    return ((image, Verdict("", None, size)) for image in pixels)


def pixel_hash(pixels: np.ndarray) -> str:
    """Return the SHA-256 of an image's shape and pixels."""
    return hashlib.sha256("x".join(map(str, pixels.shape)).encode() + b":" + pixels.tobytes()).hexdigest()
