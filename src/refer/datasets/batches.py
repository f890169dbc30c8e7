"""Image files of a zip archive to pixels in a file, a batch at a time and in order, in as many processes as wanted.

The processes read and write for themselves: what goes to them are places in both files, what comes back is what
became of each image. (Sent through pipes, the pixels of 100×100 images took half as long as decoding them.)
"""

from __future__ import annotations

import hashlib
import multiprocessing
import struct
import sys
import warnings
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from refer.datasets.decode import MAX_BYTES, Recipe, Verdict, decode
from refer.datasets.model import Row
from refer.errors import UserError

MOST = 512  # images in a batch
BYTES = 16 << 20  # raw and prepared bytes in a batch
CHUNK = 1 << 20  # pixels written at once, in bytes: what stays in the processor's cache takes half the time
HEADER = 30 + 2 * 0xFFFF  # the most that a zip's member has before its content, in bytes
LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip's member: the lengths of its name and extra field at the end


class Batch(NamedTuple):
    """Rows in order from row number `start` on: a verdict on each, and the hash of each usable one's pixels.

    Their pixels stand one after another in the file, the first where row number `start` has its place.
    """

    start: int
    rows: Sequence[Row]
    hashes: Sequence[str]
    verdicts: Sequence[Verdict]


class Target(NamedTuple):
    """The file that takes the pixels, and where in it those of row number 0 have their place."""

    path: Path
    offset: int


def decoded(
    source: Path, archive: zipfile.ZipFile, rows: Sequence[Row], recipe: Recipe, target: Target, workers: int
) -> Iterator[Batch]:
    """Decode the files of `rows` in order into `target`; `archive` is the opened `source`.

    Processes, since Pillow holds the interpreter's lock for most of a small image: two threads took longer
    than one. They are forked, since a spawned one would run the calling Snakemake script again; where
    forking is not safe (macOS, Windows) one process does it all.

    Raises:
        UserError: a process was killed.
    """
    infos = {info.filename: info for info in archive.infolist()}
    parts = list(_parts(rows, infos, prod(recipe.shape)))
    if workers < 2 or len(parts) < 2 or sys.platform != "linux":
        for start, part in parts:
            yield Batch(start, part, *_decode(source, _jobs(part, infos), recipe, target, start))
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        waiting: deque[tuple[int, Sequence[Row], Future[Done]]] = deque()
        try:
            for start, part in parts:
                waiting.append((start, part, pool.submit(_decode, source, _jobs(part, infos), recipe, target, start)))
                if len(waiting) > 2 * workers:  # keeps every worker busy, and what waits to be put in order short
                    yield _batch(*waiting.popleft())
            for oldest in waiting:
                yield _batch(*oldest)
        except BrokenProcessPool as error:
            raise UserError(
                "A process that decoded was killed, most likely for want of memory. Start again with fewer threads."
            ) from error


def _batch(start: int, rows: Sequence[Row], future: Future[Done]) -> Batch:
    return Batch(start, rows, *future.result())


def given(rows: Sequence[Row], pixels: np.ndarray, target: Target) -> Iterator[Batch]:
    """Write rows whose pixels are there already."""
    size = (pixels.shape[2], pixels.shape[1])
    with target.path.open("r+b") as handle:
        handle.seek(target.offset)
        for start in range(0, len(rows), MOST):
            part, images = rows[start : start + MOST], np.ascontiguousarray(pixels[start : start + MOST])
            handle.write(images.data)
            hashes = [pixel_hash(image) for image in images]
            yield Batch(start, part, hashes, [Verdict("", None, True, size)] * len(part))


Done = tuple[list[str], list[Verdict]]


class _Job(NamedTuple):
    """Where a file lies in the archive (see zipfile.ZipInfo), and its row."""

    offset: int
    packed: int
    size: int
    deflated: bool
    row: Row


