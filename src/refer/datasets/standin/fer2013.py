"""A drawn stand-in for FER2013, in each of the raw layouts in which that data set goes about.

FER2013: 35,887 grey faces of 48x48 pixels in seven classes (Goodfellow et al., 2013, "Challenges in
Representation Learning"). The stand-in repeats its class proportions and, with `mess`, the faults that an
audit is to find, in the shares in which a pixel-exact comparison of the real images finds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from refer.datasets.readers.fer2013 import CLASSES, FER2013
from refer.datasets.standin import faces
from refer.datasets.standin.common import Progress, check, encoded, note, person, shares, stated
from refer.datasets.standin.packing import Files, check_place, pack
from refer.errors import UserError

Layout = Literal["fer2013.csv", "icml_face_data.csv", "folders"]

REAL_COUNTS = {split: stated(counts) for split, counts in FER2013.counts.items()}
"""Images of each class in the real data set, by official split."""

SIZE = 48
LEAST = 14
"""The fewest images a split may have: room for every class, and for one of each fault beside them."""

_NOTE = """subjects.csv names the drawn person in every image, which the real
data set does not. Seed {seed}; {subjects} drawn persons; faults of the real data set {mess}."""


@dataclass(frozen=True)
class Faults:
    """How many of each of FER2013's faults a split of the stand-in carries."""

    blank: int
    """Images that are black all over (they count as one another's copies too)."""
    within: int
    """Surplus copies among Training's own images, the blank ones included."""
    from_training: int = 0
    """Images of a test split that stand in Training too, the blank ones included."""
    from_public: int = 0
    """Images of PrivateTest that stand in PublicTest too."""


@dataclass(frozen=True)
class Row:
    """One image of the stand-in: where it is filed, and which face is drawn for it.

    The face is that of `subject`, `shot` and `emotion`; an exact copy shares all three with its original,
    and `label` differs from `emotion` where the copy is filed under a conflicting class.
    """

    split: str
    label: int
    subject: int
    shot: int
    emotion: int
    blank: bool = False


def draw(
    out: Path,
    *,
    images: Mapping[str, int],
    subjects: int,
    seed: int = 0,
    layout: Layout = "fer2013.csv",
    mess: bool = True,
    progress: Progress | None = None,
) -> None:
    """Draw a stand-in for FER2013 and write it to `out`, whole or not at all.

    `out` is an archive (.tar.gz, .tgz or .zip) or, with no suffix, a new directory. `images` gives the
    number of images of Training, PublicTest and PrivateTest, each at least `LEAST`; classes come in the real
    proportions, at least one of each. `subjects` (at least 3) drawn persons are shared out among the splits,
    so that no person stands in two of them but for the copies that `mess` puts in. The archive holds, in one
    of FER2013's layouts (`layout`), 48x48 grey images, and beside them README.txt and subjects.csv (id,
    subject; id is "<csv>#<row from 0>" or the path of the image). `progress` is called with (drawn, all).

    Equal arguments give equal bytes with equal versions of NumPy, Pillow and zlib. A face depends on the
    seed, its person, its number and its class alone, not on what is drawn before or beside it.

    Raises UserError for counts, a layout or a place that will not do.
    """
    check_place(out)
    _check(images, subjects, layout)
    rows = plan(images, subjects, seed, mess)
    names = ids(rows, layout, mess)
    pixels = _draw_all(rows, seed, progress)
    told = note(FER2013.title, _NOTE.format(seed=seed, subjects=subjects, mess="included" if mess else "left out"))
    members = _folders(pixels, names) if layout == "folders" else _table(rows, pixels, layout)
    members = chain([("README.txt", told), ("subjects.csv", _subjects(rows, names))], members)
    folder = "fer2013/" if layout == "fer2013.csv" else ""
    pack(out, ((folder + name, content) for name, content in members))


def face(seed: int, subject: int, shot: int, emotion: int) -> NDArray[np.uint8]:
    """Draw one image of the stand-in: uint8 (48, 48), grey."""
    rng = faces.generator(seed, subject, shot)
    expression = faces.sample_expression(CLASSES[emotion], rng)
    return faces.grey(faces.draw(person(seed, subject), expression, faces.sample_capture(rng), SIZE, rng))


def faults(split: str, images: int) -> Faults:
    """Return how many faults a split of so many images carries: the real shares, at least one of each."""

    def share(real: int) -> int:
        return max(1, round(images * real / sum(REAL_COUNTS[split])))

    if split == "Training":
        blank = share(11)
        return Faults(blank, within=max(blank, share(1236)))
    if split == "PublicTest":
        blank = share(1)
        return Faults(blank, within=0, from_training=max(blank + 1, share(280)))
    return Faults(0, within=0, from_training=share(288), from_public=share(44))


def conflicts(images: Mapping[str, int]) -> int:
    """Return how many groups of identical images carry conflicting labels (57 of the real 35,887 images)."""
    return max(1, round(sum(images.values()) * 57 / sum(map(sum, REAL_COUNTS.values()))))


