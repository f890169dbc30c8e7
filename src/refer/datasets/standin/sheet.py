"""A contact sheet of drawn faces: what the stand-ins look like, one row an expression, one column a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from refer.datasets.standin import faces
from refer.files import whole


def draw_sheet(out: Path, *, emotions: Sequence[str], people: int = 8, size: int = 112, seed: int = 1) -> None:
    """Draw prototypes of `emotions` on `people` faces of `size` pixels, and write them to `out` (.png)."""
    sheet = Image.new("RGB", (people * size, len(emotions) * size))
    for column in range(people):
        who = faces.sample_identity(faces.generator(seed, column))
        behind = faces.sample_capture(faces.generator(seed, column, 0)).background
        for row, emotion in enumerate(emotions):
            rng = faces.generator(seed, column, row, 1)
            shot = replace(faces.STUDIO, yaw=float(rng.normal(0, 6)), roll=float(rng.normal(0, 3)), background=behind)
            expression = faces.sample_expression(emotion, rng, faces.PURE, strength=1.0)
            face = faces.draw(who, expression, shot, size, rng)
            sheet.paste(Image.fromarray(face), (column * size, row * size))
    with whole(out) as temporary:
        sheet.save(temporary, optimize=True)
