"""What a trained network makes of its test images: the representation it judges by, and where it looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from refer import files, records
from refer.datasets.backgrounds import SUMMARY
from refer.errors import UserError
from refer.evaluation.trained import Trained, load_trained
from refer.networks.ferattention import FERAttention
from refer.networks.region_attention_net import RegionAttentionNet
from refer.recipe import at_once
from refer.training import checkpoint
from refer.training.composer import load_composer
from refer.training.data import Part, load_index, picked, standardise
from refer.training.environment import choose_device
from refer.training.task import COMPOSED_SEED, evaluated_part


@torch.inference_mode()
def explain(
    checkpoint_path: Path,
    prepared: Path,
    split: Path,
    out: Path,
    *,
    count: int = 8,
    most: int = 2_000,
    preset: str = "",
    device: str = "auto",
    threads: int = 1,
    backgrounds: Path | None = None,
) -> None:
    """Write explanations.safetensors: representations of test images and, of drawn faces only, what led to them.

    The images are those of the test set, as the protocol keeps them. Tensors:

        test/features      (n, d) float32   what the classifier sees, of at most `most` images drawn at random
        test/labels        (n,) int64
        classes/means      (K, d) float32   the mean of each class, of at most `most` training images
        classes/counts     (K,) int64       images behind each mean
        examples/…                          the first images of each class, `count` in all, by turns:
            input          (m, 1 or 3, S, S) uint8, as the network is given it
            labels         (m,) int64
            probabilities  (m, K) float32
            attention      (m, maps, S, S) float16, 0..1         of feratt2019's network
            corrected      (m, 3, S, S) float16, 0 or above      of feratt2019's network
            target         (m, 1, S, S) uint8                    where faces are composed: the face on black
            regions        (m, g, g) float32                     of khalid2025's network: the weight of each region

    There are examples only where the network has something to show, and where the faces and what is behind them
    are drawn: a picture of a person, or a map or correction of one, is never written. Representations are, without
    ids; of real faces they are personal data still. The metadata, key `refer`, says as JSON whose images these
    are, of how many, and σ where the run has the structure loss.

    Args:
        checkpoint_path: of the run.
        prepared: folder of the prepared data.
        split: the parquet that says which image is in which part.
        out: the file.
        count: examples in all.
        most: images whose representation is computed, of each part.
        preset: goes into the metadata.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: of the CPU.
        backgrounds: folder of prepared backgrounds, for a run that composes.

    Raises:
        UserError: the checkpoint was trained on other data or other classes.
    """
    torch.set_num_threads(threads)
    where = choose_device(device)
    trained = load_trained(checkpoint_path, where)
    run = trained.run
    index, classes = load_index(prepared, split, run.fold or 0)
    about = records.read(prepared / "prepare.json", records.Stated)
    fingerprint = str(about["fingerprint"])
    if trained.metadata["classes"] != classes or trained.metadata["data_fingerprint"] != fingerprint:
        raise UserError(f"{checkpoint_path}: trained on other data than {prepared} holds; delete it and run again.")
    learnt, tested = (
        evaluated_part(run, prepared, index, name, where, backgrounds, kept_only=True) for name in ("train", run.test)
    )
    means, counts = class_means(*_represented(trained, learnt, where, most), len(classes))
    features, labels = _represented(trained, tested, where, most)
    examples = {}
    if run.stand_in and about.get("stand_in", True) and _drawn(backgrounds):
        examples = _examples(trained, tested, prepared, where, backgrounds, count)
    checkpoint.save(
        out,
        {
            "test": {"features": features, "labels": labels},
            "classes": {"means": means, "counts": counts},
            "examples": examples,
        },
        {
            "preset": preset,
            **{
                key: getattr(run, key)
                for key in ("paper", "dataset", "data", "protocol", "method", "seed", "fold", "stand_in")
            },
            "classes": classes,
            "part": run.test,
            "images": len(tested),
            "composed": run.recipe.compose is not None,
            "sigma": run.recipe.sigma if run.recipe.structure else None,
            "checkpoint_sha256": files.sha256(checkpoint_path),
            "data_fingerprint": fingerprint,
        },
    )


def class_means(features: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return the mean of each class (K, d), zeros for one without images, and the images behind it (K,)."""
    counts = torch.bincount(labels, minlength=classes)
    sums = torch.zeros(classes, features.shape[1], dtype=torch.float64).index_add_(0, labels, features.double())
    return (sums / counts.clamp_min(1).unsqueeze(1)).float(), counts


def by_turns(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most `count` positions: the first of each class, then the second of each, …, sorted by class.

    Nothing is chosen by how well it turned out.
    """
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    turn = np.arange(len(order)) - starts
    taken = order[np.lexsort((labels[order], turn))][:count]
    return taken[np.lexsort((taken, labels[taken]))]


def _represented(trained: Trained, part: Part, where: torch.device, most: int) -> tuple[Tensor, Tensor]:
    """What the classifier sees of at most `most` samples (n, d), drawn always the same, and their labels (n,).

    A network that has no `features` is taken at its logits.
    """
    if len(part) > most:
        part = part.taken(np.sort(np.random.default_rng(0).choice(len(part), most, replace=False)))
    compute: Callable[..., Tensor] = getattr(trained.network, "features", trained.network)
    found = []
    many = at_once(trained.reader.size)
    for start in range(0, len(part), many):
        inputs = (trained.reader(images[start : start + many]) for images in part.inputs)
        found.append(compute(*inputs).float().cpu())
    return torch.cat(found), part.labels.cpu()


def _drawn(backgrounds: Path | None) -> bool:
    """Whether what stands behind composed faces is drawn; a photograph may show people."""
    return backgrounds is None or bool(files.read_json(backgrounds / SUMMARY)["drawn"])


def _examples(
    trained: Trained, part: Part, prepared: Path, where: torch.device, backgrounds: Path | None, count: int
) -> dict[str, Tensor]:
    """Return what the network can show of a few images, or nothing."""
    chosen = by_turns(part.labels.cpu().numpy(), count)
    few = part.taken(chosen)
    images = picked(part.inputs[0], torch.from_numpy(chosen))
    shown = shown_by(trained.network, trained.reader(images))
    if not shown:
        return {}
    how, size = trained.run.recipe.compose, trained.run.recipe.image_size
    if how is not None and backgrounds is not None:
        composer = load_composer(prepared, backgrounds, part.rows[:, 0], how, where)
        composed = composer(torch.from_numpy(chosen).to(where), COMPOSED_SEED, chosen)
        shown["target"] = _pixels(composed.target, size)
    return {"input": _pixels(images, size), "labels": few.labels, **shown}


def shown_by(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Return what a network can show of images that are ready for it, and its probabilities; or nothing."""
    if isinstance(network, FERAttention):
        found = network.explain(images)
        shown = {"attention": found.attention.half(), "corrected": found.corrected.half()}
        return {**shown, "probabilities": found.logits.float().softmax(dim=1)}
    if isinstance(network, RegionAttentionNet) and network.region is not None:
        tokens = network.tokens(images)
        mixed = tokens if network.mixing is None else network.mixing(tokens)
        weights = network.region.weights(mixed).float()
        side = round(weights.shape[1] ** 0.5)
        shown = {"regions": weights.view(-1, side, side)}
        return {**shown, "probabilities": network(images).float().softmax(dim=1)}
    return {}


def _pixels(images: Tensor, size: int) -> Tensor:
    """(B, C, H, W) of 0..255 → the same in uint8 at the size that the network sees."""
    unit = standardise(images, images.shape[1], size, unit=True)
    return (255 * unit).round().clamp(0, 255).to(torch.uint8)
