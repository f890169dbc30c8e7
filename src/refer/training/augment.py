"""Random changes of training images: named transforms, with parameters that are drawn for each image in one place.

    augment = Augment(how, reader)
    ready = augment(images, seed, numbers)          # uint8 in, what the network expects out

In the order of a usual chain of torchvision's transforms: RandomZoomOut, RandomPerspective, RandomAffine,
RandomHorizontalFlip, RandomCrop, RandomGrayscale, ColorJitter, RandomErasing; tests/training/test_augment.py compares
them. The differences: all geometry is one map, so that pixels are interpolated once and not four times; brightness and
contrast are one linear map, clamped once.

naseem2025's training set (`copies`) is each image and 25 changed copies of it. They take the same transforms:

| copies | change             | drawn                                                | filled with |
|--------|--------------------|------------------------------------------------------|-------------|
| 1      | none               |                                                      |             |
| 5      | rotation           | ±20°                                                 | black       |
| 5      | zoom out           | side 1 to 1.5 times the image's, place               | grey 123    |
| 5      | perspective        | each corner, inwards, up to a quarter of a side      | black       |
| 5      | rotation and shear | ±20°, shear ±0.2°                                    | black       |
| 5      | horizontal flip    | five equal copies                                    |             |

Numbers are drawn by name, not in order: what is drawn for image n of a seed is the same whatever came before. A
training that goes on after a kill needs no generator's state, a batch can be put together in any order, and all devices
see the same numbers, for they are drawn on the host.
"""

from __future__ import annotations

import io
import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from refer.recipe import Augmentation
from refer.training.data import LUMA, Reader, constant, sent

Numbers = NDArray[np.float64]
DRAWN = 30
"""Numbers that an image takes; each has its place, so that switching one change on leaves the others' draws."""
BORDERS = {"reflection": "reflection", "edge": "border", "black": "zeros"}
AREA, RATIO = (0.02, 0.25), 3.0
"""Of an erased rectangle: its share of the image, and the longest of its sides in shorter ones."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

KINDS = tuple(
    Augmentation.model_validate(how)
    for how in (
        {},
        {"rotation": 20.0},
        {"zoom_out": 1.5},
        {"perspective": 0.5},
        {"rotation": 20.0, "shear": 0.2},
        {"flip": True},
    )
)
"""The kinds of naseem2025's copies."""
ZOOMED, GREY = 2, 123.0
KIND_OF_COPY = np.array([0, *np.repeat(np.arange(1, len(KINDS)), 5)])
COPIES = len(KIND_OF_COPY)
"""The image itself, and five copies of each of five kinds."""


class Drawn(NamedTuple):
    """What was drawn for B images, on their device."""

    maps: Tensor  # (B, 3, 3) see `maps_of`
    flip: Tensor  # (B, 1, 1, 1) bool
    light: Tensor  # (B, 2, 1, 1, 1) factors of brightness and contrast
    grey: Tensor  # (B, 1, 1, 1) bool, whether the colours are taken away
    box: Tensor  # (B, 4) top, left, height, width of the erased rectangle in pixels; of height 0: none
    fill: Tensor  # (B, 1, 1, 1) grey level outside the image, where the border is black


