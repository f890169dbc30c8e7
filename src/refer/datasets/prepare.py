"""Raw archive in, one packed array and its index out: each image is decoded once, ever."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
import time
import zipfile
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np

import refer
from refer.datasets import catalog
from refer.datasets.decode import MAX_BYTES, Verdict, decode_all
from refer.datasets.model import DEFECTS, Dataset, Listing, Problem, Progress, Row, natural, some
from refer.datasets.obtain import FILES, read_receipt
from refer.errors import UserError
from refer.files import whole, write_json

IMAGES = "images.npy"
INDEX = "index.parquet"
SUMMARY = "prepare.json"
BATCH = 512  # images handed to a worker at once: about 1 MB of FER2013's files

ADVICE = {
    "unreadable": "Get the archive again, or list `unreadable` under `tolerate` to leave them out.",
    "labels": "Correct them, or list `labels` under `tolerate` to leave them out.",
    "sizes": "Give the owner's images, or list `sizes` under `tolerate` to resize them.",
    "counts": "Get the whole set, or list `counts` under `tolerate` to go on with what there is.",
}
SENTENCE = {
    "unreadable": "cannot be decoded",
    "labels": "have no clear label or split",
    "sizes": "have another size than the set",
    "counts": "classes have another number of images than the owner states",
}


def prepare(
    dataset: str,
    raw: Path,
    out: Path,
    *,
    tolerate: Collection[str] = (),
    workers: int = 2,
    progress: Progress | None = None,
) -> None:
    """Decode the raw archive into `out`/images.npy, index.parquet and prepare.json: all three or none.

    images.npy is N×H×W×C, uint8, and can be memory-mapped. index.parquet has its rows in the same order (by
    id, numbers by value; the archive's own order does not matter) with the columns id, label (int8, index
    into the classes), class, split, subject (null where not known) and sha256 (of shape and pixels).

    Args:
        dataset: a name of the catalogue.
        raw: folder with files.zip and receipt.json; where the receipt says that the data are a stand-in,
            their counts are not compared with the owner's.
        out: folder for the outputs.
        tolerate: which of DEFECTS are reported in prepare.json instead of raised: "counts" (differ from the
            owner's), "unreadable" and "labels" (the rows are left out), "sizes" (the images are resized).
        workers: processes that decode.
        progress: called with the images done and their number.

    Raises:
        UserError: a defect that is not tolerated, or raw files that are missing or not of one piece.
    """
    known = catalog.dataset(dataset)
    _check_tolerated(tolerate)
    receipt = read_receipt(raw, dataset)
    started = time.perf_counter()
    report = _Report(tolerate)
    with zipfile.ZipFile(raw / FILES) as archive:
        listing = known.read(archive)
        rows, pixels = _in_order(known, listing)
        report.add(listing.problems)
        report.add(_counts(known, rows, dropped=len(listing.problems)) if not receipt["stand_in"] else [])
        report.refuse(known.title)
        listed = time.perf_counter()
        if pixels is not None:
            batches = _given(rows, pixels)
        else:
            batches = _decoded(archive, rows, known.shape, "sizes" in tolerate, workers)
        with ExitStack() as outputs:
            images, index, summary = (outputs.enter_context(whole(out / name)) for name in (IMAGES, INDEX, SUMMARY))
            kept, hashes = _write_images(images, known.shape, batches, len(rows), report, progress)
            report.refuse(known.title)
            if not kept:
                raise UserError(f"{known.title}: not one image is left of {len(rows)}. Get the archive again.")
            _write_index(index, known, kept, hashes)
            done = time.perf_counter()
            write_json(
                summary,
                {
                    "dataset": dataset,
                    "stand_in": receipt["stand_in"],
                    "images": len(kept),
                    "shape": list(known.shape),
                    "classes": list(known.classes),
                    "splits": list(known.splits),
                    "counts": _compared(known, kept, receipt["stand_in"]),
                    "subjects": len({row.subject for row in kept} - {None}),
                    "tolerate": sorted(tolerate),
                    "tolerated": report.tolerated(),
                    "conversions": dict(report.conversions.most_common()),
                    "unused_files": len(listing.unused),
                    "unused_examples": sorted(listing.unused)[:5],
                    "raw_sha256": receipt["members_sha256"],
                    "fingerprint": _fingerprint(known, kept, hashes),
                    "seconds": {"read": round(listed - started, 2), "decode_and_write": round(done - listed, 2)},
                    "images_per_s": round(len(kept) / (done - started)),
                    "workers": workers,
                    "refer": refer.__version__,
                },
            )


@dataclass
class _Report:
    """What was wrong and what was converted, over the whole run."""

    tolerate: Collection[str]
    problems: list[Problem] = field(default_factory=list)
    conversions: Counter[str] = field(default_factory=Counter)

    def add(self, problems: Sequence[Problem]) -> None:
        self.problems += problems

    def refuse(self, title: str) -> None:
        """Raise about the first kind of defect that is not tolerated, naming the first few."""
        for kind in DEFECTS[::-1]:
            found = [problem for problem in self.problems if problem.kind == kind]
            if found and kind not in self.tolerate:
                named = some([f"{problem.id}: {problem.what}" for problem in found], 3)
                raise UserError(f"{title}: {len(found)} {_noun(kind)}{SENTENCE[kind]} ({named}).\n{ADVICE[kind]}")

    def tolerated(self) -> dict[str, list[dict[str, str]]]:
        """Return every defect that was let pass, by kind."""
        return {
            kind: [{"id": one.id, "what": one.what} for one in self.problems if one.kind == kind]
            for kind in sorted({problem.kind for problem in self.problems})
        }


def _noun(kind: str) -> str:
    return "" if kind == "counts" else "images "


def _check_tolerated(tolerate: Collection[str]) -> None:
    unknown = sorted(set(tolerate) - set(DEFECTS))
    if unknown:
        raise UserError(f"`tolerate` names {some(unknown)}; it can name {', '.join(DEFECTS)}.")


def _in_order(known: Dataset, listing: Listing) -> tuple[list[Row], np.ndarray | None]:
    """Return rows and their pixels by id, so that neither the archive's order nor its packing matters."""
    order = sorted(range(len(listing.rows)), key=lambda i: natural(listing.rows[i].id))
    rows = [listing.rows[i] for i in order]
    twice = [first.id for first, second in pairwise(rows) if first.id == second.id]
    if twice:
        raise UserError(f"{known.title}: two files have one id ({some(twice)}); names may not differ in case alone.")
    return rows, None if listing.pixels is None else listing.pixels[order]


def _table(known: Dataset, rows: Sequence[Row]) -> dict[str, list[int]]:
    """Return the number of images of each class (in code order) in each split."""
    found = Counter((row.split, row.label) for row in rows)
    return {split: [found[split, label] for label in range(len(known.classes))] for split in known.splits}


def _counts(known: Dataset, rows: Sequence[Row], dropped: int) -> list[Problem]:
    """Compare with the owner's numbers; rows that were dropped and reported already explain what is missing."""
    found = _table(known, rows)
    differing = [
        (split, name, have, want)
        for split, wanted in known.counts.items()
        for name, have, want in zip(known.classes, found[split], wanted, strict=True)
        if have != want
    ]
    if all(have < want for *_, have, want in differing) and sum(w - h for *_, h, w in differing) == dropped:
        return []
    return [Problem("counts", f"{split}/{name}", f"{have:,} of {want:,}") for split, name, have, want in differing]


def _compared(known: Dataset, rows: Sequence[Row], stand_in: bool) -> dict[str, dict[str, dict[str, int | None]]]:
    """Return found and known numbers by split and class; known is null for drawn data."""
    return {
        split: {
            name: {"found": have, "known": None if stand_in else known.counts[split][label]}
            for label, (name, have) in enumerate(zip(known.classes, numbers, strict=True))
        }
        for split, numbers in _table(known, rows).items()
    }


Batch = tuple[Sequence[Row], np.ndarray, Sequence[Verdict]]  # rows, pixels of those that have any, verdicts


def _given(rows: Sequence[Row], pixels: np.ndarray) -> Iterator[Batch]:
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        yield part, pixels[start : start + BATCH], [Verdict("", None, True)] * len(part)


def _decoded(
    archive: zipfile.ZipFile, rows: Sequence[Row], shape: tuple[int, int, int], resize: bool, workers: int
) -> Iterator[Batch]:
    """Decode in order. The parent reads, since one archive has one file position; the workers decode.

    Processes, since Pillow holds the interpreter's lock for most of a small image: two threads took longer
    than one. They are forked, since a spawned one would run the calling Snakemake script again; where
    forking is not safe (macOS, Windows) one process does it all.
    """
    parts = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    if workers < 2 or len(parts) < 2 or sys.platform != "linux":
        for part in parts:
            yield part, *decode_all(_contents(archive, part), shape, resize)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        waiting: deque[tuple[Sequence[Row], Future[tuple[np.ndarray, list[Verdict]]]]] = deque()
        for part in parts:
            waiting.append((part, pool.submit(decode_all, _contents(archive, part), shape, resize)))
            if len(waiting) > 2 * workers:  # keeps every worker busy, and memory bounded
                oldest, future = waiting.popleft()
                yield oldest, *future.result()
        for oldest, future in waiting:
            yield oldest, *future.result()


def _contents(archive: zipfile.ZipFile, rows: Sequence[Row]) -> list[bytes]:
    contents = []
    for row in rows:
        with archive.open(row.member) as member:
            contents.append(member.read(MAX_BYTES))
    return contents


def _write_images(
    path: Path,
    shape: tuple[int, int, int],
    batches: Iterator[Batch],
    total: int,
    report: _Report,
    progress: Progress | None,
) -> tuple[list[Row], list[str]]:
    """Write images.npy as the batches come; return the rows that it holds and the hashes of their pixels."""
    kept: list[Row] = []
    hashes: list[str] = []
    prefix = "x".join(map(str, shape)).encode() + b":"
    done = 0
    with path.open("w+b") as handle:
        _write_header(handle, (total, *shape))
        for rows, pixels, verdicts in batches:
            for row, verdict in zip(rows, verdicts, strict=True):
                if verdict.defect:
                    report.problems.append(Problem(verdict.defect[0], row.id, verdict.defect[1]))
                if verdict.conversion:
                    report.conversions[verdict.conversion] += 1
            kept += [row for row, verdict in zip(rows, verdicts, strict=True) if verdict.usable]
            hashes += [hashlib.sha256(prefix + image.tobytes()).hexdigest() for image in pixels]
            handle.write(np.ascontiguousarray(pixels).data)
            done += len(rows)
            if progress:
                progress(done, total)
        handle.seek(0)
        _write_header(handle, (len(kept), *shape))
    return kept, hashes


def _write_header(handle: IO[bytes], shape: tuple[int, ...]) -> None:
    """Write the header of a .npy file; NumPy pads it so that another first dimension takes the same room."""
    header: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(handle, header)


def _write_index(path: Path, known: Dataset, rows: Sequence[Row], hashes: Sequence[str]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "id": pa.array([row.id for row in rows], pa.string()),
        "label": pa.array([row.label for row in rows], pa.int8()),
        "class": pa.array([known.classes[row.label] for row in rows], pa.string()),
        "split": pa.array([row.split for row in rows], pa.string()),
        "subject": pa.array([row.subject for row in rows], pa.string()),
        "sha256": pa.array(hashes, pa.string()),
    }
    parquet.write_table(pa.table(columns), path)


def _fingerprint(known: Dataset, rows: Sequence[Row], hashes: Sequence[str]) -> str:
    """Return the SHA-256 of everything in images.npy and index.parquet, whatever wrote the files."""
    digest = hashlib.sha256(json.dumps([known.name, known.classes, known.shape]).encode())
    for row, pixels in zip(rows, hashes, strict=True):
        digest.update(json.dumps([row.id, row.label, row.split, row.subject, pixels]).encode())
    return digest.hexdigest()
