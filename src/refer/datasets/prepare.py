"""Raw archive in, one packed array and its index out: each image is decoded once, ever."""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np

import refer
from refer.datasets import catalog, codings, words
from refer.datasets.decode import Recipe, Verdict
from refer.datasets.deep import pixels_of_16_bits
from refer.datasets.defects import FLAT, Report, check_tolerated, compared, named
from refer.datasets.model import Dataset, ImageRow, Listing, Problem, ProgressCallback, natural, some
from refer.datasets.pixel_traces import traces
from refer.datasets.pixels import decoded, given, pictures_of, pixel_hash
from refer.datasets.raw.obtain import FILES, read_receipt
from refer.datasets.remarks import tell
from refer.errors import UserError
from refer.files import room, whole, write_json

IMAGES = "images.npy"
INDEX = "index.parquet"
SUMMARY = "prepare.json"
REPORT_EACH = 500  # images between two calls of `progress`


def prepare(
    dataset: str,
    raw: Path,
    out: Path,
    *,
    tolerate: Collection[str] = (),
    subject_pattern: str | None = None,
    labels: str | None = None,
    coding: str | Mapping[str, str] | None = None,
    swapped: Sequence[str] | None = None,
    grey_levels: tuple[float, float] | None = None,
    choose: Sequence[str] = (),
    workers: int = 2,
    progress: ProgressCallback | None = None,
) -> None:
    """Decode the raw archive into `out`/images.npy, index.parquet and prepare.json: all three or none; print remarks.

    images.npy is N×H×W×C, uint8, and can be memory-mapped. index.parquet has its rows in the same order (by
    id, numbers by value; the archive's own order does not matter) with the columns id, label (int8, index
    into the classes), class, split, subject (null where not known), modality, pair and level (int8; null
    where there is none), outline (list of float32: x0, y0, x1, y1, … in pixels of the prepared image; null
    where not known) and sha256 (of shape and pixels); and votes (list of int8), where labels follow from them.

    Args:
        dataset: a name of the catalogue.
        raw: folder with files.zip and receipt.json; where the receipt says that the data are a stand-in,
            their counts are not compared with the owner's.
        out: folder for the outputs.
        tolerate: which of DEFECTS are reported in prepare.json instead of raised: "counts" (differ from the
            owner's), "unreadable" and "labels" (the rows are left out), "sizes" (the images are resized), "contrast"
            (too many images show next to nothing). What labels and splits mean is never tolerated to be unclear.
        subject_pattern: a regular expression whose group `subject` finds the person in a file's name, for
            data sets that do not name their subjects.
        labels: the rule by which labels follow from votes, one of the data set's `label_rules`; None: its usual one.
        coding: what the files' codes of classes mean, by name or code → class (see refer.datasets.codings); None: what
            the owner's do.
        swapped: two splits whose names are exchanged in the files.
        grey_levels: the values of 16-bit images that become black (0) and white (255).
        choose: which kinds of recordings are meant where a set holds several, of the data set's `choices`.
        workers: processes that decode.
        progress: called with the images done and their number.

    Raises:
        UserError: a defect that is not tolerated, raw files that are missing or not of one piece, a disk
            without room.
    """
    known = catalog.dataset(dataset)
    check_tolerated(tolerate)
    if subject_pattern is not None and known.names_subjects:
        raise UserError(f"{known.title} takes no pattern of subjects: remove it from the configuration.")
    if labels is not None and labels not in known.label_rules:
        rules = ", ".join(known.label_rules) or "none, for its labels are no votes"
        raise UserError(f"{known.title} has no rule of labels {labels!r}; expected {rules}.")
    if set(choose) - set(known.choices):
        there = ", ".join(known.choices) or "nothing, for it holds one kind of recordings"
        raise UserError(f"{known.title}: choose: found {', '.join(choose)}; expected {there}.")
    receipt = read_receipt(raw, dataset)
    started = time.perf_counter()
    report = Report(tolerate)
    meant, splits = codings.resolve(known, coding), codings.exchange(known, swapped)
    with zipfile.ZipFile(raw / FILES) as archive, room(out), ExitStack() as opened:
        rule = labels or next(iter(known.label_rules), None)
        told = [rule] if rule else [] if known.names_subjects else [subject_pattern]
        more = {"coding": meant} if known.first_code is not None else {"choose": choose} if choose else {}
        listing = known.read(archive, *told, **more)
        rows, pixels = _in_order(known, listing)
        found_codes = listing.codes or Counter(
            (row.split, known.classes[row.label]) for row in rows if known.counted(row)
        )
        rows = _meant(known, rows, meant, splits)
        report.problems += listing.problems
        report.unused = listing.unused
        if not receipt["stand_in"]:
            report.compare(known, rows)
            report.compare_codes(known, found_codes, meant, splits)
        pictures = opened.enter_context(pictures_of(archive, listing, raw))
        source = Path(str(pictures.filename))
        levels = pixels_of_16_bits(pictures, rows, grey_levels, report, dataset) if pixels is None else None
        recipe = Recipe(known.shape, known.fit, "sizes" in tolerate, known.locate, levels)
        if report.refused():
            # What decoding finds is told too, so that all complaints come at once.
            for row, (_, verdict) in zip(
                rows, decoded(source, rows, recipe, workers) if pixels is None else (), strict=False
            ):
                if verdict.defect:
                    report.problems.append(Problem(verdict.defect[0], row.id, verdict.defect[1]))
        report.refuse(known.title, len(rows))
        listed = time.perf_counter()
        with ExitStack() as outputs:
            images, index, summary = (outputs.enter_context(whole(out / name)) for name in (IMAGES, INDEX, SUMMARY))
            found = decoded(source, rows, recipe, workers) if pixels is None else given(pixels)
            kept = _collect(images, known.shape, rows, found, report, progress)
            report.see_frames(known, receipt["layout"], kept.unboxed)
            if not receipt["stand_in"]:
                report.see_contrast(
                    [row.id for row, flat in zip(kept.rows, kept.flat, strict=True) if flat], len(kept.rows)
                )
            report.refuse(known.title, len(kept.rows))
            if not kept.rows:
                raise UserError(report.nothing_left(known.title, len(rows)))
            _write_index(index, known, kept)
            done = time.perf_counter()
            packed = np.load(images, mmap_mode="r")
            # A data set that takes images of one size alone has resized none of them.
            seen = traces(packed, resized=known.fit != "exact" or "sizes" in tolerate)
            write_json(
                summary,
                {
                    **_summary(known, receipt, listing, kept, report),
                    "pixels": seen,
                    "subject_pattern": subject_pattern,
                    **({"labels": rule} if rule else {}),
                    **({"coding": coding} if coding else {}),
                    **({"swapped": list(swapped)} if swapped else {}),
                    **({"grey_levels": list(grey_levels)} if grey_levels else {}),
                    **({"choose": list(choose)} if choose else {}),
                    "seconds": {"read": round(listed - started, 2), "decode_and_write": round(done - listed, 2)},
                    "images_per_s": round(len(kept.rows) / (done - started)),
                    "workers": workers,
                    "refer": refer.__version__,
                },
            )
    tell(out / SUMMARY)


