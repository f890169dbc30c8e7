"""From a person and an expression to named curves, and from curves to their place in the image.

Face coordinates: the origin lies on the skin between the eyes, x runs to the right of the image, y down and z towards
the viewer; the unit is half the width of a middling face. A face is a table of knots; each trait of a person and each
action unit of an expression moves some of them, and the moves add up. Smooth curves run through the knots, and each
has a lift, how far it stands in front of the skull's ellipsoid, which gives it the z that turning the head needs.
Left and right are those of the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from refer.datasets.standin.expressions import UNITS, Expression
from refer.datasets.standin.people import TRAITS, Capture, Identity

Points = NDArray[np.float64]
Knots = list[tuple[float, float]]

SIDES = ("left", "right")
SKULL = (1.14, 1.62, 0.95)
"""Half axes of the skull's ellipsoid: x, y, z."""
STEPS = 4
"""Points of a curve from knot to knot."""

MOUTH = ("upper lip", "mouth top", "mouth bottom", "lower lip")
EYE = ("upper lid", "lower lid")
MIDDLE = ("head", "neck", "cloth", "nose tip", "forehead fold", "chin fold", *MOUTH)
"""Curves that cross the middle of the face: their first knot lies there, and both sides join in it."""

_KNOTS: dict[str, Knots] = {  # the right side of a middling face at rest
    "head": [(0, -1.4), (0.56, -1.27), (0.92, -0.85), (1, -0.25), (0.955, 0.3), (0.8, 0.84), (0.42, 1.2), (0.2, 1.28),
             (0, 1.3)],
    "neck": [(0, 0.6), (0.58, 0.6), (0.66, 2.3)],
    "cloth": [(0, 1.8), (0.72, 1.56), (2.1, 1.95), (2.6, 3.2)],
    "ear": [(0.95, -0.22), (1.11, -0.23), (1.12, 0.0), (1.07, 0.27), (0.94, 0.32)],
    "brow": [(0.2, -0.31), (0.38, -0.352), (0.56, -0.365), (0.75, -0.26)],
    "upper lid": [(0.205, 0), (0.305, -0.085), (0.43, -0.112), (0.555, -0.085), (0.655, 0)],
    "lower lid": [(0.205, 0), (0.305, 0.06), (0.43, 0.085), (0.555, 0.07), (0.655, 0)],
    "nose wing": [(0.136, 0.3), (0.184, 0.39), (0.16, 0.48), (0.105, 0.485)],
    "nose tip": [(0, 0.515), (0.07, 0.46)],
    "upper lip": [(0, 0.708), (0.2, 0.71), (0.37, 0.77)],
    "mouth top": [(0, 0.77), (0.2, 0.77), (0.37, 0.77)],
    "mouth bottom": [(0, 0.77), (0.2, 0.77), (0.37, 0.77)],
    "lower lip": [(0, 0.88), (0.2, 0.855), (0.37, 0.77)],
    "cheek fold": [(0.215, 0.36), (0.36, 0.53), (0.45, 0.75)],
    "frown fold": [(0.085, -0.42), (0.072, -0.31), (0.094, -0.21)],
    "forehead fold": [(0, -0.75), (0.2, -0.75), (0.5, -0.72)],
    "nose fold": [(0.03, 0.03), (0.16, -0.02)],
    "dimple fold": [(0.43, 0.67), (0.47, 0.77), (0.43, 0.87)],
    "chin fold": [(0, 1.04), (0.08, 1.05), (0.16, 1.09)],
}  # fmt: skip

_LIFTS = {
    "head": -0.28, "neck": -0.75, "cloth": -0.75, "ear": -0.65, "hair back": -0.6, "hair front": -0.24, "beard": -0.15,
    "brow": 0.08, "nose wing": 0.12, "nose tip": 0.3, "nose fold": 0.2, "frame": 0.16, **dict.fromkeys(MOUTH, 0.08),
}  # fmt: skip
"""How far curves stand in front of the skull; 0.02 where nothing is said."""


def _across(*moves: float) -> Knots:
    return [(move, 0.0) for move in moves]


def _down(*moves: float) -> Knots:
    return [(0.0, move) for move in moves]


