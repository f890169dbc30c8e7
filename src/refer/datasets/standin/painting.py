"""From the curves of a face to an image in visible light.

Flat colours are drawn as polygons on a finer grid (Pillow) and averaged down; light, shadow and blush are
smooth functions of the place, computed per pixel and multiplied in (NumPy). Colours are sRGB throughout:
this is an illustration, not a simulation of light.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from refer.datasets.standin.captures import Capture, Colour
from refer.datasets.standin.curves import Points, pairs
from refer.datasets.standin.geometry import SIDES, SKULL, Face
from refer.datasets.standin.people import Identity, mix

Pixels = NDArray[np.float32]

_BLACK: Colour = (18, 12, 12)
_SHADE = np.array((0.75, 1.0, 1.15), dtype=np.float32)[:, None, None]
"""How strongly a shadow on skin takes away red, green and blue: shadows on skin are warm."""
_BLUSH = np.array((-0.08, 0.42, 0.36), dtype=np.float32)[:, None, None]
"""The same for blood under the skin."""
_SKIN, _OTHER = 255, 90
"""How much of the face's soft shading falls on skin, and on hair and cloth, of 255."""
_LUMA = (0.299, 0.587, 0.114)


class Canvas:
    """Polygons and strokes on a grid `fine` times finer than the image."""

    def __init__(self, face: Face, size: int, scale: float) -> None:
        self.fine = 3 if size <= 200 else 2
        self.size = size
        side = size * self.fine
        self.unit = scale * side
        """Half the width of a face in fine pixels."""
        self._spans = face.spans
        self._points = face.points * side
        self._across = _normals(self._points, face.spans)
        self.colour = Image.new("RGBA", (side, side))
        """What is seen; the alpha channel says how much of the soft shading falls there. Pillow weighs
        colours by alpha as it averages, so the empty background does not darken the edges."""
        self.figure = Image.new("L", (side, side))
        """Where the person is, not the background."""
        self.folds = Image.new("L", (side, side))
        """How deep the lines of the skin are."""
        self._colour = ImageDraw.Draw(self.colour)
        self._figure = ImageDraw.Draw(self.figure)
        self._folds = ImageDraw.Draw(self.folds)

    def __contains__(self, name: str) -> bool:
        return name in self._spans

    def __getitem__(self, name: str) -> Points:
        """Return one curve in fine pixels."""
        return self._points[self._spans[name]]

    def names(self, prefix: str) -> list[str]:
        """Return the names of the curves that begin so."""
        return [name for name in self._spans if name.startswith(prefix)]

    def fill(self, points: Points, colour: Colour, shading: int = _SKIN) -> None:
        """Fill a polygon of fine pixels."""
        self._colour.polygon(points.ravel().tolist(), fill=_ink(colour, shading))

    def body(self, name: str, colour: Colour, shading: int = _OTHER) -> None:
        """Fill a part of the person's outline, where this face has it."""
        if name in self:
            flat = self[name].ravel().tolist()
            self._colour.polygon(flat, fill=_ink(colour, shading))
            self._figure.polygon(flat, fill=255)

    def stroke(self, name: str, colour: Colour, width: float, shading: int = _SKIN, taper: bool = True) -> None:
        """Draw a curve as a stroke of this width (in half face widths), thinner towards its ends on `taper`."""
        points = self[name]
        half = max(0.5, 0.5 * width * self.unit)
        across = self._across[self._spans[name]] * (half * _taper(len(points)) if taper else half)
        self.fill(np.concatenate((points + across, (points - across)[::-1])), colour, shading)

    def draw_folds(self, depths: Mapping[str, float]) -> None:
        """Draw the curves named as lines of the skin, 0 to 1 deep."""
        half = self._across * max(0.5, 0.011 * self.unit)
        left, right = self._points + half, self._points - half
        for name, depth in depths.items():
            span = self._spans[name]
            outline = np.concatenate((left[span], right[span][::-1]))
            self._folds.polygon(outline.ravel().tolist(), fill=round(255 * depth))
        if "hair front" in self:  # covers the forehead and its lines
            self._folds.polygon(self["hair front"].ravel().tolist(), fill=0)


def _normals(points: Points, spans: Mapping[str, slice]) -> Points:
    """Return the unit normals (n, 2) of all curves at once."""
    starts = np.array([span.start for span in spans.values()])
    ends = np.array([span.stop for span in spans.values()]) - 1
    step = np.empty_like(points)
    step[1:-1] = points[2:] - points[:-2]
    step[starts] = points[starts + 1] - points[starts]
    step[ends] = points[ends] - points[ends - 1]
    normals = pairs(-step[:, 1], step[:, 0])
    return normals / (np.sqrt((step * step).sum(axis=1)) + 1e-9)[:, None]


@lru_cache(maxsize=64)
def _taper(points: int) -> Points:
    along = np.linspace(-1.0, 1.0, points)
    return (1.0 - 0.75 * along * along)[:, None]


