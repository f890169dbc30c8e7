"""Data sets that a visible and an infrared camera took together: from folders named by class and modality to rows."""

from __future__ import annotations

import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from refer.datasets import words as common
from refer.datasets.model import ImageRow, Listing, OwnersFile, Problem, some
from refer.datasets.readers import flir, pairs
from refer.datasets.readers.pairs import INFRARED, MODALITIES, VISIBLE
from refer.datasets.subjects import with_people
from refer.errors import UserError

ARCHIVES, FOLDERS = "owner's archives", "class folders"
LAYOUTS = (ARCHIVES, FOLDERS)
FILLERS = frozenset(("image", "images", "img", "imgs", "photos", "pictures", "faces"))
RECORDINGS = dict.fromkeys(("posed", "pose"), "posed") | dict.fromkeys(("spontaneous", "natural"), "spontaneous")
LIGHTS = dict.fromkeys(("front", "frontal"), "front") | {"left": "left", "right": "right"}
KINDS = RECORDINGS | LIGHTS
"""A word of a folder → the kind of recording that it names; a set may hold several of an axis."""
UNPAIRED, PAIRED = "unpaired", "paired"
CHOICES = (*dict.fromkeys(KINDS.values()), UNPAIRED, PAIRED)
FEW = 10  # images of each camera without a partner from which on pairs by equal numbers must be most
SETS = frozenset(("viri", "nvie"))  # what the archives of one repository are told apart by

REPOSITORY = "naseemmuhammadtahir/VIRI-raw-data"
COMMIT = "d5f655d9b88c319c87514fa929a025361c35259b"


class Said(NamedTuple):
    """What the name of one folder says; `part` is the number of a class that comes in several (disgust1)."""

    label: int | None
    modality: str | None
    part: str
    names_set: bool


class Place(NamedTuple):
    """An image, and what follows from where it lies."""

    member: str
    id: str
    label: int
    modality: str
    name: pairs.Name
    above: str  # the folders that no id holds
    said: tuple[str, ...]  # the folders that say something
    clear: bool  # they do not contradict each other
    kinds: frozenset[str]  # of recording and light, that folders name