def _parts(
    rows: Sequence[Row], infos: Mapping[str, zipfile.ZipInfo], prepared: int
) -> Iterator[tuple[int, Sequence[Row]]]:
    """Divide rows so that no part has more than MOST of them or, several taken together, more than BYTES."""
    start = total = 0
    for number, row in enumerate(rows):
        size = infos[row.member].file_size + prepared
        if number - start == MOST or (number > start and total + size > BYTES):
            yield start, rows[start:number]
            start, total = number, 0
        total += size
    if start < len(rows):
        yield start, rows[start:]


def _jobs(rows: Sequence[Row], infos: Mapping[str, zipfile.ZipInfo]) -> list[_Job]:
    jobs = []
    for row in rows:
        info = infos[row.member]
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        jobs.append(_Job(info.header_offset, info.compress_size, info.file_size, deflated, row))
    return jobs


def _decode(source: Path, jobs: Sequence[_Job], recipe: Recipe, target: Target, start: int) -> Done:
    """Decode one batch, in whichever process this is."""
    hashes: list[str] = []
    verdicts: list[Verdict] = []
    size = prod(recipe.shape)
    chunk = np.empty((max(1, CHUNK // size), *recipe.shape), np.uint8)
    filled = 0
    # Each batch opens the files anew: processes that share an open file share its position too.
    with (
        source.open("rb", buffering=0) as archive,
        target.path.open("r+b", buffering=0) as images,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # Pillow's: MAX_PIXELS is stricter, and damaged EXIF data do not matter
        images.seek(target.offset + start * size)
        for content, job in zip(_contents(archive, jobs), jobs, strict=True):
            image, verdict = _decode_one(content, job, recipe)
            verdicts.append(verdict)
            if image is None:
                continue
            chunk[filled] = image
            hashes.append(pixel_hash(chunk[filled]))
            filled += 1
            if filled == len(chunk):
                _write(images, chunk)
                filled = 0
        _write(images, chunk[:filled])
    return hashes, verdicts


def _decode_one(content: bytes, job: _Job, recipe: Recipe) -> tuple[np.ndarray | None, Verdict]:
    if job.size > MAX_BYTES:
        return None, Verdict("", ("unreadable", f"{job.size:,} bytes are no face image"), False)
    if job.deflated:
        content = zlib.decompress(content, -zlib.MAX_WBITS, job.size)
    return decode(content, recipe, job.row.box, job.row.outline, job.row.view)


def _write(handle: IO[bytes], pixels: np.ndarray) -> None:
    left = pixels.reshape(-1).data
    while left:  # an unbuffered file may take less, where the disk is nearly full
        left = left[handle.write(left) :]


def _contents(archive: IO[bytes], jobs: Sequence[_Job]) -> Iterator[bytes]:
    """Yield the members as they are packed, read at one go where little else lies between them; no absurd ones.

    zipfile would take half as long as decoding 48×48 pixels does, and check again what read_receipt has checked.
    """
    first = min(job.offset for job in jobs)
    length = max(job.offset + job.packed for job in jobs) + HEADER - first
    block = b""
    if length <= 2 * BYTES:
        archive.seek(first)
        block = archive.read(length)
    for job in jobs:
        if job.size > MAX_BYTES:
            yield b""
        elif block:
            name, extra = LOCAL_HEADER.unpack_from(block, job.offset - first)
            start = job.offset - first + LOCAL_HEADER.size + name + extra
            yield block[start : start + job.packed]
        else:
            archive.seek(job.offset)
            name, extra = LOCAL_HEADER.unpack(archive.read(LOCAL_HEADER.size))
            archive.seek(name + extra, 1)
            yield archive.read(job.packed)


def pixel_hash(pixels: np.ndarray) -> str:
    """Return the SHA-256 of an image's shape and pixels."""
    return hashlib.sha256("x".join(map(str, pixels.shape)).encode() + b":" + pixels.tobytes()).hexdigest()
