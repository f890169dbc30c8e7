"""A drawn stand-in for the extended Cohn-Kanade data set (CK+), in its owners' layout and that of CK+48.

CK+: 593 sequences of grey 640x490 frames of 123 people, from the neutral face to the peak of an expression;
327 of them carry one of seven labels (Lucey et al., 2010, "The Extended Cohn-Kanade Dataset"). The stand-in
repeats these proportions and, with `mess`, what copies of the set have gathered on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.readers.ckplus import CKPLUS
from refer.datasets.standin import faces
from refer.datasets.standin.common import Progress, check, encoded, note, person, shares, stated
from refer.datasets.standin.geometry import see, shape
from refer.datasets.standin.landmarks import PARTS, bridged, landmarks
from refer.datasets.standin.packing import Files, check_place, pack
from refer.datasets.standin.painting import paint
from refer.errors import UserError

Layout = Literal["cohn-kanade-images", "CK+48"]

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
POSED = faces.Variation(faint=0.0, jitter=0.18, missing=0.03, foreign=0.12, blink=0.0)
"""CK+'s expressions are posed, and were checked unit by unit."""

_NOTE = """{labelled} of {sequences} sequences
are labelled; seed {seed}; {subjects} drawn persons. The mess of copies that went through many hands is {mess}"""
_MESS = """in it:
  {small} sequence has its file names in small letters, {capital} its suffixes in capitals
  a Mac has left .DS_Store and __MACOSX/"""


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


@dataclass(frozen=True)
class Frame:
    """One picture of a sequence: grey (height, width), its 68 landmarks in pixels, and what the face does."""

    pixels: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    expression: faces.Expression


def draw(
    out: Path,
    *,
    images: Mapping[str, int],
    subjects: int,
    seed: int = 0,
    layout: Layout = "cohn-kanade-images",
    mess: bool = True,
    progress: Progress | None = None,
    frames: tuple[int, int] = FRAMES,
    size: tuple[int, int] = SIZE,
) -> None:
    """Draw a stand-in for CK+ and write it to `out`, whole or not at all.

    `out` is an archive (.tar.gz, .tgz or .zip) or, with no suffix, a new directory. `images` gives the number
    of sequences ({"all": n}, n at least `LEAST`), shared out among `subjects` drawn persons (S005, S010, …):
    each has at least one, and none has one label twice where it can be helped. Labels come in the real
    proportions, and so do the sequences that have none. A sequence runs from the neutral face to the peak in
    `frames` (fewest, most) grey pictures of `size` (height, width) pixels. Beside them lie Emotion/,
    Landmarks/ and FACS/, as the owners have them, and README.txt. Layout "CK+48" has of every labelled
    sequence the last three frames alone, cut to the face and shrunk, in a folder per label.
    `progress` is called with (drawn, all) frames.

    Equal arguments give equal bytes with equal versions of NumPy, Pillow and zlib. A sequence depends on the
    seed, its person, its number, its label and its length alone, not on what is drawn before or beside it.

    Raises UserError for counts, a layout, frames, a size or a place that will not do.
    """
    check_place(out)
    check(images, LEAST, layout, get_args(Layout), "some of every label and some without one")
    _check(images["all"], subjects, frames, size)
    takes = plan(images["all"], subjects, seed, mess, frames)
    pack(out, (_members if layout == "cohn-kanade-images" else _crops)(takes, seed, mess, size, progress))


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


def name(subject: int) -> str:
    """Return the owners' name of a subject: S005, S010 and so on."""
    return f"S{5 * (subject + 1):03d}"


@lru_cache(maxsize=256)
def _studio(seed: int, subject: int) -> faces.Capture:
    """Draw the place of a subject's sequences: someone sits before a wall; the side that has length 1 is the width."""
    rng = faces.generator(seed, subject, 0)
    wall = float(rng.uniform(95, 205))
    return replace(
        faces.STUDIO,
        scale=float(np.clip(rng.normal(0.162, 0.006), 0.148, 0.176)),
        centre=(float(np.clip(rng.normal(0.5, 0.015), 0.46, 0.54)), float(rng.normal(0.32, 0.01))),
        light=(float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-0.7, -0.3))),
        contrast_of_light=float(rng.uniform(0.45, 0.85)),
        background=(wall, wall, wall),
        background_slope=(float(rng.normal(0, 0.2)), float(rng.uniform(0, 0.35))),
        noise=0.8,
        contrast=float(rng.uniform(1.0, 1.3)),
        brightness=float(rng.normal(4, 8)),
    )