def _each(names: tuple[str, ...], moves: Knots) -> dict[str, Knots]:
    return dict.fromkeys(names, moves)


_MOVES: dict[str, dict[str, Knots]] = {  # by trait (of one standard deviation) and action unit (at full strength)
    "wide face": {"head": _across(0, 0.017, 0.028, 0.03, 0.029, 0.02, 0, 0, 0), "ear": _across(*5 * [0.03])},
    "wide jaw": {"head": _across(0, 0, 0, 0, 0.02, 0.044, 0.035, 0.015, 0), "neck": _across(0, 0.03, 0.03)},
    "long face": _each(MOUTH, _down(*3 * [0.027])) | {"head": _down(0, 0, 0, 0, 0.01, 0.03, 0.042, 0.045, 0.045)},
    "large eyes": {
        "upper lid": [(-0.014, 0), (-0.007, -0.005), (0, -0.007), (0.007, -0.005), (0.014, 0)],
        "lower lid": [(-0.014, 0), (-0.007, 0.003), (0, 0.005), (0.007, 0.004), (0.014, 0)],
    },
    "wide-set eyes": _each(EYE, _across(*5 * [0.015])) | {"brow": _across(0.007, 0.013, 0.02, 0.026)},
    "open eyes": {"upper lid": _down(0, -0.009, -0.011, -0.009, 0), "lower lid": _down(0, 0.006, 0.009, 0.006, 0)},
    "tilted eyes": _each(EYE, _down(0.014, 0.007, 0, -0.007, -0.014)),
    "high brows": {"brow": _down(*4 * [-0.02])},
    "thick brows": {},  # no knots: `regions` draws them wider
    "wide nose": {"nose wing": _across(0.014, 0.018, 0.016, 0.011), "nose tip": _across(0, 0.007)},
    "long nose": {"nose wing": _down(*4 * [0.026]), "nose tip": _down(0.026, 0.026)},
    "wide mouth": _each(MOUTH, _across(0, 0.014, 0.026)),
    "full lips": {"upper lip": _down(-0.011, -0.01, 0), "lower lip": _down(0.02, 0.015, 0)},
    "big hair": {},  # no knots: see `_dress`
    "parted hair": {},
    "smiling": _each(MOUTH, [(0, 0), (0.006, -0.005), (0.013, -0.016)]),
    "AU1": {"brow": _down(-0.19, -0.12, -0.06, 0.01), "upper lid": _down(0, -0.03, -0.005, 0.015, 0)},
    "AU2": {"brow": _down(-0.04, -0.09, -0.15, -0.19), "upper lid": _down(0, 0.01, 0, -0.012, 0)},
    "AU4": {"brow": [(-0.055, 0.15), (-0.03, 0.12), (0, 0.1), (0, 0.05)], "upper lid": _down(0, 0.03, 0.009, -0.01, 0)},
    "AU5": {"upper lid": _down(0, -0.06, -0.081, -0.06, 0), "lower lid": _down(0, 0.008, 0.01, 0.008, 0)},
    "AU6": {"upper lid": _down(0, 0.012, 0.018, 0.016, 0), "lower lid": _down(0, -0.03, -0.043, -0.035, 0)},
    "AU7": {"upper lid": _down(0, 0.026, 0.034, 0.026, 0), "lower lid": _down(0, -0.027, -0.038, -0.03, 0)},
    "AU9": {
        "brow": [(-0.02, 0.06), (0, 0.05), (0, 0.04), (0, 0)],
        "upper lid": _down(0, 0.022, 0.028, 0.02, 0),
        "lower lid": _down(0, -0.022, -0.03, -0.022, 0),
        "nose wing": [(0.016, -0.055), (0.022, -0.055), (0.019, -0.055), (0.013, -0.055)],
        "nose tip": _down(-0.045, -0.055),
        "upper lip": _down(-0.025, -0.02, 0),
        "cheek fold": _down(-0.05, 0, 0),
    },
    "AU10": {
        "nose wing": _down(*4 * [-0.02]),
        "upper lip": _down(-0.06, -0.1, 0),
        "mouth top": _down(-0.03, -0.07, 0),
        "cheek fold": [(0, -0.04), (0.03, 0), (0, 0)],
    },
    "AU12": _each(MOUTH, [(0, 0.015), (0.07, -0.035), (0.13, -0.17)])
    | {
        "upper lip": [(0, 0.034), (0.07, -0.018), (0.13, -0.17)],
        "cheek fold": [(0.03, 0), (0.07, -0.02), (0.12, -0.04)],
        "dimple fold": [(0.13, -0.17)] * 3,
    },
    "AU14": _each(MOUTH, [(0, 0), (0.02, -0.01), (0.05, -0.05)]) | {"dimple fold": [(0.05, -0.05)] * 3},
    "AU15": _each(MOUTH, [(0, -0.02), (0, 0.02), (-0.02, 0.14)]) | {"cheek fold": _down(0, 0, 0.05)},
    "AU16": {"mouth bottom": _down(0.035, 0.03, 0), "lower lip": _down(0.09, 0.07, 0)},
    "AU17": _each(MOUTH, _down(-0.035, -0.02, 0))
    | {"lower lip": _down(-0.015, -0.01, 0), "head": _down(0, 0, 0, 0, 0, 0, -0.02, -0.03, -0.03)},
    "AU20": _each(MOUTH, [(0, 0), (0.05, 0.01), (0.1, 0.03)])
    | {"upper lip": [(0, 0.012), (0.05, 0.02), (0.1, 0.03)], "mouth bottom": [(0, 0.02), (0.05, 0.025), (0.1, 0.03)]},
    "AU23": _each(MOUTH, _across(0, -0.03, -0.055))
    | {"upper lip": [(0, 0.027), (-0.03, 0.027), (-0.055, 0)], "lower lip": [(0, -0.048), (-0.03, -0.04), (-0.055, 0)]},
    "AU24": _each(MOUTH, _across(0, -0.01, -0.015))
    | {"upper lip": [(0, 0.038), (-0.01, 0.037), (-0.015, 0)], "lower lip": [(0, -0.066), (-0.01, -0.05), (-0.015, 0)]},
    "AU25": _each(MOUTH[:2], _down(-0.03, -0.024, 0)) | _each(MOUTH[2:], _down(0.06, 0.046, 0)),
    "AU26": _each(MOUTH[:2], [(0, 0.01), (-0.015, 0.02), (-0.03, 0.1)])
    | _each(MOUTH[2:], [(0, 0.28), (-0.015, 0.23), (-0.03, 0.1)])
    | {"head": _down(0, 0, 0, 0, 0.02, 0.15, 0.21, 0.22, 0.22), "chin fold": _down(0.22, 0.22, 0.22)},
    "AU27": _each(MOUTH[:2], [(0, 0.01), (-0.045, 0.03), (-0.09, 0.17)])
    | _each(MOUTH[2:], [(0, 0.45), (-0.045, 0.37), (-0.09, 0.17)])
    | {"head": _down(0, 0, 0, 0, 0.04, 0.25, 0.35, 0.36, 0.36), "chin fold": _down(0.36, 0.36, 0.36)},
}

