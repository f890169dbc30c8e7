"""Tiny raw sets of noise in FER2013's layouts, and what packs them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from refer.datasets.readers.fer2013 import CLASSES, SPLITS

PARTS = {"train": "Training", "public": "PublicTest", "private": "PrivateTest"}


def noise(seed: int, size: tuple[int, int] = (48, 48)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def encoded(pixels: np.ndarray, form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def jpeg(seed: int) -> bytes:
    return encoded(noise(seed))


def png(pixels: np.ndarray) -> bytes:
    return encoded(pixels, "PNG")


def folders(per_class: int = 1) -> dict[str, bytes]:
    """Return the files of a whole little set: `per_class` images of each class in each split."""
    files = {}
    for split in SPLITS:
        folder = "train" if split == "Training" else "test"
        for label, name in enumerate(CLASSES):
            for copy in range(per_class):
                seed = len(files)
                files[f"{folder}/{name}/{split}_{100 * label + copy}.jpg"] = jpeg(seed)
    return files


def row(emotion: object, pixels: object, usage: str) -> tuple[str, str, str]:
    values = pixels if isinstance(pixels, str) else " ".join(map(str, np.ravel(pixels)))
    return str(emotion), values, usage


def table(rows: Iterable[tuple[str, str, str]], icml: bool = False) -> bytes:
    """Return the rows as fer2013.csv, or in the other order and with the blanks of icml_face_data.csv."""
    if icml:
        lines = ["emotion, Usage, pixels", *(f"{emotion},{usage},{pixels}" for emotion, pixels, usage in rows)]
    else:
        lines = ["emotion,pixels,Usage", *(",".join(one) for one in rows)]
    return ("\n".join(lines) + "\n").encode()


def rows(per_class: int = 1) -> list[tuple[str, str, str]]:
    numbered = [(label, split) for split in SPLITS for label in range(len(CLASSES)) for _ in range(per_class)]
    return [row(label, noise(seed), split) for seed, (label, split) in enumerate(numbered)]


def as_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return path


def as_zip(path: Path, files: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> Path:
    pairs = files.items() if isinstance(files, Mapping) else files
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in pairs:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def as_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def listed(path: Path) -> list[str]:
    """Return every file below `path`, hidden and temporary ones too."""
    return sorted(str(one.relative_to(path)) for one in path.rglob("*") if one.is_file())
