"""A drawn stand-in for RAF-DB's basic part, in the raw layouts in which that data set goes about.

RAF-DB basic: 15,339 colour faces found on the web, aligned to 100x100 pixels, in seven classes (Li and Deng,
2019, "Reliable Crowdsourcing and Deep Locality-Preserving Learning"). The stand-in repeats its class
proportions and, with `mess`, what an audit of pictures from the web is to find: copies that are the same
file, and near copies that were encoded, brightened, cut or mirrored in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.readers.rafdb import RAFDB
from refer.datasets.standin import faces
from refer.datasets.standin.common import Progress, check, encoded, note, person, shares, stated
from refer.datasets.standin.geometry import see, shape, turn
from refer.datasets.standin.packing import Files, check_place, pack
from refer.datasets.standin.painting import paint, photograph
from refer.errors import UserError

Layout = Literal["basic", "class folders"]

SIZE = 100
LEAST = {"train": 60, "test": 40}
"""The fewest images of each split: room for every class, and for one of each fault beside them."""
ORIGINALS = 3
"""How many images of each split come as they were before they were aligned, too."""
CLEAR = faces.Variation(faint=0.35, jitter=0.25, missing=0.08, foreign=0.3)
"""Forty people agreed on each of RAF-DB's labels, so its expressions are clearer than FER2013's."""

_NOTE = """truth.csv names the drawn person in every
image, and which image is a copy of which; the real data set says neither. Seed {seed}; {subjects} drawn persons.
Faults put in on purpose: {faults}"""

Fault = Literal["same file", "encoded again", "brightened", "cut", "mirrored"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
"""What is between an image and its copy, from nothing at all to the hardest to find."""


@dataclass(frozen=True)
class Row:
    """One image of the stand-in: where it is filed, and which face is drawn for it.

    The face is that of `subject`, `shot` and `emotion`. A copy (`of` is the index of its original's row)
    shares the three with its original, and `label` differs from `emotion` where it is filed under another class.
    """

    split: str
    label: int
    subject: int
    shot: int
    emotion: int
    of: int | None = None
    fault: Fault | None = None


def draw(
    out: Path,
    *,
    images: Mapping[str, int],
    subjects: int,
    seed: int = 0,
    layout: Layout = "basic",
    mess: bool = True,
    progress: Progress | None = None,
) -> None:
    """Draw a stand-in for RAF-DB basic and write it to `out`, whole or not at all.

    `out` is an archive (.tar.gz, .tgz or .zip) or, with no suffix, a new directory. `images` gives the
    number of images of train and test, at least as many as `LEAST` says; classes come in the real
    proportions, at least one of each. `subjects` (at least 2) drawn persons are shared out among the splits,
    so that no person stands in both but for the copies that `mess` puts in. The archive holds 100x100 colour
    JPEGs in one of RAF-DB's layouts (`layout`), a few pictures as they were before they were aligned ("basic"
    only), and beside them README.txt and truth.csv (id, subject, drawn, copy_of, fault), which no reader of
    the real data set needs. `progress` is called with (drawn, all).

    Equal arguments give equal bytes with equal versions of NumPy, Pillow and zlib. A face depends on the
    seed, its person, its number and its class alone, not on what is drawn before or beside it.

    Raises UserError for counts, a layout or a place that will not do.
    """
    check_place(out)
    check(images, LEAST, layout, get_args(Layout), "room for every class and every fault")
    if subjects < len(images):
        raise UserError(f"subjects: {subjects}; expected at least {len(images)}, one for every split")
    rows = plan(images, subjects, seed, mess)
    told = note(RAFDB.title, _NOTE.format(seed=seed, subjects=subjects, faults=_told(rows)))
    head = [("README.txt", told), ("truth.csv", _truth(rows))]
    if layout == "basic":
        head.append(("basic/EmoLabel/list_patition_label.txt", _labels(rows)))
    pack(out, _members(head, rows, seed, layout, progress))


def plan(images: Mapping[str, int], subjects: int, seed: int, mess: bool) -> list[Row]:
    """Return every row of the stand-in: train first, then test."""
    rng = faces.generator(seed)
    rows: list[Row] = []
    first = 0
    for split, crowd in zip(RAFDB.splits, shares(subjects, [images[s] for s in RAFDB.splits]), strict=True):
        labels = np.repeat(np.arange(len(RAFDB.classes)), shares(images[split], stated(RAFDB.counts[split])))
        people = first + rng.permutation(np.arange(images[split]) % crowd)
        for label, subject in zip(rng.permutation(labels), people, strict=True):
            rows.append(Row(split, int(label), int(subject), len(rows), int(label)))
        first += crowd
    return _Mess(rows, rng).made() if mess else rows


class _Mess:
    """Turns some of the planned rows into copies of others; every row keeps its split and its label."""

    def __init__(self, rows: list[Row], rng: np.random.Generator) -> None:
        self.rows = list(rows)
        self.order = [int(index) for index in rng.permutation(len(rows))]
        self.kept = set({(rows[k].split, rows[k].label): k for k in self.order}.values())
        """One row of each class and split, which no fault may take away."""
        self.used: set[int] = set()
        """Rows that are copies or originals of copies already: there are no copies of copies."""

    def made(self) -> list[Row]:
        """Return the rows with each fault across the splits and within each, about 1 image in 1000 of each kind."""
        number = {split: sum(row.split == split for row in self.rows) for split in RAFDB.splits}
        for fault in FAULTS:
            for _ in range(max(1, number["test"] // 1000)):
                self._copy("test", "train", fault)
            for split in RAFDB.splits:
                for _ in range(max(1, number[split] // 1000)):
                    self._copy(split, split, fault)
        self._copy("train", "train", "same file", clash=True)
        self._copy("test", "train", "encoded again", clash=True)
        return self.rows

    def _copy(self, split: str, source: str, fault: Fault, clash: bool = False) -> None:
        """Make a row of `split` a copy of one of `source` of its class (of another class on `clash`)."""
        for index in self._free(split):
            if index in self.kept:
                continue
            for of in self._free(source):
                pattern = self.rows[of]
                if of != index and (pattern.label == self.rows[index].label) != clash:
                    label = self.rows[index].label
                    self.rows[index] = replace(pattern, split=split, label=label, of=of, fault=fault)
                    self.used |= {index, of}
                    return
        raise UserError(
            f"{split} is to hold a copy of one of {source}'s images, and none is left to be its original; "
            "draw more images, or leave the mess out."
        )

    def _free(self, split: str) -> Iterator[int]:
        return (k for k in self.order if self.rows[k].split == split and k not in self.used)


def aligned(who: faces.Identity, shot: faces.Capture, rng: np.random.Generator) -> faces.Capture:
    """Return the shot framed as RAF-DB aligns its faces: eyes and mouth near fixed places, whatever the pose.

    The similarity transform (scale, tilt, shift) is the one of least squares, as complex numbers z → a z + b.
    """
    eye, mouth = 0.43 * who.eye_spacing, 0.77 * who.face_length
    points = turn(np.array([(-eye, 0.0), (eye, 0.0), (0.0, mouth)]), np.array([0.02, 0.02, 0.08]), shot)
    z = points @ (1, 1j)
    places = np.array([0.31 + 0.4j, 0.69 + 0.4j, 0.5 + 0.76j]) + rng.normal(0, 0.009, (3, 2)) @ (1, 1j)
    centred = z - z.mean()
    a = np.vdot(centred, places) / np.vdot(centred, centred)
    b = places.mean() - a * z.mean()
    return replace(shot, roll=float(np.angle(a, deg=True)), scale=float(abs(a)), centre=(float(b.real), float(b.imag)))


def _in_the_wild(rng: np.random.Generator) -> faces.Capture:
    """Draw pose, light and camera of a press or holiday photograph."""
    shot = faces.sample_capture(rng)
    return replace(
        shot,
        yaw=float(np.clip(12 * rng.standard_normal(), -30, 30)),
        pitch=float(np.clip(6 * rng.standard_normal(), -15, 15)),
        blur=float(rng.uniform(0, 0.008)),
        noise=float(rng.uniform(0, 4)),
        contrast=float(rng.uniform(0.75, 1.15)),
    )


def _white(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw the tint of the light: gains of red, green and blue, from lamplight to shade."""
    warmth = 0.06 * rng.standard_normal()
    return np.array((1 + warmth, 1 + 0.02 * rng.standard_normal(), 1 - warmth), dtype=np.float32)