@dataclass
class _Kept:
    """What images.npy holds: its rows, the hashes of their pixels and their outlines."""

    rows: list[ImageRow] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    outlines: list[tuple[float, ...] | None] = field(default_factory=list)
    unboxed: list[tuple[str, tuple[int, int]]] = field(default_factory=list)  # id and raw size, of no face box
    flat: list[bool] = field(default_factory=list)  # whether they show next to nothing


def _summary(
    known: Dataset, receipt: Mapping[str, Any], listing: Listing, kept: _Kept, report: Report
) -> dict[str, Any]:
    """Return what prepare.json says of the data, whenever and wherever they are prepared."""
    return {
        "dataset": known.name,
        "stand_in": receipt["stand_in"],
        "layout": receipt["layout"],
        "images": len(kept.rows),
        "shape": list(known.shape),
        "fit": known.fit,
        "classes": list(known.classes),
        "splits": list(known.splits),
        **compared(known, kept.rows, receipt["stand_in"]),
        "counts_are": known.counts_are,
        "differences": named(report.differences),
        "levels": _levels(kept.rows),
        "subjects": len({row.subject for row in kept.rows} - {None}),
        "outlines": sum(outline is not None for outline in kept.outlines),
        "notes": {**listing.notes, **_noted(known, kept)},
        "tolerate": sorted(report.tolerate),
        "tolerated": report.tolerated(),
        "conversions": dict(report.conversions.most_common()),
        "raw_sizes": dict(report.sizes.most_common(20)),
        "unused_files": len(listing.unused),
        "unused_examples": sorted(listing.unused)[:5],
        "ignored_files": receipt.get("ignored", 0),
        "ignored_examples": receipt.get("ignored_examples", []),
        "raw_sha256": receipt["members_sha256"],
        "fingerprint": fingerprint(known, kept.rows, kept.hashes, kept.outlines),
    }


def _noted(known: Dataset, kept: _Kept) -> dict[str, int]:
    """Return what is worth saying of the rows of any set."""
    foreign = sum(any(word in words.FOLDERS for word in row.member.lower().split("/")[:-1]) for row in kept.rows)
    faceless = sum(outline is None for outline in kept.outlines) if known.locate else 0
    found = {
        "images in folders named train, validation or test, which are not the owner's and are ignored": foreign
        if len(known.splits) == 1
        else 0,
        "images in which no face was found (their middle square is cut out)": faceless,
    }
    return {what: number for what, number in found.items() if number}


