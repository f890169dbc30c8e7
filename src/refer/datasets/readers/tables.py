"""Images named by tables (`kind: table` of a configuration's `datasets`): CSV or parquet, a row an image.

A row names a file beside the table, or holds the file itself, as the Hugging Face hub exports images (a struct of bytes
and path). Codes of classes mean what the configuration says, or the names that the hub's metadata give them.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from refer.datasets.model import ImageRow, Listing, Problem, some
from refer.datasets.raw.image_tables import classes_of
from refer.datasets.readers.declared import WHOLE, Own, check_pairs, key_of
from refer.datasets.readers.pairs import VISIBLE
from refer.datasets.subjects import with_people
from refer.datasets.texts import separator, text_of
from refer.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

LAYOUT = "table"
SUFFIXES = (".csv", ".tsv", ".parquet")
AT_ONCE = 256  # rows of a parquet file that are in memory with their images


class Record(NamedTuple):
    """A row of a table: its number from 0, its cells as text, and whether it holds the image itself."""

    table: str
    number: int
    cells: Mapping[str, str]  # key of Own.columns → text, "" where there is none
    holds: bool


def recognise(own: Own, names: Sequence[str]) -> str:
    """Return the layout of these member names.

    Raises:
        UserError: there is no table.
    """
    _tables(own, names)
    return LAYOUT


def read(own: Own, raw: zipfile.ZipFile, subject_pattern: str | None = None) -> Listing:
    """List the images; `subject_pattern` is searched in their paths, its group `subject` is the person.

    Raises:
        UserError: a table is none, lacks a column or says no split; a pattern or pairs are wrong.
    """
    names = [info.filename for info in raw.infolist() if not info.is_dir()]
    tables = _tables(own, names)
    records = [record for table in tables for record in _records(own, raw, table)]
    if len({record.holds for record in records}) > 1:
        raise UserError(f"{own.title}: some rows hold an image and others a path; expected one or the other.")
    inside = bool(records) and records[0].holds
    members = [_id(record) for record in records] if inside else _files(records, names)
    ids = _ids(records, members) if inside else members
    times = Counter(members)
    rows, problems = [], []
    for record, member, id_ in zip(records, members, ids, strict=True):
        place = f"{record.table}, row {record.number + 1}"
        if not member:
            what = f"{record.table} names it, but there is no such file" if record.cells["image"] else "it names none"
            problems.append(Problem("unreadable", record.cells["image"] or place, what))
        elif times[member] > 1:
            problems.append(Problem("labels", id_, f"{place} names it, and another row does, too"))
        else:
            row, wrong = _row(own, record, id_, member)
            rows += [row] if row else []
            problems += [Problem("labels", id_, wrong)] if wrong else []
    notes = check_pairs(own.title, rows)
    if subject_pattern is not None and rows:
        rows, found = with_people(rows, subject_pattern)
        notes |= found
    used = {*members, *tables}
    unused = [name for name in names if name not in used]
    return Listing(rows, problems, unused, notes=notes, inside=(lambda: _images(own, raw, tables)) if inside else None)


def _tables(own: Own, names: Sequence[str]) -> list[str]:
    """Return the tables among these names, in order."""
    wanted = own.tables
    found = [
        name
        for name in sorted(names)
        if name.lower().endswith(SUFFIXES)
        and (not wanted or any(fnmatchcase(name, pattern) or fnmatchcase(_base(name), pattern) for pattern in wanted))
    ]
    if not found:
        raise UserError(
            f"{own.title}: looked for a table ({', '.join(wanted or SUFFIXES)}); found "
            f"{some(sorted(names)) or 'nothing'}."
        )
    return found


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _row(own: Own, record: Record, id_: str, member: str) -> tuple[ImageRow | None, str]:
    """Return the row, or what is not clear of it."""
    cells = record.cells
    label = own.coding.label(key_of(cells["label"])) if cells["label"] else None
    if label is None:
        return None, f"its label {cells['label'][:40]!r} is none of {own.classes_told()}"
    split = own.splits.get(key_of(cells["split"])) if own.divided else WHOLE
    if split is None:
        return None, f"its split {cells['split'][:40]!r} is none of {', '.join(own.splits)}"
    cameras = own.cameras([cells["modality"]]) if own.columns["modality"] and own.modalities else [VISIBLE]
    if len(cameras) != 1:
        return None, f"its modality {cells['modality'][:40]!r} is of {' and '.join(cameras) or 'no camera'}"
    pair = f"{split}/{own.coding.classes[label]}/{cells['pair']}" if cells["pair"] else None
    return ImageRow(id_, label, split, cells["subject"] or None, member, cameras[0], pair), ""


def _id(record: Record) -> str:
    return f"{record.table}#{record.number}"


def _ids(records: Sequence[Record], members: Sequence[str]) -> list[str]:
    """Return the paths that the records give their images, where these are names of their own; else their places."""
    paths = [posixpath.normpath(record.cells["image"].replace("\\", "/")) for record in records]
    named = all(record.cells["image"] for record in records) and len(set(map(key_of, paths))) == len(paths)
    return paths if named else list(members)


def _files(records: Sequence[Record], names: Sequence[str]) -> list[str]:
    """Return the file that each record names, "" where there is none: beside its table, from the top, or by its end."""
    there = set(names)
    ends: Counter[str] = Counter()
    by_end: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            ends[end] += 1
            by_end[end] = name
    found = []
    for record in records:
        path = posixpath.normpath(record.cells["image"].replace("\\", "/")).lstrip("/") if record.cells["image"] else ""
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(record.table), path))
        parts = path.split("/")
        tails = ("/".join(parts[start:]) for start in range(len(parts)))
        last = next((by_end[tail] for tail in tails if ends[tail] == 1), "")
        found.append("" if not path else beside if beside in there else path if path in there else last)
    return found


def _records(own: Own, raw: zipfile.ZipFile, table: str) -> Iterator[Record]:
    """Yield the rows of a table, their split with them."""
    of_file = _split_of(own, table) if own.divided and own.columns["split"] is None else ""
    if not table.lower().endswith(".parquet"):
        content = _lines(own, raw, table)
    else:
        with _opened(raw, table) as file:
            yield from _of_parquet(own, table, file, of_file)
        return
    for number, cells in enumerate(content):
        given = {key: (cells.get(name) or "").strip() if name else "" for key, name in own.columns.items()}
        yield Record(table, number, given | ({"split": of_file} if of_file else {}), holds=False)


def _split_of(own: Own, table: str) -> str:
    """Return the word of a table's path that names a split.

    Raises:
        UserError: there is none, or several.
    """
    found = dict.fromkeys(word for part in re.split(r"[/\-_.]", table) if (word := key_of(part)) in own.splits)
    if len({own.splits[word] for word in found}) != 1:
        raise UserError(
            f"{own.title}: the name of {table} says {' and '.join(found) or 'no split'}; expected one of "
            f"{', '.join(dict.fromkeys(own.splits.values()))}, or a column, `columns: {{split: <its name>}}`."
        )
    return next(iter(found))


def _lack(own: Own, table: str, there: Sequence[str]) -> None:
    """Refuse a table that lacks a column."""
    missing = [name for name in own.columns.values() if name and name not in there]
    if missing:
        raise UserError(
            f"{own.title}: {table} has no column {some(missing)}; it has {some(there, 10) or 'none'}. Say what its "
            "columns are called, `columns: {image: …, label: …}`, or which files are the tables, `tables: [<name>]`."
        )


def _lines(own: Own, raw: zipfile.ZipFile, table: str) -> Iterator[Mapping[str, str | None]]:
    text = text_of(raw.read(table), table)
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator(text.partition("\n")[0]))
        _lack(own, table, [name for name in rows.fieldnames or () if name])
        yield from rows
    except csv.Error as error:
        raise UserError(f"{own.title}: {table} is no table: {error}. Save it as CSV in UTF-8.") from error


@contextmanager
def _opened(raw: zipfile.ZipFile, table: str) -> Iterator[parquet.ParquetFile]:
    """Open a parquet file of the archive, from a copy beside it: to jump about in a member is to read it over again."""
    import pyarrow as pa
    from pyarrow import parquet

    beside = Path(raw.filename).parent if raw.filename else None
    with tempfile.TemporaryFile(dir=beside) as copy:
        with raw.open(table) as member:
            shutil.copyfileobj(member, copy)
        copy.seek(0)
        try:
            yield parquet.ParquetFile(copy)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UserError(f"{table} is no whole parquet file: {str(error)[:160]}. Get it again.") from None


def _of_parquet(own: Own, table: str, file: parquet.ParquetFile, of_file: str) -> Iterator[Record]:
    columns = {key: name for key, name in own.columns.items() if name}
    _lack(own, table, file.schema_arrow.names)
    names = {str(code): name for code, name in classes_of(file.schema_arrow, columns["label"]).items()}
    number = 0
    for batch in file.iter_batches(AT_ONCE, columns=list(dict.fromkeys(columns.values()))):
        pictures = _pictures(own, table, batch.column(batch.schema.get_field_index(columns["image"])))
        others = {key: batch.column(name).to_pylist() for key, name in columns.items() if key != "image"}
        for at, (content, path) in enumerate(pictures):
            cells = {key: _text(values[at]) for key, values in others.items()}
            cells["label"] = names.get(cells["label"], cells["label"])
            given = {**dict.fromkeys(own.columns, ""), **cells, "image": path}
            yield Record(table, number, given | ({"split": of_file} if of_file else {}), holds=content is not None)
            number += 1


def _images(own: Own, raw: zipfile.ZipFile, tables: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the images that the tables hold, each with the member that its row names."""
    for table in tables:
        with _opened(raw, table) as file:
            number = 0
            for batch in file.iter_batches(AT_ONCE, columns=[own.columns["image"]]):
                for content, _ in _pictures(own, table, batch.column(0)):
                    yield f"{table}#{number}", content or b""
                    number += 1


def _pictures(own: Own, table: str, column: pa.Array) -> Iterator[tuple[bytes | None, str]]:
    """Yield content and path of each image; the one or the other may lack.

    Raises:
        UserError: the column holds neither.
    """
    for value in column.to_pylist():
        if isinstance(value, dict):
            content, path = value.get("bytes"), value.get("path")
        else:
            content, path = (value, None) if isinstance(value, bytes) else (None, value)
        if not isinstance(content, bytes | None) or not isinstance(path, str | None):
            raise UserError(
                f"{own.title}: {table}: the column of images holds {column.type}; expected bytes, paths, or a struct "
                "of `bytes` and `path`."
            )
        yield content, path or ""


def _text(value: Any) -> str:
    """Return a cell as text; pandas writes whole numbers beside empty cells as 3.0."""
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
