"""The same face as a thermal camera sees it: a temperature field in °C, and the pictures made from it.

Nothing here looks at colour or at light. Skin emits long-wave infrared alike whatever its pigment (emissivity 0.972,
0.96 to 0.99; no difference between skin types: Charlton et al., PLOS ONE, 2020), and light hardly changes a thermal
picture (review: PMC8021210, 2021). Glasses hide what is behind them, and each person has an own pattern (Shoja Ghiass
et al., 2014, arXiv:1407.7317). Temperatures of skin follow

- Relative Stability of Regional Facial and Ocular Temperature Measurements in Healthy Individuals (Transl. Vis. Sci.
  Technol., 2022; 20 people): inner corner of the eye 34.3 °C, forehead 33.4, cornea 33.3, outer corner 32.8, each
  ± 0.7 to 0.8 between people. The differences are kept; the level is that of a warmer face;
- Haddad et al., A new evaluation of heat distribution on facial skin surface by infrared thermography (Dentomaxillofac.
  Radiol. 45(4), 2016, doi 10.1259/dmfr.20150264; 161 people): also warm are the corners of the mouth, the temples and
  the skin above the inner end of the brow; cool are the lower lip, the outer corner of the eye and the fold beside the
  nose;
- Levine et al., The face of fear (Lancet 357, 2001): fright warms the skin round the eyes and cools the cheeks;
- Aristizabal-Tique et al., Facial thermal and blood perfusion patterns of human emotions (J. Therm. Biol. 112, 2023):
  pleasant and unpleasant pictures both cool the nose.

How cold a nose is, is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from refer.datasets.standin.expressions import Expression
from refer.datasets.standin.faces import on_head, spread
from refer.datasets.standin.geometry import Spot, regions, see
from refer.datasets.standin.people import Capture, Identity

Celsius = NDArray[np.float32]

COARSE = 2
"""A sensor element covers so many pixels of the picture along each side: thermal cameras are the coarser ones."""
SKIN = 33.9
"""Temperature of a middling person's skin where nothing else is said, °C."""
SIDEWAYS = 2.2
"""How much less warm skin looks that turns away from the camera, °C."""
WORN = {"hair back": 2.6, "hair front": 3.8, "cloth": 4.6, "lens": 2.0, "frame": 4.0}
"""How much warmer than the air things are that are grown or worn, °C."""
SKINS = {
    "beard": -2.0, "ear": -1.5, "brow": -1.0, "eye": -0.6, "iris": -0.6, "pupil": -0.6, "lash": -0.1, "nostril": -0.6,
    "mouth": 2.3, "teeth": 0.9, "upper lip": -0.15, "lower lip": -0.15, "fold": 0.2,
}  # fmt: skip
"""How much warmer than the skin around other parts are, °C."""
WARMTH: list[Spot] = [  # as in `geometry.SHADOWS`, °C in the place of darkness
    ("forehead fold", 0.0, 0.05, 0.62, 0.32, 1.15, {}),
    ("head", 0.0, 0.05, 0.7, 0.26, -1.3, {}),
    ("upper lid", 0.0, 0.0, 0.085, 0.075, 0.85, {}),
    ("upper lid", 0.0, 0.0, 0.22, 0.16, 0.4, {"AU5": 0.3}),
    ("upper lid", 0.45, 0.0, 0.12, 0.1, -0.25, {}),
    ("upper lid", 0.225, 0.06, 0.27, 0.16, 1.2, {"AU5": 0.2}),
    ("brow", 0.0, 0.05, 0.11, 0.1, 0.4, {"AU4": 0.2}),
    ("cheek fold", 0.6, -0.7, 0.17, 0.28, 0.6, {}),
    ("cheek fold", 0.48, 0.46, 0.24, 0.26, -0.6, {}),
    ("cheek fold", 0.13, 0.1, 0.08, 0.1, -0.45, {}),
    ("dimple fold", -0.06, 0.1, 0.09, 0.08, 0.55, {}),
    ("lower lip", 0.0, -0.03, 0.16, 0.05, -0.5, {}),
    ("chin fold", 0.0, 0.12, 0.26, 0.16, -0.75, {}),
    ("chin fold", 0.0, 0.7, 0.5, 0.4, 0.9, {}),
]
AROUSED = dict.fromkeys(("AU4", "AU5", "AU9", "AU12"), -0.2)


@dataclass(frozen=True)
class Warmth:
    """What stays the same in every thermal picture of one person. Temperatures are °C above or below `SKIN`."""

    level: float = 0.0
    """The whole face."""
    nose: float = -2.8
    cheeks: float = -0.8
    hair: float = 0.0
    cloth: float = 0.0
    """Above or below `WORN`."""
    patches: tuple[tuple[float, float, float, float], ...] = ()
    """The person's own pattern: x and y from the middle of the forehead, radius, temperature."""

    def spots(self) -> list[Spot]:
        """Return the warm and cool spots of this person's face."""
        nose: list[Spot] = [
            ("nose tip", 0.0, -0.05, 0.1, 0.1, 0.75 * self.nose, AROUSED),
            ("nose tip", 0.0, -0.24, 0.08, 0.14, 0.35 * self.nose, AROUSED),
            ("nose wing", 0.0, 0.2, 0.075, 0.075, 0.55 * self.nose, AROUSED),
            ("cheek fold", 0.34, 0.08, 0.25, 0.24, self.cheeks, {"AU5": -0.25, "AU6": 0.3}),
        ]
        # A fold that no expression moves holds the pattern.
        own: list[Spot] = [("forehead fold", x, y, radius, radius, warmer, {}) for x, y, radius, warmer in self.patches]
        return [*WARMTH, *nose, *own]