_FOLDS: dict[str, dict[str, float]] = {  # how deep the lines of the skin are, 0 to 1
    "cheek fold": {"rest": 0.12, "age": 0.3, "AU12": 0.5, "AU10": 0.45, "AU9": 0.4, "AU15": 0.15},
    "frown fold": {"rest": -0.12, "age": 0.25, "AU4": 0.85, "AU9": 0.35},
    "forehead fold": {"rest": -0.13, "age": 0.3, "AU1": 0.3, "AU2": 0.6},
    "nose fold": {"AU9": 0.85},
    "dimple fold": {"AU14": 0.75, "AU12": 0.12},
    "chin fold": {"AU17": 0.75},
}

_CROWN: Knots = [(0, -1.46), (0.6, -1.33), (0.94, -0.9), (1.03, -0.3), (1.0, -0.05)]
_LONG: Knots = [(0, -1.45), (0.7, -1.4), (1.12, -0.8), (1.17, 0.1), (1.12, 1.7), (1.0, 2.4), (0, 2.4)]
_BOB: Knots = [(0, -1.45), (0.7, -1.4), (1.12, -0.8), (1.24, 0.1), (1.24, 0.7), (1.1, 1.0), (0, 1.0)]
_SCARF: Knots = [(0, -1.52), (0.7, -1.38), (1.08, -0.85), (1.16, -0.1), (1.06, 0.75), (0.8, 1.45), (0, 1.85)]
_OPENING: Knots = [(0, -0.98), (0.5, -0.92), (0.82, -0.55), (0.9, 0.0), (0.84, 0.55), (0.6, 1.05), (0, 1.27)]
_DRAPE: Knots = [(0, 0.6), (1.1, 0.6), (1.5, 1.8), (1.6, 3.0), (0, 3.0)]