class Augment:
    """The changes of one recipe, for one network."""

    def __init__(self, how: Augmentation, reader: Reader) -> None:
        self.how, self.reader = how, reader
        self.copies = how.copies != "none"
        self.warps = bool(how.rotation or how.scale or how.shear or how.shift or how.perspective or self.copies)
        self.warps = self.warps or how.zoom_out > 1 or how.pad > 0 or how.crop < 1
        self.border = "zeros" if self.copies else BORDERS[how.border]

    def __call__(
        self, images: Tensor, seed: int, numbers: ArrayLike, copies: NDArray[np.int64] | None = None
    ) -> Tensor:
        """(B, C, H, H) uint8, or float 0..255 → (B, channels, size, size) float32, ready for the network.

        Args:
            images: square, on the device.
            seed: of the training.
            numbers: (B,) on the host: each image's number in the training, from 0.
            copies: (B,) number of each copy, 0..25, for a recipe with `copies`.
        """
        if self.how == Augmentation():
            return self.reader(images)
        drawn = self.draw(images, seed, numbers, copies)
        moved = self.relit(self.warped(images.float(), drawn), drawn)
        if copies is not None and self.how.jpeg:
            moved = recoded(moved, copies, self.how.jpeg)
        return self.erased(self.reader(moved), drawn)

    def with_masks(self, images: Tensor, masks: Tensor, seed: int, numbers: ArrayLike) -> tuple[Tensor, Tensor]:
        """Change images and their masks (B, 1, H, H) together; masks are lit by nothing."""
        drawn = self.draw(images, seed, numbers)
        both = self.warped(torch.cat((images, masks), dim=1).float(), drawn)
        ready = self.reader(self.relit(both[:, :-1], drawn)), self.reader(both[:, -1:])[:, :1]
        return self.erased(ready[0], drawn), self.erased(ready[1], drawn)

    def draw(self, images: Tensor, seed: int, numbers: ArrayLike, copies: NDArray[np.int64] | None = None) -> Drawn:
        """Draw for the images called `numbers`, and copy all of it to their device at one go."""
        how, u, side = self.how, uniforms(seed, numbers, DRAWN), images.shape[-1]
        fill = np.zeros((len(u), 1))
        if copies is None:
            maps = maps_of(how, u, side)
        else:
            kinds, maps = KIND_OF_COPY[copies], np.empty((len(u), 3, 3))
            fill[kinds == ZOOMED] = GREY
            for number, kind in enumerate(KINDS):
                maps[kinds == number] = maps_of(kind, u[kinds == number], side, changed=1.0)
        columns = [
            maps.reshape(-1, 9),
            u[:, :1] < (0.5 if how.flip else 0.0),
            1 + np.array([how.brightness, how.contrast]) * (2 * u[:, 22:24] - 1),
            u[:, 21:22] < how.desaturate,
            boxes_of(how, u[:, 24:29], self.reader.size),
            fill,
        ]
        table = sent(np.concatenate(columns, axis=1).astype(np.float32), images.device)
        return Drawn(
            maps=table[:, :9].view(-1, 3, 3),
            flip=table[:, 9].view(-1, 1, 1, 1) > 0,
            light=table[:, 10:12].view(-1, 2, 1, 1, 1),
            grey=table[:, 12].view(-1, 1, 1, 1) > 0,
            box=table[:, 13:17],
            fill=table[:, 17].view(-1, 1, 1, 1),
        )

    def warped(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Move the pixels: (B, C, H, H) float32 → (B, C, size, size).

        H stays where nothing but a flip is asked for, and of copies, which are files of the image's own size.
        """
        if not self.warps:
            return torch.where(drawn.flip, images.flip(-1), images) if self.how.flip else images
        axes = axes_of(images.shape[-1] if self.copies else self.reader.size, images.device)
        bent = self.how.perspective or self.copies
        grid = grid_of(drawn.maps, *axes) if bent else affine_grid_of(drawn.maps, *axes)
        images = images - drawn.fill if self.copies else images
        moved = functional.grid_sample(images, grid, padding_mode=self.border, align_corners=False)
        return moved + drawn.fill if self.copies else moved

    def relit(self, images: Tensor, drawn: Drawn) -> Tensor:
        """Take colours away, change brightness and contrast: (B, C, H, W), 0..255."""
        how, colour = self.how, images.shape[1] == 3
        if not (how.brightness or how.contrast or (how.desaturate and colour)):
            return images
        grey = (images * constant(LUMA, images.device)).sum(dim=1, keepdim=True) if colour else images
        if how.desaturate and colour:
            images = torch.where(drawn.grey, grey, images)
        brightness, contrast = drawn.light.unbind(1)
        return exposed(images, brightness, contrast, grey.mean(dim=(1, 2, 3), keepdim=True))

    def erased(self, ready: Tensor, drawn: Drawn) -> Tensor:
        """Set a rectangle of some images to zero (Zhong et al. 2020): (B, C, H, H), as the network expects them."""
        if not self.how.erase:
            return ready
        lines = torch.arange(ready.shape[-1], device=ready.device)
        top, left, height, width = drawn.box.unsqueeze(2).unbind(1)
        rows = (lines >= top) & (lines < top + height)
        columns = (lines >= left) & (lines < left + width)
        return ready.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


# --- what is drawn ------------------------------------------------------------------------------------------------


def uniforms(seed: int, numbers: ArrayLike, count: int) -> Numbers:
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


def gaussians(seed: int, numbers: ArrayLike, count: int) -> Numbers:
    """Return (B, count) normal numbers of mean 0 and standard deviation 1 (Box and Muller 1958), as `uniforms` does."""
    half = (count + 1) // 2
    u = uniforms(seed, numbers, 2 * half)
    radius, angle = np.sqrt(-2 * np.log1p(-u[:, :half])), 2 * np.pi * u[:, half:]
    return np.concatenate((radius * np.cos(angle), radius * np.sin(angle)), axis=1)[:, :count]


def maps_of(how: Augmentation, u: Numbers, side: int, changed: float = 0.5) -> Numbers:
    """Return (B, 3, 3): where in the image a point of the changed image lies, both in coordinates from -1 to 1.

    Args:
        how: the ranges.
        u: (B, DRAWN) in 0..1.
        side: of the images, in pixels; shifts and windows are of whole ones.
        changed: share of the images that are flipped, lie on a larger canvas or are tilted, each if it is asked for.
    """
    both, one = 2 * u - 1, np.ones(len(u))
    maps = stacked(one, 0 * one, 0 * one, one)
    if how.zoom_out > 1:
        zoom = np.where(u[:, 15] < changed, 1 + (how.zoom_out - 1) * u[:, 16], 1.0)
        maps = stacked(zoom, 0 * one, 0 * one, zoom, *((1 - zoom) * both[:, 17:19].T))
    if how.perspective:
        share = np.where(u[:, 6] < changed, how.perspective, 0.0)[:, None, None]
        maps = maps @ perspectives(u[:, 7:15].reshape(-1, 4, 2), share)
    angle, shear = np.deg2rad(how.rotation * both[:, 1]), np.tan(np.deg2rad(how.shear * both[:, 3]))
    cos, sin = np.cos(angle), np.sin(angle)
    moved = stacked(one, 0 * one, 0 * one, one, *(2 / side * np.rint(side * how.shift * both[:, 4:6].T)))
    affine = stacked(one, shear, 0 * one, one) @ stacked(cos, -sin, sin, cos) @ moved
    affine[:, :2] /= (1 + how.scale * both[:, 2])[:, None, None]
    mirror = np.where(u[:, 0] < changed, -1.0, 1.0) if how.flip else one
    padding, window = round(how.pad * side), round(how.crop * side)
    start = np.floor(u[:, 19:21] * (side + 2 * padding - window + 1)) - padding
    seen = one * window / side
    return maps @ affine @ stacked(mirror * seen, 0 * one, 0 * one, seen, *((2 * start.T + window) / side - 1))


def stacked(
    a: Numbers, b: Numbers, c: Numbers, d: Numbers, x: Numbers | float = 0.0, y: Numbers | float = 0.0
) -> Numbers:
    """Return B maps (a b x; c d y; 0 0 1)."""
    maps = np.zeros((len(a), 3, 3))
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 0, 2] = a, b, x
    maps[:, 1, 0], maps[:, 1, 1], maps[:, 1, 2] = c, d, y
    maps[:, 2, 2] = 1
    return maps


def perspectives(u: Numbers, distortion: float | Numbers) -> Numbers:
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


def boxes_of(how: Augmentation, u: Numbers, side: int) -> Numbers:
    """Return (B, 4): top, left, height and width of the erased rectangle, in pixels; `u` is (B, 5)."""
    area = AREA[0] + (AREA[1] - AREA[0]) * u[:, 0]
    ratio = np.exp(math.log(RATIO) * (2 * u[:, 1] - 1))
    hit = u[:, 4] < how.erase
    sides = np.where(hit, np.rint(side * np.sqrt(np.stack((area * ratio, area / ratio)))), 0.0)
    return np.stack((*np.floor(u[:, 2:4].T * (side - sides + 1)), *sides), axis=1)


def shares(how: Augmentation, seed: int, numbers: ArrayLike) -> Numbers:
    """Return (B,): the share that an image keeps of itself in mixup (Zhang et al. 2018), from Beta(alpha, alpha)."""
    from scipy.special import betaincinv  # the others need no SciPy

    drawn: Numbers = betaincinv(how.mixup, how.mixup, uniforms(seed, numbers, DRAWN)[:, 29])
    return drawn


# --- what is done with it -----------------------------------------------------------------------------------------


def axes_of(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return x (1, 1, size) and y (1, size, 1) of an image's pixels, in coordinates from -1 to 1 (the edges)."""
    axis = (torch.arange(size, device=device, dtype=torch.float32) * 2 + 1) / size - 1
    return axis.view(1, 1, -1), axis.view(1, -1, 1)


def grid_of(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return where the pixels at x and y lie by maps (B, 3, 3): (B, size, size, 2), as `grid_sample` takes it."""
    row = [maps[:, k].unbind(1) for k in range(3)]
    across, down, depth = (a[:, None, None] * x + b[:, None, None] * y + c[:, None, None] for a, b, c in row)
    return torch.stack((across / depth, down / depth), dim=-1)


def affine_grid_of(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the same of maps whose last row is 0 0 1, several times as fast."""
    # Points of the plane as complex numbers: three times as fast as two coordinates, ten times as affine_grid.
    right, down, rest = torch.view_as_complex(maps[:, :2].mT.contiguous()).view(-1, 3, 1, 1).unbind(1)
    return torch.view_as_real(right * x + (down * y + rest))


def exposed(images: Tensor, brightness: Tensor, contrast: Tensor, mean: Tensor) -> Tensor:
    """Return b (m + c (x - m)) of pixels x, in 0..255; the factors and the mean grey m are (B, 1, 1, 1)."""
    gain = brightness * contrast
    return (images * gain + (brightness - gain) * mean).clamp_(0, 255)


def recoded(images: Tensor, copies: NDArray[np.int64], quality: int) -> Tensor:
    """Return the images as they are after being saved as JPEG and read again, as files made beforehand are.

    Args:
        images: (B, C, H, W) float32, 0..255, of one or three channels.
        copies: (B,) which copy each is; copy 0, the image itself, is not saved again.
        quality: of Pillow, whose own choice where nothing is said is 75, with colours at half the resolution.

    Returns:
        (B, C, H, W) float32, 0..255, on the same device.
    """
    pixels = images.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    result = images.clone()
    for place in np.flatnonzero(copies > 0):
        file = io.BytesIO()
        Image.fromarray(pixels[place].squeeze(-1) if pixels.shape[-1] == 1 else pixels[place]).save(
            file, "JPEG", quality=quality
        )
        read = torch.from_numpy(np.array(Image.open(file))).float()
        result[place] = (read[None] if read.ndim == 2 else read.permute(2, 0, 1)).to(result.device)
    return result
