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
    root = ((v + 0.055) / 1.055).pow(0.8)  # the cube root of Y
    low = SLOPE * torch.where(v > KNEE, root**3, v / LINEAR)
    # Below 8 the cube root's curve gives way to a straight line; there luminance is at most 216/24389.
    return torch.where(root > 6 / 29, 116 * root - 16, low)


def grey_of(lightness: Tensor) -> Tensor:
    """Return the grey levels, 0 to 255, of L*, 0 to 100: the inverse of `lightness`."""
    root = (lightness + 16) / 116
    luminance = lightness / SLOPE
    dark = torch.where(
        luminance > KNEE / LINEAR, 1.055 * luminance.clamp_min(0).pow(1 / 2.4) - 0.055, LINEAR * luminance
    )
    return 255 * torch.where(lightness > 8, 1.055 * root.clamp_min(0).pow(1.25) - 0.055, dark)