_HAIR: dict[str, tuple[float, Knots, Knots, Knots]] = {
    # How far it stands off the skull, its outer edge, the hairline, and the outline of what falls behind the head.
    "crop": (1.05, _CROWN, [(0, -1.04), (0.4, -1.0), (0.78, -0.84), (0.9, -0.4)], []),
    "fringe": (1.05, _CROWN, [(0, -0.63), (0.5, -0.6), (0.86, -0.5), (0.97, 0)], []),
    "long": (1.08, _CROWN, [(0, -1.2), (0.55, -0.88), (0.9, -0.3), (1.02, 0.5)], _LONG),
    "bob": (1.09, _CROWN, [(0, -0.84), (0.35, -0.78), (0.84, -0.45), (1.0, 0.75)], _BOB),
    "curls": (1.2, _CROWN, [(0, -1.0), (0.42, -0.96), (0.8, -0.8), (0.92, -0.3)], []),
    "receding": (1.0, _CROWN, [(0, -1.3), (0.72, -1.1), (0.9, -0.6), (0.97, -0.1)], []),
    "scarf": (1.0, _SCARF, _OPENING, _DRAPE),
}
COVERS_EARS = ("long", "bob", "scarf")
_FRAME: Knots = [(0.16, -0.12), (0.45, -0.17), (0.75, -0.13), (0.75, 0.13), (0.45, 0.26), (0.18, 0.14), (0.16, -0.12)]

Spot = tuple[str, float, float, float, float, float, Mapping[str, float]]
"""Something soft on the skin: the curve that it moves with, its place beside that curve's first knot, its radii, how
dark or warm it is, and what action units add to that. Of a pair of curves, each has one."""

SHADOWS: list[Spot] = [  # below 0: lights
    ("lower lid", 0.1, -0.13, 0.2, 0.11, 0.2, {"AU4": 0.16}),
    ("brow", 0.3, -0.04, 0.3, 0.06, -0.07, {}),
    ("brow", -0.08, 0.06, 0.1, 0.1, 0.06, {"AU4": 0.24}),
    ("forehead fold", 0.0, 0.0, 0.55, 0.3, -0.1, {}),
    ("cheek fold", 0.33, 0.0, 0.24, 0.17, -0.1, {"AU6": -0.08, "AU12": -0.06}),
    ("cheek fold", 0.46, 0.32, 0.2, 0.26, 0.13, {"AU26": 0.04, "AU27": 0.07}),
    ("cheek fold", 0.77, -0.06, 0.16, 0.75, 0.22, {}),
    ("cheek fold", 0.19, 0.16, 0.07, 0.1, 0.04, {"AU12": 0.11, "AU10": 0.1}),
    ("nose wing", -0.006, -0.18, 0.06, 0.24, 0.09, {"AU9": 0.12}),
    ("nose tip", 0.0, -0.43, 0.055, 0.22, -0.2, {}),
    ("nose tip", 0.0, -0.12, 0.09, 0.08, -0.26, {}),
    ("nose tip", 0.0, 0.04, 0.2, 0.06, 0.34, {}),
    ("lower lip", 0.0, 0.055, 0.22, 0.05, 0.26, {}),
    ("chin fold", 0.0, 0.1, 0.2, 0.11, -0.1, {"AU17": -0.12}),
    ("chin fold", 0.0, 0.56, 0.75, 0.26, 0.5, {}),
]


@dataclass(frozen=True)
class Face:
    """A face as it is seen, in image units (the side has length 1)."""

    curves: Mapping[str, Points]
    """Points (n, 2) by name; those of a pair end in .left and .right. All run from left to right."""
    folds: Mapping[str, float]
    """How deep the curves are that are lines of the skin, 0 to 1."""
    soft: Points
    """Spots, one row each: x, y, radius in x, radius in y, strength."""
    scale: float
    """Half the width of a middling face."""


