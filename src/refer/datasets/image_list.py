"""The list of a data set's images that is released with predictions: what names each image, and whether it counts.

It holds no picture, so that whoever has predictions of their own can compare them without the data.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from refer import parquet as tables
from refer import records
from refer.errors import UserError
from refer.files import whole

if TYPE_CHECKING:
    import pandas as pd

    from refer.datasets.split_assignment import Images

NAME = "images.parquet"
COLUMNS = ("id", "row", "sha256", "label", "split", "part", "kept", "reason", "twins")
FACTS = ("dataset", "stand_in", "data_fingerprint", "classes", "paper", "protocol", "audited", "near", "test")
"""What the schema's metadata say, beside `shape`."""


@dataclass(frozen=True)
class ImageList:
    """The content of an images.parquet, in the order of the index; see `write_image_list` for its columns.

    `row` is −1 where it is not known. `about` are its FACTS.
    """

    path: Path
    about: Mapping[str, Any]
    id: NDArray[np.str_]
    row: NDArray[np.int64]
    sha256: NDArray[np.str_]
    label: NDArray[np.int64]
    split: NDArray[np.str_]
    part: NDArray[np.str_]
    kept: NDArray[np.bool_]
    twins: list[frozenset[int]]

    @property
    def classes(self) -> list[str]:
        """The classes' names; `label` counts them from 0."""
        return list(self.about["classes"])

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Which images (N) are in the test set."""
        return self.part == self.about["test"]

    @property
    def test_split(self) -> str:
        """What the data set's owner calls the test set, or what the paper calls it where it is drawn."""
        names = set(self.split[self.tested].tolist())
        return names.pop() if len(names) == 1 else str(self.about["test"])


def write_image_list(
    prepared: str | Path,
    audit: str | Path,
    split: str | Path,
    out: str | Path,
    test: str,
    rows: str | Path | None = None,
    names: str | Path | None = None,
) -> None:
    """Write the list of a data set's images, a parquet file with one row for each, in the order of the index.

    Columns: id; row (of the table that the images came in, empty where it is not known); sha256 (of the pixels alone,
    uint8 row by row, 64 hexadecimal digits); label (class, from 0); split (by the owner); part, kept and reason (by
    the split assignment: kept is false for what is left out, reason says why). An image that several folds assign has
    the part of the fold in which it is tested. twins: of an image outside training, the labels of its duplicates and
    near duplicates in training, each once.

    Args:
        prepared: folder with index.parquet and images.npy.
        audit: folder with the audit of these data.
        split: a split assignment of these data, <paper>.<protocol>.parquet.
        out: the file to write.
        test: the part that is the test set.
        rows: a table (CSV or parquet) with the columns id and row, where ids do not tell the rows; or with other in
            place of row, the names of the same images in FER+: what `links.link` writes.
        names: FER+'s fer2013new.csv, which has the rows of fer2013.csv and the name of the image of each. The number in
            a name is no row: images without a face have none.

    Raises:
        UserError: a file is missing or broken, or split and images are of different data.
    """
    import pyarrow as pa
    from pyarrow import parquet

    from refer.datasets.audit import read_index
    from refer.datasets.prepare import IMAGES, INDEX, SUMMARY
    from refer.datasets.prepared import check, open_images
    from refer.datasets.split import read_images

    prepared, split = Path(prepared), Path(split)
    for path in (prepared / INDEX, prepared / IMAGES, prepared / SUMMARY, split):
        if not path.is_file():
            raise UserError(f"{path}: no such file; expected prepared data and their split. Run the workflow.")
    check(prepared)
    index, assigned = tables.frame(prepared / INDEX), tables.frame(split)
    told = records.embedded(tables.about(split), records.SplitFacts, str(split))
    stated = records.read(prepared / SUMMARY, records.Prepared)["fingerprint"]
    if told.get("data_fingerprint") != stated:
        raise UserError(f"{split}: the split of other data than {prepared} holds; split them again.")
    if test not in set(assigned["part"]):
        parts = ", ".join(sorted(assigned["part"].dropna().unique()))
        raise UserError(f"{split}: no part {test!r}; expected one of {parts}.")
    once = _once(assigned, test).reindex(index["id"])
    images = open_images(prepared / IMAGES)
    facts = read_images(read_index(prepared), Path(audit), records.read(prepared / SUMMARY, records.Prepared))
    paper, _, protocol = split.stem.partition(".")
    about = {name: told.get(name) for name in FACTS} | {"paper": paper, "protocol": protocol, "test": test}
    columns = {
        "id": pa.array(index["id"], pa.string()),
        "row": pa.array(_rows(index["id"].tolist(), rows, names), pa.int32()),
        "sha256": pa.array([hashlib.sha256(image.tobytes()).hexdigest() for image in images], pa.string()),
        "label": pa.array(index["label"], pa.int8()),
        "split": pa.array(index["split"], pa.string()),
        "part": pa.array(once["part"], pa.string()),
        "kept": pa.array(once["kept"], pa.bool_()),
        "reason": pa.array(once["reason"], pa.string()),
        "twins": pa.array(twins_of(once["part"].tolist(), facts, told["fit"]), pa.list_(pa.int8())),
    }
    about["shape"] = list(images.shape[1:])
    with whole(out) as temporary:
        table = pa.table(columns).replace_schema_metadata({b"refer": json.dumps(about).encode()})
        # No dictionary for what is different in each row: it would double the file.
        parquet.write_table(table, temporary, compression="zstd", write_page_checksum=True,
                            use_dictionary=["label", "split", "part", "reason"])  # fmt: skip


