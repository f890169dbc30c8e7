"""Whose face it is: everything about a drawn person that stays the same from picture to picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refer.datasets.standin.captures import Colour

HAIR_STYLES = (
    "crop",
    "parted",
    "fringe",
    "long",
    "waves",
    "bob",
    "curls",
    "bun",
    "receding",
    "bald",
    "scarf",
)
BEARDS = ("none", "stubble", "moustache", "full")

# Skin from light to deep: ten anchors of our own, between which `sample_identity` interpolates.
SKIN_TONES: tuple[Colour, ...] = (
    (246, 220, 202),
    (240, 206, 182),
    (232, 192, 160),
    (222, 176, 140),
    (206, 156, 118),
    (184, 132, 94),
    (158, 108, 76),
    (132, 86, 60),
    (106, 68, 48),
    (82, 53, 40),
)
HAIR_COLOURS: tuple[Colour, ...] = (
    (30, 26, 26),
    (46, 34, 30),
    (74, 50, 36),
    (108, 72, 46),
    (142, 84, 48),
    (196, 158, 100),
    (168, 164, 160),
)
IRIS_COLOURS: tuple[Colour, ...] = (
    (62, 40, 26),
    (84, 54, 32),
    (112, 80, 44),
    (96, 116, 76),
    (88, 120, 148),
    (110, 126, 136),
)
CLOTHS: tuple[Colour, ...] = (
    (70, 84, 112),
    (132, 62, 66),
    (72, 104, 92),
    (186, 172, 148),
    (104, 88, 124),
    (54, 56, 62),
    (196, 140, 84),
)


@dataclass(frozen=True)
class Identity:
    """One drawn person. Ratios are relative to a middling face (1); colours are sRGB, 0 to 255."""

    skin: Colour
    hair: Colour
    iris: Colour
    cloth: Colour
    hair_style: str = "crop"
    beard: str = "none"
    glasses: bool = False
    age: float = 0.3
    """0 (young) to 1 (old): how deep the lasting lines are, and how grey the hair."""
    face_width: float = 1.0
    face_length: float = 1.0
    jaw_width: float = 1.0
    chin_width: float = 1.0
    eye_size: float = 1.0
    eye_spacing: float = 1.0
    eye_height: float = 1.0
    """How far the eyes open at rest."""
    eye_tilt: float = 0.0
    """How much higher the outer corner of the eye stands than the inner one, in half face widths."""
    brow_height: float = 1.0
    brow_thickness: float = 1.0
    nose_width: float = 1.0
    nose_length: float = 1.0
    mouth_width: float = 1.0
    lip_fullness: float = 1.0
    lip_colour: float = 0.4
    """0 (as the skin) to 1 (strongly red)."""
    smile_at_rest: float = 0.0
    """How far the corners of the mouth stand up (down if negative) at rest, as a part of AU12 (AU15)."""


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours: `share` 0 gives `one`, 1 gives `other`."""
    return (
        one[0] + (other[0] - one[0]) * share,
        one[1] + (other[1] - one[1]) * share,
        one[2] + (other[2] - one[2]) * share,
    )


def sample_identity(rng: np.random.Generator) -> Identity:
    """Draw one person; every feature is drawn by itself, so that looks and expressions do not go together."""

    def ratio(spread: float) -> float:
        return float(1.0 + spread * np.clip(rng.standard_normal(), -2.0, 2.0))

    tone = float(rng.uniform(0, len(SKIN_TONES) - 1))
    low = min(int(tone), len(SKIN_TONES) - 2)
    skin = mix(SKIN_TONES[low], SKIN_TONES[low + 1], tone - low)
    age = float(rng.beta(1.6, 2.6))
    # Light hair and light eyes are drawn mostly with light skin; all else is independent.
    hair = HAIR_COLOURS[int(rng.integers(6 if tone < 4 else 3))]
    if age > 0.5:
        hair = mix(hair, HAIR_COLOURS[-1], float(rng.uniform(0, 2 * (age - 0.5) + 0.2)))
    iris = IRIS_COLOURS[int(rng.integers(len(IRIS_COLOURS) if tone < 4 else 3))]
    style = HAIR_STYLES[int(rng.integers(len(HAIR_STYLES)))]
    jaw = ratio(0.055)
    bearded = jaw > 1.0 and style not in ("bob", "long", "waves", "bun", "scarf") and rng.random() < 0.55
    return Identity(
        skin=skin,
        hair=hair,
        iris=iris,
        cloth=CLOTHS[int(rng.integers(len(CLOTHS)))],
        hair_style=style,
        beard=BEARDS[int(rng.integers(1, len(BEARDS)))] if bearded else "none",
        glasses=bool(rng.random() < 0.12),
        age=age,
        face_width=ratio(0.03),
        face_length=ratio(0.035),
        jaw_width=jaw,
        chin_width=ratio(0.1),
        eye_size=ratio(0.06),
        eye_spacing=ratio(0.035),
        eye_height=ratio(0.1),
        eye_tilt=float(rng.normal(0.012, 0.014)),
        brow_height=ratio(0.07),
        brow_thickness=ratio(0.2),
        nose_width=ratio(0.1),
        nose_length=ratio(0.06),
        mouth_width=ratio(0.07),
        lip_fullness=ratio(0.18),
        lip_colour=float(rng.uniform(0.25, 0.7)),
        smile_at_rest=float(0.1 * rng.standard_normal()),
    )
