"""The tables beside a paper's own: what the audit found, what the paper leaves open, and every run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from refer.reporting.audit import Audit, read_audit
from refer.reporting.evidence import Paper, Record, read_records
from refer.reporting.tables import (
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    several,
    stand_in_notice,
    thousands,
    write_csv,
    write_table,
)


def write_audit(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Write what audit.json says to every path of `outputs` (.csv, .md, .tex, .html)."""
    found = read_audit(audit)
    _write(audit_records(found), audit_table(found), outputs)


def write_ambiguities(paper: Paper, outputs: Iterable[str | Path]) -> None:
    """Write what `paper` leaves open to every path of `outputs` (.csv, .md, .tex, .html)."""
    _write(ambiguity_records(paper), ambiguity_table(paper), outputs)


def write_runs(runs: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Write one row per run.json to every path of `outputs`: what ran, on what, from which code, at what cost."""
    records = list(read_records(runs).values())
    _write([run_record(record) for record in records], runs_table(records), outputs)


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
        *(
            ("images that also stand in the other split", a, b, n)
            for a, row in audit.also_in.items()
            for b, n in row.items()
        ),
        *(("subjects that are also in the other split", a, b, n) for a, row in shared.items() for b, n in row.items()),
        *(("blank images", split, "", n) for split, n in audit.blanks.items()),
        *((f"class {name}", s, "", n) for s, row in audit.classes.items() for name, n in row.items()),
    ]
    common = {"dataset": audit.dataset, "data": audit.data, "stand_in": audit.stand_in}
    return [
        {**common, "finding": finding, "split": split, "other_split": other, "count": count}
        for finding, split, other, count in rows
    ]


def audit_table(audit: Audit) -> Table:
    """Return what the audit found, with its share of what could have been found."""
    total = audit.images
    blocks = [
        [
            _counted("Images that are copies of another (beyond the first of each group)", audit.surplus, total),
            _counted("Images in groups of identical ones", audit.images_in_groups, total),
            _counted("Groups of identical images", audit.groups),
            _counted("Groups that cross splits", audit.groups_across_splits, audit.groups),
            _counted("Groups whose copies carry different labels", audit.conflicting_groups, audit.groups),
        ],
        [_counted(f"Images of {b} that also stand in {a}", audit.also_in[b][a], audit.size(b)) for a, b in audit.pairs],
        [_counted(f"Blank images in {split}", n, audit.size(split)) for split, n in audit.blanks.items()],
    ]
    if audit.subjects_known:
        blocks.append(
            [_counted(f"People of {b} who are also in {a}", audit.shared_subjects[b][a]) for a, b in audit.pairs]
        )
    people = "" if audit.subjects_known else " Who is in the images is not known, so people may be in several splits."
    return Table(
        name=f"audit.{audit.data}",
        title=f"Audit of {dataset_name(audit.dataset)}: {total:,} images",
        columns=[Column("Finding"), Column("Count", right=True), Column("Of", right=True), Column("%", right=True)],
        blocks=[block for block in blocks if block],
        notes=[Note(f"Identical: every pixel of the decoded images is the same.{people}")],
        banner=stand_in_notice(audit.dataset) if audit.stand_in else "",
    )


def ambiguity_records(paper: Paper) -> list[dict[str, Any]]:
    """Return what the paper leaves open, one row per ambiguity."""
    return [
        {
            "paper": paper.id,
            "ambiguity": name,
            "question": each.question,
            "choice": _choice(paper, name),
            "alternatives": "; ".join(option for option in each.options if option != each.choice),
            "reason": each.reason,
        }
        for name, each in paper.ambiguities.items()
    ]


def _choice(paper: Paper, name: str) -> str:
    """Return the choice that was made, and what the configuration runs instead where it is overruled."""
    made, instead = paper.ambiguities[name].choice, paper.overruled.get(name)
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
    names = ("preset", "paper", "dataset", "data", "stand_in", "protocol", "method", "seed", "checkpoint_sha256",
             "data_fingerprint", "parameters", "initial_weights", "device", "device_name", "threads", "epochs",
             "selected_epoch", "selection", "seconds", "images_per_s", "resumed", "started", "finished")  # fmt: skip
    row = {name: record[name] for name in names}
    row |= {"git_commit": git.get("commit"), "git_dirty": git.get("dirty")}
    return row | {f"{name}_version": version for name, version in record["versions"].items()}


def runs_table(records: Sequence[Record]) -> Table:
    """Return the provenance of every run, as a table to be read."""
    heads = ["Paper", "Data", "Protocol", "Method", "Seed", "Checkpoint", "Data fingerprint", "Code", "Epoch",
             "Seconds", "Images/s"]  # fmt: skip
    right = {"Seed", "Epoch", "Seconds", "Images/s"}
    rows = [
        [
            Cell(record["paper"]),
            Cell(record["data"]),
            Cell(record["protocol"]),
            Cell(record["method"]),
            Cell(str(record["seed"])),
            Cell(record["checkpoint_sha256"][:12]),
            Cell(record["data_fingerprint"][:12]),
            Cell(_commit(record)),
            Cell(f"{record['selected_epoch']} of {record['epochs']}"),
            Cell(thousands(round(record["seconds"]))),
            Cell(thousands(round(record["images_per_s"]))),
        ]
        for record in records
    ]
    drawn = sorted({record["dataset"] for record in records if record["stand_in"]})
    return Table(
        name="runs",
        title=f"Provenance of {several(len(records), 'run')}",
        columns=[Column(head, right=head in right) for head in heads],
        blocks=[rows],
        notes=[
            Note(
                "Hashes are the first 12 digits of a SHA-256; runs.csv has them in full. Code: the commit, "
                "with + where the working tree had changes."
            )
        ],
        banner="; ".join(map(stand_in_notice, drawn)),
    )


def _commit(record: Record) -> str:
    git = record.get("git") or {}
    return f"{git['commit'][:8]}{'+' if git.get('dirty') else ''}" if git.get("commit") else "–"


def _counted(finding: str, count: int, of: int | None = None) -> list[Cell]:
    share = "–" if not of else "< 0.1" if 0 < count / of < 0.0005 else f"{100 * count / of:.1f}"
    return [Cell(finding), Cell(thousands(count)), Cell(thousands(of) if of else "–"), Cell(share)]


def _write(rows: Sequence[dict[str, Any]], table: Table, outputs: Iterable[str | Path]) -> None:
    paths = [Path(path) for path in outputs]
    for path in paths:
        if path.suffix == ".csv":
            write_csv(rows, path)
    write_table(table, [path for path in paths if path.suffix != ".csv"])
