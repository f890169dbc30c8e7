"""What one run trains on, with which network, towards what: everything that the loop repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from refer import files
from refer.datasets.outlines import masks as masks_of
from refer.errors import UserError
from refer.networks import catalog
from refer.networks.ferattention import Corrected
from refer.networks.interface import logits_of
from refer.networks.weights import load_state
from refer.plan import Run
from refer.recipe import Precision, at_once
from refer.training import checkpoint
from refer.training.composer import composed_set, load_composer
from refer.training.data import Part, Reader, load_part, placed
from refer.training.feed import Batch, CleanFeed, ComposedFeed, CopiesFeed, FeatureFeed, Feed
from refer.training.losses import cross_entropy, feratt_terms
from refer.training.neighbours import arranged, warn
from refer.training.precision import Chosen, choose_precision
from refer.training.views import View, plain_view

EXTRACTED = 256
"""Images whose features are computed at once."""
COMPOSED_SEED = 2019
"""Of composed test images: the same for every method and seed, so that all are tested on the same images."""


@dataclass(frozen=True)
class Task:
    """A network in training: `call` is what is given a batch's inputs, the network or the part of it that learns.

    `paced` is the part whose accuracy the schedule takes, where that is not the watched one.
    `fitted` is None where there is nothing to train: a rule over trained networks, or a trained network that is
    tested on other images.
    """

    network: nn.Module
    call: Callable[..., Any]
    reader: Reader
    fitted: Feed | None
    watched: Feed
    watched_name: str
    paced: Feed | None = None

    @property
    def learns(self) -> bool:
        """Whether there is anything to train."""
        return self.fitted is not None

    def precision(self, wanted: Precision, where: torch.device) -> Chosen:
        """The precision in which the network learns, where a recipe asks for `wanted`.

        Raises:
            UserError: the device does not offer it.
        """
        if not self.learns:
            return Chosen("fp32", "nothing to train", where.type)
        return choose_precision(wanted, self.network, where, on_features=isinstance(self.fitted, FeatureFeed))


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
    network = network_of(run, classes, parents)
    network, reader = placed(network, run, where)
    watched_name = run.select if run.select != "last" else run.evaluated[0]
    watched = evaluated_part(run, prepared, index, watched_name, where, backgrounds, kept_only=True)
    watched, _ = arranged(network, watched, run.recipe)
    warn(network, run.recipe)
    learns = any(parameter.requires_grad for parameter in network.parameters())
    fitted = _part(run, prepared, index, "train", where, whole=_composes(run), kept_only=True) if learns else None
    followed = None
    if learns and run.rate_by is not None:
        followed = evaluated_part(run, prepared, index, run.rate_by, where, backgrounds, kept_only=True)
        followed, _ = arranged(network, followed, run.recipe)
    anew = run.recipe.frozen_features == "augmented"
    if getattr(network, "frozen", False) and not (anew and learns) and (learns or run.recipe.views == "none"):
        view = plain_view(run.recipe)
        # Frozen branches see an image as it is, and always make the same of it: once is enough.
        features = None if fitted is None else FeatureFeed(extracted(network, reader, fitted, view), reader, run.recipe)
        looked_at = FeatureFeed(extracted(network, reader, watched, view), reader, run.recipe)
        decide: Callable[..., Any] = network.decide  # type: ignore[assignment]
        seen = None if followed is None else FeatureFeed(extracted(network, reader, followed, view), reader, run.recipe)
        return Task(network, decide, reader, features, looked_at, watched_name, seen)
    feed = None if fitted is None else _feed(run, fitted, prepared, index, reader, where, backgrounds)
    paced = None if followed is None else Feed(followed, reader, run.recipe)
    return Task(network, network, reader, feed, Feed(watched, reader, run.recipe), watched_name, paced)


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


def objective(output: Any, batch: Batch, run: Run, classes: int) -> Tensor:
    """Return the loss of a training batch: cross-entropy, of mixed images with both labels, or feratt2019's terms."""
    recipe = run.recipe
    if isinstance(output, Corrected):
        terms = feratt_terms(
            output, batch.labels, classes, batch.clean, structured=recipe.structure, mixed=recipe.mixed_labels,
            sigma=recipe.sigma, coefficient=recipe.attention_coefficient, on=recipe.loss,
            label_smoothing=recipe.label_smoothing,
        )  # fmt: skip
        return torch.stack(list(terms.values())).sum()
    logits, how = logits_of(output), (recipe.loss, recipe.label_smoothing)
    if batch.share is None or batch.others is None:
        return cross_entropy(logits, batch.labels, *how)
    own, other = (cross_entropy(logits, labels, *how, "none") for labels in (batch.labels, batch.others))
    return torch.lerp(other, own, batch.share).mean()


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


def _feed(
    run: Run,
    fitted: Part,
    prepared: Path,
    index: pd.DataFrame,
    reader: Reader,
    where: torch.device,
    backgrounds: Path | None,
) -> Feed:
    recipe = run.recipe
    if recipe.compose is not None and _composes(run):
        composer = load_composer(prepared, _needed(backgrounds, run), fitted.rows[:, 0], recipe.compose, where)
        return ComposedFeed(fitted, reader, recipe, composer, run.seed)
    if recipe.augmentation.copies != "none":
        return CopiesFeed(fitted, reader, recipe, run.seed)
    if run.network["name"] == "ferattention":
        if recipe.augmentation.mixup:
            raise UserError(f"{run.path}: ferattention's losses know no mixed images: set augmentation.mixup to 0.")
        rows = fitted.rows[:, 0]
        outlines = index["outline"].iloc[rows].tolist() if "outline" in index else [None] * len(rows)
        masks = torch.from_numpy(masks_of(outlines, _side(prepared)))[:, None].to(where)
        return CleanFeed(fitted, reader, recipe, masks, run.seed)
    return Feed(fitted, reader, recipe, run.seed)


def _composes(run: Run) -> bool:
    """Whether it learns from composed faces."""
    return run.recipe.compose is not None and run.recipe.compose_train


def _side(prepared: Path) -> int:
    return int(np.load(prepared / "images.npy", mmap_mode="r").shape[1])


def _needed(backgrounds: Path | None, run: Run) -> Path:
    if backgrounds is None:
        raise UserError(f"{run.path}: composes faces on backgrounds, and no folder of backgrounds was given.")
    return backgrounds


def identity_of(parents: Mapping[str, Path]) -> dict[str, str]:
    """Branch, or `network` for all of it → SHA-256 of the checkpoint that it begins with."""
    return {branch: files.sha256(path) for branch, path in sorted(parents.items())}
