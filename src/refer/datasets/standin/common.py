"""What the stand-ins of all data sets share: proportions, persons, encoded images, the note, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.standin import faces
from refer.errors import UserError

Progress = Callable[[int, int], None]
"""Called with (drawn, all)."""


def stated(counts: Sequence[int | None]) -> tuple[int, ...]:
    """Return the numbers of images that an owner states for each class, 0 where none is stated."""
    return tuple(count or 0 for count in counts)


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` out in proportion to `weights`, at least 1 each, by largest remainders."""
    exact = [total * weight / sum(weights) for weight in weights]
    counts = [max(1, int(part)) for part in exact]
    order = sorted(range(len(exact)), key=lambda k: counts[k] - exact[k])
    for k in order[: max(0, total - sum(counts))]:
        counts[k] += 1
    while sum(counts) > total:  # the ones that were raised to 1 took too much: the largest give
        counts[counts.index(max(counts))] -= 1
    return counts


@lru_cache(maxsize=4096)
def person(seed: int, subject: int) -> faces.Identity:
    """Return the drawn person of this number, the same in every picture of a stand-in with this seed."""
    return faces.sample_identity(faces.generator(seed, subject))


def encoded(pixels: NDArray[np.uint8], form: str, **options: Any) -> bytes:
    """Return the file of an image, in a form that Pillow writes: "JPEG", "PNG", "BMP"."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=form, **options)
    return buffer.getvalue()


def note(title: str, rest: str) -> bytes:
    """Return the README.txt that goes with every stand-in; `rest` follows on the same line."""
    return f"""drawn stand-in, no real person; made by ReFER in the raw layout of {title} for trying out a workflow.

Every image here is a procedurally drawn face. No image of {title} is in it and no number computed on it says
anything about {title} or about people. {rest}
""".encode()


def check(images: Mapping[str, int], least: Mapping[str, int], layout: str, layouts: Sequence[str], room: str) -> None:
    """Raise UserError unless `images` has the splits of `least`, with so many or more, and the layout is known.

    `room` says in a few words what the least number has room for.
    """
    if layout not in layouts:
        raise UserError(f"layout {layout!r} is unknown; expected one of {', '.join(layouts)}")
    if set(images) != set(least):
        raise UserError(f"images names {', '.join(images) or 'no split'}; expected {', '.join(least) or 'none'}")
    for split, number in images.items():
        if number < least[split]:
            raise UserError(f"images of {split}: {number}; expected at least {least[split]}, {room}")