@lru_cache(maxsize=64)
def _spline(knots: int) -> Points:
    """Return the matrix (points, knots) that turns knots into a smooth curve through them."""
    along = np.linspace(0, knots - 1, STEPS * (knots - 1) + 1)
    return np.asarray(CubicSpline(np.arange(knots), np.eye(knots), bc_type="natural")(along))


def curve(knots: Knots | Points) -> Points:
    """Return a smooth curve (n, 2) through `knots`."""
    return _spline(len(knots)) @ np.asarray(knots, dtype=float)


def _symmetric(right: Knots | Points, factor: float = 1.0) -> Points:
    """Return the curve from left to right whose right half runs through these knots, from the middle outwards."""
    knots = np.asarray(right, dtype=float) * factor
    return curve(np.concatenate((knots[:0:-1] * (-1, 1), knots)))


def _flat(knots: Mapping[str, Knots]) -> Points:
    """Return the knots of all curves in a row (n, 2), 0 where `knots` has none."""
    return np.concatenate([np.array(knots.get(name) or [(0, 0)] * len(rest), float) for name, rest in _KNOTS.items()])


_REST, _MOVED = _flat(_KNOTS), {key: _flat(_MOVES[key]) for key in (*TRAITS, *UNITS)}
_ENDS = [0, *np.cumsum([len(knots) for knots in _KNOTS.values()]).tolist()]


def _knots(who: Identity, expression: Expression) -> dict[str, Points]:
    """Return the knots of the right side; the left one is its mirror image."""
    moved = _REST + sum(strength * _MOVED[key] for key, strength in {**who.traits, **expression}.items())
    knots = {name: moved[start:end] for name, (start, end) in zip(_KNOTS, pairwise(_ENDS), strict=True)}
    # Lips have a thickness, and neither lips nor lids pass through one another, whatever the moves add up to.
    knots["upper lid"][:, 1] = np.minimum(knots["upper lid"][:, 1], knots["lower lid"][:, 1] - 0.004)
    upper, top, bottom, lower = (knots[name] for name in MOUTH)
    bottom[:, 1] = np.maximum(bottom[:, 1], top[:, 1])
    upper[:-1, 1] = np.minimum(upper[:-1, 1], top[:-1, 1] - 0.015)
    lower[:-1, 1] = np.maximum(lower[:-1, 1], bottom[:-1, 1] + 0.02)
    return knots


def see(who: Identity, expression: Expression, capture: Capture, soft: Sequence[Spot] = SHADOWS) -> Face:
    """Return the face of the person `who` with this expression and the spots `soft` on its skin, as it is captured."""
    knots = _knots(who, expression)
    curves: dict[str, Points] = {}
    for name, right in knots.items():
        if name in MIDDLE:
            curves[name] = _symmetric(right)
        else:
            curves[f"{name}.right"] = curve(right)
            curves[f"{name}.left"] = curves[f"{name}.right"][::-1] * (-1, 1)
    for side in SIDES:
        _add_iris(curves, side)
    _dress(curves, who)
    lengths = [len(points) for points in curves.values()]
    lifts = np.repeat([_lift(name) for name in curves], lengths)
    spots = _spots(soft, knots, expression)
    frontal = np.concatenate((*curves.values(), spots[:, :2]))
    *parts, places = np.split(_placed(frontal, np.concatenate((lifts, spots[:, 2])), capture), np.cumsum(lengths))
    seen = np.column_stack((places, spots[:, 3:5] * capture.scale, spots[:, 5]))
    return Face(dict(zip(curves, parts, strict=True)), _folds(who, expression), seen, capture.scale)


def _lift(name: str) -> float:
    return _LIFTS.get(name.partition(".")[0], 0.02)


def _folds(who: Identity, expression: Expression) -> dict[str, float]:
    given = {"rest": 1.0, "age": who.age, **expression}
    depths = {name: sum(parts[key] * given.get(key, 0.0) for key in parts) for name, parts in _FOLDS.items()}
    places = {name: [""] if name in MIDDLE else [".left", ".right"] for name in depths}
    return {name + place: depth for name, depth in depths.items() for place in places[name]}


