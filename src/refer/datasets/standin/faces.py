"""Drawn faces: a person, an expression and a capture in; an image in visible light out.

>>> rng = np.random.default_rng(0)
>>> image = draw(sample_identity(rng), Expression({"AU6": 0.8, "AU12": 1.0}), STUDIO, 160, rng)

Flat colours are drawn as polygons on a finer grid (Pillow) and averaged down; light and shadow are smooth functions of
the place, computed per pixel and multiplied in (NumPy). Colours are sRGB throughout: this is an illustration, not a
simulation of light.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from refer.datasets.standin.expressions import PROTOTYPES, PURE, UNITS, Expression, Variation, sample_expression
from refer.datasets.standin.geometry import SKULL, Face, Points, regions, see
from refer.datasets.standin.people import STUDIO, Capture, Colour, Identity, mix, sample_capture, sample_identity

__all__ = (
    "PROTOTYPES", "PURE", "STUDIO", "UNITS", "Capture", "Expression", "Identity", "Variation", "draw", "generator",
    "grey", "paint", "photograph", "sample_capture", "sample_expression", "sample_identity",
)  # fmt: skip

Pixels = NDArray[np.float32]

BLACK: Colour = (18, 12, 12)
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""
_SHADE = np.array((0.75, 1.0, 1.15), dtype=np.float32)[:, None, None]
"""How strongly a shadow takes away red, green and blue: shadows on skin are warm."""


def draw(
    who: Identity, expression: Expression, capture: Capture, size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw one face: uint8 (size, size, 3), sRGB. `rng` is used for the sensor's noise alone."""
    return photograph(paint(see(who, expression, capture), who, capture, size), capture, rng)


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn sRGB (height, width, 3) into grey (height, width), with the weights of ITU-R BT.601."""
    return np.rint(image @ LUMA).astype(np.uint8)


def generator(*key: int) -> np.random.Generator:
    """Return the random generator that belongs to `key` (say seed, subject, image) and to no other key."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def _tone(colour: Colour, factor: float) -> Colour:
    """Return a colour darker (0 is black, 1 the same)."""
    return mix((0, 0, 0), colour, factor)


def _colours(who: Identity, exposure: float) -> dict[str, Colour]:
    """Return the colour of each of the regions; glass has none."""
    skin, hair = who.skin, who.cloth if who.hair_style == "scarf" else who.hair
    red = mix(_tone(skin, 0.9), (176, 64, 70), 0.45)
    white = min(1.0, 1.08 / exposure)  # of eyes and teeth, so that the exposure does not burn them out
    return {
        "hair back": _tone(hair, 0.72),
        "hair front": hair,
        "neck": _tone(skin, 0.88),
        "cloth": who.cloth,
        "ear": mix(skin, (190, 90, 80), 0.12),
        "head": skin,
        "beard": mix(skin, _tone(who.hair, 0.9), 0.26 if who.beard == "stubble" else 0.82),
        "fold": mix(skin, _tone(skin, 0.4), 0.7),
        "eye": mix(_tone((228, 224, 220), white), skin, 0.15),
        "iris": who.iris,
        "pupil": BLACK,
        "lash": mix(_tone(skin, 0.22), BLACK, 0.6),
        "brow": mix(_tone(who.hair, 0.75), _tone(skin, 0.3), 0.4),
        "nostril": _tone(mix(skin, (120, 40, 36), 0.35), 0.45),
        "mouth": (58, 18, 20),
        "teeth": _tone((230, 225, 216), white),
        "upper lip": _tone(red, 0.84),
        "lower lip": red,
        "frame": mix(_tone(who.cloth, 0.35), BLACK, 0.5),
    }


