"""Which image belongs to which part of an experiment, as published or as the audit allows.

The audited protocol never alters what is trained on: an image goes from an evaluated part where it (or, where
subjects are known, the person on it) was seen before, in training or while the epoch was selected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from refer.datasets.audit import AUDIT, DUPLICATES, read_index, read_summary
from refer.errors import UserError
from refer.files import read_json, whole

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
    parts: Mapping[str, str],
    audited: bool,
    fit: Sequence[str] = ("train",),
    select: str | None = "public",
) -> None:
    """Write `out`, a parquet file with the columns id, part, kept and reason in the order of the index.

    Args:
        prepared: folder with index.parquet and prepare.json.
        audit_dir: folder with the audit of the same data.
        out: the file to write.
        parts: name of each part → the official split that it is, e.g. {"train": "Training"}.
        audited: False keeps every row of every part; True leaves out of the evaluated parts what was seen.
        fit: the parts that are trained on.
        select: the part that the epoch is selected on, None for none.

    Raises:
        UserError: a split or part that is not there, an audit of other data, or a part of which the audited
            protocol would leave less than LEAST_LEFT.
    """
    summary, index = read_summary(prepared), read_index(prepared)
    _check_names(summary, index, parts, [*fit, *([select] if select else [])])
    groups = _groups(audit_dir, summary)
    part_of = {official: part for part, official in parts.items()}
    membership = [part_of.get(official) for official in index["split"]]
    image = [groups.get(key, key) for key in index["id"]]
    rows = assign(membership, image, index["subject"], audited=audited, fit=fit, select=select)
    _check_left(rows, summary["dataset"])
    _write(out, index["id"], rows, summary, parts=dict(parts), audited=audited, fit=list(fit), select=select)


def assign(
    membership: Sequence[str | None],
    image: Sequence[object],
    subject: Sequence[str | None],
    *,
    audited: bool,
    fit: Sequence[str],
    select: str | None,
) -> list[Assigned]:
    """Decide for each row by its part, its image (equal for identical pixels) and its subject (or None).

    The answer for a row does not depend on the order of the rows.
    """
    seen_in = [("train", set(fit))]
    if select is not None and select not in fit:
        seen_in.append((select, {select}))
    seen = [
        (
            name,
            parts,
            {image[row] for row, part in enumerate(membership) if part in parts},
            {subject[row] for row, part in enumerate(membership) if part in parts} - {None},
        )
        for name, parts in seen_in
    ]

    def reason(row: int) -> str:
        for name, parts, images, subjects in seen:
            if membership[row] in parts:
                return ""  # what was fitted on stays, and so does what was selected on unless fitted on
            if image[row] in images:
                return f"same image in {name}"
            if subject[row] in subjects:
                return f"subject in {name}"
        return ""

    answers = []
    for row, part in enumerate(membership):
        why = "in no part" if part is None else reason(row) if audited else ""
        answers.append(Assigned(part, not why, why))
    return answers


def _check_names(
    summary: Mapping[str, Any], index: Mapping[str, list[Any]], parts: Mapping[str, str], used: Sequence[str]
) -> None:
    there = set(index["split"])
    missing = [official for official in parts.values() if official not in there]
    if missing:
        raise UserError(
            f"{summary['dataset']} has no images in the split {missing[0]!r}; it has {', '.join(sorted(there))}. "
            "Correct `parts` of the paper."
        )
    if len(set(parts.values())) < len(parts):
        raise UserError(f"Two parts are the same official split: {dict(parts)}. Give each part a split of its own.")
    unknown = [part for part in used if part not in parts]
    if unknown:
        raise UserError(f"There is no part {unknown[0]!r}; the parts are {', '.join(parts)}. Correct the paper.")


def _groups(audit_dir: Path, summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the group of each id that has an identical twin."""
    from pyarrow import parquet

    if not (audit_dir / AUDIT).is_file() or not (audit_dir / DUPLICATES).is_file():
        raise UserError(f"{audit_dir} holds no {AUDIT} with its {DUPLICATES}: audit the data first.")
    if read_json(audit_dir / AUDIT)["data_fingerprint"] != summary["fingerprint"]:
        raise UserError(f"{audit_dir} is the audit of other data than those prepared now: audit them again.")
    table = parquet.read_table(audit_dir / DUPLICATES, columns=["id", "group"])
    return dict(zip(table["id"].to_pylist(), table["group"].to_pylist(), strict=True))


def _check_left(rows: Sequence[Assigned], dataset: str) -> None:
    for part in sorted({row.part for row in rows if row.part}):
        kept = [row.kept for row in rows if row.part == part]
        if sum(kept) < LEAST_LEFT * len(kept):
            raise UserError(
                f"{dataset}: only {sum(kept):,} of {len(kept):,} images of part {part!r} share no image and no subject "
                "with training.\nThe official split cannot be audited: it needs a subject-disjoint re-split."
            )


def _write(out: Path, ids: Sequence[str], rows: Sequence[Assigned], summary: Mapping[str, Any], **rule: Any) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "id": pa.array(ids, pa.string()),
        "part": pa.array([row.part for row in rows], pa.string()),
        "kept": pa.array([row.kept for row in rows], pa.bool_()),
        "reason": pa.array([row.reason for row in rows], pa.string()),
    }
    about = {"dataset": summary["dataset"], "data_fingerprint": summary["fingerprint"], **rule}
    with whole(out) as temporary:
        table = pa.table(columns).replace_schema_metadata({b"refer": json.dumps(about).encode()})
        parquet.write_table(table, temporary)