@dataclass(frozen=True)
class TwoCameras:
    """How one such data set is read; `word` is its name, with which those of its archives begin.

    Class and modality come from the first folder (an archive, unpacked) that is named
    `<word>-<class>-<modality>`, whatever lies in it. Where there is none they come from the folders named by
    either, in any order. Folders above and case do not matter; what lies under the name of the other data set
    of the same repository is not used.
    """

    word: str
    classes: tuple[str, ...]

    def recognise(self, names: Sequence[str]) -> str:
        """Return the layout of these member names, one of LAYOUTS.

        Raises:
            UserError: neither is there, both are, one is there twice, folders contradict each other, or a
                class lacks a modality.
        """
        return self._places(names)[0]

    def read(self, raw: zipfile.ZipFile, subject_pattern: str | None = None, choose: Sequence[str] = ()) -> Listing:
        """List the images; `choose` names kinds of recordings (of CHOICES) where there are several.

        `subject_pattern` is searched in a member's name, its group `subject` is the person.

        A match begins where a folder or a word of the name does: S1 is nobody in GLASSES1. It is the first such match.

        The first 64 KiB of infrared JPEGs are read. A radiometric one is an infrared row of its temperatures.
        If it carries a photograph, and no visible image of its class has a name like its own, the photograph
        is a visible row of the same member and pair, whose id ends with "#visible".

        Raises:
            UserError: as `recognise`; there are several kinds of recordings, and `choose` names none; most images have
                no partner, though numbers are equal; the pattern is no regular expression with this group; or it finds
                two persons in the two images of a pair, fewer than two in all, or an implausible number of images each.
        """
        names = [info.filename for info in raw.infolist() if not info.is_dir()]
        places = _chosen(self.word, self._places(names)[1], choose)
        self._check(places)
        problems = [one for place in places if (one := self._contradicts(place))]
        contradicting = {problem.id for problem in problems}
        places = [place for place in places if place.id not in contradicting]
        rows, notes = _rows(raw, self.word, self.classes, places, choose)
        if subject_pattern is not None:
            rows, found = with_people(rows, subject_pattern)
            notes.update(found)
        used = {place.member for place in places}
        unused = [name for name in names if name not in used]
        return Listing(rows, problems, unused, notes={what: number for what, number in notes.items() if number})

    def _places(self, names: Iterable[str]) -> tuple[str, list[Place]]:
        """Return the layout and its images, in the order of `names`."""
        names = list(names)
        images = [name for name in names if common.is_image(name)]
        archives = [place for name in images if (place := self._in_archive(name))]
        folders = [place for name in images if (place := self._in_folders(name))]
        if not archives and not folders:
            raise UserError(
                f"This is no {self.word}: looked for images in folders or archives named {self.word}-<class>-Vis and "
                f"{self.word}-<class>-Ir, or in Visible/<class>/ and IR/<class>/ (or <class>/Vis/ …; any folder "
                f"above, any case; <class>: {', '.join(self.classes)}); found {some(sorted(names)) or 'nothing'}."
            )
        if archives and folders:
            raise UserError(
                f"{self.word} stands here twice, as {archives[0].member} and as {folders[0].member}: give the path "
                "of one of them, so that no image is counted twice."
            )
        places = archives or folders
        self._check(places)
        return (ARCHIVES if archives else FOLDERS), places

    def _check(self, places: Sequence[Place]) -> None:
        """Raise about what stands there twice, contradicts itself, or is missing."""
        unclear = [place.member for place in places if not place.clear]
        if unclear:
            raise UserError(f"{self.word}: the folders of {some(unclear, 2)} name two classes or modalities. Keep one.")
        above: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for place in places:
            above[tuple(folder.casefold() for folder in place.said)].add(place.above)
        copies = next((sorted(roots) for roots in above.values() if len(roots) > 1), None)
        if copies:
            raise UserError(
                f"{self.word} stands here more than once, below {some([root or './' for root in copies])}: give the "
                "path of one of them."
            )
        twice = [key for key, times in Counter(place.id for place in places).items() if times > 1]
        if twice:
            raise UserError(f"{self.word}: {some(sorted(twice))} stands here twice, in folders of one name. Keep one.")
        there = {(place.label, place.modality) for place in places}
        missing = [
            f"{modality} of {name}"
            for label, name in enumerate(self.classes)
            for modality in (VISIBLE, INFRARED)
            if (label, modality) not in there
        ]
        if missing:
            raise UserError(
                f"{self.word} lacks images, {some(missing, 10)}: expected some of each class from both cameras, found "
                f"{some(sorted({'/'.join(place.said) for place in places}), 10)}. Put what is missing beside these."
            )

    def _in_archive(self, member: str) -> Place | None:
        """Place an image below a folder whose name says set, class and modality."""
        *folders, file = member.split("/")
        first = next((i for i, folder in enumerate(folders) if _whole(self._said(folder))), None)
        if first is None:
            return None
        said = self._said(folders[first])
        last = first
        # An archive may hold a folder of its own name, or none: its images have one id either way.
        while last + 1 < len(folders) and _whole(said) and self._said(folders[last + 1]) == said:
            last += 1
        inner = [one for folder in folders[last + 1 :] if _whole(one := self._said(folder))]
        place = self._place(member, folders, file, (last,), folders[:first])
        return place._replace(clear=not any(one and one[:2] != (said and said[:2]) for one in inner))

    def _in_folders(self, member: str) -> Place | None:
        """Place an image below folders that together say class and modality, unless an archive's name does."""
        *folders, file = member.split("/")
        said = [self._said(folder) for folder in folders]
        of_sets = [word for folder in folders for word in pairs.words(folder) if word in SETS]
        of_other = bool(of_sets) and of_sets[-1] != self.word.lower()
        telling = tuple(i for i, one in enumerate(said) if one or _kinds(folders[i]))
        known = any(one and one.label is not None for one in said) and any(one and one.modality for one in said)
        if of_other or not known or any(_whole(one) for one in said):
            return None
        return self._place(member, folders, file, telling, folders[: telling[0]])

    def _place(
        self, member: str, folders: Sequence[str], file: str, telling: tuple[int, ...], above: Sequence[str]
    ) -> Place:
        said = [one for i in telling if (one := self._said(folders[i]))]
        labels = [one.label for one in said if one.label is not None]
        modalities = [one.modality for one in said if one.modality]
        others = [folder for i, folder in enumerate(folders) if i > telling[0] and i not in telling]
        silent = {self.word.lower(), *self.classes, *common.SYNONYMS, *FILLERS}
        kinds = frozenset(kind for folder in folders for kind in _kinds(folder))
        return Place(
            member,
            "/".join((*folders[telling[0] :], file)),
            labels[0],
            modalities[0],
            pairs.name([*(one.part for one in said), *others, *sorted(kinds)], file, silent),
            "/".join(above),
            tuple(folders[i] for i in telling),
            len(set(labels)) == len(set(modalities)) == 1,
            kinds,
        )

    def _contradicts(self, place: Place) -> Problem | None:
        """Return what is wrong with an image whose own name says another class than its folder."""
        words = pairs.words(place.member.rpartition("/")[2].rpartition(".")[0])
        named = {name for word in words if (name := common.SYNONYMS.get(word))}
        folder = self.classes[place.label]
        if len(named) != 1 or folder in named:
            return None
        return Problem("labels", place.id, f"its name says {named.pop()}, its folder {folder}")

    def _said(self, folder: str) -> Said | None:
        """Return what a folder's name says, or None where a word of it says anything else."""
        words = [word for word in pairs.words(folder) if word not in FILLERS and word not in KINDS]
        labels = [name for word in words if (name := common.SYNONYMS.get(word)) in self.classes]
        modalities = [MODALITIES[word] for word in words if word in MODALITIES]
        numbers = [word for word in words if word.isdecimal()]
        names_set = self.word.lower() in words
        known = len(labels) + len(modalities) + len(numbers) + words.count(self.word.lower())
        if known < len(words) or len(labels) > 1 or len(modalities) > 1 or not (labels or modalities):
            return None
        if numbers and (len(numbers) > 1 or not labels):
            return None
        label = self.classes.index(labels[0]) if labels else None
        return Said(label, modalities[0] if modalities else None, "".join(numbers), names_set)


