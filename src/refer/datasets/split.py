"""Which image belongs to which part of an experiment, as published or as the audit allows.

The audited protocol never alters what is trained on: an image goes from an evaluated part where it (or, where
subjects are known, the person on it) was seen before, in training or while the epoch was selected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from refer.datasets import catalog
from refer.datasets.audit import AUDIT, DUPLICATES, NEAR, read_index, read_summary
from refer.datasets.groups import together
from refer.datasets.split_assignment import Images, SplitAssignment, divide, off_target
from refer.datasets.split_counts import count_split
from refer.datasets.splitting import Scheme
from refer.errors import UserError
from refer.files import read_section, whole

LEAST_LEFT = 0.2  # of a part: with less, what is left is no sample of it any more


class Assigned(NamedTuple):
    """One row of a split: its part (None: in none), whether it takes part, and why not."""

    part: str | None
    kept: bool
    reason: str


def split(
    prepared: Path,
    audit_dir: Path,
    out: Path,
    *,
    scheme: Scheme,
    audited: bool,
    near: bool = False,
    fit: Sequence[str] = ("train",),
    select: str | None = None,
) -> None:
    """Write `out`, a parquet file with the columns id, fold (int8), part, kept, reason and twin.

    It has one row for each image in each fold, in the order of the index; without folds, all are fold 0. `twin` says
    of an image that is trained on whether it is a duplicate or near duplicate of one in another part. The rule
    and its numbers (refer.datasets.split_counts) stand as JSON in the schema's metadata, under `refer`.

    Args:
        prepared: folder with index.parquet and prepare.json.
        audit_dir: folder with the audit of the same data.
        out: the file to write.
        scheme: how the images are divided.
        audited: False keeps every row of every part; True leaves out of the evaluated parts what was seen, and
            draws what is drawn at random so that there is little to be left out.
        near: whether near duplicates count as seen, like identical images.
        fit: the parts that are trained on.
        select: the part that the epoch is selected on, None for none.

    Raises:
        UserError: a split or part that is not there, an audit of other data, a scheme that the data do not allow,
            or a part of which the audited protocol would leave less than LEAST_LEFT.
    """
    summary, index = read_summary(prepared), read_index(prepared)
    _check_names(summary, index, scheme, [*fit, *([select] if select else [])])
    images = read_images(index, audit_dir, summary)
    assignment = divide(scheme, images, audited=audited)
    nearly = images.near if near else None
    folds = []
    for parts in assignment.folds:
        rows = assign(parts, images.image, images.subject, audited=audited, fit=fit, select=select, near=nearly)
        folds.append([row._replace(reason=assignment.unused.get(at, row.reason)) for at, row in enumerate(rows)])
        _check_left(folds[-1], scheme, summary["dataset"])
    twin = [each for parts in assignment.folds for each in twins(parts, images.near, fit)]
    about = _about(scheme, assignment, images, summary)
    about |= {"audited": audited, "near": near, "fit": list(fit), "select": select}
    known = catalog.dataset(summary["dataset"])
    about |= count_split(folds, scheme.names, known.modalities, images, len(known.classes))
    _write(out, index["id"], folds, twin, about)


def assign(
    membership: Sequence[str | None],
    image: Sequence[object],
    subject: Sequence[str | None],
    *,
    audited: bool,
    fit: Sequence[str],
    select: str | None,
    near: Sequence[object] | None = None,
) -> list[Assigned]:
    """Decide for each row by its part, its image (equal for identical pixels) and its subject (or None).

    Where `near` is given (equal for near duplicates), these count as seen too. The answer for a row does not
    depend on the order of the rows.
    """
    seen_in = [("train", set(fit))]
    if select is not None and select not in fit:
        seen_in.append((select, {select}))
    columns = {"same image": image, "near duplicate": near or [None] * len(image), "subject": subject}
    seen = [
        (f"{what} in {name}", parts, column, {column[row] for row, part in enumerate(membership) if part in parts})
        for name, parts in seen_in
        for what, column in columns.items()
    ]

    def reason(row: int) -> str:
        for why, parts, column, values in seen:
            if membership[row] in parts:
                return ""  # what was fitted on stays, and so does what was selected on unless fitted on
            if column[row] is not None and column[row] in values:
                return why
        return ""

    answers = []
    for row, part in enumerate(membership):
        why = "in no part" if part is None else reason(row) if audited else ""
        answers.append(Assigned(part, not why, why))
    return answers


def twins(membership: Sequence[str | None], near: Sequence[object], fit: Sequence[str]) -> list[bool]:
    """Return of each row whether it is trained on and shares its picture (`near`) with a row of another part."""
    elsewhere = {near[row] for row, part in enumerate(membership) if part is not None and part not in fit}
    return [part in fit and near[row] in elsewhere for row, part in enumerate(membership)]


def _check_names(
    summary: Mapping[str, Any], index: Mapping[str, list[Any]], scheme: Scheme, used: Sequence[str]
) -> None:
    parts = scheme.parts or {}
    there = set(index["split"])
    missing = [official for official in parts.values() if official not in there]
    if missing:
        raise UserError(
            f"{summary['dataset']} has no images in the split {missing[0]!r}; it has {', '.join(sorted(there))}. "
            "Correct `parts` of the paper."
        )
    if len(set(parts.values())) < len(parts):
        raise UserError(f"Two parts are the same official split: {dict(parts)}. Give each part a split of its own.")
    unknown = [part for part in used if part not in scheme.names]
    if unknown:
        raise UserError(f"There is no part {unknown[0]!r}; the parts are {', '.join(scheme.names)}. Correct the paper.")


def read_images(index: Mapping[str, list[Any]], audit_dir: Path, summary: Mapping[str, Any]) -> Images:
    """Return the index with what the audit of the same data says of duplicates."""
    from pyarrow import parquet

    if not all((audit_dir / name).is_file() for name in (AUDIT, DUPLICATES, NEAR)):
        raise UserError(f"{audit_dir} holds no {AUDIT} with its {DUPLICATES} and {NEAR}: audit the data first.")
    if read_section(audit_dir / AUDIT, "data_fingerprint")["data_fingerprint"] != summary["fingerprint"]:
        raise UserError(f"{audit_dir} is the audit of other data than those prepared now: audit them again.")
    duplicates = parquet.read_table(audit_dir / DUPLICATES, columns=["id", "group"]).to_pydict()
    pairs = parquet.read_table(audit_dir / NEAR, columns=["id", "other"]).to_pydict()
    group_of = dict(zip(duplicates["id"], duplicates["group"], strict=True))
    image = [group_of.get(key, key) for key in index["id"]]
    row_of = {key: row for row, key in enumerate(index["id"])}
    linked = [(row_of[one], row_of[other]) for one, other in zip(pairs["id"], pairs["other"], strict=True)]
    # Pictures of two people who are known to be two only look alike: they are the audit's finding, no duplicates.
    subject = index["subject"]
    links = [(a, b) for a, b in linked if None in (subject[a], subject[b]) or subject[a] == subject[b]]
    near = [0] * len(image)
    for number, rows in enumerate(together(len(image), [image], links)):
        for row in rows:
            near[row] = number
    columns = {name: index[name] for name in Images._fields[:-2]}
    return Images(**columns, image=image, near=near)


def _check_left(rows: Sequence[Assigned], scheme: Scheme, dataset: str) -> None:
    for part in scheme.names:
        kept = [row.kept for row in rows if row.part == part]
        if not kept:
            raise UserError(f"{dataset}: the part {part!r} would hold no image: there are too few for this division.")
        if sum(kept) < LEAST_LEFT * len(kept):
            raise UserError(
                f"{dataset}: only {sum(kept):,} of {len(kept):,} images of part {part!r} share no image and no subject "
                "with training.\nThe official split cannot be audited: it needs a subject-disjoint re-split."
            )


def _about(scheme: Scheme, assignment: SplitAssignment, images: Images, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a split that its rows do not hold."""
    drawn = scheme.shares
    if scheme.validation is not None and scheme.share is not None:
        drawn = {scheme.validation: scheme.share, "train": 1 - scheme.share}
    return {
        "dataset": summary["dataset"],
        "stand_in": summary["stand_in"],
        "data_fingerprint": summary["fingerprint"],
        "classes": summary["classes"],
        "scheme": scheme.as_dict(),
        "off_target": round(off_target(assignment.folds[0], drawn, images.label), 2) if drawn else None,
    }


def _write(
    out: Path, ids: Sequence[str], folds: Sequence[Sequence[Assigned]], twin: Sequence[bool], about: Mapping[str, Any]
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [row for fold in folds for row in fold]
    columns = {
        "id": pa.array([*ids] * len(folds), pa.string()),
        "fold": pa.array([number for number, fold in enumerate(folds) for _ in fold], pa.int8()),
        "part": pa.array([row.part for row in rows], pa.string()),
        "kept": pa.array([row.kept for row in rows], pa.bool_()),
        "reason": pa.array([row.reason for row in rows], pa.string()),
        "twin": pa.array(twin, pa.bool_()),
    }
    with whole(out) as temporary:
        table = pa.table(columns).replace_schema_metadata({b"refer": json.dumps(about).encode()})
        parquet.write_table(table, temporary, write_page_checksum=True)
