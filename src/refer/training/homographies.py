"""Where in an image the points of a changed one lie: affine maps and perspectives, as 3x3 matrices."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def perspectives(u: NDArray[np.float64], distortion: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (B, 3, 3) that map corners which were moved inwards back to the corners of the image.

    Args:
        u: (B, 4, 2), 0..1, how far each corner moves along x and y: upper left, upper right, lower right, lower left.
        distortion: of what half a side is moved at most; torchvision's `distortion_scale`.

    Returns:
        Maps of points of the changed image to points of the original, both in coordinates from -1 to 1.
    """
    corners = np.array([(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)])
    # A quarter of a side is half a unit, in coordinates in which a side is 2 long.
    moved = corners - np.sign(corners) * distortion * u
    rows = np.zeros((len(u), 8, 8))
    x, y = moved[:, :, 0], moved[:, :, 1]
    for axis in range(2):
        part = rows[:, axis::2]
        part[:, :, 3 * axis], part[:, :, 3 * axis + 1], part[:, :, 3 * axis + 2] = x, y, 1.0
        part[:, :, 6], part[:, :, 7] = -x * corners[:, axis], -y * corners[:, axis]
    found = np.linalg.solve(rows, np.tile(corners.reshape(1, 8, 1), (len(u), 1, 1)))[:, :, 0]
    return np.concatenate((found, np.ones((len(u), 1))), axis=1).reshape(-1, 3, 3)


def grid_of(maps: Tensor, size: int) -> Tensor:
    """Return where the pixels of (size, size) images lie: (B, size, size, 2), as `grid_sample` takes it.

    `maps` (B, 3, 3) go from points of the output to points of the input, in coordinates from -1 to 1 (the edges).
    """
    x, y = _axes(size, maps.device)
    row = [maps[:, k].unbind(1) for k in range(3)]
    across, down, depth = (a[:, None, None] * x + b[:, None, None] * y + c[:, None, None] for a, b, c in row)
    return torch.stack((across / depth, down / depth), dim=-1)


def affine_grid_of(maps: Tensor, size: int) -> Tensor:
    """Return the same of maps whose last row is 0 0 1, several times as fast."""
    x, y = _axes(size, maps.device)
    # Points of the plane as complex numbers: three times as fast as two coordinates, ten times as affine_grid.
    right, down, rest = torch.view_as_complex(maps[:, :2].mT.contiguous()).view(-1, 3, 1, 1).unbind(1)
    return torch.view_as_real(right * x + (down * y + rest))


def _axes(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    axis = (torch.arange(size, device=device, dtype=torch.float32) * 2 + 1) / size - 1
    return axis.view(1, 1, -1), axis.view(1, -1, 1)
