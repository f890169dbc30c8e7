"""Minutes until a network reaches an accuracy on FER2013's PublicTest, one crop: what a user of this project waits for.

    python benchmarks/time_to_accuracy.py --goals 60 66 --seeds 0 1 2
    python benchmarks/time_to_accuracy.py --goals 60 --busy          # core-minutes, for a machine with other work

Each goal has a recipe of its own (GOALS), trained from scratch on the 28,709 images of Training by this project's
loop, epoch by epoch, until PublicTest is at the goal. Counted is all from building the network to the validation that
shows it; importing Python packages and preparing the images (5 s, once) is not. With `--busy` the processor's time is
counted, with one thread, and told in core-minutes. A training that ends below its goal has no time to it, and the table
says so. The table has the median over seeds; every epoch is a row of the CSV file.
"""

from __future__ import annotations

import argparse
import csv
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from refer.plan import Run
from refer.recipe import Recipe
from refer.training.environment import choose_device, describe_device
from refer.training.task import build_task
from refer.training.train import Training
from training import CLASSES, Data, load_data

SMALL = {"flip": True, "rotation": 10.0, "scale": 0.1, "shift": 0.08}
COMMON: dict[str, Any] = {
    "batch_size": 128, "image_size": 48, "optimizer": "sgd", "lr": 0.1, "weight_decay": 5e-4, "schedule": "cosine",
    "warmup": 0.1, "label_smoothing": 0.1, "ema": 0.995, "augmentation": SMALL,
}  # fmt: skip
LARGE: dict[str, Any] = {
    "lr": 0.05, "ema": 0.999,
    "augmentation": {**SMALL, "scale": 0.15, "crop": 0.9167, "erase": 0.25, "brightness": 0.2, "contrast": 0.2},
}  # fmt: skip
"""As in presets/control.yaml. (compact-40 ended at 65.3 % after 48 epochs, its training accuracy at 77 %.)"""
GOALS: dict[int, tuple[str, dict[str, Any]]] = {
    60: ("compact", {**COMMON, "epochs": 10}),
    66: ("vgg13-bn", {**COMMON, **LARGE, "epochs": 16}),
    70: ("vgg13-bn", {**COMMON, **LARGE, "epochs": 60}),
}  # fmt: skip
"""Percent → network, and its recipe. The goal of 60 has been reached here; the others have not been run."""


@dataclass(frozen=True)
class Outcome:
    """One training: its best accuracy (%), and the minutes to the goal, None if it ended below."""

    best: float
    minutes: float | None
    epochs: int
    rows: list[dict[str, Any]]


def run_of(goal: int, seed: int, precision: str) -> Run:
    """The training of a goal."""
    backbone, how = GOALS[goal]
    recipe = Recipe.model_validate({**how, "precision": precision})
    network = {"name": "cnn", "backbone": backbone, "weights": "none", "channels": 1}
    return Run(
        "benchmark", "fer2013", "fer2013", "audited", backbone, seed, False, network, recipe, ("public",), "public"
    )


def until(goal: int, run: Run, data: Data, where: torch.device, busy: bool) -> Outcome:
    """Train until PublicTest is at the goal, or to the end."""
    clock = time.process_time if busy else time.perf_counter
    began = clock()
    task = build_task(run, data.prepared, data.index, CLASSES, where, {}, None)
    training = Training(run, task, CLASSES, where)
    now, rows = training.progress, []
    with training.stopping:
        while now.epoch < run.recipe.epochs:
            training.run_epoch()
            minutes, accuracy = (clock() - began) / 60, 100 * now.history[-1]["public_accuracy"]
            rows.append({
                "goal": goal, "network": run.network["backbone"], "seed": run.seed,
                "precision": training.precision.name, "epoch": now.epoch,
                "minutes": round(minutes, 3), "public_accuracy": round(accuracy, 3),
            })  # fmt: skip
            if accuracy >= goal:
                return Outcome(accuracy, minutes, now.epoch, rows)
    return Outcome(max(row["public_accuracy"] for row in rows), None, now.epoch, rows)


def told(goal: int, found: list[Outcome], unit: str) -> str:
    """A row of the table."""
    backbone, recipe = GOALS[goal]
    reached = [each for each in found if each.minutes is not None]
    times = [each.minutes for each in reached if each.minutes is not None]
    middle = f"{statistics.median(times):.1f}" if len(reached) == len(found) else "–"
    spread = f"{min(times):.1f} to {max(times):.1f}" if times else "–"
    missed = [f"{each.best:.1f}" for each in found if each.minutes is None]
    note = f"{len(reached)} of {len(found)}" + (f" (best of the others: {', '.join(missed)} %)" if missed else "")
    epochs = f"{statistics.median(each.epochs for each in found):g} of {recipe['epochs']}"
    return f"| {goal} % | {backbone}, from scratch | {middle} {unit} | {spread} | {epochs} | {note} |"


def main() -> None:
    """Run every goal and seed, print the table and write the CSV file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--goals", nargs="+", type=int, choices=sorted(GOALS), default=[60, 66])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--precision", choices=["fp32", "bf16", "auto"], default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--busy", action="store_true", help="count the processor's time, with one thread")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data/fer2013.tar.xz")
    parser.add_argument("--out", type=Path, default=Path("time-to-accuracy.csv"))
    given = parser.parse_args()
    given.threads = 1 if given.busy else given.threads
    torch.set_num_threads(given.threads)
    where = choose_device(given.device)
    about = describe_device(where, given.threads)
    unit, rows, lines = "core-min" if given.busy else "min", [], []
    with tempfile.TemporaryDirectory() as folder:
        data = load_data(given.data, Path(folder), files=False)
        for goal in given.goals:
            found = []
            for seed in given.seeds:
                found.append(until(goal, run_of(goal, seed, given.precision), data, where, given.busy))
                rows += [{**row, "clock": unit, "data": data.name, "torch": torch.__version__, **about}
                         for row in found[-1].rows]  # fmt: skip
                with given.out.open("w", encoding="utf-8", newline="") as handle:
                    writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
            lines.append(told(goal, found, unit))
    print(f"{data.name}; {about['device_name']}, {given.threads} threads, precision {given.precision}; ", end="")
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| PublicTest, one crop | network | median | lowest to highest | epochs | reached |")
    print("\n".join(["|---|---|---:|---:|---:|---|", *lines]))


if __name__ == "__main__":
    main()
