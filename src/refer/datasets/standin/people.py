"""Whose face it is, which stays the same from picture to picture, and how it is captured, which does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

Colour = tuple[float, float, float]
"""Red, green and blue, sRGB, 0 to 255."""

HAIR_STYLES = ("crop", "fringe", "long", "bob", "curls", "receding", "bald", "scarf")
BEARDS = ("none", "stubble", "full")
TRAITS = (
    "wide face", "wide jaw", "long face", "large eyes", "wide-set eyes", "open eyes", "tilted eyes", "high brows",
    "thick brows", "wide nose", "long nose", "wide mouth", "full lips", "smiling", "big hair", "parted hair",
)  # fmt: skip
"""In what faces differ; `geometry` says which curves a trait moves, and how far."""

# Skin from light to deep: anchors of our own, between which `sample_identity` interpolates.
SKIN_TONES: tuple[Colour, ...] = ((246, 220, 202), (232, 192, 160), (206, 156, 118), (158, 108, 76), (82, 53, 40))
# Light hair and light eyes are drawn mostly with light skin: the first three colours go with any skin.
HAIR_COLOURS: tuple[Colour, ...] = ((30, 26, 26), (46, 34, 30), (74, 50, 36), (108, 72, 46), (196, 158, 100))
GREY_HAIR: Colour = (168, 164, 160)
IRIS_COLOURS: tuple[Colour, ...] = ((62, 40, 26), (84, 54, 32), (112, 80, 44), (96, 116, 76), (88, 120, 148))
CLOTHS: tuple[Colour, ...] = ((70, 84, 112), (132, 62, 66), (72, 104, 92), (186, 172, 148), (54, 56, 62))


@dataclass(frozen=True)
class Identity:
    """One drawn person. Colours are sRGB, 0 to 255."""

    skin: Colour
    hair: Colour
    iris: Colour
    cloth: Colour
    hair_style: str = "crop"
    beard: str = "none"
    glasses: bool = False
    age: float = 0.3
    """0 (young) to 1 (old): how deep the lasting lines are, and how grey the hair."""
    traits: Mapping[str, float] = field(default_factory=dict)
    """Names of `TRAITS` with their values, in standard deviations from a middling face."""


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours: `share` 0 gives `one`, 1 gives `other`."""
    red, green, blue = (low + (high - low) * share for low, high in zip(one, other, strict=True))
    return red, green, blue


def sample_identity(rng: np.random.Generator) -> Identity:
    """Draw one person; every feature is drawn by itself, so that looks and expressions do not go together."""
    tone = float(rng.uniform(0, len(SKIN_TONES) - 1))
    low = min(int(tone), len(SKIN_TONES) - 2)
    colours = len(HAIR_COLOURS) if tone < 2 else 3
    age = float(rng.beta(1.6, 2.6))
    hair = HAIR_COLOURS[int(rng.integers(colours))]
    values = np.clip(rng.standard_normal(len(TRAITS)), -2.0, 2.0)
    traits = {name: float(value) for name, value in zip(TRAITS, values, strict=True)}
    style = HAIR_STYLES[int(rng.integers(len(HAIR_STYLES)))]
    bearded = traits["wide jaw"] > 0 and style not in ("bob", "long", "scarf") and rng.random() < 0.55
    return Identity(
        skin=mix(SKIN_TONES[low], SKIN_TONES[low + 1], tone - low),
        hair=mix(hair, GREY_HAIR, float(rng.uniform(0, 2 * (age - 0.5) + 0.2))) if age > 0.5 else hair,
        iris=IRIS_COLOURS[int(rng.integers(colours))],
        cloth=CLOTHS[int(rng.integers(len(CLOTHS)))],
        hair_style=style,
        beard=BEARDS[int(rng.integers(1, len(BEARDS)))] if bearded else "none",
        glasses=bool(rng.random() < 0.12),
        age=age,
        traits=traits,
    )


@dataclass(frozen=True)
class Capture:
    """One shot. Angles in degrees; lengths as parts of the image's side, which has length 1."""

    yaw: float = 0.0
    """Turn of the head to the right of the image."""
    pitch: float = 0.0
    """Nod downwards."""
    roll: float = 0.0
    """Tilt, clockwise."""
    scale: float = 0.31
    """Half the width of the face."""
    centre: tuple[float, float] = (0.5, 0.46)
    """Where the point between the eyes lies, x to the right and y downwards."""
    light: tuple[float, float] = (-0.5, -0.6)
    """Where the light comes from, x to the right and y downwards, each -1 to 1."""
    contrast_of_light: float = 0.5
    """0 (flat light) to 1 (hard light, dark shadows)."""
    background: Colour = (172, 178, 184)
    blur: float = 0.0
    """Radius of the blur."""
    noise: float = 0.0
    """Standard deviation of the sensor's noise, in grey levels of 255."""
    contrast: float = 1.0
    brightness: float = 0.0
    """Added to every channel, in grey levels of 255."""


STUDIO = Capture()
"""A sharp, frontal shot in soft light."""


def wall(rng: np.random.Generator, low: float, high: float, tint: float) -> Colour:
    """Draw the colour of a background: a grey level from `low` to `high`, tinted by about `tint` levels."""
    red, green, blue = rng.uniform(low, high) + rng.normal(0, tint, 3)
    return float(red), float(green), float(blue)


def sample_capture(rng: np.random.Generator) -> Capture:
    """Draw one shot as FER2013 has them: tight crops of faces found in the wild, from careful to careless."""
    yaw, pitch, roll = np.clip(rng.standard_normal(3), -2.4, 2.4) * (8.5, 5, 5.5)
    return Capture(
        yaw=float(yaw),
        pitch=float(pitch),
        roll=float(roll),
        scale=float(np.clip(rng.normal(0.39, 0.025), 0.33, 0.45)),
        centre=(float(rng.normal(0.5, 0.02)), float(rng.normal(0.43, 0.022))),
        light=(float(rng.uniform(-0.9, 0.9)), float(rng.uniform(-0.9, 0.1))),
        contrast_of_light=float(rng.uniform(0.2, 0.85)),
        background=wall(rng, 40, 215, 12),
        blur=float(rng.uniform(0, 0.015)),
        noise=float(rng.uniform(0, 6)),
        contrast=float(rng.uniform(0.65, 1.15)),
        brightness=float(rng.normal(0, 14)),
    )
