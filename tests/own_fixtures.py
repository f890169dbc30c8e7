"""Lists of images for tests of `refer compare`, made from predictions; their pixel hashes are of the images' names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from refer.evaluation.predictions import read_predictions

SPLITS = {"train": "Training", "public": "PublicTest", "private": "PrivateTest"}


def hash_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def write_list(folder: Path, prediction: Path, rows: bool = False, same: tuple[str, ...] = ()) -> Path:
    """Write the list of the images that a file of predictions is of; images of `same` have the pixels of the first."""
    run = read_predictions(prediction)
    out = folder / "data" / run.key.data / "images.parquet"
    out.parent.mkdir(parents=True, exist_ok=True)
    ids = run.ids.tolist()
    about = {
        "dataset": run.dataset, "stand_in": run.stand_in, "data_fingerprint": run.data_fingerprint,
        "classes": list(run.classes), "paper": run.key.paper, "protocol": run.key.protocol, "audited": True,
        "near": True, "test": "private", "shape": [48, 48, 1],
    }  # fmt: skip
    table = pa.table({
        "id": ids,
        "row": pa.array([k if rows else None for k in range(len(ids))], pa.int32()),
        "sha256": [hash_of(same[0] if name in same else name) for name in ids],
        "label": pa.array(run.label, pa.int8()),
        "split": [SPLITS[part] for part in run.part.tolist()],
        "part": run.part.tolist(),
        "kept": run.kept,
        "reason": np.where(run.kept, "", "same image in train").tolist(),
        "twins": [[] if kept else [0] for kept in run.kept.tolist()],
    })  # fmt: skip
    parquet.write_table(table.replace_schema_metadata({b"refer": json.dumps(about).encode()}), out)
    return out


def answers(prediction: Path, part: str | None = "private") -> pd.DataFrame:
    """Return ids and probabilities of a file of predictions, as another program might write them."""
    found = pd.read_parquet(prediction)
    found = found if part is None else found[found["part"] == part]
    return found.drop(columns=["part", "kept", "label"]).rename(columns={"id": "image"}).reset_index(drop=True)