def _peak(take: Take, rng: np.random.Generator) -> faces.Expression:
    """Draw what the face does at the end: the label's expression, or units that belong to none."""
    if take.label is not None:
        return faces.sample_expression(CKPLUS.classes[take.label], rng, POSED, float(rng.uniform(0.7, 1.0)))
    known = [unit for unit in faces.UNITS if unit != "AU43"]
    chosen = rng.choice(len(known), size=int(rng.integers(1, 4)), replace=False)
    return faces.Expression({known[int(unit)]: float(rng.uniform(0.4, 0.9)) for unit in chosen})


def film(take: Take, seed: int, size: tuple[int, int] = SIZE, last: int = 0) -> Iterator[Frame]:
    """Draw the frames of a sequence (the `last` few, if any): the expression grows, and the head moves with it."""
    rng = faces.generator(seed, take.subject, take.number)
    peak, studio = _peak(take, rng), _studio(seed, take.subject)
    start, drift, shake = rng.normal(0, 1.6, 3), rng.normal(0, 2.0, 3), rng.normal(0, 0.15, (take.frames, 3))
    blinks = int(rng.integers(1, take.frames - 3)) if rng.random() < 0.15 and take.frames > 4 else 0
    for index in range(take.frames)[-last:]:
        # Up to the peak, which stands for the last few frames.
        along = min(1.0, index / (take.frames - 1) / 0.85)
        grown = along * along * (3 - 2 * along)
        units = {unit: grown * strength for unit, strength in peak.units.items()}
        if blinks and index == blinks:
            units["AU43"] = 1.0
        yaw, pitch, roll = (float(angle) for angle in start + grown * drift + shake[index])
        shot = replace(studio, yaw=yaw, pitch=pitch, roll=roll)
        grain = faces.generator(seed, take.subject, take.number, index)
        yield _frame(person(seed, take.subject), faces.Expression(units, peak.lean), shot, size, grain)


