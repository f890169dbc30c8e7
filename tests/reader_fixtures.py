"""What the tests of readers share: files in memory to a listing, or through obtain and prepare to a folder."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_fixtures import as_zip, listed, png
from refer.datasets.model import Dataset, Listing
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.errors import UserError


def read(known: Dataset, files: Mapping[str, bytes], **options: Any) -> Listing:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with zipfile.ZipFile(buffer) as archive:
        return known.read(archive, **options)


def told(listing: Listing) -> dict[str, str]:
    """Return the problems of a listing as id → sentence."""
    return {problem.id: problem.what for problem in listing.problems}


class Prepared:
    """What stands in a prepared folder."""

    def __init__(self, out: Path) -> None:
        self.images = np.load(out / "images.npy")
        self.index = pd.read_parquet(out / "index.parquet").set_index("id", drop=False)
        self.about: dict[str, Any] = json.loads((out / "prepare.json").read_text())
        assert len(self.images) == len(self.index) == self.about["images"]

    def __getitem__(self, key: str) -> np.ndarray:
        return self.images[self.index.index.get_loc(key)]

    def outline(self, key: str) -> np.ndarray | None:
        value = self.index.loc[key, "outline"]
        return None if value is None else np.asarray(value).reshape(-1, 2)


def through(folder: Path, known: str, files: Mapping[str, bytes], *, stand_in: bool = True, **options: Any) -> Prepared:
    """Obtain and prepare these files (as drawn data, so that counts do not matter); a refusal leaves nothing."""
    place = Path(tempfile.mkdtemp(dir=folder))
    raw, out = place / "raw", place / "out"
    obtain(known, str(as_zip(place / "source.zip", files)), raw, stand_in=stand_in)
    try:
        prepare(known, raw, out, **{"workers": 1, **options})
    except UserError:
        assert listed(out) == [], "a refusal leaves nothing behind"
        raise
    assert listed(out) == ["images.npy", "index.parquet", "prepare.json"]
    return Prepared(out)


def bomb() -> bytes:
    """Return a little PNG whose header states 60,000 × 60,000 pixels."""
    whole = png(np.zeros((1, 1), np.uint8))
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + whole[24:29]
    return whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]
