"""The tables beside a paper's own: what the audit found, what the paper leaves open, and every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.reporting.audit import Audit, Near, read_audit
from refer.reporting.run_set import Record, precision_of, read_records
from refer.reporting.tables import columns as c
from refer.reporting.tables.table import (
    DASH,
    Column,
    Note,
    Row,
    Table,
    dataset_name,
    several,
    stand_in_notice,
    thousands,
)
from refer.reporting.tables.write import write_tables

if TYPE_CHECKING:
    from refer.spec import Paper

BLOCK = "block"


def write_audit(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Write what audit.json says to every path of `outputs` (.csv, .md, .tex, .html)."""
    write_tables([audit_table(read_audit(audit))], outputs)


def write_runs(runs: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Write one row per run.json to every path of `outputs`: what ran, on what, from which code, at what cost."""
    write_tables([runs_table(list(read_records(runs).values()))], outputs)


def audit_records(audit: Audit) -> list[dict[str, Any]]:
    """Return the audit as rows of (finding, split, other split, count)."""
    shared = audit.shared_subjects if audit.subjects_known else {}
    rows = [
        ("images", "", "", audit.images),
        ("groups of identical images", "", "", audit.groups),
        ("images in these groups", "", "", audit.images_in_groups),
        ("surplus duplicates", "", "", audit.surplus),
        ("groups that cross splits", "", "", audit.groups_across_splits),
        ("groups with conflicting labels", "", "", audit.conflicting_groups),
        *_between("images that also stand in the other split", audit.also_in),
        *(_near_records(audit.near) if audit.near else []),
        *_between("subjects that are also in the other split", shared),
        *(("blank images", split, "", n) for split, n in audit.blanks.items()),
        *((f"class {name}", s, "", n) for s, row in audit.classes.items() for name, n in row.items()),
        *((f"{modality} images", "", "", n) for modality, n in audit.modalities.items()),
        *([("complete pairs", "", "", audit.pairs_complete)] if audit.pairs_complete is not None else []),
        *((f"unpaired {modality} images", "", "", n) for modality, n in audit.unpaired.items()),
        *([("people", "", "", audit.people.count)] if audit.people else []),
        *((note, "", "", n) for note, n in audit.notes.items()),
        *((what, "", "", n) for what, n, _ in audit.remarks),
    ]
    common = {"dataset": audit.dataset, "data": audit.data, "stand_in": audit.stand_in}
    return [
        {**common, "finding": finding, "split": split, "other_split": other, "count": count}
        for finding, split, other, count in rows
    ]


def _near_records(near: Near) -> list[tuple[str, str, str, int]]:
    return [
        ("pairs of near duplicates", "", "", near.pairs),
        ("pairs of near duplicates, mirrored", "", "", near.mirrored),
        ("pairs of near duplicates, of one person", "", "", near.one_subject),
        ("pairs of near duplicates, of two people", "", "", near.two_subjects),
        ("groups with near duplicates", "", "", near.groups),
        ("images in groups with near duplicates", "", "", near.images),
        ("groups with near duplicates that cross splits", "", "", near.groups_across_splits),
        ("groups with near duplicates with conflicting labels", "", "", near.conflicting_groups),
        *_between("images that stand in the other split, near duplicates too", near.also_in),
    ]


def _between(finding: str, counts: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, str, str, int]]:
    return ((finding, a, b, n) for a, row in counts.items() for b, n in row.items())


def audit_table(audit: Audit) -> Table:
    """Return what the audit found, with its share of what could have been found."""
    total = audit.images
    blocks = [
        [
            _counted("Images that are duplicates of another (beyond the first of each group)", audit.surplus, total),
            _counted("Images in groups of identical ones", audit.images_in_groups, total),
            _counted("Groups of identical images", audit.groups),
            *([_counted("Groups that cross splits", audit.groups_across_splits, audit.groups)] if audit.pairs else []),
            _counted("Groups whose duplicates carry different labels", audit.conflicting_groups, audit.groups),
        ],
        [_counted(f"Images of {b} that also stand in {a}", audit.also_in[b][a], audit.size(b)) for a, b in audit.pairs],
        _near_rows(audit, audit.near) if audit.near else [],
        [_counted(f"Blank images in {split}", n, audit.size(split)) for split, n in audit.blanks.items()],
        _camera_rows(audit),
        _people_rows(audit),
        [_counted(f"Raw data: {note}", n) for note, n in audit.notes.items()]
        + [_counted(f"Raw data: {what}", n) for what, n, _ in audit.remarks],
    ]
    notes = ["Identical: every pixel of the decoded images is the same."]
    notes += [f"{what[:1].upper()}{what[1:]}: {first}." for what, _, first in audit.remarks if first]
    if audit.pixels:
        notes.append(f"The images were {audit.pixels} before they came here: other copies of the data set may differ.")
    if audit.near:
        notes.append(
            "Near duplicates: one photograph compressed again, brightened, scaled, moved or cropped by a few pixels, "
            "or mirrored (docs/near-duplicates.md)."
        )
    if not audit.subjects_known:
        notes.append("Who is in the images is not known, so people may be in several splits.")
    elif audit.near:
        notes.append("Of one person they are expected where images are frames of a video or were taken in a row.")
    return Table(
        name=f"audit.{audit.data}",
        title=f"Audit of {dataset_name(audit.dataset)}: {total:,} images",
        columns=[
            *c.hidden("dataset", "data", "stand_in"),
            Column("finding", "Finding"),
            *c.hidden("split", "other_split"),
            Column("count", "Count", right=True),
            Column("", "Of", lambda row: thousands(row["of"]) if row["of"] else DASH, right=True),
            Column("", "%", _share, right=True),
        ],
        rows=audit_records(audit),
        shown=lambda _: False,
        more=[{**row, BLOCK: number} for number, block in enumerate(blocks) for row in block],
        block=[BLOCK],
        notes=[Note(" ".join(notes))],
        banner=stand_in_notice(audit.dataset) if audit.stand_in else "",
    )


def _near_rows(audit: Audit, near: Near) -> list[Row]:
    known = near.one_subject + near.two_subjects
    crossing, disagreeing = near.groups_across_splits, near.conflicting_groups
    return [
        _counted("Pairs of near duplicates", near.pairs),
        _counted("… mirrored", near.mirrored, near.pairs),
        *([_counted("… that show one person", near.one_subject, known)] if known else []),
        *([_counted("… that show two people", near.two_subjects, known)] if known else []),
        _counted("Images in groups with near duplicates", near.images, audit.images),
        *([_counted("Groups with near duplicates that cross splits", crossing, near.groups)] if audit.pairs else []),
        _counted("Groups with near duplicates that carry different labels", disagreeing, near.groups),
        *([_counted("… and show one person", near.conflicting_of_one_subject, disagreeing)] if known else []),
        *(
            _counted(f"Images of {b} that stand in {a}, near duplicates too", near.also_in[b][a], audit.size(b))
            for a, b in audit.pairs
        ),
    ]


def _camera_rows(audit: Audit) -> list[Row]:
    if audit.pairs_complete is None:
        return []
    return [
        *(_counted(f"{_sentence(modality)} images", n, audit.images) for modality, n in audit.modalities.items()),
        _counted(f"Pairs of {' and '.join(audit.modalities)} images", audit.pairs_complete),
        *(
            _counted(f"{_sentence(one)} images in no pair", n, audit.modalities[one])
            for one, n in audit.unpaired.items()
        ),
    ]


def _people_rows(audit: Audit) -> list[Row]:
    rows = []
    if audit.people:
        one = audit.people
        images = f"People (images of one: {one.least:,} to {one.most:,}, median {one.median:g})"
        rows.append(_counted(images, one.count))
    if audit.subjects_known:
        rows += [_counted(f"People of {b} who are also in {a}", audit.shared_subjects[b][a]) for a, b in audit.pairs]
    return rows


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def ambiguity_records(paper: Paper) -> list[dict[str, Any]]:
    """Return what the paper leaves open, one row per ambiguity."""
    return [
        {
            "paper": paper.id,
            "ambiguity": name,
            "question": each.question,
            "choice": _choice(paper, name),
            "alternatives": "; ".join(option for option in each.options if option != each.choice),
            "reason": f"{paper.filed[name]}: {each.reason}" if name in paper.filed else each.reason,
        }
        for name, each in paper.ambiguities.items()
    ]


def _choice(paper: Paper, name: str) -> str:
    """Return the choice that was made, whose it is, and what the configuration runs instead where it is overruled."""
    made, instead = paper.ambiguities[name].choice, paper.overruled.get(name)
    if filed := paper.filed.get(name):
        made += f" (of this preset; papers/{paper.id}.yaml has {filed})"
    return f"{made} (overruled here: {instead})" if instead else made


def ambiguity_table(paper: Paper) -> Table:
    """Return what the paper leaves open, as a table to be read."""
    return Table(
        name=f"ambiguities.{paper.id}",
        title=f"{paper.id}: what the paper does not say, and what was chosen",
        columns=[
            *c.hidden("paper", "ambiguity"),
            Column("question", "Question", width=0.27),
            Column("choice", "Choice made", width=0.12),
            Column("alternatives", "Alternatives", width=0.18),
            Column("reason", "Why", width=0.36),
        ],
        rows=ambiguity_records(paper),
        notes=[Note("Each alternative can be switched on in the configuration, under ambiguity.")],
    )


def run_record(record: Record) -> dict[str, Any]:
    """Return one row of runs.csv."""
    git = record.get("git") or {}
    names = ("preset", "paper", "dataset", "data", "stand_in", "protocol", "method", "seed", "fold",
             "checkpoint_sha256", "data_fingerprint", "parameters", "initial_weights", "device", "device_name",
             "threads", "epochs", "selected_epoch", "selection", "seconds", "images_per_s", "resumed", "started",
             "finished")  # fmt: skip
    row = {name: record.get(name) if name == "fold" else record[name] for name in names}
    row["precision"] = precision_of(record)
    energy = record.get("energy") or {}
    row |= {"energy_joules": energy.get("joules"), "energy_meter": energy.get("meter")}
    row |= {"git_commit": git.get("commit"), "git_dirty": git.get("dirty")}
    return row | {f"{name}_version": version for name, version in record["versions"].items()}


def runs_table(records: Sequence[Record]) -> Table:
    """Return the provenance of every run, as a table to be read."""
    drawn = sorted({record["dataset"] for record in records if record["stand_in"]})
    switched = any("+" in record["paper"] for record in records)
    return Table(
        name="runs",
        title=f"Provenance of {several(len(records), 'run')}",
        columns=_run_columns(records),
        rows=[run_record(record) for record in records],
        notes=[
            Note(
                "Hashes are the first 12 digits of a SHA-256; runs.csv has them in full. Code: the commit, "
                "with + where the working tree had changes."
            ),
            *([Note("paper+question-option: the paper with that option switched.")] if switched else []),
        ],
        banner="; ".join(map(stand_in_notice, drawn)),
    )


def _run_columns(records: Sequence[Record]) -> list[Column]:
    shown = {
        "paper": Column("paper", "Paper"),
        "data": Column("data", "Data"),
        "protocol": Column("protocol", "Protocol"),
        "method": Column("method", "Method"),
        "seed": Column("seed", "Seed", lambda row: str(row["seed"]), right=True),
        "fold": Column("fold", "Fold", lambda row: DASH if row["fold"] is None else str(row["fold"]), right=True),
        "checkpoint_sha256": Column("checkpoint_sha256", "Checkpoint", lambda row: row["checkpoint_sha256"][:12]),
        "data_fingerprint": Column("data_fingerprint", "Data fingerprint", lambda row: row["data_fingerprint"][:12]),
        "git_commit": Column("git_commit", "Code", _commit),
        "selected_epoch": Column("selected_epoch", "Epoch", _epoch, right=True),
        "seconds": Column("seconds", "Seconds", lambda row: thousands(round(row["seconds"])), right=True),
        "images_per_s": Column("images_per_s", "Images/s", _speed, right=True),
    }
    if all(record.get("fold") is None for record in records):
        shown["fold"] = Column("fold")
    names = dict.fromkeys(name for record in records for name in run_record(record))
    return [*(shown[name] for name in shown if name in names), *(Column(name) for name in names if name not in shown)]


def _commit(row: Row) -> str:
    return f"{row['git_commit'][:8]}{'+' if row['git_dirty'] else ''}" if row["git_commit"] else DASH


def _epoch(row: Row) -> str:
    return f"{row['selected_epoch']} of {row['epochs']}" if row["epochs"] else DASH


def _speed(row: Row) -> str:
    return thousands(round(row["images_per_s"])) if row["epochs"] else DASH


def _counted(finding: str, count: int, of: int | None = None) -> Row:
    return {"finding": finding, "count": count, "of": of}


def _share(row: Row) -> str:
    if not row["of"]:
        return DASH
    share = row["count"] / row["of"]
    return "< 0.1" if 0 < share < 0.0005 else f"{100 * share:.1f}"
