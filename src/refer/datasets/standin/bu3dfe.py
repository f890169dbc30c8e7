"""A drawn stand-in for BU-3DFE's frontal photographs, in its owner's layout.

BU-3DFE: 100 people (56 women, 44 men), each neutral and with six expressions in four strengths, 2,500 scans (Yin et
al., 2006, "A 3D Facial Expression Database For Facial Behavior Research"). Of each scan the stand-in draws the frontal
picture, F0001_AN01WH_F2D.bmp: the head alone, before black.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from refer.datasets.readers.bu3dfe import BU3DFE, CODES, PEOPLE
from refer.datasets.standin import faces
from refer.datasets.standin.common import Order, drawer, encoded, note, shares
from refer.datasets.standin.faces import paint, photograph
from refer.datasets.standin.geometry import COVERS_EARS, see
from refer.datasets.standin.packing import Files
from refer.datasets.standin.people import BEARDS, HAIR_STYLES
from refer.errors import UserError

PICTURES = 25
"""Of each person: neutral, and six expressions of four strengths."""
SIZE = 256
"""Height and width in pixels, half of the real 512, for a quarter of the time."""
STRENGTHS = (0.0, 0.3, 0.5, 0.75, 1.0)
"""How strong the expression of each level is, relative to the strongest; level 0 is neutral."""
ANCESTRIES = ("WH", "BL", "AE", "AM")
"""Codes that file names end in, as public code shows them; here they are drawn, and say nothing about a face."""
POSED = faces.Variation(faint=0.0, jitter=0.15, missing=0.03, foreign=0.1)

_HAIR = {"F": ["fringe", "long", "bob", "curls"], "M": [style for style in HAIR_STYLES if style not in COVERS_EARS]}

_NOTE = """The two letters before _F2D in a file's name stand
for ancestry in the real set; here they are drawn by lot and say nothing about the face. Seed {seed}; {subjects} drawn
persons; a file per person that is no picture (*_RAW.wrl), and one file name in small letters{left}."""


@dataclass(frozen=True)
class Scan:
    """One picture: whose it is (F0001 …), who is drawn, which class at which level, and the end of its name."""

    subject: str
    person: int
    label: int
    level: int
    ancestry: str

    @property
    def stem(self) -> str:
        """The owner's name of the scan, F0001_AN01WH."""
        code = next(code for code, label in CODES.items() if label == self.label)
        return f"{self.subject}_{code}{self.level:02d}{self.ancestry}"


def files(order: Order, size: int = SIZE) -> Files:
    """Return README.txt and 25 colour BMPs of `size` x `size` pixels of each person, in a folder per person.

    The number of subjects (2 to 100) says that of the images, so `images` is empty (or {"all": 25 * subjects}); women
    and men come in the real proportion.
    """
    order.need(2, sum(PEOPLE.values()), "as many as the real set has")
    if order.images and dict(order.images) != {"all": PICTURES * order.subjects}:
        raise UserError(f"images: {dict(order.images)}; expected none, for each subject has {PICTURES}")
    if size < 48:
        raise UserError(f"size: {size} pixels; expected at least 48")
    return _members(order, size)


draw = drawer(BU3DFE, files, layout=BU3DFE.layouts[0], least={}, room="")


def plan(subjects: int, seed: int) -> list[Scan]:
    """Return every picture, ordered by person, class and level."""
    women, men = shares(subjects, list(PEOPLE.values()))
    names = [f"F{n + 1:04d}" for n in range(women)] + [f"M{n + 1:04d}" for n in range(men)]
    scans = []
    for number, name in enumerate(names):
        ancestry = ANCESTRIES[int(faces.generator(seed, number, 0).integers(len(ANCESTRIES)))]
        for code, label in sorted(CODES.items()):
            levels = (0,) if code == "NE" else range(1, len(STRENGTHS))
            scans += [Scan(name, number, label, level, ancestry) for level in levels]
    return scans


@lru_cache(maxsize=256)
def _person(seed: int, name: str, number: int) -> faces.Identity:
    """Draw a woman or a man, as the first letter of the name says; nobody wears what the scanner cannot see through."""
    rng = faces.generator(seed, number)
    who = faces.sample_identity(rng)
    styles = _HAIR[name[0]]
    beards = BEARDS[:1] if name[0] == "F" or rng.random() < 0.6 else BEARDS[1:]
    hair, beard = styles[int(rng.integers(len(styles)))], beards[int(rng.integers(len(beards)))]
    return replace(who, hair_style=hair, beard=beard, glasses=False)


def face(scan: Scan, seed: int, size: int = SIZE) -> NDArray[np.uint8]:
    """Draw one picture of the stand-in: uint8 (size, size, 3), black where the scan has nothing."""
    shown = faces.generator(seed, scan.person, 1 + scan.label)
    peak = faces.sample_expression(BU3DFE.classes[scan.label], shown, POSED, float(shown.uniform(0.8, 1.0)))
    rng = faces.generator(seed, scan.person, 1 + scan.label, scan.level)
    strength = STRENGTHS[scan.level] * rng.uniform(0.92, 1.0)
    expression = {unit: strength * typical for unit, typical in peak.items()}
    who = _person(seed, scan.subject, scan.person)
    yaw, pitch, roll, x, y = (float(value) for value in rng.normal(0, (1.0, 1.0, 0.7, 0.004, 0.004)))
    shot = faces.Capture(
        yaw=yaw, pitch=pitch, roll=roll, scale=0.26, centre=(0.5 + x, 0.48 + y), light=(0.0, -0.35),
        contrast_of_light=0.3, background=(0, 0, 0),
    )  # fmt: skip
    seen = see(who, expression, shot)
    return photograph(paint(seen, who, shot, size, without=("neck", "cloth", "hair back")), shot, rng)


def _members(order: Order, size: int) -> Files:
    left = "" if order.mess else ", both left out"
    yield "README.txt", note(BU3DFE.title, _NOTE.format(seed=order.seed, subjects=order.subjects, left=left))
    scans = plan(order.subjects, order.seed)
    for done, scan in enumerate(scans, 1):
        stem = scan.stem
        if order.mess and done % PICTURES == 1:
            yield f"{scan.subject}/{stem}_RAW.wrl", b"#VRML V2.0 utf8 (no scan: a stand-in has none)\n"
        name = f"{stem}_F2D.bmp"
        picture = encoded(face(scan, order.seed, size), "BMP")
        yield f"{scan.subject}/{name.lower() if order.mess and done == 2 else name}", picture
        order.tick(done, len(scans))
