"""A look at the part that epochs are compared on."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.nn import functional

from refer.networks.interface import logits_of
from refer.plan import Run
from refer.training.feed import Feed
from refer.training.neighbours import together
from refer.training.state import State
from refer.training.stopping import Stopping
from refer.training.task import Task
from refer.training.views import View, averaged, plain_view, views_of


@torch.no_grad()
def measure(
    task: Task,
    feed: Feed,
    where: torch.device,
    stopping: Stopping | None = None,
    views: Sequence[View] | None = None,
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (0..1) of a part, in the recipe's plain view or the mean of several.

    Raises:
        StoppedError: as `stopping` says.
    """
    task.network.eval()
    count, many = len(feed.part), together(task.network, feed.recipe)
    views = views or [plain_view(feed.recipe)]
    loss = torch.zeros((), device=where)
    hits = torch.zeros((), device=where)
    for start in range(0, count, many):
        batches = [feed.look(start, start + many, view) for view in views]
        outputs = [task.call(*batch.inputs) for batch in batches]
        logits, labels = averaged(logits_of(output) for output in outputs), batches[0].labels
        loss += functional.cross_entropy(logits, labels, reduction="sum")
        hits += (logits.argmax(1) == labels).sum()
        if stopping is not None:
            stopping.check()
    return loss.item() / count, hits.item() / count


def look_once(run: Run, state: State, task: Task, where: torch.device) -> None:
    """What stands in for training where nothing learns: one look at the watched part."""
    began = time.perf_counter()
    loss, accuracy = measure(task, task.watched, where, views=views_of(run.recipe))
    state.seconds = time.perf_counter() - began
    state.history.append({"epoch": 0, f"{task.watched_name}_loss": loss, f"{task.watched_name}_accuracy": accuracy})
    keep(state, accuracy)
    print(f"nothing to train; {task.watched_name} loss {loss:.3f}, accuracy {100 * accuracy:.1f} %", flush=True)


def is_best(run: Run, state: State, name: str, loss: float, accuracy: float) -> bool:
    """Whether the epoch that was just looked at, not yet in the history, is the one to keep so far.

    Ties go to the later epoch: it has been trained for longer.
    """
    if run.select == "last" or not state.best:
        return True
    if run.recipe.criterion == "loss":
        return bool(loss <= state.history[state.best_epoch - 1][f"{name}_loss"])
    return accuracy >= state.best_score


def keep(state: State, accuracy: float) -> None:
    """Remember the weights that the network has now as the best ones."""
    state.best = {name: value.detach().cpu().clone() for name, value in state.network.state_dict().items()}
    state.best_epoch, state.best_score = state.epoch, accuracy
