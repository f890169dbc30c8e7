"""What a network is given: batches for training, each drawn anew, and slices for a look at a part, always the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from refer.spec import Recipe
from refer.training.augmentation import augment
from refer.training.composer import Composer
from refer.training.copies import COPIES, changed
from refer.training.data import Part, Reader

ITSELF = 1 << 20
"""Added to a seed, so that what is drawn for a fixed set is drawn for nothing else."""


class Batch(NamedTuple):
    """One tensor (B, …) per input of the network, ready for it; labels (B,).

    `clean` (B, 3, H, W), 0..1, is the face on black that feratt2019's attention loss wants, where it is known.
    """

    inputs: tuple[Tensor, ...]
    labels: Tensor
    clean: Tensor | None = None


class Feed:
    """Resident images with the recipe's augmentation; each input of a pair is changed by itself."""

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, seed: int = 0) -> None:
        self.part = part
        self.reader = reader
        self.recipe = recipe
        self.seed = seed

    def __len__(self) -> int:
        """Items of an epoch."""
        return len(self.part)

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """Return the training batch of `items` (B,), numbers below the feed's length, in the epoch so numbered."""
        rows = items.to(self.part.labels.device)
        how = self.recipe.augmentation
        inputs = tuple(
            augment(self.reader(images[rows]), how).contiguous(memory_format=self.reader.format)
            for images in self.part.inputs
        )
        return Batch(inputs, self.part.labels[rows])

    def look(self, start: int, stop: int) -> Batch:
        """Return samples `start` to `stop` of the part as they are."""
        inputs = tuple(self.reader(images[start:stop]) for images in self.part.inputs)
        return Batch(inputs, self.part.labels[start:stop])


class CopiesFeed(Feed):
    """naseem2025's 26 copies of each image: an epoch sees all of them.

    `fixed` gives the same copies in every epoch, as files made beforehand are; otherwise they are drawn anew.
    """

    def __len__(self) -> int:
        return COPIES * len(self.part)

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """See `Feed.draw`: item n is copy n % 26 of sample n // 26."""
        numbers = items.cpu().numpy().astype(np.int64)
        rows = torch.from_numpy(numbers // COPIES).to(self.part.labels.device)
        stream = numbers if self.recipe.augmentation.copies == "fixed" else numbers + epoch * len(self)
        inputs = tuple(
            self.reader(changed(images[rows].float(), numbers % COPIES, self.seed + ITSELF * (1 + place), stream))
            for place, images in enumerate(self.part.inputs)
        )
        return Batch(inputs, self.part.labels[rows])


class FeatureFeed(Feed):
    """What frozen branches made of each image, computed once."""

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """See `Feed.draw`."""
        rows = items.to(self.part.labels.device)
        return Batch(tuple(features[rows] for features in self.part.inputs), self.part.labels[rows])

    def look(self, start: int, stop: int) -> Batch:
        """See `Feed.look`."""
        inputs = tuple(features[start:stop] for features in self.part.inputs)
        return Batch(inputs, self.part.labels[start:stop])


class CleanFeed(Feed):
    """Real images of feratt2019, with the face alone (by its outline, `masks` (N, 1, H, W) uint8) as the clean one."""

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, masks: Tensor, seed: int = 0) -> None:
        super().__init__(part, reader, recipe, seed)
        self.masks = masks

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """See `Feed.draw`; image and mask are changed together."""
        rows = items.to(self.part.labels.device)
        images = self.reader(self.part.inputs[0][rows])
        masks = self.reader(self.masks[rows])[:, :1]
        both = augment(torch.cat((images, masks), dim=1), self.recipe.augmentation)
        images, masks = both[:, :-1], both[:, -1:]
        return Batch((images.contiguous(memory_format=self.reader.format),), self.part.labels[rows], images * masks)


class ComposedFeed(Feed):
    """feratt2019's synthetic images: faces composed on backgrounds, new ones in every epoch."""

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, composer: Composer, seed: int = 0) -> None:
        super().__init__(part, reader, recipe, seed)
        self.composer = composer

    def __len__(self) -> int:
        return self.recipe.draws or len(self.part)

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """See `Feed.draw`: item n shows face n modulo their number."""
        numbers = items.cpu().numpy().astype(np.int64)
        rows = torch.from_numpy(numbers % len(self.part)).to(self.part.labels.device)
        composed = self.composer(rows, self.seed, numbers + epoch * len(self))
        images = self.reader(composed.image).contiguous(memory_format=self.reader.format)
        return Batch((images,), self.part.labels[rows], self.reader(composed.target))
