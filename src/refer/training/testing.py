"""How a network is tested: through which views of an image, in which batches, in which order.

A view is a window of the image, cut out at whole pixels and brought to the network's size, or its mirror image. Of
several views the probabilities are averaged.

A network that reads its batch (`Network.reads_batch`) predicts an image with the help of its neighbours. Its result is
defined only together with the recipe's `test_batch` and `test_order`, which act on such networks alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from refer.recipe import SHUFFLE_SEED, Recipe, at_once, testing
from refer.training.data import Part

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


def order_of(labels: NDArray[np.integer], order: str) -> NDArray[np.int64]:
    """Return the numbers (N,) of test images in the order in which they are tested.

    Args:
        labels: (N,) of the images, in the order of the data set's index.
        order: `file` keeps that order; `shuffled` draws one, the same for every method and seed; `class` goes class by
            class, each in the order of the index, as a loader of folders (torchvision's ImageFolder) yields them.
    """
    if order == "shuffled":
        return np.random.default_rng(SHUFFLE_SEED).permutation(len(labels))
    return np.argsort(labels, kind="stable") if order == "class" else np.arange(len(labels))


def arranged(network: nn.Module, part: Part, recipe: Recipe) -> tuple[Part, NDArray[np.int64]]:
    """Return a part in the order in which a network is tested on it, and the numbers of its samples in that order."""
    reads = getattr(network, "reads_batch", False)
    order = order_of(part.labels.cpu().numpy(), recipe.test_order if reads else "file")
    return (part if (order == np.arange(len(order))).all() else part.taken(order)), order


def together(network: nn.Module, recipe: Recipe) -> int:
    """How many test images a network is given at once: where it matters, as many as the recipe says."""
    return recipe.at_once if getattr(network, "reads_batch", False) else at_once(recipe.image_size)


def warn(network: nn.Module, recipe: Recipe) -> None:
    """Say in the log where predictions depend on the batch, and on which; or that these keys have no effect."""
    if getattr(network, "reads_batch", False):
        print(
            "warning: this network predicts an image with the help of the others in its batch, so that its result "
            f"holds for these batches alone: {testing(recipe.as_dict())}.",
            flush=True,
        )
    elif recipe.test_batch is not None or recipe.test_order != "file":
        print("test_batch and test_order have no effect: this network predicts each image by itself.", flush=True)
