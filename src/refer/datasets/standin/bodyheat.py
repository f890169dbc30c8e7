"""From the curves of a face to layers of temperature: bare skin with its details, and what is grown or worn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from refer.datasets.standin.geometry import SIDES, Face, Shape
from refer.datasets.standin.people import Identity
from refer.datasets.standin.warmth import Warmth

Celsius = NDArray[np.float32]

COARSE = 2
"""A sensor element covers so many pixels of the picture along each side: thermal cameras are the coarser ones."""

# How much warmer than the air, °C.
_HAIR = {"crop": 5.5, "receding": 6.0, "fringe": 4.2, "scarf": 5.0}
_OTHER_HAIR = 3.4
_THROUGH_HAIR = 60
"""How much of the scalp's warmth hair lets through, of 255."""
_CLOTH = 4.6
_LENS = 2.0
_FRAME = 4.0
# How much warmer than the skin around, °C.
_BEARD = {"stubble": -0.7, "full": -3.4}
_MOUSTACHE = -2.2
_BROW = -1.0
_EYEBALL = -0.6
_MOUTH = 2.3
_TEETH = 0.9
_LIPS = -0.15
_VESSEL = 0.75
_RIM = -0.9
"""Along the outline of the head, where skin turns away."""
_CREASE = 0.35


class Plate:
    """Polygons of temperature on the grid of the picture, averaged to the grid of the sensor."""

    def __init__(self, face: Face, size: int, scale: float) -> None:
        self.unit = scale * size / COARSE
        """Half the width of a face in sensor elements."""
        self._spans = face.spans
        self._points = face.points * size
        self._skin, self._figure = Image.new("L", (size, size)), Image.new("L", (size, size))
        self._worn, self._near, self._deep = (Image.new("F", (size, size)) for _ in range(3))
        self._layers = {
            name: ImageDraw.Draw(getattr(self, f"_{name}")) for name in ("skin", "figure", "worn", "near", "deep")
        }

    def names(self, prefix: str) -> list[str]:
        """Return the names of the curves that begin so."""
        return [name for name in self._spans if name.startswith(prefix)]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self._points[self._spans[name]]

    def body(self, name: str, celsius: float | None, through: int = 0) -> None:
        """Add a part of the figure, where this face has it: skin (None) or something of one temperature.

        `through` (of 255) is how much of the skin below a thing that is worn still shows.
        """
        if name in self._spans:
            flat = self[name].ravel().tolist()
            self._layers["figure"].polygon(flat, fill=255)
            self._layers["skin"].polygon(flat, fill=255 if celsius is None else through)
            if celsius is not None:
                self._layers["worn"].polygon(flat, fill=celsius)

    def rim(self, name: str, celsius: float) -> None:
        """Add a thin thing that is worn."""
        for layer, value in (("worn", celsius), ("skin", 0)):
            self.stroke(name, layer, value, 0.05)

    def fill(self, points: NDArray[np.float64], warmer: float) -> None:
        """Add a part of the skin that is warmer or cooler than what is around it."""
        self._layers["near"].polygon(points.ravel().tolist(), fill=warmer)

    def stroke(self, name: str, layer: str, value: float, width: float) -> None:
        """Draw a curve into a layer, so wide (in half face widths)."""
        thick = max(1, round(width * self.unit * COARSE))
        self._layers[layer].line(self[name].ravel().tolist(), fill=value, width=thick)

    def details(self) -> Celsius:
        """Return the skin's details, softened as tissue does: vessels lie deep, lips and brows do not."""
        near, deep = (np.asarray(layer.reduce(COARSE)) for layer in (self._near, self._deep))
        soft = gaussian_filter(near, 0.022 * self.unit) + gaussian_filter(deep, 0.06 * self.unit)
        return np.asarray(soft, dtype=np.float32)

    def composed(self, skin: Celsius, behind: Celsius) -> Celsius:
        """Return the scene: skin where it is bare, what is worn, and what is behind the person."""
        bare, figure = (np.asarray(mask.reduce(COARSE), np.float32) / 255 for mask in (self._skin, self._figure))
        # Averaged over what is worn alone, so that its edge is as warm as its middle.
        there = Image.fromarray(np.sign(np.asarray(self._worn))).reduce(COARSE)
        worn, there = (
            gaussian_filter(np.asarray(layer), 0.03 * self.unit) for layer in (self._worn.reduce(COARSE), there)
        )
        covered = (figure - bare) * worn / np.maximum(there, 1e-3)
        return np.asarray(bare * skin + covered + (1 - figure) * behind, dtype=np.float32)


def draw_person(plate: Plate, frontal: Shape, who: Identity, warmth: Warmth, air: float, breath: float) -> None:
    """Draw a person into a plate; `frontal` is the face before it was turned, `air` in °C, `breath` as in `Room`."""
    _draw_body(plate, who, air)
    _draw_skin(plate, who, warmth, breath, frontal)
    _draw_worn(plate, who, air)


def _draw_body(plate: Plate, who: Identity, air: float) -> None:
    """Draw head, neck, ears, hair and clothes from back to front, as `painting` does."""
    hair = air + _HAIR.get(who.hair_style, _OTHER_HAIR)
    plate.body("hair back", hair - 0.8)
    if who.hair_style != "scarf":
        plate.body("neck", None)
        plate.body("cloth", air + _CLOTH)
        for _, name in SIDES:
            plate.body(f"ear.{name}", None)
    plate.body("head", None)


def _draw_skin(plate: Plate, who: Identity, warmth: Warmth, breath: float, frontal: Shape) -> None:
    """Draw what is warmer or cooler than the skin around it."""
    plate.stroke("head", "near", _RIM, 0.07)
    for name in plate.names("vessel"):
        plate.stroke(name, "deep", _VESSEL, 0.06)
    for name in plate.names("ear."):
        plate.fill(plate[name], warmth.ears)
    for name, depth in frontal.marks.items():  # a fold sees itself: it looks a little warmer
        plate.stroke(name, "near", _CREASE * depth, 0.02)
    for name in ("beard", "moustache"):
        for curve_name in plate.names(name):
            plate.fill(plate[curve_name], _MOUSTACHE if name == "moustache" else _BEARD[who.beard])
    for _, name in SIDES:
        plate.fill(plate[f"brow.{name}"], _BROW)
        plate.fill(plate[f"eye.{name}"], _EYEBALL)
        plate.fill(plate[f"nostril.{name}"], -0.8 + 1.2 * breath)
    _draw_mouth(plate)


def _draw_mouth(plate: Plate) -> None:
    top, bottom = plate["mouth top"], plate["mouth bottom"]
    plate.fill(_between(plate["upper lip top"], top), _LIPS)
    plate.fill(_between(bottom, plate["lower lip bottom"]), _LIPS)
    plate.fill(_between(top, bottom), _MOUTH)
    plate.fill(_between(plate["lower teeth top"], bottom), _TEETH)
    plate.fill(_between(top, plate["upper teeth bottom"]), _TEETH)


def _draw_worn(plate: Plate, who: Identity, air: float) -> None:
    hair = air + _HAIR.get(who.hair_style, _OTHER_HAIR)
    plate.body("hair front", hair, through=_THROUGH_HAIR if who.hair_style != "scarf" else 0)
    if who.glasses:
        for _, name in SIDES:
            plate.body(f"frame.{name}", air + _LENS)
        for name in plate.names("frame"):
            plate.rim(name, air + _FRAME)


def _between(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the polygon between two curves that run the same way."""
    return np.concatenate((top, bottom[::-1]))
