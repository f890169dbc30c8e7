"""Hair, beards, headscarves and glasses as frontal curves, in the coordinates of `geometry`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from refer.datasets.standin.curves import Knots, Lift, Points, curve, ellipse, mirrored, pairs
from refer.datasets.standin.people import Identity

Layer = dict[str, tuple[Points, Lift]]
"""Name → (points (n, 2), lift)."""

_HEAD = -0.28
"""The lift of the head's outline, which hair and beard must follow when the head turns."""

_HAIRLINES: dict[str, Knots] = {
    # Along the forehead from the left temple to the right one.
    "crop": [(-0.9, -0.4), (-0.78, -0.84), (-0.4, -1.0), (0.0, -1.04), (0.4, -1.0), (0.78, -0.84), (0.9, -0.4)],
    "parted": [(-0.94, -0.3), (-0.84, -0.72), (-0.52, -1.02), (-0.36, -1.2), (0.1, -0.92), (0.7, -0.74), (0.94, -0.25)],
    "fringe": [(-0.97, 0.0), (-0.86, -0.5), (-0.5, -0.6), (0.0, -0.63), (0.5, -0.6), (0.86, -0.5), (0.97, 0.0)],
    "long": [(-1.02, 0.5), (-0.9, -0.3), (-0.55, -0.88), (0.0, -1.2), (0.55, -0.88), (0.9, -0.3), (1.02, 0.5)],
    "waves": [(-1.02, 0.4), (-0.88, -0.35), (-0.7, -0.82), (-0.3, -1.16), (0.3, -0.98), (0.86, -0.5), (1.02, 0.4)],
    "bob": [(-1.0, 0.75), (-0.87, -0.2), (-0.76, -0.62), (-0.3, -0.84), (0.35, -0.78), (0.84, -0.45), (1.0, 0.75)],
    "curls": [(-0.92, -0.3), (-0.8, -0.8), (-0.42, -0.96), (0.0, -1.0), (0.42, -0.96), (0.8, -0.8), (0.92, -0.3)],
    "bun": [(-0.94, -0.25), (-0.84, -0.78), (-0.45, -1.04), (0.0, -1.1), (0.45, -1.04), (0.84, -0.78), (0.94, -0.25)],
    "receding": [(-0.97, -0.1), (-0.9, -0.6), (-0.72, -1.1), (0.0, -1.3), (0.72, -1.1), (0.9, -0.6), (0.97, -0.1)],
}
_VOLUME = {"curls": 1.2, "waves": 1.12, "long": 1.08, "bob": 1.09, "bun": 1.02, "receding": 1.0}
"""How far the hair stands off the skull; 1.05 where nothing is said."""
COVERS_EARS = frozenset({"long", "waves", "bob", "scarf"})
_LENGTH = {"long": (1.12, 2.4), "waves": (1.34, 1.75), "bob": (1.24, 1.0)}
"""How wide and how far down the hair behind the head falls."""


@lru_cache(maxsize=1024)
def hair(who: Identity) -> Layer:
    """Return the hair behind the head ("hair back"), on the forehead ("hair front") and its strands."""
    style = who.hair_style
    if style == "bald":
        return {}
    if style == "scarf":
        return _scarf(who)
    volume = _VOLUME.get(style, 1.05)
    hairline = curve(_HAIRLINES[style], steps=5)
    crown = _crown(volume)
    if style in ("crop", "receding"):
        hairline = _scalloped(hairline, 0.03, 26)
    if style == "curls":
        crown = _scalloped(crown, 0.07, 24)
        hairline = _scalloped(hairline, 0.035, 12)
    lift = np.repeat((_HEAD, -0.2), (len(crown), len(hairline)))
    layer: Layer = {"hair front": (np.concatenate((crown, hairline[::-1])), lift)}
    if style in _LENGTH:
        wide, low = _LENGTH[style]
        half: Knots = [
            (0.0, -1.45),
            (0.7, -1.4),
            (1.12, -0.8),
            (0.5 + 0.6 * wide, 0.1),
            (wide, 0.7 * low),
            (0.9 * wide, low),
        ]
        layer["hair back"] = (curve(mirrored([*half, (0.0, low)]), closed=True, steps=3), -0.6)
    elif style == "curls":
        layer["hair back"] = (_scalloped(ellipse(0.0, -0.45, 1.28, 1.2, 60), 0.07, 30), -0.6)
    elif style == "bun":
        layer["hair back"] = (ellipse(0.0, -1.62, 0.42, 0.36), -0.6)
    layer.update(_strands(crown, hairline))
    return layer


def _crown(volume: float) -> Points:
    """Return the outer edge of the hair from the left temple over the skull to the right one."""
    right = [(0.0, -1.46), (0.6, -1.33), (0.94, -0.9), (1.03, -0.3), (1.0, -0.05)]
    knots = [(-x, y) for x, y in reversed(right[1:])] + right
    return curve([(x * volume, y * volume) for x, y in knots], steps=5)


