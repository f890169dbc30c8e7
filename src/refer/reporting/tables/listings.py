"""The tables beside a paper's own: what the audit found, what the paper leaves open, and every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from refer.reporting.audit import Audit, Near, read_audit
from refer.reporting.evidence import Paper, Record, precision_of, read_records
from refer.reporting.tables.table import (
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    several,
    stand_in_notice,
    thousands,
    write_faces,
)


def write_audit(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Write what audit.json says to every path of `outputs` (.csv, .md, .tex, .html)."""
    found = read_audit(audit)
    write_faces(audit_records(found), [audit_table(found)], outputs)


def write_ambiguities(paper: Paper, outputs: Iterable[str | Path]) -> None:
    """Write what `paper` leaves open to every path of `outputs` (.csv, .md, .tex, .html)."""
    write_faces(ambiguity_records(paper), [ambiguity_table(paper)], outputs)


def write_runs(runs: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Write one row per run.json to every path of `outputs`: what ran, on what, from which code, at what cost."""
    records = list(read_records(runs).values())
    write_faces([run_record(record) for record in records], [runs_table(records)], outputs)


def audit_records(audit: Audit) -> list[dict[str, Any]]:
    """Return the audit as rows of (finding, split, other split, count)."""
    shared = audit.shared_subjects if audit.subjects_known else {}
    rows = [
        ("images", "", "", audit.images),
        ("groups of identical images", "", "", audit.groups),
        ("images in these groups", "", "", audit.images_in_groups),
        ("surplus copies", "", "", audit.surplus),
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
            _counted("Images that are copies of another (beyond the first of each group)", audit.surplus, total),
            _counted("Images in groups of identical ones", audit.images_in_groups, total),
            _counted("Groups of identical images", audit.groups),
            *([_counted("Groups that cross splits", audit.groups_across_splits, audit.groups)] if audit.pairs else []),
            _counted("Groups whose copies carry different labels", audit.conflicting_groups, audit.groups),
        ],
        [_counted(f"Images of {b} that also stand in {a}", audit.also_in[b][a], audit.size(b)) for a, b in audit.pairs],
        _near_rows(audit, audit.near) if audit.near else [],
        [_counted(f"Blank images in {split}", n, audit.size(split)) for split, n in audit.blanks.items()],
        _camera_rows(audit),
        _people_rows(audit),
        [_counted(f"Raw data: {note}", n) for note, n in audit.notes.items()],
    ]
    notes = ["Identical: every pixel of the decoded images is the same."]
    if audit.pixels:
        notes.append(f"The images were {audit.pixels} before they came here: other copies of the data set may differ.")
    if audit.near:
        notes.append(
            "Near duplicates: one photograph compressed again, brightened, scaled, moved or cropped by a few pixels, "
            "or mirrored (docs/near-duplicates.md)."
        )
    if not audit.subjects_known:
        notes.append("Who is in the images is not known, so people may be in several parts.")
    elif audit.near:
        notes.append("Of one person they are expected where images are frames of a video or were taken in a row.")
    return Table(
        name=f"audit.{audit.data}",
        title=f"Audit of {dataset_name(audit.dataset)}: {total:,} images",
        columns=[Column("Finding"), Column("Count", right=True), Column("Of", right=True), Column("%", right=True)],
        blocks=[block for block in blocks if block],
        notes=[Note(" ".join(notes))],
        banner=stand_in_notice(audit.dataset) if audit.stand_in else "",
    )


def _near_rows(audit: Audit, near: Near) -> list[list[Cell]]:
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


def _camera_rows(audit: Audit) -> list[list[Cell]]:
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


def _people_rows(audit: Audit) -> list[list[Cell]]:
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
    columns = {
        "question": Column("Question", width=0.27),
        "choice": Column("Choice made", width=0.12),
        "alternatives": Column("Alternatives", width=0.18),
        "reason": Column("Why", width=0.36),
    }
    rows = [[Cell(row[key] or "–") for key in columns] for row in ambiguity_records(paper)]
    return Table(
        name=f"ambiguities.{paper.id}",
        title=f"{paper.id}: what the paper does not say, and what was chosen",
        columns=list(columns.values()),
        blocks=[rows],
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
    heads = ["Paper", "Data", "Protocol", "Method", "Seed", "Checkpoint", "Data fingerprint", "Code", "Epoch",
             "Seconds", "Images/s"]  # fmt: skip
    right = {"Seed", "Fold", "Epoch", "Seconds", "Images/s"}
    divided = any(record.get("fold") is not None for record in records)
    if divided:
        heads.insert(heads.index("Seed") + 1, "Fold")
    rows = [
        [
            Cell(record["paper"]),
            Cell(record["data"]),
            Cell(record["protocol"]),
            Cell(record["method"]),
            Cell(str(record["seed"])),
            *([Cell("–" if record.get("fold") is None else str(record["fold"]))] if divided else []),
            Cell(record["checkpoint_sha256"][:12]),
            Cell(record["data_fingerprint"][:12]),
            Cell(_commit(record)),
            Cell(f"{record['selected_epoch']} of {record['epochs']}" if record["epochs"] else "–"),
            Cell(thousands(round(record["seconds"]))),
            Cell(thousands(round(record["images_per_s"])) if record["epochs"] else "–"),
        ]
        for record in records
    ]
    drawn = sorted({record["dataset"] for record in records if record["stand_in"]})
    switched = any("+" in record["paper"] for record in records)
    return Table(
        name="runs",
        title=f"Provenance of {several(len(records), 'run')}",
        columns=[Column(head, right=head in right) for head in heads],
        blocks=[rows],
        notes=[
            Note(
                "Hashes are the first 12 digits of a SHA-256; runs.csv has them in full. Code: the commit, "
                "with + where the working tree had changes."
            ),
            *([Note("paper+question-option: the paper with that option switched.")] if switched else []),
        ],
        banner="; ".join(map(stand_in_notice, drawn)),
    )


def _commit(record: Record) -> str:
    git = record.get("git") or {}
    return f"{git['commit'][:8]}{'+' if git.get('dirty') else ''}" if git.get("commit") else "–"


def _counted(finding: str, count: int, of: int | None = None) -> list[Cell]:
    share = "–" if not of else "< 0.1" if 0 < count / of < 0.0005 else f"{100 * count / of:.1f}"
    return [Cell(finding), Cell(thousands(count)), Cell(thousands(of) if of else "–"), Cell(share)]
