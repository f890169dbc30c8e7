"""Drawn places without people: rooms, shelves, walls, streets, foliage, skies, to compose faces onto.

They are no photographs, and need only be what a face is to be told from: colours, edges and textures of many
kinds and sizes, in and out of focus.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from refer.datasets.standin import indoors, outdoors
from refer.datasets.standin.faces import generator
from refer.datasets.standin.scenery import Plate

KINDS: tuple[Callable[[Plate], None], ...] = (
    indoors.room,
    outdoors.sky,
    outdoors.foliage,
    indoors.shelf,
    outdoors.street,
    indoors.bricks,
    outdoors.lights,
    indoors.plaster,
    outdoors.water,
    indoors.planks,
    indoors.cloth,
)
"""What can be drawn; `draw_scenes` takes them in turn."""


def draw_scenes(count: int, size: int, seed: int = 0) -> NDArray[np.uint8]:
    """Draw places: uint8 (count, size, size, 3), sRGB. Picture i depends on the seed, i and the size alone."""
    scenes = np.empty((count, size, size, 3), np.uint8)
    for number in range(count):
        scenes[number] = draw_scene(generator(seed, number, 1, 8), size, number)
    return scenes


def draw_scene(rng: np.random.Generator, size: int, kind: int | None = None) -> NDArray[np.uint8]:
    """Draw one place, uint8 (size, size, 3); `kind` is counted round `KINDS`, None: any."""
    plate = Plate(rng, size)
    KINDS[int(rng.integers(len(KINDS))) if kind is None else kind % len(KINDS)](plate)
    return plate.photographed()
