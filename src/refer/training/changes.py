"""Random changes of a batch in one pass, each image with its own: geometry in one resampling, light, erasing, mixup.

    changes = Changes(how, reader)
    ready = changes(images, seed, numbers)          # uint8 in, what the network expects out

In the order of a usual chain of torchvision's transforms: RandomZoomOut, RandomPerspective, RandomAffine,
RandomHorizontalFlip, RandomCrop, RandomGrayscale, ColorJitter, RandomErasing; tests/test_changes.py compares them. The
differences: all geometry is one map, so that pixels are interpolated once and not four times; brightness and contrast
are one linear map, clamped once. What is drawn for an image depends on seed and
number alone (`refer.training.draws`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from refer.recipe import Augmentation
from refer.training.data import LUMA, Reader
from refer.training.draws import uniforms
from refer.training.homographies import affine_grid_of, grid_of, perspectives
from refer.training.transfer import constant, sent

DRAWN = 30
"""Numbers that an image takes; each has its place, so that switching one change on leaves the others' draws."""
BORDERS = {"reflection": "reflection", "edge": "border", "black": "zeros"}
AREA, RATIO = (0.02, 0.25), 3.0
"""Of an erased rectangle: its share of the image, and the longest of its sides in shorter ones."""


class Drawn(NamedTuple):
    """What was drawn for B images, on their device."""

    maps: Tensor  # (B, 3, 3) see `maps_of`
    flip: Tensor  # (B, 1, 1, 1) bool
    light: Tensor  # (B, 2, 1, 1) factors of brightness and contrast
    grey: Tensor  # (B, 1, 1, 1) bool, whether the colours are taken away
    box: Tensor  # (B, 4) top, left, height, width of the erased rectangle in pixels; of height 0: none


