"""Whether a network learns as well in bf16 as in fp32: one recipe on the real FER2013, several seeds in both.

    python benchmarks/precision.py --backbone compact --epochs 6 --seeds 0 1 2

Trains on all of Training, keeps the last epoch, and predicts PublicTest and PrivateTest with each (7,178 images, one
crop, fp32). The table has the accuracies, and the difference bf16 - fp32 with its interval, images and seeds as samples
(`refer.evaluation.paired`). Every run is a row of the CSV file. Finished runs stay in `--folder`, so that an
interrupted benchmark goes on there.
"""

from __future__ import annotations

import argparse
import csv
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from refer.evaluation.inference import infer
from refer.evaluation.paired import paired_difference
from refer.files import read_json
from refer.plan import Run
from refer.recipe import Recipe
from refer.training.train import train
from training import load_data

PARTS = ("public", "private")
PRECISIONS = ("fp32", "bf16")


def run_of(backbone: str, epochs: int, seed: int, precision: str) -> Run:
    """One training."""
    recipe = Recipe.model_validate({
        "epochs": epochs, "batch_size": 128, "image_size": 48, "optimizer": "sgd", "lr": 0.05, "weight_decay": 5e-4,
        "schedule": "cosine", "warmup": 0.1, "precision": precision,
        "augmentation": {"flip": True, "rotation": 10.0, "scale": 0.1, "shift": 0.1},
    })  # fmt: skip
    network = {"name": "cnn", "backbone": backbone, "weights": "none", "channels": 1}
    cell = ("benchmark", "fer2013", "fer2013", "audited", backbone, seed, False)
    return Run(*cell, network, recipe, evaluated=PARTS, select="last")


def hits_of(run: Run, prepared: Path, split: Path, out: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Train and predict, unless that is done; which answers are right, and run.json."""
    if not (out / "predictions.parquet").exists():
        train(run, prepared, split, out)
        infer(out / "checkpoint.safetensors", prepared, split, out / "predictions.parquet")
    found = pd.read_parquet(out / "predictions.parquet")
    return (found.filter(like="p_").to_numpy().argmax(1) == found["label"]).to_numpy(), read_json(out / "run.json")


def main() -> None:
    """Run all of it, print the table and write the CSV file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="compact")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared/data/fer2013.tar.xz")
    parser.add_argument("--folder", type=Path, help="of the runs, to go on there; otherwise they are thrown away")
    parser.add_argument("--out", type=Path, default=Path("precision-benchmark.csv"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        data = load_data(given.data, Path(scratch) / "data", files=False)
        split = Path(scratch) / "split.parquet"
        data.index[["id", "part", "kept"]].assign(fold=0, reason="").to_parquet(split)
        hits: dict[str, list[np.ndarray]] = {precision: [] for precision in PRECISIONS}
        rows = []
        for seed in given.seeds:
            for precision in PRECISIONS:
                run = run_of(given.backbone, given.epochs, seed, precision)
                right, record = hits_of(run, data.prepared, split, folder / f"{precision}-{seed}")
                hits[precision].append(right)
                rows.append({
                    "backbone": given.backbone, "epochs": given.epochs, "seed": seed, "precision": precision,
                    "accuracy": round(100 * float(right.mean()), 3), "n": len(right),
                    **{key: record[key] for key in ("images_per_s", "device_name")},
                    "torch": torch.__version__, "data": data.name,
                })  # fmt: skip
                with given.out.open("w", encoding="utf-8", newline="") as handle:
                    writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
    one, other = (np.stack(hits[precision]) for precision in PRECISIONS)
    found = paired_difference(one, other)
    print(f"{data.name}; {given.backbone}, {given.epochs} epochs, {len(given.seeds)} seeds; ", end="")
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| precision | accuracy, seed by seed | mean ± sd |\n|---|---|---:|")
    for precision in PRECISIONS:
        each = [100 * right.mean() for right in hits[precision]]
        spread = f" ± {np.std(each, ddof=1):.2f}" if len(each) > 1 else ""
        print(f"| {precision} | {', '.join(f'{value:.2f}' for value in each)} | {np.mean(each):.2f}{spread} |")
    gain, low, high = (100 * value for value in found[:3])
    print(f"\nbf16 - fp32: {gain:+.2f} points ({low:+.2f} to {high:+.2f}), p = {found.p:.2f}, n = {found.n:,}")


if __name__ == "__main__":
    main()
