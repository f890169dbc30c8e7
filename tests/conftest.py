"""What tests share: where the project lies, the real FER2013 if it is there, and tiny prepared data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from refer import files

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data" / "fer2013.tar.xz"


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def real_fer2013() -> Path:
    if not REAL.is_file():
        pytest.skip("the real FER2013 is not at ../shared/data/fer2013.tar.xz")
    return REAL


class Prepared:
    """A prepared data set of blobs: the class decides where a bright square lies, so that it can be learnt."""

    def __init__(self, folder: Path, images: int = 240, classes: int = 3, size: int = 48) -> None:
        rng = np.random.default_rng(0)
        labels = np.arange(images) % classes
        pixels = rng.integers(0, 90, (images, size, size, 1), dtype=np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            image[8 + 12 * label : 20 + 12 * label, 8:40] += 120
        self.path = folder / "prepared"
        self.split = folder / "split.parquet"
        self.path.mkdir(parents=True)
        np.save(self.path / "images.npy", pixels)
        names = ["angry", "happy", "sad", "surprise", "fear", "disgust", "neutral"][:classes]
        ids = [f"image{number:04d}" for number in range(images)]
        index = pd.DataFrame({"id": ids, "label": labels.astype(np.int8), "class": [names[label] for label in labels]})
        index.to_parquet(self.path / "index.parquet")
        part = np.where(np.arange(images) < images // 2, "train", "public").astype(object)
        part[np.arange(images) >= 3 * images // 4] = "private"
        kept = np.ones(images, dtype=bool)
        kept[-1] = False
        pd.DataFrame({"id": ids, "fold": 0, "part": part, "kept": kept, "reason": ""}).to_parquet(self.split)
        files.write_json(self.path / "prepare.json", {"fingerprint": "0" * 64, "classes": names})


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return Prepared(tmp_path)
