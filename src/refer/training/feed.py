"""What a network is given: batches for training, each drawn anew, and slices for a look at a part, always the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refer.recipe import Recipe
from refer.training.augmentation import augment, erase, moved
from refer.training.changes import Changes, shares
from refer.training.composer import Composer
from refer.training.copies import COPIES, changed, recoded
from refer.training.data import Part, Reader, resized
from refer.training.draws import uniforms
from refer.training.transfer import picked, sent, shrunk
from refer.training.views import View, plain_view

ITSELF = 1 << 20
"""Added to a seed, so that what is drawn for a fixed set is drawn for nothing else."""
CHOICE = 63
"""Place of the stream that says which image of a class is shown, beside those of the network's inputs."""


class Batch(NamedTuple):
    """One tensor (B, …) per input of the network, ready for it; labels (B,).

    `clean` (B, 3, H, W), 0..1, is the face on black that feratt2019's attention loss wants, where it is known. Of
    mixed images `others` (B,) are the labels of the second ones, and `share` (B,), 0..1, what is left of the first.
    """

    inputs: tuple[Tensor, ...]
    labels: Tensor
    clean: Tensor | None = None
    others: Tensor | None = None
    share: Tensor | None = None

    @property
    def foremost(self) -> Tensor:
        """The label (B,) of what an image shows most of."""
        if self.others is None or self.share is None:
            return self.labels
        return torch.where(self.share < 0.5, self.others, self.labels)


class Feed:
    """Images with the recipe's augmentation; each input of a pair is changed by itself."""

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, seed: int = 0) -> None:
        self.part = part
        self.reader = reader
        self.recipe = recipe
        self.seed = seed
        self.changes = Changes(recipe.augmentation, reader)
        self.classes = by_class(part.labels.cpu().numpy()) if recipe.balanced else []

    def __len__(self) -> int:
        """Items of an epoch."""
        return len(self.part)

    def rows(self, items: Tensor, epoch: int) -> Tensor:
        """Which samples (B,), numbers on the host, the items (B,) of an epoch show.

        Item n shows sample n modulo their number. Of a balanced recipe it shows class n modulo the classes that are
        there, and of this class any sample, drawn anew with replacement.
        """
        if not self.recipe.balanced:
            return items if len(self) <= len(self.part) else items % len(self.part)
        numbers = items.numpy()
        u = uniforms(self._stream(CHOICE), numbers + epoch * len(self), 1)[:, 0]
        counts = np.array([len(each) for each in self.classes])
        turn = numbers % len(counts)
        starts = np.cumsum(counts) - counts
        chosen = np.concatenate(self.classes)[starts[turn] + (u * counts[turn]).astype(np.int64)]
        return torch.from_numpy(chosen)

    def labels(self, items: Tensor) -> Tensor:
        """The labels of `items` (B,), on the device."""
        return self.part.labels[sent(items, self.part.labels.device)]

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """Return the training batch of `items` (B,), numbers on the host, in the epoch so numbered."""
        how, rows = self.recipe.augmentation, self.rows(items, epoch)
        images = [picked(each, rows) for each in self.part.inputs]
        if how.extended:
            numbers = items.numpy() + epoch * len(self)
            inputs = tuple(self.changes(each, self._stream(place), numbers) for place, each in enumerate(images))
            return self._mixed(Batch(inputs, self.labels(rows)), numbers)
        inputs = tuple(self.reader(moved(resized(each.float(), self.reader.size), how)) for each in images)
        if how.erase:
            inputs = tuple(erase(each, how.erase) for each in inputs)
        return Batch(inputs, self.labels(rows))

    def _stream(self, place: int) -> int:
        """The seed of what is drawn for one of the network's inputs."""
        return self.seed + ITSELF * (1 + place)

    def _mixed(self, batch: Batch, numbers: NDArray[np.int64]) -> Batch:
        """Mix each image with the one before it in the batch, which is in random order, if the recipe says so."""
        how = self.recipe.augmentation
        if not how.mixup:
            return batch
        drawn = shares(how, self._stream(0), numbers).astype(np.float32)
        share = sent(drawn, batch.labels.device)
        mixed = (each.roll(1, 0).lerp_(each, share.view(-1, 1, 1, 1)) for each in batch.inputs)
        inputs = tuple(each.contiguous(memory_format=self.reader.layout) for each in mixed)
        return batch._replace(inputs=inputs, others=batch.labels.roll(1), share=share)

    def look(self, start: int, stop: int, view: View | None = None) -> Batch:
        """Return samples `start` to `stop` of the part as they are, through the recipe's plain view or another."""
        seen = view or plain_view(self.recipe)
        inputs = tuple(self.reader(seen(images[start:stop])) for images in self.part.inputs)
        return Batch(inputs, self.part.labels[start:stop])


