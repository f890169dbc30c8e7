"""Prepared folders made directly: pictures of texture, and the columns of their index."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet
from scipy.ndimage import gaussian_filter

from refer import files
from refer.datasets import catalog
from refer.datasets.model import ImageRow
from refer.datasets.pixels import pixel_hash
from refer.datasets.prepare import fingerprint


def picture(seed: int, size: int = 48, channels: int = 1) -> np.ndarray:
    """Return patches of light and dark with some grain, (size, size, channels) uint8: as detailed as a face."""
    rng = np.random.default_rng(seed)
    layers = [gaussian_filter(rng.normal(size=(size, size)), size / scale) for scale in (6, 14, 30)]
    mixed = sum(layer / layer.std() for layer in layers)
    grey = np.clip(128 + 28 * mixed, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], channels, axis=2)


def squeezed(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    squeezed(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).reshape(pixels.shape)


def cropped(pixels: np.ndarray, *edges: float) -> np.ndarray:
    """Cut off left, top, right and bottom pixels and make what is left as large as before."""
    left, top, right, bottom = edges
    height, width = pixels.shape[:2]
    box = (left, top, width - right, height - bottom)
    return np.asarray(squeezed(pixels).resize((width, height), Image.Resampling.BICUBIC, box)).reshape(pixels.shape)


def brightened(pixels: np.ndarray, by: float, gain: float = 1.0) -> np.ndarray:
    return np.clip(gain * pixels.astype(float) + by, 0, 255).astype(np.uint8)


def write_prepared(folder: Path, dataset: str, rows: Sequence[dict[str, Any]], stand_in: bool = True) -> Path:
    """Write images.npy, index.parquet and prepare.json; a row has `pixels`, `label` and whatever else it says."""
    known = catalog.dataset(dataset)
    usual = {"split": known.splits[0], "subject": None, "modality": "visible", "pair": None, "level": None}
    whole = [usual | {"id": f"image{number:04d}"} | row for number, row in enumerate(rows)]
    hashes = [pixel_hash(row["pixels"]) for row in whole]
    listed = [
        ImageRow(
            *(row[name] for name in ("id", "label", "split", "subject")), "", row["modality"], row["pair"], row["level"]
        )
        for row in whole
    ]
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", np.stack([row["pixels"] for row in whole]))
    columns = {
        **{name: [row[name] for row in whole] for name in ("id", "split", "subject", "modality", "pair")},
        "label": pa.array([row["label"] for row in whole], pa.int8()),
        "level": pa.array([row["level"] for row in whole], pa.int8()),
        "class": [known.classes[row["label"]] for row in whole],
        "sha256": hashes,
    }
    strings = {name: pa.array(column, pa.string()) for name, column in columns.items() if isinstance(column, list)}
    parquet.write_table(pa.table(columns | strings), folder / "index.parquet")
    about = {
        "dataset": dataset,
        "stand_in": stand_in,
        "fingerprint": fingerprint(known, listed, hashes, [None] * len(whole)),
        "classes": list(known.classes),
        "notes": {"files without a face": 2},
    }
    files.write_json(folder / "prepare.json", about)
    return folder
