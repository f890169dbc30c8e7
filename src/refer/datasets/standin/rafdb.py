"""A drawn stand-in for RAF-DB's basic part, in the raw layouts in which that data set goes about.

RAF-DB basic: 15,339 colour faces found on the web, aligned to 100x100 pixels, in seven classes (Li and Deng, 2019,
"Reliable Crowdsourcing and Deep Locality-Preserving Learning"). The stand-in repeats its class proportions and, with
`mess`, what an audit of pictures from the web is to find: duplicates that are the same file, and near duplicates that
were encoded, brightened, cut or mirrored in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.readers.rafdb import RAFDB
from refer.datasets.standin import faces
from refer.datasets.standin.common import Faults, Order, Row, drawer, encoded, note, person, plan_rows
from refer.datasets.standin.packing import Files

SIZE = 100
LEAST = {"train": 60, "test": 40}
"""The fewest images of each split: room for every class, and for one of each fault beside them."""
ORIGINALS = 3
"""How many images of each split come as they were before they were aligned, too."""
CLEAR = faces.Variation(faint=0.25, jitter=0.22, missing=0.06, foreign=0.25)
"""Forty people agreed on each of RAF-DB's labels, so its expressions are clearer than FER2013's."""
FAULTS = ("same file", "encoded again", "brightened", "cut", "mirrored")
"""What is between an image and its duplicate, from nothing at all to the hardest to find."""

_NOTE = """truth.csv names the drawn person in every
image, and which image is a copy of which; the real data set says neither. Seed {seed}; {subjects} drawn persons."""


def files(order: Order) -> Files:
    """Return README.txt, truth.csv (id, subject, drawn, copy_of, fault) and 100x100 colour JPEGs in RAF-DB's layouts.

    No reader of the real data set needs truth.csv. In the layout "basic" a few pictures are there, too, as they were
    before they were aligned.
    """
    order.need(len(LEAST), float("inf"), "one for every split")
    rows = plan(order.images, order.subjects, order.seed, order.mess)
    stems = _stems(rows)
    told = note(RAFDB.title, _NOTE.format(seed=order.seed, subjects=order.subjects))
    head = [("README.txt", told), ("truth.csv", _truth(rows, stems))]
    if order.layout == "basic":
        labels = "".join(f"{stem}.jpg {row.label + 1}\n" for row, stem in zip(rows, stems, strict=True))
        head.append(("basic/EmoLabel/list_patition_label.txt", labels.encode()))
    return chain(head, _images(rows, stems, order))


draw = drawer(RAFDB, files, layout="basic", least=LEAST, room="room for every class and every fault")


def plan(images: Mapping[str, int], subjects: int, seed: int, mess: bool) -> list[Row]:
    """Return every row of the stand-in, train first, then test.

    With `mess` each fault is there across the splits and within each, about 1 image in 1000 of each kind.
    """
    rng = faces.generator(seed)
    rows = plan_rows(RAFDB, images, subjects, rng)
    if not mess:
        return rows
    made = Faults(rows, rng)
    for fault in FAULTS:
        for split, source in (("test", "train"), ("train", "train"), ("test", "test")):
            for _ in range(max(1, images[split] // 1000)):
                made.copy(split, source, fault)
    made.copy("train", "train", "same file", clash=True)
    made.copy("test", "train", "encoded again", clash=True)
    return made.rows


def sample_capture(rng: np.random.Generator) -> faces.Capture:
    """Draw a press or holiday photograph as RAF-DB aligns it: eyes and mouth near fixed places, whatever the pose."""
    return replace(
        faces.sample_capture(rng),
        yaw=float(np.clip(12 * rng.standard_normal(), -30, 30)),
        pitch=float(np.clip(6 * rng.standard_normal(), -15, 15)),
        roll=float(rng.normal(0, 1.5)),
        scale=float(np.clip(rng.normal(0.44, 0.015), 0.4, 0.48)),
        centre=(float(rng.normal(0.5, 0.01)), float(rng.normal(0.39, 0.01))),
        blur=float(rng.uniform(0, 0.008)),
        noise=float(rng.uniform(0, 4)),
        contrast=float(rng.uniform(0.75, 1.15)),
    )


def face(seed: int, subject: int, shot: int, emotion: int) -> NDArray[np.uint8]:
    """Draw one image of the stand-in, aligned: uint8 (100, 100, 3)."""
    rng = faces.generator(seed, subject, shot)
    expression = faces.sample_expression(RAFDB.classes[emotion], rng, CLEAR)
    faded = rng.random() < 0.05  # a few photographs are black and white
    image = faces.draw(person(seed, subject), expression, sample_capture(rng), SIZE, rng)
    return np.repeat(faces.grey(image)[..., None], 3, axis=2) if faded else image


def spoiled(pixels: NDArray[np.uint8], fault: str) -> bytes:
    """Return the JPEG of a near duplicate of an image (height, width, 3)."""
    height, width = pixels.shape[:2]
    if fault == "encoded again":
        return encoded(pixels, "JPEG", quality=50)
    if fault == "brightened":
        pixels = np.clip(pixels * 1.06 + 7.0, 0, 255).astype(np.uint8)
    elif fault == "cut":
        cut = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC, (2, 2, width - 2, height - 2))
        pixels = np.asarray(cut)
    elif fault == "mirrored":
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    return encoded(pixels, "JPEG", quality=92)


def _file(row: Row, seed: int) -> bytes:
    original = encoded(face(seed, row.subject, row.shot, row.emotion), "JPEG", quality=92)
    if row.fault in ("", "same file"):
        return original
    with Image.open(BytesIO(original)) as image:
        return spoiled(np.asarray(image), row.fault)


def _images(rows: list[Row], stems: list[str], order: Order) -> Files:
    shown = Counter[str]()
    for done, (row, stem) in enumerate(zip(rows, stems, strict=True), 1):
        folder = "basic/Image/aligned" if order.layout == "basic" else f"{row.split}/{row.label + 1}"
        content = _file(row, order.seed)
        yield f"{folder}/{stem}_aligned.jpg", content
        if order.layout == "basic" and row.of is None and shown[row.split] < ORIGINALS:
            shown[row.split] += 1
            with Image.open(BytesIO(content)) as image:
                original = np.asarray(image.resize((250, 230 + 10 * shown[row.split])))
            yield f"basic/Image/original/{stem}.jpg", encoded(original, "JPEG", quality=92)
        order.tick(done, len(rows))


def _stems(rows: list[Row]) -> list[str]:
    """Return train_00001, …, test_0001, … as the owner counts."""
    number, stems = Counter[str](), []
    for row in rows:
        number[row.split] += 1
        stems.append(f"{row.split}_{number[row.split]:0{5 if row.split == 'train' else 4}d}")
    return stems


def _truth(rows: list[Row], stems: list[str]) -> bytes:
    lines = ["id,subject,drawn,copy_of,fault"]
    for row, name in zip(rows, stems, strict=True):
        of = "" if row.of is None else stems[row.of]
        lines.append(f"{name},p{row.subject:05d},{RAFDB.classes[row.emotion]},{of},{row.fault}")
    return ("\n".join(lines) + "\n").encode()
