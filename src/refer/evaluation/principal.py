"""The directions in which points spread most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def principal_axes(points: NDArray[np.float64], number: int = 2) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of points (n, d) and their first principal axes (number, d), of length 1.

    The largest coordinate of each axis is positive, as in scikit-learn: the same points give the same plane.
    """
    mean = points.mean(axis=0)
    axes = np.linalg.svd(points - mean, full_matrices=False)[2][:number]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return mean, axes * np.where(largest < 0, -1.0, 1.0)
