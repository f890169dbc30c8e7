"""FER2013: 35,887 grey faces of 48×48 pixels in seven classes, as folders of images or as one table.

Goodfellow et al., Challenges in Representation Learning: A report on three machine learning contests, 2013.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from refer.datasets import words
from refer.datasets.codings import Coding
from refer.datasets.model import Dataset, ImageRow, Listing, Problem, base_name, some
from refer.datasets.texts import encoding, separator, text_of
from refer.errors import UserError

if TYPE_CHECKING:
    import numpy as np

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SPLITS = ("Training", "PublicTest", "PrivateTest")
CODES = {str(code): code for code in range(len(CLASSES))}
OFFICIAL = Coding("official", CLASSES, CODES)
COUNTS = {
    "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "PublicTest": (467, 56, 496, 895, 653, 415, 607),
    "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
}
SIZE = (48, 48)

TABLES = ("fer2013.csv", "icml_face_data.csv")  # in order of preference: their content is the same
A_TABLE = re.compile(r"(?P<name>fer2013|icml_face_data)(?: ?\(\d+\)| - copy)?(?:\.(?:csv|tsv|txt))?", re.IGNORECASE)
SUBJECTS = "subjects.csv"
COLUMNS = ("emotion", "pixels", "usage")
FOLDERS = {"train": ("Training",), "test": ("PublicTest", "PrivateTest"), "val": ("PublicTest", "PrivateTest")}
LOOKED_FOR = "train/<class>/Training_*.jpg with test/<class>/{PublicTest,PrivateTest}_*.jpg, or " + " or ".join(TABLES)

IN_FOLDERS = re.compile(rf"(?P<root>(?:.*/)?)(?P<folder>{words.FOLDER})/(?P<name>[^/]+)/(?P<file>[^/]+)", re.IGNORECASE)
TWICE = 2  # names that stand in two classes in the copy that goes about: PrivateTest_88305.jpg and one more
OWNERS_NAME = re.compile(rf"(?:{'|'.join(SPLITS)})_\d+(?: ?\(\d+\))?", re.IGNORECASE)
COPY = re.compile(r"(.+?) ?\(\d+\)\.([^.]+)")  # as a browser or Windows names a second copy
USAGE = re.compile(rf"({'|'.join(SPLITS)})_", re.IGNORECASE)


def recognise(names: Sequence[str]) -> str:
    """Return the layout of these member names: "folders", or the name of the table.

    Raises:
        UserError: neither is there, both are, or one is there twice.
    """
    roots = sorted({found["root"] for name in names if (found := _in_class_folder(name))})
    tables = _tables(names)
    if not roots and not tables:
        raise UserError(
            f"This is no FER2013: looked for {LOOKED_FOR} (any folder above, any case); "
            f"found {some(sorted(names)) or 'nothing'}."
        )
    if roots and tables:
        raise UserError(
            f"FER2013 stands here twice, as folders and as {tables[0]}: give the path of one of them, so that "
            "no image is counted twice."
        )
    if len(roots) > 1:
        raise UserError(
            f"FER2013 stands here more than once, below {some([root or './' for root in roots])}: "
            "give the path of one of them."
        )
    return "folders" if roots else _table(tables[0])


def read(raw: zipfile.ZipFile, coding: Coding = OFFICIAL) -> Listing:
    """Read whichever layout the raw archive has, its codes as `coding` says; rows in the archive's order."""
    names = [info.filename for info in raw.infolist()]
    layout = recognise(names)
    listing = _read_folders(names, coding) if layout == "folders" else _read_table(raw, _tables(names)[0], coding)
    return _with_subjects(raw, names, listing)


def _table(name: str) -> str:
    """Return which of TABLES a member is, "" where it is none: a browser may have put "(1)" behind its name."""
    found = A_TABLE.fullmatch(base_name(name))
    return f"{found['name'].lower()}.csv" if found else ""


def _tables(names: Sequence[str]) -> list[str]:
    """Return the members that are tables: the preferred name first, and nothing twice."""
    found = sorted((name for name in names if _table(name)), key=lambda name: (TABLES.index(_table(name)), name))
    if len(found) > 1 and _table(found[0]) == _table(found[1]):
        raise UserError(f"FER2013 stands here twice: {found[0]} and {found[1]}. Give the path of one of them.")
    return found


