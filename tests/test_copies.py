"""naseem2025's 26 copies: what each kind does to an image, and which are the same in every epoch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from refer.training.copies import COPIES, GREY, changed, homographies
from refer.training.draws import uniforms

KIND = {"none": 0, "rotation": 1, "zoom": 2, "perspective": 3, "shear": 4, "flip": 5}


def image(size: int = 64) -> torch.Tensor:
    """A smooth picture, so that resampling loses little."""
    axis = torch.linspace(0, 3, size)
    waves = 120 + 50 * torch.sin(axis)[:, None] + 50 * torch.cos(1.3 * axis)[None, :]
    return waves.expand(3, -1, -1).contiguous()


def copy(number: int, seed: int = 0, stream: int = 0, size: int = 64) -> torch.Tensor:
    return changed(image(size)[None], np.array([number]), seed, np.array([stream]))[0]


def test_the_first_copy_is_the_image_and_the_last_five_are_its_mirror_image():
    torch.testing.assert_close(copy(0), image(), atol=1e-3, rtol=0)
    for number in range(21, COPIES):
        torch.testing.assert_close(copy(number), image().flip(-1), atol=1e-3, rtol=0)


def test_a_zoomed_out_copy_holds_the_whole_image_on_grey():
    maps = homographies(np.full(200, KIND["zoom"]), uniforms(0, np.arange(200), 10))
    side = maps[:, 0, 0]
    assert side.min() >= 1
    assert side.max() <= 1.5
    assert side.std() > 0.1
    inside = np.abs(np.linalg.inv(maps) @ np.array([[-1, 1], [-1, 1], [1, 1]]))[:, :2]
    assert inside.max() <= 1 + 1e-9, "the image's corners lie within the copy"
    zoomed = changed(torch.zeros(1, 3, 64, 64), np.array([6]), 0, np.array([3]))
    assert zoomed.max() == pytest.approx(GREY)


def test_rotations_are_uniform_within_twenty_degrees_and_black_outside():
    maps = homographies(np.full(2000, KIND["rotation"]), uniforms(1, np.arange(2000), 10))
    angle = np.rad2deg(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert np.abs(angle).max() <= 20
    assert angle.std() == pytest.approx(40 / np.sqrt(12), rel=0.05)
    white = changed(torch.full((1, 3, 64, 64), 200.0), np.array([1]), 0, np.array([5]))
    assert white.min() == pytest.approx(0, abs=1e-3)


def test_a_rotation_is_the_one_that_torchvision_makes():
    number = 2
    angle = (2 * uniforms(0, np.array([7]), 10)[0, 0] - 1) * 20
    ours = copy(number, stream=7)
    theirs = v2.functional.rotate(image(), -angle, interpolation=v2.InterpolationMode.BILINEAR)
    opposite = v2.functional.rotate(image(), angle, interpolation=v2.InterpolationMode.BILINEAR)
    middle = (slice(None), slice(16, 48), slice(16, 48))
    assert min((ours - each)[middle].abs().max() for each in (theirs, opposite)) < 0.5


def test_a_perspective_moves_each_corner_inwards_by_up_to_a_quarter_of_a_side():
    maps = homographies(np.full(500, KIND["perspective"]), uniforms(2, np.arange(500), 10))
    corners = np.array([(-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)], float)
    seen = np.linalg.inv(maps) @ corners.T
    seen = (seen[:, :2] / seen[:, 2:]).transpose(0, 2, 1)
    moved = np.abs(seen - corners[:, :2])
    assert moved.max() <= 0.5
    assert moved.mean() == pytest.approx(0.25, abs=0.02)
    assert (np.abs(seen) <= 1 + 1e-9).all()


def test_the_same_number_gives_the_same_copy_whatever_stands_beside_it():
    images = image()[None].repeat(3, 1, 1, 1)
    together = changed(images, np.array([3, 12, 18]), 4, np.array([10, 11, 12]))
    alone = changed(images[:1], np.array([12]), 4, np.array([11]))
    torch.testing.assert_close(together[1], alone[0])
    other = changed(images[:1], np.array([12]), 4, np.array([12]))
    assert (other[0] - alone[0]).abs().max() > 1
