"""What a drawn place is made with: colours, shapes, surfaces, and the camera that takes the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from refer.datasets.standin.captures import Colour

Pixels = NDArray[np.float32]
Box = tuple[float, float, float, float]

FINE = 2
"""Shapes are drawn on a grid so many times finer than the picture, and averaged down."""


def hue(rng: np.random.Generator, saturation: float, value: float) -> Colour:
    """Return a colour, saturation and value 0 to 1: of any hue, but browns, ochres and blues are the common ones."""
    common = rng.random()
    hue = rng.uniform(0.1, 0.9) if common < 0.5 else rng.uniform(3.2, 4.0) if common < 0.65 else rng.uniform(0, 6)
    wheel = np.clip(np.abs((hue + np.array((0.0, 4.0, 2.0))) % 6 - 3) - 1, 0, 1)
    red, green, blue = 255 * value * (1 - saturation * (1 - wheel))
    return float(red), float(green), float(blue)


def ink(colour: Colour) -> tuple[int, int, int]:
    """Return a colour as Pillow wants it."""
    red, green, blue = (round(min(255.0, max(0.0, channel))) for channel in colour)
    return red, green, blue


def lit(colour: Colour, factor: float) -> Colour:
    """Return a colour darker (below 1) or lighter."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


class Plate:
    """A picture in the making; places are parts of its side, y downwards."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng, self.size, self.side = rng, size, size * FINE
        self.image = Image.new("RGB", (self.side, self.side))
        self.pen = ImageDraw.Draw(self.image)
        self.grain: Pixels | None = None
        """Brightness of the surface, multiplied in at the end: (size, size) around 1."""
        self.blur = 0.0
        """Radius of the blur, a part of the side."""

    def cloud(self, cells: int, octaves: int = 3, stretch: float = 1.0) -> Pixels:
        """Return smooth noise of several scales: (size, size), about -1 to 1; `stretch` draws it out in width."""
        total = np.zeros((self.size, self.size), np.float32)
        for octave in range(octaves):
            down = max(2, cells * 2**octave)
            across = max(2, round(down / stretch))
            knots = Image.fromarray(self.rng.uniform(-1, 1, (down, across)).astype(np.float32))
            smooth = knots.resize((self.size, self.size), Image.Resampling.BICUBIC)
            total += np.asarray(smooth) * np.float32(0.6 * 0.55**octave)
        return total

    def ramp(self, top: Colour, bottom: Colour, waves: Pixels | None = None) -> None:
        """Fill everything from `top` to `bottom`; `waves` (size, size) bends the transition."""
        down = np.linspace(0, 1, self.size, dtype=np.float32)[:, None]
        share = np.broadcast_to(down if waves is None else np.clip(down + waves, 0, 1), (self.size, self.size))
        self.blend(top, bottom, share)

    def blend(self, one: Colour, other: Colour, share: Pixels) -> None:
        """Fill everything with a mixture of two colours, `share` (size, size) of the other."""
        planes = [
            np.clip(low + share * np.float32(high - low), 0, 255).astype(np.uint8)
            for low, high in zip(one, other, strict=True)
        ]
        whole = Image.merge("RGB", [Image.fromarray(plane) for plane in planes])
        self.image.paste(whole.resize((self.side, self.side), Image.Resampling.NEAREST))

    def box(self, box: Box, colour: Colour) -> None:
        """Fill a rectangle: left, top, right, bottom."""
        left, top, right, bottom = (value * self.side for value in box)
        self.pen.rectangle((left, top, max(left, right), max(top, bottom)), fill=ink(colour))

    def shape(self, points: list[tuple[float, float]] | NDArray[np.float64], colour: Colour) -> None:
        """Fill a polygon."""
        self.pen.polygon((np.asarray(points) * self.side).ravel().tolist(), fill=ink(colour))

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fill an ellipse."""
        box = ((x - rx) * self.side, (y - ry) * self.side, (x + rx) * self.side, (y + ry) * self.side)
        self.pen.ellipse(box, fill=ink(colour))

    def ridge(self, height: float, rough: float, colour: Colour, knots: int = 24) -> None:
        """Fill everything below a hilly line."""
        x = np.linspace(-0.02, 1.02, knots)
        steps = np.cumsum(self.rng.normal(0, rough, knots))
        y = height + steps - steps.mean()
        self.shape(np.concatenate((np.stack((x, y), axis=1), ((1.02, 1.02), (-0.02, 1.02)))), colour)

    def photographed(self) -> NDArray[np.uint8]:
        """Return the picture as a camera gives it: surface, vignette, tint, focus and noise."""
        rng = self.rng
        # Channels first: NumPy broadcasts whole planes several times faster than triples.
        planes = np.array([np.asarray(channel, np.float32) for channel in self.image.reduce(FINE).split()])
        middle = np.linspace(-1, 1, self.size, dtype=np.float32)
        x, y, fall = rng.uniform((-0.5, -0.5, 0.02), (0.5, 0.5, 0.2)).astype(np.float32)
        light = np.float32(1.04) - fall * ((middle[None, :] - x) ** 2 + (middle[:, None] - y) ** 2)
        if self.grain is not None:
            light = light * self.grain
        tint = rng.normal(1, 0.04, 3) * rng.uniform(0.85, 1.3)
        for plane, factor in zip(planes, tint.astype(np.float32), strict=True):
            plane *= light * factor
        if (radius := self.blur * self.size) > 0.3:
            planes = np.array([_blurred(plane, radius) for plane in planes])
        planes += np.float32(rng.uniform(0.5, 4)) * rng.standard_normal((self.size, self.size), np.float32) + 0.5
        return np.ascontiguousarray(np.moveaxis(np.clip(planes, 0, 255).astype(np.uint8), 0, -1))


def _blurred(plane: Pixels, radius: float) -> Pixels:
    levels = Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8))
    return np.asarray(levels.filter(ImageFilter.GaussianBlur(radius)), np.float32)