def _kinds(folder: str) -> list[str]:
    """Return the kinds of recording that a folder's name tells."""
    return [KINDS[word] for word in pairs.words(folder) if word in KINDS]


def _chosen(word: str, places: Sequence[Place], choose: Sequence[str]) -> list[Place]:
    """Return the images of the kinds of recordings that are chosen.

    Raises:
        UserError: there are several kinds, and none of them is chosen; or one is chosen that is not there.
    """
    kept = list(places)
    for axis in (RECORDINGS, LIGHTS):
        there = Counter(kind for place in kept for kind in place.kinds if kind in axis.values())
        wanted = {kind for kind in choose if kind in axis.values()}
        if wanted - there.keys():
            found = ", ".join(there) or "no folder that names one"
            raise UserError(f"{word}: choose: found {', '.join(sorted(wanted - there.keys()))}; there is {found}.")
        if len(there) > 1 and not wanted:
            told = " and ".join(f"{kind} ({number:,} images)" for kind, number in sorted(there.items()))
            raise UserError(
                f"{word} holds several kinds of recordings here, {told}. State which are meant, such as `choose: "
                f"{{{word.lower()}: [{min(there)}]}}`, or several of them."
            )
        if wanted:
            kept = [place for place in kept if wanted & place.kinds or not place.kinds & set(axis.values())]
    return kept


def _whole(said: Said | None) -> bool:
    return said is not None and said.names_set and said.label is not None and said.modality is not None


def owners_files(blobs: Mapping[str, str]) -> tuple[OwnersFile, ...]:
    """Return the files (name → git blob id) of the pinned commit of the authors' repository."""
    base = f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}"
    return tuple(OwnersFile(name, f"{base}/{name}", blob) for name, blob in blobs.items())


