"""A drawn stand-in for FER+, in the layout of its repository: faces of 48×48 pixels, and ten drawn taggers' votes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refer.datasets.readers.ferplus import FERPLUS, TABLE, VOTES
from refer.datasets.standin import faces
from refer.datasets.standin.common import Order, drawer, encoded, note, person, shares
from refer.datasets.standin.packing import Files

FOLDERS = dict(zip(FERPLUS.splits, ("FER2013Train", "FER2013Valid", "FER2013Test"), strict=True))
SHOWN = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
WEIGHTS = (36, 27, 13, 13, 9, 1, 2, 1)  # hundredths of each class, about those of the real set
SURE = (0.95, 0.8, 0.6, 0.45)  # share of the taggers who see what was drawn, by turns
TAGGERS = 10
LEAST = dict.fromkeys(FERPLUS.splits, 16)
NO_FACE = 50  # with `mess`, every row of this number is no face and has no image, as some rows of the real table

_NOTE = "Seed {seed}; {subjects} drawn persons."


def files(order: Order) -> Files:
    """Return README.txt, 48×48 grey PNGs and the table of votes, whose rows are numbered on through the splits."""
    order.need(len(LEAST), float("inf"), "one for every split")
    rng = faces.generator(order.seed)
    yield "README.txt", note(FERPLUS.title, _NOTE.format(seed=order.seed, subjects=order.subjects))
    lines = [f"Usage,Image name,{','.join(VOTES)}"]
    first = done = 0
    for split, crowd in zip(LEAST, shares(order.subjects, [order.images[each] for each in LEAST]), strict=True):
        labels = np.repeat(np.arange(len(SHOWN)), shares(order.images[split], WEIGHTS))
        for label in rng.permutation(labels).tolist():
            if order.mess and len(lines) % NO_FACE == 0:
                lines.append(f"{split},,{'0,' * (len(VOTES) - 1)}{TAGGERS}")
            number = len(lines) - 1
            sure = SURE[done % len(SURE)]
            chances = np.full(len(VOTES), (1 - sure) / (len(VOTES) - 1))
            chances[label] = sure
            name = f"fer{number:07d}.png"
            lines.append(f"{split},{name},{','.join(map(str, rng.multinomial(TAGGERS, chances)))}")
            yield f"data/{FOLDERS[split]}/{name}", encoded(face(order.seed, first + done % crowd, number, label), "PNG")
            done += 1
            order.tick(done, sum(order.images.values()))
        first += crowd
    yield TABLE, ("\n".join(lines) + "\n").encode()


draw = drawer(FERPLUS, files, layout="repository", least=LEAST, room="two of every class")


def face(seed: int, subject: int, shot: int, label: int) -> NDArray[np.uint8]:
    """Draw one image: uint8 (48, 48), grey."""
    rng = faces.generator(seed, subject, shot)
    expression = faces.sample_expression(SHOWN[label], rng)
    return faces.grey(faces.draw(person(seed, subject), expression, faces.sample_capture(rng), FERPLUS.size[0], rng))
