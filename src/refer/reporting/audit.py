"""What a data set's audit found, as the report needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from refer.errors import UserError
from refer.files import read_json


@dataclass(frozen=True)
class Audit:
    """The content of audit.json. Splits are in the data set's order, classes in that of their codes.

    `also_in[a][b]` counts the images of split a that stand in split b too, `blanks` the images that show
    nothing by split, `shared_subjects[a][b]` the people of split a who are in split b too (0 where unknown).
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
    found = read_json(path)
    counts = ("images", "groups", "images_in_groups", "surplus", "groups_across_splits", "conflicting_groups")
    try:
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
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: lacks {error}; delete it and run the audit again.") from error
