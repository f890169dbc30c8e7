"""Copies, conflicting labels, blank images, pairs and people: what a data set holds, and what it should not.

Two images are identical where all pixels are; refer.datasets.near finds what is nearly so, in each modality by
itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from refer import parquet, records
from refer.datasets import catalog, findings
from refer.datasets.findings import Groups, Index
from refer.datasets.groups import together
from refer.datasets.near import VIEWS, Pairs, near_duplicates
from refer.datasets.prepare import IMAGES, INDEX, SUMMARY
from refer.datasets.prepared import check, open_images
from refer.datasets.remarks import remarks
from refer.errors import UserError
from refer.files import whole, write_json

DUPLICATES = "duplicates.parquet"
NEAR = "near.parquet"
AUDIT = "audit.json"
BLANK_BELOW = 1.0  # standard deviation of the pixels (0..255) of an image that shows nothing


def audit(dataset: str, prepared: Path, out: Path) -> None:
    """Compare all images of a prepared set; write duplicates.parquet, near.parquet and audit.json: all or none.

    duplicates.parquet has one row for each image that has an identical twin (columns id, group (int32, from 0
    in the order of first appearance), label, class, split), in the order of the index.

    near.parquet has one row for each pair of pictures that are nearly the same: id and other (of identical
    images the first stands for all), near_group (int32: what identical and near images connect, from 0 in the
    order of first appearance), view (one of near.VIEWS), distance and correlation (float32, see near.Pairs).

    Raises:
        UserError: `prepared` is missing or another data set's.
    """
    known = catalog.dataset(dataset)
    summary = read_summary(prepared, dataset)
    check(prepared)
    index = read_index(prepared)
    images = open_images(prepared / IMAGES)
    empty = blank(images)
    same = [rows for rows in together(len(empty), [index["sha256"]]) if len(rows) > 1]
    pairs, compared = _near_pairs(images, index, known.modalities, empty)
    links = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    near = [
        rows
        for rows in together(len(empty), [index["sha256"]], links)
        if len({index["sha256"][row] for row in rows}) > 1
    ]
    report = {
        "dataset": dataset,
        "stand_in": summary["stand_in"],
        "data_fingerprint": summary["fingerprint"],
        "images": len(empty),
        "counts": findings.counts(index, known),
        **findings.identical(same, index, known.splits),
        "near": findings.nearly_identical(pairs, compared, near, same, index, known.splits),
        "blanks": findings.blanks(np.flatnonzero(empty).tolist(), index, known.splits),
        "subjects": findings.subjects(index, known),
        "modalities": {one: findings.counts(index, known, one) for one in known.modalities},
        "pairs": findings.paired(index, known.modalities),
        "notes": summary["notes"],
        "remarks": [remark._asdict() for remark in remarks(summary)],
        "pixels": summary.get("pixels"),
    }
    with ExitStack() as outputs:
        table, listing, text = (outputs.enter_context(whole(out / name)) for name in (DUPLICATES, NEAR, AUDIT))
        _write_duplicates(table, index, same)
        _write_near(listing, index, pairs, near)
        write_json(text, report)


def read_summary(prepared: Path, dataset: str | None = None) -> dict[str, Any]:
    """Return prepare.json of a prepared folder.

    Raises:
        UserError: it is missing, or says that another data set stands there.
    """
    if not (prepared / SUMMARY).is_file():
        raise UserError(f"{prepared} holds no {SUMMARY}: prepare the data first.")
    summary = records.read(prepared / SUMMARY, records.Prepared)
    if dataset is not None and summary["dataset"] != dataset:
        raise UserError(f"{prepared} holds {summary['dataset']}, not {dataset}: give each a folder of its own.")
    return summary


def read_index(prepared: Path) -> dict[str, list[Any]]:
    """Return the columns of a prepared folder's index.parquet as lists, but for the outlines, which are large."""
    table = parquet.read(prepared / INDEX)
    columns: dict[str, list[Any]] = table.select([name for name in table.column_names if name != "outline"]).to_pydict()
    return columns


def blank(images: np.ndarray) -> np.ndarray:
    """Return for each image (N) whether it shows nothing."""
    flat = np.zeros(len(images), bool)
    step = max(1, 5_000_000 // int(np.prod(images.shape[1:])))
    for start in range(0, len(images), step):
        part = np.asarray(images[start : start + step])
        flat[start : start + step] = part.reshape(len(part), -1).std(axis=1, dtype=np.float64) < BLANK_BELOW
    return flat


def _near_pairs(images: np.ndarray, index: Index, modalities: Sequence[str], blank: np.ndarray) -> tuple[Pairs, int]:
    """Return the near duplicates within each modality, and how many pictures were compared."""
    first: dict[tuple[str, str], int] = {}
    for row, key in enumerate(zip(index["modality"], index["sha256"], strict=True)):
        first.setdefault(key, row)
    pictures = [[row for (one, _), row in first.items() if one == modality] for modality in modalities]
    shown = [[row for row in rows if not blank[row]] for rows in pictures]
    found = [near_duplicates(images, rows) for rows in shown]
    return Pairs(*(np.concatenate(column) for column in zip(*found, strict=True))), sum(map(len, shown))


def _write_duplicates(path: Path, index: Index, groups: Groups) -> None:
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


def _write_near(path: Path, index: Index, pairs: Pairs, groups: Groups) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    group_of = {row: group for group, rows in enumerate(groups) for row in rows}
    columns = {
        "id": pa.array([index["id"][row] for row in pairs.first], pa.string()),
        "other": pa.array([index["id"][row] for row in pairs.second], pa.string()),
        "near_group": pa.array([group_of[row] for row in pairs.first.tolist()], pa.int32()),
        "view": pa.array([VIEWS[view] for view in pairs.view], pa.string()),
        "distance": pa.array(pairs.distance.round(4), pa.float32()),
        "correlation": pa.array(pairs.correlation.round(4), pa.float32()),
    }
    parquet.write_table(pa.table(columns), path)
