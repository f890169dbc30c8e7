"""The same face as a thermal camera sees it: a temperature field in °C, and the pictures made from it.

Nothing here looks at colour or at light. Skin emits long-wave infrared alike whatever its pigment (emissivity
0.972, 0.96 to 0.99; no difference between skin types: Charlton et al., PLOS ONE, 2020), and light hardly
changes a thermal picture (review: PMC8021210, 2021). Glasses hide what is behind them, beards half do, and each
person has an own pattern of vessels (Shoja Ghiass et al., 2014, arXiv:1407.7317). `warmth` says which part of
a face is how warm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from refer.datasets.standin.bodyheat import COARSE, Celsius, Plate, draw_person
from refer.datasets.standin.captures import Capture
from refer.datasets.standin.curves import curve
from refer.datasets.standin.expressions import Expression
from refer.datasets.standin.geometry import SKULL, Shape, see, shape
from refer.datasets.standin.people import Identity
from refer.datasets.standin.warmth import SKIN, Warmth, spots

_DARKEST = 0.04
"""Level (0 to 1) of a picture's coldest part."""
_WARM = 1.5
"""How much finer the steps become towards the warm end; 1: all alike."""
_SIDEWAYS = 2.2
"""How much less warm skin looks that turns away from the camera."""


@dataclass(frozen=True)
class Room:
    """What a thermal camera sees besides the person, and how well it sees."""

    air: float = 23.0
    """°C."""
    patches: tuple[tuple[float, float, float, float], ...] = ()
    """Warmer and colder things behind the person: x, y, radius (the picture's side is 1), °C above the air."""
    breath: float = 0.0
    """-1 (breathing in) to 1 (breathing out): what passes the nostrils cools or warms them."""
    noise: float = 0.07
    """Standard deviation of what one sensor element reads, °C."""


def sample_room(rng: np.random.Generator) -> Room:
    """Draw a room at 22 to 24 °C."""
    patches = tuple(
        (float(x), float(y), float(radius), float(warmer))
        for x, y, radius, warmer in zip(
            rng.uniform(-0.1, 1.1, 5),
            rng.uniform(-0.1, 1.1, 5),
            rng.uniform(0.1, 0.4, 5),
            rng.normal(0, 0.6, 5),
            strict=True,
        )
    )
    return Room(float(rng.uniform(22, 24)), patches, float(rng.uniform(-1, 1)), float(rng.uniform(0.05, 0.1)))


def beside(capture: Capture, rng: np.random.Generator | None = None) -> Capture:
    """Return the same shot through the thermal camera, which stands beside the other one.

    What registering the two pictures leaves: about 1 % of the picture's side, 1 % of scale and a degree of
    turn; `rng` adds what varies from shot to shot.
    """
    dx, dy, grow = rng.normal(0, (0.004, 0.004, 0.006)) if rng else (0.0, 0.0, 0.0)
    x, y = capture.centre
    return replace(
        capture,
        yaw=capture.yaw + 1.2,
        scale=float(capture.scale * (0.99 + grow)),
        centre=(float(x + 0.008 + dx), float(y - 0.004 + dy)),
    )


def radiate(
    who: Identity,
    warmth: Warmth,
    expression: Expression,
    capture: Capture,
    size: int,
    rng: np.random.Generator,
    room: Room | None = None,
) -> Celsius:
    """Return the temperatures that the camera shows: float32 (size, size), °C.

    Of `capture` only the pose and the framing matter, of `who` only shapes and what is grown or worn. `rng`
    is used for the sensor's noise alone. Raises ValueError where `size` is no multiple of `COARSE`.
    """
    if size % COARSE:
        raise ValueError(f"size is {size}; expected a multiple of {COARSE}")
    room = room or Room()
    frontal = shape(who, expression)
    veined = _veined(frontal, warmth)
    face = see(replace(veined, relief=spots(frontal, who, expression, warmth)), capture)
    plate = Plate(face, size, capture.scale)
    draw_person(plate, frontal, who, warmth, room.air, room.breath)
    side = size // COARSE
    skin = SKIN + warmth.level + _spread(face.relief, side) + plate.details() - _SIDEWAYS * _sideways(side, capture)
    return _expose(plate.composed(skin, _behind(room, side)), size, room.noise, rng)