def _spots(table: Sequence[Spot], knots: Mapping[str, Points], expression: Expression) -> Points:
    """Return the spots of a face as rows: x, y, lift, radius in x, radius in y, strength."""
    rows = []
    for name, dx, dy, wide, high, strength, more in table:
        x, y = knots[name][0] + (dx, dy)
        strength += sum(share * expression.get(unit, 0.0) for unit, share in more.items())
        rows += [(side * x, y, _lift(name), wide, high, strength) for side in ((1,) if name in MIDDLE else (-1, 1))]
    return np.array(rows)


def _add_iris(curves: dict[str, Points], side: str) -> None:
    """Add the eye, the iris and the pupil, as far as the lids leave them free."""
    upper, lower = curves[f"upper lid.{side}"], curves[f"lower lid.{side}"]
    curves[f"eye.{side}"] = np.concatenate((upper, lower[::-1]))
    x, y = (upper[0] + upper[-1]) / 2
    for name, radius in (("iris", 0.118), ("pupil", 0.053)):
        points = _CIRCLE * radius + (x, y - 0.012)
        top, bottom = (np.interp(points[:, 0], *lid.T) for lid in (upper, lower))
        points[:, 1] = np.clip(points[:, 1], top, bottom)
        curves[f"{name}.{side}"] = points


_CIRCLE = np.stack([(math.cos(angle), math.sin(angle)) for angle in np.linspace(0, 2 * math.pi, 20, endpoint=False)])


def _dress(curves: dict[str, Points], who: Identity) -> None:
    """Add what grows or is worn: hair, beard, glasses."""
    if who.hair_style in COVERS_EARS:
        del curves["ear.left"], curves["ear.right"]
    if who.hair_style in _HAIR:
        volume, crown, hairline, behind = _HAIR[who.hair_style]
        big, parted = (who.traits.get(name, 0.0) for name in ("big hair", "parted hair"))
        line = _symmetric(hairline)
        line[:, 1] += 0.1 * parted * line[:, 0]
        curves["hair front"] = np.concatenate((_symmetric(crown, volume + 0.05 * big), line[::-1]))
        if behind:
            curves["hair back"] = _symmetric(behind, 1 + 0.05 * big)
    if who.beard != "none":
        jaw = curves["head"][curves["head"][:, 1] > 0.45]
        x, y = curves["mouth top"][-1]
        edge = _symmetric([(0, 0.6), (0.7 * x, 0.63), (x + 0.1, y - 0.02), (0.62, 0.72), (0.86, 0.45)])
        curves["beard"] = np.concatenate((edge, jaw[jaw[:, 0] > 0], jaw[jaw[:, 0] <= 0]))
    if who.glasses:
        right = curve(_FRAME) + np.array((0.015 * who.traits.get("wide-set eyes", 0.0), 0.0))
        curves |= {"frame.right": right, "frame.left": right * (-1, 1)}
        curves["frame.bridge"] = np.array([(-0.16, -0.05), (0, -0.08), (0.16, -0.05)])


def landmarks(face: Face) -> Points:
    """Return the 68 points that the iBUG 300-W scheme marks on a face, in image units.

    Sagonas et al., "300 Faces in-the-Wild Challenge", 2016. Left and right are those of the image.
    """
    of = face.curves
    cheek = [18, 16, 14, 12, 10, 8, 6, 3]  # from the left ear down; the outline of the head begins and ends at the chin
    jaw = of["head"][[*cheek, 0]], of["head"][[-1 - place for place in cheek[::-1]]]
    between, tip = (of["upper lid.left"][-1] + of["upper lid.right"][0]) / 2, of["nose tip"]
    bridge = between + np.linspace(0, 0.8, 4)[:, None] * (tip[4] - between)
    nostrils = of["nose wing.left"][:1], tip[::4], of["nose wing.right"][-1:]
    eyes = [of[f"{lid}.{side}"][at] for side in SIDES for lid, at in zip(EYE, ([0, 5, 11, 16], [11, 5]), strict=True)]
    upper, top, bottom, lower = (of[name] for name in MOUTH)
    lips = upper[[0, 3, 6, 8, 10, 13, 16]], lower[[13, 10, 8, 6, 3]], top[[1, 5, 8, 11, 15]], bottom[[11, 8, 5]]
    return np.concatenate((*jaw, of["brow.left"][::3], of["brow.right"][::3], bridge, *nostrils, *eyes, *lips))