def _ink(colour: Colour, shading: int) -> tuple[int, int, int, int]:
    return (round(colour[0]), round(colour[1]), round(colour[2]), shading)


def _tone(colour: Colour, factor: float) -> Colour:
    """Return a colour darker (factor below 1) or lighter (above 1, towards white)."""
    if factor <= 1:
        return mix((0, 0, 0), colour, factor)
    return mix(colour, (255, 255, 255), min(1.0, factor - 1))


def paint(face: Face, who: Identity, capture: Capture, size: int) -> Pixels:
    """Return the scene in visible light: float32 (size, size, 3), 0 to 255, before the camera's faults."""
    canvas = Canvas(face, size, capture.scale)
    _paint_body(canvas, who)
    for _, name in SIDES:
        _paint_eye(canvas, name, who, capture)
    _paint_nose(canvas, who)
    _paint_mouth(canvas, who)
    for _, name in SIDES:
        canvas.fill(canvas[f"brow.{name}"], mix(_tone(who.hair, 0.75), _tone(who.skin, 0.3), 0.4))
    _paint_hair(canvas, who)
    canvas.draw_folds(face.marks)
    return _develop(canvas, face, who, capture)


def _hair_colour(who: Identity) -> Colour:
    return who.cloth if who.hair_style == "scarf" else who.hair


def _paint_body(canvas: Canvas, who: Identity) -> None:
    canvas.body("hair back", _tone(_hair_colour(who), 0.72))
    if who.hair_style != "scarf":
        canvas.body("neck", _tone(who.skin, 0.88), _SKIN)
        canvas.body("cloth", who.cloth)
        for _, name in SIDES:
            canvas.body(f"ear.{name}", mix(who.skin, (190, 90, 80), 0.12), _SKIN)
    canvas.body("head", who.skin, _SKIN)
    shade = {"stubble": 0.26, "full": 0.82, "moustache": 0.85}.get(who.beard, 0.0)
    for name in ("beard", "moustache"):
        if name in canvas:
            canvas.fill(canvas[name], mix(who.skin, _tone(who.hair, 0.9), shade))


def _paint_eye(canvas: Canvas, name: str, who: Identity, capture: Capture) -> None:
    skin = who.skin
    canvas.fill(canvas[f"eye.{name}"], mix(_white((228, 224, 220), who), skin, 0.15))
    iris = canvas[f"iris.{name}"]
    centre = iris.mean(axis=0)
    rim = iris - centre
    centre = centre + np.array(capture.gaze) * (0.05 * canvas.unit, 0.02 * canvas.unit)
    canvas.fill(centre + rim, _tone(who.iris, 0.55))
    canvas.fill(centre + 0.84 * rim, who.iris)
    canvas.fill(centre + 0.45 * rim, _BLACK)
    canvas.fill(centre + 0.2 * rim + np.array(capture.light) * (0.045 * canvas.unit), (250, 250, 250))
    upper, lower = canvas[f"upper lid.{name}"], canvas[f"lower lid.{name}"]
    canvas.fill(_between(upper, canvas[f"upper socket.{name}"]), skin)
    canvas.fill(_between(upper, canvas[f"lid fold.{name}"]), mix(skin, (120, 60, 60), 0.1))
    canvas.fill(_between(lower, canvas[f"lower socket.{name}"]), skin)
    lash = mix(_tone(skin, 0.22), _BLACK, 0.6)
    canvas.stroke(f"upper lid.{name}", lash, 0.05)
    canvas.stroke(f"lower lid.{name}", mix(skin, lash, 0.5), 0.022)


def _paint_nose(canvas: Canvas, who: Identity) -> None:
    for _, name in SIDES:
        canvas.fill(canvas[f"nostril.{name}"], _tone(mix(who.skin, (120, 40, 36), 0.35), 0.38))


def _between(top: Points, bottom: Points) -> Points:
    """Return the polygon between two curves that run the same way."""
    return np.concatenate((top, bottom[::-1]))


def _paint_mouth(canvas: Canvas, who: Identity) -> None:
    top, bottom = canvas["mouth top"], canvas["mouth bottom"]
    red = mix(_tone(who.skin, 0.9), (176, 64, 70), who.lip_colour)
    canvas.fill(_between(top, bottom), (58, 18, 20))
    canvas.fill(_between(canvas["tongue top"], bottom), (158, 74, 76))
    canvas.fill(_between(canvas["lower teeth top"], bottom), _white((206, 200, 190), who))
    canvas.fill(_between(top, canvas["upper teeth bottom"]), _white((230, 225, 216), who))
    canvas.fill(_between(canvas["upper lip top"], top), _tone(red, 0.84))
    canvas.fill(_between(bottom, canvas["lower lip bottom"]), red)
    canvas.stroke("mouth top", _tone(red, 0.42), 0.034)


