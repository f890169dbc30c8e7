"""What a complete run leaves behind: the network of its best epoch, its curve, and run.json; or what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from refer import files
from refer.networks.weights import initial_weights, portable
from refer.plan import Run
from refer.training import checkpoint
from refer.training.energy import Meter
from refer.training.environment import describe_device, git_state, versions
from refer.training.precision import Chosen
from refer.training.state import State
from refer.training.task import Task

OUTPUTS = ("checkpoint.safetensors", "training.csv", "run.json")


def complete(
    run: Run,
    state: State,
    task: Task,
    index: pd.DataFrame,
    classes: list[str],
    where: torch.device,
    out: Path,
    preset: str,
    threads: int,
    precision: Chosen,
    identity: Mapping[str, Any],
    started: datetime,
    meter: Meter,
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
            "precision": precision.name,
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
        "precision": precision.name,
        "precision_why": precision.why,
        "versions": versions(),
        "git": git_state(),
        "epochs": state.epoch,
        "selected_epoch": state.best_epoch,
        "selection": _selection(run, task),
        "seconds": round(state.seconds, 1),
        "images_per_s": round(seen / state.seconds, 1),
        "energy": meter.used(),
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
    if run.select == "last":
        return "last epoch"
    return f"{'best accuracy' if run.recipe.criterion == 'accuracy' else 'lowest loss'} on {run.select}"
