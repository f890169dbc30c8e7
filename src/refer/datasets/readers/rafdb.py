"""RAF-DB (basic): 15,339 aligned colour faces of 100×100 pixels in seven classes, as label file or class folders.

Li, Deng and Du, Reliable crowdsourcing and deep locality-preserving learning for expression recognition in the
wild, 2017. A row's id is the owner's name of the image, train_00001, in either layout.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from refer.datasets import words
from refer.datasets.codings import Coding
from refer.datasets.model import Dataset, ImageRow, Listing, Problem, base_name, some
from refer.datasets.texts import SEPARATORS, text_of
from refer.errors import UserError

CLASSES = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
CODES = {str(label + 1): label for label in range(len(CLASSES))}
OFFICIAL = Coding("official", CLASSES, CODES)
SPLITS = ("train", "test")
COUNTS = {"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)}

LABELS = ("list_patition_label.txt", "list_partition_label.txt", "list_label_train.txt", "list_label_test.txt")
OWNERS_NAME = re.compile(r"(?P<key>(?P<split>train|test)_\d+)(?P<aligned>_aligned)?", re.IGNORECASE)
IMAGE = re.compile(rf"(?P<folders>(?:.*/)?)(?P<stem>[^/]+)\.{words.SUFFIX}", re.IGNORECASE)
IN_FOLDER = re.compile(rf"(?P<root>(?:.*/)?)(?P<folder>{words.FOLDER})/(?P<name>[^/]+)/", re.IGNORECASE)
ANOTHERS = re.compile(r"(?:train|test|val)_\d+_(?!aligned)[a-z]+", re.IGNORECASE)
FER2013S = re.compile(r"(?:Training|PublicTest|PrivateTest)_", re.IGNORECASE)
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


def read(raw: zipfile.ZipFile, coding: Coding = OFFICIAL) -> Listing:
    """Read whichever layout the raw archive has, its codes as `coding` says."""
    names = raw.namelist()
    return _read_labelled(raw, names, coding) if recognise(names) == "basic" else _read_folders(names, coding)


def _found(names: Sequence[str], basic: Sequence[str], labels: Sequence[str]) -> str:
    """Say what is there in place of the set."""
    if names and not basic:
        return "only its compound part, which has other classes: give the folder basic/ too"
    if labels:
        return f"{labels[0]} without aligned images (the originals in Image/original are not what papers use)"
    anothers = [name for name in basic if (image := IMAGE.fullmatch(name)) and ANOTHERS.fullmatch(image["stem"])]
    if anothers:
        return (
            f"{len(anothers):,} images named as {base_name(anothers[0])}, with their class in the name and numbers of "
            "another project: put them into <split>/<class>/"
        )
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


def _class_folders(names: Sequence[str]) -> set[str]:
    """Return the folders above train/ and test/ that hold numbered or named classes."""
    roots = set()
    for name in names:
        image, found = IMAGE.fullmatch(name), IN_FOLDER.match(name)
        if not image or not found or found.end() != image.start("stem") or FER2013S.match(image["stem"]):
            continue
        if found["name"].isdecimal() or words.class_of(found["name"], CLASSES) is not None:
            roots.add(found["root"])
    return roots


def _read_labelled(raw: zipfile.ZipFile, names: Sequence[str], coding: Coding) -> Listing:
    basic = [name for name in names if not COMPOUND.fullmatch(name)]
    files, images = _label_files(basic), _aligned(basic)
    twice = [members for members in images.values() if len(members) > 1]
    if twice:
        raise UserError(
            f"RAF-DB stands here more than once: {some(twice[0])} are one image. Give the path of one of them."
        )
    labels, problems = _labels(raw, files)
    rows = []
    found: Counter[tuple[str, str]] = Counter()
    for key, (member,) in images.items():
        codes, split = labels.get(key), key.partition("_")[0]
        if not codes:
            problems.append(Problem("labels", key, f"{base_name(files[0])} does not name it"))
            continue
        if len(codes) > 1:
            problems.append(Problem("labels", key, f"it has the labels {' and '.join(sorted(codes))}"))
            continue
        (code,) = codes
        found[split, words.canonical(code) or code] += 1
        label = coding.label(code)
        if label is None:
            problems.append(Problem("labels", key, f"its label {code[:20]!r} is no code from {_range(coding)}"))
        else:
            rows.append(ImageRow(key, label, split, None, member))
    problems += [
        Problem("labels", key, f"{base_name(files[0])} names it, but there is no aligned image")
        for key in labels
        if key not in images
    ]
    used = {row.member for row in rows}.union(files)
    return Listing(rows, problems, [name for name in names if name not in used], codes=found)


def _range(coding: Coding) -> str:
    """Say which codes there are."""
    return f"{min(coding.labels)} to {max(coding.labels)}"


def _labels(raw: zipfile.ZipFile, files: Sequence[str]) -> tuple[dict[str, set[str]], list[Problem]]:
    """Return the codes that the label files give each image, and the lines that cannot be read."""
    labels: dict[str, set[str]] = defaultdict(set)
    problems = []
    for file in files:
        lines = text_of(raw.read(file), file).splitlines()
        table = [re.sub(f"[{SEPARATORS}]", " ", line).split() for line in lines]
        longer = [said for said in table if len(said) > 2]
        if longer and len(longer) == sum(map(bool, table)):
            raise UserError(
                f"{file} has {len(longer[0])} columns, such as {' '.join(longer[0])[:60]!r}; expected the name of an "
                "image and the code of its class. Keep these two, and ask its maker which they are: cut -d' ' -f1,2"
            )
        for number, (line, said) in enumerate(zip(lines, table, strict=True), 1):
            name = OWNERS_NAME.fullmatch(said[0].partition(".")[0]) if said else None
            if name and len(said) == 2:
                labels[name["key"].lower()].add(said[1])
            elif said and not (number == 1 and "label" in said[-1].lower()):  # a header
                problems.append(Problem("labels", f"{base_name(file)}:{number}", f"{line[:40]!r} is no name and label"))
    return labels, problems


def _read_folders(names: Sequence[str], coding: Coding) -> Listing:
    root = next(iter(_class_folders([name for name in names if not COMPOUND.fullmatch(name)])))
    problems: list[Problem] = []
    unused: list[str] = []
    rows: dict[str, list[ImageRow]] = defaultdict(list)
    codes: Counter[tuple[str, str]] = Counter()
    images = {}
    for name in names:
        image, found = IMAGE.fullmatch(name), IN_FOLDER.match(name)
        if image and found and found["root"] == root and found.end() == image.start("stem"):
            images[name] = (image, found)
        else:
            unused.append(name)
    anew = _numbered_anew(images.values())
    named = 2 * sum(bool(OWNERS_NAME.fullmatch(image["stem"])) for image, _ in images.values()) > len(images)
    for name, (image, found) in images.items():
        folder, code = words.FOLDERS[found["folder"].lower()], found["name"].lower()
        label = coding.label(code)
        owners = OWNERS_NAME.fullmatch(image["stem"])
        key = owners["key"].lower() if owners and not anew else f"{folder}/{code}/{image['stem']}"
        split = owners["split"].lower() if owners else folder
        if split in SPLITS:
            codes[split, words.canonical(code) or code] += 1
        if label is None:
            problems.append(Problem("labels", key, f"its folder {found['name']!r} is none of {_range(coding)}"))
        elif split not in SPLITS:
            there = found["folder"]
            problems.append(Problem("labels", key, f"{there}/ is no split of the owner's, and its name tells none"))
        elif named and not owners:
            problems.append(Problem("labels", key, "its name is not like train_00001, as the others' are"))
        elif folder in SPLITS and split != folder:
            problems.append(Problem("labels", key, f"a {split} image stands in {found['folder']}/"))
        else:
            rows[key].append(ImageRow(key, label, split, None, name))
    for key, same in rows.items():
        if len(same) > 1:
            problems.append(Problem("labels", key, f"it stands in {some([row.member for row in same])}"))
    notes = (
        {"images whose numbers begin anew in each class, so that they are not the owner's": len(rows)} if anew else {}
    )
    return Listing([same[0] for same in rows.values() if len(same) == 1], problems, unused, notes=notes, codes=codes)


def _numbered_anew(images: Iterable[tuple[re.Match[str], re.Match[str]]]) -> bool:
    """Tell whether most images have their name in another class of the same folder, too, as in public mirrors."""
    classes: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for image, found in images:
        owners = OWNERS_NAME.fullmatch(image["stem"])
        if owners:
            classes[found["folder"].lower(), owners["key"].lower()].add(found["name"].lower())
    sizes = [len(each) for each in classes.values()]
    return 2 * sum(size for size in sizes if size > 1) > sum(sizes)


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
    crops=dict.fromkeys(("basic", "class folders"), (0.8, 1.25)),
    layouts=("basic", "class folders"),
    first_code=1,
    stand_in="rafdb",
)
