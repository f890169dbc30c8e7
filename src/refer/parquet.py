"""Parquet read within bounds: a file of a megabyte may stand for more values than any memory holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

BYTES = 1 << 30
"""In memory. A file that takes more must hold more than a hundredth of it."""
RATIO = 100
COLUMNS = 5_000
AGAIN = "delete it and run again."


def read(path: str | Path, columns: Sequence[str] | None = None, *, again: str = AGAIN) -> pa.Table:
    """Read a table, each page of it against its checksum where it has one.

    Args:
        path: the file.
        columns: which to read; all.
        again: what to do about a file that cannot be read.

    Raises:
        UserError: it is missing, damaged, lacks a column, or takes more than BYTES and RATIO times its size.
    """
    import pyarrow as pa
    from pyarrow import parquet

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a table: {again}")
    bound = max(BYTES, RATIO * path.stat().st_size)
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as handle:
            _judge(path, handle.metadata, bound)
            schema = handle.schema_arrow
        # A text that is repeated stands once in a dictionary, and takes its room again in each row once it is read.
        with parquet.ParquetFile(path, page_checksum_verification=True, read_dictionary=_texts(schema)) as handle:
            if missing := sorted({*(columns or ())} - {*schema.names}):
                raise UserError(f"{path}: the column {missing[0]!r} is missing; {again}")
            flat = _flat(schema)
            if columns is None and len(flat) < len(schema.names):
                columns = flat
            # For so small a file threads take longer than they save.
            table = handle.read(columns=columns, use_threads=False)
        _judge_texts(path, table, bound)
        table = _plain(table, schema)
        table.validate(full=True)  # a turned bit in a text may leave what is no text
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        said = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: not a whole table in Parquet ({said}); {again}") from None
    return table


def frame(path: str | Path, columns: Sequence[str] | None = None, *, again: str = AGAIN) -> pd.DataFrame:
    """Read a table for pandas; see `read`."""
    return read(path, columns, again=again).to_pandas()


def about(path: str | Path, *, again: str = AGAIN) -> bytes | None:
    """Return what a table says of itself under the key `refer`; see `read`."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        told: bytes | None = (parquet.read_schema(path).metadata or {}).get(b"refer")
    except (pa.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:120]
        raise UserError(f"{path}: not a whole table in Parquet ({said}); {again}") from None
    return told


def _judge(path: Path, found: Any, bound: int) -> None:
    """Refuse what the file itself says to be too much, before it is unpacked."""
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    values = sum(max(0, chunk.num_values) for chunk in chunks)
    unpacked = sum(max(0, chunk.total_uncompressed_size) for chunk in chunks)
    if found.num_columns > COLUMNS or max(unpacked, 4 * values, 4 * found.num_rows) > bound:
        raise _too_much(path, bound)


def _judge_texts(path: Path, table: pa.Table, bound: int) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    size = table.nbytes
    for column in table.columns:
        if not pa.types.is_dictionary(column.type) or not _is_text(column.type.value_type):
            continue
        for chunk in column.chunks:
            lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
            size += (pc.sum(lengths).as_py() or 0) + 8 * len(chunk)
    if size > bound:
        raise _too_much(path, bound)


def _texts(schema: pa.Schema) -> list[str]:
    return [field.name for field in schema if _is_text(field.type)]


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    of_text = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    return any(is_kind(kind) for is_kind in of_text)


def _flat(schema: pa.Schema) -> list[str]:
    """Return the columns but those of lists of texts, which no table of this project has, and nothing bounds."""
    import pyarrow as pa

    return [field.name for field in schema if not pa.types.is_nested(field.type) or "string" not in str(field.type)]


def _plain(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with the kinds of its columns as the file states them: texts, not dictionaries of texts."""
    import pyarrow as pa

    stated = [schema.field(name) for name in table.column_names]
    return table.cast(pa.schema(stated, metadata=table.schema.metadata))


def _too_much(path: Path, bound: int) -> UserError:
    return UserError(
        f"{path}: takes more than {bound / 1e9:.1f} GB of memory, as no table of this project does: refused."
    )
