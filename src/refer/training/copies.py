"""naseem2025's augmentation: each training image and 25 changed copies of it, made on the device as they are needed.

| copies | change (torchvision's transform)          | drawn                                         | filled with |
|--------|-------------------------------------------|-----------------------------------------------|-------------|
| 1      | none                                      |                                               |             |
| 5      | rotation (RandomRotation)                 | ±20°                                          | black       |
| 5      | zoom out (RandomZoomOut)                  | side 1 to 1.5 times the image's, place        | grey 123    |
| 5      | perspective (RandomPerspective)           | each corner, inwards, up to a quarter of a side | black     |
| 5      | rotation with shear (RandomAffine)        | ±20°, shear ±0.2°                             | black       |
| 5      | horizontal flip: five equal copies        |                                               |             |

All resampling is bilinear. What is drawn for copy k of image i depends on a seed and a number alone
(`refer.training.draws`): with the same number in each epoch the copies are a fixed, enumerated set, as published;
with a new one they are a sample of the same distribution.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from refer.training.draws import uniforms
from refer.training.homographies import grid_of, perspectives
from refer.training.transfer import sent

COPIES = 26
"""The image itself, and five copies of each of five kinds."""
ANGLE, SHEAR, ZOOM, DISTORTION = 20.0, 0.2, 1.5, 0.5
GREY = 123.0
_KINDS = np.array([0, *np.repeat(np.arange(1, 6), 5)])


def changed(images: Tensor, copies: NDArray[np.int64], seed: int, numbers: NDArray[np.int64]) -> Tensor:
    """Return copy number `copies[i]` (0..25) of each image.

    Args:
        images: (B, C, H, W) float32, 0..255, square.
        copies: (B,) which copy.
        seed: of what is drawn.
        numbers: (B,) the stream that each image draws from, see `draws.uniforms`.

    Returns:
        (B, C, H, W) float32, 0..255.
    """
    kinds = _KINDS[copies]
    maps = sent(homographies(kinds, uniforms(seed, numbers, 10)).astype(np.float32), images.device)
    fill = sent(np.where(kinds == 2, GREY, 0.0).astype(np.float32), images.device).view(-1, 1, 1, 1)
    grid = grid_of(maps, images.shape[-1])
    warped = functional.grid_sample(images - fill, grid, padding_mode="zeros", align_corners=False)
    return warped + fill


def recoded(images: Tensor, copies: NDArray[np.int64], quality: int) -> Tensor:
    """Return the images as they are after being saved as JPEG and read again, as files made beforehand are.

    Args:
        images: (B, C, H, W) float32, 0..255, of one or three channels.
        copies: (B,) which copy each is; copy 0, the image itself, is not saved again.
        quality: of Pillow, whose own choice where nothing is said is 75, with colours at half the resolution.

    Returns:
        (B, C, H, W) float32, 0..255, on the same device.
    """
    pixels = images.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    result = images.clone()
    for place in np.flatnonzero(copies > 0):
        file = io.BytesIO()
        Image.fromarray(pixels[place].squeeze(-1) if pixels.shape[-1] == 1 else pixels[place]).save(
            file, "JPEG", quality=quality
        )
        read = torch.from_numpy(np.array(Image.open(file))).float()
        result[place] = (read[None] if read.ndim == 2 else read.permute(2, 0, 1)).to(result.device)
    return result


def homographies(kinds: NDArray[np.int64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (B, 3, 3): where in the image a point of the copy lies, both in coordinates from -1 to 1.

    `kinds` (B,) is 0 (as it is), 1 rotation, 2 zoom out, 3 perspective, 4 rotation with shear, 5 flip; `u`
    (B, 10) is uniform in 0..1.
    """
    count = len(kinds)
    maps = np.tile(np.eye(3), (count, 1, 1))
    angle = np.deg2rad((2 * u[:, 0] - 1) * ANGLE)
    turned = (kinds == 1) | (kinds == 4)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.stack((np.stack((cos, -sin), 1), np.stack((sin, cos), 1)), 1)
    shear = np.tile(np.eye(2), (count, 1, 1))
    shear[:, 0, 1] = np.where(kinds == 4, np.tan(np.deg2rad((2 * u[:, 1] - 1) * SHEAR)), 0.0)
    maps[turned, :2, :2] = (rotation @ shear)[turned]
    zoom = 1 + (ZOOM - 1) * u[:, 0]
    out = kinds == 2
    for axis in range(2):
        maps[out, axis, axis] = zoom[out]
        maps[out, axis, 2] = ((zoom - 1) * (1 - 2 * u[:, 1 + axis]))[out]
    maps[kinds == 5, 0, 0] = -1
    tilted = kinds == 3
    if tilted.any():
        maps[tilted] = perspectives(u[tilted, 2:10].reshape(-1, 4, 2), DISTORTION)
    return maps
