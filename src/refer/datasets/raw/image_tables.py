"""Parquet files of images, as Hugging Face's datasets are stored: rows of an image's bytes and a label.

The split is read off the file's name (train-00000-of-00002.parquet). Where the file names the classes, images are
entries <split>/<class>/…, else <split>/<code>/…, so that the readers of folders of classes take them.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from refer.datasets.raw.archive_base import Entry, Limits, Packed, explained, judge_ratio
from refer.datasets.words import FOLDERS, SUFFIXES
from refer.errors import UserError

if TYPE_CHECKING:
    from pyarrow import Schema

IMAGES = ("image", "img", "img_bytes", "pixel_values")  # names of columns, the likelier first
LABELS = ("label", "labels", "emotion", "expression", "class", "target")
TOGETHER = 256  # rows that are read at once
NAME = re.compile(r"(?P<split>[a-z_]+?)(?:[-_.]\d+(?:-of-\d+)?(?:-[0-9a-f]+)?)?\.parquet", re.IGNORECASE)


def image_table(packed: Packed, limits: Limits) -> Generator[Entry]:
    """Yield the images of a parquet file, each in the folders of its split and its class.

    Raises:
        UserError: it is damaged, or has no column of images with one of labels beside it.
    """
    import pyarrow as pa
    from pyarrow import parquet

    base = packed.name.rpartition("/")[2]
    with explained(packed.name):
        try:
            table = parquet.ParquetFile(packed.stream)
            groups = [table.metadata.row_group(number) for number in range(table.num_row_groups)]
        except pa.ArrowException as error:
            raise ValueError(str(error)[:120]) from error
        judge_ratio(packed.name, "all of it", sum(group.total_byte_size for group in groups), packed.size, limits)
        image, label = _columns(packed.name, table.schema_arrow)
        classes = {code: re.sub(r"[\\/]", "-", name) for code, name in classes_of(table.schema_arrow, label).items()}
        split, stem = _split(base), base.rpartition(".")[0]
        number = done = 0
        try:
            for batch in table.iter_batches(TOGETHER, columns=[image, label], use_threads=False):
                cells = zip(batch[image].to_pylist(), batch[label].to_pylist(), strict=True)
                for cell, code in cells:
                    content, suffix = _content(cell)
                    done += len(content)
                    place = f"{split}/{classes.get(code, code)}/{stem}.{number:06d}.{suffix}"
                    yield Entry(place, len(content), io.BytesIO(content), min(done, packed.size))
                    number += 1
        except pa.ArrowException as error:
            raise ValueError(str(error)[:120]) from error


def _columns(name: str, schema: Schema) -> tuple[str, str]:
    """Return the names of the columns of images and of labels."""
    import pyarrow as pa

    def binary(kind: Any) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    images = [
        field.name
        for field in schema
        if binary(field.type) or (pa.types.is_struct(field.type) and any(binary(inner.type) for inner in field.type))
    ]
    labels = [each for each in schema.names if each.lower() in LABELS]
    known = [each for each in images if each.lower() in IMAGES]
    if len(labels) != 1 or not (len(images) == 1 or len(known) == 1):
        raise UserError(
            f"{name} is a parquet file with the columns {', '.join(schema.names)[:120]}; expected one of images (their "
            "files' bytes) and one called label, as Hugging Face's datasets have them. Write its images into folders, "
            "<split>/<class>/, and give that folder."
        )
    return (known or images)[0], labels[0]


def classes_of(schema: Schema, label: str) -> dict[int, str]:
    """Return the classes' names by code, as Hugging Face writes them into the file; nothing where it does not."""
    try:
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = about["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {code: str(name) for code, name in enumerate(names)} if isinstance(names, list) else {}


def _split(base: str) -> str:
    """Return the folder of the split that a file's name tells, or the name where it tells none."""
    found = NAME.fullmatch(base)
    said = found["split"].lower() if found else base.rpartition(".")[0]
    return said if said in FOLDERS else base.rpartition(".")[0]


def _content(cell: Any) -> tuple[bytes, str]:
    """Return the bytes of one image and a suffix for its name."""
    path = ""
    if isinstance(cell, Mapping):
        path = next((str(value) for value in cell.values() if isinstance(value, str)), "")
        cell = next((value for value in cell.values() if isinstance(value, bytes)), b"")
    suffix = path.rpartition(".")[2].lower()
    return cell or b"", suffix if suffix in SUFFIXES else "png"