def plan(images: Mapping[str, int], subjects: int, seed: int, mess: bool) -> list[Row]:
    """Return every row of the stand-in: Training first, then PublicTest, then PrivateTest."""
    rng = faces.generator(seed)
    rows: list[Row] = []
    first = 0
    for split, crowd in zip(REAL_COUNTS, shares(subjects, [images[s] for s in REAL_COUNTS]), strict=True):
        labels = np.repeat(np.arange(len(CLASSES)), shares(images[split], REAL_COUNTS[split]))
        people = first + rng.permutation(np.arange(images[split]) % crowd)
        for label, subject in zip(rng.permutation(labels), people, strict=True):
            rows.append(Row(split, int(label), int(subject), len(rows), int(label)))
        first += crowd
    return _Mess(rows, rng).made(images) if mess else rows


class _Mess:
    """Turns some of the planned rows into blanks and copies; every row keeps its split and its label."""

    def __init__(self, rows: list[Row], rng: np.random.Generator) -> None:
        self.rows = list(rows)
        order = [int(index) for index in rng.permutation(len(rows))]
        self.sources = {split: [k for k in order if rows[k].split == split] for split in REAL_COUNTS}
        """Rows that nothing was done to yet, so that each can be the original of a copy."""
        kept = {(rows[k].split, rows[k].label): k for k in order}.values()
        self.free = {split: [k for k in self.sources[split] if k not in set(kept)] for split in REAL_COUNTS}
        """Rows that may become a fault: all but one of each class and split."""

    def made(self, images: Mapping[str, int]) -> list[Row]:
        training, public, private = (faults(split, images[split]) for split in REAL_COUNTS)
        for split, blanks in (("Training", training.blank), ("PublicTest", public.blank)):
            for _ in range(blanks):
                self._blank(split)
        # The blanks are copies of one another, so they are part of the amounts.
        within = training.within - (training.blank - 1)
        for number in range(within):
            self._copy("Training", "Training", clash=number < conflicts(images))
        for _ in range(public.from_training - public.blank):
            self._copy("PublicTest", "Training")
        for _ in range(private.from_training):
            self._copy("PrivateTest", "Training")
        for _ in range(private.from_public):
            self._copy("PrivateTest", "PublicTest")
        return self.rows

    def _blank(self, split: str) -> None:
        """Blank a row of one and the same class, so that the blanks carry no conflicting labels."""
        index = next(k for k in self.free[split] if self.rows[k].label == CLASSES.index("happy"))
        self.rows[index] = replace(self.rows[index], blank=True)
        self._done(split, index)

    def _copy(self, split: str, source: str, clash: bool = False) -> None:
        """Make a row of `split` a copy of an original in `source` of its class (of another one on `clash`)."""
        for index in self.free[split]:
            for original in self.sources[source]:
                alike = self.rows[original].label == self.rows[index].label
                if original != index and alike != clash:
                    pattern = self.rows[original]
                    self.rows[index] = replace(
                        self.rows[index], subject=pattern.subject, shot=pattern.shot, emotion=pattern.emotion
                    )
                    self._done(split, index)
                    self._done(source, original)
                    return
        raise UserError(
            f"{split} is to hold copies of {source}'s images, and {source} is too small to have enough originals; "
            f"expected it to be about as large: draw more of {source}, or leave the mess out."
        )

    def _done(self, split: str, index: int) -> None:
        for pool in (self.free[split], self.sources[split]):
            if index in pool:
                pool.remove(index)


def _draw_all(rows: list[Row], seed: int, progress: Progress | None) -> NDArray[np.uint8]:
    """Draw every row: uint8 (rows, 48, 48). A copy is drawn again, and comes out the same."""
    pixels = np.zeros((len(rows), SIZE, SIZE), dtype=np.uint8)
    for index, row in enumerate(rows):
        if not row.blank:
            pixels[index] = face(seed, row.subject, row.shot, row.emotion)
        if progress:
            progress(index + 1, len(rows))
    return pixels


def _table(rows: list[Row], pixels: NDArray[np.uint8], layout: Layout) -> Files:
    """Return one CSV with a row of space-separated grey levels per image, and the rows' ids."""
    header = "emotion,pixels,Usage" if layout == "fer2013.csv" else "emotion, Usage, pixels"
    lines = [header]
    levels = [str(level) for level in range(256)]
    for row, image in zip(rows, pixels, strict=True):
        text = " ".join(map(levels.__getitem__, image.ravel().tolist()))
        cells = (text, row.split) if layout == "fer2013.csv" else (row.split, text)
        lines.append(f"{row.label},{cells[0]},{cells[1]}")
    yield layout, ("\n".join(lines) + "\n").encode()


def _folders(pixels: NDArray[np.uint8], paths: list[str]) -> Files:
    """Return one JPEG per image."""
    for path, image in sorted(zip(paths, pixels, strict=True), key=lambda pair: pair[0]):
        yield path, encoded(image, "JPEG", quality=95)


def ids(rows: list[Row], layout: Layout, mess: bool) -> list[str]:
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
        f"{'train' if row.split == 'Training' else 'test'}/{CLASSES[row.label]}/{row.split}_{number:08d}.jpg"
        for row, number in zip(rows, numbers, strict=True)
    ]


def _subjects(rows: list[Row], names: list[str]) -> bytes:
    lines = ["id,subject", *(f"{name},p{row.subject:05d}" for name, row in zip(names, rows, strict=True))]
    return ("\n".join(lines) + "\n").encode()


def _check(images: Mapping[str, int], subjects: int, layout: str) -> None:
    check(images, dict.fromkeys(REAL_COUNTS, LEAST), layout, get_args(Layout), "two of every class")
    if subjects < len(images):
        raise UserError(f"subjects: {subjects}; expected at least {len(images)}, one for every split")
