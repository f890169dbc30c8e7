"""What is wrong with a raw set, and whether that is let pass: defects of single images, and wrong counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from refer.datasets.model import DEFECTS, Dataset, ImageRow, Problem, some
from refer.errors import UserError

ADVICE = {
    "unreadable": "Get the archive again, or list `unreadable` under `tolerate` to leave them out.",
    "labels": "Correct them, or list `labels` under `tolerate` to leave them out.",
    "sizes": "Give the owner's images, or list `sizes` under `tolerate` to resize them.",
    "counts": "Get the whole set, or list `counts` under `tolerate` to go on with what there is.",
}
SENTENCE = {
    "unreadable": "cannot be decoded",
    "labels": "have no clear label or split",
    "sizes": "have another size than the set",
    "counts": "classes have another number of images than the owner states",
}


@dataclass
class Report:
    """What was wrong and what was converted, over the whole run."""

    tolerate: Collection[str]
    problems: list[Problem] = field(default_factory=list)
    conversions: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)  # "640x490" → how many raw images have it

    differences: list[Problem] = field(default_factory=list)  # from counts that others than the owner report

    def compare(self, known: Dataset, rows: Sequence[ImageRow]) -> None:
        """Compare the counts of `rows` with the known ones; the problems so far are rows that are not there."""
        differing = _differences(known, rows, dropped=len(self.problems))
        (self.problems if known.counts_are == "exact" else self.differences).extend(differing)

    def refuse(self, title: str) -> None:
        """Raise about the first kind of defect that is not tolerated, naming the first few."""
        for kind in DEFECTS[::-1]:
            found = [problem for problem in self.problems if problem.kind == kind]
            if found and kind not in self.tolerate:
                first = some([f"{problem.id}: {problem.what}" for problem in found], 3)
                raise UserError(f"{title}: {len(found)} {_noun(kind)}{SENTENCE[kind]} ({first}).\n{ADVICE[kind]}")

    def tolerated(self) -> dict[str, list[dict[str, str]]]:
        """Return every defect that was let pass, by kind."""
        return {
            kind: named([one for one in self.problems if one.kind == kind])
            for kind in sorted({problem.kind for problem in self.problems})
        }


def named(problems: Sequence[Problem]) -> list[dict[str, str]]:
    """Return problems as prepare.json holds them."""
    return [{"id": one.id, "what": one.what} for one in problems]


def _noun(kind: str) -> str:
    return "" if kind == "counts" else "images "


def check_tolerated(tolerate: Collection[str]) -> None:
    """Raise UserError where `tolerate` names what is no defect."""
    unknown = sorted(set(tolerate) - set(DEFECTS))
    if unknown:
        raise UserError(f"`tolerate` names {some(unknown)}; it can name {', '.join(DEFECTS)}.")


def _table(known: Dataset, rows: Sequence[ImageRow]) -> dict[str, dict[str, list[int]]]:
    """Return the number of counted images of each class (in code order) by modality and split."""
    found = Counter((row.modality, row.split, row.label) for row in rows if known.counted(row))
    labels = range(len(known.classes))
    return {
        modality: {split: [found[modality, split, label] for label in labels] for split in known.splits}
        for modality in known.modalities
    }


def _differences(known: Dataset, rows: Sequence[ImageRow], dropped: int) -> list[Problem]:
    """Compare with the owner's numbers; rows that were dropped and reported already explain what is missing."""
    differing = [
        (f"{split}/{name}" if len(known.modalities) == 1 else f"{split}/{name}/{modality}", have, want)
        for modality, found in _table(known, rows).items()
        for split, wanted in known.counts.items()
        for name, have, want in zip(known.classes, found[split], wanted, strict=True)
        if want is not None and have != want
    ]
    if all(have < want for _, have, want in differing) and sum(w - h for _, h, w in differing) == dropped:
        return []
    return [Problem("counts", place, f"{have:,} of {want:,}") for place, have, want in differing]


def compared(known: Dataset, rows: Sequence[ImageRow], stand_in: bool) -> dict[str, Any]:
    """Return found and known numbers by split and class, of the first modality and, of several, of each.

    What is known is null for drawn data, and where the owner does not state it.
    """
    nothing = (None,) * len(known.classes)
    of_modality = {
        modality: {
            split: {
                name: {"found": have, "known": want}
                for name, have, want in zip(
                    known.classes, numbers, nothing if stand_in else known.counts.get(split, nothing), strict=True
                )
            }
            for split, numbers in found.items()
        }
        for modality, found in _table(known, rows).items()
    }
    counts = {"counts": of_modality[known.modalities[0]]}
    return counts if len(of_modality) == 1 else {**counts, "modalities": of_modality}