def _levels(rows: Sequence[ImageRow]) -> dict[str, int]:
    found = Counter(row.level for row in rows if row.level is not None)
    return {str(level): found[level] for level in sorted(found)}


def _in_order(known: Dataset, listing: Listing) -> tuple[list[ImageRow], np.ndarray | None]:
    """Return rows and their pixels by id, so that neither the archive's order nor its packing matters."""
    order = sorted(range(len(listing.rows)), key=lambda i: natural(listing.rows[i].id))
    rows = [listing.rows[i] for i in order]
    twice = [first.id for first, second in pairwise(rows) if first.id == second.id]
    if twice:
        raise UserError(f"{known.title}: two files have one id ({some(twice)}); names may not differ in case alone.")
    return rows, None if listing.pixels is None else listing.pixels[order]


def _meant(
    known: Dataset, rows: Sequence[ImageRow], coding: codings.Coding, splits: Mapping[str, str]
) -> list[ImageRow]:
    """Return the rows with the splits that are meant and, where a reader does not ask for a coding, the labels."""
    if known.first_code is None and coding.labels:
        told = [coding.label(name) for name in known.classes]
        rows = [row._replace(label=row.label if (label := told[row.label]) is None else label) for row in rows]
    return [row._replace(split=splits.get(row.split, row.split)) for row in rows]


def _collect(
    path: Path,
    shape: tuple[int, int, int],
    rows: Sequence[ImageRow],
    found: Iterator[tuple[np.ndarray | None, Verdict]],
    report: Report,
    progress: ProgressCallback | None,
) -> _Kept:
    """Write the pixels of all rows that have any, one after another, into a .npy file; return what it holds."""
    kept = _Kept()
    with path.open("wb") as handle:
        _write_header(handle, (len(rows), *shape))
        for done, (row, (image, verdict)) in enumerate(zip(rows, found, strict=True), 1):
            if verdict.defect:
                report.problems.append(Problem(verdict.defect[0], row.id, verdict.defect[1]))
            if verdict.conversion:
                report.conversions[verdict.conversion] += 1
            if verdict.size:
                report.sizes["{}x{}".format(*verdict.size)] += 1
                if row.box is None:
                    kept.unboxed.append((row.id, verdict.size))
            if image is not None:
                handle.write(np.ascontiguousarray(image).data)
                kept.rows.append(row)
                kept.hashes.append(pixel_hash(image))
                kept.outlines.append(verdict.outline)
                kept.flat.append(float(image.std()) < FLAT)
            if progress and (done % REPORT_EACH == 0 or done == len(rows)):
                progress(done, len(rows))
        handle.seek(0)
        _write_header(handle, (len(kept.rows), *shape))
    return kept


def _write_header(handle: IO[bytes], shape: tuple[int, ...]) -> None:
    """Write the header of a .npy file; NumPy pads it so that another first dimension takes the same room."""
    header: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(handle, header)


def _write_index(path: Path, known: Dataset, kept: _Kept) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = kept.rows
    columns = {
        "id": pa.array([row.id for row in rows], pa.string()),
        "label": pa.array([row.label for row in rows], pa.int8()),
        "class": pa.array([known.classes[row.label] for row in rows], pa.string()),
        "split": pa.array([row.split for row in rows], pa.string()),
        "subject": pa.array([row.subject for row in rows], pa.string()),
        "modality": pa.array([row.modality for row in rows], pa.string()),
        "pair": pa.array([row.pair for row in rows], pa.string()),
        "level": pa.array([row.level for row in rows], pa.int8()),
        "outline": pa.array(kept.outlines, pa.list_(pa.float32())),
        "sha256": pa.array(kept.hashes, pa.string()),
    }
    if known.label_rules:
        columns["votes"] = pa.array([row.votes for row in rows], pa.list_(pa.int8()))
    parquet.write_table(pa.table(columns), path)


def fingerprint(
    known: Dataset, rows: Sequence[ImageRow], hashes: Sequence[str], outlines: Sequence[tuple[float, ...] | None]
) -> str:
    """Return the SHA-256 of everything in images.npy and index.parquet, whatever wrote the files."""
    digest = hashlib.sha256(json.dumps([known.name, known.classes, known.shape]).encode())
    for row, pixels, outline in zip(rows, hashes, outlines, strict=True):
        more = _more(row, outline)
        digest.update(json.dumps([row.id, row.label, row.split, row.subject, pixels, *more]).encode())
    return digest.hexdigest()


def _more(row: ImageRow, outline: tuple[float, ...] | None) -> list[Mapping[str, object]]:
    """Return what a row has beside FER2013's columns: nothing where it has not, as fingerprints were before."""
    has = {"pair": row.pair, "level": row.level, "outline": outline, "votes": row.votes}
    if row.modality != "visible":
        has["modality"] = row.modality
    more = {name: value for name, value in has.items() if value is not None}
    return [more] if more else []
