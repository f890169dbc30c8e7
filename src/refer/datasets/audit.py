"""Identical images, conflicting labels, blank images, and what stands in two splits at once.

Two images are identical where all pixels are: recompressed or cropped copies are not found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from refer.datasets import catalog
from refer.datasets.prepare import IMAGES, INDEX, SUMMARY
from refer.errors import UserError
from refer.files import read_json, whole, write_json

DUPLICATES = "duplicates.parquet"
AUDIT = "audit.json"
BLANK_BELOW = 1.0  # standard deviation of the pixels (0..255) of an image that shows nothing


def audit(dataset: str, prepared: Path, out: Path) -> None:
    """Compare all images of a prepared set and write `out`/duplicates.parquet and audit.json: both or none.

    duplicates.parquet has one row for each image that has an identical twin (columns id, group (int32, from 0
    in the order of first appearance), label, class, split), in the order of the index.

    Raises:
        UserError: `prepared` is missing or another data set's.
    """
    known = catalog.dataset(dataset)
    summary = read_summary(prepared, dataset)
    index = read_index(prepared)
    groups = _groups(index["sha256"])
    splits, labels = index["split"], index["label"]
    report = {
        "dataset": dataset,
        "stand_in": summary["stand_in"],
        "data_fingerprint": summary["fingerprint"],
        "images": len(splits),
        "counts": _counts(index, known.splits, known.classes),
        "groups": len(groups),
        "images_in_groups": sum(map(len, groups)),
        "surplus": sum(len(rows) - 1 for rows in groups),
        "groups_across_splits": sum(len({splits[row] for row in rows}) > 1 for rows in groups),
        "conflicting_groups": sum(len({labels[row] for row in rows}) > 1 for rows in groups),
        "conflicting_images": sum(len(rows) for rows in groups if len({labels[row] for row in rows}) > 1),
        "also_in": _also_in(known.splits, splits, groups),
        "test_images_in_train": _in_train(known.splits, splits, groups),
        "blanks": _blanks(np.load(prepared / IMAGES, mmap_mode="r"), index, known.splits),
        "subjects": _subjects(index, known.splits),
    }
    with ExitStack() as outputs:
        table, text = (outputs.enter_context(whole(out / name)) for name in (DUPLICATES, AUDIT))
        _write_duplicates(table, index, groups)
        write_json(text, report)


def read_summary(prepared: Path, dataset: str | None = None) -> dict[str, Any]:
    """Return prepare.json of a prepared folder.

    Raises:
        UserError: it is missing, or says that another data set stands there.
    """
    if not (prepared / SUMMARY).is_file():
        raise UserError(f"{prepared} holds no {SUMMARY}: prepare the data first.")
    summary: dict[str, Any] = read_json(prepared / SUMMARY)
    if dataset is not None and summary["dataset"] != dataset:
        raise UserError(f"{prepared} holds {summary['dataset']}, not {dataset}: give each a folder of its own.")
    return summary


def read_index(prepared: Path) -> dict[str, list[Any]]:
    """Return the columns of a prepared folder's index.parquet as lists."""
    from pyarrow import parquet

    columns: dict[str, list[Any]] = parquet.read_table(prepared / INDEX).to_pydict()
    return columns


def _groups(hashes: Sequence[str]) -> list[list[int]]:
    """Return the rows of each hash that occurs more than once, in the order of first appearance."""
    rows: dict[str, list[int]] = {}
    for row, one in enumerate(hashes):
        rows.setdefault(one, []).append(row)
    return [same for same in rows.values() if len(same) > 1]


def _counts(index: Mapping[str, list[Any]], splits: Sequence[str], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    found = Counter(zip(index["split"], index["class"], strict=True))
    return {split: {name: found[split, name] for name in classes} for split in splits}


def _also_in(order: Sequence[str], splits: Sequence[str], groups: Sequence[Sequence[int]]) -> dict[str, dict[str, int]]:
    """Return, for each ordered pair of splits, how many images of the first stand in the second too."""
    held = [Counter(splits[row] for row in rows) for rows in groups]
    return {
        first: {second: sum(group[first] for group in held if group[second]) for second in order if second != first}
        for first in order
    }


def _in_train(order: Sequence[str], splits: Sequence[str], groups: Sequence[Sequence[int]]) -> int:
    """Return how many images outside the training split (the first) stand in it too."""
    return sum(counts[order[0]] for split, counts in _also_in(order, splits, groups).items() if split != order[0])


def _blanks(images: np.ndarray, index: Mapping[str, list[Any]], splits: Sequence[str]) -> dict[str, Any]:
    """Return the ids of the images that show nothing, by split."""
    blank: dict[str, list[str]] = {split: [] for split in splits}
    for start in range(0, len(images), 4096):
        part = np.asarray(images[start : start + 4096]).reshape(-1, int(np.prod(images.shape[1:])))
        for row in np.flatnonzero(part.std(axis=1, dtype=np.float64) < BLANK_BELOW) + start:
            blank[index["split"][row]].append(index["id"][row])
    return {split: {"count": len(ids), "ids": ids} for split, ids in blank.items()}


def _subjects(index: Mapping[str, list[Any]], splits: Sequence[str]) -> dict[str, Any]:
    """Return for how many images the subject is known, and how many subjects each two splits share."""
    of_split: dict[str, set[str]] = {split: set() for split in splits}
    for split, subject in zip(index["split"], index["subject"], strict=True):
        if subject is not None:
            of_split[split].add(subject)
    return {
        "known": all(subject is not None for subject in index["subject"]),
        "images_with_subject": sum(subject is not None for subject in index["subject"]),
        "per_split": {split: len(subjects) for split, subjects in of_split.items()},
        "overlap": {
            first: {second: len(of_split[first] & of_split[second]) for second in splits if second != first}
            for first in splits
        },
    }


def _write_duplicates(path: Path, index: Mapping[str, list[Any]], groups: Sequence[Sequence[int]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    chosen = sorted((row, group) for group, rows in enumerate(groups) for row in rows)
    rows = [row for row, _ in chosen]
    columns = {
        "id": pa.array([index["id"][row] for row in rows], pa.string()),
        "group": pa.array([group for _, group in chosen], pa.int32()),
        "label": pa.array([index["label"][row] for row in rows], pa.int8()),
        "class": pa.array([index["class"][row] for row in rows], pa.string()),
        "split": pa.array([index["split"][row] for row in rows], pa.string()),
    }
    parquet.write_table(pa.table(columns), path)