def _frame(
    who: faces.Identity,
    expression: faces.Expression,
    shot: faces.Capture,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Frame:
    """Draw one frame as the video tape kept it: grey, and at less than half of the resolution."""
    height, width = size
    face = see(bridged(shape(who, expression)), shot)
    grid = round(0.45 * width)
    lines = -(-grid * height // width)
    # Square, as faces are painted; what lies below the frame is cut off.
    grey = paint(face, who, shot, grid)[:lines] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    grey = (grey - 128) * shot.contrast + 128 + shot.brightness
    grey += shot.noise * rng.standard_normal(grey.shape, dtype=np.float32)
    box = (0, 0, grid, grid * height / width)
    enlarged = Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR, box)
    pixels = np.clip(np.rint(np.asarray(enlarged)), 0, 255).astype(np.uint8)
    return Frame(pixels, landmarks(face) * width, expression)


def _members(takes: list[Take], seed: int, mess: bool, size: tuple[int, int], progress: Progress | None) -> Files:
    """Return the files of the owners' layout."""
    done, total = 0, sum(take.frames for take in takes)
    bare = sum(not take.landmarks for take in takes)
    yield "README.txt", _readme(takes, seed, mess, f"\n  {bare} sequences have no landmarks" if mess else "")
    for take in takes:
        for number, frame in enumerate(film(take, seed, size), 1):
            yield from _files(take, number, frame)
            done += 1
            if progress:
                progress(done, total)
    if mess:
        yield from _dust("cohn-kanade-images", f"{name(takes[0].subject)}/001/{_stem(takes[0], 1)}.png")


def _crops(takes: list[Take], seed: int, mess: bool, size: tuple[int, int], progress: Progress | None) -> Files:
    """Return the files of CK+48."""
    labelled = [take for take in takes if take.label]
    yield "README.txt", _readme(takes, seed, mess)
    for done, take in enumerate(labelled, 1):
        for number, frame in enumerate(film(take, seed, size, last=3), take.frames - 2):
            path = f"CK+48/{FOLDERS[take.label or 0]}/{_stem(take, number)}.{_suffix(take)}"
            yield path, encoded(_cropped(frame), "PNG")
        if progress:
            progress(3 * done, 3 * len(labelled))
    if mess:
        yield from _dust("CK+48", f"{FOLDERS[labelled[0].label or 0]}/{_stem(labelled[0], 1)}.png")


def _cropped(frame: Frame) -> NDArray[np.uint8]:
    """Cut the face out of a frame: (CROP, CROP)."""
    jaw = frame.landmarks[PARTS["jaw"]]
    half = 0.52 * float(np.ptp(jaw, axis=0).max())
    x, y = (jaw.min(axis=0) + jaw.max(axis=0)) / 2
    y -= 0.35 * half  # the jaw begins beside the eyes
    box = (x - half, max(0.0, y - half), x + half, y + half)
    crop = Image.fromarray(frame.pixels).resize((CROP, CROP), Image.Resampling.BOX, box)
    return np.asarray(crop)


def _dust(folder: str, path: str) -> Files:
    """Return what a Mac leaves in an archive."""
    above, _, name = path.rpartition("/")
    yield f"{folder}/.DS_Store", b"\0\0\0\1Bud1"
    yield f"__MACOSX/{folder}/{above}/._{name}", b"\0\5\x16\7\0\2\0\0Mac OS X        "


def _stem(take: Take, number: int) -> str:
    stem = f"{name(take.subject)}_{take.number:03d}_{number:08d}"
    return stem.lower() if take.case == "small" else stem


def _suffix(take: Take) -> str:
    return "PNG" if take.case == "capital" else "png"


def _files(take: Take, number: int, frame: Frame) -> Files:
    """Return the files that belong to one frame; the last one has the labels of the sequence, if it has any."""
    folder = f"{name(take.subject)}/{take.number:03d}"
    stem = _stem(take, number)
    yield f"cohn-kanade-images/{folder}/{stem}.{_suffix(take)}", encoded(frame.pixels, "PNG", compress_level=1)
    if take.landmarks:
        yield f"Landmarks/{folder}/{stem}_landmarks.txt", _numbers(frame.landmarks)
    if number == take.frames:
        units = [(float(unit[2:]), 1.0 + round(4 * strength)) for unit, strength in frame.expression.units.items()]
        yield f"FACS/{folder}/{stem}_facs.txt", _numbers(sorted(units))
        if take.label is not None:
            yield f"Emotion/{folder}/{stem}_emotion.txt", _numbers([(float(take.label),)])
        elif take.number % 2:  # of some sequences without a label there is an empty folder, of others none
            yield f"Emotion/{folder}/", b""


def _numbers(rows: NDArray[np.float64] | list[tuple[float, ...]]) -> bytes:
    """Return rows of numbers as the owners' program wrote them: "   3.0000000e+00"."""
    return "".join("".join(f"   {number:.7e}" for number in row) + "\n" for row in rows).encode()


def _readme(takes: list[Take], seed: int, mess: bool, more: str = "") -> bytes:
    cases = [take.case for take in takes]
    told = _MESS.format(small=cases.count("small"), capital=cases.count("capital")) + more if mess else "left out."
    labelled, subjects = sum(take.label is not None for take in takes), len({take.subject for take in takes})
    rest = _NOTE.format(labelled=labelled, sequences=len(takes), seed=seed, subjects=subjects, mess=told)
    return note(CKPLUS.title, rest)


def _check(sequences: int, subjects: int, frames: tuple[int, int], size: tuple[int, int]) -> None:
    if not 1 <= subjects <= min(199, sequences):
        raise UserError(f"subjects: {subjects}; expected 1 to {min(199, sequences)}, no more than sequences")
    if not 4 <= frames[0] <= frames[1]:
        raise UserError(f"frames: {frames[0]} to {frames[1]}; expected at least 4, and the fewest first")
    if not 64 <= size[0] <= size[1]:
        raise UserError(
            f"size: {size[0]} x {size[1]} pixels; expected height and width, 64 or more, no higher than wide"
        )