def _placed(points: Points, lifts: Points, capture: Capture) -> Points:
    """Turn frontal points (n, 2) by yaw and pitch, project them (parallel to the line of sight) and frame them."""
    x, y = points.T
    a, b, c = SKULL
    z = c * np.sqrt(np.maximum(0.0, 1.0 - (x / a) ** 2 - (y / b) ** 2)) + lifts
    yaw, pitch, roll = (math.radians(angle) for angle in (capture.yaw, capture.pitch, capture.roll))
    ahead = z * math.cos(yaw) - x * math.sin(yaw)
    # The axis of the neck lies behind the origin; taking 0.6 off keeps the middle of the face in place.
    across = x * math.cos(yaw) + (z - 0.6) * math.sin(yaw)
    down = y * math.cos(pitch) + (ahead - 0.6) * math.sin(pitch)
    tilted = (across * math.cos(roll) - down * math.sin(roll), across * math.sin(roll) + down * math.cos(roll))
    return capture.scale * np.stack(tilted, axis=1) + capture.centre


def regions(face: Face, who: Identity) -> Iterator[tuple[str, Points]]:
    """Yield what a face is made of, from back to front: what it is ("head", "iris", …) and its outline (n, 2).

    Every picture of a face, whether of light or of warmth, is these outlines filled.
    """
    curves = face.curves
    for name in ("hair back", "neck", "cloth", "ear.left", "ear.right", "head", "beard"):
        if name in curves and not (who.hair_style == "scarf" and name in ("neck", "cloth")):
            yield name.partition(".")[0], curves[name]
    for name, depth in face.folds.items():
        if depth > 0.08:  # shallower ones cannot be seen
            yield "fold", _ribbon(face, curves[name], 0.06 * min(1.0, depth))
    for side in SIDES:
        for name in ("eye", "iris", "pupil"):
            yield name, curves[f"{name}.{side}"]
        yield "lash", _ribbon(face, curves[f"upper lid.{side}"], 0.05)
        yield "fold", _ribbon(face, curves[f"nose wing.{side}"], 0.03)
        yield "brow", _ribbon(face, curves[f"brow.{side}"], 0.09 * (1 + 0.2 * who.traits.get("thick brows", 0.0)))
    yield "nostril", _ribbon(face, curves["nose tip"], 0.05)
    upper, top, bottom, lower = (curves[name] for name in MOUTH)
    yield "mouth", np.concatenate((top, bottom[::-1]))
    yield "teeth", np.concatenate((top, (top + 0.35 * (bottom - top))[::-1]))
    yield "upper lip", np.concatenate((upper, top[::-1]))
    yield "lower lip", np.concatenate((bottom, lower[::-1]))
    yield "lash", _ribbon(face, top, 0.034)
    if "hair front" in curves:
        yield "hair front", curves["hair front"]
    if who.glasses:
        for side in SIDES:
            yield "lens", curves[f"frame.{side}"]
        for part in (*SIDES, "bridge"):
            yield "frame", _ribbon(face, curves[f"frame.{part}"], 0.04, taper=0.0)


def _ribbon(face: Face, points: Points, width: float, taper: float = 0.75) -> Points:
    """Return the outline of a stroke along a curve, `width` wide in face units, and thinner towards its ends."""
    ahead = np.empty_like(points)
    ahead[1:-1], ahead[0], ahead[-1] = points[2:] - points[:-2], points[1] - points[0], points[-1] - points[-2]
    across = ahead[:, ::-1] * (-1, 1) / (np.hypot(*ahead.T) + 1e-9)[:, None]
    half = 0.5 * width * face.scale * (1 - taper * _from_middle(len(points)) ** 2) * across
    return np.concatenate((points + half, (points - half)[::-1]))


@lru_cache(maxsize=64)
def _from_middle(points: int) -> Points:
    return np.linspace(-1, 1, points)[:, None]
