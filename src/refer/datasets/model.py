"""What a data set is to this project: its facts, the layouts it comes in, and the rows read from it.

A data set joins as one file of readers/ that builds a `Dataset` (see rafdb.py). It is found by itself. Neither this
file nor a reader imports more than the standard library at its top, because the workflow is planned with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np

ProgressCallback = Callable[[int, int | None], None]
"""Called with (done, total); total is None where it is not known beforehand."""

DEFECTS = ("counts", "unreadable", "labels", "sizes", "contrast")
"""What `tolerate` may name: defects of raw data that are otherwise errors."""


class ImageRow(NamedTuple):
    """One image of the raw set. Coordinates are in pixels of the upright raw image, x to the right, y downwards."""

    id: str  # unique and the same in every mirror of a layout: the path inside the raw set
    label: int  # index into Dataset.classes
    split: str  # one of Dataset.splits
    subject: str | None  # None: not known
    member: str  # the raw file that holds it
    modality: str = "visible"  # one of Dataset.modalities
    pair: str | None = None  # the same for the pictures that several cameras took of one moment; None: unpaired
    level: int | None = None  # what Dataset.levels says: which frame, how strong an expression
    box: tuple[float, float, float, float] | None = None  # left, top, right, bottom of the face; None: all of it
    outline: tuple[tuple[float, float], ...] | None = None  # a polygon around the face, where it is known
    view: Literal["", "temperature", "embedded"] = ""  # which picture of a FLIR radiometric JPEG; "": the ordinary
    votes: tuple[int, ...] | None = None  # of several taggers, one number for each class and for other answers


class Problem(NamedTuple):
    """One defect of the raw data; `kind` is one of DEFECTS."""

    kind: str
    id: str
    what: str


@dataclass(frozen=True)
class Listing:
    """What a data set's reader found: rows in any order, and what is wrong.

    `pixels` (N×H×W×C, uint8, row i belongs to rows[i]) is given by layouts that hold pixels as text; where it
    is None each row's `member` is an image file. `notes` are counts that prepare.json passes on, each under a
    few words that a report can show ("visible images without an infrared one": 3). `codes` are the images of each
    split and code or class name, as the files have them and whatever they are taken for (see refer.datasets.codings);
    empty: the labels are no codes. `inside` yields the image files that tables hold, each under its row's `member`.
    """

    rows: list[ImageRow]
    problems: list[Problem] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    pixels: np.ndarray | None = None
    notes: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    inside: Callable[[], Iterable[tuple[str, bytes]]] | None = None


class OwnersFile(NamedTuple):
    """A file as its owner publishes it: its name, where it lies, and the git blob id that it must have."""

    name: str
    url: str
    blob: str  # sha1 of b"blob <size>\0" + content, 40 hexadecimal digits


@dataclass(frozen=True)
class Dataset:
    """The facts of one data set, and the two functions that read its raw files.

    `classes` is in code order: a label is an index into it. `splits` are the owner's, the training split
    first; an owner who made none has the one split "all". `counts` maps split to the owner's number of images
    in each class, in class order (None: not stated), of one modality, of the rows that `counted` accepts; where
    `counts_are` "reported", others than the owner state them and a difference is shown, not refused.

    `size` is (height, width) of a prepared image in pixels. `fit` says what becomes of a raw image of another
    size: "exact" makes it a defect, "squash" resizes it whatever its sides, "square" cuts out its middle square
    first (a row's box is cut out before either).

    `recognise` takes the member names and returns the name of the layout; it raises UserError saying what
    was looked for and what was found. `read` takes the opened raw archive; where `subject_pattern` is allowed
    (`names_subjects` is False) it also takes the regular expression whose group `subject` finds the person in
    a member's name. Where `label_rules` names rules by which labels follow from votes, it takes one; the first is the
    usual one. Where `first_code` says with which number the owner's codes of the classes begin, it takes a `coding`
    (refer.datasets.codings). `crops` maps each layout whose pictures are faces alone to the lowest and highest ratio of
    their width to their height: others are whole frames, and refused. `locate` finds the face in a decoded image where
    the owner gives neither box nor outline (see refer.datasets.decode). `choices` are words of which a configuration
    may state some where a set holds several kinds of recordings (`choose:`): `read` then takes them as `choose`.

    `stand_in` names the file of standin/ that draws one in this data set's raw layout; None: nothing is drawn.
    `frames` is how many images are listed of each one that is counted. `expected` is how many images a plan reckons
    with where nobody states a number. `apex` is the level of the strongest expression; None: the highest.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    splits: tuple[str, ...]
    modalities: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    counts: Mapping[str, tuple[int | None, ...]]
    licence: str
    home: str
    how_to_get: str
    recognise: Callable[[Sequence[str]], str]
    read: Callable[..., Listing]
    counts_are: Literal["exact", "reported"] = "exact"
    counted: Callable[[ImageRow], bool] = lambda row: True
    fit: Literal["exact", "squash", "square"] = "exact"
    access: Literal["open", "request"] = "open"
    names_subjects: bool = True
    levels: str = ""
    files: tuple[OwnersFile, ...] = ()
    layouts: tuple[str, ...] = ()
    label_rules: tuple[str, ...] = ()
    first_code: int | None = None
    crops: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    locate: Callable[..., Any] | None = None
    stand_in: str | None = None
    frames: int = 1
    expected: int | None = None
    apex: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", MappingProxyType(dict(self.counts)))

    @property
    def images(self) -> int:
        """How many images there are: as they are counted, or as many as are expected."""
        return self.expected or sum(number or 0 for numbers in self.counts.values() for number in numbers)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a prepared image."""
        return (*self.size, self.channels)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that orders runs of digits by value: img2 before img10."""
    return tuple(
        (0, int(part), part) if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part
    )


def base_name(member: str) -> str:
    """Return the file's name of a member's path, in small letters."""
    return member.rpartition("/")[2].lower()


LONGEST = 120
"""Letters of a name in a message: a stranger's file may have any number."""


def some(items: Sequence[object], limit: int = 4) -> str:
    """Return the first few items as text, and how many more there are."""
    texts = [str(item) for item in items[:limit]]
    shown = ", ".join(text if len(text) <= LONGEST else f"{text[:LONGEST]}…" for text in texts)
    return f"{shown} and {len(items) - limit} more" if len(items) > limit else shown