def _in_class_folder(name: str) -> re.Match[str] | None:
    """Match an image of train/<class>/ or test/<class>/, where <class> is one of the seven, or a number."""
    found = IN_FOLDERS.fullmatch(name)
    if not found or not words.is_image(name):
        return None
    return found if found["name"].isdecimal() or words.class_of(found["name"], CLASSES) is not None else None


def _read_folders(names: Sequence[str], coding: Coding) -> Listing:
    rows: list[ImageRow] = []
    problems: list[Problem] = []
    unused: list[str] = []
    codes: Counter[tuple[str, str]] = Counter()
    root = next(found["root"] for name in names if (found := _in_class_folder(name)))
    images = {name: found for name in names if (found := _below(name, root))}
    by_folder = _split_by_folder(images.values())
    files = Counter(found["file"].lower() for found in images.values())
    named = 2 * sum(bool(OWNERS_NAME.fullmatch(file.rpartition(".")[0])) for file in files) > len(files)
    twice = {file for file, number in files.items() if number > 1 and not by_folder}
    unclear = twice if len(twice) > max(TWICE, len(images) // 1000) else set()
    unused += [name for name in names if name not in images]
    for name, found in images.items():
        folder, code = words.FOLDERS[found["folder"].lower()], found["name"].lower()
        label = coding.label(code)
        # One id in every mirror: PublicTest's images stand in test/ or in val/, a class goes by several names.
        place = folder if by_folder else "train" if folder == "train" else "test"
        key = f"{place}/{code if label is None else CLASSES[label]}/{found['file']}"
        usage = USAGE.match(found["file"])
        split = by_folder[folder] if by_folder else _split(usage[1]) if usage else None
        if split is not None:
            codes[split, words.canonical(code) or code] += 1
        if label is None:
            problems.append(Problem("labels", key, f"{code!r} is none of {', '.join(CLASSES)}"))
        elif split is None:
            problems.append(Problem("labels", key, f"the name begins with none of {', '.join(SPLITS)}"))
        elif (copy := COPY.fullmatch(found["file"])) and f"{copy[1]}.{copy[2]}".lower() in files:
            problems.append(Problem("labels", key, f"by its name a copy of {copy[1]}.{copy[2]}, which stands here too"))
        elif named and not OWNERS_NAME.fullmatch(found["file"].rpartition(".")[0]):
            problems.append(Problem("labels", key, f"its name is not like {split}_123, as the others' are"))
        elif found["file"].lower() in unclear:
            problems.append(Problem("labels", key, f"its name stands in {files[found['file'].lower()]} folders"))
        elif split not in FOLDERS[folder]:
            problems.append(Problem("labels", key, f"a {split} file stands in {found['folder']}/"))
        else:
            rows.append(ImageRow(key, label, split, None, name))
    return Listing(rows, problems, unused, codes=codes)


def _below(name: str, root: str) -> re.Match[str] | None:
    found = IN_FOLDERS.fullmatch(name)
    return found if found and found["root"] == root and words.is_image(name) else None


def _split_by_folder(images: Collection[re.Match[str]]) -> Mapping[str, str]:
    """Return the split of each folder where no file's name tells one, nothing where names tell.

    Raises:
        UserError: the folders hold other numbers of images than the owner's splits, so that they may be anybody's.
    """
    if any(USAGE.match(found["file"]) for found in images):
        return {}
    there: dict[str, Counter[str]] = {folder: Counter() for folder in ("train", "val", "test")}
    for found in images:
        there[words.FOLDERS[found["folder"].lower()]][found["name"].lower()] += 1
    # Which class and which split is which, the numbers tell in the end (refer.datasets.codings).
    if sorted(sorted(one.values()) for one in there.values()) == sorted(map(sorted, COUNTS.values())):
        return dict(zip(there, SPLITS, strict=True))
    folders = Counter(f"{found['folder']}/" for found in images)
    raise UserError(
        f"FER2013 in folders whose files have names of their own ({next(iter(images))[0]}): "
        f"{', '.join(f'{folder} {number:,}' for folder, number in sorted(folders.items()))} images are not the owner's "
        "three splits, and no name tells PublicTest from PrivateTest. Give fer2013.csv, or images whose names begin "
        "with Training_, PublicTest_ or PrivateTest_."
    )


def _read_table(raw: zipfile.ZipFile, member: str, coding: Coding) -> Listing:
    import numpy as np

    rows: list[ImageRow] = []
    problems: list[Problem] = []
    pixels: list[np.ndarray] = []
    codes: Counter[tuple[str, str]] = Counter()
    notes: Counter[str] = Counter()
    torn: list[tuple[int, int, int]] = []
    for number, emotion, values, usage in _records(raw, member, torn):
        key = f"{_table(member)}#{number}"
        if not emotion.strip() and not usage.strip():
            notes[f"empty rows of {_table(member)}"] += 1
            continue
        label, split = coding.label(emotion), _split(usage.strip())
        if split is not None:
            codes[split, words.canonical(emotion) or emotion.strip()] += 1
        if label is None:
            first, last = min(coding.labels, default=""), max(coding.labels, default="")
            problems.append(Problem("labels", key, f"emotion {emotion[:20]!r} is no code from {first} to {last}"))
        elif split is None:
            problems.append(Problem("labels", key, f"Usage {usage[:20]!r} is none of {', '.join(SPLITS)}"))
        elif isinstance(values, str):
            problems.append(Problem("unreadable", key, values))
        else:
            rows.append(ImageRow(key, label, split, None, member))
            pixels.append(values)
    end = int(rows[-1].id.rpartition("#")[2]) if rows else 0
    for number, there, wanted in torn:
        if number > end and there > wanted:  # a table that is cut off has fewer
            notes[f"rows behind the last image of {_table(member)}, which hold something else"] += 1
        else:
            what = f"{there} columns instead of {wanted}{': cut off?' * (there < wanted)}"
            problems.append(Problem("labels", f"{_table(member)}#{number}", what))
    stacked = np.stack(pixels) if pixels else np.empty((0, SIZE[0] * SIZE[1]), np.uint8)
    unused = [name for name in raw.namelist() if name != member]
    return Listing(rows, problems, unused, stacked.reshape(-1, *SIZE, 1), notes, codes=codes)


def _records(
    raw: zipfile.ZipFile, member: str, torn: list[tuple[int, int, int]]
) -> Iterator[tuple[int, str, np.ndarray | str, str]]:
    """Yield number, emotion, pixels (or what is wrong with them) and usage; columns go by name, never by position.

    Rows of another number of columns than the first line go into `torn`: number, columns, columns expected.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names, mark, coded = _header(raw, member)
    if any(names.count(name) != 1 for name in COLUMNS):
        raise UserError(
            f"{member} has the columns {some(names, 8) or '(none)'}; expected emotion, pixels and Usage, each once. "
            "Name them so in the first line."
        )
    types = {"emotion": pa.string(), "pixels": pa.binary(), "usage": pa.string()}

    def skipped(row: Any) -> str:
        torn.append(
            (row.number - 2, row.actual_columns, row.expected_columns)
        )  # Arrow counts from 1, the first line too
        return "skip"

    number = 0
    with raw.open(member) as stream:
        try:
            batches = arrow_csv.open_csv(
                stream,
                read_options=arrow_csv.ReadOptions(
                    column_names=names, skip_rows=1, block_size=8 << 20, encoding=coded, use_threads=False
                ),
                parse_options=arrow_csv.ParseOptions(delimiter=mark, invalid_row_handler=skipped),
                convert_options=arrow_csv.ConvertOptions(column_types=types, include_columns=list(COLUMNS)),
            )
            for batch in batches:
                emotions, lists, usages = (batch[name] for name in COLUMNS)
                emotions, usages = emotions.to_pylist(), usages.to_pylist()
                left_out = {place for place, *_ in torn}
                for emotion, values, usage in zip(emotions, _pixels(lists, SIZE[0] * SIZE[1]), usages, strict=True):
                    while number in left_out:
                        number += 1
                    yield number, emotion, values, usage
                    number += 1
        except pa.ArrowInvalid as error:
            raise UserError(
                f"{member} is no table that can be read, or is cut off: {str(error)[:120]}. Compare its size with that "
                "of the file you have it from."
            ) from error


def _pixels(lists: Any, number: int) -> Iterator[np.ndarray | str]:
    """Yield `number` pixels of each text (uint8, in a row), or what is wrong with it.

    Arrow reads the 35,887 texts in 3 s, all of a batch at once; one that it refuses is looked at text by text.
    """
    import pyarrow as pa
    from pyarrow import compute

    try:
        texts = lists.cast(pa.string())
        words = compute.ascii_split_whitespace(texts)
        values = words.flatten().cast(pa.uint8()).to_numpy()
        whole = compute.equal(compute.list_value_length(words), number)
        plain = compute.match_substring_regex(texts, r"^[0-9\s]*$")  # Arrow would read 0x1, too
        fine = compute.all(compute.and_(whole, plain)).as_py()
    except pa.ArrowInvalid:
        fine = False
    if fine:
        yield from values.reshape(-1, number)
    else:
        yield from (_pixels_of(text, number) for text in lists.to_pylist())


def _pixels_of(text: bytes, number: int) -> np.ndarray | str:
    import numpy as np

    words = text.split()
    if not all(word.isdigit() for word in words):
        return "the pixel list holds something that is no whole number"
    if len(words) != number:
        return f"{len(words)} pixels instead of {number}"
    values = [int(word[-4:]) if len(word.lstrip(b"0")) < 4 else 256 for word in words]
    return np.array(values, np.uint8) if max(values) <= 255 else "a pixel lies outside 0..255"


def _header(raw: zipfile.ZipFile, member: str) -> tuple[list[str], str, str]:
    """Return a table's columns (small letters, without icml_face_data.csv's blanks), its separator and its encoding."""
    with raw.open(member) as stream:
        head = stream.read(1 << 16)
    coded = encoding(head)
    line = head.decode(coded, errors="replace").partition("\n")[0]
    mark = separator(line, COLUMNS)
    try:
        names = [name.strip().lower() for name in next(csv.reader([line], delimiter=mark), [])]
    except csv.Error as error:
        raise UserError(f"{member}: its first line is no row of column names ({error}).") from None
    return names, mark, coded.removesuffix("-sig")


def _split(usage: str) -> str | None:
    """Return the split of this name in any case, None where there is none."""
    return next((split for split in SPLITS if split.lower() == usage.lower()), None)


def _with_subjects(raw: zipfile.ZipFile, names: Sequence[str], listing: Listing) -> Listing:
    """Add the subject ids of an optional subjects.csv (columns id, subject) to the rows."""
    tables = [name for name in names if base_name(name) == SUBJECTS]
    if not tables:
        return listing
    if len(tables) > 1:
        raise UserError(f"Two tables of subjects: {some(tables)}. Keep one.")
    subjects = _subjects(raw.read(tables[0]), tables[0])
    known = {row.id for row in listing.rows} | {problem.id for problem in listing.problems}
    strangers = [key for key in subjects if key not in known]
    if strangers:
        raise UserError(
            f"{tables[0]} names {len(strangers)} images that are not there: {some(strangers)}. "
            "An id is the path from train/ or test/ on, or <table>#<row from 0>."
        )
    rows = [row._replace(subject=subjects.get(row.id)) for row in listing.rows]
    unused = [name for name in listing.unused if name != tables[0]]
    return replace(listing, rows=rows, unused=unused)


def _subjects(content: bytes, member: str) -> Mapping[str, str]:
    try:
        text = text_of(content, member)
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator(text.partition("\n")[0]))
        records = [{(key or "").strip().lower(): (value or "") for key, value in row.items()} for row in table]
    except csv.Error as error:
        raise UserError(f"{member} is no table: {error}.") from error
    subjects: dict[str, str] = {}
    for record in records:
        if not {"id", "subject"} <= record.keys():
            raise UserError(f"{member} has the columns {some(list(record))}; expected id and subject.")
        key, subject = record["id"].strip(), record["subject"].strip()
        if subjects.setdefault(key, subject) != subject:
            raise UserError(f"{member} gives {key} two subjects, {subjects[key]} and {subject}. Keep one.")
    return {key: subject for key, subject in subjects.items() if subject}


FER2013 = Dataset(
    name="fer2013",
    title="FER2013",
    classes=CLASSES,
    splits=SPLITS,
    modalities=("visible",),
    size=SIZE,
    channels=1,
    counts=COUNTS,
    licence="Published for research with the ICML 2013 challenge; no licence file comes with it, and the images, "
    "found by web search, remain their owners'. Do not pass them on.",
    home="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    how_to_get="Download fer2013.tar.gz, icml_face_data.csv.zip or the folder version from Kaggle (free account; see "
    "`home`), and write its place into the configuration as `fer2013: <path or https://…#sha256=<hex>>`; or, with "
    "refer's extra `kaggle` installed, `fer2013: kaggle:msambare/fer2013/versions/1`.",
    recognise=recognise,
    read=read,
    crops=dict.fromkeys(("folders",), (0.8, 1.25)),
    layouts=("folders", *TABLES),
    first_code=0,
    stand_in="fer2013",
)
