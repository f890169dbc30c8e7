"""How a face is seen: pose, framing, light, background and the faults of the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]
"""Red, green and blue, sRGB, 0 to 255."""


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
