"""What a paper prints: its tables' rows and columns, and its confusion matrices; sections of `papers/<id>.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from refer.strict import Name, Strict


class PrintedColumn(Strict):
    """A column of a printed table."""

    title: str
    group: str = Field("", description="the heading that it shares with its neighbours")
    dataset: Name | None = Field(None, description="none: the table's")
    metric: Literal["accuracy", "precision", "recall", "f1"] = "accuracy"
    part: Name | None = Field(None, description="that its numbers are of; none: of the first that is reported")


class PrintedRow(Strict):
    """A row of a printed table."""

    title: str | list[str] = Field(description="a word for each of the table's heads")
    methods: list[Name | None] = Field(
        description="the method of each column, or of each group; null for an empty cell"
    )

    @property
    def words(self) -> list[str]:
        """The words of its title, one for each of the table's heads."""
        return [self.title] if isinstance(self.title, str) else self.title


class PrintedTable(Strict):
    """A table as the paper prints it; the numbers themselves stand in `reported`."""

    title: str = Field(description="as in the paper, e.g. Table 2")
    dataset: Name | None = Field(None, description="of all columns that name none")
    head: str | list[str] = Field(
        "Method", description="the heading of the rows' titles, or one for each of their words"
    )
    columns: list[PrintedColumn] = Field(min_length=1)
    rows: list[PrintedRow] = Field(min_length=1)

    @property
    def heads(self) -> list[str]:
        """The headings of the rows' titles."""
        return [self.head] if isinstance(self.head, str) else self.head

    @property
    def groups(self) -> list[str]:
        """The headings that columns share, in order."""
        return list(dict.fromkeys(column.group for column in self.columns))

    @property
    def datasets(self) -> set[str]:
        """The data sets that it is of."""
        return {column.dataset or self.dataset or "" for column in self.columns}

    def cells(self, row: PrintedRow) -> Iterator[tuple[str | None, str, str, str | None]]:
        """Yield (method, data set, metric, part) of each cell of a row."""
        one_each = len(row.methods) == len(self.columns)
        for number, column in enumerate(self.columns):
            at = number if one_each else self.groups.index(column.group)
            yield row.methods[at], column.dataset or self.dataset or "", column.metric, column.part

    @field_validator("columns", mode="before", json_schema_input_type=list[str | PrintedColumn])
    @classmethod
    def _plain_columns(cls, value: Any) -> Any:
        """A column that is only a title may be written as one."""
        return [{"title": each} if isinstance(each, str) else each for each in value] if type(value) is list else value

    @model_validator(mode="after")
    def _fits(self) -> PrintedTable:
        for row in self.rows:
            if len(row.words) != len(self.heads):
                raise ValueError(f"row {row.title!r} has {len(row.words)} words, expected one for each of {self.heads}")
            if len(row.methods) not in (len(self.columns), len(self.groups)):
                raise ValueError(
                    f"row {row.title!r} has {len(row.methods)} methods, expected one for each of the "
                    f"{len(self.columns)} columns or {len(self.groups)} groups"
                )
        if self.dataset is None and any(column.dataset is None for column in self.columns):
            raise ValueError(f"{self.title!r} names no data set; give it one, or each of its columns")
        return self


class PrintedConfusion(Strict):
    """A confusion matrix that is known of the paper, in images."""

    method: Name
    dataset: Name
    part: Name
    classes: list[str] = Field(min_length=2)
    counts: list[list[int]] = Field(description="a row a true class, a column a predicted one")
    source: str

    @model_validator(mode="after")
    def _square(self) -> PrintedConfusion:
        size = len(self.classes)
        if len(self.counts) != size or any(len(row) != size for row in self.counts):
            raise ValueError(f"counts must be {size} by {size}, as there are classes")
        return self
