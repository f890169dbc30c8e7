"""What a face does: action units (AU), the prototypes of each emotion, and how real faces vary around it.

The units and their meaning follow the Facial Action Coding System (Ekman and Friesen, 1978; second edition
with Hager, 2002), the prototypes its emotion tables (EMFACS, Friesen and Ekman, 1983). Strengths are ours,
0 (absent) to 1 (as strong as the face can do it), where FACS scores the letters A to E.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

UNITS: Mapping[str, str] = {
    "AU1": "inner brow raiser", "AU2": "outer brow raiser", "AU4": "brow lowerer", "AU5": "upper lid raiser",
    "AU6": "cheek raiser", "AU7": "lid tightener", "AU9": "nose wrinkler", "AU10": "upper lip raiser",
    "AU12": "lip corner puller", "AU14": "dimpler", "AU15": "lip corner depressor", "AU16": "lower lip depressor",
    "AU17": "chin raiser", "AU20": "lip stretcher", "AU23": "lip tightener", "AU24": "lip pressor",
    "AU25": "lips part", "AU26": "jaw drop", "AU27": "mouth stretch",
}  # fmt: skip

Expression = Mapping[str, float]
"""Action units at strengths 0 to 1; units that are not named are absent."""

PROTOTYPES: Mapping[str, tuple[Mapping[str, float], ...]] = {
    "angry": (
        {"AU4": 1.0, "AU5": 0.45, "AU7": 0.7, "AU23": 0.8, "AU17": 0.4},
        {"AU4": 1.0, "AU7": 0.75, "AU24": 0.9, "AU17": 0.5},
        {"AU4": 1.0, "AU5": 0.5, "AU7": 0.5, "AU10": 0.6, "AU16": 0.5, "AU25": 0.9, "AU26": 0.5},
    ),
    "disgust": (
        {"AU9": 1.0, "AU4": 0.4, "AU7": 0.4, "AU15": 0.4, "AU17": 0.6},
        {"AU9": 0.9, "AU10": 0.8, "AU6": 0.4, "AU16": 0.4, "AU25": 0.5},
    ),
    "fear": (
        {"AU1": 0.9, "AU2": 0.5, "AU4": 0.5, "AU5": 0.9, "AU20": 0.8, "AU25": 0.6},
        {"AU1": 0.9, "AU2": 0.5, "AU4": 0.5, "AU5": 1.0, "AU20": 0.7, "AU25": 0.7, "AU26": 0.5},
    ),
    "happy": (
        {"AU6": 0.6, "AU12": 0.75},
        {"AU6": 0.8, "AU12": 0.9, "AU25": 0.8},
        {"AU6": 0.9, "AU12": 1.0, "AU25": 0.9, "AU26": 0.6, "AU7": 0.3},
    ),
    "sad": (
        {"AU1": 0.9, "AU4": 0.4, "AU15": 0.9},
        {"AU1": 0.8, "AU4": 0.6, "AU15": 0.8, "AU17": 0.6, "AU7": 0.2},
    ),
    "surprise": (
        {"AU1": 0.9, "AU2": 0.9, "AU5": 0.7, "AU25": 0.6, "AU26": 0.9},
        {"AU1": 1.0, "AU2": 1.0, "AU5": 0.9, "AU25": 0.7, "AU27": 0.8},
    ),
    "neutral": ({}, {"AU25": 0.15}),
    "contempt": ({"AU12": 0.5, "AU14": 0.8}, {"AU10": 0.35, "AU14": 0.9, "AU7": 0.2}),
}
"""The ways to show each emotion, each with typical strengths."""


@dataclass(frozen=True)
class Variation:
    """How far drawn faces stray from the prototypes; the defaults make the classes overlap as real ones do.

    `faint` is the share of faces whose expression is faint (strength below about one half), `jitter` the standard
    deviation of each unit's strength, relative to it. The others are chances: that a unit of the prototype stays away
    (`missing`), and that a `foreign` one joins in, at up to half strength.
    """

    faint: float = 0.33
    jitter: float = 0.25
    missing: float = 0.1
    foreign: float = 0.35


PURE = Variation(faint=0.0, jitter=0.0, missing=0.0, foreign=0.0)
"""The prototypes as they stand in the table; for pictures that are to explain."""


def sample_expression(
    name: str, rng: np.random.Generator, variation: Variation | None = None, strength: float | None = None
) -> Expression:
    """Draw one face's expression of the emotion `name`, a key of `PROTOTYPES`.

    `strength` (0 to 1) fixes that of the whole expression instead of drawing it. Raises ValueError for an unknown name.
    """
    if name not in PROTOTYPES:
        raise ValueError(f"unknown emotion {name!r}; known are {', '.join(PROTOTYPES)}")
    vary = variation or Variation()
    variants = PROTOTYPES[name]
    prototype = variants[int(rng.integers(len(variants)))]
    if strength is None:
        strength = rng.uniform(0.1, 0.5) if rng.random() < vary.faint else rng.uniform(0.5, 1.0)
    units = {}
    for unit, typical in prototype.items():
        if rng.random() >= vary.missing:
            units[unit] = typical * strength * (1.0 + vary.jitter * rng.standard_normal())
    if rng.random() < vary.foreign:
        units.setdefault(list(UNITS)[int(rng.integers(len(UNITS)))], rng.uniform(0.1, 0.5))
    return {unit: min(1.0, max(0.0, float(value))) for unit, value in units.items()}