def _rows(
    raw: zipfile.ZipFile, word: str, classes: Sequence[str], places: Sequence[Place], choose: Sequence[str]
) -> tuple[list[ImageRow], Counter[str]]:
    """Return the rows, paired within each class, and how many there are of what is worth saying."""
    rows: list[ImageRow] = []
    notes: Counter[str] = Counter()
    alike: Counter[str] = Counter()  # names of pairs without their numbers
    numbers: Counter[str] = Counter()
    for label, name in enumerate(classes):
        images = {place.id: place for place in places if place.label == label}
        sides = [{key: one.name for key, one in images.items() if one.modality == side} for side in (VISIBLE, INFRARED)]
        matching = pairs.Matching({}, {}, frozenset()) if UNPAIRED in choose else pairs.match(*sides)
        alike.update(re.sub(r"\d+", "#", images[key].name.stem) for key in matching.pairs)
        numbers += Counter({VISIBLE: len(sides[0]), INFRARED: len(sides[1]), PAIRED: len(matching.pairs)})
        notes.update(f"pairs by the {NOTED[how]}" for how in matching.how.values())
        visible_of = {infrared: visible for visible, infrared in matching.pairs.items()}
        for key, place in images.items():
            visible = key if key in matching.pairs else visible_of.get(key)
            pair = f"{name}/{images[visible].name.key}" if visible else None
            row = ImageRow(key, label, "all", None, place.member, place.modality, pair)
            rows += _radiometric(row, f"{name}/{place.name.key}", key in matching.ambiguous, raw, notes)
        notes["unpaired images whose names fit several others"] += len(matching.ambiguous)
    if PAIRED not in choose:
        _see_numbers(word, numbers, alike)
    notes["pairs"] = len({row.pair for row in rows} - {None})
    for side, other in ((VISIBLE, INFRARED), (INFRARED, VISIBLE)):
        notes[f"{side} images without {ARTICLE[other]} {other} one"] = sum(
            row.modality == side and row.pair is None for row in rows
        )
    return rows, notes


def _see_numbers(word: str, numbers: Mapping[str, int], alike: Counter[str]) -> None:
    """Raise UserError where cameras seem to have counted their frames separately: few pairs, and by number alone."""
    paired, fewer = numbers[PAIRED], min(numbers[VISIBLE], numbers[INFRARED])
    (_, same), *_ = alike.most_common(1) or [("", 0)]
    if 2 * paired < fewer and fewer - paired >= FEW and 2 * same > paired:
        raise UserError(
            f"{word}: {paired:,} pairs have equal numbers in their names, and {fewer - paired:,} of {fewer:,} images "
            "no partner: as of cameras that count their frames separately, so that equal numbers are chance. Name both "
            f"images of a pair alike, or state `choose: {{{word.lower()}: [{UNPAIRED}]}}` (pair none) or [{PAIRED}]."
        )


NOTED = {
    "stem": "names of the files",
    "digits": "numbers in the names alone",
    "counter": "one counter of a FLIR camera (photograph = infrared + 1)",
}
ARTICLE = {VISIBLE: "a", INFRARED: "an"}


def _radiometric(
    row: ImageRow, own: str, ambiguous: bool, raw: zipfile.ZipFile, notes: Counter[str]
) -> Iterator[ImageRow]:
    """Yield the row, or what a radiometric JPEG gives instead; `own` is the pair that it makes with itself."""
    if row.modality != INFRARED or not row.member.lower().endswith((".jpg", ".jpeg")):
        yield row
        return
    with raw.open(row.member) as member:
        head = member.read(flir.HEAD)
    if not flir.is_radiometric(head):
        yield row
        return
    notes["infrared images that are temperatures of radiometric JPEGs"] += 1
    if row.pair is None and not ambiguous and flir.has_photo(head):
        notes["visible images that are photographs in radiometric JPEGs"] += 1
        row = row._replace(pair=own)
        yield row._replace(id=f"{row.id}#visible", modality=VISIBLE, view="embedded")
    yield row._replace(view="temperature")
