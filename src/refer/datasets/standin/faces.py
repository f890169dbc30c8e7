"""Drawn faces: the front door. A person, an expression and a capture in; an image out.

>>> rng = np.random.default_rng(0)
>>> image = draw(sample_identity(rng), Expression({"AU6": 0.8, "AU12": 1.0}), STUDIO, 160, rng)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refer.datasets.standin.captures import STUDIO, Capture, sample_capture
from refer.datasets.standin.expressions import PROTOTYPES, PURE, UNITS, Expression, Variation, sample_expression
from refer.datasets.standin.geometry import see, shape
from refer.datasets.standin.painting import paint, photograph
from refer.datasets.standin.people import Identity, sample_identity

__all__ = [
    "PROTOTYPES",
    "PURE",
    "STUDIO",
    "UNITS",
    "Capture",
    "Expression",
    "Identity",
    "Variation",
    "draw",
    "generator",
    "grey",
    "sample_capture",
    "sample_expression",
    "sample_identity",
]


def draw(
    who: Identity, expression: Expression, capture: Capture, size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw one face: uint8 (size, size, 3), sRGB. `rng` is used for the sensor's noise alone."""
    face = see(shape(who, expression), capture)
    return photograph(paint(face, who, capture, size), capture, rng)


def grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn sRGB (height, width, 3) into grey (height, width), with the weights of ITU-R BT.601."""
    weighted = image @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    return np.rint(weighted).astype(np.uint8)


def generator(*key: int) -> np.random.Generator:
    """Return the random generator that belongs to `key` (say seed, subject, image) and to no other key."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
