"""Composing: what identity gives back, what the ranges bound, and that a seed and a number decide an image."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from refer.datasets.outlines import ELLIPSE, masks
from refer.errors import UserError
from refer.training.composer import Composer, composed_set, load_backgrounds, load_composer
from refer.training.composition import STILL, Composition
from refer.training.draws import draw, maps, uniforms

H = 128
WHOLE = replace(STILL, size=H, pad=0, crop=1)
"""Nothing changes: the cut-out lies on the whole background, pixel on pixel."""


def smooth(rng: np.random.Generator, count: int, side: int, coarse: int = 9) -> torch.Tensor:
    """Random smooth pictures (count, 1, side, side) uint8 of 20 to 235, for resampling to change little."""
    small = torch.from_numpy(rng.uniform(20, 235, (count, 1, coarse, coarse)).astype(np.float32))
    return functional.interpolate(small, side, mode="bilinear", align_corners=True).round().to(torch.uint8)


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    return smooth(np.random.default_rng(1), 7, H)


@pytest.fixture(scope="module")
def shapes() -> torch.Tensor:
    return torch.from_numpy(masks([None] * 7, H))[:, None]


@pytest.fixture(scope="module")
def scenes() -> torch.Tensor:
    return smooth(np.random.default_rng(2), 5, 277)


@pytest.fixture(scope="module")
def composer(faces: torch.Tensor, shapes: torch.Tensor, scenes: torch.Tensor) -> Composer:
    return Composer(faces, shapes, scenes)


def test_when_nothing_is_drawn_the_face_lies_on_the_background(faces: torch.Tensor, shapes: torch.Tensor) -> None:
    scenes = smooth(np.random.default_rng(3), 1, H)
    image, target, mask = Composer(faces, shapes, scenes, WHOLE)(torch.arange(7), 0, np.arange(7))
    alpha = shapes / 255
    assert torch.allclose(mask, alpha, atol=0.003)
    assert torch.allclose(target, faces * alpha, atol=0.51)  # half a grey level, for it is kept as uint8
    assert torch.allclose(image, faces * alpha + scenes * (1 - alpha), atol=1.6)
    assert (image - faces)[alpha == 1].abs().max() < 0.01
    assert (image - scenes)[alpha == 0].abs().max() < 0.01


def test_the_padding_shrinks_the_face_and_the_mean_of_four_pixels_is_taken(
    faces: torch.Tensor, shapes: torch.Tensor
) -> None:
    composer = Composer(faces, shapes, faces, replace(STILL, crop=1))
    assert composer.faces.shape[-1] == H // 2
    _, target, mask = composer(torch.arange(7), 0, np.arange(7))
    assert mask.sum() / 64**2 / 7 == pytest.approx(np.pi * ELLIPSE[2] * ELLIPSE[3] * (128 / 148) ** 2, rel=0.02)
    padded = functional.pad((faces * (shapes / 255)), (10, 10, 10, 10))
    expected = functional.interpolate(padded, 64, mode="bilinear", antialias=True, align_corners=False)
    assert (target - expected)[mask > 0.99].abs().mean() < 1.5


def test_the_target_is_black_where_the_mask_is_not_and_the_background_stays_there(composer: Composer) -> None:
    how = replace(composer.how, brightness=0, contrast=0, gamma=0)
    plain = Composer(composer.faces[:, :1], composer.faces[:, 1:], composer.scenes, how)
    rows, numbers = torch.arange(7).repeat(4), np.arange(28)
    image, target, mask = plain(rows, 3, numbers)
    assert (target[mask == 0] == 0).all()
    assert (target >= 0).all()
    assert (target <= 255.01 * mask + 1e-3).all()
    draws = draw(plain.how, 3, numbers, len(plain.scenes))
    scene = plain._crop(*plain._sent(draws)[1])
    assert (image[mask == 0] == scene[mask == 0]).all()
    inside = image[mask > 0.999]
    assert inside.min() >= 25.4  # Composition.light_range
    assert inside.max() <= 229.6


def test_light_takes_the_face_towards_the_mean_of_what_it_covers(faces: torch.Tensor, shapes: torch.Tensor) -> None:
    for level, factor in ((10, 0.5), (128, None), (250, 1.5)):
        scene = torch.full((1, 1, H, H), level, dtype=torch.uint8)
        image, target, mask = Composer(faces, shapes, scene, replace(WHOLE, light="mean"))(
            torch.arange(7), 0, np.arange(7)
        )
        inside = mask >= 0.9999
        for one, before, where in zip(image, target, inside, strict=True):
            mean = (before.sum() / mask[0].sum()).item()
            wanted = factor or min(max(level / mean, 0.5), 1.5)
            assert torch.allclose(one[where], (before[where] * wanted).clamp(25.5, 229.5), rtol=0.01, atol=0.6)


def test_light_can_match_the_contrast_too(faces: torch.Tensor, shapes: torch.Tensor) -> None:
    scene = smooth(np.random.default_rng(4), 1, H, coarse=30)
    how = replace(WHOLE, light="mean and contrast", light_limits=(0.01, 100.0), light_range=(-10, 10))
    image, _, mask = Composer(faces, shapes, scene, how)(torch.arange(7), 0, np.arange(7))
    inside = mask[0, 0] > 0.9999
    there = scene[0, 0][inside].float()
    for one in image:
        assert one[0][inside].mean().item() == pytest.approx(there.mean().item(), abs=1.5)
        assert one[0][inside].std().item() == pytest.approx(there.std().item(), rel=0.03)


def test_brightness_contrast_and_gamma_change_the_image_and_not_its_target(
    faces: torch.Tensor, shapes: torch.Tensor
) -> None:
    rows, numbers = torch.arange(7).repeat(2), np.arange(14)
    plain = Composer(faces, shapes, faces, WHOLE)(rows, 0, numbers)
    how = replace(WHOLE, brightness=0.25, contrast=0.25, gamma=0.25)
    exposed = Composer(faces, shapes, faces, how)(rows, 0, numbers)
    assert torch.equal(exposed.target, plain.target)
    factors = draw(how, 0, numbers, 7).light
    assert (factors == 1).any()
    for one, before, (brightness, contrast, gamma) in zip(exposed.image, plain.image, factors, strict=True):
        wanted = brightness * ((before - before.mean()) * contrast + before.mean())
        assert torch.allclose(one, 255 * (wanted.clamp(0, 255) / 255) ** gamma, atol=0.01)


def test_stretching_takes_black_to_zero_and_white_to_its_share(shapes: torch.Tensor) -> None:
    face = (60 + smooth(np.random.default_rng(5), 7, H) // 3).clamp(max=200)
    face[:, :, 0, 0] = 255  # outside the mask: of no account
    _, target, _ = Composer(face, shapes, face, replace(WHOLE, stretch=True))(torch.arange(7), 0, np.arange(7))
    low = face.masked_fill(shapes < 128, 255).amin((2, 3), keepdim=True).float()
    high = face.masked_fill(shapes < 128, 0).amax((2, 3), keepdim=True).float()
    inside = shapes == 255
    assert torch.allclose(target[inside], ((face - low) / high * 255)[inside], atol=0.51)
    flat = torch.zeros(1, 1, H, H, dtype=torch.uint8)
    image, *_ = Composer(face[:1], shapes[:1], flat, replace(WHOLE, stretch=True))(torch.tensor([0]), 0, [0])
    assert image.isfinite().all()


def test_an_image_is_decided_by_seed_number_and_face_whatever_else_is_in_the_batch(composer: Composer) -> None:
    rows, numbers = torch.arange(21) % 7, np.arange(100, 121)
    whole = composer(rows, 9, numbers)
    again = composer(rows, 9, numbers)
    order = np.random.default_rng(0).permutation(21)
    mixed = composer(rows[order], 9, numbers[order])
    parts = [composer(rows[a:b], 9, numbers[a:b]) for a, b in pairwise((0, 1, 3, 8, 21))]
    for kind in range(3):
        assert torch.equal(whole[kind], again[kind])
        assert torch.equal(whole[kind][order], mixed[kind])
        assert torch.equal(whole[kind], torch.cat([part[kind] for part in parts]))
    other = composer(rows, 10, numbers)
    assert all((a != b).any() for a, b in zip(whole.image, other.image, strict=True))


def test_a_global_seed_is_neither_used_nor_moved(composer: Composer) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = composer(torch.arange(7), 1, np.arange(7)).image
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(composer(torch.arange(7), 1, np.arange(7)).image, first)


def test_grey_repeated_in_three_channels_gives_the_same(
    faces: torch.Tensor, shapes: torch.Tensor, scenes: torch.Tensor, composer: Composer
) -> None:
    colour = Composer(faces.expand(-1, 3, -1, -1), shapes, scenes.expand(-1, 3, -1, -1))
    rows, numbers = torch.arange(7), np.arange(7)
    for one, other in zip(composer(rows, 2, numbers), colour(rows, 2, numbers), strict=True):
        assert one.shape == (7, 1, 64, 64)
        assert one.dtype == torch.float32
        assert torch.allclose(one, other, atol=2.1 if one.max() > 1 else 0)  # a level, stretched


def test_the_set_for_testing_is_the_same_whatever_its_length(composer: Composer) -> None:
    short, rows = composed_set(composer, 10, seed=4)
    long, _ = composed_set(composer, 300, seed=4)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
    for one, other in zip(short, long, strict=True):
        assert one.dtype == torch.uint8
        assert torch.equal(one, other[:10])
    assert long.image.shape == (300, 1, 64, 64)
    assert len({image.numpy().tobytes() for image in long.image}) == 300


def test_a_smooth_warp_bends_the_face_and_no_warp_does_not(
    faces: torch.Tensor, shapes: torch.Tensor, scenes: torch.Tensor
) -> None:
    rows, numbers = torch.arange(7), np.arange(7)
    still = Composer(faces, shapes, scenes, replace(STILL, warping="smooth"))(rows, 0, numbers)
    assert torch.allclose(still.mask, Composer(faces, shapes, scenes, STILL)(rows, 0, numbers).mask, atol=1e-4)
    bent = Composer(faces, shapes, scenes, replace(STILL, warping="smooth", warp=0.1))(rows, 0, numbers)
    change = (bent.mask - still.mask).abs().mean((1, 2, 3))
    assert (change > 0.01).all()
    assert (change < 0.2).all()


@given(seed=st.integers(-(2**70), 2**70), start=st.integers(0, 2**62))
@settings(max_examples=30, deadline=None)
def test_draws_lie_in_their_ranges(seed: int, start: int) -> None:
    how = Composition()
    draws = draw(how, seed, start + np.arange(50), 3)
    assert (np.abs(draws.angle) <= 45).all()
    assert (np.abs(draws.scale - 1) <= 0.2).all()
    assert (np.abs(draws.shift) <= 0.3).all()
    assert (np.abs(draws.corners) <= 0.1).all()
    assert set(draws.background.tolist()) <= {0, 1, 2}
    assert (draws.place >= 0).all()
    assert (draws.place < 1).all()
    assert (np.abs(draws.light - 1) <= 0.25).all()


def test_draws_are_uniform_independent_and_half_of_the_images_are_exposed_otherwise() -> None:
    count = 20_000
    draws = draw(Composition(), 7, np.arange(count), 10)
    # The standard error of a mean of uniforms in ±1 is 1/sqrt(3 n): 0.0041; five of them are allowed.
    drawn = {"angle": draws.angle / 45, "scale": (draws.scale - 1) / 0.2, "x": draws.shift[:, 0] / 0.3}
    for values in drawn.values():
        assert abs(values.mean()) < 0.02
        assert values.std() == pytest.approx(1 / np.sqrt(3), rel=0.02)
    assert draws.flip.mean() == pytest.approx(0.5, abs=0.018)
    assert np.bincount(draws.background, minlength=10) == pytest.approx(np.full(10, count / 10), rel=0.1)
    assert (draws.light == 1).mean(axis=0) == pytest.approx(np.full(3, 0.5), abs=0.018)
    numbers = np.concatenate((uniforms(7, np.arange(count), 21), uniforms(8, np.arange(count), 4)), axis=1)
    correlation = np.corrcoef(numbers.T) - np.eye(25)
    assert np.abs(correlation).max() < 0.04
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.04


def test_an_option_leaves_the_draws_of_the_others() -> None:
    first, second = draw(Composition(), 1, [5], 9), draw(Composition(warping="smooth", angle=10), 1, [5], 9)
    assert first.shift.tolist() == second.shift.tolist()
    assert first.background.tolist() == second.background.tolist()
    assert first.angle[0] == pytest.approx(4.5 * second.angle[0])


def test_maps_turn_mirror_scale_shift_and_move_the_corners() -> None:
    how = Composition(pad=0)
    draws = draw(how, 3, np.arange(40), 1)
    calm = draws._replace(corners=np.zeros((40, 3, 2)), shift=np.zeros((40, 2)))
    for matrix, angle, scale, flip in zip(maps(calm, 1), calm.angle, calm.scale, calm.flip, strict=True):
        assert abs(np.linalg.det(matrix[:, :2])) == pytest.approx(scale**-2)
        assert (np.linalg.det(matrix[:, :2]) < 0) == flip
        onward = np.linalg.inv(matrix[:, :2])
        assert np.degrees(np.arctan2(onward[1, 1], onward[0, 1])) == pytest.approx(90 + angle)
        assert matrix[:, 2] == pytest.approx([0, 0], abs=1e-12)
    # What lies at a moved corner of the composed image lay at the corner itself before the warp.
    corners = np.array([[-1, -1], [-1, 1], [1, -1]])
    unwarped = maps(draws._replace(corners=np.zeros((40, 3, 2))), 1)
    for warped, plain, moved in zip(maps(draws, 1), unwarped, draws.corners, strict=True):
        there = warped[:, :2] @ (corners + 2 * moved).T + warped[:, 2:]
        assert there == pytest.approx(plain[:, :2] @ corners.T + plain[:, 2:])
    shifted = maps(calm._replace(shift=np.full((40, 2), 0.25)), 1)
    assert (shifted[:, :, :2] @ [0.5, 0.5] + shifted[:, :, 2]) == pytest.approx(np.zeros((40, 2)), abs=1e-12)


def test_a_mirrored_face_is_the_face_mirrored(faces: torch.Tensor, shapes: torch.Tensor) -> None:
    _, target, _ = Composer(faces, shapes, faces, WHOLE)(torch.arange(7), 0, np.arange(7))
    _, mirrored, _ = Composer(faces, shapes, faces, replace(WHOLE, flip=1))(torch.arange(7), 0, np.arange(7))
    assert torch.allclose(mirrored, target.flip(-1), atol=0.01)


def test_options_out_of_range_and_masks_that_do_not_fit_are_refused(faces: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"warp is 0\.5; expected 0 to 0\.24"):
        Composition(warp=0.5)
    with pytest.raises(ValueError, match="one mask for each face"):
        Composer(faces, faces[:3], faces)


def test_outlines_become_masks_of_their_area() -> None:
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    circle = np.stack((64 + 40 * np.cos(angle), 60 + 30 * np.sin(angle)), axis=1).ravel()
    square = [32.0, 32, 96, 32, 96, 96, 32, 96]
    beyond = [-50.0, -50, 64, -50, 64, 300, -50, 300]
    drawn = masks([circle, square, beyond, None], 128) / 255
    assert drawn.sum(axis=(1, 2)) == pytest.approx(
        [np.pi * 1200, 64 * 64, 64 * 128, np.pi * ELLIPSE[2] * ELLIPSE[3] * 128**2], rel=0.012
    )
    assert drawn[1, 40:88, 40:88].min() == 1
    assert drawn[1, :31].max() == 0
    rows, columns = np.mgrid[:128, :128] + 0.5
    assert (drawn[0] * columns).sum() / drawn[0].sum() == pytest.approx(64, abs=0.03)
    assert (drawn[0] * rows).sum() / drawn[0].sum() == pytest.approx(60, abs=0.03)
    soft = (drawn[0] > 0) & (drawn[0] < 1)
    assert soft.sum() > 100  # the edge of a curve is soft
    half = masks([circle], 128, side=64)[0] / 255
    assert np.abs(half - drawn[0].reshape(64, 2, 64, 2).mean(axis=(1, 3))).mean() < 0.005
    assert half.sum() * 4 == pytest.approx(drawn[0].sum(), rel=0.02)


def test_an_outline_that_is_no_polygon_is_refused() -> None:
    for wrong in ([1.0, 2, 3, 4], [1.0] * 7, [1.0, 2, float("nan"), 4, 5, 6]):
        with pytest.raises(ValueError, match="outline 0: expected"):
            masks([wrong], 128)


def test_prepared_data_are_composed_along_their_outlines(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    square = [32.0, 32, 96, 32, 96, 96, 32, 96]
    np.save(tmp_path / "images.npy", rng.integers(0, 255, (4, 128, 128, 3), dtype=np.uint8))
    pd.DataFrame({"id": list("abcd"), "outline": [None, square, None, square]}).to_parquet(tmp_path / "index.parquet")
    with pytest.raises(UserError, match=r"backgrounds\.npy: missing"):
        load_composer(tmp_path, tmp_path, np.array([1, 2]), Composition(), torch.device("cpu"))
    np.save(tmp_path / "backgrounds.npy", rng.integers(0, 255, (9, 40, 40, 3), dtype=np.uint8))
    composer = load_composer(tmp_path, tmp_path, np.array([3, 0]), STILL, torch.device("cpu"))
    areas = composer(torch.arange(2), 0, [0, 1]).mask.sum((1, 2, 3)) * (148 / 64) ** 2
    assert areas.tolist() == pytest.approx([4096, np.pi * ELLIPSE[2] * ELLIPSE[3] * 128**2], rel=0.02)
    assert load_backgrounds(tmp_path, torch.device("cpu")).shape == (9, 1, 40, 40)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("warping", ["corners", "smooth"])
def test_a_gpu_composes_the_same(faces: torch.Tensor, shapes: torch.Tensor, scenes: torch.Tensor, warping: str) -> None:
    how = replace(Composition(), warping=warping)  # type: ignore[arg-type]
    rows, numbers = torch.arange(7), np.arange(7)
    here = Composer(faces, shapes, scenes, how)(rows, 1, numbers)
    there = Composer(faces.cuda(), shapes.cuda(), scenes.cuda(), how)(rows.cuda(), 1, numbers)
    for one, other in zip(here, there, strict=True):
        assert torch.allclose(one, other.cpu(), atol=0.05)
