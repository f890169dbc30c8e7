"""RAF-DB (basic): 15,339 aligned colour faces of 100×100 pixels in seven classes, as label file or class folders.

Li, Deng and Du, Reliable crowdsourcing and deep locality-preserving learning for expression recognition in the
wild, 2017. A row's id is the owner's name of the image, train_00001, in either layout.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from refer.datasets.model import Dataset, ImageRow, Listing, Problem, base_name, some
from refer.errors import UserError

CLASSES = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
CODES = {str(label + 1): label for label in range(len(CLASSES))}
NAMES = {name: label for label, name in enumerate(CLASSES)} | {
    "surprised": 0, "fearful": 1, "disgusted": 2, "happiness": 3, "sadness": 4, "anger": 5
}  # fmt: skip
SPLITS = ("train", "test")
COUNTS = {"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)}

LABELS = ("list_patition_label.txt", "list_partition_label.txt", "list_label_train.txt", "list_label_test.txt")
OWNERS_NAME = re.compile(r"(?P<key>(?P<split>train|test)_\d+)(?P<aligned>_aligned)?", re.IGNORECASE)
IMAGE = re.compile(r"(?P<folders>(?:.*/)?)(?P<stem>[^/]+)\.(?:jpe?g|png|bmp)", re.IGNORECASE)
IN_FOLDER = re.compile(r"(?P<root>(?:.*/)?)(?P<folder>train|test|val|valid)/(?P<name>[^/]+)/", re.IGNORECASE)
COMPOUND = re.compile(r"(?:.*/)?compound/.*", re.IGNORECASE)
LOOKED_FOR = (
    "EmoLabel/list_patition_label.txt with Image/aligned/{train,test}_*_aligned.jpg, or train/<1..7>/ with test/<1..7>/"
)


def recognise(names: Sequence[str]) -> str:
    """Return the layout of these member names: "basic" (a label file) or "class folders".

    Raises:
        UserError: neither is there, both are, or one is there twice.
    """
    basic = [name for name in names if not COMPOUND.fullmatch(name)]
    labels, folders = _label_files(basic), _class_folders(basic)
    if labels and folders:
        raise UserError(
            f"RAF-DB stands here twice, with {labels[0]} and in the class folders {some(sorted(folders))}: give the "
            "path of one of them, so that no image is counted twice."
        )
    if labels and _aligned(basic):
        return "basic"
    if len(folders) > 1:
        raise UserError(
            f"RAF-DB stands here more than once, below {some([root or './' for root in sorted(folders)])}: "
            "give the path of one of them."
        )
    if folders:
        return "class folders"
    raise UserError(
        f"This is no RAF-DB: looked for {LOOKED_FOR} (any folder above, any case); "
        f"found {_found(names, basic, labels)}."
    )


def read(raw: zipfile.ZipFile) -> Listing:
    """Read whichever layout the raw archive has."""
    names = raw.namelist()
    return _read_labelled(raw, names) if recognise(names) == "basic" else _read_folders(names)


def _found(names: Sequence[str], basic: Sequence[str], labels: Sequence[str]) -> str:
    """Say what is there in place of the set."""
    if names and not basic:
        return "only its compound part, which has other classes: give the folder basic/ too"
    if labels:
        return f"{labels[0]} without aligned images (the originals in Image/original are not what papers use)"
    if _aligned(basic):
        return "aligned images without their label file: put list_patition_label.txt beside them"
    return some(sorted(names)) or "nothing"


def _label_files(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if base_name(name) in LABELS)


def _aligned(names: Sequence[str]) -> dict[str, list[str]]:
    """Return the members that are aligned images, by the owner's name of the image."""
    found = defaultdict(list)
    for name in names:
        image = IMAGE.fullmatch(name)
        owners = OWNERS_NAME.fullmatch(image["stem"]) if image else None
        if image and owners and (owners["aligned"] or "aligned" in image["folders"].lower().split("/")):
            found[owners["key"].lower()].append(name)
    return found


def _label(folder: str) -> int | None:
    return CODES.get(folder) if folder.isdecimal() else NAMES.get(folder.lower())


def _class_folders(names: Sequence[str]) -> set[str]:
    """Return the folders above train/ and test/ that hold numbered classes, or named ones with the owner's files."""
    roots = set()
    for name in names:
        image, found = IMAGE.fullmatch(name), IN_FOLDER.match(name)
        if not image or not found or found.end() != image.start("stem") or _label(found["name"]) is None:
            continue
        if found["name"].isdecimal() or OWNERS_NAME.fullmatch(image["stem"]):
            roots.add(found["root"])
    return roots


