"""The 68 points that the iBUG 300-W scheme marks on a face, taken from the curves that the face is drawn with.

Sagonas et al., "300 Faces in-the-Wild Challenge", 2016. Left and right are those of the image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from refer.datasets.standin.curves import Points, pairs
from refer.datasets.standin.geometry import Face, Shape

PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
"""Which points belong to what: the jaw, the brows and the lips run from left to right."""

_BRIDGE = "nose bridge"
_LID = np.array((0, 4, 8, 12))
"""Where along a lid's 13 points its landmarks lie, from the inner corner to the outer one."""


def bridged(face: Shape) -> Shape:
    """Return the face with the line of its nose's bridge, which is never drawn but of which four points are marked."""
    tip = float(face.curves["nose tip"][:, 1].max()) - 0.11
    bridge = pairs(0.0, np.linspace(-0.02, tip, 4))
    lift = np.linspace(0.06, 0.36, 4)
    return replace(face, curves={**face.curves, _BRIDGE: bridge}, lifts={**face.lifts, _BRIDGE: lift})


def landmarks(face: Face) -> NDArray[np.float64]:
    """Return the points (68, 2) of a face made from a `bridged` shape, in image units (the side has length 1)."""
    left, right = _brow(face, "left"), _brow(face, "right")
    return np.concatenate(
        (_jaw(face), left[::-1], right, face.curve(_BRIDGE), _nostrils(face), _eyes(face), _outer(face), _inner(face))
    )


def _along(points: Points, number: int) -> Points:
    """Return `number` points at equal distances along a curve, both ends included."""
    travelled = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    at = np.linspace(0.0, travelled[-1], number)
    return np.stack([np.interp(at, travelled, points[:, axis]) for axis in (0, 1)], axis=1)


def _jaw(face: Face) -> Points:
    """Return the outline from the left ear under the chin to the right one.

    The head's outline runs clockwise from the top of the skull; its widest points are beside the eyes.
    """
    head = face.curve("head")
    eyes = np.concatenate((face.curve("iris.left"), face.curve("iris.right"))).mean(axis=0)
    down = face.curve(_BRIDGE)[-1] - eyes
    below = (head - eyes) @ down > 0
    return _along(head[below][::-1], 17)


def _brow(face: Face, side: str) -> Points:
    """Return five points along a brow's upper edge, from its inner end to the outer one."""
    upper = face.curve(f"brow.{side}")[:13]
    return _along(upper, 5)


def _nostrils(face: Face) -> Points:
    """Return five points below the nose, from left to right."""
    left, tip, right = face.curve("nose wing.left")[-1], face.curve("nose tip"), face.curve("nose wing.right")[-1]
    return np.stack((left, tip[0], tip[len(tip) // 2], tip[-1], right))


def _eyes(face: Face) -> Points:
    """Return six points round each eye: clockwise, the left one from its outer corner, the right one from its inner."""
    upper, lower = face.curve("upper lid.left")[_LID], face.curve("lower lid.left")[_LID]
    left = (upper[3], upper[2], upper[1], upper[0], lower[1], lower[2])
    upper, lower = face.curve("upper lid.right")[_LID], face.curve("lower lid.right")[_LID]
    right = (upper[0], upper[1], upper[2], upper[3], lower[2], lower[1])
    return np.stack((*left, *right))


def _outer(face: Face) -> Points:
    """Return twelve points round the lips: clockwise from the left corner."""
    upper, lower = face.curve("upper lip top"), face.curve("lower lip bottom")
    return np.concatenate((upper[[0, 3, 6, 9, 12, 15, 18]], lower[[15, 12, 9, 6, 3]]))


def _inner(face: Face) -> Points:
    """Return eight points round the mouth's opening: clockwise from the left corner."""
    upper, lower = face.curve("mouth top"), face.curve("mouth bottom")
    return np.concatenate((upper[[1, 6, 9, 12, 17]], lower[[12, 9, 6]]))
