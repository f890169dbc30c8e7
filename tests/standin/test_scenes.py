"""Drawn places for the composer: varied, deterministic, and each its own."""

from __future__ import annotations

import numpy as np
import pytest

from refer.datasets.standin import faces
from refer.datasets.standin.scenes import KINDS, draw_scene, draw_scenes

TWICE = 2 * len(KINDS)


def test_scenes_are_colour_pictures_of_the_size_asked_for() -> None:
    for size in (32, 75):
        scenes = draw_scenes(3, size, 1)
        assert scenes.shape == (3, size, size, 3)
        assert scenes.dtype == np.uint8
    assert draw_scenes(0, 32).shape == (0, 32, 32, 3)


def test_a_scene_depends_on_seed_and_number_alone() -> None:
    few, many, other = draw_scenes(3, 48, 7), draw_scenes(TWICE, 48, 7), draw_scenes(3, 48, 8)
    assert (few == many[:3]).all()
    assert not any((one == another).all() for one, another in zip(few, other, strict=True))
    assert len({scene.tobytes() for scene in many}) == TWICE


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=[draw.__name__ for draw in KINDS])
def test_every_kind_has_light_and_structure(kind: int) -> None:
    scenes = [draw_scene(faces.generator(kind, number, 1, 1), 64, kind).astype(float) for number in range(6)]
    for scene in scenes:
        assert 8 < scene.mean() < 250
        assert scene.std() > 3
    assert np.std([scene.mean(axis=(0, 1)) for scene in scenes], axis=0).max() > 5, "no two alike"


def test_scenes_are_as_varied_as_photographs() -> None:
    scenes = draw_scenes(66, 64, 3).astype(float)
    brightness, colour = scenes.mean(axis=(1, 2, 3)), scenes.mean(axis=(1, 2))
    edges = np.abs(np.diff(scenes.mean(axis=3), axis=2)).mean(axis=(1, 2))
    assert brightness.std() > 25
    assert (colour.max(axis=1) - colour.min(axis=1)).mean() > 15
    assert edges.max() > 5 * edges.min()
