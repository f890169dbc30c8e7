"""Train one run, from top to bottom: what it is, its epochs, a step, validation, selection, and what is left behind.

Images lie on the device as uint8 and are augmented there batch by batch (`loader`, `augment`). The state is written
after each epoch, and where the process is told to end (`stopping`); a run that is started again goes on from it
(`resume`). On a CPU it ends with the bits that it would have had without the interruption.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from refer import BEHAVIOUR, files
from refer.errors import UserError
from refer.lock import locked
from refer.networks.interface import in_full, logits_of
from refer.networks.stages import Backbone
from refer.networks.weights import initial_weights, portable
from refer.plan import Run
from refer.recipe import Recipe
from refer.training import checkpoint
from refer.training.data import load_index, without
from refer.training.energy import Meter
from refer.training.environment import choose_device, describe_device, git_state, same_bits, start_meter, versions
from refer.training.loader import Batch, FeatureLoader, Loader
from refer.training.losses import objective
from refer.training.optimisation import build_optimizer, learning_rate
from refer.training.precision import Chosen, choose_precision
from refer.training.resume import restore, save, written
from refer.training.run_folder import FAILED, OUTPUTS, RESUME, forget
from refer.training.stopping import StoppedError, Stopping
from refer.training.task import Task, build_task
from refer.training.testing import View, averaged, plain_view, together, views_of

Report = Callable[[int, int, str], None]
"""Called with the images seen so far, those to be seen in all, and a note, at every step."""
DIVERGED = 1000.0
"""A loss so many times that of guessing is one from which no training comes back to anything."""
CHECKED = 50
"""Steps after which the losses of a GPU are checked, which makes the host wait for it."""


class FailedError(UserError):
    """The loss is no number any more, or far from all losses that mean anything."""

    def __init__(self, message: str, epoch: int, step: int, loss: float, rate: float) -> None:
        super().__init__(message)
        self.facts = {"epoch": epoch, "step": step, "loss": str(loss), "lr": rate, "error": message}


def train(
    run: Run,
    prepared: Path,
    split: Path,
    out: Path,
    *,
    preset: str = "",
    device: str = "auto",
    deterministic: bool = False,
    threads: int = 1,
    parents: Mapping[str, Path] | None = None,
    backgrounds: Path | None = None,
    report: Report | None = None,
    keep_state: bool = False,
) -> None:
    """Train a run and write checkpoint.safetensors, training.csv and run.json into `out`.

    The state after each epoch lies in `out/resume.safetensors` until the run is complete. A run that is started again
    goes on from there, if it is the same run (recipe, network, data, device kind, precision).

    Args:
        run: the cell to train.
        prepared: folder of images.npy, index.parquet and prepare.json.
        split: the parquet that says which image is in which part.
        out: the run's folder.
        preset: goes into run.json.
        device: `auto`, `cpu`, `cuda` or `mps`.
        deterministic: take only operations that give the same bits each time, on a GPU; a CPU does anyway.
        threads: of the CPU. The bits may depend on it, so it is part of what a resume must agree in.
        parents: branch of the network, or `network` for all of it → checkpoint of the run that it needs.
        backgrounds: folder of prepared backgrounds, for a recipe that composes.
        report: told how far the run is.
        keep_state: leave the last state behind, for `forget` to remove. A run that is trained again although it was
            complete, as where nobody noticed that it was, is then complete at once.

    Raises:
        UserError: no such device, an operation that is not `deterministic`, unfitting data, another job that writes
            this run, or a folder that cannot be written; the epochs before stay saved.
        FailedError: the loss is no number any more, or diverges. `failed.json` says where, and no result is left.
        StoppedError: the process was told to end; the state is saved, within the epoch if need be.
    """
    started = datetime.now(UTC)
    torch.set_num_threads(threads)
    where = choose_device(device)
    meter = start_meter(where)
    index, classes = load_index(prepared, split, run.fold or 0)
    with same_bits(where, deterministic):
        task = build_task(run, prepared, index, len(classes), where, parents or {}, backgrounds)
    training = Training(run, task, len(classes), where, report)
    print(training.precision, flush=True)
    identity = {
        "run": run.as_dict(),
        "data": str(files.read_json(prepared / "prepare.json")["fingerprint"]),
        "split": files.sha256(split),
        "device": where.type,
        "precision": training.precision.name,
        "behaviour": BEHAVIOUR["training"],
        "weights": initial_weights(run.network),
        "threads": threads if where.type == "cpu" else 0,
        "torch": torch.__version__,
    }
    if deterministic and where.type != "cpu":
        identity["deterministic"] = True
    if parents:
        identity["parents"] = {branch: files.sha256(path) for branch, path in sorted(parents.items())}
    if backgrounds:
        identity["backgrounds"] = files.sha256(backgrounds / "backgrounds.npy")

    with written(out), locked(out) as lock, training.stopping, same_bits(where, deterministic):
        (out / FAILED).unlink(missing_ok=True)
        restore(training, out / RESUME, identity)
        try:
            while task.learns and training.progress.epoch < run.recipe.epochs:
                training.run_epoch()
                meter.used()  # the processor's counter begins anew now and then, which is only seen by who looks
                lock.check()
                save(training, out / RESUME, identity)
        except StoppedError as stopped:
            lock.check()
            save(training, out / RESUME, identity)
            where_it_is = f"It was at {training.progress}, which is saved: the same command goes on there."
            raise StoppedError(f"{run.path}: {stopped} {where_it_is}") from None
        except FailedError as failed:
            lock.check()
            for name in OUTPUTS:
                (out / name).unlink(missing_ok=True)
            files.write_json(out / FAILED, failed.facts)
            raise
        if not task.learns:
            training.test_only()
        lock.check()
        write_outputs(training, out, index, classes, preset, threads, identity, started, meter)
        if not keep_state:
            forget(out)


@dataclass
class Progress:
    """How far a training is; the last five are of the epoch that is under way."""

    epoch: int = 0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    resumed: int = 0
    steps: int = 0
    seen: int = 0
    loss: Tensor | float = 0.0
    hits: Tensor | float = 0.0
    spent: float = 0.0

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + (f" and {self.steps} steps" if self.steps else "")


class Training:
    """A training under way: the network, what it learns from, and all that changes."""

    def __init__(
        self,
        run: Run,
        task: Task,
        classes: int,
        where: torch.device,
        report: Report | None = None,
        stopping: Stopping | None = None,
    ) -> None:
        self.run, self.recipe, self.task, self.classes, self.where = run, run.recipe, task, classes, where
        self.network, self.report, self.stopping = task.network, report, stopping or Stopping()
        self.precision = Chosen("fp32", "nothing to train", where.type)
        self.call = called(task.network, task.validation)
        self.backbone = backbone_of(task.network)
        self.optimizer = None
        self.average: nn.Module | None = None
        if task.learns:
            on_features = isinstance(task.train, FeatureLoader)
            wanted = run.recipe.precision or "fp32"
            self.precision = choose_precision(wanted, task.network, where, on_features=on_features)
            if run.recipe.freeze_epochs and not self.backbone:
                raise UserError("recipe.freeze_epochs: the network has no backbone that trains; leave the key out.")
            self.optimizer = build_optimizer(task.network.parameters(), run.recipe, self.backbone)
            if run.recipe.ema:
                self.average = copy.deepcopy(task.network).requires_grad_(False)
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self._losses: list[tuple[int, float, Tensor]] = []  # of the latest steps, on the device until they are checked

    # --- an epoch -------------------------------------------------------------------------------------------------

    def run_epoch(self) -> None:
        """Train one epoch, or what is left of it; validate; keep the weights if they are the best so far.

        Raises:
            FailedError: the loss is no number any more, or diverges.
            StoppedError: the process was told to end.
        """
        now, name = self.progress, self.task.validation_name
        began = time.perf_counter() - now.spent
        rate = self.train_epoch()
        loss, accuracy = self.validate(self.task.validation)
        if not math.isfinite(loss):
            raise self._failed(f"on {name} after epoch {now.epoch + 1},", now.steps, loss, rate)
        measured = {f"{name}_loss": loss, f"{name}_accuracy": accuracy}
        if self.task.paced is not None:
            paced = self.validate(self.task.paced)
            measured |= {f"{self.run.rate_by}_loss": paced[0], f"{self.run.rate_by}_accuracy": paced[1]}
        row = {
            "epoch": now.epoch + 1,
            "lr": rate,
            "train_loss": float(now.loss) / now.seen,
            "train_accuracy": float(now.hits) / now.seen,
            **measured,
            "seconds": round(now.spent, 2),
            "images_per_s": round(now.seen / now.spent, 1),
        }
        now.history.append(row)
        now.epoch, now.seconds = now.epoch + 1, now.seconds + time.perf_counter() - began
        now.steps, now.seen, now.loss, now.hits, now.spent = 0, 0, 0.0, 0.0, 0.0
        if best_epoch(self.run, now.history) == now.epoch:
            self.keep()
        print(
            f"epoch {now.epoch}/{self.recipe.epochs}: training loss {row['train_loss']:.3f}, "
            f"accuracy {100 * row['train_accuracy']:.1f} %; {name} loss {loss:.3f}, "
            f"accuracy {100 * accuracy:.1f} %; {row['images_per_s']:.0f} images/s",
            flush=True,
        )
        self._tell("")

    def train_epoch(self) -> float:
        """Make the steps of an epoch that are left, and return the learning rate of the last one.

        Raises:
            FailedError: the loss is no number any more, or diverges.
            StoppedError: the process was told to end.
        """
        assert self.task.train is not None
        now, name = self.progress, self.task.validation_name
        began = time.perf_counter() - now.spent
        # By name too: an epoch that goes on after a kill has the same order.
        order = np.random.default_rng([self.run.seed, now.epoch]).permutation(len(self.task.train))
        batches = batches_of(torch.from_numpy(order), self.recipe)
        before = now.history[-1][f"{self.run.rate_by or name}_accuracy"] if now.history else 0.0
        best = (
            f" · best {100 * now.history[now.best_epoch - 1][f'{name}_accuracy']:.1f} % on {name}" if self.best else ""
        )
        self.network.train()
        self._freeze()
        rate = 0.0
        for number, items in enumerate(batches):
            step = now.epoch * len(batches) + number
            rate = learning_rate(self.recipe, step, len(batches) * self.recipe.epochs, now.epoch, before)
            if number < now.steps:
                continue
            loss, hits = self.step(self.task.train.train_batch(items, now.epoch), rate)
            if self.average is not None:
                follow(self.average, self.network, self.recipe.ema, step)
            now.loss, now.hits = now.loss + loss * len(items), now.hits + hits
            now.steps, now.seen = number + 1, now.seen + len(items)
            now.spent = time.perf_counter() - began
            self._losses.append((number + 1, rate, loss))
            # Also before a state is saved, or a loss that is no number would be in it, unseen.
            if self.where.type == "cpu" or len(self._losses) >= CHECKED or self.stopping.signal is not None:
                self.check_losses(len(batches))
            self._tell(best)
            self.stopping.check()
        self.check_losses(len(batches))
        return rate

    def step(self, batch: Batch, rate: float) -> tuple[Tensor, Tensor]:
        """Make one step; return its loss, and how many images of the batch were right before it."""
        assert self.optimizer is not None
        with self.precision.autocast():
            output = in_full(self.call(*batch.inputs))
        loss = objective(output, batch, self.recipe, self.classes)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step(rate)
        return loss.detach(), (logits_of(output).detach().argmax(1) == batch.foremost).sum()

    def check_losses(self, steps: int) -> None:
        """Go on if all losses since the last check are numbers, and of a sensible size.

        Raises:
            FailedError: names the first step whose loss is not, in this epoch of so many steps, and its rate.
        """
        if not self._losses:
            return
        values = torch.stack([loss for _, _, loss in self._losses]).tolist()
        for (step, rate, _), value in zip(self._losses, values, strict=True):
            if not math.isfinite(value) or value > DIVERGED * math.log(max(2, self.classes)):
                raise self._failed(f"in epoch {self.progress.epoch + 1}, step {step} of {steps},", step, value, rate)
        self._losses.clear()

    def _failed(self, where: str, step: int, value: float, rate: float) -> FailedError:
        return FailedError(
            f"{self.run.path}: the loss became {value:.4g} {where} at a learning rate of {rate:.2g}; nothing of this "
            "epoch is kept. Lower recipe.lr or lengthen recipe.warmup.",
            self.progress.epoch + 1, step, value, rate,
        )  # fmt: skip

    def _freeze(self) -> None:
        """Freeze the backbones in the first epochs of a recipe with `freeze_epochs`, and free them afterwards.

        A frozen backbone gets no gradients, and its batch normalisation uses its statistics and gathers none.
        """
        if not self.recipe.freeze_epochs:
            return
        frozen = self.progress.epoch < self.recipe.freeze_epochs
        for parameter in self.backbone:
            parameter.requires_grad_(not frozen)
        for part in self.network.modules():
            if frozen and isinstance(part, Backbone):
                part.eval()

    def _tell(self, best: str) -> None:
        if self.report is None or self.task.train is None:
            return
        now, epochs, each = self.progress, self.recipe.epochs, images_of(len(self.task.train), self.recipe)
        current = now.epoch + 1 if now.seen else now.epoch
        self.report(now.epoch * each + now.seen, epochs * each, f"epoch {current}/{epochs}{best}")

    # --- validation and selection ---------------------------------------------------------------------------------

    @property
    def kept(self) -> nn.Module:
        """The network with the weights that are validated and kept: its own, or their moving average."""
        return self.network if self.average is None else self.average

    @torch.no_grad()
    def validate(self, loader: Loader, views: Sequence[View] | None = None) -> tuple[float, float]:
        """Mean cross-entropy and accuracy (0..1) of a part, in the recipe's plain view or the mean of several.

        Raises:
            StoppedError: the process was told to end.
        """
        self.kept.eval()
        call, many = called(self.kept, loader), together(self.kept, self.recipe)
        views = views or [plain_view(self.recipe)]
        loss, hits = (torch.zeros((), device=self.where) for _ in range(2))
        for start in range(0, len(loader.part), many):
            batches = [loader.test_batch(start, start + many, view) for view in views]
            logits = averaged(logits_of(call(*batch.inputs)) for batch in batches)
            loss += functional.cross_entropy(logits, batches[0].labels, reduction="sum")
            hits += (logits.argmax(1) == batches[0].labels).sum()
            self.stopping.check()
        return loss.item() / len(loader.part), hits.item() / len(loader.part)

    def keep(self) -> None:
        """Remember the weights of the epoch that has just ended as the best ones."""
        self.best = {name: value.detach().cpu().clone() for name, value in self.kept.state_dict().items()}
        self.progress.best_epoch = self.progress.epoch

    def test_only(self) -> None:
        """Validate and keep the weights where nothing learns."""
        began, name = time.perf_counter(), self.task.validation_name
        loss, accuracy = self.validate(self.task.validation, views_of(self.recipe))
        self.progress.seconds = time.perf_counter() - began
        self.progress.history = [{"epoch": 0, f"{name}_loss": loss, f"{name}_accuracy": accuracy}]
        self.keep()
        print(f"nothing to train; {name} loss {loss:.3f}, accuracy {100 * accuracy:.1f} %", flush=True)


def called(network: nn.Module, loader: Loader) -> Callable[..., Any]:
    """What is given a loader's batches: the network, or what of it decides on features of frozen branches."""
    return network.decide if isinstance(loader, FeatureLoader) else network  # type: ignore[return-value]


