"""Outlines of faces to masks: polygons in pixels of a prepared image to grey levels with soft edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINER = 4
"""Polygons are drawn at so many times the size and averaged, which makes their edges soft."""

ELLIPSE = (0.5, 0.5, 0.36, 0.46)
"""Middle (x, y) and half axes of the mask of a face without an outline, as shares of the image's side: most of a
face in a tight square crop, and little of what is behind it. A choice of this project; no paper says."""


def masks(
    outlines: Sequence[Sequence[float] | NDArray[np.float32] | None], size: int, *, side: int | None = None
) -> NDArray[np.uint8]:
    """Draw the masks of faces: (N, side, side), 255 inside the outline, 0 outside, between at the edge.

    Args:
        outlines: per image x0, y0, x1, y1, … of a polygon in pixels of the prepared image, 0 its left or upper
            edge and `size` the other one; or None, for which `ELLIPSE` stands in. A polygon may leave the image.
        size: side of the prepared image in pixels.
        side: side of the masks in pixels; by default `size`.

    Raises:
        ValueError: a polygon with less than three corners, or with a coordinate that is no number.
    """
    side = side or size
    drawn = np.zeros((len(outlines), side, side), np.uint8)
    default: NDArray[np.uint8] | None = None
    for number, outline in enumerate(outlines):
        if outline is None:
            default = _filled(_ellipse(size), size, side) if default is None else default
            drawn[number] = default
            continue
        points = np.asarray(outline, np.float64)
        if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
            raise ValueError(f"outline {number}: expected x0, y0, x1, y1, … of three corners or more; found {outline}")
        drawn[number] = _filled(points.reshape(-1, 2), size, side)
    return drawn


def _ellipse(size: int) -> NDArray[np.float64]:
    x, y, across, down = (size * share for share in ELLIPSE)
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    return np.stack((x + across * np.cos(angle), y + down * np.sin(angle)), axis=1)


def _filled(points: NDArray[np.float64], size: int, side: int) -> NDArray[np.uint8]:
    """Fill one polygon (n, 2)."""
    canvas = Image.new("L", (FINER * side, FINER * side))
    # Pillow takes whole pixels, counts from the middle of the first, and paints those on a polygon's line too:
    # half a pixel more on each side, which at this size is an eighth of a pixel of the mask.
    corners = np.rint(np.clip(points * (FINER * side / size) - 0.5, -4 * FINER * side, 5 * FINER * side))
    ImageDraw.Draw(canvas).polygon([(int(x), int(y)) for x, y in corners], fill=255)
    return np.asarray(canvas.reduce(FINER))
