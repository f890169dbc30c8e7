"""One epoch: a pass over the training part, step by step, then a look at the watched part."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from refer.errors import UserError
from refer.networks.interface import in_full, logits_of
from refer.plan import Run
from refer.recipe import Recipe
from refer.training.feed import Batch
from refer.training.freezing import Freezing
from refer.training.optimisation import learning_rate
from refer.training.precision import Chosen
from refer.training.state import Partial, State, watched_weights
from refer.training.stopping import Stopping
from refer.training.task import Task, objective
from refer.training.watching import is_best, keep, measure

Report = Callable[[int, int, str], None]
"""Called with the images seen so far, those to be seen in all, and a note, at every step."""
DIVERGED = 1000.0
"""A loss so many times that of guessing is one from which no training comes back to anything."""
LOOKS = 50
"""Steps after which the losses of a GPU are looked at, which makes the host wait for it."""


class FailedError(UserError):
    """The loss is no number any more, or far from all losses that mean anything."""

    def __init__(self, message: str, epoch: int, step: int, loss: float, rate: float) -> None:
        super().__init__(message)
        self.facts = {"epoch": epoch, "step": step, "loss": str(loss), "lr": rate, "error": message}


@dataclass
class Losses:
    """The losses of the latest steps, which stay on the device until somebody looks at them."""

    run: Run
    classes: int
    epoch: int
    steps: int
    recent: list[tuple[int, float, Tensor]] = field(default_factory=list)

    def add(self, step: int, rate: float, loss: Tensor) -> None:
        """Take in the loss of a step, and look at it: at once on a CPU, now and then on a GPU.

        Raises:
            FailedError: as `look` says.
        """
        self.recent.append((step, rate, loss))
        if loss.device.type == "cpu" or len(self.recent) >= LOOKS:
            self.look()

    def look(self) -> None:
        """Go on if all losses since the last look are numbers, and of a sensible size.

        Raises:
            FailedError: names the first step whose loss is not, in this epoch, and its learning rate.
        """
        if not self.recent:
            return
        values = torch.stack([loss for _, _, loss in self.recent]).tolist()
        for (step, rate, _), value in zip(self.recent, values, strict=True):
            if not math.isfinite(value) or value > DIVERGED * math.log(max(2, self.classes)):
                raise self.failed(f"in epoch {self.epoch}, step {step} of {self.steps},", step, value, rate)
        self.recent.clear()

    def failed(self, where: str, step: int, value: float, rate: float) -> FailedError:
        """Say what happened, where, and what may help."""
        return FailedError(
            f"{self.run.path}: the loss became {value:.4g} {where} at a learning rate of {rate:.2g}; nothing of this "
            "epoch is kept. Lower recipe.lr or lengthen recipe.warmup.",
            self.epoch, step, value, rate,
        )  # fmt: skip


@dataclass(frozen=True)
class Epochs:
    """A run's epochs: with what, where, in which precision, and who is told."""

    run: Run
    task: Task
    classes: int
    where: torch.device
    precision: Chosen
    stopping: Stopping
    report: Report | None = None
    freezing: Freezing | None = None

    def next(self, state: State) -> None:
        """One pass over the training part, or what is left of it, then one look at the watched part.

        Raises:
            FailedError: the loss is no number any more, or diverges.
            StoppedError: the process was told to end.
        """
        partial, rate, losses = self.train_one(state)
        losses.look()
        seen, train_loss = partial.seen, partial.losses.item() / partial.seen
        spent = time.perf_counter() - partial.began
        with watched_weights(state):
            loss, accuracy = measure(self.task, self.task.watched, self.where, self.stopping)
            if not math.isfinite(loss):
                where = f"on {self.task.watched_name} after epoch {losses.epoch},"
                raise losses.failed(where, losses.steps, loss, rate)
            paced = self._paced()
            state.partial = None
            state.epoch += 1
            state.seconds += time.perf_counter() - partial.began
            name = self.task.watched_name
            if is_best(self.run, state, name, loss, accuracy):
                keep(state, accuracy)
        last = {
            "epoch": state.epoch,
            "lr": rate,
            "train_loss": train_loss,
            "train_accuracy": partial.hits.item() / seen,
            f"{name}_loss": loss,
            f"{name}_accuracy": accuracy,
            **paced,
            "seconds": round(spent, 2),
            "images_per_s": round(seen / spent, 1),
        }
        state.history.append(last)
        print(
            f"epoch {state.epoch}/{self.run.recipe.epochs}: training loss {train_loss:.3f}, "
            f"accuracy {100 * last['train_accuracy']:.1f} %; {name} loss {loss:.3f}, "
            f"accuracy {100 * accuracy:.1f} %; {last['images_per_s']:.0f} images/s",
            flush=True,
        )
        self._tell(state, 0, "")

    def _paced(self) -> dict[str, float]:
        """Loss and accuracy of the part that the schedule goes by, where that is not the watched one."""
        if self.task.paced is None:
            return {}
        loss, accuracy = measure(self.task, self.task.paced, self.where, self.stopping)
        return {f"{self.run.rate_by}_loss": loss, f"{self.run.rate_by}_accuracy": accuracy}

    def train_one(self, state: State) -> tuple[Partial, float, Losses]:
        """All steps of an epoch that are left; what they came to, the last learning rate, and the latest losses.

        Raises:
            FailedError: the loss is no number any more, or diverges.
            StoppedError: the process was told to end.
        """
        assert self.task.fitted is not None
        if state.partial is None:
            zero = torch.zeros((), device=self.where)
            order = torch.randperm(len(self.task.fitted))
            state.partial = Partial(order.pin_memory() if self.where.type == "cuda" else order, zero, zero.clone())
        partial = state.partial
        partial.began = time.perf_counter() - partial.seconds
        recipe, name = self.run.recipe, self.task.watched_name
        chosen = batches_of(partial.order, recipe)
        batches = len(chosen)
        steps = batches * recipe.epochs
        best = f" · best {100 * state.best_score:.1f} % on {name}" if state.best else ""
        before = state.history[-1][f"{self.run.rate_by or name}_accuracy"] if state.history else 0.0
        losses = Losses(self.run, self.classes, state.epoch + 1, batches)
        state.network.train()
        if self.freezing is not None:
            self.freezing.at(state.epoch)
        # Also where no step is left, as in an epoch that was ended while it was looked at.
        rate = learning_rate(recipe, state.epoch * batches + batches - 1, steps, state.epoch, before)
        for number, items in enumerate(chosen):
            if number < partial.steps:
                continue
            step = state.epoch * batches + number
            rate = learning_rate(recipe, step, steps, state.epoch, before)
            batch = self.task.fitted.draw(items, state.epoch)
            loss, hits = self._step(state, batch, rate)
            if state.average is not None:
                state.average.follow(recipe.ema, step)
            losses.add(number + 1, rate, loss)
            partial.losses += loss * len(items)
            partial.hits += hits
            partial.steps, partial.seen = number + 1, partial.seen + len(items)
            partial.seconds = time.perf_counter() - partial.began
            self._tell(state, partial.seen, best)
            if self.stopping.signal is not None:
                losses.look()  # or a loss that is no number would be saved, unseen
            self.stopping.check()
        return partial, rate, losses

    def _step(self, state: State, batch: Batch, rate: float) -> tuple[Tensor, Tensor]:
        """One step; return its loss, and how many images of the batch were right before it."""
        assert state.optimizer is not None
        state.optimizer.at(rate)
        with self.precision.autocast():
            output = in_full(self.task.call(*batch.inputs))
        logits = logits_of(output)
        loss = objective(output, batch, self.run, self.classes)
        state.optimizer.zero_grad()
        loss.backward()
        state.optimizer.step()
        return loss.detach(), (logits.detach().argmax(1) == batch.foremost).sum()

    def _tell(self, state: State, seen: int, best: str) -> None:
        if self.report is None or self.task.fitted is None:
            return
        epochs = self.run.recipe.epochs
        each = images_of(len(self.task.fitted), self.run.recipe)
        now = state.epoch + 1 if seen else state.epoch
        self.report(state.epoch * each + seen, epochs * each, f"epoch {now}/{epochs}{best}")


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
