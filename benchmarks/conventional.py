"""The loop that authors of papers write, for benchmarks/training.py alone: files, PIL, a DataLoader, float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from composer import SIDE, one_by_one
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import datasets, transforms

from refer.datasets.outlines import masks
from refer.networks.ferattention import Corrected
from refer.recipe import Augmentation, Recipe
from refer.training.composer import draw
from refer.training.composition import Composition
from refer.training.losses import feratt_terms

FILES = 4000
"""Images that are written for it: more would not change its speed."""


def write_files(prepared: Path, rows: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """Write training images as PNG files, a folder a class, as ImageFolder reads them."""
    images = np.load(prepared / "images.npy", mmap_mode="r")
    for row, label in list(zip(rows, labels, strict=True))[:FILES]:
        place = folder / f"{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[row].squeeze()).save(place / f"{row}.png")


def chain(size: int, how: Augmentation) -> transforms.Compose:
    """The changes of the benchmark's recipe, as torchvision has them; mixup is of a batch, and not among them."""
    light = transforms.ColorJitter(how.brightness, how.contrast)
    corners = transforms.RandomPerspective(how.perspective)
    return transforms.Compose(
        [
            *([transforms.Resize((size, size))] if size != 48 else []),
            transforms.Grayscale(3),
            *([transforms.RandomHorizontalFlip()] if how.flip else []),
            transforms.RandomAffine(
                how.rotation, (how.shift, how.shift), (1 - how.scale, 1 + how.scale), how.shear or None
            ),
            *([corners] if how.perspective else []),
            *([light] if how.brightness or how.contrast else []),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.25] * 3),
            *([transforms.RandomErasing(how.erase)] if how.erase else []),
        ]
    )


class Composing(Dataset[tuple[Tensor, Tensor, int]]):
    """Faces composed on backgrounds one by one, with Pillow and NumPy."""

    def __init__(self, folder: Path, backgrounds: Path, size: int) -> None:
        self.faces = datasets.ImageFolder(folder)
        self.backgrounds = np.load(backgrounds / "backgrounds.npy", mmap_mode="r")
        self.mask = masks([None], SIDE)[0]
        self.how = Composition(size=size)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, int]:
        face, label = self.faces[number]
        drawn = draw(self.how, 0, [int(torch.randint(1 << 30, ()))], len(self.backgrounds))
        background = np.asarray(Image.fromarray(self.backgrounds[int(drawn.background[0])].squeeze()).convert("L"))
        grey = np.asarray(face.convert("L").resize((SIDE, SIDE)))
        image, target, _ = one_by_one(grey, self.mask, background, drawn, self.how)
        ready = (torch.from_numpy(np.array(each))[None].expand(3, -1, -1) / 255 for each in (image, target))
        return (*ready, label)  # type: ignore[return-value]


class Conventional:
    """Steps of such a loop, epoch after epoch."""

    def __init__(
        self, network: nn.Module, folder: Path, recipe: Recipe, workers: int, where: torch.device,
        backgrounds: Path | None,
    ) -> None:  # fmt: skip
        data: Any = datasets.ImageFolder(folder, chain(recipe.image_size, recipe.augmentation))
        if backgrounds is not None:
            data = Composing(folder, backgrounds, recipe.image_size)
        self.loader = DataLoader(
            data, recipe.batch_size, shuffle=True, num_workers=workers, drop_last=True, pin_memory=where.type == "cuda",
            persistent_workers=workers > 0,
        )  # fmt: skip
        self.network, self.where, self.batch = network.to(where).train(), where, recipe.batch_size
        self.mixup = recipe.augmentation.mixup
        self.optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
        self.batches = self._endless()

    def _endless(self) -> Iterator[Any]:
        while True:
            yield from self.loader

    def step(self) -> int:
        """One step; returns its images."""
        *images, labels = (each.to(self.where, non_blocking=True) for each in next(self.batches))
        others, share = labels, 1.0
        if self.mixup:
            share, order = float(np.random.default_rng().beta(self.mixup, self.mixup)), torch.randperm(len(labels))
            images[0], others = share * images[0] + (1 - share) * images[0][order], labels[order]
        output = self.network(images[0])
        if isinstance(output, Corrected):
            loss = torch.stack(list(feratt_terms(output, labels, 7, images[1], structured=False).values())).sum()
        else:
            loss = functional.cross_entropy(output, labels)
            if self.mixup:
                loss = share * loss + (1 - share) * functional.cross_entropy(output, others)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()  # as such loops do for their progress bar
        return self.batch


def training_rows(index: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the training part in the prepared index, and their labels."""
    rows = np.flatnonzero((index["part"] == "train").to_numpy())
    return rows, index["label"].to_numpy()[rows]