def _scalloped(edge: Points, depth: float, bumps: int) -> Points:
    """Return `edge` with a row of round locks."""
    wave = np.abs(np.sin(np.linspace(0, bumps * np.pi / 2, len(edge)))) * depth
    outwards = edge - (0.0, -0.45)
    return edge + wave[:, None] * outwards / np.linalg.norm(outwards, axis=1, keepdims=True)


def _strands(crown: Points, hairline: Points) -> Layer:
    """Return lines from the crown to the hairline, along which the hair shines."""
    layer: Layer = {}
    for number, share in enumerate((0.1, 0.2, 0.29, 0.38, 0.46, 0.54, 0.62, 0.71, 0.8, 0.9)):
        top = crown[int(share * (len(crown) - 1))] * (0.97, 0.97)
        end = hairline[int((0.15 + 0.7 * share) * (len(hairline) - 1))] * (1.0, 1.02)
        middle = 0.5 * (top + end) + (0.05 * np.sign(end[0]), -0.05)
        layer[f"strand {number}"] = (curve(np.stack((top, middle, end))), -0.17)
    return layer


def _scarf(who: Identity) -> Layer:
    outer: Knots = [(0.0, -1.52), (0.7, -1.38), (1.08, -0.85), (1.16, -0.1), (1.06, 0.75), (0.8, 1.45), (0.0, 1.85)]
    inner: Knots = [(0.0, -0.98), (0.5, -0.92), (0.82, -0.55), (0.9, 0.0), (0.84, 0.55), (0.6, 1.05)]
    edge = curve(mirrored(outer), closed=True, steps=3)
    opening = curve(mirrored([*inner, (0.0, 1.27 * who.face_length)]), closed=True, steps=3)
    ring = np.concatenate((edge, edge[:1], opening[:1], opening[::-1]))
    drape = curve([(-1.1, 0.6), (-1.5, 1.8), (-1.6, 3.0), (1.6, 3.0), (1.5, 1.8), (1.1, 0.6)])
    folds = {
        "strand 0": curve([(-0.75, -0.95), (-1.0, -0.35), (-1.0, 0.4)]),
        "strand 1": curve([(0.75, -0.95), (1.0, -0.35), (1.0, 0.4)]),
        "strand 2": curve([(-0.9, 0.9), (-0.35, 1.5), (0.5, 1.62)]),
        "strand 3": curve([(0.92, 0.85), (0.4, 1.42), (-0.2, 1.6)]),
        "strand 4": curve([(-0.55, -1.22), (0.0, -1.32), (0.55, -1.22)]),
    }
    layer: Layer = {"hair front": (ring, -0.2), "hair back": (drape, -0.6)}
    layer.update({name: (points, -0.19) for name, points in folds.items()})
    return layer


def beard(who: Identity, jaw: Points, lip: Points) -> Layer:
    """Return the outlines of the beard ("beard") and the moustache ("moustache"), where there are any.

    `jaw` is the outline of the head from the right ear under the chin to the left one, `lip` the upper edge
    of the upper lip from left to right.
    """
    layer: Layer = {}
    (left_x, left_y), (right_x, right_y) = lip[0], lip[-1]
    if who.beard in ("stubble", "full"):
        inside: Knots = [
            (-0.86, 0.42),
            (-0.62, 0.72),
            (left_x - 0.1, left_y - 0.02),
            (left_x + 0.03, left_y - 0.13),
            (0.0, 0.54),
            (right_x - 0.03, right_y - 0.13),
            (right_x + 0.1, right_y - 0.02),
            (0.62, 0.72),
            (0.86, 0.42),
        ]
        edge = curve(inside)
        layer["beard"] = (np.concatenate((edge, jaw)), np.repeat((0.0, _HEAD), (len(edge), len(jaw))))
    elif who.beard == "moustache":
        width = np.linspace(-1.0, 1.0, len(lip))
        rise = 0.13 * (1.0 - width**4) + 0.02
        low = lip * (1.04, 1.0) + (0.0, 0.012)
        layer["moustache"] = (np.concatenate((low - pairs(0.0, rise), low[::-1])), 0.1)
    return layer


def glasses(who: Identity) -> Layer:
    """Return the frames ("frame.left", "frame.right", "frame.bridge" and the temples), where worn."""
    if not who.glasses:
        return {}
    x, y = 0.45 * who.eye_spacing, 0.03
    layer: Layer = {"frame.bridge": (curve([(-0.13, y - 0.05), (0.0, y - 0.1), (0.13, y - 0.05)]), 0.26)}
    for side, name in ((-1, "left"), (1, "right")):
        knots: Knots = [(-0.3, -0.16), (0.0, -0.2), (0.3, -0.17), (0.3, 0.1), (0.0, 0.24), (-0.28, 0.12)]
        rim = [(side * (x + dx), y + dy) for dx, dy in knots]
        layer[f"frame.{name}"] = (curve([*rim, rim[0]]), 0.16)
        arm = np.array([(side * (x + 0.3), y - 0.12), (side * 0.97 * who.face_width, y - 0.12)])
        layer[f"frame arm.{name}"] = (arm, np.array([0.16, _HEAD - 0.05]))
    return layer
