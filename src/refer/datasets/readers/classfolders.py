"""Images in folders named by class (`kind: folder` of a configuration's `datasets`): from paths to rows.

A class is named by a folder above the image, or found by `class_pattern`; a split by a folder. Of two cameras each has
a folder, or a pattern of names. Nothing is guessed: an image of no class, or of two, is a defect.
"""

from __future__ import annotations

import os.path
import zipfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from refer.datasets import words
from refer.datasets.model import ImageRow, Listing, Problem, some
from refer.datasets.readers import pairs
from refer.datasets.readers.declared import WHOLE, Own, check_pairs, key_of
from refer.datasets.readers.pairs import INFRARED, VISIBLE
from refer.datasets.subjects import finder, with_people
from refer.errors import UserError

LAYOUT = "class folders"


class Place(NamedTuple):
    """An image, and what follows from where it lies; `wrong` says why it has no clear label, split or camera."""

    member: str
    label: int
    split: str
    modality: str
    wrong: str


def recognise(own: Own, names: Sequence[str]) -> str:
    """Return the layout of these member names.

    Raises:
        UserError: there is no image, or none of a class, split or camera that is declared, or splits are not declared.
    """
    _check(own, names, _places(own, names))
    return LAYOUT


def read(own: Own, raw: zipfile.ZipFile, subject_pattern: str | None = None) -> Listing:
    """List the images; `subject_pattern` is searched in a member's name, its group `subject` is the person.

    Raises:
        UserError: as `recognise`; a pattern is wrong, takes too long, or finds what cannot be people or pairs.
    """
    names = [info.filename for info in raw.infolist() if not info.is_dir()]
    places = _places(own, names)
    _check(own, names, places)
    shared = _shared([place.member for place in places])
    rows = [
        ImageRow(place.member.removeprefix(shared), place.label, place.split, None, place.member, place.modality)
        for place in places
        if not place.wrong
    ]
    problems = [Problem("labels", place.member.removeprefix(shared), place.wrong) for place in places if place.wrong]
    rows = _paired(own, rows)
    notes = check_pairs(own.title, rows)
    if subject_pattern is not None:
        rows, found = with_people(rows, subject_pattern)
        notes |= found
    used = {place.member for place in places}
    return Listing(rows, problems, [name for name in names if name not in used], notes=notes)


def _places(own: Own, names: Sequence[str]) -> list[Place]:
    """Return the images, but for those of no declared camera, in the order of `names`."""
    find = finder(own.class_pattern, group="class") if own.class_pattern else None
    images = [name for name in names if words.is_image(name)]
    return [place for name in images if (place := _place(own, name, find)) is not None]


def _place(own: Own, member: str, find: Callable[[str], str | None] | None) -> Place | None:
    *folders, file = member.split("/")
    cameras = own.cameras([*folders, file]) if own.modalities else [VISIBLE]
    if not cameras:
        return None
    wrong = f"its name is of both {' and '.join(cameras)}" if len(cameras) > 1 else ""
    told = folders if find is None else [text for text in [find(member)] if text]
    labels = sorted({label for text in told if (label := own.coding.label(key_of(text))) is not None})
    if len(labels) != 1:
        found = " and ".join(own.coding.classes[label] for label in labels) or "no class"
        where = "its folders name" if find is None else "the class pattern finds"
        wrong = wrong or f"{where} {found}"
    splits = list(dict.fromkeys(own.splits[key] for folder in folders if (key := key_of(folder)) in own.splits))
    if own.divided and len(splits) != 1:
        wrong = wrong or f"its folders name {' and '.join(splits) or 'no split'}"
    return Place(member, labels[0] if labels else 0, splits[0] if splits else WHOLE, cameras[0], wrong)


def _check(own: Own, names: Sequence[str], places: Sequence[Place]) -> None:
    """Refuse a set that lacks what is declared, or has splits that are not declared."""
    right = [place for place in places if not place.wrong]
    if not right:
        first = f": {places[0].member}: {places[0].wrong}" if places else ""
        raise UserError(
            f"{own.title}: no image was found of a declared class{first}. Looked for images in folders named "
            f"{own.classes_told()}{_where(own)}; found {some(sorted(names)) or 'nothing'}."
        )
    for what, wanted, found in (
        ("class", own.coding.classes, {own.coding.classes[place.label] for place in right}),
        ("split", tuple(dict.fromkeys(own.splits.values())), {place.split for place in right}),
        ("camera", tuple(own.modalities), {place.modality for place in right}),
    ):
        if missing := [name for name in wanted if name not in found]:
            raise UserError(
                f"{own.title}: no image of the {what} {some(missing)}; found {some(sorted(found))}. Correct the "
                "declaration under `datasets`, or the folders."
            )
    if not own.divided and not any(words.FOLDERS.get(word) for word in own.splits):
        folders = {folder for place in right for folder in place.member.split("/")[:-1]}
        splits = sorted({words.FOLDERS[key] for folder in folders if (key := key_of(folder)) in words.FOLDERS})
        if len(splits) > 1:
            told = ", ".join(splits)
            raise UserError(
                f"{own.title}: the images lie in folders of splits ({told}), but none are declared: write "
                f"`splits: [{told}]` under `datasets`, or `splits: {{{WHOLE}: [{told}]}}` to make one of them."
            )


def _where(own: Own) -> str:
    split = f" below {', '.join(dict.fromkeys(own.splits.values()))}" if own.divided else ""
    cameras = " and ".join(some(list(patterns)) for patterns in own.modalities.values())
    return f"{split}{f', with names of {cameras}' if cameras else ''}"


def _shared(members: Sequence[str]) -> str:
    """Return the folders, with a slash behind them, that all images lie in: no id holds them."""
    folder = os.path.commonpath([os.path.dirname(member) or "." for member in members])  # noqa: PTH120
    return f"{folder}/" if folder and folder != "." else ""


def _paired(own: Own, rows: Sequence[ImageRow]) -> list[ImageRow]:
    """Return the rows, those of two cameras with their pairs, found within each class and split."""
    if len(own.modalities) < 2:
        return list(rows)
    groups: defaultdict[tuple[str, int], list[ImageRow]] = defaultdict(list)
    for row in rows:
        groups[row.split, row.label].append(row)
    find = finder(own.pair, group="pair") if own.pair else None
    found: dict[str, str] = {}
    for (split, label), group in groups.items():
        start = f"{split}/{own.coding.classes[label]}"
        keys = {row.id: find(row.member) for row in group} if find is not None else _by_name(own, group)
        found |= {id_: f"{start}/{key}" for id_, key in keys.items() if key is not None}
    return [row._replace(pair=found.get(row.id)) for row in rows]


def _by_name(own: Own, group: Sequence[ImageRow]) -> dict[str, str | None]:
    """Return the pair of each image of one class and split that has one, by folders and names (see `pairs`)."""
    silent = {word for name in (*own.coding.classes, *own.splits) for word in pairs.words(name)}
    sides: dict[str, dict[str, pairs.Name]] = {VISIBLE: {}, INFRARED: {}}
    for row in group:
        *folders, file = row.id.split("/")
        sides[row.modality][row.id] = pairs.name(folders, file, silent)
    matching = pairs.match(sides[VISIBLE], sides[INFRARED])
    return {id_: sides[VISIBLE][photo].key for photo, thermal in matching.pairs.items() for id_ in (photo, thermal)}