def backbone_of(network: nn.Module) -> list[nn.Parameter]:
    """The parameters of a network's backbones that train."""
    inside = (part for part in network.modules() if isinstance(part, Backbone))
    return [parameter for part in inside for parameter in part.parameters() if parameter.requires_grad]


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Take a step's weights w into their moving average: v ← d v + (1 - d) w, with d = min(decay, (1 + n) / (10 + n)).

    n counts the steps from 0. The second bound, of TensorFlow's ExponentialMovingAverage, lets go of the first weights
    soon. Running means of normalisations are averaged too; counts are copied.
    """
    pairs = list(
        zip([*average.parameters(), *average.buffers()], [*network.parameters(), *network.buffers()], strict=True)
    )
    mine, theirs = ([pair[place] for pair in pairs if pair[0].is_floating_point()] for place in (0, 1))
    torch._foreach_lerp_(mine, theirs, 1 - min(decay, (1 + step) / (10 + step)))
    for one, other in pairs:
        if not one.is_floating_point():
            one.copy_(other)


def best_epoch(run: Run, history: Sequence[Mapping[str, float]]) -> int:
    """Return which epoch, from 1, is kept: the last, or the best on the part that the run selects by.

    Of equal ones the later, for it has been trained for longer.
    """
    if run.select == "last":
        return len(history)
    if run.recipe.criterion == "loss":
        scores = [-row[f"{run.select}_loss"] for row in history]
    else:
        scores = [row[f"{run.select}_accuracy"] for row in history]
    return len(scores) - int(np.argmax(scores[::-1]))


def batches_of(order: Tensor, recipe: Recipe) -> list[Tensor]:
    """The images of an epoch in batches.

    A last batch that is smaller is left out, for its statistics are noisy, unless the recipe trains it; one of a
    single image always is, for batch normalisation has no variance then. Fewer images than a batch are one batch.
    """
    return list(order[: images_of(len(order), recipe)].split(recipe.batch_size))


def images_of(items: int, recipe: Recipe) -> int:
    """How many of an epoch's items are trained."""
    size = recipe.batch_size
    rest = items % size
    return items if items < size or (recipe.last_batch == "trained" and rest != 1) else items - rest


