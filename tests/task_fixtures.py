"""Tiny pairs of pictures by two cameras, and runs that learn from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from refer import files
from refer.plan import Run
from refer.spec import Recipe
from refer.training.train import train

CPU = torch.device("cpu")


class Paired:
    """Moments seen by two cameras, a few of them by one: where a bright bar lies tells the class to either."""

    def __init__(self, folder: Path, moments: int = 90, size: int = 32) -> None:
        rng = np.random.default_rng(0)
        rows: list[dict[str, Any]] = []
        pixels = []
        for moment in range(moments):
            label = moment % 3
            for modality in ("visible", "infrared"):
                if moment == 5 and modality == "infrared":
                    continue
                image = rng.integers(0, 80, (size, size, 3), dtype=np.uint8)
                image[4 + 9 * label : 12 + 9 * label] += 150
                pixels.append(image)
                pair = None if moment == 5 else f"pair{moment:03d}"
                part = "train" if moment < 60 else "val" if moment < 75 else "test"
                outline = np.array([4, 4, 28, 4, 28, 28, 4, 28], np.float32)
                rows.append({"id": f"{modality}/{moment:03d}", "label": label, "modality": modality, "pair": pair,
                             "outline": outline, "part": part})  # fmt: skip
        frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
        order = pd.DataFrame(rows).sort_values("id").index
        self.path, self.split = folder / "prepared", folder / "split.parquet"
        self.path.mkdir(parents=True)
        np.save(self.path / "images.npy", np.stack(pixels)[order])
        frame.drop(columns="part").astype({"label": np.int8}).to_parquet(self.path / "index.parquet")
        about = frame[["id", "part"]].assign(fold=np.int8(0), kept=True, reason="")
        about.to_parquet(self.split)
        files.write_json(self.path / "prepare.json", {"fingerprint": "0" * 64, "classes": ["angry", "happy", "sad"]})
        self.backgrounds = folder / "backgrounds"
        self.backgrounds.mkdir()
        np.save(self.backgrounds / "backgrounds.npy", rng.integers(0, 255, (4, 160, 160, 3), dtype=np.uint8))


def recipe(**changes: Any) -> Recipe:
    base = {"epochs": 2, "batch_size": 16, "image_size": 32, "optimizer": "adam", "lr": 3e-3}
    return Recipe(**{**base, **changes})


def cell(method: str, network: dict[str, Any], how: Recipe, inputs: tuple[str, ...] = ("visible",), **more: Any) -> Run:
    return Run(
        paper="p", dataset="viri", data="viri-standin", protocol="audited", method=method, seed=0, stand_in=True,
        network=network, recipe=how, evaluated=("val", "test"), select="val", inputs=inputs, **more,
    )  # fmt: skip


SINGLE = {"name": "gated_net", "backbone": "compact", "weights": "none"}
FUSED = {"name": "interleaved_fusion", "backbone": "compact", "weights": "none"}
TWO = {"first": "compact", "second": "compact", "weights": "none"}
BOTH = ("visible", "infrared")


def trained(paired: Paired, run: Run, folder: Path, **more: Any) -> dict[str, Any]:
    train(run, paired.path, paired.split, folder, **more)
    about: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return about