def _paint_hair(canvas: Canvas, who: Identity) -> None:
    colour = _hair_colour(who)
    canvas.body("hair front", colour)
    if canvas.unit > 90:  # finer than a pixel otherwise
        for name in canvas.names("strand "):
            canvas.stroke(name, _tone(colour, 1.1 if name[-1] in "13579" else 0.78), 0.05, _OTHER)
    if who.glasses:
        frame = mix(_tone(who.cloth, 0.35), _BLACK, 0.5)
        for part in ("frame.left", "frame.right", "frame.bridge", "frame arm.left", "frame arm.right"):
            canvas.stroke(part, frame, 0.035, taper=False)


def _reduce(layer: Image.Image, fine: int) -> Pixels:
    """Average blocks of fine x fine pixels."""
    return np.asarray(layer.reduce(fine), dtype=np.float32)


def _develop(canvas: Canvas, face: Face, who: Identity, capture: Capture) -> Pixels:
    """Average the canvas down, shade it, expose it for the face and set it on its background."""
    # Channels first: NumPy broadcasts whole planes several times faster than triples.
    planes = np.ascontiguousarray(np.moveaxis(_reduce(canvas.colour, canvas.fine), -1, 0))
    figure = _reduce(canvas.figure, canvas.fine) / 255
    soft = 0.012 * canvas.unit
    folds = canvas.folds.filter(ImageFilter.BoxBlur(soft)) if soft > 1.5 else canvas.folds
    dark, blush = _relief(face.relief, canvas.size, capture)
    dark += _reduce(folds, canvas.fine) / 255
    lamp, gloss = _lamp(canvas.size, capture)
    skin = planes[3] / 255
    absorbed = _SHADE * (skin * dark) + _BLUSH * (skin * blush)
    scene = planes[:3] * np.exp(-absorbed) * (_exposure(who) * lamp)
    scene += gloss * skin * (255 - scene)
    scene *= figure
    scene += _background(canvas.size, capture) * (1 - figure)
    return np.ascontiguousarray(np.moveaxis(scene, 0, -1))


def _exposure(who: Identity) -> float:
    """Return the gain of a camera that meters on the face, so that no skin is under- or overexposed."""
    luma = sum(weight * channel for weight, channel in zip(_LUMA, who.skin, strict=True))
    return (165.0 / luma) ** 0.4


def _white(colour: Colour, who: Identity) -> Colour:
    """Return the colour of eyes or teeth that the exposure does not burn out."""
    return _tone(colour, min(1.0, 1.08 / _exposure(who)))


@lru_cache(maxsize=8)
def _centres(size: int) -> Pixels:
    """Return where the centres of the pixels lie, in image units (size,)."""
    return ((np.arange(size) + 0.5) / size).astype(np.float32)


def _lamp(size: int, capture: Capture) -> tuple[Pixels, Pixels]:
    """Return how bright the head's ellipsoid is at each pixel (about 1 where it faces us), and its gloss."""
    roll = math.radians(capture.roll)
    cos, sin = math.cos(roll) / capture.scale, math.sin(roll) / capture.scale
    right, down = _centres(size)[None, :] - capture.centre[0], _centres(size)[:, None] - capture.centre[1]
    across = (right * cos + down * sin) / (1.05 * SKULL[0])
    along = (down * cos - right * sin) / (1.1 * SKULL[1])
    ahead = np.sqrt(np.maximum(0.06, 1.0 - across * across - along * along))
    x, y = capture.light
    facing = (across * x + along * y + ahead) / math.sqrt(x * x + y * y + 1.0)
    lit = np.clip(facing, 0.0, 1.1)
    hard = capture.contrast_of_light
    square = lit * lit
    bright, gloss = 1.0 - 0.62 * hard + 0.74 * hard * lit, 0.12 * hard * square * square * square
    return bright.astype(np.float32), gloss.astype(np.float32)


def _relief(relief: NDArray[np.float64], size: int, capture: Capture) -> tuple[Pixels, Pixels]:
    """Sum the soft shadows and the blush of a face, each (size, size).

    Every spot is a Gaussian with axes along the image's, hence a product of one function of x and one of y.
    """
    centres = _centres(size)
    x = np.exp(-0.5 * ((centres - relief[:, 0:1]) / relief[:, 2:3]) ** 2)
    y = np.exp(-0.5 * ((centres - relief[:, 1:2]) / relief[:, 3:4]) ** 2)
    hardness = 0.7 + 0.6 * capture.contrast_of_light
    dark = (y * (hardness * relief[:, 4:5])).T @ x
    blush = (y * relief[:, 5:6]).T @ x
    return dark.astype(np.float32), blush.astype(np.float32)


def _background(size: int, capture: Capture) -> Pixels:
    """Return the background, (3, size, size)."""
    middle = _centres(size) - np.float32(0.5)
    slope_x, slope_y = capture.background_slope
    fall = 1.0 - slope_x * middle[None, :] - slope_y * middle[:, None]
    return np.array(capture.background, dtype=np.float32)[:, None, None] * fall.astype(np.float32)


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
