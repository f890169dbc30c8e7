"""Drawn places without people: rooms, hills, leaves, cloth, to compose faces onto.

They are no photographs, and need only be what a face is to be told from: colours, edges and textures of many kinds and
sizes, in and out of focus.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from refer.datasets.standin.faces import generator
from refer.datasets.standin.people import Colour, mix

FINE = 2
"""Shapes are drawn on a grid so many times finer than the picture, and averaged down."""


class Pen:
    """Shapes in a picture; places are parts of its side, y downwards."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng, self.side = rng, size * FINE
        self.image = Image.new("RGB", (self.side, self.side))
        self._draw = ImageDraw.Draw(self.image)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill a rectangle."""
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def shape(self, points: list[tuple[float, float]] | NDArray[np.float64], colour: Colour) -> None:
        """Fill a polygon."""
        red, green, blue = (round(min(255.0, max(0.0, channel))) for channel in colour)
        self._draw.polygon((np.asarray(points) * self.side).ravel().tolist(), fill=(red, green, blue))

    def colour(self, low: float = 0.2, high: float = 0.95) -> Colour:
        """Draw a colour of any hue, of a value from `low` to `high`."""
        value, grey = 255 * self.rng.uniform(low, high), self.rng.uniform(0.2, 0.9)
        red, green, blue = value * (grey + (1 - grey) * self.rng.uniform(0, 1, 3))
        return float(red), float(green), float(blue)


def lit(colour: Colour, factor: float) -> Colour:
    """Return a colour darker (below 1) or lighter."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def room(pen: Pen) -> None:
    """A wall, a floor, a window, and what stands and hangs there."""
    rng, wall, floor = pen.rng, pen.colour(0.5, 1.0), pen.colour(0.25, 0.6)
    edge, x = rng.uniform(0.6, 0.85), rng.uniform(0.1, 0.6)
    pen.box(0, 0, 1, edge, wall)
    pen.box(0, edge, 1, 1, floor)
    pen.box(x - 0.02, 0.08, x + 0.32, 0.52, lit(wall, 0.7))
    for pane in range(4):
        left, top = x + 0.16 * (pane % 2), 0.1 + 0.21 * (pane // 2)
        pen.box(left, top, left + 0.14, top + 0.19, (200, 225, 250))
    for _ in range(int(rng.integers(3, 8))):
        left, wide, high = rng.uniform(-0.1, 0.9), *rng.uniform(0.08, 0.35, 2)
        bottom = edge + rng.uniform(0, 0.2) if rng.random() < 0.5 else rng.uniform(0.3, 0.5)
        body = pen.colour()
        pen.box(left, bottom - high, left + wide, bottom, body)
        pen.box(left + 0.02, bottom - high + 0.02, left + wide - 0.02, bottom - 0.5 * high, lit(body, 1.3))


def hills(pen: Pen) -> None:
    """Sky over ridges or water."""
    rng, sky, near = pen.rng, pen.colour(0.6, 1.0), pen.colour(0.2, 0.6)
    pen.box(0, 0, 1, 1, mix(sky, (255, 255, 255), 0.4))
    for band in range(8):
        pen.box(0, band / 16, 1, (band + 1) / 16, mix(sky, (255, 255, 255), 0.05 * band))
    for layer in range(4):
        y = rng.uniform(0.4, 0.6) + 0.12 * layer + np.cumsum(rng.normal(0, 0.02, 24))
        ridge = np.stack((np.linspace(0, 1, 24), y), axis=1)
        pen.shape(np.concatenate((ridge, ((1, 1), (0, 1)))), mix(sky, near, 0.25 + 0.25 * layer))


def leaves(pen: Pen) -> None:
    """Leaves upon leaves, dark ones behind."""
    rng, leaf = pen.rng, pen.colour(0.5, 0.9)
    pen.box(0, 0, 1, 1, lit(leaf, 0.3))
    outline, number = np.array([-1, -0.4 + 0.36j, 0.3 + 0.32j, 1, 0.3 - 0.32j, -0.4 - 0.36j]), 230
    length = rng.uniform(0.025, 0.09) * rng.uniform(0.6, 1.4, number)
    turned = outline * (length * np.exp(2j * np.pi * rng.uniform(0, 1, number)))[:, None]
    placed = turned + (rng.uniform(0, 1, number) + 1j * rng.uniform(0, 1, number))[:, None]
    for depth, points in enumerate(placed):
        shade = (0.35 + 0.8 * depth / number) * rng.uniform(0.75, 1.25)
        pen.shape(np.stack((points.real, points.imag), axis=1), lit(leaf, shade))


def cloth(pen: Pen) -> None:
    """Stripes or checks, askew: a cloth, boards, tiles."""
    rng, ground = pen.rng, pen.colour(0.3, 1.0)
    pen.box(0, 0, 1, 1, ground)
    step, checked = rng.uniform(0.05, 0.2), rng.random() < 0.5
    bands = [(pen.colour(), rng.uniform(0.1, 0.6) * step) for _ in range(3)]
    for number in range(int(1 / step) + 1):
        colour, wide = bands[number % 3]
        pen.box(number * step, 0, number * step + wide, 1, colour)
        if checked:
            pen.box(0, number * step, 1, number * step + wide, mix(colour, ground, 0.5))
    red, green, blue = map(round, ground)
    pen.image = pen.image.rotate(rng.uniform(-40, 40), Image.Resampling.BILINEAR, fillcolor=(red, green, blue))


KINDS: tuple[Callable[[Pen], None], ...] = (room, hills, leaves, cloth)
"""What can be drawn; `draw_scenes` takes them in turn."""


def draw_scenes(count: int, size: int, seed: int = 0) -> NDArray[np.uint8]:
    """Draw places: uint8 (count, size, size, 3), sRGB. Picture i depends on the seed, i and the size alone."""
    scenes = np.empty((count, size, size, 3), np.uint8)
    for number in range(count):
        scenes[number] = draw_scene(generator(seed, number, 1, 8), size, number)
    return scenes


def draw_scene(rng: np.random.Generator, size: int, kind: int) -> NDArray[np.uint8]:
    """Draw one place, uint8 (size, size, 3), as a camera sees it; `kind` is counted round `KINDS`."""
    pen = Pen(rng, size)
    KINDS[kind % len(KINDS)](pen)
    picture = pen.image.reduce(FINE).filter(ImageFilter.GaussianBlur(size * max(0.0, rng.uniform(-0.01, 0.015))))
    grain = Image.fromarray(rng.normal(1, 0.08, (12, 12)).astype(np.float32))
    light = np.asarray(grain.resize((size, size), Image.Resampling.BICUBIC)) * np.float32(rng.uniform(0.75, 1.2))
    seen = np.asarray(picture, np.float32) * light[..., None]
    seen += np.float32(rng.uniform(0.5, 4)) * rng.standard_normal((size, size, 1), np.float32)
    return np.clip(seen, 0, 255).astype(np.uint8)
