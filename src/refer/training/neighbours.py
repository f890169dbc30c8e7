"""Which test images share a batch, and in which order: nothing to most networks, part of the result to some.

A network that reads its batch (`Network.reads_batch`) predicts an image with the help of its neighbours. Its result is
defined only together with the recipe's `test_batch` and `test_order`, which act on such networks alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from refer.recipe import SHUFFLE_SEED, Recipe, at_once, testing
from refer.training.data import Part
from refer.training.transfer import Images, Streamed


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
    return (part if (order == np.arange(len(order))).all() else in_order(part, order)), order


def in_order(part: Part, order: NDArray[np.int64]) -> Part:
    """Return the samples of a part in another order."""
    there = torch.from_numpy(order)
    return replace(
        part,
        inputs=tuple(_taken(each, there) for each in part.inputs),
        labels=part.labels[there.to(part.labels.device)],
        ids=[part.ids[number] for number in order],
        kept=part.kept[order],
        rows=part.rows[order],
    )


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


def _taken(images: Images, order: Tensor) -> Images:
    return images.taken(order.numpy()) if isinstance(images, Streamed) else images[order.to(images.device)]
