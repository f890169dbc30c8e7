"""Train one run: resident uint8 images, batched augmentation, a checkpoint an epoch, the same bits after a kill."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from refer import BEHAVIOUR, files
from refer.errors import UserError
from refer.networks import catalog
from refer.networks.weights import initial_weights, portable
from refer.plan import Run
from refer.training import checkpoint
from refer.training.augmentation import augment
from refer.training.data import Part, Reader, load_index, load_part
from refer.training.environment import autocast, choose_device, describe_device, git_state, versions
from refer.training.optimisation import build_optimizer, learning_rate, pack_state, unpack_state

EVALUATION_BATCH = 512

Report = Callable[[int, int, str], None]
"""Called with the images seen so far, those to be seen in all, and a note, at every step."""


@dataclass
class State:
    """All that changes while training; what a checkpoint must hold."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    best_score: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    resumed: int = 0


def train(
    run: Run,
    prepared: Path,
    split: Path,
    out: Path,
    *,
    preset: str = "",
    device: str = "auto",
    threads: int = 1,
    report: Report | None = None,
) -> None:
    """Train a run and write checkpoint.safetensors, training.csv and run.json into `out`.

    Every epoch's state lies in `out/resume.safetensors` until the run is complete. A run that is started
    again goes on from there, if it is the same run (recipe, network, data, device kind); on the CPU it ends
    with the bits that it would have had without the interruption.

    Args:
        run: the cell to train.
        prepared: folder of images.npy, index.parquet and prepare.json.
        split: the parquet that says which image is in which part.
        out: the run's folder.
        preset: goes into run.json.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: of the CPU. The bits may depend on it, so it is part of what a resume must agree in.
        report: told how far the run is.

    Raises:
        UserError: no such device, unfitting data, or a loss that is no longer a number.
    """
    started = datetime.now(UTC)
    torch.set_num_threads(threads)
    where = choose_device(device)
    index, classes = load_index(prepared, split)
    fitted = load_part(prepared, index, "train", where, kept_only=True)
    watched_name = run.select if run.select != "last" else run.evaluated[0]
    watched = load_part(prepared, index, watched_name, where, kept_only=True)
    data_fingerprint = str(files.read_json(prepared / "prepare.json")["fingerprint"])
    identity = {
        "run": run.as_dict(),
        "data": data_fingerprint,
        "split": files.sha256(split),
        "device": where.type,
        "behaviour": BEHAVIOUR["training"],
        "weights": initial_weights(run.network),
        "threads": threads if where.type == "cpu" else 0,
        "torch": torch.__version__,
    }

    torch.manual_seed(run.seed)
    network = catalog.build(run.network, len(classes)).to(where).to(memory_format=torch.channels_last)
    state = State(network, build_optimizer(network.parameters(), run.recipe))
    resume = out / "resume.safetensors"
    out.mkdir(parents=True, exist_ok=True)
    _restore(state, resume, identity, where)

    reader = Reader(network, str(run.network.get("weights", "none")), run.recipe.image_size)
    while state.epoch < run.recipe.epochs:
        _epoch(run, state, reader, fitted, watched, watched_name, where, report)
        _save(state, resume, identity, where)

    files.write_text(out / "training.csv", pd.DataFrame(state.history).to_csv(index=False, lineterminator="\n"))
    checkpoint.save(
        out / "checkpoint.safetensors",
        {"network": state.best},
        {
            "run": run.as_dict(),
            "classes": classes,
            "epoch": state.best_epoch,
            "data_fingerprint": data_fingerprint,
        },
    )
    parts = index[index["kept"]].groupby("part", sort=False).size()
    description = {
        **{key: value for key, value in run.as_dict().items() if key not in ("evaluated", "select")},
        "network": portable(run.network),
        "preset": preset,
        "classes": classes,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "initial_weights": initial_weights(run.network),
        "data_fingerprint": data_fingerprint,
        "parts": {str(name): int(count) for name, count in parts.items()},
        **describe_device(where, threads),
        "versions": versions(),
        "git": git_state(),
        "epochs": state.epoch,
        "selected_epoch": state.best_epoch,
        "selection": "last epoch" if run.select == "last" else f"best accuracy on {run.select}",
        "seconds": round(state.seconds, 1),
        "images_per_s": round(state.epoch * len(fitted) / state.seconds, 1),
        "resumed": state.resumed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "checkpoint_sha256": files.sha256(out / "checkpoint.safetensors"),
    }
    files.write_json(out / "run.json", description)
    for left in (resume, resume.with_suffix(".stale")):
        left.unlink(missing_ok=True)


