"""Smooth plane curves from a few knots: Catmull-Rom splines as cached matrices, so that a curve is one product."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Lift = float | NDArray[np.float64]
"""How far a curve stands in front of the skull: one number, or one per point."""
Knots = list[tuple[float, float]]


@lru_cache(maxsize=256)
def _spline(knots: int, closed: bool, steps: int) -> Points:
    """Return the matrix (points, knots) that turns knots into a Catmull-Rom curve through them."""
    segments = knots if closed else knots - 1
    t = np.arange(steps) / steps
    weights = 0.5 * np.stack(
        (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3), axis=1
    )
    matrix = np.zeros((segments * steps + (not closed), knots))
    for segment in range(segments):
        for offset in range(4):
            knot = segment + offset - 1
            knot = knot % knots if closed else min(max(knot, 0), knots - 1)
            matrix[segment * steps : (segment + 1) * steps, knot] += weights[:, offset]
    if not closed:
        matrix[-1, -1] = 1.0
    return matrix


def curve(knots: Knots | Points, closed: bool = False, steps: int = 4) -> Points:
    """Return a smooth curve (n, 2) through `knots`, with `steps` points from knot to knot."""
    return _spline(len(knots), closed, steps) @ np.asarray(knots, dtype=float)


@lru_cache(maxsize=8)
def _circle(points: int) -> Points:
    angle = np.arange(points) * (2 * math.pi / points)
    return np.stack((np.cos(angle), np.sin(angle)), axis=1)


def ellipse(x: float, y: float, rx: float, ry: float, points: int = 20) -> Points:
    """Return the outline (points, 2) of an axis-parallel ellipse."""
    return _circle(points) * (rx, ry) + (x, y)


def mirrored(half: Knots) -> Knots:
    """Close a right half, given from top to bottom, with its mirror image; points on the axis stay single."""
    return half + [(-x, y) for x, y in reversed(half) if x]


def pairs(x: Points | float, y: Points) -> Points:
    """Return the points (n, 2) with these coordinates (n,)."""
    points = np.empty((len(y), 2))
    points[:, 0] = x
    points[:, 1] = y
    return points
