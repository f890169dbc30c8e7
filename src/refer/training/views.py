"""How an image is looked at when it is tested: as it is, with its mirror image, or through ten windows.

A view is a window of the image, cut out at whole pixels and brought to the network's size, or its mirror image. Of
several views the probabilities are averaged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from refer.recipe import Recipe

MIDDLE, CORNERS = (0.5, 0.5), ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


class View(NamedTuple):
    """A window of `share` of the side; `place` is 0 to 1 of the room there is, from the top and from the left."""

    share: float = 1.0
    place: tuple[float, float] = MIDDLE
    mirrored: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, h, w), what is seen of the images."""
        height, width = images.shape[-2:]
        tall, wide = round(self.share * height), round(self.share * width)
        top, left = round(self.place[0] * (height - tall)), round(self.place[1] * (width - wide))
        seen = images[..., top : top + tall, left : left + wide]
        return seen.flip(-1) if self.mirrored else seen


def plain_view(recipe: Recipe) -> View:
    """The view that epochs are compared by: all of the image, or its middle where the network learnt from windows."""
    return View(recipe.augmentation.crop)


def views_of(recipe: Recipe) -> list[View]:
    """The views whose mean a prediction is: one, two, or torchvision's TenCrop."""
    if recipe.views == "none":
        return [plain_view(recipe)]
    places = [MIDDLE] if recipe.views == "flip" else [*CORNERS, MIDDLE]
    return [View(recipe.cut, place, mirrored) for mirrored in (False, True) for place in places]


def averaged(logits: Iterable[Tensor]) -> Tensor:
    """The logits (B, K), float32, of each view → logits whose softmax is the mean of their probabilities.

    Of a single view these are its own, to the bit.
    """
    each = [one.float() for one in logits]
    if len(each) == 1:
        return each[0]
    return torch.stack([one.log_softmax(dim=1) for one in each]).logsumexp(dim=0) - math.log(len(each))
