"""Drawn faces outside any data set: a contact sheet of what the stand-ins look like, and folders to try things on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from refer.datasets.standin import faces
from refer.errors import UserError
from refer.files import whole

SPLITS = ("train", "val", "test", "train", "train")
"""Of five people, one after the other."""


def draw_sheet(out: Path, *, emotions: Sequence[str], people: int = 8, size: int = 112, seed: int = 1) -> None:
    """Draw prototypes of `emotions` on `people` faces of `size` pixels, and write them to `out` (.png)."""
    sheet = Image.new("RGB", (people * size, len(emotions) * size))
    for column in range(people):
        for row, emotion in enumerate(emotions):
            sheet.paste(_face(emotion, size, seed, column, row), (column * size, row * size))
    with whole(out) as temporary:
        sheet.save(temporary, optimize=True)


def draw_folders(out: Path, *, emotions: Sequence[str], people: int = 20, size: int = 48, seed: int = 1) -> int:
    """Draw each emotion twice on each of `people` faces, as `out`/<split>/<emotion>/p<person>_<number>.png.

    Of five people three are in train, one in val and one in test; returns the number of images.

    Raises:
        UserError: `out` is there, or there are too few people for three splits.
    """
    if out.exists():
        raise UserError(f"{out}: something is there already; name a folder that is not, or remove it.")
    if people < len(SPLITS):
        raise UserError(f"found {people} people, expected {len(SPLITS)} or more, so that each split has one.")
    for person in range(people):
        for row, emotion in enumerate(emotions):
            for number in range(2):
                path = out / SPLITS[person % len(SPLITS)] / emotion / f"p{person:03d}_{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                _face(emotion, size, seed, person, 2 * row + number).save(path)
    return 2 * people * len(emotions)


def _face(emotion: str, size: int, seed: int, person: int, number: int) -> Image.Image:
    """Draw one picture of a person."""
    who = faces.sample_identity(faces.generator(seed, person))
    behind = faces.sample_capture(faces.generator(seed, person, 0)).background
    rng = faces.generator(seed, person, number, 1)
    shot = replace(faces.STUDIO, yaw=float(rng.normal(0, 6)), roll=float(rng.normal(0, 3)), background=behind)
    expression = faces.sample_expression(emotion, rng, faces.PURE, strength=1.0)
    return Image.fromarray(faces.draw(who, expression, shot, size, rng))
