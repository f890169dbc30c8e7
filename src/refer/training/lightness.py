"""CIELAB lightness of grey levels, and back (CIE 15; sRGB by IEC 61966-2-1, whose white, D65, grey shares)."""

from __future__ import annotations

import torch
from torch import Tensor

SLOPE = 24389 / 27
"""L* of luminance 1 on the straight piece near black, which ends at L* = 8."""
LINEAR = 12.92
"""sRGB's level of luminance 1 on its straight piece, which ends at level .04045 (luminance .04045/12.92)."""
KNEE = 0.04045


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
