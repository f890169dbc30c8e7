"""What is wrong with a raw set, and whether that is let pass: defects of single images, and wrong counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from refer.datasets.codings import Coding, Verdict, judge
from refer.datasets.model import DEFECTS, Dataset, ImageRow, Problem, some
from refer.errors import UserError

FLAT = 3.0  # grey levels of 255: the standard deviation of an image that shows next to nothing
SIZES = 3  # of crops, at most, where sizes other than the owner's are tolerated
FLAT_SHARE = 0.01  # of the images that may be so: real sets have a few blank ones
ADVICE = {
    "unreadable": "Get the archive again, or list `unreadable` under `tolerate` to leave them out.",
    "labels": "Correct them, or list `labels` under `tolerate` to leave them out.",
    "sizes": "Give the owner's images, or list `sizes` under `tolerate` to resize them; of a declared set state `fit`.",
    "counts": "Get the whole set, or list `counts` under `tolerate` to go on with what there is.",
    "contrast": "See how the images were stored; list `contrast` under `tolerate` where they are meant to be so.",
}
SENTENCE = {
    "unreadable": "cannot be decoded",
    "labels": "have no clear label or split",
    "sizes": "have another size than the set",
    "counts": "classes have another number of images than the owner states",
    "contrast": f"hardly any contrast (a standard deviation below {FLAT:g} of 255)",
}


@dataclass
class Report:
    """What was wrong and what was converted, over the whole run."""

    tolerate: Collection[str]
    problems: list[Problem] = field(default_factory=list)
    conversions: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)  # "640x490" → how many raw images have it

    differences: list[Problem] = field(default_factory=list)  # from counts that others than the owner report
    verdict: Verdict | None = None  # about codes and splits: never tolerated
    depth: str = ""  # what the values of 16-bit images are, where that says nothing
    frames: str = ""  # pictures that are not what the layout holds: never tolerated
    unused: Sequence[str] = ()  # files that were not read

    def compare(self, known: Dataset, rows: Sequence[ImageRow]) -> None:
        """Compare the counts of `rows` with the known ones; the problems so far are rows that are not there."""
        differing = _differences(known, rows, dropped=len(self.problems))
        (self.problems if known.counts_are == "exact" else self.differences).extend(differing)

    def compare_codes(
        self, known: Dataset, found: Mapping[tuple[str, str], int], coding: Coding, splits: Mapping[str, str]
    ) -> None:
        """See whether the numbers of images speak for what codes and splits are taken for; after `compare`."""
        differs = any(problem.kind == "counts" for problem in self.problems)
        self.verdict = judge(known, found, coding, splits, differs)

    def see_contrast(self, flat: Sequence[str], images: int) -> None:
        """Complain about the images named in `flat`, which show next to nothing, where they are too many."""
        if len(flat) > FLAT_SHARE * images:
            self.problems += [Problem("contrast", id_, f"one of {len(flat):,} of {images:,} images") for id_ in flat]

    def see_frames(self, known: Dataset, layout: str, found: Sequence[tuple[str, tuple[int, int]]]) -> None:
        """Complain about pictures that are no crops of faces, in a layout of such; `found` are ids and (width, height).

        Pictures whose face box is known need not be given.
        """
        if layout not in known.crops or not found:
            return
        low, high = known.crops[layout]
        whole = [(id_, size) for id_, size in found if not low <= size[0] / size[1] <= high]
        sizes = Counter("{}x{}".format(*size) for _, size in whole or found)
        first = some([f"{number:,} of {size}" for size, number in sizes.most_common()], 3)
        if whole:
            self.frames = (
                f"{len(whole):,} of {len(found):,} pictures are whole frames by their sides: {first} pixels, such as "
                f"{whole[0][0]}.\nThe layout {layout!r} has crops of faces, about as wide as high. Give those, or cut "
                "the faces out first."
            )
        elif known.fit == "exact" and len(sizes) > SIZES:
            self.frames = (
                f"pictures of {len(sizes):,} sizes ({first}), as whole photographs have; crops of faces have one. "
                "Give the owner's aligned images."
            )

    def refused(self) -> bool:
        """Tell whether there is a defect that is not tolerated."""
        return bool(self.verdict or self.depth or self.frames) or any(
            problem.kind not in self.tolerate for problem in self.problems
        )

    def refuse(self, title: str, left: int = 1) -> None:
        """Raise about all that is not tolerated, each kind with the first few; `left` is how many images remain."""
        said = []
        if self.verdict:
            said.append(f"{self.verdict.what}.\n{self.verdict.advice}")
        said += [text for text in (self.depth, self.frames) if text]
        for kind in DEFECTS[::-1]:
            found = [problem for problem in self.problems if problem.kind == kind]
            if found and kind not in self.tolerate and (left or kind != "counts" or not said):
                first = some([f"{problem.id}: {problem.what}" for problem in found], 3)
                said.append(f"{len(found):,} {_noun(kind)}{SENTENCE[kind]} ({first}).{self._advice(kind, left)}")
        if said:
            besides = f"\nNot read: {len(self.unused):,} files ({some(sorted(self.unused), 3)})." if self.unused else ""
            raise UserError(f"{title}: " + "\n".join(said) + besides)

    def nothing_left(self, title: str, listed: int) -> str:
        """Say why none of `listed` images remains where all that is wrong is tolerated."""
        why = some([f"{problem.id}: {problem.what}" for problem in self.problems], 3) or "none was recognised"
        return f"{title}: not one image is left of {listed or len(self.problems):,} ({why})."

    def _advice(self, kind: str, left: int) -> str:
        if self.verdict and kind in ("labels", "counts"):
            return ""  # what they are taken for comes first
        if kind in ("labels", "unreadable") and not left:
            return "\nWithout them no image is left."
        return f"\n{ADVICE[kind]}"

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
    return {"counts": "", "contrast": "images have "}.get(kind, "images ")


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
