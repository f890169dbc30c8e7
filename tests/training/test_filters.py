"""Filters of composed images against OpenCV's numbers and slow computations in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from refer.training.filters import blurred, equalised, grey_of, lightness


def picture(height: int, width: int) -> np.ndarray:
    """A picture by formula, whose filtered numbers OpenCV 5.0 gave."""
    r, c = np.mgrid[:height, :width]
    return ((3 * r * r + 7 * c * c + 11 * r * c) // 16 % 200 + (r + c) // 2 % 56).astype(np.uint8)


def batch(*pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(pictures)[:, None]).float()


@pytest.mark.parametrize(
    ("height", "width", "clip", "tiles", "total", "squares", "row", "first"),
    [
        (64, 64, 2.0, 8, 537069, 91168545, 32, [184, 248, 68, 128, 191, 16]),
        (48, 48, 2.0, 8, 307382, 52529770, 24, [203, 250, 47, 96, 157, 203]),
        (50, 36, 2.0, 8, 241229, 41040495, 25, [218, 14, 53, 108, 152, 194]),
    ],
)
def test_equalising_gives_opencvs_levels(
    height: int, width: int, clip: float, tiles: int, total: int, squares: int, row: int, first: list[int]
) -> None:
    found = equalised(batch(picture(height, width)), clip, tiles)[0, 0].long()
    # A level that lies between two is rounded up here and down there: of 2,304 pixels 26 differ, by one.
    assert found.sum().item() == pytest.approx(total, abs=0.01 * height * width)
    assert found.square().sum().item() == pytest.approx(squares, rel=1e-4)
    assert (found[row, width // 2 : width // 2 + 6] - torch.tensor(first)).abs().max() <= 1


@pytest.mark.parametrize(("clip", "total"), [(40.0, 2100591), (3.0, 2101490)])
def test_equalising_with_other_limits_gives_opencvs_levels(clip: float, total: int) -> None:
    found = equalised(batch(picture(128, 128)), clip, 4)[0, 0]
    assert found.sum().item() == total
    assert found[5, :6].tolist() == [3, 5, 9, 16, 26, 37]


def equalised_by_hand(image: np.ndarray, clip: float, tiles: int) -> np.ndarray:
    """Zuiderveld's method, pixel by pixel."""
    high, wide = (side // tiles for side in image.shape)
    tables = np.zeros((tiles, tiles, 256))
    for i in range(tiles):
        for j in range(tiles):
            tile = image[i * high : (i + 1) * high, j * wide : (j + 1) * wide]
            heights = [int((tile == level).sum()) for level in range(256)]
            limit = max(1, int(clip * tile.size / 256))
            above = sum(max(0, each - limit) for each in heights)
            heights = [min(each, limit) + above // 256 for each in heights]
            left = above % 256
            for level in range(0, 256, max(1, 256 // left) if left else 1):
                if left:
                    heights[level], left = heights[level] + 1, left - 1
            tables[i, j] = np.rint(np.cumsum(heights) * 255 / tile.size)
    out = np.zeros(image.shape)
    for r in range(image.shape[0]):
        for c in range(image.shape[1]):
            y, x = (r / high) - 0.5, (c / wide) - 0.5
            i, j = int(np.floor(y)), int(np.floor(x))
            for di, across in ((0, 1 - (y - i)), (1, y - i)):
                for dj, down in ((0, 1 - (x - j)), (1, x - j)):
                    table = tables[min(max(i + di, 0), tiles - 1), min(max(j + dj, 0), tiles - 1)]
                    out[r, c] += across * down * table[image[r, c]]
    return out


@pytest.mark.parametrize(("side", "tiles", "clip"), [(32, 8, 2.0), (24, 2, 6.0)])
def test_equalising_is_its_method_for_each_image_of_a_batch(side: int, tiles: int, clip: float) -> None:
    rng = np.random.default_rng(side)
    pictures = [picture(side, side), rng.integers(0, 256, (side, side), dtype=np.uint8), np.full((side, side), 7, "u1")]
    found = equalised(batch(*pictures), clip, tiles)
    for one, expected in zip(found, pictures, strict=True):
        assert np.abs(one[0].numpy() - equalised_by_hand(expected, clip, tiles)).max() <= 0.5001


def test_equalising_leaves_what_it_is_given() -> None:
    images = batch(picture(64, 64))
    before = images.clone()
    equalised(images)
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    ("side", "total", "corner", "inside"),
    [
        (3, 45254.312, [0.5, 1.25, 3.25, 6.25], [114.875, 129.875, 145.875]),
        (5, 45247.836, [1.1875, 1.9609375, 4.078125, 7.21875], [115.1953125, 130.23828125, 146.171875]),
        (7, 45249.32, [2.375, 3.13818359375, 5.283203125, 8.568359375],
         [115.7646484375, 130.604736328125, 143.7705078125]),
    ],
)  # fmt: skip
def test_blurring_gives_opencvs_levels(side: int, total: float, corner: list[float], inside: list[float]) -> None:
    found = blurred(batch(picture(20, 24)), side)[0, 0]
    assert found.sum().item() == pytest.approx(total, rel=1e-6)
    assert found[0, :4].tolist() == pytest.approx(corner, abs=1e-4)
    assert found[9, 9:12].tolist() == pytest.approx(inside, abs=1e-4)


def test_lightness_is_cies() -> None:
    grey = torch.arange(256.0)
    levels = grey.double().numpy() / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    expected = np.where(linear > 216 / 24389, 116 * np.cbrt(linear) - 16, 24389 / 27 * linear)
    np.testing.assert_allclose(lightness(grey).numpy(), expected, atol=1e-4)
    # scikit-image's rgb2lab of greys.
    some = lightness(torch.tensor([0.0, 1, 10, 50, 119, 128, 200, 255])).tolist()
    stated = [0, 0.2741735, 2.74173496, 20.78777714, 50.03443879, 53.58501345, 80.60408286, 100]
    assert some == pytest.approx(stated, abs=2e-3)
    torch.testing.assert_close(grey_of(lightness(grey)), grey, rtol=0, atol=1e-3)