def _read_labelled(raw: zipfile.ZipFile, names: Sequence[str]) -> Listing:
    basic = [name for name in names if not COMPOUND.fullmatch(name)]
    files, images = _label_files(basic), _aligned(basic)
    twice = [members for members in images.values() if len(members) > 1]
    if twice:
        raise UserError(
            f"RAF-DB stands here more than once: {some(twice[0])} are one image. Give the path of one of them."
        )
    labels, problems = _labels(raw, files)
    rows = []
    for key, (member,) in images.items():
        codes = labels.get(key)
        if not codes:
            problems.append(Problem("labels", key, f"{base_name(files[0])} does not name it"))
        elif len(codes) > 1:
            problems.append(Problem("labels", key, f"it has the labels {' and '.join(sorted(codes))}"))
        elif codes <= CODES.keys():
            rows.append(ImageRow(key, CODES[next(iter(codes))], key.partition("_")[0], None, member))
        else:
            problems.append(Problem("labels", key, f"its label {next(iter(codes))[:20]!r} is no code from 1 to 7"))
    problems += [
        Problem("labels", key, f"{base_name(files[0])} names it, but there is no aligned image")
        for key in labels
        if key not in images
    ]
    used = {row.member for row in rows}.union(files)
    return Listing(rows, problems, [name for name in names if name not in used])


def _labels(raw: zipfile.ZipFile, files: Sequence[str]) -> tuple[dict[str, set[str]], list[Problem]]:
    """Return the codes that the label files give each image, and the lines that cannot be read."""
    labels: dict[str, set[str]] = defaultdict(set)
    problems = []
    for file in files:
        lines = raw.read(file).decode("utf-8-sig", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            words = line.replace(",", " ").split()
            name = OWNERS_NAME.fullmatch(words[0].partition(".")[0]) if words else None
            if name and len(words) == 2:
                labels[name["key"].lower()].add(words[1])
            elif words:
                problems.append(Problem("labels", f"{base_name(file)}:{number}", f"{line[:40]!r} is no name and label"))
    return labels, problems


def _read_folders(names: Sequence[str]) -> Listing:
    root = next(iter(_class_folders([name for name in names if not COMPOUND.fullmatch(name)])))
    problems: list[Problem] = []
    unused: list[str] = []
    rows: dict[str, list[ImageRow]] = defaultdict(list)
    numbers: Counter[tuple[str, str]] = Counter()
    for name in names:
        image, found = IMAGE.fullmatch(name), IN_FOLDER.match(name)
        if not image or not found or found["root"] != root or found.end() != image.start("stem"):
            unused.append(name)
            continue
        folder, label = found["folder"].lower(), _label(found["name"])
        owners = OWNERS_NAME.fullmatch(image["stem"])
        key = owners["key"].lower() if owners else f"{folder}/{found['name'].lower()}/{image['stem']}"
        split = owners["split"].lower() if owners else folder
        numbers[found["name"], split] += 1
        if label is None:
            problems.append(Problem("labels", key, f"its folder {found['name']!r} is none of 1 to 7"))
        elif split not in SPLITS:
            problems.append(Problem("labels", key, f"{folder}/ is no split of the owner's, and its name tells none"))
        elif folder in SPLITS and split != folder:
            problems.append(Problem("labels", key, f"a {split} image stands in {folder}/"))
        else:
            rows[key].append(ImageRow(key, label, split, None, name))
    _refuse_other_codes(numbers)
    for key, same in rows.items():
        if len(same) > 1:
            problems.append(Problem("labels", key, f"it stands in {some([row.member for row in same])}"))
    return Listing([same[0] for same in rows.values() if len(same) == 1], problems, unused)


def _refuse_other_codes(numbers: Mapping[tuple[str, str], int]) -> None:
    """Refuse class folders that other codes name than the owner's: no two classes have equally many images."""
    classes = dict(zip(zip(*COUNTS.values(), strict=True), CLASSES, strict=True))
    folders = sorted({name for name, _ in numbers})
    sizes = {name: tuple(numbers.get((name, split), 0) for split in SPLITS) for name in folders}
    meant = {name: classes[size] for name, size in sizes.items() if size in classes}
    wrong = [f"{name} is {called}" for name, called in meant.items() if _label(name) != CLASSES.index(called)]
    owners = ", ".join(f"{code} {CLASSES[label]}" for code, label in CODES.items())
    if len(meant) == len(CLASSES) and wrong:
        raise UserError(
            "RAF-DB's class folders have other names than the owner's codes: by their numbers of images, "
            f"{some(wrong, 7)}. Rename them to the owner's: {owners}."
        )


RAFDB = Dataset(
    name="rafdb",
    title="RAF-DB",
    classes=CLASSES,
    splits=SPLITS,
    modalities=("visible",),
    size=(100, 100),
    channels=3,
    counts=COUNTS,
    licence="For non-commercial research only, on request. The images come from the Internet and are not the owners' "
    "property; no part of them or of data derived from them may be copied on, published or sold.",
    home="http://www.whdeng.cn/RAF/model1.html",
    how_to_get="Ask its authors for access by e-mail, as `home` says (Shan Li and Weihong Deng, Beijing University of "
    "Posts and Telecommunications). Put basic/EmoLabel/list_patition_label.txt and basic/Image/aligned/ (unpacked, "
    "100x100 pixels) into one folder or archive, and write its place into the configuration as `rafdb: <path>`.",
    recognise=recognise,
    read=read,
    access="request",
    layouts=("basic", "class folders"),
    stand_in="rafdb",
)
