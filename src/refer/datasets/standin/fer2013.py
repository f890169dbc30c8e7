"""A drawn stand-in for FER2013, in each of the raw layouts in which that data set goes about.

FER2013: 35,887 grey faces of 48x48 pixels in seven classes (Goodfellow et al., 2013, "Challenges in Representation
Learning"). The stand-in repeats its class proportions and, with `mess`, the faults that an audit is to find, in the
shares in which a pixel-exact comparison of the real images finds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from refer.datasets.readers.fer2013 import FER2013, SPLITS
from refer.datasets.standin import faces
from refer.datasets.standin.common import Faults, Order, Row, drawer, encoded, note, person, plan_rows, stated
from refer.datasets.standin.packing import Files

REAL_COUNTS = {split: stated(counts) for split, counts in FER2013.counts.items()}
"""Images of each class in the real data set, by official split."""

SIZE = 48
LEAST = 14
"""The fewest images a split may have: room for every class, and for one of each fault beside them."""

_NOTE = """subjects.csv names the drawn person in every image, which the real
data set does not. Seed {seed}; {subjects} drawn persons; faults of the real data set {mess}."""


REAL_FAULTS = {
    "Training": {"blank": 11, "Training": 1236},
    "PublicTest": {"blank": 1, "Training": 280},
    "PrivateTest": {"Training": 288, "PublicTest": 44},
}
"""Images of each split that are black all over, and that stand in another split too, or in Training once more. Black
images are duplicates of one another, and counted as such too."""


def files(order: Order) -> Files:
    """Return README.txt, subjects.csv (id, subject) and 48x48 grey images in one of FER2013's layouts.

    An id is "<csv>#<row from 0>" or the path of the image.
    """
    order.need(len(SPLITS), float("inf"), "one for every split")
    rows = plan(order.images, order.subjects, order.seed, order.mess)
    names = ids(rows, order.layout, order.mess)
    mess = "included" if order.mess else "left out"
    told = note(FER2013.title, _NOTE.format(seed=order.seed, subjects=order.subjects, mess=mess))
    listed = ["id,subject", *(f"{name},p{row.subject:05d}" for name, row in zip(names, rows, strict=True))]
    pixels = _draw_all(rows, order)
    members = _folders(pixels, names) if order.layout == "folders" else _table(rows, pixels, order.layout)
    members = chain([("README.txt", told), ("subjects.csv", ("\n".join(listed) + "\n").encode())], members)
    folder = "fer2013/" if order.layout == "fer2013.csv" else ""
    return ((folder + name, content) for name, content in members)


draw = drawer(FER2013, files, layout="fer2013.csv", least=dict.fromkeys(SPLITS, LEAST), room="two of every class")


def face(seed: int, subject: int, shot: int, emotion: int) -> NDArray[np.uint8]:
    """Draw one image of the stand-in: uint8 (48, 48), grey."""
    rng = faces.generator(seed, subject, shot)
    expression = faces.sample_expression(FER2013.classes[emotion], rng)
    return faces.grey(faces.draw(person(seed, subject), expression, faces.sample_capture(rng), SIZE, rng))


def faults(split: str, images: int) -> dict[str, int]:
    """Return how many faults a split of so many images carries: the real shares, at least one of each."""
    real = sum(REAL_COUNTS[split])
    found = {fault: max(1, round(images * number / real)) for fault, number in REAL_FAULTS[split].items()}
    least = found.get("blank", 0) + (split == "PublicTest")  # a duplicate beside the blank ones
    return found | {"Training": max(least, found["Training"])}


def conflicts(images: Mapping[str, int]) -> int:
    """Return how many groups of identical images carry conflicting labels (57 of the real 35,887 images)."""
    return max(1, round(sum(images.values()) * 57 / sum(map(sum, REAL_COUNTS.values()))))


def plan(images: Mapping[str, int], subjects: int, seed: int, mess: bool) -> list[Row]:
    """Return every row of the stand-in: Training first, then PublicTest, then PrivateTest."""
    rng = faces.generator(seed)
    rows = plan_rows(FER2013, images, subjects, rng)
    if not mess:
        return rows
    made = Faults(rows, rng)
    for split in SPLITS:
        number = faults(split, images[split])
        blanks = number.pop("blank", 0)
        for _ in range(blanks):  # of one class, so that the blanks carry no conflicting labels
            index = next(k for k in made.of(split) if rows[k].label == FER2013.classes.index("happy"))
            made.put(index, replace(rows[index], fault="blank"))
        for source, copies in number.items():
            # The blanks are duplicates of one another: in Training all but the first, in PublicTest all.
            rest = copies - blanks + (split == "Training") if source == "Training" else copies
            for turn in range(rest):
                made.copy(split, source, "same file", clash=split == "Training" and turn < conflicts(images))
    return made.rows


def _draw_all(rows: list[Row], order: Order) -> NDArray[np.uint8]:
    """Draw every row: uint8 (rows, 48, 48). A duplicate is drawn again, and comes out the same."""
    pixels = np.zeros((len(rows), SIZE, SIZE), dtype=np.uint8)
    for index, row in enumerate(rows):
        if row.fault != "blank":
            pixels[index] = face(order.seed, row.subject, row.shot, row.emotion)
        order.tick(index + 1, len(rows))
    return pixels


def _table(rows: list[Row], pixels: NDArray[np.uint8], layout: str) -> Files:
    """Yield one CSV with a row of space-separated grey levels per image."""
    usual = layout == "fer2013.csv"
    lines = ["emotion,pixels,Usage" if usual else "emotion, Usage, pixels"]
    levels = [str(level) for level in range(256)]
    for row, image in zip(rows, pixels, strict=True):
        text = " ".join(map(levels.__getitem__, image.ravel().tolist()))
        lines.append(f"{row.label},{text},{row.split}" if usual else f"{row.label},{row.split},{text}")
    yield layout, ("\n".join(lines) + "\n").encode()


def _folders(pixels: NDArray[np.uint8], paths: list[str]) -> Files:
    """Yield one JPEG per image."""
    for path, image in sorted(zip(paths, pixels, strict=True), key=lambda pair: pair[0]):
        yield path, encoded(image, "JPEG", quality=95)


def ids(rows: list[Row], layout: str, mess: bool) -> list[str]:
    """Return the id of every row: "<csv>#<row from 0>", or the path of its image.

    With `mess`, two images in different class folders share a file name, as happens in the real data set.
    """
    if layout != "folders":
        return [f"{layout}#{index}" for index in range(len(rows))]
    # A multiple modulo a prime scatters the eight-digit numbers without a clash.
    numbers = [(index + 1) * 48_271_337 % 99_999_989 for index in range(len(rows))]
    if mess:
        twin = next(k for k, row in enumerate(rows) if row.label != rows[0].label)
        numbers[twin] = numbers[0]
    return [
        f"{'train' if row.split == 'Training' else 'test'}/{FER2013.classes[row.label]}/{row.split}_{number:08d}.jpg"
        for row, number in zip(rows, numbers, strict=True)
    ]
