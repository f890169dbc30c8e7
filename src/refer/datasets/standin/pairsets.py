"""What the stand-ins of VIRI and NVIE share: which moments there are, how their files are named and packed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refer.datasets.model import Dataset
from refer.datasets.standin import faces, thermal
from refer.datasets.standin.cameras import Rig, moment
from refer.datasets.standin.common import Progress, check, encoded, note, shares
from refer.datasets.standin.packing import Files, check_place, pack, sevenzipped, zipped
from refer.errors import UserError

VISIBLE, INFRARED = "visible", "infrared"
PER_CLASS = 4
"""The fewest moments of a class: two that nothing is done to, and as many that may carry a fault."""
SHARES = {"lost": 0.02, "copies": 0.01, "renamed": 0.08}
"""How many of the moments lack a picture, are copies, and have two names that share their numbers alone."""

_ROOT = "VIRI-raw-data-master/"  # what GitHub puts around the files of the owner's repository
_NOTE = """Infrared pictures come from a
temperature field. Names hold the drawn person: S001 and so on. Seed {seed}; {subjects} drawn persons;
{weights}
Of {moments} moments {mess}"""
_FAULTS = """{lost} have lost their visible or their infrared picture,
{copies} are exact copies of another moment under another number, {renamed} have two names that share their numbers
alone, and {radiometric} have their infrared picture as a radiometric JPEG; a Mac has left __MACOSX/."""


@dataclass(frozen=True)
class PairSet:
    """What tells one pair set from the other."""

    known: Dataset
    word: str
    """What its archives' names begin with."""
    weights: Sequence[int]
    """The classes' proportions, in code order."""
    proportions: str
    """Where they are from: a sentence."""
    rig: Rig
    coloured: bool
    """Whether thermal pictures come in false colours, or grey."""
    radiometric: int
    """How many thermal pictures hold their temperatures; the last of them holds the photograph too, in its place."""

    @property
    def least(self) -> int:
        """The fewest moments that can be drawn."""
        return PER_CLASS * len(self.known.classes)

    def archives(self, label: int, modality: str) -> list[str]:
        """Return the owner's archives of one class and modality; where there are two they share its images."""
        says = {VISIBLE: "Vis", INFRARED: "Ir"}[modality]
        wanted = re.compile(rf"{self.word}-{self.known.classes[label]}\d*-{says}\.\w+", re.IGNORECASE)
        return [file.name for file in self.known.files if wanted.fullmatch(file.name)]


@dataclass(frozen=True)
class Planned:
    """One moment: whose face shows what, and the stems of its two files (None: there is no such file).

    The pictures are those of `subject`, `label` and `take`; an exact copy shares all three with its original.
    """

    label: int
    subject: int
    take: int
    visible: str | None
    infrared: str | None
    radiometric: bool = False


def draw_pairs(
    kind: PairSet,
    out: Path,
    *,
    images: Mapping[str, int],
    subjects: int,
    seed: int,
    layout: str,
    mess: bool,
    progress: Progress | None,
) -> None:
    """Draw a stand-in for VIRI or NVIE and write it to `out`; see `viri.draw`."""
    check_place(out)
    check(images, {"all": kind.least}, layout, kind.known.layouts, f"{PER_CLASS} of every class")
    if subjects < 2:
        raise UserError(f"subjects: {subjects}; expected at least 2, so that people can be told apart")
    moments = plan(kind, images["all"], subjects, seed, mess)
    faults = _FAULTS.format(**amounts(kind, images["all"])) if mess else "each has both pictures under one name."
    told = note(
        kind.known.title,
        _NOTE.format(seed=seed, subjects=subjects, weights=kind.proportions, moments=len(moments), mess=faults),
    )
    pack(out, _members(kind, moments, seed, layout, mess, told, progress))


def amounts(kind: PairSet, moments: int) -> dict[str, int]:
    """Return how many moments carry each fault."""
    found = {name: max(1, round(share * moments)) for name, share in SHARES.items()}
    return found | {"lost": max(2, found["lost"]), "radiometric": kind.radiometric}


def plan(kind: PairSet, moments: int, subjects: int, seed: int, mess: bool) -> list[Planned]:
    """Return every moment, class by class; each person shows each expression, in turn."""
    planned: list[Planned] = []
    for label, count in enumerate(shares(moments, kind.weights)):
        for index in range(count):
            subject, take = index % subjects, index // subjects
            stem = _stem(kind, subject, label, len(planned) + 1)
            planned.append(Planned(label, subject, take, stem, stem))
    return _messed(kind, planned, faces.generator(seed, 1, 1, 31)) if mess else planned


