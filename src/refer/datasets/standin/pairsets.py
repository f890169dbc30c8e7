"""What the stand-ins of VIRI and NVIE share: two cameras side by side on one person, and how their files are packed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refer.datasets.model import Dataset
from refer.datasets.standin import faces, thermal
from refer.datasets.standin.common import Order, drawer, dust, encoded, note, person, shares
from refer.datasets.standin.faces import paint, photograph
from refer.datasets.standin.geometry import see
from refer.datasets.standin.packing import Files, sevenzipped, zipped
from refer.datasets.standin.people import wall
from refer.datasets.standin.scenes import KINDS, draw_scene

VISIBLE, INFRARED = "visible", "infrared"
PER_CLASS = 4
"""The fewest moments of a class: two that nothing is done to, and as many that may carry a fault."""
SHARES = {"lost": 0.02, "copies": 0.01, "renamed": 0.08}
"""How many of the moments lack a picture, are duplicates, and have two names that share their numbers alone."""
POSED = faces.Variation(faint=0.15, jitter=0.22, missing=0.06, foreign=0.25)
"""Expressions on request: clearer than those found in the wild."""

_SHOT, _SESSION = 21, 22  # so that no two random generators of one person are the same
_ROOT = "VIRI-raw-data-master/"  # what GitHub puts around the files of the owner's repository
_NOTE = """Infrared pictures come from a
temperature field. Names hold the drawn person: S001 and so on. Seed {}; {} drawn persons.
Of {} moments {lost} have lost their visible or their infrared picture, {copies} are exact copies of another moment
under another number, {renamed} have two names that share their numbers alone, and {radiometric} have their infrared
picture as a radiometric JPEG."""


@dataclass(frozen=True)
class Planned:
    """One moment: whose face shows what, and the stems of its two files (None: there is no such file).

    The pictures are those of `subject`, `label` and `take`; a duplicate shares all three with its original.
    """

    label: int
    subject: int
    take: int
    visible: str | None
    infrared: str | None
    radiometric: bool = False


@dataclass(frozen=True, eq=False)
class PairSet:
    """What tells one pair set from the other. Sizes are (height, width) in pixels."""

    known: Dataset
    weights: Sequence[int]
    """The classes' proportions, in code order."""
    photo: tuple[int, int]
    thermogram: tuple[int, int]
    places: bool
    """Whether people stand wherever they were met (drawn scenes), or before a wall."""
    distance: float
    """Half the width of a face, as a part of the longer side of the photograph."""
    coloured: bool
    """Whether thermal pictures come in false colours, or grey."""
    radiometric: int
    """How many thermal pictures hold their temperatures; the last of them holds the photograph too, in its place."""

    def drawer(self) -> Callable[..., None]:
        """Return the function that draws this set."""
        least = {"all": PER_CLASS * len(self.known.classes)}
        room = f"{PER_CLASS} of every class"
        return drawer(self.known, self.files, layout=self.known.layouts[0], least=least, room=room)

    def files(self, order: Order) -> Files:
        """Return README.txt and, class by class, the owner's archives or JPEGs (*.JPG) in folders."""
        order.need(2, float("inf"), "so that people can be told apart")
        return self._members(order, plan(self, order.images["all"], order.subjects, order.seed, order.mess))

    def _members(self, order: Order, moments: list[Planned]) -> Files:
        archived = order.layout == self.known.layouts[0]
        faults = amounts(self, len(moments) if order.mess else 0)
        told = note(self.known.title, _NOTE.format(order.seed, order.subjects, len(moments), **faults))
        yield (_ROOT if archived else "") + "README.txt", told
        done = 0
        for label, name in enumerate(self.known.classes):
            files: dict[str, list[tuple[str, bytes]]] = {VISIBLE: [], INFRARED: []}
            for one in (one for one in moments if one.label == label):
                for modality, stem, content in pictures(self, one, order.seed):
                    files[modality].append((f"{stem}.JPG", content))
                done += 1
                order.tick(done, len(moments))
            for modality, found in files.items():
                if archived:
                    yield from _archived(self.archives(label, modality), sorted(found), order.mess)
                else:
                    folder = f"{self.known.title}/{modality.capitalize()}/{name.capitalize()}/"
                    yield from ((folder + file, content) for file, content in sorted(found))

    def archives(self, label: int, modality: str) -> list[str]:
        """Return the owner's archives of one class and modality; where there are two they share its images."""
        says = {VISIBLE: "Vis", INFRARED: "Ir"}[modality]
        wanted = re.compile(rf"{self.known.title}-{self.known.classes[label]}\d*-{says}\.\w+", re.IGNORECASE)
        return [file.name for file in self.known.files if wanted.fullmatch(file.name)]


def amounts(kind: PairSet, moments: int) -> dict[str, int]:
    """Return how many moments carry each fault, at least one of each where there are moments."""
    least = {"lost": 2, "copies": 1, "renamed": 1}
    found = {name: max(least[name], round(share * moments)) for name, share in SHARES.items()}
    return found | {"radiometric": kind.radiometric} if moments else dict.fromkeys((*found, "radiometric"), 0)


