"""Train one run: resident uint8 images, batched augmentation, a checkpoint an epoch, the same bits after a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from refer import BEHAVIOUR, files
from refer.errors import UserError
from refer.lock import locked
from refer.networks.interface import logits_of
from refer.networks.weights import initial_weights, portable
from refer.plan import Run
from refer.training import checkpoint
from refer.training.data import load_index
from refer.training.environment import autocast, choose_device, describe_device, git_state, versions
from refer.training.optimisation import build_optimizer, learning_rate
from refer.training.state import RESUME, Partial, State, describe, forget, restore, save
from refer.training.stopping import StoppedError, Stopping
from refer.training.task import EVALUATION_BATCH, Task, build_task, identity_of, objective

Report = Callable[[int, int, str], None]
"""Called with the images seen so far, those to be seen in all, and a note, at every step."""


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
    keep_state: bool = False,
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
        parents: branch of the network, or `network` for all of it → checkpoint of the run that it needs.
        backgrounds: folder of prepared backgrounds, for a recipe that composes.
        report: told how far the run is.
        keep_state: leave the last state behind, for `forget` to remove. A run that is trained again although it was
            complete, as where nobody noticed that it was, is then complete at once.

    Raises:
        UserError: no such device, unfitting data, another job that writes this run, or a loss that is no longer
            a number.
        StoppedError: the process was told to end; the state is saved, within the epoch if need be.
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
    resume = out / RESUME
    with locked(out) as lock, Stopping() as stopping:
        restore(state, resume, identity, where)
        if not task.learns:
            _look(run, state, task, where)
        try:
            while task.learns and state.epoch < run.recipe.epochs:
                _epoch(run, state, task, len(classes), where, report, stopping)
                lock.check()
                save(state, resume, identity, where)
        except StoppedError as stopped:
            lock.check()
            save(state, resume, identity, where)
            where_it_is = f"It was at {describe(state)}, which is saved: the same command goes on there."
            raise StoppedError(f"{run.path}: {stopped} {where_it_is}") from None
        lock.check()
        _complete(run, state, task, index, classes, where, out, preset, threads, identity, started)
        if not keep_state:
            forget(out)


def _complete(
    run: Run,
    state: State,
    task: Task,
    index: pd.DataFrame,
    classes: list[str],
    where: torch.device,
    out: Path,
    preset: str,
    threads: int,
    identity: Mapping[str, Any],
    started: datetime,
) -> None:
    """Write what a complete run leaves."""
    network = task.network
    files.write_text(out / "training.csv", pd.DataFrame(state.history).to_csv(index=False, lineterminator="\n"))
    checkpoint.save(
        out / "checkpoint.safetensors",
        {"network": state.best},
        {
            "run": run.as_dict(),
            "classes": classes,
            "epoch": state.best_epoch,
            "data_fingerprint": identity["data"],
        },
    )
    parts = index[index["kept"]].groupby("part", sort=False).size()
    seen = len(task.watched.part) if task.fitted is None else state.epoch * len(task.fitted)
    description = {
        **{key: value for key, value in run.as_dict().items() if key not in ("evaluated", "select")},
        "network": portable(run.network),
        "preset": preset,
        "classes": classes,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "initial_weights": initial_weights(run.network),
        "data_fingerprint": identity["data"],
        "parts": {str(name): int(count) for name, count in parts.items()},
        **describe_device(where, threads),
        "versions": versions(),
        "git": git_state(),
        "epochs": state.epoch,
        "selected_epoch": state.best_epoch,
        "selection": _selection(run, task),
        "seconds": round(state.seconds, 1),
        "images_per_s": round(seen / state.seconds, 1),
        "reads_batch": bool(getattr(network, "reads_batch", False)),
        "resumed": state.resumed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **({"parents_sha256": identity["parents"]} if "parents" in identity else {}),
        "checkpoint_sha256": files.sha256(out / "checkpoint.safetensors"),
    }
    files.write_json(out / "run.json", description)


def _selection(run: Run, task: Task) -> str:
    if not task.learns:
        return "nothing to train"
    return "last epoch" if run.select == "last" else f"best accuracy on {run.select}"


def _epoch(
    run: Run,
    state: State,
    task: Task,
    classes: int,
    where: torch.device,
    report: Report | None,
    stopping: Stopping,
) -> None:
    """One pass over the training part, or what is left of it, then one look at the watched part."""
    assert state.optimizer is not None
    assert task.fitted is not None
    if state.partial is None:
        zero = torch.zeros((), device=where)
        state.partial = Partial(torch.randperm(len(task.fitted)), zero, zero.clone())
    partial = state.partial
    began = time.perf_counter() - partial.seconds
    recipe, feed, watched_name = run.recipe, task.fitted, task.watched_name
    batches = max(1, len(feed) // recipe.batch_size)
    steps = batches * recipe.epochs
    per_epoch = batches * min(recipe.batch_size, len(feed))
    total = per_epoch * recipe.epochs
    best = f" · best {100 * state.best_score:.1f} % on {watched_name}" if state.best else ""
    before = state.history[-1][f"{watched_name}_accuracy"] if state.history else 0.0
    state.network.train()
    # Also where no step is left, as in an epoch that was ended while it was looked at.
    rate = learning_rate(recipe, state.epoch * batches + batches - 1, steps, state.epoch, before)
    for number, items in enumerate(_batches(partial.order, recipe.batch_size)):
        if number < partial.steps:
            continue
        rate = learning_rate(recipe, state.epoch * batches + number, steps, state.epoch, before)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        batch = feed.draw(items, state.epoch)
        with autocast(where):
            output = task.call(*batch.inputs)
        logits = logits_of(output).float()
        loss = objective(output, batch, run, classes)
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        partial.losses += loss.detach() * len(items)
        partial.hits += (logits.detach().argmax(1) == batch.labels).sum()
        partial.steps, partial.seen = number + 1, partial.seen + len(items)
        partial.seconds = time.perf_counter() - began
        if report is not None:
            report(state.epoch * per_epoch + partial.seen, total, f"epoch {state.epoch + 1}/{recipe.epochs}{best}")
        stopping.check()
    seen = partial.seen
    train_loss = partial.losses.item() / seen
    if not math.isfinite(train_loss):
        raise UserError(
            f"{run.path}: the loss became {train_loss} in epoch {state.epoch + 1} at a learning rate of {rate:.2g}; "
            "lower recipe.lr or lengthen recipe.warmup."
        )
    spent = time.perf_counter() - began
    loss_watched, accuracy_watched = measure(task, where, stopping)
    state.partial = None
    state.epoch += 1
    state.seconds += time.perf_counter() - began
    state.history.append(
        {
            "epoch": state.epoch,
            "lr": rate,
            "train_loss": train_loss,
            "train_accuracy": partial.hits.item() / seen,
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


def _batches(order: Tensor, size: int) -> Iterator[Tensor]:
    """The images of an epoch in batches; the last, smaller one is left out (its batch statistics are noisy)."""
    if len(order) < size:
        yield order
        return
    for start in range(0, len(order) - size + 1, size):
        yield order[start : start + size]


@torch.no_grad()
def measure(task: Task, where: torch.device, stopping: Stopping | None = None) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (0..1) of the watched part.

    Raises:
        StoppedError: as `stopping` says.
    """
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
        if stopping is not None:
            stopping.check()
    return loss.item() / count, hits.item() / count
