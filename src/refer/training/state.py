"""What changes while training, and the file from which an interrupted training goes on with the same bits."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from refer.errors import UserError
from refer.files import FULL
from refer.training import checkpoint
from refer.training.averaging import Average
from refer.training.leftovers import RESUME
from refer.training.optimisation import Optimizer, pack_state, unpack_state

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@dataclass
class Partial:
    """An epoch that is under way: its images in their order, how many steps were made, and what they summed up to."""

    order: Tensor
    losses: Tensor
    hits: Tensor
    steps: int = 0
    seen: int = 0
    seconds: float = 0.0
    began: float = 0.0


@dataclass
class State:
    """All that changes while training; what a checkpoint must hold."""

    network: nn.Module
    optimizer: Optimizer | None
    average: Average | None = None
    epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    best_score: float = -1.0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    resumed: int = 0
    partial: Partial | None = None


def save(state: State, path: Path, identity: dict[str, Any], where: torch.device) -> None:
    """Write everything that what is left of the training depends on."""
    assert state.optimizer is not None
    half = state.partial
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
            **({"average": state.average.values} if state.average else {}),
            **({"partial": {"order": half.order, "losses": half.losses, "hits": half.hits}} if half else {}),
        },
        {
            "identity": identity,
            "epoch": state.epoch,
            "best_epoch": state.best_epoch,
            "best_score": state.best_score,
            # As pairs, for the metadata is sorted by its keys, and the columns of training.csv are not.
            "history": [list(row.items()) for row in state.history],
            "seconds": state.seconds,
            "resumed": state.resumed,
            "partial": {"steps": half.steps, "seen": half.seen, "seconds": half.seconds} if half else None,
        },
    )


def restore(state: State, path: Path, identity: dict[str, Any], where: torch.device) -> None:
    """Go on from a saved state, if there is one and it is of this very run.

    Raises:
        UserError: it is of this run, but was trained in another precision.
    """
    if not path.exists():
        return
    groups, saved = checkpoint.load(path)
    if saved["identity"] != identity:
        found, wanted = (each.get("precision", "fp32") for each in (saved["identity"], identity))
        if found != wanted and _but_precision(saved["identity"]) == _but_precision(identity):
            raise UserError(
                f"{path}: this training began in {found} and would go on in {wanted}. Set precision to {found}, or "
                "delete the file to start anew."
            )
        differing = [key for key, value in identity.items() if saved["identity"].get(key) != value]
        print(f"{path}: of another {' and '.join(differing)}; starting anew.", flush=True)
        shutil.move(path, path.with_suffix(".stale"))
        return
    state.network.load_state_dict(groups["network"])
    assert state.optimizer is not None
    unpack_state(state.optimizer, groups.get("optimizer", {}))
    if state.average is not None:
        state.average.load(groups["average"])
    state.best = groups.get("best", {})  # none before the first epoch ends
    state.epoch, state.best_epoch = saved["epoch"], saved["best_epoch"]
    state.best_score, state.history = saved["best_score"], [dict(row) for row in saved["history"]]
    state.seconds, state.resumed = saved["seconds"], saved["resumed"] + 1
    if saved.get("partial"):
        tensors = groups["partial"]
        state.partial = Partial(
            tensors["order"], tensors["losses"].to(where), tensors["hits"].to(where), **saved["partial"]
        )
    torch.set_rng_state(groups["random"]["cpu"])
    if where.type != "cpu":
        getattr(torch, where.type).set_rng_state(groups["random"][where.type])
    print(f"going on after {describe(state)} of an interrupted run.", flush=True)


def _but_precision(identity: dict[str, Any]) -> dict[str, Any]:
    """What a training is, without what is asked for and taken of its precision."""
    run = identity["run"]
    recipe = {key: value for key, value in run["recipe"].items() if key != "precision"}
    return {**identity, "run": {**run, "recipe": recipe}, "precision": None}


@contextmanager
def written(out: Path) -> Iterator[None]:
    """Say in a sentence why a run's folder cannot be written, and what is saved in it.

    Raises:
        UserError: no room is left, or writing is not allowed.
    """
    try:
        yield
    except OSError as error:
        kept = ""
        if (out / RESUME).is_file():
            kept = f" The epochs before are saved in {RESUME}: the same command goes on there."
        if error.errno in FULL:
            raise UserError(
                f"There is no room left on the disk for {out}. Free some, then start again.{kept}"
            ) from error
        if error.errno not in UNWRITABLE:
            raise
        raise UserError(f"{out}: nothing can be written there ({error.strerror}); expected a folder that is the "
                        f"user's own.{kept}") from error  # fmt: skip


def watched_weights(state: State) -> AbstractContextManager[None]:
    """Within it the network has the weights that are looked at and kept: its own, or their moving average."""
    return state.average.in_place() if state.average else nullcontext()


def describe(state: State) -> str:
    """Say how far a training is."""
    steps = f" and {state.partial.steps} steps" if state.partial and state.partial.steps else ""
    return f"epoch {state.epoch}{steps}"
