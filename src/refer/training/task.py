"""What one run trains on, with which network: everything that its epochs repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from refer.datasets.outlines import masks as masks_of
from refer.errors import UserError
from refer.networks import catalog
from refer.networks.weights import load_state
from refer.plan import Run
from refer.recipe import at_once
from refer.training import checkpoint
from refer.training.composer import composed_set, load_composer
from refer.training.data import Part, Reader, load_part, placed, without
from refer.training.loader import CleanLoader, ComposedLoader, FeatureLoader, Loader
from refer.training.testing import View, arranged, plain_view, warn

EXTRACTED = 256
"""Images whose features are computed at once."""
COMPOSED_SEED = 2019
"""Of composed test images: the same for every method and seed, so that all are tested on the same images."""


@dataclass(frozen=True)
class Task:
    """A network and what it is given: `train` to learn from, `validation` to compare epochs on.

    `train` is None where nothing learns: a rule over trained networks, or a trained network that is tested on other
    images. `paced` is the part whose accuracy the schedule takes, where that is not the validation part.
    """

    network: nn.Module
    reader: Reader
    train: Loader | None
    validation: Loader
    validation_name: str
    paced: Loader | None = None

    @property
    def learns(self) -> bool:
        """Whether there is anything to train."""
        return self.train is not None


def build_task(
    run: Run,
    prepared: Path,
    index: pd.DataFrame,
    classes: int,
    where: torch.device,
    parents: Mapping[str, Path],
    backgrounds: Path | None,
) -> Task:
    """Build the network with its initial weights, and load what it learns from.

    Args:
        run: the cell.
        prepared: folder of the prepared data.
        index: as `data.load_index` returns it.
        classes: K.
        where: the device.
        parents: branch of the network, or `network` for all of it → checkpoint of the run that it needs.
        backgrounds: folder of backgrounds.npy, for a run that composes.

    Raises:
        UserError: unfitting data, or a parent that is missing or of another shape.
    """
    network, reader = placed(network_of(run, classes, parents), run, where)
    warn(network, run.recipe)
    how, name = run.recipe, run.select if run.select != "last" else run.evaluated[0]
    learns = any(parameter.requires_grad for parameter in network.parameters())
    # Frozen branches see an image as it is, and always make the same of it: once is enough.
    once = getattr(network, "frozen", False) and (how.frozen_features == "once" if learns else how.views == "none")

    def loader(part: Part) -> Loader:
        if once:
            return FeatureLoader(extracted(network, reader, part, plain_view(how)), reader, how)
        return Loader(part, reader, how)

    def tested(part_name: str) -> Loader:
        part = evaluated_part(run, prepared, index, part_name, where, backgrounds, kept_only=True)
        return loader(arranged(network, part, how)[0])

    train = None
    if learns:
        learnt = without(index, how.leave_out, run.seed)
        part = _part(run, prepared, learnt, "train", where, whole=_composes(run), kept_only=True)
        train = loader(part) if once else _train_loader(run, part, prepared, index, reader, where, backgrounds)
    paced = tested(run.rate_by) if learns and run.rate_by is not None else None
    return Task(network, reader, train, tested(name), name, paced)


def network_of(run: Run, classes: int, parents: Mapping[str, Path]) -> nn.Module:
    """Build the network of a run with the weights that its seed and its parents give it; see `build_task`."""
    torch.manual_seed(run.seed)
    network = catalog.build(run.network if run.tests is None else catalog.without_weights(run.network), classes)
    start_from(network, run, parents)
    return network


def start_from(network: nn.Module, run: Run, parents: Mapping[str, Path]) -> None:
    """Give branches the weights of the runs that they begin with, or all of a network those that are tested.

    Raises:
        UserError: a checkpoint is missing, or of another shape.
    """
    missing = [branch for branch in run.parents if branch not in parents]
    if missing:
        what = "the network" if run.tests else f"the branch {missing[0]!r}"
        raise UserError(f"{run.path}: no checkpoint of {run.parents[missing[0]]} for {what}.")
    states = {branch: checkpoint.load(parents[branch])[0]["network"] for branch in run.parents}
    if run.tests is not None:
        load_state(network, states["network"], f"the trained network of {run.tests}")
        network.requires_grad_(False)
    elif states:
        network.load_branches(**states)  # type: ignore[operator]


def evaluated_part(
    run: Run,
    prepared: Path,
    index: pd.DataFrame,
    name: str,
    where: torch.device,
    backgrounds: Path | None,
    *,
    kept_only: bool,
) -> Part:
    """Load a part as the run is tested on it: composed on backgrounds, one image of each face, if the run composes."""
    how = run.recipe
    composes = how.compose is not None and how.compose_test
    part = _part(run, prepared, index, name, where, whole=composes, kept_only=kept_only)
    if how.compose is None or not composes:
        return part
    composer = load_composer(prepared, _needed(backgrounds, run), part.rows[:, 0], how.compose, where)
    composed, _ = composed_set(composer, len(part), COMPOSED_SEED)
    return replace(part, inputs=(composed.image,))


def extracted(network: nn.Module, reader: Reader, part: Part, view: View) -> Part:
    """Return a part with what the network's frozen branches make of its images in a view, one feature per branch."""
    network.eval()
    made: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        many = min(EXTRACTED, at_once(reader.size))
        for start in range(0, len(part), many):
            images = (reader(view(each[start : start + many])) for each in part.inputs)
            made.append(tuple(each.float() for each in network.extract(*images)))  # type: ignore[operator]
    return replace(part, inputs=tuple(torch.cat(pieces) for pieces in zip(*made, strict=True)))