def paint(
    face: Face, who: Identity, capture: Capture, size: int, behind: NDArray[np.uint8] | None = None,
    without: tuple[str, ...] = (),
) -> Pixels:  # fmt: skip
    """Return the scene in visible light: float32 (size, size, 3), 0 to 255, before the camera's faults.

    `behind`, uint8 (size, size, 3), takes the place of the capture's even background; the regions named in `without`
    are left out.
    """
    fine = 3 if size <= 200 else 2
    # A camera that meters on the face, so that no skin is under- or overexposed.
    exposure = (165.0 / float(np.dot(LUMA, who.skin))) ** 0.4
    colours = _colours(who, exposure)
    # Pillow weighs colours by alpha as it averages, so that the empty background does not darken the edges.
    canvas = Image.new("RGBA", (size * fine, size * fine))
    pen = ImageDraw.Draw(canvas)
    for name, outline in regions(face, who):
        if name in colours and name not in without:
            red, green, blue = (round(channel) for channel in colours[name])
            pen.polygon((outline * (size * fine)).ravel().tolist(), fill=(red, green, blue, 255))
    # Channels first: NumPy broadcasts whole planes several times faster than triples.
    planes = np.ascontiguousarray(np.moveaxis(np.asarray(canvas.reduce(fine), dtype=np.float32), -1, 0))
    figure = planes[3] / 255
    dark = spread(face.soft, size) * np.float32(0.7 + 0.6 * capture.contrast_of_light)
    scene = planes[:3] * np.exp(-_SHADE * dark) * (_lamp(size, capture) * np.float32(exposure))
    rest = np.array(capture.background, np.float32)[:, None, None] if behind is None else np.moveaxis(behind, -1, 0)
    return np.ascontiguousarray(np.moveaxis(scene * figure + rest * (1 - figure), 0, -1))


def centres(size: int) -> Pixels:
    """Return where the centres of the pixels lie, in image units (size,)."""
    return ((np.arange(size) + 0.5) / size).astype(np.float32)


def spread(spots: Points, size: int) -> Pixels:
    """Sum soft spots (rows of x, y, radius in x, radius in y, strength, in image units): (size, size).

    Every spot is a Gaussian with axes along the image's, hence a product of one function of x and one of y.
    """
    x, y, wide, high, strength = spots.T[:, :, None].astype(np.float32)
    # Cut off at e^-40: still smaller numbers are slow to multiply, and nothing to see.
    across, down = (
        np.exp(np.maximum(-0.5 * ((centres(size) - middle) / radius) ** 2, -40))
        for middle, radius in ((x, wide), (y, high))
    )
    # Not a matrix product: for one so small the threads of BLAS cost a hundred times more than they save.
    return np.einsum("kj,ki->ji", down * strength, across)


def on_head(size: int, capture: Capture) -> tuple[Pixels, Pixels, Pixels]:
    """Return the normal of the head's ellipsoid at each pixel: to the right, downwards, ahead (0 beside it)."""
    roll = math.radians(capture.roll)
    cos, sin = math.cos(roll) / capture.scale, math.sin(roll) / capture.scale
    right, down = centres(size)[None, :] - capture.centre[0], centres(size)[:, None] - capture.centre[1]
    across, along = (right * cos + down * sin) / (1.05 * SKULL[0]), (down * cos - right * sin) / (1.1 * SKULL[1])
    ahead = np.sqrt(np.maximum(0, 1.0 - across * across - along * along))
    return across.astype(np.float32), along.astype(np.float32), ahead.astype(np.float32)


def _lamp(size: int, capture: Capture) -> Pixels:
    """Return how brightly the head is lit at each pixel: about 1 where it faces the light."""
    across, along, ahead = on_head(size, capture)
    x, y = capture.light
    facing = (across * x + along * y + np.maximum(0.25, ahead)) / math.sqrt(x * x + y * y + 1.0)
    lit = 1.0 + capture.contrast_of_light * (0.74 * np.clip(facing, 0.0, 1.1) - 0.62)
    return np.asarray(lit, np.float32)


def photograph(scene: Pixels, capture: Capture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Apply the camera's faults: blur, contrast, brightness and noise; returns uint8 (size, size, 3)."""
    size = len(scene)
    image = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    if capture.blur * size > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(capture.blur * size))
    exposed = np.asarray(image, dtype=np.float32) * capture.contrast
    exposed += 128 * (1 - capture.contrast) + capture.brightness
    if capture.noise:
        exposed += capture.noise * rng.standard_normal((size, size, 1), dtype=np.float32)
    return np.clip(np.rint(exposed), 0, 255).astype(np.uint8)
