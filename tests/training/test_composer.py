"""Composing: what identity gives back, what the ranges bound, and that a seed and a number decide an image."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from torch.nn import functional

from refer.datasets.outlines import ELLIPSE, masks
from refer.errors import UserError
from refer.training.augment import gaussians, uniforms
from refer.training.composer import Composer, composed_set, draw, load_backgrounds, load_composer, maps
from refer.training.composition import Composition

H = 128


def replace(how: Composition, **changes: Any) -> Composition:
    return Composition(**{**dict(how), **changes})


STILL = Composition(
    flip=0, angle=0, translation=0, factor=0, warp=0, stretch=False, light="none", brightness=0, contrast=0, gamma=0
)
"""Nothing is drawn but the background and its crop."""
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


def test_the_light_is_that_of_what_the_face_covers_alone() -> None:
    half = torch.zeros((1, 1, H, H), dtype=torch.uint8)
    half[..., : H // 2] = 1
    face, scene = torch.full_like(half, 100), 130 * half + 230 * (1 - half)
    image, _, mask = Composer(face, 255 * half, scene, replace(WHOLE, light="mean"))(torch.arange(1), 0, np.arange(1))
    # 130 / 100 is within the limits of 0.5 and 1.5; with the rest of the scene it would be 1.8.
    assert image[mask > 0.9999].mean().item() == pytest.approx(130, abs=1.5)


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
    with pytest.raises(ValueError, match=r"warp\n.*less than or equal to 0\.24"):
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


# --- as in the authors' code ------------------------------------------------------------------------------------

HEAD = Composition(
    lift=0.2, erode=3, light="lightness", brightness=0, contrast=0, gamma=0, clahe=0.25, blur=0.25, noise=0.005,
    through=0.75,
)  # fmt: skip
"""The authors' later code (papers/feratt2019.yaml, version head)."""
APRIL = Composition(
    lift=0.2, erode=3, light="lightness", exposed=0.75, exposure="authors", clahe=0.25, blur=0.25, noise=0.05
)
"""Their code of April 2019 (version cvprw)."""


def waves(rng: np.random.Generator, height: int, width: int, longest: float, shortest: float) -> np.ndarray:
    """Twelve cosines of such wave lengths, in any direction, over a plane whose height is 1."""
    y, x = (np.arange(height)[:, None] + 0.5) / height, (np.arange(width)[None, :] + 0.5) / height
    total = np.zeros((height, width))
    for _ in range(12):
        length, turn, phase = rng.uniform(shortest, longest), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        total += np.cos(2 * np.pi * (np.cos(turn) * x + np.sin(turn) * y) / length + phase)
    return total