def _epoch(
    run: Run,
    state: State,
    reader: Reader,
    fitted: Part,
    watched: Part,
    watched_name: str,
    where: torch.device,
    report: Report | None,
) -> None:
    """One pass over the training part, then one look at the watched part."""
    began = time.perf_counter()
    recipe = run.recipe
    batches = max(1, len(fitted) // recipe.batch_size)
    steps = batches * recipe.epochs
    per_epoch = batches * min(recipe.batch_size, len(fitted))
    total = per_epoch * recipe.epochs
    best = f" · best {100 * state.best_score:.1f} % on {watched_name}" if state.best else ""
    losses = torch.zeros((), device=where)
    hits = torch.zeros((), device=where)
    seen = 0
    state.network.train()
    for number, rows in enumerate(_batches(len(fitted), recipe.batch_size)):
        rate = learning_rate(recipe, state.epoch * batches + number, steps)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        rows = rows.to(where)
        images = augment(reader(fitted.images[rows]), recipe.augmentation)
        labels = fitted.labels[rows]
        with autocast(where):
            logits = state.network(images.contiguous(memory_format=reader.format)).float()
        loss = functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        state.optimizer.step()
        losses += loss.detach() * len(rows)
        hits += (logits.detach().argmax(1) == labels).sum()
        seen += len(rows)
        if report is not None:
            report(state.epoch * per_epoch + seen, total, f"epoch {state.epoch + 1}/{recipe.epochs}{best}")
    train_loss = losses.item() / seen
    if not math.isfinite(train_loss):
        raise UserError(
            f"{run.path}: the loss became {train_loss} in epoch {state.epoch + 1} at a learning rate of {rate:.2g}; "
            "lower recipe.lr or lengthen recipe.warmup."
        )
    spent = time.perf_counter() - began
    loss_watched, accuracy_watched = measure(state.network, reader, watched, where)
    state.epoch += 1
    state.seconds += time.perf_counter() - began
    state.history.append(
        {
            "epoch": state.epoch,
            "lr": rate,
            "train_loss": train_loss,
            "train_accuracy": hits.item() / seen,
            f"{watched_name}_loss": loss_watched,
            f"{watched_name}_accuracy": accuracy_watched,
            "seconds": round(spent, 2),
            "images_per_s": round(seen / spent, 1),
        }
    )
    last = state.history[-1]
    print(
        f"epoch {state.epoch}/{recipe.epochs}: training loss {train_loss:.3f}, "
        f"accuracy {100 * last['train_accuracy']:.1f} %; {watched_name} loss {loss_watched:.3f}, "
        f"accuracy {100 * accuracy_watched:.1f} %; {last['images_per_s']:.0f} images/s",
        flush=True,
    )
    # Ties go to the later epoch: it has been trained for longer.
    if run.select == "last" or accuracy_watched >= state.best_score:
        state.best = {name: value.detach().cpu().clone() for name, value in state.network.state_dict().items()}
        state.best_epoch, state.best_score = state.epoch, accuracy_watched
    if report is not None:
        report(state.epoch * per_epoch, total, f"epoch {state.epoch}/{recipe.epochs}")


def _batches(count: int, size: int) -> Iterator[Tensor]:
    """A random order in batches; the last, smaller one is left out (its batch statistics are noisy)."""
    order = torch.randperm(count)
    if count < size:
        yield order
        return
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


@torch.no_grad()
def measure(network: nn.Module, reader: Reader, part: Part, where: torch.device) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (0..1) of a part."""
    network.eval()
    loss = torch.zeros((), device=where)
    hits = torch.zeros((), device=where)
    for start in range(0, len(part), EVALUATION_BATCH):
        labels = part.labels[start : start + EVALUATION_BATCH]
        with autocast(where):
            logits = network(reader(part.images[start : start + EVALUATION_BATCH])).float()
        loss += functional.cross_entropy(logits, labels, reduction="sum")
        hits += (logits.argmax(1) == labels).sum()
    return loss.item() / len(part), hits.item() / len(part)


def _save(state: State, path: Path, identity: dict[str, Any], where: torch.device) -> None:
    """Write everything that the next epoch depends on."""
    random = {"cpu": torch.get_rng_state()}
    if where.type != "cpu":
        random[where.type] = getattr(torch, where.type).get_rng_state()
    checkpoint.save(
        path,
        {
            "network": state.network.state_dict(),
            "optimizer": pack_state(state.optimizer),
            "best": state.best,
            "random": random,
        },
        {
            "identity": identity,
            "epoch": state.epoch,
            "best_epoch": state.best_epoch,
            "best_score": state.best_score,
            "history": state.history,
            "seconds": state.seconds,
            "resumed": state.resumed,
        },
    )


def _restore(state: State, path: Path, identity: dict[str, Any], where: torch.device) -> None:
    """Go on from a saved state, if there is one and it is of this very run."""
    if not path.exists():
        return
    groups, saved = checkpoint.load(path)
    if saved["identity"] != identity:
        differing = [key for key, value in identity.items() if saved["identity"].get(key) != value]
        print(f"{path}: of another {' and '.join(differing)}; starting anew.", flush=True)
        shutil.move(path, path.with_suffix(".stale"))
        return
    state.network.load_state_dict(groups["network"])
    unpack_state(state.optimizer, groups.get("optimizer", {}))
    state.best = groups["best"]
    state.epoch, state.best_epoch = saved["epoch"], saved["best_epoch"]
    state.best_score, state.history = saved["best_score"], saved["history"]
    state.seconds, state.resumed = saved["seconds"], saved["resumed"] + 1
    torch.set_rng_state(groups["random"]["cpu"])
    if where.type != "cpu":
        getattr(torch, where.type).set_rng_state(groups["random"][where.type])
    print(f"going on after epoch {state.epoch} of an interrupted run.", flush=True)
