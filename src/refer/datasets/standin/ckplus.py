"""A drawn stand-in for the extended Cohn-Kanade data set (CK+), in its owners' layout and that of CK+48.

CK+: 593 sequences of grey 640x490 frames of 123 people, from the neutral face to the peak of an expression; 327 of them
carry one of seven labels (Lucey et al., 2010, "The Extended Cohn-Kanade Dataset"). The stand-in repeats these
proportions and, with `mess`, what copies of the set have gathered on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.readers.ckplus import CKPLUS, CROPS, OFFICIAL
from refer.datasets.standin import faces
from refer.datasets.standin.common import Order, drawer, dust, encoded, note, person, shares, stated
from refer.datasets.standin.faces import LUMA, paint
from refer.datasets.standin.geometry import landmarks, see
from refer.datasets.standin.packing import Files
from refer.datasets.standin.people import wall
from refer.errors import UserError

SEQUENCES = 593
"""Sequences of the real data set, labelled or not."""
LABELLED = stated(CKPLUS.counts["all"][1:])
"""How many of them carry each label, codes 1 to 7."""
LEAST = {"all": 20}
"""The fewest sequences: one of every label, and unlabelled ones in proportion."""
SIZE = (490, 640)
"""Height and width of the real frames, in pixels."""
FRAMES = (6, 12)
"""The fewest and the most frames of a sequence; the real ones have 4 to 71."""
CROP = 48
"""Height and width of CK+48's images in pixels: the last three frames of every labelled sequence."""
FOLDERS = ("", "anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
"""What CK+48 calls its folders, by label."""
POSED = faces.Variation(faint=0.0, jitter=0.18, missing=0.03, foreign=0.12)
"""CK+'s expressions are posed, and were checked unit by unit."""

_NOTE = """{labelled} of {sequences} sequences
are labelled; seed {seed}; {subjects} drawn persons. The mess of copies that went through many hands (names in small
letters, suffixes in capitals, one sequence in twelve without landmarks, .DS_Store and __MACOSX/) is {mess}."""


@dataclass(frozen=True)
class Take:
    """One sequence: whose it is, which number it has there, its label (None: unlabelled), how many frames."""

    subject: int
    number: int
    label: int | None
    frames: int
    case: Literal["", "small", "capital"] = ""
    """Whether its file names are in small letters, or their suffixes in capitals."""
    landmarks: bool = True

    @property
    def folder(self) -> str:
        """The owners' names of the subject and the sequence: S005/001, S010/001 and so on."""
        return f"S{5 * (self.subject + 1):03d}/{self.number:03d}"

    def stem(self, number: int) -> str:
        """Return the owners' name of a frame, S005_001_00000011."""
        stem = f"{self.folder.replace('/', '_')}_{number:08d}"
        return stem.lower() if self.case == "small" else stem

    def file(self, number: int) -> str:
        """Return the name of a frame's file."""
        return f"{self.stem(number)}.{'PNG' if self.case == 'capital' else 'png'}"


@dataclass(frozen=True)
class Frame:
    """One picture of a sequence: grey (height, width), its 68 landmarks in pixels, and what the face does."""

    pixels: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    expression: faces.Expression


def files(order: Order, frames: tuple[int, int] = FRAMES, size: tuple[int, int] = SIZE) -> Files:
    """Return README.txt and the frames in their owners' layout, with Emotion/ and Landmarks/, or as CK+48.

    The sequences are shared out among the subjects (S005, S010, …): each has at least one, and none has one label twice
    where it can be helped. Labels come in the real proportions, and so do the sequences that have none. A sequence runs
    from the neutral face to the peak in `frames` (fewest, most) grey pictures of `size` (height, width) pixels. CK+48
    has of every labelled sequence the last three frames alone, cut to the face and shrunk, in a folder per label.
    """
    sequences = order.images["all"]
    order.need(1, min(199, sequences), "no more than sequences")
    if not 4 <= frames[0] <= frames[1]:
        raise UserError(f"frames: {frames[0]} to {frames[1]}; expected at least 4, and the fewest first")
    if not 64 <= size[0] <= size[1]:
        raise UserError(
            f"size: {size[0]} x {size[1]} pixels; expected height and width, 64 or more, no higher than wide"
        )
    takes = plan(sequences, order.subjects, order.seed, order.mess, frames)
    return (_members if order.layout == OFFICIAL else _crops)(takes, order, size)


draw = drawer(CKPLUS, files, layout=OFFICIAL, least=LEAST, room="some of every label and some without one")


def plan(sequences: int, subjects: int, seed: int, mess: bool, frames: tuple[int, int] = FRAMES) -> list[Take]:
    """Return every sequence, ordered by subject and number."""
    rng = faces.generator(seed)
    labelled = round(sequences * sum(LABELLED) / SEQUENCES)
    labels: list[int | None] = []
    for code, count in enumerate(shares(labelled, LABELLED), 1):
        labels += [code] * count
    labels += [None] * (sequences - labelled)
    # Dealing out equal labels one after the other keeps them apart, as there are more people than of one label.
    order = [int(subject) for subject in rng.permutation(subjects)]
    hands: list[list[int | None]] = [[] for _ in range(subjects)]
    for position, label in enumerate(labels):
        hands[order[position % subjects]].append(label)
    takes = []
    for subject, hand in enumerate(hands):
        for number, index in enumerate(rng.permutation(len(hand)), 1):
            length = int(rng.integers(frames[0], frames[1] + 1))
            takes.append(Take(subject, number, hand[int(index)], length))
    return _messed(takes, rng) if mess else takes


def _messed(takes: list[Take], rng: np.random.Generator) -> list[Take]:
    """Spoil some of the sequences: about one in twelve is without landmarks, two are named otherwise."""
    order = [int(index) for index in rng.permutation(len(takes))]
    takes = list(takes)
    named = [k for k in order if takes[k].label is not None]
    takes[named[0]] = replace(takes[named[0]], case="small")
    takes[named[1]] = replace(takes[named[1]], case="capital")
    for index in order[: max(1, len(takes) // 12)]:
        takes[index] = replace(takes[index], landmarks=False)
    return takes


@lru_cache(maxsize=256)
def _studio(seed: int, subject: int) -> faces.Capture:
    """Draw the place of a subject's sequences: someone sits before a wall; the side that has length 1 is the width."""
    rng = faces.generator(seed, subject, 0)
    return faces.Capture(
        scale=float(np.clip(rng.normal(0.162, 0.006), 0.148, 0.176)),
        centre=(float(np.clip(rng.normal(0.5, 0.015), 0.46, 0.54)), float(rng.normal(0.32, 0.01))),
        light=(float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-0.7, -0.3))),
        contrast_of_light=float(rng.uniform(0.45, 0.85)),
        background=wall(rng, 95, 205, 0),
        noise=0.8,
        contrast=float(rng.uniform(1.0, 1.3)),
        brightness=float(rng.normal(4, 8)),
    )


def _peak(take: Take, rng: np.random.Generator) -> faces.Expression:
    """Draw what the face does at the end: the label's expression, or units that belong to none."""
    if take.label is not None:
        return faces.sample_expression(CKPLUS.classes[take.label], rng, POSED, float(rng.uniform(0.7, 1.0)))
    chosen = rng.choice(list(faces.UNITS), size=int(rng.integers(1, 4)), replace=False)
    return {str(unit): float(rng.uniform(0.4, 0.9)) for unit in chosen}


def film(take: Take, seed: int, size: tuple[int, int] = SIZE, last: int = 0) -> Iterator[Frame]:
    """Draw the frames of a sequence (the `last` few, if any): the expression grows, and the head moves with it."""
    rng = faces.generator(seed, take.subject, take.number)
    peak, studio, who = _peak(take, rng), _studio(seed, take.subject), person(seed, take.subject)
    (height, width), grid = size, round(0.45 * size[1])
    box = (0, 0, grid, grid * height / width)
    start, drift, shake = rng.normal(0, 1.6, 3), rng.normal(0, 2.0, 3), rng.normal(0, 0.15, (take.frames, 3))
    for index in range(take.frames)[-last:]:
        # Up to the peak, which stands for the last few frames.
        along = min(1.0, index / (take.frames - 1) / 0.85)
        grown = along * along * (3 - 2 * along)
        expression = {unit: grown * strength for unit, strength in peak.items()}
        yaw, pitch, roll = (float(angle) for angle in start + grown * drift + shake[index])
        shot = replace(studio, yaw=yaw, pitch=pitch, roll=roll)
        face = see(who, expression, shot)
        grain = faces.generator(seed, take.subject, take.number, index)
        # The video tape kept less than half of the resolution. Faces are painted square; what lies below is cut off.
        grey = (paint(face, who, shot, grid)[: -(-grid * height // width)] @ LUMA - 128) * shot.contrast + 128
        grey += shot.brightness + shot.noise * grain.standard_normal(grey.shape, dtype=np.float32)
        enlarged = Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR, box)
        pixels = np.clip(np.rint(np.asarray(enlarged)), 0, 255).astype(np.uint8)
        yield Frame(pixels, landmarks(face) * width, expression)


def _members(takes: list[Take], order: Order, size: tuple[int, int]) -> Files:
    """Yield the files of the owners' layout."""
    yield "README.txt", _readme(takes, order)
    done, total = 0, sum(take.frames for take in takes)
    for take in takes:
        for number, frame in enumerate(film(take, order.seed, size), 1):
            picture = encoded(frame.pixels, "PNG", compress_level=1)
            yield f"{OFFICIAL}/{take.folder}/{take.file(number)}", picture
            yield from _beside(take, number, frame)
            done += 1
            order.tick(done, total)
    if order.mess:
        yield from dust(OFFICIAL, f"{takes[0].folder}/{takes[0].stem(1)}.png")


def _crops(takes: list[Take], order: Order, size: tuple[int, int]) -> Files:
    """Yield the files of CK+48."""
    yield "README.txt", _readme(takes, order)
    labelled = [take for take in takes if take.label]
    for done, take in enumerate(labelled, 1):
        for number, frame in enumerate(film(take, order.seed, size, last=3), take.frames - 2):
            yield f"{CROPS}/{FOLDERS[take.label or 0]}/{take.file(number)}", encoded(_cropped(frame), "PNG")
        order.tick(3 * done, 3 * len(labelled))
    if order.mess:
        yield from dust(CROPS, f"{FOLDERS[labelled[0].label or 0]}/{labelled[0].stem(1)}.png")


def _cropped(frame: Frame) -> NDArray[np.uint8]:
    """Cut the face out of a frame: (CROP, CROP)."""
    jaw = frame.landmarks[:17]
    half = 0.52 * float(np.ptp(jaw, axis=0).max())
    x, y = (jaw.min(axis=0) + jaw.max(axis=0)) / 2
    y -= 0.35 * half  # the jaw begins beside the eyes
    box = (x - half, max(0.0, y - half), x + half, y + half)
    return np.asarray(Image.fromarray(frame.pixels).resize((CROP, CROP), Image.Resampling.BOX, box))


def _beside(take: Take, number: int, frame: Frame) -> Files:
    """Yield what belongs to one frame; the last one has the labels of the sequence, if it has any."""
    place = f"{take.folder}/{take.stem(number)}"
    if take.landmarks:
        yield f"Landmarks/{place}_landmarks.txt", _numbers(frame.landmarks)
    if number == take.frames:
        if take.label is not None:
            yield f"Emotion/{place}_emotion.txt", _numbers(np.array([[take.label]]))
        elif take.number % 2:  # of some sequences without a label there is an empty folder, of others none
            yield f"Emotion/{take.folder}/", b""


def _numbers(rows: NDArray[np.float64]) -> bytes:
    """Return rows of numbers as the owners' program wrote them: "   3.0000000e+00"."""
    return "".join("".join(f"   {number:.7e}" for number in row) + "\n" for row in rows).encode()


def _readme(takes: list[Take], order: Order) -> bytes:
    labelled, mess = sum(take.label is not None for take in takes), "in it" if order.mess else "left out"
    told = {"sequences": len(takes), "seed": order.seed, "subjects": order.subjects}
    return note(CKPLUS.title, _NOTE.format(labelled=labelled, mess=mess, **told))
