"""Filters of whole batches of grey images: histogram equalisation, Gaussian windows, CIELAB lightness and back.

The first two do what OpenCV does, whose numbers the tests have: feratt2019's authors call `createCLAHE` and
`GaussianBlur`. Lightness is CIE 15's, of sRGB (IEC 61966-2-1), whose white, D65, grey shares.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LEVELS = 256
WINDOWS = {
    3: (0.25, 0.5, 0.25),
    5: (0.0625, 0.25, 0.375, 0.25, 0.0625),
    7: (0.03125, 0.109375, 0.21875, 0.28125, 0.21875, 0.109375, 0.03125),
}
"""Side in pixels → weights along one side, of a window whose standard deviation is not told."""
SLOPE = 24389 / 27
"""L* of luminance 1 on the straight piece near black, which ends at L* = 8."""
LINEAR = 12.92
"""sRGB's level of luminance 1 on its straight piece, which ends at level .04045 (luminance .04045/12.92)."""
KNEE = 0.04045


def blurred(images: Tensor, side: int) -> Tensor:
    """Weight (B, 1, H, W) with a Gaussian window of 3, 5 or 7 pixels; the border is a mirror (its pixels once)."""
    reach, (height, width) = side // 2, images.shape[-2:]
    padded = functional.pad(images, (reach, reach, reach, reach), mode="reflect")
    # Sums, not a convolution, whose last bits depend on how many images there are.
    across, down = torch.zeros_like(padded[..., :width]), torch.zeros_like(images)
    for place, weight in enumerate(WINDOWS[side]):
        across.add_(padded[..., place : place + width], alpha=weight)
    for place, weight in enumerate(WINDOWS[side]):
        down.add_(across[..., place : place + height, :], alpha=weight)
    return down


def equalised(images: Tensor, clip: float = 2.0, tiles: int = 8) -> Tensor:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994).

    Each of `tiles` x `tiles` tiles has a table from level to level: its cumulative histogram, of which what stands
    above `clip` times the mean height (one pixel at least) was cut off and shared out among all levels. A pixel
    takes the mean of the tables of the four tiles around it, weighted by how near their middles are.

    Args:
        images: (B, 1, H, W), 0 to 255; they are rounded.
        clip: multiple of the mean height of a histogram.
        tiles: along each side.

    Returns:
        (B, 1, H, W) whole levels, float.
    """
    count, _, height, width = images.shape
    levels = images.round().clamp(0, LEVELS - 1)
    down, across = -height % tiles, -width % tiles
    whole = functional.pad(levels, (0, across, 0, down), mode="reflect") if down or across else levels
    tall, wide = whole.shape[-2] // tiles, whole.shape[-1] // tiles
    cut = whole.view(count, tiles, tall, tiles, wide).transpose(2, 3).reshape(count * tiles**2, tall * wide).long()
    tables = _tables(cut, clip).view(count, tiles, tiles, LEVELS)
    top, bottom, lower = _neighbours(height, tall, tiles, images.device)
    left, right, further = _neighbours(width, wide, tiles, images.device)
    batch = torch.arange(count, device=images.device).view(-1, 1, 1)
    seen = levels[:, 0].long()

    def by(rows: Tensor, columns: Tensor) -> Tensor:
        return tables[batch, rows.view(1, -1, 1), columns.view(1, 1, -1), seen]

    upper_row = torch.lerp(by(top, left), by(top, right), further.view(1, 1, -1))
    lower_row = torch.lerp(by(bottom, left), by(bottom, right), further.view(1, 1, -1))
    return torch.lerp(upper_row, lower_row, lower.view(1, -1, 1)).round()[:, None]


def _tables(levels: Tensor, clip: float) -> Tensor:
    """(T, n) levels of the pixels of each tile → (T, 256) its table, whole levels in float."""
    tile = levels.shape[1]
    heights = torch.zeros(len(levels), LEVELS, dtype=torch.long, device=levels.device)
    heights.scatter_add_(1, levels, torch.ones_like(levels))
    limit = max(int(clip * tile / LEVELS), 1)
    above = (heights - limit).clamp_min(0).sum(dim=1, keepdim=True)
    each, rest = above // LEVELS, above % LEVELS
    # What cannot be shared out evenly goes to levels at even distances, from black on.
    step = (LEVELS // rest.clamp_min(1)).clamp_min(1)
    places = torch.arange(LEVELS, device=levels.device)
    more = (places % step == 0) & (places // step < rest)
    shared = heights.clamp_max(limit) + each + more
    return (shared.cumsum(dim=1).float() * ((LEVELS - 1) / tile)).round().clamp_(0, LEVELS - 1)


def _neighbours(side: int, tile: int, tiles: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Of each pixel along a side: the tile before it, the one after, and how near the latter is (0 to below 1)."""
    place = torch.arange(side, device=device) / tile - 0.5
    before = place.floor()
    first, second = (before + more for more in (0, 1))
    return first.clamp_min(0).long(), second.clamp_max(tiles - 1).long(), place - before


def lightness(grey: Tensor) -> Tensor:
    """Return L*, 0 to 100, of grey levels 0 to 255.

    L* = 116 Y^(1/3) - 16, where Y = ((v + 0.055) / 1.055)^2.4 and v = grey / 255, with a straight piece near black.
    """
    v = grey / 255
    root = _power((v + 0.055) / 1.055, 0.8)  # the cube root of Y
    low = SLOPE * torch.where(v > KNEE, root**3, v / LINEAR)
    # Below 8 the cube root's curve gives way to a straight line.
    return torch.where(root > 6 / 29, 116 * root - 16, low)


def grey_of(lightness: Tensor) -> Tensor:
    """Return the grey levels, 0 to 255, of L*, 0 to 100: the inverse of `lightness`."""
    luminance = torch.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / SLOPE)
    curved = 1.055 * _power(luminance, 1 / 2.4) - 0.055
    return 255 * torch.where(luminance > KNEE / LINEAR, curved, LINEAR * luminance)


def _power(values: Tensor, exponent: float) -> Tensor:
    """Return what `pow` does of numbers that are not negative, three times as fast."""
    return values.log2().mul_(exponent).exp2_()