def _veined(face: Shape, warmth: Warmth) -> Shape:
    """Return the face with the person's vessels as curves."""
    vessels = {f"vessel {number}": curve(list(knots)) for number, knots in enumerate(warmth.vessels)}
    return replace(face, curves={**face.curves, **vessels}, lifts={**face.lifts, **dict.fromkeys(vessels, 0.0)})


@lru_cache(maxsize=8)
def _centres(side: int) -> Celsius:
    """Return where the centres of the sensor's elements lie, in image units (side,)."""
    return ((np.arange(side) + 0.5) / side).astype(np.float32)


def _spread(relief: NDArray[np.float64], side: int) -> Celsius:
    """Sum the warm and cool spots, each a Gaussian: (side, side)."""
    across, down = (
        # Cut off at e^-40: still smaller numbers are slow to multiply, and nothing to see.
        np.exp(np.maximum(-0.5 * ((_centres(side) - centre[:, None]) / radius[:, None]) ** 2, -40.0))
        for centre, radius in zip(relief[:, :2].T.astype(np.float32), relief[:, 2:4].T.astype(np.float32), strict=True)
    )
    # Not a matrix product: for one so small the threads of BLAS cost a hundred times more than they save.
    return np.einsum("kj,ki->ji", down * relief[:, 4:5].astype(np.float32), across)


def _sideways(side: int, capture: Capture) -> Celsius:
    """Return how far the head's ellipsoid turns away from the camera: 0 (faces it) to 1, (side, side)."""
    roll = math.radians(capture.roll)
    cos, sin = math.cos(roll) / capture.scale, math.sin(roll) / capture.scale
    right, down = _centres(side)[None, :] - capture.centre[0], _centres(side)[:, None] - capture.centre[1]
    across, along = (right * cos + down * sin) / SKULL[0], (down * cos - right * sin) / SKULL[1]
    ahead = np.sqrt(np.clip(1.0 - across * across - along * along, 0.0, 1.0))
    return np.asarray((1.0 - ahead) ** 3, dtype=np.float32)


def _behind(room: Room, side: int) -> Celsius:
    """Return what is behind the person, (side, side)."""
    spots = np.array([(x, y, radius, radius, warmer) for x, y, radius, warmer in room.patches]).reshape(-1, 5)
    return room.air + _spread(spots, side)


def _expose(scene: Celsius, size: int, noise: float, rng: np.random.Generator) -> Celsius:
    """Blur as the optics do, add the sensor's noise, and enlarge to the picture's grid."""
    side = len(scene)
    seen = gaussian_filter(scene, 0.6)
    seen += noise * (rng.standard_normal((side, side), np.float32) + 0.4 * rng.standard_normal(side, np.float32))
    return np.asarray(Image.fromarray(seen).resize((size, size), Image.Resampling.BILINEAR))


def levels(celsius: Celsius, span: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Return temperatures as levels 0 to 255; a warmer element is never darker.

    Between the two temperatures of `span` levels rise evenly. Where it is None the picture is adjusted as
    thermal cameras do by themselves: to its own range, with the finer steps for the warm parts.
    """
    if span:
        share = (celsius - span[0]) / max(span[1] - span[0], 1e-3)
    else:
        low, high = np.quantile(celsius[::3, ::3], (0.002, 0.998))
        share = np.clip((celsius - low) / max(high - low, 1.0), 0, 1)
        share = _DARKEST + (1 - _DARKEST) * share**_WARM
    return np.clip(np.rint(share * 255), 0, 255).astype(np.uint8)


def grey(celsius: Celsius, span: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Render temperatures (H, W) in grey, warm is bright: uint8 (H, W). For `span` see `levels`."""
    return levels(celsius, span)


def false_colour(celsius: Celsius, span: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Render temperatures (H, W) in the colours of an iron palette: uint8 (H, W, 3). For `span` see `levels`."""
    return _palette()[levels(celsius, span)]


@lru_cache(maxsize=1)
def _palette() -> NDArray[np.uint8]:
    from matplotlib import colormaps

    return np.asarray(colormaps["inferno"](np.arange(256), bytes=True)[:, :3])
