"""Random numbers by name, not by order: what is drawn for image number n of a seed is the same whatever came before.

A training that goes on after a kill needs no generator's state, a batch can be put together in any order, and every
device sees the same numbers, for they are drawn on the host: a few dozen per image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from refer.training.composition import Composition

CONTROL = 4
"""Control points of a smooth warp, along each side."""
WARPED = 21
"""Place in an image's stream where the numbers of its smooth warp begin."""
FILTERED = WARPED + 2 * CONTROL**2
"""Place where those of its filters begin: whether CLAHE, whether blur, and which window."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Draws(NamedTuple):
    """What was drawn for B images; see `Composition` for the ranges."""

    flip: NDArray[np.bool_]  # (B,)
    angle: NDArray[np.float64]  # (B,) degrees
    scale: NDArray[np.float64]  # (B,)
    shift: NDArray[np.float64]  # (B, 2) x and y, shares of the padded side
    corners: NDArray[np.float64]  # (B, 3, 2) x and y of the upper left, lower left, upper right corner, shares
    control: NDArray[np.float64]  # (B, 2, CONTROL, CONTROL) x and y of the smooth warp, shares
    background: NDArray[np.int64]  # (B,)
    place: NDArray[np.float64]  # (B, 2) row and column of the crop, 0 to below 1 of the room there is
    light: NDArray[np.float64]  # (B, 3) factors of brightness and contrast, and the exponent gamma
    equalised: NDArray[np.bool_]  # (B,) whether by CLAHE
    window: NDArray[np.int64]  # (B,) side of the Gaussian window in pixels, 0 for no blur


def uniforms(seed: int, numbers: ArrayLike, count: int) -> NDArray[np.float64]:
    """Return (B, count) numbers uniform in 0 (included) to 1 (excluded), for the images called `numbers` (B,).

    SplitMix64 (Steele, Lea, Flood 2014): each image has its own stream, whose start is a hash of seed and number.
    """
    with np.errstate(over="ignore"):
        start = _mixed(np.asarray([seed & 0xFFFFFFFFFFFFFFFF], np.uint64) + _GOLDEN)
        keys = _mixed(_mixed(np.asarray(numbers, np.int64).astype(np.uint64) + start) + start)
        words = _mixed(keys[:, None] + _GOLDEN * np.arange(1, count + 1, dtype=np.uint64))
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser: a change of one bit changes half of all bits."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def draw(how: Composition, seed: int, numbers: ArrayLike, backgrounds: int) -> Draws:
    """Draw what `how` asks for, for the images called `numbers`, with so many backgrounds to choose from."""
    smooth, filtered = how.warping == "smooth", how.clahe > 0 or how.blur > 0
    # A number's place in the stream never depends on the options, so that changing one leaves the others' draws.
    u = uniforms(seed, numbers, FILTERED + 3 if filtered else WARPED + (2 * CONTROL**2 if smooth else 0))
    both = 2 * u - 1
    size = len(u)
    corners = np.zeros((size, 3, 2)) if smooth else how.warp * both[:, 5:11].reshape(size, 3, 2)
    control = np.zeros((size, 2, CONTROL, CONTROL))
    if smooth:
        control = how.warp * both[:, WARPED:FILTERED].reshape(control.shape)
    equalised, window = np.zeros(size, bool), np.zeros(size, np.int64)
    if filtered:
        chosen = u[:, FILTERED:]
        equalised = chosen[:, 0] < how.clahe
        window = np.where(chosen[:, 1] < how.blur, 3 + 2 * (3 * chosen[:, 2]).astype(np.int64), 0)
    spread = np.array([how.brightness, how.contrast, how.gamma])
    return Draws(
        flip=u[:, 0] < how.flip,
        angle=how.angle * both[:, 1],
        scale=1 + how.factor * both[:, 2],
        shift=how.translation * both[:, 3:5],
        corners=corners,
        control=control,
        background=(u[:, 11] * backgrounds).astype(np.int64),
        place=u[:, 12:14],
        light=1 + np.where(u[:, 14:17] < how.exposed, spread * both[:, 17:20], 0.0),
        equalised=equalised,
        window=window,
    )


def gaussians(seed: int, numbers: ArrayLike, count: int) -> NDArray[np.float64]:
    """Return (B, count) normal numbers of mean 0 and standard deviation 1 (Box and Muller 1958), as `uniforms` does."""
    half = (count + 1) // 2
    u = uniforms(seed, numbers, 2 * half)
    radius, angle = np.sqrt(-2 * np.log1p(-u[:, :half])), 2 * np.pi * u[:, half:]
    return np.concatenate((radius * np.cos(angle), radius * np.sin(angle)), axis=1)[:, :count]


def maps(draws: Draws, frame: float) -> NDArray[np.float64]:
    """Return (B, 2, 3): where in the cut-out a point of the composed image lies, both in coordinates -1 to 1.

    `frame` is the padded side as a multiple of the cut-out's (`Composition.frame`).
    """
    size = len(draws.angle)
    angle = np.deg2rad(draws.angle)
    cos, sin = np.cos(angle) * draws.scale, np.sin(angle) * draws.scale
    mirror = np.where(draws.flip, -1.0, 1.0)
    onward = np.empty((size, 2, 2))  # from the padded cut-out to the composed image
    onward[:, 0, 0], onward[:, 0, 1] = cos * mirror, -sin
    onward[:, 1, 0], onward[:, 1, 1] = sin * mirror, cos
    moved = 2 * draws.shift  # a side is 2 long
    upper_left, lower_left, upper_right = (2 * draws.corners[:, corner] for corner in range(3))
    warp = np.eye(2) + np.stack((upper_right - upper_left, lower_left - upper_left), axis=2) / 2
    rest = upper_left + (warp - np.eye(2)).sum(axis=2)  # so that the corner (-1, -1) moves by upper_left
    onward = warp @ onward
    moved = (warp @ moved[:, :, None])[:, :, 0] + rest
    back = frame * np.linalg.inv(onward)
    return np.concatenate((back, -(back @ moved[:, :, None])), axis=2)
