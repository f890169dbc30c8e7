"""Where a face is warm: a person's own pattern, and what an expression does to it.

Temperatures follow

- Relative Stability of Regional Facial and Ocular Temperature Measurements in Healthy Individuals (Transl. Vis.
  Sci. Technol., 2022; 20 people): inner corner of the eye 34.3 °C, forehead 33.4, cornea 33.3, outer corner
  32.8, each ± 0.7 to 0.8 between people. The differences are kept; the level is that of a warmer face;
- Haddad et al., A new evaluation of heat distribution on facial skin surface by infrared thermography
  (Dentomaxillofac. Radiol. 45(4), 2016, doi 10.1259/dmfr.20150264; 161 people): also warm are the corners of
  the mouth, the temples, the skin above the inner end of the brow and the ear's opening; cool are the lower lip,
  the outer corner of the eye and the fold beside the nose; left and right differ by 0.1 °C;
- Levine et al., The face of fear (Lancet 357, 2001): fright warms the skin round the eyes and cools the cheeks;
- Aristizabal-Tique et al., Facial thermal and blood perfusion patterns of human emotions (J. Therm. Biol. 112,
  2023): pleasant and unpleasant pictures both cool the nose.

How cold a nose is, and the course of the vessels, are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refer.datasets.standin.curves import Knots
from refer.datasets.standin.expressions import Expression
from refer.datasets.standin.geometry import SIDES, Shape
from refer.datasets.standin.people import Identity

SKIN = 33.9
"""Temperature of a middling person's skin where nothing else is said, °C."""

_VESSELS: tuple[Knots, ...] = (
    # Right half of a middling face: on the forehead with a branch, at the temple, beside the nose, to the jaw.
    [(0.13, -0.22), (0.17, -0.5), (0.1, -0.8), (0.2, -1.1)],
    [(0.17, -0.5), (0.36, -0.72), (0.48, -1.0)],
    [(0.97, 0.1), (0.9, -0.35), (0.72, -0.68)],
    [(0.2, 0.04), (0.21, 0.22), (0.29, 0.42), (0.42, 0.64), (0.6, 0.95), (0.62, 1.15)],
)


@dataclass(frozen=True)
class Warmth:
    """What stays the same in every thermal picture of one person. Temperatures are °C above or below `SKIN`."""

    level: float = 0.0
    """The whole face."""
    nose: float = -2.8
    cheeks: float = -0.8
    ears: float = -1.5
    vessels: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Knots of the vessels that shine through the skin, in face coordinates (see `geometry`)."""
    patches: tuple[tuple[float, float, float, float], ...] = ()
    """Slow variation over the face: x, y, radius, temperature."""


def sample_warmth(rng: np.random.Generator) -> Warmth:
    """Draw one person's warmth; it has nothing to do with how that person looks."""
    vessels = []
    for side, _ in SIDES:
        for knots in _VESSELS:
            if rng.random() < 0.8:
                course = np.array(knots) * (side, 1.0) + rng.normal(0, 0.045, (len(knots), 2))
                vessels.append(tuple((float(x), float(y)) for x, y in course))
    patches = tuple(
        (float(x), float(y), float(radius), float(warmer))
        for x, y, radius, warmer in zip(
            rng.uniform(-0.8, 0.8, 9),
            rng.uniform(-1.0, 1.1, 9),
            rng.uniform(0.16, 0.45, 9),
            rng.normal(0, 0.28, 9),
            strict=True,
        )
    )
    return Warmth(
        level=float(np.clip(rng.normal(0, 0.5), -1.2, 1.2)),
        nose=float(rng.uniform(-4.6, -1.2)),
        cheeks=float(rng.normal(-0.8, 0.35)),
        ears=float(rng.uniform(-4.0, 0.2)),
        vessels=tuple(vessels),
        patches=patches,
    )


def spots(face: Shape, who: Identity, expression: Expression, warmth: Warmth) -> NDArray[np.float64]:
    """Return the warm and cool spots of a face as rows of `Shape.relief`, °C in the place of darkness.

    They are tied to the curves, so that they move as the face does.
    """
    does = expression.strength
    fright = does("AU5") * (1.0 - does("AU12"))
    aroused = min(1.0, max(does(unit) for unit in ("AU4", "AU5", "AU9", "AU12")))
    rows: list[tuple[float, ...]] = []

    def spot(x: float, y: float, rx: float, ry: float, warmer: float, lift: float = 0.0) -> None:
        rows.append((x, y, lift, rx, ry, warmer, 0.0))

    head, tip = face.curves["head"], face.curves["nose tip"]
    chin = float(head[:, 1].max())
    nose_x, nose_y = tip[len(tip) // 2]
    lip_x, lip_y = face.curves["lower lip bottom"][9]
    spot(0.0, -0.7, 0.62, 0.32, 1.15)
    for side, name in SIDES:
        (inner_x, inner_y), (outer_x, outer_y) = face.curves[f"upper lid.{name}"][[0, -1]]
        brow = face.curves[f"brow spine.{name}"][0]
        corner_x, corner_y = face.curves["mouth top"][0 if side < 0 else -1]
        raised = 0.1 * does("AU6") + 0.06 * does("AU12", side)
        spot(inner_x, inner_y, 0.085, 0.075, 0.85, 0.03)
        spot(inner_x, inner_y, 0.22, 0.16, 0.4 + 0.3 * fright)
        spot(outer_x, outer_y, 0.12, 0.1, -0.25)
        spot(side * 0.43, 0.06, 0.27, 0.16, 1.2 + 0.2 * fright)
        spot(brow[0], brow[1] + 0.05, 0.11, 0.1, 0.4 + 0.2 * does("AU4"))
        spot(side * 0.82, -0.35, 0.17, 0.28, 0.6)
        spot(side * 0.56, 0.44 - raised, 0.25, 0.24, warmth.cheeks - 0.25 * fright + 0.3 * does("AU6"))
        spot(side * 0.7, 0.82, 0.24, 0.26, -0.6)
        spot(side * (abs(nose_x) + 0.28), nose_y + 0.02, 0.08, 0.1, -0.45)
        wing = face.curves[f"nose wing.{name}"][4]
        spot(wing[0] * 0.75, wing[1] + 0.02, 0.075, 0.075, 0.55 * (warmth.nose - 0.35 * aroused), 0.15)
        spot(corner_x, corner_y, 0.09, 0.08, 0.55)
        spot(side * who.face_width * 1.01, 0.1, 0.06, 0.07, 1.2, -0.6)
    cold = warmth.nose - 0.35 * aroused
    spot(nose_x, nose_y - 0.05, 0.1 * who.nose_width, 0.1, 0.75 * cold, 0.3)
    spot(nose_x, nose_y - 0.24, 0.08 * who.nose_width, 0.14, 0.35 * cold, 0.25)
    spot(lip_x, lip_y - 0.03, 0.16, 0.05, -0.5, 0.08)
    spot(0.0, chin - 0.14, 0.26, 0.16, -0.75)
    spot(0.0, -1.35, 0.7, 0.26, -1.3)
    spot(0.0, chin + 0.45, 0.5, 0.4, 0.9, -0.75)
    for x, y, radius, warmer in warmth.patches:
        spot(x, y, radius, radius, warmer)
    return np.array(rows)