def twins_of(parts: Sequence[str | None], images: Images, fit: Collection[str]) -> list[list[int]]:
    """Return of each image the labels of its duplicates and near duplicates among the images of the parts `fit`.

    Of an image in these parts, or in none, there are none.
    """
    learnt: dict[object, set[int]] = {}
    for part, near, label in zip(parts, images.near, images.label, strict=True):
        if part in fit:
            learnt.setdefault(near, set()).add(label)
    return [
        sorted(learnt.get(near, ())) if isinstance(part, str) and part not in fit else []
        for part, near in zip(parts, images.near, strict=True)
    ]


def read_image_list(path: str | Path) -> ImageList:
    """Read an images.parquet.

    Raises:
        UserError: it is missing, damaged, or no such list.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"{path}: no such file; expected the list of the data set's images. Pull it, or make it where the data "
            "lie: refer images --help"
        )
    table = tables.frame(path)
    about = records.embedded(tables.about(path), records.Told, str(path))
    missing = [name for name in (*COLUMNS, *FACTS) if name not in table and name not in about]
    if missing:
        raise UserError(f"{path}: no list of images, {missing[0]!r} is missing; make it again: refer images --help")
    texts = {name: np.asarray(table[name].fillna("").tolist(), dtype=np.str_) for name in
             ("id", "sha256", "split", "part")}  # fmt: skip
    return ImageList(
        path=path,
        about=about,
        row=table["row"].fillna(-1).to_numpy(np.int64),
        label=table["label"].to_numpy(np.int64),
        kept=table["kept"].to_numpy(np.bool_),
        twins=[frozenset(map(int, each)) for each in table["twins"]],
        **texts,
    )


def _once(assigned: pd.DataFrame, test: str) -> pd.DataFrame:
    """Return one row for each image, by id: of several folds that in which it is tested."""
    order = (assigned["part"] != test).to_numpy().argsort(kind="stable")
    return assigned.iloc[order].drop_duplicates("id").set_index("id")


def _rows(ids: list[str], table: str | Path | None, names: str | Path | None = None) -> list[int | None]:
    """Return the row of each image: what follows # in its id, else what the table says."""
    known: dict[str, int] = {}
    if table is not None:
        import pandas as pd

        try:
            read = tables.frame(table) if Path(table).suffix == ".parquet" else pd.read_csv(table)
            if "row" not in read and "other" in read:
                read["row"] = read["other"].map(_rows_by_name(names, table))
                read = read.dropna(subset=["row"])
            known = dict(zip(read["id"].astype(str), read["row"].astype(int), strict=True))
        except (KeyError, OSError, ValueError) as error:
            raise UserError(f"{table}: {str(error)[:120]}; expected a table with the columns id and row.") from None
        if len(set(known.values())) < len(read):
            raise UserError(f"{table}: an id or a row stands there twice; expected one row for each image.")
    found = (re.search(r"#(\d+)$", name) for name in ids)
    return [int(match[1]) if match else known.get(name) for name, match in zip(ids, found, strict=True)]


def _rows_by_name(names: str | Path | None, table: str | Path) -> dict[str, int]:
    """Return image name → row of FER+'s table; names that stand there twice tell no row."""
    import pandas as pd

    if names is None:
        raise UserError(f"{table}: holds links to FER+, whose names are no rows; give its fer2013new.csv: --names.")
    column = pd.read_csv(names)["Image name"].dropna()
    column = column[~column.duplicated(keep=False)]
    return dict(zip(column, column.index.tolist(), strict=True))
