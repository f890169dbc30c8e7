"""What a data set is to this project: its facts, the layouts it comes in, and the rows read from it.

A data set joins as one module that builds a `Dataset` (see fer2013.py) and one line in catalog.py. Nothing
here imports more than the standard library, because the workflow is planned with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import zipfile

    import numpy as np

Progress = Callable[[int, int | None], None]
"""Called with (done, total); total is None where it is not known beforehand."""

DEFECTS = ("counts", "unreadable", "labels", "sizes")
"""What `tolerate` may name: defects of raw data that are otherwise errors."""


class Row(NamedTuple):
    """One image of the raw set."""

    id: str  # unique and the same in every mirror of a layout: the path inside the raw set
    label: int  # index into Dataset.classes
    split: str  # one of Dataset.splits
    subject: str | None  # None: not known
    member: str  # the raw file that holds it


class Problem(NamedTuple):
    """One defect of the raw data; `kind` is one of DEFECTS."""

    kind: str
    id: str
    what: str


@dataclass(frozen=True)
class Listing:
    """What a data set's reader found: rows in any order, and what is wrong.

    `pixels` (N×H×W×C, uint8, row i belongs to rows[i]) is given by layouts that hold pixels as text; where it
    is None each row's `member` is an image file.
    """

    rows: list[Row]
    problems: list[Problem] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    pixels: np.ndarray | None = None


@dataclass(frozen=True)
class Dataset:
    """The facts of one data set, and the two functions that read its raw files.

    `classes` is in code order: a label is an index into it. `splits` are the owner's, the training split
    first. `counts` maps split to the owner's number of images in each class, in class order. `size` is
    (height, width) in pixels.

    `recognise` takes the member names and returns the name of the layout; it raises UserError saying what
    was looked for and what was found. `read` takes the opened raw archive.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    modalities: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    counts: Mapping[str, tuple[int, ...]]
    licence: str
    home: str
    how_to_get: str
    recognise: Callable[[Sequence[str]], str]
    read: Callable[[zipfile.ZipFile], Listing]

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", MappingProxyType(dict(self.counts)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a prepared image."""
        return (*self.size, self.channels)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that orders runs of digits by value: img2 before img10."""
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part
    )


def some(items: Sequence[object], limit: int = 4) -> str:
    """Return the first few items as text, and how many more there are."""
    shown = ", ".join(str(item) for item in items[:limit])
    return f"{shown} and {len(items) - limit} more" if len(items) > limit else shown