def faces_by_formula(count: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Ellipses that fill the cut-out, of grey levels 20 to 200 (a dark and a light spot have these), mean 86, sd 20."""
    rng = np.random.default_rng(2019)
    y, x = np.mgrid[:128, :128] + 0.5
    inside = ((x / 128 - 0.5) / 0.49) ** 2 + ((y / 128 - 0.5) / 0.4875) ** 2 <= 1
    made = np.empty((count, 1, 128, 128), np.uint8)
    for face in made:
        tones = waves(rng, 128, 128, 1, 0.25)
        tones = np.clip(0.367 + 0.114 * (tones - tones[inside].mean()) / tones[inside].std(), 0, 1)
        tones[40:44, 40:44], tones[40:44, 84:88] = 0, 1
        face[0] = np.rint(20 + 180 * tones)
    return torch.from_numpy(made), torch.from_numpy(np.where(inside, 255, 0).astype(np.uint8)).expand(count, 1, -1, -1)


def scenes_by_formula(count: int = 20) -> torch.Tensor:
    """Wide pictures of about eight waves across their height, darker than light."""
    rng, made = np.random.default_rng(640), np.empty((count, 1, 277, 443), np.uint8)
    for scene in made:
        tones = waves(rng, 277, 443, 0.12, 0.06)
        tones = (tones - tones.min()) / (tones.max() - tones.min())
        scene[0] = np.rint(20 + 180 * tones**1.8)
    return torch.from_numpy(made)


def test_composed_faces_have_the_statistics_of_the_authors() -> None:
    """FACTS.md, of the authors' later composer: mask area .427, face mean 76.3 and sd 24.0, target mean .111.

    The authors' own code, run on these faces and scenes (2,000 draws), gives .424, 75.4, 24.0 and .1096.
    """
    composer = Composer(*faces_by_formula(), scenes_by_formula(), replace(HEAD, clahe=0, blur=0))
    image, target, mask = composer(torch.arange(2000) % 24, 0, np.arange(2000))
    inside = mask >= 0.5
    count = inside.sum((1, 2, 3))
    mean = (image * inside).sum((1, 2, 3)) / count
    spread = ((image - mean.view(-1, 1, 1, 1)).square() * inside).sum((1, 2, 3)) / count
    assert mask.mean().item() == pytest.approx(0.427, rel=0.03)
    assert mean.mean().item() == pytest.approx(76.3, rel=0.03)
    assert spread.sqrt().mean().item() == pytest.approx(24.0, rel=0.03)
    assert target.mean().item() / 255 == pytest.approx(0.111, rel=0.03)


def test_a_lift_raises_the_divisor_and_not_the_face(shapes: torch.Tensor) -> None:
    face = (20 + smooth(np.random.default_rng(6), 7, H).float() * 0.7).to(torch.uint8)
    face[:, :, 64, 60], face[:, :, 64, 68] = 10, 230
    _, target, _ = Composer(face, shapes, face, replace(WHOLE, stretch=True, lift=0.2))(
        torch.arange(7), 0, np.arange(7)
    )
    # 230 + 51 is cut off at white; 10 + 51 is taken away again.
    expected = (np.minimum(face.numpy() + 51.0, 255) - 61) / 255 * 255
    inside = (shapes == 255).numpy()
    np.testing.assert_allclose(target.numpy()[inside], expected[inside], atol=0.51)
    dark = (face // 2).clamp(max=100)
    _, target, _ = Composer(dark, shapes, face, replace(WHOLE, stretch=True, lift=0.2))(
        torch.arange(7), 0, np.arange(7)
    )
    highest = np.where(shapes.numpy() >= 128, dark.numpy(), 0).max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(
        target.numpy()[inside], ((dark.numpy() - 5.0) / (highest + 51.0) * 255)[inside], atol=0.51
    )


def test_a_mask_is_worn_down_on_all_sides() -> None:
    mask = torch.zeros(2, 1, H, H, dtype=torch.uint8)
    mask[0, :, 30:90, 40:100] = 255
    mask[1] = 255  # what lies outside the cut-out is no face
    for pixels, sides in ((3, (54, 122)), (0, (60, 128))):
        how = replace(WHOLE, erode=pixels)
        found = Composer(mask, mask, mask, how)(torch.arange(2), 0, np.arange(2)).mask
        assert found.sum((1, 2, 3)).tolist() == [side**2 for side in sides]
    half = functional.avg_pool2d(mask.float(), 2).to(torch.uint8)  # 3 pixels of 128 are 1.5, so 2, of 64
    found = Composer(half, half, half, replace(WHOLE, size=64, erode=3))(torch.arange(2), 0, np.arange(2)).mask
    assert found.sum((1, 2, 3)).tolist() == [26**2, 60**2]


def cielab(grey: np.ndarray) -> np.ndarray:
    levels = np.asarray(grey, np.float64) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return np.where(linear > 216 / 24389, 116 * np.cbrt(linear) - 16, 24389 / 27 * linear)


@pytest.mark.parametrize("level", [5, 60, 128, 250])
def test_light_may_be_matched_by_lightness(faces: torch.Tensor, shapes: torch.Tensor, level: int) -> None:
    scene = torch.full((1, 1, H, H), level, dtype=torch.uint8)
    how = replace(WHOLE, light="lightness")
    image, _, _ = Composer(faces, shapes, scene, how)(torch.arange(7), 0, np.arange(7))
    inside = shapes[0, 0].numpy() == 255
    for one, face in zip(image, faces, strict=True):
        mine, weights = cielab(face[0].numpy()), shapes[0, 0].numpy() / 255
        factor = np.clip(cielab(np.array(level)) / ((mine * weights).sum() / weights.sum()), 0.5, 1.5)
        wanted = np.clip(mine * factor, 10, 90)
        assert np.abs(cielab(one[0].numpy()) - wanted)[inside].max() < 0.5


def test_exposure_as_the_authors_do_it(faces: torch.Tensor, shapes: torch.Tensor) -> None:
    rows, numbers = torch.arange(7).repeat(2), np.arange(14)
    plain = Composer(faces, shapes, faces, WHOLE)(rows, 0, numbers)
    how = replace(WHOLE, brightness=0.25, contrast=0.25, gamma=0.25, exposed=0.75, exposure="authors")
    exposed = Composer(faces, shapes, faces, how)(rows, 0, numbers)
    assert torch.equal(exposed.target, plain.target)
    factors = draw(how, 0, numbers, 7).light
    for one, before, (brightness, contrast, gamma) in zip(
        exposed.image.numpy(), plain.image.double().numpy(), factors, strict=True
    ):
        wanted = np.clip(before * brightness, 0, before.max())
        wanted = np.clip(wanted * contrast + 3 * (1 - contrast) * wanted.mean(), 0, wanted.max())
        np.testing.assert_allclose(one, 255 * (wanted / 255) ** (1 / gamma), atol=0.02)


def test_so_many_images_are_exposed_and_filtered_as_asked_for() -> None:
    count = 20_000
    draws = draw(APRIL, 7, np.arange(count), 10)
    # Five standard errors of a share of 20,000 draws are .015.
    assert (draws.light != 1).mean(axis=0) == pytest.approx(np.full(3, 0.75), abs=0.016)
    assert draws.equalised.mean() == pytest.approx(0.25, abs=0.016)
    sides, counts = np.unique(draws.window, return_counts=True)
    assert sides.tolist() == [0, 3, 5, 7]
    assert counts / count == pytest.approx([0.75, 1 / 12, 1 / 12, 1 / 12], abs=0.016)
    assert abs(np.corrcoef(draws.equalised, draws.window > 0)[0, 1]) < 0.04
    plain = draw(replace(APRIL, clahe=0, blur=0, exposed=0.5), 7, np.arange(count), 10)
    assert not plain.equalised.any()
    assert not plain.window.any()
    assert np.array_equal(plain.place, draws.place), "an option leaves the draws of the others"


def test_gaussians_are_normal_and_of_each_image_by_itself() -> None:
    found = gaussians(3, np.arange(50), 401)
    assert found.shape == (50, 401)
    assert kstest(found.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(found[:, :200].ravel(), found[:, 201:].ravel())[0, 1]) < 0.05
    assert np.array_equal(gaussians(3, [7], 401)[0], found[7])


@pytest.mark.parametrize("noise", [0.05, 0.005])
def test_noise_is_of_lightness_and_blurred(faces: torch.Tensor, shapes: torch.Tensor, noise: float) -> None:
    scene = torch.full((1, 1, H, H), 128, dtype=torch.uint8)
    composer = Composer(faces, torch.zeros_like(shapes), scene, replace(WHOLE, blur=1, noise=noise))
    image = composer(torch.arange(7).repeat(4), 0, np.arange(28)).image
    windows = draw(composer.how, 0, np.arange(28), 1).window
    slope = 1 / (cielab(np.array(128.5)) - cielab(np.array(127.5)))  # grey levels for a step of lightness
    for side, squares in ((3, 0.375**2), (5, (70 / 256) ** 2), (7, 0.200684**2)):
        found = image[windows == side].double()
        assert len(found) > 3
        # The variance of a weighted sum of independent numbers is the sum of the squared weights.
        assert found.std().item() == pytest.approx(100 * noise * slope * np.sqrt(squares), rel=0.06)
        assert found.mean().item() == pytest.approx(128, abs=1)


def test_clahe_reaches_the_images_that_are_drawn_for_it(faces: torch.Tensor, shapes: torch.Tensor) -> None:
    rows, numbers = torch.arange(7).repeat(4), np.arange(28)
    plain = Composer(faces, shapes, faces, WHOLE)(rows, 1, numbers)
    composer = Composer(faces, shapes, faces, replace(WHOLE, clahe=0.5))
    found = composer(rows, 1, numbers)
    changed = (found.image != plain.image).flatten(1).any(dim=1).numpy()
    assert np.array_equal(changed, draw(composer.how, 1, numbers, 7).equalised)
    assert 5 < changed.sum() < 23
    assert torch.equal(found.target, plain.target)


def test_a_pass_at_a_smaller_side_is_opencvs_and_not_the_targets(shapes: torch.Tensor) -> None:
    r, c = np.mgrid[:64, :64]
    picture = ((3 * r * r + 7 * c * c + 11 * r * c) // 16 % 200 + (r + c) // 2 % 56).astype(np.uint8)
    scene = torch.from_numpy(picture)[None, None]
    still = replace(STILL, pad=0, crop=1)
    none = torch.zeros(1, 1, 64, 64, dtype=torch.uint8)
    image = Composer(none, none, scene, replace(still, through=0.75))(torch.tensor([0]), 0, [0]).image[0, 0]
    assert image.shape == (64, 64)
    # cv2.resize to 48 and back to 64.
    assert image.sum().item() == pytest.approx(520301.12, rel=1e-5)
    assert image[0, :4].tolist() == pytest.approx([0.0555556, 0.8541667, 2.4375, 4.9826388], abs=1e-3)
    assert image[31, 20:24].tolist() == pytest.approx([163.2747345, 111.7552109, 95.8229141, 127.1679688], abs=1e-3)
    face = smooth(np.random.default_rng(8), 7, 64)
    small = functional.avg_pool2d(shapes.float(), 2).to(torch.uint8)
    first, second = (
        Composer(face, small, scene, replace(still, through=share))(torch.arange(7), 0, np.arange(7))
        for share in (0.75, 0.0)
    )
    assert torch.equal(first.target, second.target)
    assert torch.equal(first.mask, second.mask)


def test_wide_backgrounds_are_cropped_all_over() -> None:
    r, c = np.mgrid[:277, :443]
    wide = torch.from_numpy(np.stack((r % 256, c % 256)).astype(np.uint8))[:, None]  # scenes that say where a pixel is
    none = torch.zeros(1, 1, H, H, dtype=torch.uint8)
    composer = Composer(none, none, wide, STILL)
    assert composer.scenes.shape == (2, 1, 277, 443)
    numbers = np.arange(400)
    image = composer(torch.zeros(400, dtype=torch.long), 0, numbers).image[:, 0]
    draws = draw(STILL, 0, numbers, 2)
    top, left = np.floor(draws.place[:, 0] * (277 - 63)), np.floor(draws.place[:, 1] * (443 - 63))
    lines = torch.arange(64)
    for one, scene, y, x in zip(image, draws.background, top, left, strict=True):
        expected = (int(y) + lines)[:, None] if scene == 0 else (int(x) + lines)[None, :]
        assert torch.equal(one, (expected % 256).expand(64, 64).float())
    assert left.max() > 350


@pytest.mark.parametrize("how", [HEAD, APRIL], ids=["head", "april"])
def test_filtered_images_are_decided_by_seed_number_and_face_too(
    faces: torch.Tensor, shapes: torch.Tensor, scenes: torch.Tensor, how: Composition
) -> None:
    composer = Composer(faces, shapes, scenes, how)
    rows, numbers = torch.arange(21) % 7, np.arange(100, 121)
    draws = draw(how, 9, numbers, len(scenes))
    assert draws.equalised.any()
    assert draws.window.any()
    whole = composer(rows, 9, numbers)
    parts = [composer(rows[a:b], 9, numbers[a:b]) for a, b in pairwise((0, 1, 3, 8, 21))]
    for kind in range(3):
        assert whole[kind].isfinite().all()
        assert torch.equal(whole[kind], torch.cat([part[kind] for part in parts]))
    assert whole.image.min() >= 0
    assert whole.image.max() <= 255


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("how", [HEAD, APRIL], ids=["head", "april"])
def test_a_gpu_filters_the_same(
    faces: torch.Tensor, shapes: torch.Tensor, scenes: torch.Tensor, how: Composition
) -> None:
    # Without CLAHE, whose tables jump where a level is rounded the other way.
    how, rows, numbers = replace(how, clahe=0, blur=0.5), torch.arange(7), np.arange(7)
    here = Composer(faces, shapes, scenes, how)(rows, 1, numbers)
    there = Composer(faces.cuda(), shapes.cuda(), scenes.cuda(), how)(rows.cuda(), 1, numbers)
    for one, other in zip(here, there, strict=True):
        assert torch.allclose(one, other.cpu(), atol=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("warping", ["corners", "smooth"])
def test_a_gpu_composes_the_same(faces: torch.Tensor, shapes: torch.Tensor, scenes: torch.Tensor, warping: str) -> None:
    how = replace(Composition(), warping=warping)
    rows, numbers = torch.arange(7), np.arange(7)
    here = Composer(faces, shapes, scenes, how)(rows, 1, numbers)
    there = Composer(faces.cuda(), shapes.cuda(), scenes.cuda(), how)(rows.cuda(), 1, numbers)
    for one, other in zip(here, there, strict=True):
        assert torch.allclose(one, other.cpu(), atol=0.05)