def sample_warmth(rng: np.random.Generator) -> Warmth:
    """Draw one person's warmth; it has nothing to do with how that person looks."""
    drawn = rng.uniform((-0.8, -0.3, 0.16), (0.8, 1.9, 0.45), (10, 3))
    return Warmth(
        level=float(np.clip(rng.normal(0, 0.5), -1.2, 1.2)),
        nose=float(rng.uniform(-4.6, -1.2)),
        cheeks=float(rng.normal(-0.9, 0.3)),
        hair=float(np.clip(rng.normal(0, 1.0), -1.5, 2)),
        cloth=float(rng.normal(0, 1.0)),
        patches=tuple((float(x), float(y), float(r), float(rng.normal(0, 0.28))) for x, y, r in drawn),
    )


def beside(capture: Capture, rng: np.random.Generator | None = None) -> Capture:
    """Return the same shot through the thermal camera, which stands beside the other one.

    What registering the two pictures leaves: about 1 % of the picture's side, 1 % of scale and a degree of turn; `rng`
    adds what varies from shot to shot.
    """
    dx, dy, grow = rng.normal(0, (0.004, 0.004, 0.006)) if rng else (0.0, 0.0, 0.0)
    x, y = capture.centre
    centre = (float(x + 0.008 + dx), float(y - 0.004 + dy))
    return replace(capture, yaw=capture.yaw + 1.2, scale=float(capture.scale * (0.99 + grow)), centre=centre)


def radiate(
    who: Identity,
    warmth: Warmth,
    expression: Expression,
    capture: Capture,
    size: int,
    rng: np.random.Generator,
    air: float = 23.0,
    noise: float = 0.07,
    things: Sequence[tuple[float, float, float, float]] = (),
) -> Celsius:
    """Return the temperatures that the camera shows: float32 (size, size), °C.

    Of `capture` only the pose and the framing matter, of `who` only shapes and what is grown or worn. `air` is in °C;
    `noise` is the standard deviation of what one sensor element reads, °C, and all that `rng` is used for. `things`
    stand behind the person: x, y, radius (the picture's side is 1), °C above the air. Raises ValueError where `size` is
    no multiple of `COARSE`.
    """
    if size % COARSE:
        raise ValueError(f"size is {size}; expected a multiple of {COARSE}")
    face = see(who, expression, capture, warmth.spots())
    side = size // COARSE
    # What is skin has the temperature of the skin there and its own difference; the rest has its own alone.
    own, skin = Image.new("F", (size, size), air), Image.new("F", (size, size))
    pens = ImageDraw.Draw(own), ImageDraw.Draw(skin)
    for x, y, radius, warmer in things:
        box = (x - radius) * size, (y - radius) * size, (x + radius) * size, (y + radius) * size
        pens[0].ellipse(box, fill=air + warmer)
    worn = {name: air + above + getattr(warmth, name.split()[0], 0.0) for name, above in WORN.items()}
    for name, outline in regions(face, who):
        flat = (outline * size).ravel().tolist()
        pens[0].polygon(flat, fill=worn[name] if name in WORN else SKINS.get(name, 0.0))
        pens[1].polygon(flat, fill=float(name not in WORN))
    sideways = (1 - on_head(side, capture)[2]) ** 3
    bare = SKIN + warmth.level + spread(face.soft, side) - SIDEWAYS * sideways
    scene = gaussian_filter(np.asarray(own.reduce(COARSE)) + np.asarray(skin.reduce(COARSE)) * bare, 0.8)
    scene += noise * rng.standard_normal((side, side), np.float32)
    return np.asarray(Image.fromarray(scene).resize((size, size), Image.Resampling.BILINEAR))


def grey(celsius: Celsius) -> NDArray[np.uint8]:
    """Render temperatures (H, W) in grey: uint8 (H, W); a warmer element is never darker.

    The picture is adjusted as thermal cameras do by themselves: to its own range, with the finer steps for the warm
    parts.
    """
    low, high = np.quantile(celsius[::3, ::3], (0.002, 0.998))
    share = np.clip((celsius - low) / max(high - low, 1.0), 0, 1)
    return np.rint(255 * (0.04 + 0.96 * share**1.5)).astype(np.uint8)


def false_colour(celsius: Celsius) -> NDArray[np.uint8]:
    """Render temperatures (H, W) as `grey` does, in the colours of an iron palette: uint8 (H, W, 3)."""
    return _palette()[grey(celsius)]


@lru_cache(maxsize=1)
def _palette() -> NDArray[np.uint8]:
    from matplotlib import colormaps

    return np.asarray(colormaps["inferno"](np.arange(256), bytes=True)[:, :3])
