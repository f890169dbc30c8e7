"""What a data set's audit found, as the report needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from refer.errors import UserError
from refer.records import AuditRecord, read


@dataclass(frozen=True)
class Near:
    """What was found of pictures that are nearly the same.

    `pairs` are pairs of pictures, `mirrored` those of them that are alike when one is mirrored; `one_subject` and
    `two_subjects` count the pairs in which both people are known. `groups` are what near and identical copies
    connect, `images` those in them. `also_in` counts copies of both kinds.
    """

    pairs: int
    mirrored: int
    one_subject: int
    two_subjects: int
    images: int
    groups: int
    groups_across_splits: int
    conflicting_groups: int
    conflicting_of_one_subject: int
    also_in: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class People:
    """How many people are known, and how many images there are of one: least, median and most."""

    count: int
    least: int
    median: float
    most: int


@dataclass(frozen=True)
class Audit:
    """The content of audit.json. Splits are in the data set's order, classes in that of their codes.

    `also_in[a][b]` counts the images of split a that stand in split b too, `blanks` the images that show
    nothing by split, `shared_subjects[a][b]` the people of split a who are in split b too (0 where unknown).
    `modalities` counts images by modality. Of a set with one, `pairs_complete` is None; `unpaired` counts the
    images of each modality without another. `notes` are counts that the data set's reader made,
    `remarks` what preparing did to the raw data (what, how often, the first names), `pixels` what was done to the
    images before they came here ("": nothing that shows). An audit by an older version lacks `near`, `people`,
    `modalities`, pairs, notes and remarks.
    """

    dataset: str
    data: str
    stand_in: bool
    images: int
    groups: int
    images_in_groups: int
    surplus: int
    groups_across_splits: int
    conflicting_groups: int
    also_in: Mapping[str, Mapping[str, int]]
    blanks: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    subjects_known: bool
    shared_subjects: Mapping[str, Mapping[str, int]]
    near: Near | None = None
    people: People | None = None
    modalities: Mapping[str, int] = field(default_factory=dict)
    pairs_complete: int | None = None
    unpaired: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    remarks: Sequence[tuple[str, int, str]] = ()
    pixels: str = ""

    @property
    def splits(self) -> list[str]:
        """The official splits."""
        return list(self.classes)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every (earlier split, later split)."""
        return [(a, b) for k, b in enumerate(self.splits) for a in self.splits[:k]]

    def size(self, split: str) -> int:
        """Return the number of images of a split."""
        return sum(self.classes[split].values())


def read_audit(path: str | Path) -> Audit:
    """Read an audit.json. Raises UserError where it is absent or lacks something."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected what the audit of the data set found. Run the workflow.")
    found = read(path, AuditRecord, "Delete it and run the audit again.")
    counts = ("images", "groups", "images_in_groups", "surplus", "groups_across_splits", "conflicting_groups")
    return Audit(
        dataset=found["dataset"],
        data=found["dataset"] + ("-standin" if found["stand_in"] else ""),
        stand_in=found["stand_in"],
        **{name: found[name] for name in counts},
        also_in=found["also_in"],
        blanks={split: entry["count"] for split, entry in found["blanks"].items()},
        classes=found["counts"],
        subjects_known=found["subjects"]["known"],
        shared_subjects=found["subjects"]["overlap"],
        **(_newer(found) if "near" in found else {}),
    )


def _newer(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what audits hold since near duplicates, pairs and people are looked at."""
    near, each, pairs = found["near"], found["subjects"]["images_each"], found.get("pairs")
    counts = ("pairs", "images", "groups", "groups_across_splits", "conflicting_groups", "also_in")
    people = found["subjects"].get("count", 0)
    return {
        "near": Near(
            **{name: near[name] for name in counts},
            mirrored=near["views"]["mirrored"],
            one_subject=near["pairs_of_one_subject"],
            two_subjects=near["pairs_of_two_subjects"],
            conflicting_of_one_subject=near["conflicting_groups_of_one_subject"],
        ),
        "people": People(people, each["least"], each["median"], each["most"]) if people else None,
        "modalities": {
            modality: sum(sum(classes.values()) for classes in splits.values())
            for modality, splits in found.get("modalities", {}).items()
        },
        "pairs_complete": pairs and pairs["complete"],
        "unpaired": pairs["unpaired"] if pairs else {},
        "notes": found.get("notes", {}),
        "remarks": [(one["what"], one["number"], one["first"]) for one in found.get("remarks", ())],
        "pixels": (found.get("pixels") or {}).get("said", ""),
    }
