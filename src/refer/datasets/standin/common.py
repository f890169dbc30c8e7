"""What the stand-ins of all data sets share: proportions, persons, duplicates, the note, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.drawn import forget_drawn, note_drawn
from refer.datasets.model import Dataset
from refer.datasets.standin import faces
from refer.datasets.standin.packing import Files, check_place, pack
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


@dataclass(frozen=True)
class Row:
    """One image of a stand-in with official splits: where it is filed, and which face is drawn for it.

    The face is that of `subject`, `shot` and `emotion`. A copy (`of` is the index of its original's row) shares the
    three with its original, and `label` differs from `emotion` where it is filed under another class. `fault` says what
    is done to the image.
    """

    split: str
    label: int
    subject: int
    shot: int
    emotion: int
    of: int | None = None
    fault: str = ""


def plan_rows(known: Dataset, images: Mapping[str, int], subjects: int, rng: np.random.Generator) -> list[Row]:
    """Return rows in the classes' real proportions, split by split; nobody stands in two splits."""
    rows: list[Row] = []
    first = 0
    for split, crowd in zip(known.splits, shares(subjects, [images[s] for s in known.splits]), strict=True):
        labels = np.repeat(np.arange(len(known.classes)), shares(images[split], stated(known.counts[split])))
        people = first + rng.permutation(np.arange(images[split]) % crowd)
        for label, subject in zip(rng.permutation(labels), people, strict=True):
            rows.append(Row(split, int(label), int(subject), len(rows), int(label)))
        first += crowd
    return rows


class Faults:
    """Turns some of the planned rows into copies of others; every row keeps its split and its label."""

    def __init__(self, rows: list[Row], rng: np.random.Generator) -> None:
        self.rows = list(rows)
        order = [int(index) for index in rng.permutation(len(rows))]
        kept = set({(rows[k].split, rows[k].label): k for k in order}.values())
        self._unused = dict.fromkeys(order)
        """Rows that are neither copies nor originals yet: there are no copies of copies."""
        self._free = {k: None for k in order if k not in kept}
        """Those that may become a fault: all but one of each class and split."""

    def of(self, split: str) -> Iterator[int]:
        """Yield the rows of a split that may become a fault."""
        return (k for k in self._free if self.rows[k].split == split)

    def put(self, index: int, row: Row) -> None:
        """Put a fault in the place of a row."""
        self.rows[index] = row
        for used in (index, row.of):
            self._unused.pop(used, None)  # type: ignore[arg-type]
            self._free.pop(used, None)  # type: ignore[arg-type]

    def copy(self, split: str, source: str, fault: str, clash: bool = False) -> None:
        """Make a row of `split` a copy of one of `source` of its class (of another class on `clash`)."""
        for index in self.of(split):
            label = self.rows[index].label
            for of in self._unused:
                original = self.rows[of]
                if of != index and original.split == source and (original.label == label) != clash:
                    self.put(index, replace(original, split=split, label=label, of=of, fault=fault))
                    return
        raise UserError(
            f"{split} is to hold copies of {source}'s images, and {source} is too small to have enough originals: "
            f"draw more of {source}, or leave the mess out."
        )


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


def dust(folder: str, path: str) -> Files:
    """Yield what a Mac leaves in an archive: how a folder is shown, and a file's attributes, which are no image."""
    above, _, name = path.rpartition("/")
    yield f"{folder}/.DS_Store", b"\0\0\0\1Bud1"
    yield f"__MACOSX/{folder}/{above}/._{name}", bytes.fromhex("0005160700020000") + b"Mac OS X".ljust(18)


@dataclass(frozen=True)
class Order:
    """What is to be drawn; `drawer` says what each field means."""

    images: Mapping[str, int]
    subjects: int
    seed: int
    layout: str
    mess: bool
    progress: Progress | None

    def tick(self, done: int, total: int) -> None:
        """Tell how many of all pictures are drawn."""
        if self.progress:
            self.progress(done, total)

    def need(self, least: int, most: float, why: str) -> None:
        """Raise UserError unless there are from `least` to `most` subjects; `why` says what for."""
        if not least <= self.subjects <= most:
            wanted = f"{least} to {most}" if most < float("inf") else f"at least {least}"
            raise UserError(f"subjects: {self.subjects}; expected {wanted}, {why}")


def drawer(
    known: Dataset, files: Callable[..., Files], *, layout: str, least: Mapping[str, int], room: str
) -> Callable[..., None]:
    """Return the function that draws a stand-in: `files` turns an order into the archive's files.

    `layout` is the usual one; `least` maps each split to the fewest images that it may have, and `room` says in a few
    words what these have room for. With an empty `least`, `files` looks at the numbers itself.
    """

    def draw(
        out: Path,
        *,
        images: Mapping[str, int],
        subjects: int,
        seed: int = 0,
        layout: str = layout,
        mess: bool = True,
        progress: Progress | None = None,
        **more: Any,
    ) -> None:
        """Draw a stand-in and write it, whole or not at all.

        Args:
            out: the archive: a .tar.gz, .tgz or .zip.
            images: number of images (sequences, moments) by split; classes come in the real proportions.
            subjects: number of drawn persons. Where there are official splits, nobody stands in two of them but for
                the duplicates that `mess` puts in.
            seed: equal arguments give equal bytes with equal versions of NumPy, SciPy, Pillow, Matplotlib and zlib. A
                face depends on the seed, its person, its number and its class alone, not on what is drawn before it.
            layout: one of the raw layouts that the data set's reader knows.
            mess: whether the data set's known faults are put in.
            progress: called with (drawn, all).
            more: what a data set takes besides, as CK+'s `frames` and `size`.

        Raises:
            UserError: counts, a layout or a place that will not do.
        """
        check_place(out)
        if layout not in known.layouts:
            raise UserError(f"layout {layout!r} is unknown; expected one of {', '.join(known.layouts)}")
        if least and set(images) != set(least):
            raise UserError(f"images names {', '.join(images) or 'no split'}; expected {', '.join(least)}")
        for split, number in least.items():
            if images[split] < number:
                raise UserError(f"images of {split}: {images[split]}; expected at least {number}, {room}")
        forget_drawn(out)
        pack(out, files(Order(images, subjects, seed, layout, mess, progress), **more))
        note_drawn(out, {"images": dict(images), "subjects": subjects, "seed": seed, "layout": layout, "usual": usual})

    usual = layout
    return draw
