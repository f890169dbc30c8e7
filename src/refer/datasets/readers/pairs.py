"""Which visible and which infrared image show one moment: by their names, and only where the names leave no choice.

Three rules, each finer than the next, applied to the images of one class:

1. the same folder and the same stem: `S01/Vis/12.jpg` and `S01/IR/12.jpg`;
2. the same stem: `Anna_vis.jpg` and `more/Anna_ir.jpg`;
3. the same numbers in the stem: `shot 7.jpg` and `thermal-007.jpg`.

Letters count without case, words that name a modality not at all. A rule pairs two images only where no third
image of the class, paired or not, has the same: nothing is paired because it was left over, and nothing by the
order of a directory.

Last, the counter of FLIR cameras. Those that write a shot's photograph into a file of its own number both with
one counter: infrared IR_0012 or FLIR0012, then photograph DC_0013 or FLIR0013 (two independent public projects
that read such folders say so, "IR_{id} and DC_{id + 1}" and "FLIR0001 thermal, FLIR0002 digital"; FLIR's own
manuals were not found to). So where the names are the camera's own, and no number stands in both modalities of
the class, a run of consecutive numbers that goes infrared, photograph, infrared, photograph is paired as it was
taken. A run that begins with a photograph or ends with an infrared image lacks a file or is in another order:
it stays unpaired.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

VISIBLE, INFRARED = "visible", "infrared"
MODALITIES = {
    **dict.fromkeys(("vis", "visible", "visual", "rgb"), VISIBLE),
    **dict.fromkeys(("ir", "infrared", "thermal", "lwir"), INFRARED),
}
"""The words by which folders and files are told apart, in small letters."""
SILENT = frozenset(MODALITIES) | {"photo"}  # FLIR0012-photo.jpg beside FLIR0012.jpg

COUNTED = re.compile(r"(ir|flir|dc)[-_]?(\d{3,8})", re.IGNORECASE)
OWN = {VISIBLE: ("dc", "flir"), INFRARED: ("ir", "flir")}

How = Literal["stem", "digits", "counter"]


class Name(NamedTuple):
    """What of a file's name is compared."""

    folder: tuple[str, ...]
    stem: str
    digits: tuple[str, ...]  # every run of digits in the stem, without leading zeros
    counter: tuple[str, int] | None  # the camera's own prefix and number

    @property
    def key(self) -> str:
        """Folder and stem as one text, other than that of any other folder and stem."""
        return "/".join((*self.folder, self.stem))


class Matching(NamedTuple):
    """What `match` found: no image is in two pairs, nor in a pair and ambiguous."""

    pairs: Mapping[str, str]  # visible → infrared
    how: Mapping[str, How]  # visible → the rule that paired it
    ambiguous: frozenset[str]  # unpaired, though the names of other images are alike


def words(text: str) -> list[str]:
    """Split a name into its runs of letters and its runs of digits, in small letters."""
    return re.findall(r"[^\W\d_]+|\d+", unicodedata.normalize("NFC", text).casefold())


def name(folders: Sequence[str], file: str, silent: Collection[str] = ()) -> Name:
    """Return what is compared of `file` in `folders`; `silent` are words of folders that say nothing about it."""
    stem = file.rpartition(".")[0] or file
    said = words(stem)
    loud = [word for word in said if word not in SILENT]
    spoken = [[word for word in words(folder) if word not in SILENT and word not in silent] for folder in folders]
    counted = COUNTED.fullmatch(stem)
    return Name(
        tuple("-".join(one) for one in spoken if one),
        "-".join(loud) or ("-" if said else stem.casefold()),
        tuple(word.lstrip("0") or "0" for word in loud if word.isdecimal()),
        (counted[1].lower(), int(counted[2])) if counted else None,
    )


RULES: tuple[tuple[How, Callable[[Name], Hashable]], ...] = (
    ("stem", lambda image: (image.folder, image.stem)),
    ("stem", lambda image: image.stem),
    ("digits", lambda image: image.digits or None),
)


def match(visible: Mapping[str, Name], infrared: Mapping[str, Name]) -> Matching:
    """Pair the images of one class; both arguments map ids to names, and their order does not matter.

    One more image never gives an image another partner than that one more. It dissolves pairs only by being
    as likely a partner: a pair of the same stem or numbers; under the camera's counter, the pairs of its own
    run, or all of the class if its number stands in the other modality too.
    """
    found: dict[str, str] = {}
    how: dict[str, How] = {}
    rivals = _twins(visible) | _twins(infrared)
    for rule, key in RULES:
        for photos, thermals in _groups(visible, infrared, key):
            if len(photos) == len(thermals) == 1:
                if photos[0] not in found:
                    found[photos[0]], how[photos[0]] = thermals[0], rule
            elif photos and thermals:
                rivals.update(photos, thermals)
    shots, unclear = _by_counter(visible, infrared)
    named = {*found, *found.values(), *rivals}
    for photo, thermal in shots:
        if photo not in named and thermal not in named:
            found[photo], how[photo] = thermal, "counter"
    return Matching(found, how, frozenset((rivals | unclear) - {*found, *found.values()}))


def _groups(
    visible: Mapping[str, Name], infrared: Mapping[str, Name], key: Callable[[Name], Hashable]
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the visible and the infrared images that have one key, for every key that is not None."""
    groups: defaultdict[Hashable, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, images in enumerate((visible, infrared)):
        for image, its_name in images.items():
            if (value := key(its_name)) is not None:
                groups[value][side].append(image)
    yield from groups.values()


def _twins(images: Mapping[str, Name]) -> set[str]:
    """Return the images of one modality that share folder and stem (1.jpg, 1.png): none has a key of its own."""
    return {image for alike, _ in _groups(images, {}, RULES[0][1]) if len(alike) > 1 for image in alike}


def _by_counter(visible: Mapping[str, Name], infrared: Mapping[str, Name]) -> tuple[list[tuple[str, str]], set[str]]:
    """Return the shots (photograph, infrared) of a FLIR camera's one counter, and the images of unclear runs."""
    photos, thermals = _numbered(visible, VISIBLE), _numbered(infrared, INFRARED)
    if photos is None or thermals is None or photos.keys() & thermals.keys():
        return [], set()
    pairs: list[tuple[str, str]] = []
    unclear: set[str] = set()
    for run in _runs(sorted(photos.keys() | thermals.keys())):
        shots = list(zip(run[::2], run[1::2], strict=False))
        if len(run) % 2 == 0 and all(first in thermals and second in photos for first, second in shots):
            pairs += [(photos[second], thermals[first]) for first, second in shots]
        elif any(number in thermals for number in run) and any(number in photos for number in run):
            unclear.update(photos.get(number) or thermals[number] for number in run)
    return pairs, unclear


def _numbered(images: Mapping[str, Name], modality: str) -> dict[int, str] | None:
    """Return the images with the camera's own names by number, or None where a number stands there twice."""
    own = [(one.counter[1], image) for image, one in images.items() if one.counter and one.counter[0] in OWN[modality]]
    numbered = dict(own)
    return numbered if len(numbered) == len(own) else None


def _runs(numbers: Sequence[int]) -> Iterator[list[int]]:
    """Split rising numbers where one is left out."""
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run
