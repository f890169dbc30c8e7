"""Predictions that any program made: read from a table, and matched with the list of a data set's images.

Nothing is guessed: an image or a class that is not known for certain is an error, or is left out and counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from refer import parquet
from refer.datasets.image_list import ImageList
from refer.errors import UserError
from refer.evaluation.predictions import SUM_TOLERANCE
from refer.files import sha256

if TYPE_CHECKING:
    import pandas as pd

IMAGE = ("image", "id", "path", "file", "filename", "row", "sha256")
"""Names of the column that says which image a row is of."""
CLASS = ("class", "predicted", "prediction")
"""Names of the column that says which class was predicted."""
ALIKE = 1e-4
"""Probabilities of identical pixels may differ by so much."""
FIRST = 3
"""How many names a message shows."""


@dataclass(frozen=True)
class Given:
    """The content of a file of predictions, checked row by row, images not yet looked for.

    `kind` says how images are named: "row", "sha256" or "id". `predicted` (N) are class indices, `probabilities`
    (N, classes) sum to 1, or are None where the file has none. `ignored` are columns that were not needed.
    """

    path: Path
    sha256: str
    kind: str
    images: Sequence[str]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None
    ignored: Sequence[str] = ()


@dataclass(frozen=True)
class Own:
    """Predictions for images of the test set, in the order of the list of images.

    `at` (N) are the places of these images in the list, `missing` how many images of the test set have no prediction,
    `told` sentences on what was left out.
    """

    table: Given
    listed: ImageList
    at: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None
    missing: int
    told: Sequence[str] = field(default_factory=list)

    @property
    def label(self) -> NDArray[np.int64]:
        """The true class of each image (N)."""
        return self.listed.label[self.at]

    @property
    def ids(self) -> NDArray[np.str_]:
        """The id of each image (N), as in released predictions."""
        return self.listed.id[self.at]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which images (N) are in the duplicate-free test set."""
        return self.listed.kept[self.at]

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Which answers (N) are right."""
        return self.predicted == self.label


def read_table(path: str | Path, classes: Sequence[str], renamed: Mapping[str, str] | None = None) -> Given:
    """Read a CSV or parquet file of predictions.

    Args:
        path: a table with one column that names the image (IMAGE), and a column of the class (CLASS), as its name or
            its number from 0, or one column of probabilities for each class, called as the class or p_<class>.
        classes: the names of the data set's classes, in order.
        renamed: what the file calls a class → what the data set calls it.

    Raises:
        UserError: the file cannot be read, a column is missing or there twice, a class is not known, or a row's
            probabilities are not finite, not within 0..1, or do not sum to 1 within 1e-3.
    """
    path, renamed = Path(path), dict(renamed or {})
    for name in renamed.values():
        if name not in classes:
            raise UserError(f"--rename: {name!r} is no class of the data set; expected one of {', '.join(classes)}.")
    frame = _read(path)
    if not len(frame):
        raise UserError(f"{path}: holds no row; expected one for each image of the test set.")
    names = {str(column).strip().lower(): column for column in frame.columns}
    if len(names) < len(frame.columns):
        raise UserError(f"{path}: two columns have the same name; found {', '.join(map(str, frame.columns))}.")
    image = _one(path, names, IMAGE, "names the image")
    wanted = [_probability_column(names, name, renamed) for name in classes]
    given = [names[name] for name in wanted if name is not None]
    stated = [names[name] for name in CLASS if name in names]
    if given and len(given) < len(classes):
        lacking = [name for name, found in zip(classes, wanted, strict=True) if found is None]
        raise UserError(f"{path}: no column of probabilities for {_few(lacking)}; expected one for each class: "
                        f"{', '.join(classes)}.")  # fmt: skip
    if not given and not stated:
        raise UserError(
            f"{path}: found the columns {', '.join(map(str, frame.columns))}; expected also {' or '.join(CLASS)}, or "
            f"a column of probabilities for each of {', '.join(classes)}."
        )
    images = _names(path, frame[names[image]], str(names[image]))
    kind = _kind(path, image, images)
    probabilities = _probabilities(path, frame[given], images) if given else None
    predicted = probabilities.argmax(axis=1) if probabilities is not None else None
    if stated:
        if len(stated) > 1:
            raise UserError(f"{path}: the columns {', '.join(stated)} all name a class; keep one.")
        told = _classes(path, frame[stated[0]], images, classes, renamed)
        if predicted is not None and (differ := np.flatnonzero(told != predicted)).size:
            raise UserError(
                f"{path}: the column {stated[0]!r} is not the most probable class in {differ.size:,} rows, the first "
                f"{_few([images[k] for k in differ.tolist()])}; keep the class or the probabilities."
            )
        predicted = told
    assert predicted is not None
    used = {names[image], *given, *stated}
    ignored = [str(column) for column in frame.columns if column not in used]
    return Given(path, sha256(path), kind, images, predicted, probabilities, ignored)


def match(table: Given, listed: ImageList, partial: bool = False) -> Own:
    """Find the images of a table in the list of the data set's images.

    An image is named by its row, by the SHA-256 of its pixels, or by its id: the id may be the end of the path that
    is given, or the path the end of the id, at a /. A hash stands for all images with these pixels.

    Raises:
        UserError: an image is there twice, a name fits several images or, unless `partial`, none, or an image of the
            test set is missing; the message says how many and names the first.
    """
    places = {"row": _by_row, "sha256": _by_hash, "id": _by_path}[table.kind](table.images, listed)
    faults = []
    several = [k for k, found in enumerate(places) if len(found) > 1] if table.kind != "sha256" else []
    if several:
        faults.append(f"{_names_of(table, several)} may be one of several images; give whole ids.")
    of: dict[int, list[int]] = {}
    for k, found in enumerate(places):
        if k not in set(several):
            for place in found:
                of.setdefault(place, []).append(k)
    doubles = sorted({ks[1] for ks in of.values() if len(ks) > 1 and not _same(table, ks, len(places[ks[0]]))})
    if doubles:
        faults.append(
            f"{_names_of(table, doubles)} {'is' if len(doubles) == 1 else 'are'} there more than once; keep one row "
            "for each image" + ("." if table.kind != "sha256" else ", or name images with identical pixels by id.")
        )
    unknown = [k for k, found in enumerate(places) if not found]
    tested = np.flatnonzero(listed.tested)
    at = np.array([place for place in tested if place in of], dtype=np.int64)
    missing = [str(listed.id[place]) for place in tested if place not in of]
    other = _elsewhere(listed, places)
    told = []
    if unknown:
        told.append(f"{_names_of(table, unknown)} not found in {listed.path.name}{_why(table, listed)}")
    if missing:
        told.append(f"{len(missing):,} of {len(tested):,} images of {listed.test_split} have no prediction, the first: "
                    f"{_few(missing)}")  # fmt: skip
    if told and not partial:
        faults += [*(f"{text}." for text in told), "With --partial, what is there is compared."]
        told = []
    if faults:
        raise UserError("\n".join(f"{table.path}: {text}" for text in faults))
    if not len(at):
        raise UserError(f"{table.path}: no image of {listed.test_split}; expected its {len(tested):,} images. "
                        f"{' '.join(f'{text}.' for text in told)}")  # fmt: skip
    if other:
        told.append(f"not in the test set and left out: {other}")
    if table.ignored:
        told.append(f"columns that were not needed: {', '.join(table.ignored)}")
    rows = np.array([of[place][0] for place in at])
    probabilities = None if table.probabilities is None else table.probabilities[rows]
    return Own(table, listed, at, table.predicted[rows], probabilities, len(missing), told)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a CSV or parquet file of predictions.")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return parquet.frame(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    except UserError:
        raise
    except Exception as error:  # of a file that is something else the readers raise many kinds
        raise UserError(
            f"{path}: not a readable table ({' '.join(str(error).split())[:100]}); expected CSV in UTF-8 with commas "
            "and a line of column names, or parquet."
        ) from None


def _one(path: Path, names: Mapping[str, str], known: Sequence[str], what: str) -> str:
    found = [name for name in known if name in names]
    if len(found) != 1:
        there = f"the columns {', '.join(found)} all do" if found else f"found {', '.join(map(str, names.values()))}"
        raise UserError(f"{path}: expected one column that {what} ({', '.join(known)}); {there}.")
    return found[0]


def _probability_column(names: Mapping[str, str], name: str, renamed: Mapping[str, str]) -> str | None:
    called = [name, *(old for old, new in renamed.items() if new == name)]
    return next((each for one in called for each in (one.lower(), f"p_{one.lower()}") if each in names), None)


def _names(path: Path, column: pd.Series[str], title: str) -> list[str]:
    if (empty := int(column.isna().sum() + (column.astype(str).str.strip() == "").sum())) > 0:
        raise UserError(f"{path}: the column {title!r} is empty in {empty:,} rows; name the image of each.")
    return [str(value).strip().replace("\\", "/") for value in column.tolist()]


def _kind(path: Path, column: str, images: Sequence[str]) -> str:
    """Return how images are named, which all rows must share."""
    forms = {"row": r"\d+", "sha256": r"[0-9a-fA-F]{64}"}
    kind = next((kind for kind, form in forms.items() if re.fullmatch(form, images[0])), "id")
    if column in forms:
        kind = column
    if kind in forms and (wrong := [name for name in images if not re.fullmatch(forms[kind], name)]):
        expected = {"row": "row numbers from 0", "sha256": "64 hexadecimal digits"}[kind]
        raise UserError(f"{path}: column {column!r}: {_few(wrong)}: expected {expected} in all rows.")
    return kind


def _probabilities(path: Path, columns: pd.DataFrame, images: Sequence[str]) -> NDArray[np.float64]:
    import pandas as pd

    values = np.column_stack([pd.to_numeric(columns[name], errors="coerce").to_numpy(np.float64) for name in columns])
    sums = values.sum(axis=1)
    with np.errstate(invalid="ignore"):
        checks = (
            (~np.isfinite(values).all(axis=1), "hold something that is no number", "a number in each"),
            (((values < 0) | (values > 1)).any(axis=1), "lie outside 0..1", "probabilities, no percentages or logits"),
            (np.abs(sums - 1) > SUM_TOLERANCE, "do not sum to 1", f"a sum of 1 within {SUM_TOLERANCE:g}"),
        )
    for wrong, found, expected in checks:
        if wrong.any():
            names = [images[k] for k in np.flatnonzero(wrong).tolist()]
            raise UserError(f"{path}: the probabilities of {len(names):,} rows {found}, the first: {_few(names)}; "
                            f"expected {expected}.")  # fmt: skip
    return np.asarray(values / sums[:, None], dtype=np.float64)


def _classes(
    path: Path, column: pd.Series[str], images: Sequence[str], classes: Sequence[str], renamed: Mapping[str, str]
) -> NDArray[np.int64]:
    known = {name.lower(): k for k, name in enumerate(classes)} | {str(k): k for k in range(len(classes))}
    known |= {old.lower(): classes.index(new) for old, new in renamed.items()}
    values = [str(value).strip() for value in column.tolist()]
    unknown = [value for value in values if value.lower() not in known]
    if unknown:
        found = _few([repr(value) for value in dict.fromkeys(unknown)])
        raise UserError(
            f"{path}: {len(unknown):,} of {len(values):,} rows have an unknown class: {found}; expected "
            f"{', '.join(classes)}, or numbers from 0 in this order. Other names: --rename happiness=happy"
        )
    return np.array([known[value.lower()] for value in values], dtype=np.int64)


def _by_row(images: Sequence[str], listed: ImageList) -> list[list[int]]:
    place = {int(row): k for k, row in enumerate(listed.row) if row >= 0}
    if not place:
        raise UserError(
            f"{listed.path}: does not know the rows, for these data were read from single images; name the images by "
            f"id, such as {listed.id[listed.tested][0]}, or by the SHA-256 of their pixels."
        )
    return [[place[int(name)]] if int(name) in place else [] for name in images]


def _by_hash(images: Sequence[str], listed: ImageList) -> list[list[int]]:
    places: dict[str, list[int]] = {}
    for k, digest in enumerate(listed.sha256.tolist()):
        places.setdefault(digest, []).append(k)
    return [places.get(name.lower(), []) for name in images]


def _by_path(images: Sequence[str], listed: ImageList) -> list[list[int]]:
    """Return the images whose id ends as the path does, or the other way about."""
    ids = [name.split("/") for name in listed.id.tolist()]
    called: dict[str, list[int]] = {}
    for k, steps in enumerate(ids):
        called.setdefault(steps[-1], []).append(k)
    found = []
    for name in images:
        steps = [step for step in name.split("/") if step not in ("", ".")]
        same = called.get(steps[-1], []) if steps else []
        fits = []
        for k in same:
            shared = min(len(steps), len(ids[k]))
            if steps[-shared:] == ids[k][-shared:]:
                fits.append(k)
        found.append(fits)
    return found


def _same(table: Given, rows: Sequence[int], images: int) -> bool:
    """Whether rows of one hash say the same, and are no more than there are images with these pixels."""
    if table.kind != "sha256" or len(rows) > images:
        return False
    of = table.probabilities
    alike = of is None or bool((np.abs(of[rows] - of[rows[0]]) <= ALIKE).all())
    return alike and len(set(table.predicted[rows].tolist())) == 1


def _elsewhere(listed: ImageList, places: Iterable[Sequence[int]]) -> str:
    """Return how many rows name images of other splits alone, and of which (of identical pixels the first image's)."""
    rows = [found[0] for found in places if found and not listed.tested[list(found)].any()]
    counts = sorted(Counter(listed.split[rows].tolist()).items())
    return " and ".join(f"{count:,} image{'' if count == 1 else 's'} of {name}" for name, count in counts)


def _why(table: Given, listed: ImageList) -> str:
    if table.kind == "sha256":
        shape = "×".join(map(str, listed.about.get("shape") or []))
        return f" (it knows the pixels of this copy of the data, {shape} uint8; another copy has others)"
    return f" (its ids are such as {listed.id[listed.tested][0]})" if table.kind == "id" else ""


def _names_of(table: Given, rows: Sequence[int]) -> str:
    names = list(dict.fromkeys(table.images[k] for k in rows))
    return f"{len(names):,} image{'' if len(names) == 1 else 's'} ({_few(names)})"


def _few(names: Sequence[str]) -> str:
    return f"{', '.join(names[:FIRST])}{' …' if len(names) > FIRST else ''}"
