"""A drawn stand-in for BU-3DFE's frontal photographs, in its owner's layout.

BU-3DFE: 100 people (56 women, 44 men), each neutral and with six expressions in four strengths, 2,500 scans
(Yin et al., 2006, "A 3D Facial Expression Database For Facial Behavior Research"). Of each scan the stand-in
draws the frontal picture, F0001_AN01WH_F2D.bmp: the face as a scanner cuts it out, before black.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from refer.datasets.readers.bu3dfe import BU3DFE, CODES, PEOPLE
from refer.datasets.standin import faces
from refer.datasets.standin.common import Progress, check, encoded, note, shares
from refer.datasets.standin.curves import Knots, curve, mirrored
from refer.datasets.standin.geometry import Shape, see, shape
from refer.datasets.standin.packing import Files, check_place, pack
from refer.datasets.standin.painting import paint, photograph
from refer.datasets.standin.people import BEARDS
from refer.errors import UserError

Layout = Literal["F2D"]

PICTURES = 25
"""Of each person: neutral, and six expressions of four strengths."""
SIZE = 256
"""Height and width in pixels, half of the real 512, for a quarter of the time."""
STRENGTHS = (0.0, 0.3, 0.5, 0.75, 1.0)
"""How strong the expression of each level is, relative to the strongest; level 0 is neutral."""
ANCESTRIES = ("WH", "BL", "AE", "AM")
"""Codes that file names end in, as public code shows them; here they are drawn, and say nothing about a face."""
POSED = faces.Variation(faint=0.0, jitter=0.15, missing=0.03, foreign=0.1, blink=0.0)

_WOMENS_HAIR = ("fringe", "long", "waves", "bob", "curls", "bun", "parted")
_MENS_HAIR = ("crop", "parted", "fringe", "curls", "receding", "bald")

_NOTE = """The two letters before _F2D in a file's name stand
for ancestry in the real set; here they are drawn by lot and say nothing about the face. Seed {seed}; {subjects} drawn
persons; {mess}."""
_MESS = "mess: a file per person that is no picture (*_RAW.wrl), and one file name in small letters"


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


def draw(
    out: Path,
    *,
    images: Mapping[str, int],
    subjects: int,
    seed: int = 0,
    layout: Layout = "F2D",
    mess: bool = True,
    progress: Progress | None = None,
    size: int = SIZE,
) -> None:
    """Draw a stand-in for BU-3DFE and write it to `out`, whole or not at all.

    `out` is an archive (.tar.gz, .tgz or .zip) or, with no suffix, a new directory. There are 25 pictures of
    each of the `subjects` (2 to 100) drawn persons, women and men in the real proportion, so `images` is empty
    (or says so: {"all": 25 * subjects}). The archive holds a folder per person of colour BMPs of `size` x
    `size` pixels, and README.txt. `progress` is called with (drawn, all).

    Equal arguments give equal bytes with equal versions of NumPy, Pillow and zlib. A face depends on the
    seed, its person, its class and its level alone, not on what is drawn before or beside it.

    Raises UserError for counts, a layout, a size or a place that will not do.
    """
    check_place(out)
    check({}, {}, layout, get_args(Layout), "")
    if not 2 <= subjects <= sum(PEOPLE.values()):
        raise UserError(f"subjects: {subjects}; expected 2 to {sum(PEOPLE.values())}, as many as the real set has")
    if images and dict(images) != {"all": PICTURES * subjects}:
        raise UserError(f"images: {dict(images)}; expected none, for each subject has {PICTURES}")
    if size < 48:
        raise UserError(f"size: {size} pixels; expected at least 48")
    told = note(BU3DFE.title, _NOTE.format(seed=seed, subjects=subjects, mess=_MESS if mess else "mess left out"))
    pack(out, _members(plan(subjects, seed), told, seed, mess, size, progress))


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
    styles = _WOMENS_HAIR if name.startswith("F") else _MENS_HAIR
    beards = BEARDS[:1] if name.startswith("F") or rng.random() < 0.6 else BEARDS[1:]
    return replace(
        who,
        hair_style=styles[int(rng.integers(len(styles)))],
        beard=beards[int(rng.integers(len(beards)))],
        glasses=False,
    )


def face(scan: Scan, seed: int, size: int = SIZE) -> NDArray[np.uint8]:
    """Draw one picture of the stand-in: uint8 (size, size, 3), black where the scan has nothing."""
    shown = faces.generator(seed, scan.person, 1 + scan.label)
    peak = faces.sample_expression(BU3DFE.classes[scan.label], shown, POSED, float(shown.uniform(0.8, 1.0)))
    rng = faces.generator(seed, scan.person, 1 + scan.label, scan.level)
    strength = STRENGTHS[scan.level] * rng.uniform(0.92, 1.0)
    expression = faces.Expression({unit: strength * typical for unit, typical in peak.units.items()}, peak.lean)
    who = _person(seed, scan.subject, scan.person)
    shot = faces.Capture(
        yaw=float(rng.normal(0, 1.5)),
        pitch=float(rng.normal(0, 1.5)),
        roll=float(rng.normal(0, 1.0)),
        scale=0.27,
        centre=(0.5 + float(rng.normal(0, 0.006)), 0.45 + float(rng.normal(0, 0.006))),
        light=(0.0, -0.35),
        contrast_of_light=0.3,
        background=(0, 0, 0),
        noise=0.8,
    )
    seen = see(_scanned(shape(who, expression), who, faces.generator(seed, scan.person, 0)), shot)
    picture = photograph(paint(seen, who, shot, size), shot, rng)
    return np.where(_mask(seen.curve("scan"), size)[..., None] > 0, picture, np.uint8(0))


def _scanned(head: Shape, who: faces.Identity, rng: np.random.Generator) -> Shape:
    """Return the part of a head that a scanner catches, bounded by the curve "scan": no shoulders, half of the hair.

    The bound is uneven, in a way that is the person's own.
    """
    chin = float(head.curves["head"][:, 1].max())
    half: Knots = [
        (0.0, -1.3),
        (0.6, -1.2),
        (1.02 * who.face_width, -0.72),
        (1.14 * who.face_width, 0.0),
        (1.06 * who.face_width, 0.5),
        (0.88 * who.jaw_width, 0.72 * chin),
        (0.5, chin + 0.02),
        (0.24, chin + 0.15),
        (0.0, chin + 0.18),
    ]
    bound = curve(mirrored(half), closed=True, steps=5)
    around = np.linspace(0, 2 * np.pi, len(bound), endpoint=False)
    uneven = sum(rng.normal(0, 0.016) * np.sin(wave * around + rng.uniform(0, 7)) for wave in (3, 5, 8, 13))
    bound = bound * (1.0 + np.asarray(uneven)[:, None])
    kept = {name: points for name, points in head.curves.items() if name not in ("cloth", "hair back")}
    return replace(head, curves={**kept, "scan": bound}, lifts={**head.lifts, "scan": -0.28})


def _mask(bound: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    inside = Image.new("L", (size, size))
    ImageDraw.Draw(inside).polygon((bound * size).ravel().tolist(), fill=255)
    return np.asarray(inside)


def _members(scans: list[Scan], told: bytes, seed: int, mess: bool, size: int, progress: Progress | None) -> Files:
    yield "README.txt", told
    for done, scan in enumerate(scans, 1):
        stem = scan.stem
        if mess and done % PICTURES == 1:
            yield f"{scan.subject}/{stem}_RAW.wrl", b"#VRML V2.0 utf8 (no scan: a stand-in has none)\n"
        name = f"{stem}_F2D.bmp"
        yield f"{scan.subject}/{name.lower() if mess and done == 2 else name}", encoded(face(scan, seed, size), "BMP")
        if progress:
            progress(done, len(scans))
