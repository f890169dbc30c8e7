"""Faces in pictures, and what a network says of each: one row a face, with the time that it took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from refer import files
from refer.datasets.decode import Box
from refer.errors import UserError
from refer.live.faces import Finder, cropped
from refer.live.media import Frame
from refer.live.model import Model

STEPS = ("detection", "crop", "classification")
COLOUR = (255, 210, 0)


class Seen(NamedTuple):
    """What was found in a picture.

    `boxes` (None where the picture is taken for a face), `probabilities` (faces, classes), and the milliseconds of each
    of `STEPS`, which are those of all faces of the picture together.
    """

    frame: Frame
    boxes: list[Box] | None
    probabilities: NDArray[np.float32]
    milliseconds: tuple[float, float, float]


def look(frames: Iterable[Frame], model: Model, finder: Finder | None) -> Iterator[Seen]:
    """Find the faces of each picture and judge them; without a finder the picture is a face."""
    margin = float(model.about["input"]["margin"])
    for frame in frames:
        times = [perf_counter()]
        boxes = None if finder is None else finder(frame.picture)
        times.append(perf_counter())
        faces = cropped(frame.picture, boxes, model.recipe, margin)
        times.append(perf_counter())
        found = model(faces) if len(faces) else np.empty((0, len(model.classes)), np.float32)
        times.append(perf_counter())
        detection, crop, classification = (1000 * float(step) for step in np.diff(times))
        yield Seen(frame, boxes, found, (detection, crop, classification))


def columns(model: Model) -> list[str]:
    """Return the names of what `rows` gives."""
    return ["source", "frame", "seconds", "face", "left", "top", "right", "bottom", "class",
            *(f"p_{name}" for name in model.classes), *(f"{step}_ms" for step in STEPS)]  # fmt: skip


def rows(seen: Seen, classes: list[str]) -> list[list[Any]]:
    """Return one row a face, from 0, the largest first; one without a face's columns where there is none.

    Boxes are in pixels of the picture, 0 at its left and top edge; all of it where nothing was looked for.
    """
    frame, times = seen.frame, [f"{step:.3f}" for step in seen.milliseconds]
    when = "" if frame.seconds is None else f"{frame.seconds:.3f}"
    start = [frame.source, frame.number, when]
    boxes = [(0.0, 0.0, *map(float, frame.picture.size))] if seen.boxes is None else seen.boxes
    found = [
        [
            *start,
            number,
            *(f"{edge:g}" for edge in box),
            classes[int(each.argmax())],
            *(f"{p:.6f}" for p in each),
            *times,
        ]
        for number, (box, each) in enumerate(zip(boxes, seen.probabilities, strict=True))
    ]
    return found or [[*start, *[""] * (6 + len(classes)), *times]]


def drawn(seen: Seen, classes: list[str]) -> Image.Image:
    """Return a copy of the picture with a box about each face, and its class with its probability."""
    picture = seen.frame.picture.copy()
    pen, size = ImageDraw.Draw(picture), max(10, picture.height // 24)
    font = ImageFont.load_default(size)
    boxes = [(0.0, 0.0, picture.width - 1.0, picture.height - 1.0)] if seen.boxes is None else seen.boxes
    for box, each in zip(boxes, seen.probabilities, strict=True):
        pen.rectangle(box, outline=COLOUR, width=max(2, size // 8))
        text, corner = f"{classes[int(each.argmax())]} {100 * each.max():.0f} %", (box[0], max(0, box[1] - 1.4 * size))
        pen.rectangle(pen.textbbox(corner, text, font=font), fill=COLOUR)
        pen.text(corner, text, fill=(0, 0, 0), font=font)
    return picture


@contextmanager
def folder_of(folder: Path) -> Iterator[Callable[[Seen, Image.Image], None]]:
    """Yield a function that writes the picture of an image file into a folder, as PNG under the name of its source.

    Raises:
        UserError: two sources have one name, or `folder` is a file.
    """
    if folder.is_file() or folder.suffix:
        raise UserError(f"--out {folder}: of images, expected a folder.")
    written: set[str] = set()

    def add(seen: Seen, picture: Image.Image) -> None:
        name = f"{Path(seen.frame.source).stem}.png"
        if name in written:
            raise UserError(f"{folder / name}: two images are called so; give them one by one.")
        written.add(name)
        with files.whole(folder / name) as temporary:
            picture.save(temporary)

    yield add


class Tally:
    """Counts what was seen, for the line at the end."""

    def __init__(self) -> None:
        self.faces = self.empty = 0
        self.times: list[tuple[float, float, float]] = []

    def add(self, seen: Seen) -> None:
        """Count a picture."""
        self.faces += len(seen.probabilities)
        self.empty += not len(seen.probabilities)
        self.times.append(seen.milliseconds)

    def __str__(self) -> str:
        """Medians over all pictures; frames per second are those of the median of the three together."""
        times = np.array(self.times).reshape(-1, 3)
        if not len(times):
            return "no picture"
        steps = ", ".join(
            f"{step} {middle:.1f} ms" for step, middle in zip(STEPS, np.median(times, axis=0), strict=True)
        )
        rate = 1000 / float(np.median(times.sum(axis=1)))
        return (f"{len(times):,} pictures, {self.faces:,} faces, {self.empty:,} pictures without one; median: {steps}; "
                f"{rate:.1f} pictures per second, without reading and drawing them")  # fmt: skip