def face(seed: int, subject: int, shot: int, emotion: int, frame: int | None = None) -> NDArray[np.uint8]:
    """Draw one image of the stand-in, aligned: uint8 (100, 100, 3).

    With `frame`, the picture before it was aligned, a square of so many pixels with more of the scene.
    """
    rng = faces.generator(seed, subject, shot)
    who = person(seed, subject)
    expression = faces.sample_expression(RAFDB.classes[emotion], rng, CLEAR)
    wild, gains = _in_the_wild(rng), _white(rng)
    faded = rng.random() < 0.05  # a few photographs are black and white
    capture = aligned(who, wild, rng)
    if frame:
        blur = wild.blur * 0.2 / capture.scale
        capture = replace(wild, scale=0.2, centre=(0.5 + 0.4 * (capture.centre[0] - 0.5), 0.42), blur=blur)
    scene = paint(see(shape(who, expression), capture), who, capture, frame or SIZE) * gains
    image = photograph(scene, capture, rng)
    return np.repeat(faces.grey(image)[..., None], 3, axis=2) if faded else image


def spoiled(pixels: NDArray[np.uint8], fault: Fault) -> bytes:
    """Return the JPEG of a copy of an image (height, width, 3)."""
    height, width = pixels.shape[:2]
    if fault == "encoded again":
        return encoded(pixels, "JPEG", quality=50)
    if fault == "brightened":
        pixels = np.clip(pixels * 1.06 + 7.0, 0, 255).astype(np.uint8)
    elif fault == "cut":
        cut = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC, (2, 2, width - 2, height - 2))
        pixels = np.asarray(cut)
    elif fault == "mirrored":
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    return encoded(pixels, "JPEG", quality=92)