def plan(kind: PairSet, moments: int, subjects: int, seed: int, mess: bool) -> list[Planned]:
    """Return every moment, class by class; each person shows each expression, in turn."""
    planned: list[Planned] = []
    for label, count in enumerate(shares(moments, kind.weights)):
        for index in range(count):
            stem = _stem(kind, index % subjects, label, len(planned) + 1)
            planned.append(Planned(label, index % subjects, index // subjects, stem, stem))
    return _messed(kind, planned, faces.generator(seed, 1, 1, 31)) if mess else planned


def _stem(kind: PairSet, subject: int, label: int, number: int) -> str:
    return f"S{subject + 1:03d}_{kind.known.classes[label].capitalize()}_{number:04d}"


def _messed(kind: PairSet, planned: list[Planned], rng: np.random.Generator) -> list[Planned]:
    """Give some of the moments a fault, none of them two; the first two of every class stay as they are."""
    labels = [one.label for one in planned]
    number = amounts(kind, len(planned))
    wanted = [fault for fault in number for _ in range(number[fault])]
    free = [int(k) for k in rng.permutation(len(planned)) if k - labels.index(labels[k]) >= 2]
    made = list(planned)
    for turn, (k, fault) in enumerate(zip(free, wanted, strict=False)):
        one, first = made[k], planned[labels.index(labels[k])]
        if fault == "lost":
            made[k] = replace(one, visible=None) if turn % 2 else replace(one, infrared=None)
        elif fault == "copies":
            stem = _stem(kind, first.subject, first.label, k + 1)
            made[k] = replace(first, visible=stem, infrared=stem)
        elif fault == "renamed":
            made[k] = replace(one, infrared=f"FLIR_S{one.subject + 1:03d}_{k + 1:04d}")
        else:
            made[k] = replace(one, radiometric=True, visible=None if turn == len(wanted) - 1 else one.visible)
    return made


def _archived(names: list[str], files: list[tuple[str, bytes]], mess: bool) -> Files:
    """Share files out among archives and yield these; images lie at different depths inside."""
    for part, name in enumerate(names):
        stem = name.rpartition(".")[0]
        inside = ("", f"{stem}/", f"{stem}/Images/")[len(stem) % 3]
        start, end = (round(len(files) * turn / len(names)) for turn in (part, part + 1))
        members: Files = ((inside + file, content) for file, content in files[start:end])
        if mess and part == 0:
            members = chain(members, dust(stem, files[start][0]))
        yield _ROOT + name, (sevenzipped if name.endswith(".7z") else zipped)(members)


def pictures(kind: PairSet, one: Planned, seed: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield modality, stem and JPEG of each picture that a moment has."""
    photo, celsius = moment(kind, seed, one.subject, one.label, one.take)
    taken = encoded(photo, "JPEG", quality=90)
    shown = encoded((thermal.false_colour if kind.coloured else thermal.grey)(celsius), "JPEG", quality=90)
    if one.visible:
        yield VISIBLE, one.visible, taken
    if one.infrared and one.radiometric:
        from refer.datasets.standin.radiometric import pack as radiometric

        # What the sensor itself measured: the picture is enlarged from it.
        yield INFRARED, one.infrared, radiometric(celsius[:: thermal.COARSE, :: thermal.COARSE], shown, taken)
    elif one.infrared:
        yield INFRARED, one.infrared, shown


def moment(kind: PairSet, seed: int, subject: int, label: int, take: int) -> tuple[NDArray[np.uint8], thermal.Celsius]:
    """Draw what both cameras saw: a photograph (height, width, 3) and temperatures (height, width).

    It depends on the arguments alone. Two takes of one emotion are two pictures.
    """
    who, warmth, visit, behind = _session(kind, seed, subject)
    rng = faces.generator(seed, subject, 16 * take + label, _SHOT)
    expression = faces.sample_expression(kind.known.classes[label], rng, POSED)
    x, y = visit.centre + rng.normal(0, 0.008, 2)
    yaw, pitch, roll = (float(angle) for angle in np.clip(rng.normal(0, (5, 3, 2.5)), -12, 12))
    shot = replace(visit, yaw=yaw, pitch=pitch, roll=roll, centre=(float(x), float(y)))
    scene = paint(see(who, expression, shot), who, shot, max(kind.photo), behind)
    photo = photograph(scene, shot, rng)
    beside, air = thermal.beside(shot, rng), float(rng.uniform(22, 24))
    things = np.column_stack((rng.uniform(0, 1, (4, 2)), rng.uniform(0.1, 0.35, 4), rng.normal(0, 0.6, 4))).tolist()
    celsius = thermal.radiate(who, warmth, expression, beside, max(kind.thermogram), rng, air, things=things)
    return _middle(photo, kind.photo), _middle(celsius, kind.thermogram)


@lru_cache(maxsize=128)
def _session(
    kind: PairSet, seed: int, subject: int
) -> tuple[faces.Identity, thermal.Warmth, faces.Capture, NDArray[np.uint8] | None]:
    """Draw one person's visit: what does not change from picture to picture."""
    rng = faces.generator(seed, subject, 1, _SESSION)
    capture = faces.Capture(
        scale=float(kind.distance * np.clip(rng.normal(1, 0.04), 0.9, 1.1)),
        centre=(float(np.clip(rng.normal(0.5, 0.012), 0.47, 0.53)), float(rng.normal(0.45, 0.01))),
        light=(float(rng.choice((-0.75, 0.0, 0.75)) + rng.normal(0, 0.1)), float(rng.uniform(-0.7, -0.2))),
        contrast_of_light=float(rng.uniform(0.3, 0.75)),
        background=wall(rng, 70, 215, 5),
        blur=float(rng.uniform(0, 0.003)),
        noise=float(rng.uniform(0.5, 3)),
        contrast=float(rng.uniform(0.85, 1.1)),
        brightness=float(rng.normal(0, 8)),
    )
    warmth = thermal.sample_warmth(rng)
    behind = draw_scene(rng, max(kind.photo), int(rng.integers(len(KINDS)))) if kind.places else None
    return person(seed, subject), warmth, capture, behind


def _middle(square: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Cut the middle out of a square picture; one side of `size` is the square's."""
    top, left = ((len(square) - length) // 2 for length in size)
    return square[top : top + size[0], left : left + size[1]]
