"""What a network is given: batches for training, each drawn anew, and slices of a part for tests, always the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from refer.recipe import Augmentation, Recipe
from refer.training.augment import COPIES, Augment, shares, uniforms
from refer.training.composer import Composer
from refer.training.data import Part, Reader, picked, sent, shrunk
from refer.training.testing import View, plain_view

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


class Loader:
    """Images with the recipe's augmentation; each input of a pair is changed by itself.

    With `copies` an epoch sees all 26 of each image: item n is copy n % 26 of sample n // 26. `fixed` gives the same
    copies in every epoch, as files made beforehand are; `sampled` draws them anew.
    """

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, seed: int = 0) -> None:
        self.part, self.reader, self.recipe, self.seed = part, reader, recipe, seed
        self.augment = Augment(recipe.augmentation, reader)
        labels = part.labels.cpu().numpy()
        self.by_class = [np.flatnonzero(labels == each) for each in np.unique(labels)] if recipe.balanced else []

    def __len__(self) -> int:
        """Items of an epoch."""
        return len(self.part) * (COPIES if self.augment.copies else 1)

    def rows(self, items: Tensor, epoch: int) -> Tensor:
        """Which samples (B,), numbers on the host, the items (B,) of an epoch show.

        Item n shows sample n modulo their number. Of a balanced recipe it shows class n modulo the classes that are
        there, and of this class any sample, drawn anew with replacement.
        """
        if self.augment.copies:
            return items // COPIES
        if not self.recipe.balanced:
            return items if len(self) <= len(self.part) else items % len(self.part)
        numbers = items.numpy()
        u = uniforms(self._stream(CHOICE), numbers + epoch * len(self), 1)[:, 0]
        counts = np.array([len(each) for each in self.by_class])
        turn = numbers % len(counts)
        starts = np.cumsum(counts) - counts
        chosen = np.concatenate(self.by_class)[starts[turn] + (u * counts[turn]).astype(np.int64)]
        return torch.from_numpy(chosen)

    def train_batch(self, items: Tensor, epoch: int) -> Batch:
        """Return the training batch of `items` (B,), numbers on the host, in the epoch so numbered."""
        rows, numbers, copies = self.rows(items, epoch), items.numpy(), None
        if self.augment.copies:
            copies = numbers % COPIES
        if self.recipe.augmentation.copies != "fixed":
            numbers = numbers + epoch * len(self)
        inputs = tuple(
            self.augment(picked(each, rows), self._stream(place), numbers, copies)
            for place, each in enumerate(self.part.inputs)
        )
        return self._mixed(Batch(inputs, self._labels(rows)), numbers)

    def test_batch(self, start: int, stop: int, view: View | None = None) -> Batch:
        """Return samples `start` to `stop` of the part as they are, through the recipe's plain view or another."""
        seen = view or plain_view(self.recipe)
        inputs = tuple(self.reader(seen(images[start:stop])) for images in self.part.inputs)
        return Batch(inputs, self.part.labels[start:stop])

    def _stream(self, place: int) -> int:
        """The seed of what is drawn for one of the network's inputs."""
        return self.seed + ITSELF * (1 + place)

    def _labels(self, rows: Tensor) -> Tensor:
        """The labels of samples (B,), on the device."""
        return self.part.labels[sent(rows, self.part.labels.device)]

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


class FeatureLoader(Loader):
    """What frozen branches made of each image, computed once; features are not augmented."""

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, seed: int = 0) -> None:
        super().__init__(part, reader, recipe.model_copy(update={"augmentation": Augmentation()}), seed)

    def train_batch(self, items: Tensor, epoch: int) -> Batch:
        """See `Loader.train_batch`."""
        rows = self.rows(items, epoch)
        return Batch(tuple(picked(features, rows) for features in self.part.inputs), self._labels(rows))

    def test_batch(self, start: int, stop: int, view: View | None = None) -> Batch:
        """See `Loader.test_batch`."""
        return Batch(tuple(each[start:stop] for each in self.part.inputs), self.part.labels[start:stop])


class CleanLoader(Loader):
    """Real images of feratt2019, with the face alone (by its outline, `masks` (N, 1, H, W) uint8) as the clean one."""

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, masks: Tensor, seed: int = 0) -> None:
        super().__init__(part, reader, recipe, seed)
        self.masks = masks

    def train_batch(self, items: Tensor, epoch: int) -> Batch:
        """See `Loader.train_batch`; image and mask are changed together."""
        rows = self.rows(items, epoch)
        images, masks = picked(self.part.inputs[0], rows), picked(self.masks, rows)
        if masks.shape[-1] > images.shape[-1]:
            masks = shrunk(masks, images.shape[-1])
        numbers = items.numpy() + epoch * len(self)
        images, masks = self.augment.with_masks(images, masks, self._stream(0), numbers)
        return Batch((images,), self._labels(rows), images * masks)


class ComposedLoader(Loader):
    """feratt2019's synthetic images: faces composed on backgrounds, new ones in every epoch."""

    def __init__(self, part: Part, reader: Reader, recipe: Recipe, composer: Composer, seed: int = 0) -> None:
        super().__init__(part, reader, recipe, seed)
        self.composer = composer

    def __len__(self) -> int:
        return self.recipe.draws or len(self.part)

    def train_batch(self, items: Tensor, epoch: int) -> Batch:
        """See `Loader.train_batch`."""
        rows = self.rows(items, epoch)
        composed = self.composer(sent(rows, self.part.labels.device), self.seed, items.numpy() + epoch * len(self))
        return Batch((self.reader(composed.image),), self._labels(rows), self.reader(composed.target))