def _file(row: Row, seed: int) -> bytes:
    original = encoded(face(seed, row.subject, row.shot, row.emotion), "JPEG", quality=92)
    if row.fault is None or row.fault == "same file":
        return original
    with Image.open(BytesIO(original)) as image:
        return spoiled(np.asarray(image), row.fault)


def _members(
    head: list[tuple[str, bytes]], rows: list[Row], seed: int, layout: Layout, progress: Progress | None
) -> Files:
    yield from head
    shown = Counter[str]()
    for done, (row, path) in enumerate(zip(rows, paths(rows, layout), strict=True), 1):
        yield path, _file(row, seed)
        if layout == "basic" and row.of is None and shown[row.split] < ORIGINALS:
            shown[row.split] += 1
            name = path.rpartition("/")[2].replace("_aligned", "")
            whole = face(seed, row.subject, row.shot, row.emotion, frame=320)[:, 30 : 290 - 10 * shown[row.split]]
            yield f"basic/Image/original/{name}", encoded(whole, "JPEG", quality=92)
        if progress:
            progress(done, len(rows))


def _stems(rows: list[Row]) -> list[str]:
    """Return train_00001, …, test_0001, … as the owner counts."""
    number, stems = Counter[str](), []
    for row in rows:
        number[row.split] += 1
        stems.append(f"{row.split}_{number[row.split]:0{5 if row.split == 'train' else 4}d}")
    return stems


def paths(rows: list[Row], layout: Layout) -> list[str]:
    """Return where every row's image stands in the archive."""
    if layout == "basic":
        return [f"basic/Image/aligned/{stem}_aligned.jpg" for stem in _stems(rows)]
    return [f"{r.split}/{r.label + 1}/{stem}_aligned.jpg" for r, stem in zip(rows, _stems(rows), strict=True)]


def _labels(rows: list[Row]) -> bytes:
    """Return the owner's list of labels, 1 to 7."""
    return "".join(f"{stem}.jpg {row.label + 1}\n" for row, stem in zip(rows, _stems(rows), strict=True)).encode()


def _truth(rows: list[Row]) -> bytes:
    stems = _stems(rows)
    lines = ["id,subject,drawn,copy_of,fault"]
    for row, name in zip(rows, stems, strict=True):
        of = "" if row.of is None else stems[row.of]
        lines.append(f"{name},p{row.subject:05d},{RAFDB.classes[row.emotion]},{of},{row.fault or ''}")
    return ("\n".join(lines) + "\n").encode()


def _told(rows: list[Row]) -> str:
    """Say how many of each fault there are, one a line."""
    found = Counter(
        f"{row.fault}, {row.split} from {rows[row.of].split}"
        + (", under another class" if row.label != row.emotion else "")
        for row in rows
        if row.of is not None
    )
    return "".join(f"\n  {number} x {what}" for what, number in sorted(found.items())) or "none."
