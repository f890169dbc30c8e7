"""How many images per second are prepared, and what share of the processor's time is bare decoding.

    python benchmarks/prepare.py [--seconds 2] [--repeats 3] [--only 100x100] [--csv FILE]

Drawn files of the kinds that the data sets hold, about as large as those. "bare" is Pillow in one process with the
files already in memory, packed as they are in files.zip: unpack (BMP), open, convert, cut, resize, to an array.
"prepare" is the whole step: checking the archive, reading, decoding, hashing, images.npy and the index on the disk.
Images per second are by the clock, the share is of processor seconds, which other work on the machine disturbs less.
They take turns, so that a machine whose speed drifts favours none; medians are shown.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from refer.datasets import catalog
from refer.datasets.decode import _cut, _Opened
from refer.datasets.model import Dataset, ImageRow, Listing
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.datasets.readers.bu3dfe import locate


class Kind(NamedTuple):
    """One kind of file: what it is like, and what is made of it."""

    like: str
    form: str
    mode: str
    size: tuple[int, int]  # width, height
    options: dict[str, Any]
    stored: tuple[int, int, int]  # height, width, channels
    fit: str
    box: tuple[float, float, float, float] | None = None
    finds: bool = False


KINDS = {
    "48x48 JPEG, grey": Kind("FER2013", "JPEG", "L", (48, 48), {"quality": 90}, (48, 48, 1), "exact"),
    "100x100 JPEG": Kind("RAF-DB", "JPEG", "RGB", (100, 100), {"quality": 90}, (100, 100, 3), "exact"),
    "320x240 JPEG": Kind("VIRI", "JPEG", "RGB", (320, 240), {"quality": 90}, (224, 224, 3), "squash"),
    "1280x960 JPEG": Kind("VIRI", "JPEG", "RGB", (1280, 960), {"quality": 90}, (224, 224, 3), "squash"),
    "640x490 PNG, grey": Kind(
        "CK+", "PNG", "L", (640, 490), {}, (128, 128, 1), "square", (151.5, 90.5, 451.5, 390.5)
    ),
    "512x512 BMP": Kind("BU-3DFE", "BMP", "RGB", (512, 512), {}, (128, 128, 3), "square"),
    "512x512 BMP, face found": Kind("BU-3DFE", "BMP", "RGB", (512, 512), {}, (128, 128, 3), "square", finds=True),
}  # fmt: skip


def picture(kind: Kind, rng: np.random.Generator) -> bytes:
    """Return one file: gradients and soft noise within an ellipse before black, which compress as faces do."""
    width, height = kind.size
    bands = 3 if kind.mode == "RGB" else 1
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    soft = Image.fromarray(rng.integers(0, 256, (max(height // 12, 4), max(width // 12, 4), 3), np.uint8))
    lights = np.asarray(soft.resize((width, height), Image.Resampling.BICUBIC), float)[..., :bands] * 0.4
    grain = rng.normal(0, 2.5, (height, width, 1))
    pixels = 100 + 60 * (x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1))[..., None] + lights + grain
    pixels = np.where(((x / 0.62) ** 2 + (y / 0.8) ** 2 < 1)[..., None] | (kind.form == "JPEG"), pixels, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8).squeeze()).save(buffer, kind.form, **kind.options)
    return buffer.getvalue()


class Cost(NamedTuple):
    """Seconds by the clock, and of processors (children's too)."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> Cost:
        """Return the costs so far."""
        return cls(time.perf_counter(), sum(os.times()[:4]))

    def since(self, began: Cost) -> Cost:
        """Return the costs from `began` to now."""
        return Cost(self.clock - began.clock, self.processor - began.processor)


def bare(kind: Kind, contents: list[bytes]) -> Cost:
    """Decode everything in one process."""
    height, width, channels = kind.stored
    packed = {content: zlib.compress(content, 1, -15) for content in set(contents)} if kind.form == "BMP" else {}
    began = Cost.now()
    for content in contents:
        if packed:
            content = zlib.decompress(packed[content], -15, len(content))
        image = Image.open(io.BytesIO(content)).convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            image = _cut(_Opened(image, "", image.size, 1), kind.box or (0, 0, *image.size), (width, height))
        np.asarray(image)
    return Cost.now().since(began)


def whole(name: str, kind: Kind, contents: list[bytes], folder: Path, workers: int) -> Cost:
    """Prepare everything."""

    def read(raw: zipfile.ZipFile) -> Listing:
        box = None if kind.finds else kind.box
        return Listing([ImageRow(name, 0, "all", None, name, box=box) for name in raw.namelist()])

    facts = Dataset(
        name="drawn", title=name, classes=("any",), splits=("all",), modalities=("visible",), size=kind.stored[:2],
        channels=kind.stored[2], counts={}, licence="", home="", how_to_get="", recognise=lambda names: "drawn",
        read=read, fit=kind.fit,  # type: ignore[arg-type]
    )  # fmt: skip
    if kind.finds:
        object.__setattr__(facts, "locate", locate)
    catalog.DATASETS["drawn"] = facts
    raw = folder / "raw"
    if not raw.exists():
        with zipfile.ZipFile(folder / "drawn.zip", "w") as archive:
            for number, content in enumerate(contents):
                archive.writestr(f"{number:06d}.{kind.form.lower()}", content)
        obtain("drawn", str(folder / "drawn.zip"), raw, stand_in=True)
    shutil.rmtree(folder / "prepared", ignore_errors=True)  # which takes a while for large files
    began = Cost.now()
    prepare("drawn", raw, folder / "prepared", workers=workers)
    return Cost.now().since(began)


def measure(name: str, seconds: float, repeats: int) -> dict[str, object]:
    """Measure one kind of file in turns."""
    kind, rng = KINDS[name], np.random.default_rng(0)
    few = [picture(kind, rng) for _ in range(40)]
    if kind.finds and (found := locate(Image.open(io.BytesIO(few[0])))):
        kind = kind._replace(box=found[0])
    bare(kind, few)
    contents = few * max(1, round(seconds / bare(kind, few).clock))
    runs: list[list[Cost]] = []
    with tempfile.TemporaryDirectory() as place:
        whole(name, kind, contents, Path(place), 1)  # the first one imports
        for _ in range(repeats):
            runs.append([bare(kind, contents), *(whole(name, kind, contents, Path(place), n) for n in (1, 2))])
    alone, one, two = (round(len(contents) / statistics.median(r[i].clock for r in runs)) for i in range(3))
    shares = [statistics.median(r[0].processor / r[i].processor for r in runs) for i in (1, 2)]
    return {
        "files": name,
        "like": kind.like,
        "bytes": round(statistics.mean(map(len, few))),
        "bare, images/s": alone,
        "1 process, images/s": one,
        "share of decoding": round(shares[0], 2),
        "2 processes, images/s": two,
        "share of decoding with 2": round(shares[1], 2),
    }


def main() -> None:
    """Measure every kind and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2, help="of bare decoding, for each kind and turn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="kinds whose name begins so")
    parser.add_argument("--csv", type=Path)
    options = parser.parse_args()
    table: list[dict[str, object]] = []
    for name in KINDS:
        if name.startswith(options.only):
            record = measure(name, options.seconds, options.repeats)
            if not table:
                print("| " + " | ".join(record) + " |\n" + "|---" * 2 + "|---:" * (len(record) - 2) + "|")
            table.append(record)
            print(
                "| "
                + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in record.values())
                + " |"
            )
            sys.stdout.flush()
    print(f"\nPillow {Image.__version__}, Python {sys.version.split()[0]}.")
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(table[0]))
            writer.writeheader()
            writer.writerows(table)


if __name__ == "__main__":
    main()
