"""FER+: FER2013's images, labelled anew by ten taggers each.

Barsoum et al., Training deep networks for facial expression recognition with crowd-sourced label distribution, 2016.
The layout is that of the authors' repository after their script has written the images.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence

from refer.datasets.model import Dataset, ImageRow, Listing, Problem, some
from refer.datasets.texts import separator, text_of
from refer.datasets.words import SUFFIX
from refer.errors import UserError

CLASSES = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
SPLITS = ("Training", "PublicTest", "PrivateTest")
FOLDERS = dict(zip(("fer2013train", "fer2013valid", "fer2013test"), SPLITS, strict=True))
TABLE = "fer2013new.csv"
VOTES = (*CLASSES, "unknown", "NF")  # NF: not a face
RULES = ("majority", "plurality", "votes")

IMAGE = re.compile(rf"(?P<root>(?:.*/)?)data/(?P<folder>{'|'.join(FOLDERS)})/(?P<file>fer\d+)\.{SUFFIX}", re.IGNORECASE)
LOOKED_FOR = f"{TABLE} and data/{{FER2013Train,FER2013Valid,FER2013Test}}/fer*.png"


def label(votes: Sequence[int], rule: str = "majority") -> int | None:
    """Return the class that ten votes give an image, None where they give none.

    `votes` has one number for each of VOTES. Under "majority", the rule of the authors' code, a single vote for
    something is an outlier and does not count, and the class has more than half of the votes that are left. Under
    "plurality" nothing else has as many votes as the class. Under "votes" the class has the most votes of the eight,
    and of equals the first in the order of CLASSES; only an image with no vote for a class has none.
    """
    if rule == "majority":
        votes = [number if number > 1 else 0 for number in votes]
    most = max(votes[: len(CLASSES)])
    first = votes.index(most) if most else None
    if rule == "votes":
        return first
    enough = 2 * most > sum(votes) if rule == "majority" else list(votes).count(most) == 1 and most == max(votes)
    return first if enough else None


def recognise(names: Sequence[str]) -> str:
    """Return the layout of these member names, "repository".

    Raises:
        UserError: the table or the images are missing, or there are two tables.
    """
    tables = [name for name in names if _base(name) == TABLE]
    if not tables or not any(IMAGE.fullmatch(name) for name in names):
        raise UserError(
            f"This is no FER+: looked for {LOOKED_FOR} (any folder above, any case); found "
            f"{some(sorted(names)) or 'nothing'}. The repository holds the table alone; its script "
            "generate_training_data.py writes the images from fer2013.csv."
        )
    if len(tables) > 1:
        raise UserError(f"FER+ stands here more than once: {some(tables)}. Give the path of one of them.")
    return "repository"


def read(raw: zipfile.ZipFile, rule: str = "majority") -> Listing:
    """Read the table and match it with the images; an image that `rule` gives no class is left out and counted."""
    names = raw.namelist()
    recognise(names)
    table = next(name for name in names if _base(name) == TABLE)
    images = {
        (FOLDERS[found["folder"].lower()], found["file"].lower()): name
        for name in names
        if (found := IMAGE.fullmatch(name))
    }
    rows: list[ImageRow] = []
    problems: list[Problem] = []
    without = 0
    for number, (split, file, votes) in enumerate(_records(raw, table)):
        if not file:  # not a face, for the authors
            continue
        member = images.pop((split, file.lower().rpartition(".")[0]), None)
        if split not in SPLITS:
            problems.append(Problem("labels", file, f"Usage {split[:20]!r} is none of {', '.join(SPLITS)}"))
        elif votes is None:
            problems.append(Problem("labels", file, f"row {number} of {TABLE} holds votes that are no whole numbers"))
        elif member is None:
            problems.append(
                Problem("unreadable", file, f"{TABLE} names it, and no such image stands in {split}'s folder")
            )
        elif (chosen := label(votes, rule)) is None:
            without += 1
        else:
            rows.append(ImageRow(file.lower(), chosen, split, None, member, votes=votes))
    problems += [Problem("labels", member, f"{TABLE} does not name it") for member in images.values()]
    used = {row.member for row in rows}
    unused = [name for name in names if name not in used and name != table and not IMAGE.fullmatch(name)]
    return Listing(rows, problems, unused, notes={f"images that FER+'s taggers give no class by {rule}": without})


def _base(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _records(raw: zipfile.ZipFile, member: str) -> Iterator[tuple[str, str, tuple[int, ...] | None]]:
    """Yield Usage, the image's name ("" where there is none) and the votes, None where they are no numbers."""
    try:
        text = text_of(raw.read(member), member)
        mark = separator(text.partition("\n")[0], ("Usage", "Image name", *VOTES))
        table = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
        missing = [name for name in ("Usage", "Image name", *VOTES) if name not in (table.fieldnames or ())]
        if missing:
            raise UserError(
                f"{member} has no column {some(missing)}; expected Usage, Image name and ten of votes. Name them so in "
                "the first line, or take the table of FER+'s repository."
            )
        for record in table:
            cells = [(record[name] or "").strip() for name in VOTES]
            votes = tuple(map(int, cells)) if all(cell.isdecimal() for cell in cells) else None
            yield (record["Usage"] or "").strip(), (record["Image name"] or "").strip(), votes
    except csv.Error as error:
        raise UserError(f"{member} is no table: {error}. Take that of FER+'s repository.") from error


FERPLUS = Dataset(
    name="ferplus",
    title="FER+",
    classes=CLASSES,
    splits=SPLITS,
    modalities=("visible",),
    size=(48, 48),
    channels=1,
    counts={split: (None,) * len(CLASSES) for split in SPLITS},
    licence="Labels: MIT licence. The images are FER2013's, which remain their owners'. Do not pass them on.",
    home="https://github.com/microsoft/FERPlus",
    how_to_get="Clone the repository that `home` names, get fer2013.csv from Kaggle, and let the repository's "
    "src/generate_training_data.py write the images into its data folder. Then write its place into the configuration "
    "as `ferplus: <path>`.",
    recognise=recognise,
    read=read,
    crops=dict.fromkeys(("repository",), (0.8, 1.25)),
    layouts=("repository",),
    label_rules=RULES,
    stand_in="ferplus",
    expected=35713,
)
