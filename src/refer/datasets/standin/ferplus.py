"""A drawn stand-in for FER+, in the layout of its repository: faces of 48×48 pixels, and ten drawn taggers' votes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from refer.datasets.readers.ferplus import CLASSES, FERPLUS, SPLITS, TABLE, VOTES
from refer.datasets.standin import faces
from refer.datasets.standin.common import Progress, check, encoded, note, person, shares
from refer.datasets.standin.packing import check_place, pack

Layout = Literal["repository"]
FOLDERS = dict(zip(SPLITS, ("FER2013Train", "FER2013Valid", "FER2013Test"), strict=True))
SHOWN = dict(zip(CLASSES, ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"), strict=True))
WEIGHTS = (36, 27, 13, 13, 9, 1, 2, 1)  # hundredths of each class, about those of the real set
SURE = (0.95, 0.8, 0.6, 0.45)  # share of the taggers who see what was drawn, by turns
TAGGERS = 10
LEAST = 16  # images of a split: two of every class
_NOTE = "Seed {seed}; {subjects} drawn persons; every fiftieth row is no face and has no image, as the real table has."


def draw(
    out: Path,
    *,
    images: Mapping[str, int],
    subjects: int,
    seed: int = 0,
    layout: Layout = "repository",
    progress: Progress | None = None,
) -> None:
    """Draw a stand-in: the same bytes for the same arguments.

    Args:
        out: an archive (.tar.gz, .tgz, .zip) or, with no suffix, a new folder.
        images: the number of images of Training, PublicTest and PrivateTest, each at least LEAST.
        subjects: drawn persons, shared out among the splits.
        seed: of everything that is drawn.
        layout: the repository's.
        progress: called with (drawn, all).

    Raises:
        UserError: counts, a layout or a place that will not do.
    """
    check_place(out)
    check(images, dict.fromkeys(SPLITS, LEAST), layout, get_args(Layout), "two of every class")
    told = note(FERPLUS.title, _NOTE.format(seed=seed, subjects=subjects))
    pack(out, _members(told, images, subjects, seed, progress))


def _members(
    told: bytes, images: Mapping[str, int], subjects: int, seed: int, progress: Progress | None
) -> Iterator[tuple[str, bytes]]:
    rng = faces.generator(seed)
    lines = [f"Usage,Image name,{','.join(VOTES)}"]
    yield "README.txt", told
    first = done = 0
    for split, crowd in zip(SPLITS, shares(subjects, [images[split] for split in SPLITS]), strict=True):
        for label in rng.permutation(np.repeat(np.arange(len(CLASSES)), shares(images[split], WEIGHTS))):
            if len(lines) % 50 == 0:
                lines.append(f"{split},,{','.join(['0'] * (len(VOTES) - 1))},{TAGGERS}")
            number = len(lines) - 1
            sure = SURE[done % len(SURE)]
            chances = np.full(len(VOTES), (1 - sure) / (len(VOTES) - 1))
            chances[label] = sure
            name = f"fer{number:07d}.png"
            lines.append(f"{split},{name},{','.join(map(str, rng.multinomial(TAGGERS, chances)))}")
            yield f"data/{FOLDERS[split]}/{name}", encoded(face(seed, first + done % crowd, number, int(label)), "PNG")
            done += 1
            if progress:
                progress(done, sum(images.values()))
        first += crowd
    yield TABLE, ("\n".join(lines) + "\n").encode()


def face(seed: int, subject: int, shot: int, label: int) -> NDArray[np.uint8]:
    """Draw one image: uint8 (48, 48), grey."""
    rng = faces.generator(seed, subject, shot)
    expression = faces.sample_expression(SHOWN[CLASSES[label]], rng)
    return faces.grey(faces.draw(person(seed, subject), expression, faces.sample_capture(rng), 48, rng))