# --- what is left behind ------------------------------------------------------------------------------------------


def write_outputs(
    training: Training,
    out: Path,
    index: pd.DataFrame,
    classes: list[str],
    preset: str,
    threads: int,
    identity: Mapping[str, Any],
    started: datetime,
    meter: Meter,
) -> None:
    """Write the network of the best epoch, the curve, and run.json, which says what was trained, on what, and how."""
    run, task, now, precision = training.run, training.task, training.progress, training.precision
    files.write_text(out / "training.csv", pd.DataFrame(now.history).to_csv(index=False, lineterminator="\n"))
    about = {"run": run.as_dict(), "classes": classes, "epoch": now.best_epoch, "precision": precision.name}
    about["data_fingerprint"] = identity["data"]
    checkpoint.save(out / "checkpoint.safetensors", {"network": training.best}, about)
    learnt = without(index, run.recipe.leave_out, run.seed)
    parts = learnt[learnt["kept"]].groupby("part", sort=False).size()
    seen = len(task.validation.part) if task.train is None else now.epoch * len(task.train)
    selection = "nothing to train"
    if task.learns:
        by = "best accuracy" if run.recipe.criterion == "accuracy" else "lowest loss"
        selection = "last epoch" if run.select == "last" else f"{by} on {run.select}"
    description = {
        **{key: value for key, value in run.as_dict().items() if key not in ("evaluated", "select")},
        "network": portable(run.network),
        "preset": preset,
        "classes": classes,
        "parameters": sum(parameter.numel() for parameter in task.network.parameters()),
        "initial_weights": initial_weights(run.network),
        "data_fingerprint": identity["data"],
        "parts": {str(name): int(count) for name, count in parts.items()},
        **describe_device(training.where, threads),
        "precision": precision.name,
        "precision_why": precision.why,
        "versions": versions(),
        "git": git_state(),
        "epochs": now.epoch,
        "selected_epoch": now.best_epoch,
        "selection": selection,
        "seconds": round(now.seconds, 1),
        "images_per_s": round(seen / now.seconds, 1),
        "energy": meter.used(),
        "reads_batch": bool(getattr(task.network, "reads_batch", False)),
        "resumed": now.resumed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **({"parents_sha256": identity["parents"]} if "parents" in identity else {}),
        "checkpoint_sha256": files.sha256(out / "checkpoint.safetensors"),
    }
    files.write_json(out / "run.json", description)
