"""Much at once: thousands of runs planned, millions of predictions scored, many images prepared; seconds and memory.

    python benchmarks/load.py [--only plan score prepare] [--runs 3000] [--predictions 10000000] [--images 100000]

Each in a process of its own; `peak` is its largest resident memory, `base` that after its imports. Everything is drawn
from a seed into a temporary folder, which is removed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
ROWS = 7_178
"""Predictions in a file: FER2013's two tested parts."""


def resident() -> float:
    """Return the largest resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def measured(about: dict[str, Any]) -> Iterator[None]:
    """Fill in seconds and memory."""
    about["base_mb"], began = round(resident()), time.perf_counter()
    yield
    about["seconds"] = round(time.perf_counter() - began, 1)
    about["peak_mb"] = round(resident())


def plan(count: int, _: Path) -> dict[str, Any]:
    """Plan so many runs: presets/full.yaml with as many seeds as that takes."""
    from refer import yaml
    from refer.plan import load_plan

    config = yaml.read(ROOT / "presets/full.yaml")
    each = len(list(load_plan(_seeded(config, 1), "full.yaml", ROOT).runs()))
    about: dict[str, Any] = {}
    with measured(about):
        made = load_plan(_seeded(config, -(-count // each)), "full.yaml", ROOT)
        about["runs"] = len({run.path for run in made.runs()})
    return about


def _seeded(config: dict[str, Any], seeds: int) -> dict[str, Any]:
    wanted = {name: {**each, "seeds": list(range(seeds))} for name, each in config["reproduce"].items()}
    return config | {"reproduce": wanted}


def write_predictions(folder: Path, files: int, rows: int = ROWS) -> list[Path]:
    """Write the predictions of `files` seeds, each of so many images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    label = rng.integers(0, 7, rows).astype(np.int8)
    fixed = {
        "id": pa.array([f"test/happy/PrivateTest_{number:08d}.jpg" for number in range(rows)]),
        "part": pa.array(["public"] * (rows // 2) + ["private"] * (rows - rows // 2)),
        "kept": pa.array(np.ones(rows, bool)),
        "label": pa.array(label),
    }
    paths = []
    for seed in range(files):
        chance = rng.random((rows, 7)).astype(np.float32)
        chance /= chance.sum(axis=1, keepdims=True)
        meta = {
            "paper": "khalid2025", "dataset": "fer2013", "data": "fer2013-standin", "protocol": "audited",
            "method": "full", "seed": seed, "fold": None, "stand_in": True, "classes": CLASSES,
            "checkpoint_sha256": f"{seed:064x}", "data_fingerprint": "0" * 64, "preset": "load",
        }  # fmt: skip
        columns = {f"p_{name}": pa.array(chance[:, k]) for k, name in enumerate(CLASSES)}
        table = pa.table(fixed | columns).replace_schema_metadata({b"refer": json.dumps(meta).encode()})
        path = folder / f"load/runs/khalid2025/fer2013-standin/audited/full/seed{seed}/predictions.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
        paths.append(path)
    return paths


def score(count: int, folder: Path) -> dict[str, Any]:
    """Score so many predictions."""
    from refer.evaluation import scores

    paths = write_predictions(folder, -(-count // ROWS))
    about: dict[str, Any] = {"predictions": ROWS * len(paths), "files": len(paths)}
    with measured(about):
        scores.score(paths, folder / "scores.parquet")
    return about


def write_images(path: Path, count: int) -> None:
    """Write FER2013 as folders: so many PNGs, of which 97 differ but for one pixel row."""
    import io

    from PIL import Image

    rng = np.random.default_rng(0)
    content = []
    for _ in range(97):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (6, 6), dtype=np.uint8)).resize((48, 48)).save(buffer, "PNG")
        content.append(buffer.getvalue())
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            name = f"train/{CLASSES[number % 7]}/Training_{number:08d}.png"
            archive.writestr(name, content[number % len(content)])


def prepare(count: int, folder: Path) -> dict[str, Any]:
    """Obtain and prepare so many images."""
    from refer.datasets.prepare import prepare as prepared
    from refer.datasets.prepared import check
    from refer.datasets.raw.obtain import obtain

    write_images(folder / "raw.zip", count)
    about: dict[str, Any] = {"images": count}
    with measured(about):
        obtain("fer2013", str(folder / "raw.zip"), folder / "raw", stand_in=True)
        about["obtained_mb"] = round(resident())
        prepared("fer2013", folder / "raw", folder / "prepared", workers=1)
        about["prepared_mb"] = round(resident())
        check(folder / "prepared")
    return about


LOADS: dict[str, Callable[[int, Path], dict[str, Any]]] = {"plan": plan, "score": score, "prepare": prepare}


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=LOADS, default=list(LOADS))
    parser.add_argument("--runs", type=int, default=3_000)
    parser.add_argument("--predictions", type=int, default=10_000_000)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--one", choices=LOADS, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    counts = {"plan": parsed.runs, "score": parsed.predictions, "prepare": parsed.images}
    if parsed.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(LOADS[parsed.one](counts[parsed.one], Path(folder))))
        return 0
    for name in parsed.only:
        sizes = ["--runs", str(parsed.runs), "--predictions", str(parsed.predictions), "--images", str(parsed.images)]
        done = subprocess.run([sys.executable, __file__, "--one", name, *sizes], capture_output=True, text=True)
        print(name, done.stdout.strip() or done.stderr[-800:], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
