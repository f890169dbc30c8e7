"""Random changes of whole batches, on the device, each image with its own draw."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from refer.recipe import Augmentation
from refer.training.data import LUMA
from refer.training.homographies import affine_grid_of
from refer.training.transfer import constant


def augment(images: Tensor, how: Augmentation) -> Tensor:
    """Flip, rotate, scale and shift in one resampling, take colours away, then blank a rectangle of some.

    Args:
        images: (B, C, H, H) float, standardised; borders are continued by reflection.
        how: the ranges to draw from; all zero leaves the images as they are.

    Returns:
        (B, C, H, H) float.
    """
    images = moved(images, how)
    return erase(images, how.erase) if how.erase else images


def moved(images: Tensor, how: Augmentation) -> Tensor:
    """All of `augment` but the blanked rectangle: linear in the pixels, so it may come before they are standardised.

    That is the quicker order, for stored images have one channel where a network may want three.
    """
    if how.rotation or how.scale or how.shift:
        maps = affine_maps(len(images), how, images.device)
        grid = affine_grid_of(maps, images.shape[-1])
        images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    elif how.flip:
        flipped = torch.rand(len(images), device=images.device) < 0.5
        images = torch.where(flipped.view(-1, 1, 1, 1), images.flip(-1), images)
    if how.desaturate and images.shape[1] == 3:
        grey = (images * constant(LUMA, images.device)).sum(dim=1, keepdim=True)
        taken = torch.rand(len(images), device=images.device) < how.desaturate
        images = torch.where(taken.view(-1, 1, 1, 1), grey, images)
    return images


def affine_maps(count: int, how: Augmentation, device: torch.device) -> Tensor:
    """Draw `count` maps (count, 2, 3) from output to input coordinates in -1..1."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, device=device) * (high - low) + low

    angle = uniform(-how.rotation, how.rotation) * (math.pi / 180)
    zoom = 1 / uniform(1 - how.scale, 1 + how.scale)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0) if how.flip else torch.ones(count, device=device)
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    # A shift by a share s of the side is 2s in coordinates that run from -1 to 1.
    x, y = uniform(-2 * how.shift, 2 * how.shift), uniform(-2 * how.shift, 2 * how.shift)
    return torch.stack((torch.stack((cos * mirror, -sin, x), 1), torch.stack((sin * mirror, cos, y), 1)), 1)


def erase(images: Tensor, probability: float) -> Tensor:
    """Random erasing (Zhong et al. 2020): a rectangle of 2 to 25 % of the area, sides within 1:3, set to zero."""
    count, _, height, width = images.shape
    device = images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, 1, device=device) * (high - low) + low

    area, ratio = uniform(0.02, 0.25), uniform(-math.log(3), math.log(3)).exp()
    tall = (area * ratio).sqrt().clamp(max=1) * height
    wide = (area / ratio).sqrt().clamp(max=1) * width
    top, left = uniform(0, 1) * (height - tall), uniform(0, 1) * (width - wide)
    rows = torch.arange(height, device=device)
    columns = torch.arange(width, device=device)
    inside_rows = (rows >= top) & (rows < top + tall)
    inside_columns = (columns >= left) & (columns < left + wide)
    hit = (uniform(0, 1) < probability).view(-1, 1, 1)
    mask = inside_rows[:, :, None] & inside_columns[:, None, :] & hit
    return images.masked_fill(mask[:, None], 0.0)
