"""The tables of what a protocol is worth: removed images, and published against audited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refer.reporting.evidence import Evidence
from refer.reporting.protocols import AUDITED, PUBLISHED, Effect, Leak
from refer.reporting.results import Comparison
from refer.reporting.tables.notes import epoch_rules, rules_told
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Table,
    dataset_name,
    number,
    probability,
    signed,
    stand_in_notice,
    thousands,
)


def protocol_tables(comparison: Comparison, leaking: Sequence[Leak], found: Sequence[Effect]) -> list[Table]:
    """Return the tables: what removed images are worth, and published against audited; none of nothing."""
    made = [_leak_table(comparison, leaking)] if leaking else []
    if found:
        made.append(_effect_table(comparison, found))
    return made or [_nothing(comparison)]


def _leak_table(comparison: Comparison, leaking: Sequence[Leak]) -> Table:
    evidence = comparison.evidence
    columns = [Column("Method"), Column("Protocol"), Column("Part"), Column("Seeds", right=True)]
    columns += [Column(head, group, right=True) for group, heads in (
        ("Accuracy (%)", ("All images", "Kept", "Removed")), ("Images", ("All", "Removed")),
        ("Removed images add", ("Points", "95 % interval"))) for head in heads]  # fmt: skip
    rows = [
        [
            *_named(evidence, each.method),
            Cell(each.protocol),
            Cell(evidence.split(each.part)),
            Cell(str(each.seeds)),
            *(Cell(number(value)) for value in (each.everything, each.kept, each.removed)),
            *(Cell(thousands(value)) for value in (each.n, each.n_removed)),
            Cell(signed(each.adds, 2)),
            Cell(_range(100 * each.interval.low, 100 * each.interval.high)),
        ]
        for each in leaking
    ]
    notes = [
        "The same trained networks on all images of a part, on those that the audited protocol keeps, and on those "
        "that it removes (copies of images that are learnt from or choose the epoch, or known subjects): means over "
        "seeds. Points: all images less kept ones."
    ]
    return _table(comparison, "images that the audit removes", columns, rows, notes)


def _effect_table(comparison: Comparison, found: Sequence[Effect]) -> Table:
    evidence = comparison.evidence
    columns = [Column("Method"), Column("Part"), Column("Seeds", right=True)]
    columns += [Column(head, group, right=True) for group, heads in (
        ("Accuracy (%)", ("Published", "Audited")), ("Published less audited, in points",
        ("All", "Removed images", "The rest", "95 % interval", "p", "Epoch"))) for head in heads]  # fmt: skip
    rows = [
        [
            *_named(evidence, each.method),
            Cell(evidence.split(each.part)),
            Cell(str(each.seeds) if each.seeds else DASH),
            *(Cell(number(value)) for value in (each.published, each.audited)),
            *(Cell(signed(value, 1)) for value in (each.difference, each.images, each.rest)),
            Cell(DASH if each.low is None or each.high is None else _range(each.low, each.high)),
            Cell(DASH if each.p is None else probability(each.p)),
            Cell(signed(each.epoch)),
        ]
        for each in found
    ]
    alone = any(not each.seeds for each in found)
    divided = any(each.images is None and each.seeds for each in found)
    rules = {
        protocol: epoch_rules(evidence, (run for run in evidence.runs if run.key.protocol == protocol))
        for protocol in (PUBLISHED, AUDITED)
    }
    told = "; ".join(f"{protocol}: {rules_told(rule) or 'nothing to train'}" for protocol, rule in rules.items())
    notes = [
        "Removed images: what the images that the audit removes add to the published runs. The rest: published less "
        "audited runs on the images that both count, which is the epoch and whatever else the protocols change, with "
        "the paired interval and p of docs/verdicts.md. Seeds: those that ran under both protocols, of which the "
        "row is.",
        f"Epoch tested, {told}. Epoch: what the published choice gains on the part that it was made on, all else being "
        f"equal; {DASH} where the runs learnt differently, or the part chose no epoch.",
    ]
    if alone:
        notes.append(
            f"{DASH} under Seeds: none ran under both protocols; each accuracy is of its own seeds, and nothing more "
            "is compared."
        )
    if divided:
        notes.append(
            f"{DASH}: the audited protocol divides the data differently (people kept apart), so that its test images "
            "are others, and the difference cannot be split."
        )
    return _table(comparison, "published against audited", columns, rows, notes)


def _nothing(comparison: Comparison) -> Table:
    evidence = comparison.evidence
    ran = " and ".join(evidence.protocols)
    text = f"Only the {ran} protocol was run, and it counts every image: there is nothing to set against it."
    if len(evidence.protocols) > 1:
        text = "No method was run under both protocols and tested on the same part, and no image was removed."
    elif evidence.protocols == [PUBLISHED]:
        text = "Only the published protocol was run: which images the audited one would remove, its runs would tell."
    return _table(comparison, "published against audited", [Column("Method")], [], [text])


def _named(evidence: Evidence, method: str) -> list[Cell]:
    return [Cell(evidence.paper.methods[method].label)]


def _range(low: float, high: float) -> str:
    return f"{signed(low)} to {signed(high)}"


def _table(
    comparison: Comparison, what: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], notes: Sequence[str]
) -> Table:
    evidence = comparison.evidence
    return Table(
        name=f"protocols.{evidence.paper.id}.{evidence.data}.{what.split()[0]}",
        title=f"{evidence.paper.id} on {dataset_name(evidence.dataset)}: {what}",
        columns=columns,
        blocks=[rows] if rows else [],
        notes=list(map(Note, notes)),
        banner=stand_in_notice(evidence.dataset) if evidence.stand_in else "",
    )


def protocol_records(comparison: Comparison, leaking: Sequence[Leak], found: Sequence[Effect]) -> list[dict[str, Any]]:
    """Return the rows of the CSV: both tables, told apart by `table`; accuracies in percent, the rest in points."""
    evidence = comparison.evidence
    common = {"preset": evidence.preset, "paper": evidence.paper.id, "data": evidence.data,
              "stand_in": evidence.stand_in}  # fmt: skip
    empty = dict.fromkeys(
        ("protocol", "method", "part", "all", "kept", "removed", "n", "n_removed", "published", "audited", "difference",
         "removed_images", "rest", "low", "high", "p", "epoch", "seeds")
    )  # fmt: skip
    rows = []
    for leak in leaking:
        rows.append({**common, "table": "removed", **empty, "protocol": leak.protocol, "method": leak.method,
                     "part": leak.part, "all": leak.everything, "kept": leak.kept, "removed": leak.removed, "n": leak.n,
                     "n_removed": leak.n_removed, "removed_images": leak.adds, "low": 100 * leak.interval.low,
                     "high": 100 * leak.interval.high, "seeds": leak.seeds})  # fmt: skip
    for effect in found:
        rows.append({**common, "table": "effect", **empty, "method": effect.method, "part": effect.part,
                     "published": effect.published, "audited": effect.audited, "difference": effect.difference,
                     "removed_images": effect.images, "rest": effect.rest, "low": effect.low, "high": effect.high,
                     "p": effect.p, "epoch": effect.epoch, "seeds": effect.seeds})  # fmt: skip
    return rows or [{**common, "table": "none", **empty}]
