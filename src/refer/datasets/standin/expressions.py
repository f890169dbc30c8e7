"""What a face does: action units (AU), the prototypes of each emotion, and how real faces vary around it.

The units and their meaning follow the Facial Action Coding System (Ekman and Friesen, 1978; second edition
with Hager, 2002), the prototypes its emotion tables (EMFACS, Friesen and Ekman, 1983). Strengths are ours,
0 (absent) to 1 (as strong as the face can do it), where FACS scores the letters A to E.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

UNITS: Mapping[str, str] = {
    "AU1": "inner brow raiser", "AU2": "outer brow raiser", "AU4": "brow lowerer", "AU5": "upper lid raiser",
    "AU6": "cheek raiser", "AU7": "lid tightener", "AU9": "nose wrinkler", "AU10": "upper lip raiser",
    "AU12": "lip corner puller", "AU14": "dimpler", "AU15": "lip corner depressor", "AU16": "lower lip depressor",
    "AU17": "chin raiser", "AU20": "lip stretcher", "AU23": "lip tightener", "AU24": "lip pressor",
    "AU25": "lips part", "AU26": "jaw drop", "AU27": "mouth stretch", "AU43": "eyes closed",
}  # fmt: skip

LEANING = frozenset({"AU10", "AU12", "AU14"})
"""The units that `Expression.lean` makes one-sided: contempt is the unilateral one of the emotions."""


@dataclass(frozen=True)
class Expression:
    """Action units at strengths 0 to 1; units that are not named are absent.

    `lean` (-1 to 1) moves the units in `LEANING` to one side of the image: 0 both sides alike, 1 only the
    right side, -1 only the left. Raises ValueError for an unknown unit or a value outside its range.
    """

    units: Mapping[str, float] = field(default_factory=dict)
    lean: float = 0.0

    def __post_init__(self) -> None:
        for name, strength in self.units.items():
            if name not in UNITS:
                raise ValueError(f"unknown action unit {name!r}; known are {', '.join(UNITS)}")
            if not 0.0 <= strength <= 1.0:
                raise ValueError(f"strength of {name} is {strength}; expected 0 (absent) to 1 (strongest)")
        if not -1.0 <= self.lean <= 1.0:
            raise ValueError(f"lean is {self.lean}; expected -1 (left side only) to 1 (right side only)")

    def strength(self, name: str, side: int = 0) -> float:
        """Return the strength of one unit; `side` is -1 (left of the image), 1 (right) or 0 (unsided)."""
        value = self.units.get(name, 0.0)
        if side and name in LEANING:
            value *= 1.0 - max(0.0, -self.lean * side)
        return value


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

ONE_SIDED = frozenset({"contempt"})
"""The emotions that one side of the face shows."""


@dataclass(frozen=True)
class Variation:
    """How far drawn faces stray from the prototypes; the defaults make the classes overlap as real ones do.

    `faint` is the share of faces whose expression is faint (strength below about one half), `jitter` the standard
    deviation of each unit's strength, relative to it. The others are chances: that a unit of the prototype stays away
    (`missing`), that a `foreign` one joins in, at up to half strength, and that the eyes are shut (`blink`).
    """

    faint: float = 0.33
    jitter: float = 0.25
    missing: float = 0.1
    foreign: float = 0.35
    blink: float = 0.015


PURE = Variation(faint=0.0, jitter=0.0, missing=0.0, foreign=0.0, blink=0.0)
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
        stranger = list(UNITS)[int(rng.integers(len(UNITS) - 1))]  # all but the last one, closed eyes
        units.setdefault(stranger, rng.uniform(0.1, 0.5))
    if rng.random() < vary.blink:
        units["AU43"] = 1.0
    lean = rng.uniform(-0.25, 0.25)
    if name in ONE_SIDED:
        lean = rng.uniform(0.75, 1.0) * (1.0 if lean > 0 else -1.0)
    return Expression({unit: min(1.0, max(0.0, float(value))) for unit, value in units.items()}, float(lean))