def _part(
    run: Run, prepared: Path, index: pd.DataFrame, name: str, where: torch.device, *, whole: bool, kept_only: bool
) -> Part:
    """Load a part, no larger than the network needs it unless it is wanted `whole`, as the composer does."""
    # Of larger images a window that is cut out has the network's size, so that it is seen as sharp as it can be.
    share = run.recipe.augmentation.crop if name == "train" else run.recipe.cut
    size = None if whole else round(run.recipe.image_size / share)
    return load_part(
        prepared, index, name, where, kept_only=kept_only, inputs=run.inputs, size=size, pairing=run.recipe.pairing
    )


def _train_loader(
    run: Run,
    part: Part,
    prepared: Path,
    index: pd.DataFrame,
    reader: Reader,
    where: torch.device,
    backgrounds: Path | None,
) -> Loader:
    recipe = run.recipe
    if recipe.compose is not None and _composes(run):
        composer = load_composer(prepared, _needed(backgrounds, run), part.rows[:, 0], recipe.compose, where)
        return ComposedLoader(part, reader, recipe, composer, run.seed)
    if run.network["name"] == "ferattention" and recipe.augmentation.copies == "none":
        if recipe.augmentation.mixup:
            raise UserError(f"{run.path}: ferattention's losses know no mixed images: set augmentation.mixup to 0.")
        rows = part.rows[:, 0]
        outlines = index["outline"].iloc[rows].tolist() if "outline" in index else [None] * len(rows)
        masks = torch.from_numpy(masks_of(outlines, _side(prepared)))[:, None].to(where)
        return CleanLoader(part, reader, recipe, masks, run.seed)
    return Loader(part, reader, recipe, run.seed)


def _composes(run: Run) -> bool:
    """Whether it learns from composed faces."""
    return run.recipe.compose is not None and run.recipe.compose_train


def _side(prepared: Path) -> int:
    return int(np.load(prepared / "images.npy", mmap_mode="r").shape[1])


def _needed(backgrounds: Path | None, run: Run) -> Path:
    if backgrounds is None:
        raise UserError(f"{run.path}: composes faces on backgrounds, and no folder of backgrounds was given.")
    return backgrounds
