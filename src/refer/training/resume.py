"""The file from which an interrupted training goes on with the same bits."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from refer.errors import UserError
from refer.files import FULL
from refer.training import checkpoint
from refer.training.run_folder import RESUME

if TYPE_CHECKING:
    from refer.training.train import Training

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


def save(training: Training, path: Path, identity: dict[str, Any]) -> None:
    """Write everything that what is left of a training depends on."""
    assert training.optimizer is not None
    where = training.where.type
    groups = {
        "network": training.network.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "best": training.best,
        "random": {"cpu": torch.get_rng_state()},
    }
    if where != "cpu":
        groups["random"][where] = getattr(torch, where).get_rng_state()
    if training.average is not None:
        groups["average"] = training.average.state_dict()
    now = training.progress
    progress = {
        **vars(now),
        "loss": float(now.loss),
        "hits": float(now.hits),
        # As pairs, for the metadata is sorted by its keys, and the columns of training.csv are not.
        "history": [list(row.items()) for row in now.history],
    }
    checkpoint.save(path, groups, {"identity": identity, **progress})


def restore(training: Training, path: Path, identity: dict[str, Any]) -> None:
    """Go on from a saved state, if there is one and it is of this very run.

    Raises:
        UserError: it is of this run, but was trained in another precision.
    """
    if not path.exists():
        return
    groups, saved = checkpoint.load(path)
    found = saved.pop("identity")
    if found != identity:
        began, wanted = (each.get("precision", "fp32") for each in (found, identity))
        if began != wanted and _but_precision(found) == _but_precision(identity):
            raise UserError(
                f"{path}: this training began in {began} and would go on in {wanted}. Set precision to {began}, or "
                "delete the file to start anew."
            )
        differing = [key for key, value in identity.items() if found.get(key) != value]
        print(f"{path}: of another {' and '.join(differing)}; starting anew.", flush=True)
        shutil.move(path, path.with_suffix(".stale"))
        return
    assert training.optimizer is not None
    training.network.load_state_dict(groups["network"])
    training.optimizer.load_state_dict(groups.get("optimizer", {}))
    if training.average is not None:
        training.average.load_state_dict(groups["average"])
    training.best = groups.get("best", {})  # none before the first epoch ends
    history = [dict(row) for row in saved["history"]]
    vars(training.progress).update(saved, history=history, resumed=saved["resumed"] + 1)
    torch.set_rng_state(groups["random"]["cpu"])
    if (where := training.where.type) != "cpu":
        getattr(torch, where).set_rng_state(groups["random"][where])
    print(f"going on after {training.progress} of an interrupted run.", flush=True)


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