def _stem(kind: PairSet, subject: int, label: int, number: int) -> str:
    return f"S{subject + 1:03d}_{kind.known.classes[label].capitalize()}_{number:04d}"


def _messed(kind: PairSet, planned: list[Planned], rng: np.random.Generator) -> list[Planned]:
    """Give some of the moments a fault, none of them two; the first two of every class stay as they are."""
    first = {
        label: next(k for k, one in enumerate(planned) if one.label == label) for label in range(len(kind.weights))
    }
    order = [int(k) for k in rng.permutation(len(planned)) if k - first[planned[k].label] >= 2]
    made = list(planned)
    number = amounts(kind, len(planned))
    for turn in range(number["lost"]):
        k = order.pop()
        made[k] = replace(made[k], visible=None) if turn % 2 else replace(made[k], infrared=None)
    for _ in range(number["copies"]):
        k = order.pop()
        original = made[first[made[k].label]]
        stem = _stem(kind, original.subject, original.label, k + 1)
        made[k] = replace(original, visible=stem, infrared=stem)
    for _ in range(number["renamed"]):
        k = order.pop()
        made[k] = replace(made[k], infrared=f"FLIR_S{made[k].subject + 1:03d}_{k + 1:04d}")
    for turn in range(number["radiometric"]):
        k = order.pop()
        alone = turn == number["radiometric"] - 1
        made[k] = replace(made[k], radiometric=True, visible=None if alone else made[k].visible)
    return made


def _members(
    kind: PairSet, moments: list[Planned], seed: int, layout: str, mess: bool, told: bytes, progress: Progress | None
) -> Files:
    """Yield README.txt and, class by class, the owner's archives or the images in folders."""
    archived = layout == kind.known.layouts[0]
    yield (_ROOT if archived else "") + "README.txt", told
    done = 0
    for label, name in enumerate(kind.known.classes):
        files: dict[str, list[tuple[str, bytes]]] = {VISIBLE: [], INFRARED: []}
        for one in moments:
            if one.label == label:
                for modality, stem, content in pictures(kind, one, seed):
                    files[modality].append((f"{stem}.JPG", content))
                done += 1
                if progress:
                    progress(done, len(moments))
        for modality, found in files.items():
            if archived:
                yield from _archived(kind.archives(label, modality), sorted(found), mess)
            else:
                folder = f"{kind.known.title}/{modality.capitalize()}/{name.capitalize()}/"
                yield from ((folder + file, content) for file, content in sorted(found))


def _archived(names: list[str], files: list[tuple[str, bytes]], mess: bool) -> Files:
    """Share files out among archives and yield these; images lie at different depths inside."""
    for part, name in enumerate(names):
        stem = name.rpartition(".")[0]
        inside = ("", f"{stem}/", f"{stem}/Images/")[len(stem) % 3]
        start, end = (round(len(files) * turn / len(names)) for turn in (part, part + 1))
        members = [(inside + file, content) for file, content in files[start:end]]
        if mess and part == 0:
            members += [(f"__MACOSX/{inside}._{files[start][0]}", _APPLE_DOUBLE)]
        yield _ROOT + name, (sevenzipped if name.endswith(".7z") else zipped)(iter(members))


_APPLE_DOUBLE = bytes.fromhex("0005160700020000") + b"Mac OS X".ljust(16) + bytes(2)
"""How a file begins in which a Mac keeps a file's attributes: no image, whatever it is called."""


def pictures(kind: PairSet, one: Planned, seed: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield modality, stem and JPEG of each picture that a moment has."""
    seen = moment(kind.rig, seed, one.subject, kind.known.classes[one.label], one.take)
    shown = thermal.false_colour(seen.celsius) if kind.coloured else thermal.grey(seen.celsius)
    if one.visible:
        yield VISIBLE, one.visible, _jpeg(seen.photo)
    if one.infrared and one.radiometric:
        from refer.datasets.standin.radiometric import pack as radiometric

        # What the sensor itself measured: the picture is enlarged from it.
        measured = seen.celsius[:: thermal.COARSE, :: thermal.COARSE]
        yield INFRARED, one.infrared, radiometric(measured, _jpeg(shown), _jpeg(seen.photo))
    elif one.infrared:
        yield INFRARED, one.infrared, _jpeg(shown)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return encoded(pixels, "JPEG", quality=90)
