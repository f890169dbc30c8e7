"""Train one run: resident uint8 images, batched augmentation, a checkpoint an epoch, the same bits after a kill."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
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
from refer.networks.interface import logits_of
from refer.networks.weights import initial_weights, portable
from refer.plan import Run
from refer.training import checkpoint
from refer.training.data import load_index
from refer.training.environment import autocast, choose_device, describe_device, git_state, versions
from refer.training.optimisation import build_optimizer, learning_rate, pack_state, unpack_state
from refer.training.task import EVALUATION_BATCH, Task, build_task, identity_of, objective

Report = Callable[[int, int, str], None]
"""Called with the images seen so far, those to be seen in all, and a note, at every step."""


@dataclass
class State:
    """All that changes while training; what a checkpoint must hold."""

    network: nn.Module
    optimizer: torch.optim.Optimizer | None
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
    parents: Mapping[str, Path] | None = None,
    backgrounds: Path | None = None,
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
        parents: branch of the network → checkpoint of the run that it begins with.
        backgrounds: folder of prepared backgrounds, for a recipe that composes.
        report: told how far the run is.

    Raises:
        UserError: no such device, unfitting data, or a loss that is no longer a number.
    """
    started = datetime.now(UTC)
    torch.set_num_threads(threads)
    where = choose_device(device)
    index, classes = load_index(prepared, split, run.fold or 0)
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
        **({"parents": identity_of(parents)} if parents else {}),
        **({"backgrounds": files.sha256(backgrounds / "backgrounds.npy")} if backgrounds else {}),
    }

    task = build_task(run, prepared, index, len(classes), where, parents or {}, backgrounds)
    network = task.network
    state = State(network, build_optimizer(network.parameters(), run.recipe) if task.learns else None)
    resume = out / "resume.safetensors"
    out.mkdir(parents=True, exist_ok=True)
    _restore(state, resume, identity, where)

    if not task.learns:
        _look(run, state, task, where)
    while task.learns and state.epoch < run.recipe.epochs:
        _epoch(run, state, task, len(classes), where, report)
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
        "selection": _selection(run, task),
        "seconds": round(state.seconds, 1),
        "images_per_s": round(max(1, state.epoch) * len(task.fitted) / state.seconds, 1),
        "reads_batch": bool(getattr(network, "reads_batch", False)),
        "resumed": state.resumed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "checkpoint_sha256": files.sha256(out / "checkpoint.safetensors"),
    }
    files.write_json(out / "run.json", description)
    for left in (resume, resume.with_suffix(".stale")):
        left.unlink(missing_ok=True)


def _selection(run: Run, task: Task) -> str:
    if not task.learns:
        return "nothing to train"
    return "last epoch" if run.select == "last" else f"best accuracy on {run.select}"


def _epoch(run: Run, state: State, task: Task, classes: int, where: torch.device, report: Report | None) -> None:
    """One pass over the training part, then one look at the watched part."""
    assert state.optimizer is not None
    began = time.perf_counter()
    recipe, feed, watched_name = run.recipe, task.fitted, task.watched_name
    batches = max(1, len(feed) // recipe.batch_size)
    steps = batches * recipe.epochs
    per_epoch = batches * min(recipe.batch_size, len(feed))
    total = per_epoch * recipe.epochs
    best = f" · best {100 * state.best_score:.1f} % on {watched_name}" if state.best else ""
    before = state.history[-1][f"{watched_name}_accuracy"] if state.history else 0.0
    losses = torch.zeros((), device=where)
    hits = torch.zeros((), device=where)
    seen = 0
    state.network.train()
    for number, items in enumerate(_batches(len(feed), recipe.batch_size)):
        rate = learning_rate(recipe, state.epoch * batches + number, steps, state.epoch, before)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        batch = feed.draw(items, state.epoch)
        with autocast(where):
            output = task.call(*batch.inputs)
        logits = logits_of(output).float()
        loss = objective(output, batch, run, classes)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        state.optimizer.step()
        losses += loss.detach() * len(items)
        hits += (logits.detach().argmax(1) == batch.labels).sum()
        seen += len(items)
        if report is not None:
            report(state.epoch * per_epoch + seen, total, f"epoch {state.epoch + 1}/{recipe.epochs}{best}")
    train_loss = losses.item() / seen
    if not math.isfinite(train_loss):
        raise UserError(
            f"{run.path}: the loss became {train_loss} in epoch {state.epoch + 1} at a learning rate of {rate:.2g}; "
            "lower recipe.lr or lengthen recipe.warmup."
        )
    spent = time.perf_counter() - began
    loss_watched, accuracy_watched = measure(task, where)
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
        _keep(state, accuracy_watched)
    if report is not None:
        report(state.epoch * per_epoch, total, f"epoch {state.epoch}/{recipe.epochs}")


def _look(run: Run, state: State, task: Task, where: torch.device) -> None:
    """What stands in for training where nothing learns: one look at the watched part."""
    began = time.perf_counter()
    loss, accuracy = measure(task, where)
    state.seconds = time.perf_counter() - began
    state.history.append({"epoch": 0, f"{task.watched_name}_loss": loss, f"{task.watched_name}_accuracy": accuracy})
    _keep(state, accuracy)
    print(f"nothing to train; {task.watched_name} loss {loss:.3f}, accuracy {100 * accuracy:.1f} %", flush=True)


def _keep(state: State, accuracy: float) -> None:
    state.best = {name: value.detach().cpu().clone() for name, value in state.network.state_dict().items()}
    state.best_epoch, state.best_score = state.epoch, accuracy


def _batches(count: int, size: int) -> Iterator[Tensor]:
    """A random order in batches; the last, smaller one is left out (its batch statistics are noisy)."""
    order = torch.randperm(count)
    if count < size:
        yield order
        return
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


@torch.no_grad()
def measure(task: Task, where: torch.device) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (0..1) of the watched part."""
    task.network.eval()
    count = len(task.watched.part)
    loss = torch.zeros((), device=where)
    hits = torch.zeros((), device=where)
    for start in range(0, count, EVALUATION_BATCH):
        batch = task.watched.look(start, start + EVALUATION_BATCH)
        with autocast(where):
            logits = logits_of(task.call(*batch.inputs)).float()
        loss += functional.cross_entropy(logits, batch.labels, reduction="sum")
        hits += (logits.argmax(1) == batch.labels).sum()
    return loss.item() / count, hits.item() / count


def _save(state: State, path: Path, identity: dict[str, Any], where: torch.device) -> None:
    """Write everything that the next epoch depends on."""
    assert state.optimizer is not None
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
    assert state.optimizer is not None
    unpack_state(state.optimizer, groups.get("optimizer", {}))
    state.best = groups["best"]
    state.epoch, state.best_epoch = saved["epoch"], saved["best_epoch"]
    state.best_score, state.history = saved["best_score"], saved["history"]
    state.seconds, state.resumed = saved["seconds"], saved["resumed"] + 1
    torch.set_rng_state(groups["random"]["cpu"])
    if where.type != "cpu":
        getattr(torch, where.type).set_rng_state(groups["random"][where.type])
    print(f"going on after epoch {state.epoch} of an interrupted run.", flush=True)