class Changes:
    """The changes of one recipe, for one network."""

    def __init__(self, how: Augmentation, reader: Reader) -> None:
        self.how = how
        self.reader = reader
        self.warps = bool(how.rotation or how.scale or how.shear or how.shift or how.perspective)
        self.warps = self.warps or how.zoom_out > 1 or how.pad > 0 or how.crop < 1

    def __call__(self, images: Tensor, seed: int, numbers: ArrayLike) -> Tensor:
        """(B, C, H, H) uint8, or float 0..255 → (B, channels, size, size) float32, ready for the network.

        Args:
            images: square, on the device.
            seed: of the training.
            numbers: (B,) on the host: each image's number in the training, from 0.
        """
        drawn = self.draw(images, seed, numbers)
        ready = self.reader(self.lit(self.warped(images.float(), drawn), drawn))
        return self.erased(ready, drawn)

    def draw(self, images: Tensor, seed: int, numbers: ArrayLike) -> Drawn:
        """Draw for the images called `numbers`, and copy all of it to their device at one go."""
        how, u = self.how, uniforms(seed, numbers, DRAWN)
        columns = [
            maps_of(how, u, images.shape[-1]).reshape(-1, 9),
            u[:, :1] < (0.5 if how.flip else 0.0),
            1 + np.array([how.brightness, how.contrast]) * (2 * u[:, 22:24] - 1),
            u[:, 21:22] < how.desaturate,
            boxes_of(how, u[:, 24:29], self.reader.size),
        ]
        table = sent(np.concatenate(columns, axis=1).astype(np.float32), images.device)
        return Drawn(
            maps=table[:, :9].view(-1, 3, 3),
            flip=table[:, 9].view(-1, 1, 1, 1) > 0,
            light=table[:, 10:12].view(-1, 2, 1, 1),
            grey=table[:, 12].view(-1, 1, 1, 1) > 0,
            box=table[:, 13:17],
        )

    def warped(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Move the pixels: (B, C, H, H) float32 → (B, C, size, size); H stays where nothing but a flip is asked for."""
        if not self.warps:
            return torch.where(drawn.flip, images.flip(-1), images) if self.how.flip else images
        grid = (grid_of if self.how.perspective else affine_grid_of)(drawn.maps, self.reader.size)
        return functional.grid_sample(images, grid, padding_mode=BORDERS[self.how.border], align_corners=False)

    def lit(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Take colours away, change brightness and contrast: (B, C, H, W), 0..255."""
        how, colour = self.how, images.shape[1] == 3
        if not (how.brightness or how.contrast or (how.desaturate and colour)):
            return images
        grey = (images * constant(LUMA, images.device)).sum(dim=1, keepdim=True) if colour else images
        if how.desaturate and colour:
            images = torch.where(drawn.grey, grey, images)
        brightness, contrast = drawn.light.unbind(1)
        mean = grey.mean(dim=(1, 2, 3), keepdim=True)
        gain = (brightness * contrast).unsqueeze(1)
        return (images * gain + (brightness.unsqueeze(1) - gain) * mean).clamp_(0, 255)

    def erased(self, ready: Tensor, drawn: Drawn) -> Tensor:
        """Set a rectangle of some images to zero: (B, C, H, H), as the network expects them."""
        if not self.how.erase:
            return ready
        lines = torch.arange(ready.shape[-1], device=ready.device)
        top, left, height, width = drawn.box.unsqueeze(2).unbind(1)
        rows = (lines >= top) & (lines < top + height)
        columns = (lines >= left) & (lines < left + width)
        return ready.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def maps_of(how: Augmentation, u: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return (B, 3, 3): where in the image a point of the changed image lies, both in coordinates from -1 to 1.

    Args:
        how: the ranges.
        u: (B, DRAWN) in 0..1.
        side: of the images, in pixels; shifts and windows are of whole ones.
    """
    both, one = 2 * u - 1, np.ones(len(u))
    maps = _stacked(one, 0 * one, 0 * one, one)
    if how.zoom_out > 1:
        zoom = np.where(u[:, 15] < 0.5, 1 + (how.zoom_out - 1) * u[:, 16], 1.0)
        maps = _stacked(zoom, 0 * one, 0 * one, zoom, *((1 - zoom) * both[:, 17:19].T))
    if how.perspective:
        share = np.where(u[:, 6] < 0.5, how.perspective, 0.0)[:, None, None]
        maps = maps @ perspectives(u[:, 7:15].reshape(-1, 4, 2), share)
    angle, shear = np.deg2rad(how.rotation * both[:, 1]), np.tan(np.deg2rad(how.shear * both[:, 3]))
    cos, sin = np.cos(angle), np.sin(angle)
    moved = _stacked(one, 0 * one, 0 * one, one, *(2 / side * np.rint(side * how.shift * both[:, 4:6].T)))
    affine = _stacked(one, shear, 0 * one, one) @ _stacked(cos, -sin, sin, cos) @ moved
    affine[:, :2] /= (1 + how.scale * both[:, 2])[:, None, None]
    mirror = np.where(u[:, 0] < 0.5, -1.0, 1.0) if how.flip else one
    padding, window = round(how.pad * side), round(how.crop * side)
    start = np.floor(u[:, 19:21] * (side + 2 * padding - window + 1)) - padding
    seen = one * window / side
    return maps @ affine @ _stacked(mirror * seen, 0 * one, 0 * one, seen, *((2 * start.T + window) / side - 1))


def _stacked(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    c: NDArray[np.float64],
    d: NDArray[np.float64],
    x: NDArray[np.float64] | float = 0.0,
    y: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:
    """Return B maps (a b x; c d y; 0 0 1)."""
    maps = np.zeros((len(a), 3, 3))
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 0, 2] = a, b, x
    maps[:, 1, 0], maps[:, 1, 1], maps[:, 1, 2] = c, d, y
    maps[:, 2, 2] = 1
    return maps


def boxes_of(how: Augmentation, u: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return (B, 4): top, left, height and width of the erased rectangle, in pixels; `u` is (B, 5)."""
    area = AREA[0] + (AREA[1] - AREA[0]) * u[:, 0]
    ratio = np.exp(math.log(RATIO) * (2 * u[:, 1] - 1))
    hit = u[:, 4] < how.erase
    sides = np.where(hit, np.rint(side * np.sqrt(np.stack((area * ratio, area / ratio)))), 0.0)
    return np.stack((*np.floor(u[:, 2:4].T * (side - sides + 1)), *sides), axis=1)


def shares(how: Augmentation, seed: int, numbers: ArrayLike) -> NDArray[np.float64]:
    """Return (B,): the share that an image keeps of itself in mixup (Zhang et al. 2018), from Beta(alpha, alpha)."""
    from scipy.special import betaincinv  # the others need no SciPy

    drawn: NDArray[np.float64] = betaincinv(how.mixup, how.mixup, uniforms(seed, numbers, DRAWN)[:, 29])
    return drawn