class CopiesFeed(Feed):
    """naseem2025's 26 copies of each image: an epoch sees all of them.

    `fixed` gives the same copies in every epoch, as files made beforehand are; otherwise they are drawn anew.
    """

    def __len__(self) -> int:
        return COPIES * len(self.part)

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """See `Feed.draw`: item n is copy n % 26 of sample n // 26."""
        numbers = items.numpy()
        rows = torch.from_numpy(numbers // COPIES)
        stream = numbers if self.recipe.augmentation.copies == "fixed" else numbers + epoch * len(self)
        inputs = tuple(
            self.reader(self._copy(picked(images, rows), numbers % COPIES, self._stream(place), stream))
            for place, images in enumerate(self.part.inputs)
        )
        return Batch(inputs, self.labels(rows))

    def _copy(self, images: Tensor, copies: NDArray[np.int64], seed: int, numbers: NDArray[np.int64]) -> Tensor:
        quality = self.recipe.augmentation.jpeg
        made = changed(images.float(), copies, seed, numbers)
        return recoded(made, copies, quality) if quality else made


class FeatureFeed(Feed):
    """What frozen branches made of each image, computed once."""

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """See `Feed.draw`."""
        rows = self.rows(items, epoch)
        return Batch(tuple(picked(features, rows) for features in self.part.inputs), self.labels(rows))

    def look(self, start: int, stop: int, view: View | None = None) -> Batch:
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
        rows = self.rows(items, epoch)
        images, masks = picked(self.part.inputs[0], rows), picked(self.masks, rows)
        if self.recipe.augmentation.extended:
            return self._changed(images, masks, items, epoch)
        both = augment(torch.cat((self.reader(images), self.reader(masks)[:, :1]), dim=1), self.recipe.augmentation)
        images, masks = both[:, :-1], both[:, -1:]
        return Batch((images.contiguous(memory_format=self.reader.layout),), self.labels(rows), images * masks)

    def _changed(self, images: Tensor, masks: Tensor, items: Tensor, epoch: int) -> Batch:
        changes = self.changes
        if masks.shape[-1] > images.shape[-1]:
            masks = shrunk(masks, images.shape[-1])
        drawn = changes.draw(images, self._stream(0), items.numpy() + epoch * len(self))
        both = changes.warped(torch.cat((images, masks), dim=1).float(), drawn)
        images = changes.erased(self.reader(changes.lit(both[:, :-1], drawn)), drawn)
        masks = changes.erased(self.reader(both[:, -1:])[:, :1], drawn)
        return Batch((images,), self.labels(self.rows(items, epoch)), images * masks)


class ComposedFeed(Feed):
    """feratt2019's synthetic images: faces composed on backgrounds, new ones in every epoch."""

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, composer: Composer, seed: int = 0) -> None:
        super().__init__(part, reader, recipe, seed)
        self.composer = composer

    def __len__(self) -> int:
        return self.recipe.draws or len(self.part)

    def draw(self, items: Tensor, epoch: int) -> Batch:
        """See `Feed.draw`."""
        numbers = items.numpy()
        rows = sent(self.rows(items, epoch), self.part.labels.device)
        composed = self.composer(rows, self.seed, numbers + epoch * len(self))
        images = self.reader(composed.image).contiguous(memory_format=self.reader.layout)
        return Batch((images,), self.part.labels[rows], self.reader(composed.target))


def by_class(labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the places of each class that is among the labels (N,), by class."""
    return [np.flatnonzero(labels == each) for each in np.unique(labels)]
