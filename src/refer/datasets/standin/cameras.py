"""Two cameras side by side on one person: a photograph and a thermal picture of the same moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from refer.datasets.standin import faces, thermal
from refer.datasets.standin.captures import Capture, Colour
from refer.datasets.standin.common import person
from refer.datasets.standin.geometry import Face, see, shape
from refer.datasets.standin.painting import paint, photograph
from refer.datasets.standin.scenes import KINDS, draw_scene
from refer.datasets.standin.warmth import Warmth, sample_warmth

POSED = faces.Variation(faint=0.15, jitter=0.22, missing=0.06, foreign=0.25, blink=0.01)
"""Expressions on request: clearer than those found in the wild."""

_BODY = ("hair back", "neck", "cloth", "ear.left", "ear.right", "head", "hair front")
"""The curves that fill the outline of a person."""
_SHOT, _SESSION, _PLACE = 21, 22, 23  # so that no two random generators of one person are the same


@dataclass(frozen=True)
class Rig:
    """Two cameras and the place where they stand. Sizes are (height, width) in pixels."""

    photo: tuple[int, int]
    thermogram: tuple[int, int]
    places: bool
    """Whether people stand wherever they were met (drawn scenes), or before a wall."""
    distance: float
    """Half the width of a face, as a part of the longer side of the photograph."""


@dataclass(frozen=True)
class Session:
    """One person's visit: what does not change from picture to picture."""

    who: faces.Identity
    warmth: Warmth
    capture: Capture
    place: NDArray[np.uint8] | None
    """What is behind the person, uint8 (side, side, 3); None: the capture's own background."""


@dataclass(frozen=True)
class Moment:
    """What both cameras saw: a photograph, uint8 (height, width, 3), and temperatures, float32 (height, width)."""

    photo: NDArray[np.uint8]
    celsius: thermal.Celsius


def moment(rig: Rig, seed: int, subject: int, emotion: str, take: int) -> Moment:
    """Draw one moment; it depends on the arguments alone. Two takes of one emotion are two pictures."""
    visit = _session(rig, seed, subject)
    key = (seed, subject, 16 * take + list(faces.PROTOTYPES).index(emotion), _SHOT)
    rng = faces.generator(*key)
    expression = faces.sample_expression(emotion, rng, POSED)
    x, y = visit.capture.centre + rng.normal(0, 0.008, 2)
    yaw, pitch, roll = np.clip(rng.normal(0, (5, 3, 2.5)), -12, 12)
    shot = replace(visit.capture, yaw=float(yaw), pitch=float(pitch), roll=float(roll), centre=(float(x), float(y)))
    shot = replace(shot, gaze=(float(np.clip(rng.normal(0, 0.15), -1, 1)), 0.0))
    room, beside = thermal.sample_room(rng), thermal.beside(shot, rng)
    photo = _photo(visit, expression, shot, max(rig.photo), rng)
    celsius = thermal.radiate(visit.who, visit.warmth, expression, beside, max(rig.thermogram), rng, room)
    return Moment(_middle(photo, rig.photo), _middle(celsius, rig.thermogram))


@lru_cache(maxsize=128)
def _session(rig: Rig, seed: int, subject: int) -> Session:
    rng = faces.generator(seed, subject, 1, _SESSION)
    grey, tint = rng.uniform(70, 215), rng.normal(0, 5, 3)
    wall: Colour = (float(grey + tint[0]), float(grey + tint[1]), float(grey + tint[2]))
    side = rng.choice((-0.75, 0.0, 0.75))
    capture = replace(
        faces.STUDIO,
        scale=float(rig.distance * np.clip(rng.normal(1, 0.04), 0.9, 1.1)),
        centre=(float(np.clip(rng.normal(0.5, 0.012), 0.47, 0.53)), float(rng.normal(0.45, 0.01))),
        light=(float(side + rng.normal(0, 0.1)), float(rng.uniform(-0.7, -0.2))),
        contrast_of_light=float(rng.uniform(0.3, 0.75)),
        background=wall,
        background_slope=(float(0.3 * side), float(rng.uniform(-0.1, 0.3))),
        blur=float(rng.uniform(0, 0.003)),
        noise=float(rng.uniform(0.5, 3)),
        contrast=float(rng.uniform(0.85, 1.1)),
        brightness=float(rng.normal(0, 8)),
    )
    place = _place(seed, subject, max(rig.photo)) if rig.places else None
    if place is not None:  # the edge of the figure fades into this colour
        red, green, blue = place.mean(axis=(0, 1))
        capture = replace(capture, background=(float(red), float(green), float(blue)), background_slope=(0.0, 0.0))
    return Session(person(seed, subject), sample_warmth(faces.generator(seed, subject, 2, _SESSION)), capture, place)


def _place(seed: int, subject: int, side: int) -> NDArray[np.uint8]:
    """Draw where a person was met, a little out of focus."""
    rng = faces.generator(seed, subject, 3, _PLACE)
    scene = Image.fromarray(draw_scene(rng, side, int(rng.integers(len(KINDS)))))
    return np.asarray(scene.filter(ImageFilter.GaussianBlur(float(side * rng.uniform(0.004, 0.014)))))


def _photo(
    visit: Session, expression: faces.Expression, shot: Capture, side: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    face = see(shape(visit.who, expression), shot)
    scene = paint(face, visit.who, shot, side)
    if visit.place is not None:
        behind = visit.place.astype(np.float32)
        scene = behind + _figure(face, side)[:, :, None] * (scene - behind)
    return photograph(scene, shot, rng)


def _figure(face: Face, side: int) -> NDArray[np.float32]:
    """Return where the person is: (side, side), 0 to 1."""
    mask = Image.new("L", (2 * side, 2 * side))
    pen = ImageDraw.Draw(mask)
    for name in _BODY:
        if name in face.spans:
            pen.polygon((face.curve(name) * (2 * side)).ravel().tolist(), fill=255)
    return np.asarray(mask.reduce(2), np.float32) / np.float32(255)


def _middle(square: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Cut the middle out of a square picture; one side of `size` is the square's."""
    top, left = ((len(square) - length) // 2 for length in size)
    return square[top : top + size[0], left : left + size[1]]
