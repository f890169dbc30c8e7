"""Data sets that a configuration declares under `datasets:`: class folders or a table of one's own, without code.

A declaration becomes a `Dataset` as the readers' are, so that all that follows (obtaining, audit, splits, training,
tables) is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from refer.datasets import catalog, words
from refer.datasets.codings import Coding
from refer.datasets.model import Dataset
from refer.datasets.readers import classfolders, tables
from refer.datasets.readers.declared import WHOLE, Own, key_of
from refer.datasets.readers.pairs import INFRARED, VISIBLE
from refer.datasets.subjects import check_pattern
from refer.errors import UserError
from refer.spec import DataUse, Name, Strict
from refer.validation import validated

SetName = Annotated[str, Field(pattern=r"^[a-z0-9]+$", max_length=40)]
"""A word that becomes part of a path and of Snakemake's wildcards: small letters and digits."""
Side = Annotated[int, Field(ge=8, le=1024)]
Text = Annotated[str, Field(min_length=1)]
Words = Text | int | list[Text | int]
MOST = 127  # classes, since labels are stored as int8
UNSTATED = "not stated"


def listed(words: Words) -> list[str]:
    """Return one word or several as a list of text."""
    return [str(word) for word in (words if isinstance(words, list) else [words])]


class Columns(Strict):
    """What the columns of a table are called."""

    image: Text = Field("image", description="paths, bytes, or the struct of both that the Hugging Face hub exports")
    label: Text = "label"
    split: Text | None = Field(None, description="none: the name of the table's file or folder says it")
    subject: Text | None = Field(None, description="the person; none: not known, unless subject_pattern finds it")
    modality: Text | None = None
    pair: Text | None = Field(None, description="the same for pictures that two cameras took of one moment")


class Declared(Strict):
    """A data set of one's own: what its classes, splits and cameras are called in its files."""

    kind: Literal["folder", "table"] = Field(description="folders named by class, or tables that name image and label")
    classes: list[Text] | dict[Text, Words] = Field(
        description="the classes in order; or class → what its folder is called, or its code in a table, or several"
    )
    size: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] = Field(
        description="of a prepared image in pixels: its side, or height and width"
    )
    title: Text | None = Field(None, description="for tables and figures; none: the data set's name")
    colour: Literal["grey", "rgb"] = Field("rgb", description="what images are prepared as, whatever they were")
    fit: Literal["exact", "square", "squash"] = Field(
        "exact",
        description="what becomes of another size: exact refuses it, square cuts out the middle square and resizes it, "
        "squash resizes whatever the sides",
    )
    splits: list[Name] | dict[Name, Words] = Field(
        [WHOLE], min_length=1, description="the files' own splits; or split → what it is called there, or several"
    )
    divide: DataUse | None = Field(
        None, description="which split is which part, or shares or folds; none: the splits, if train and test are there"
    )
    class_pattern: str | None = Field(
        None, description="folder: regular expression whose group `class` finds the class in a path, not its folders"
    )
    modalities: dict[Literal["visible", "infrared"], Words] | None = Field(
        None,
        min_length=1,
        description="camera → the name, or a pattern with *, of folders or files of its pictures, or of the column's "
        "values; none: all are visible",
    )
    pair: str | None = Field(
        None,
        description="folder: regular expression whose group `pair` is the same for both pictures of a moment, within a "
        "class and split; none: by folder and name, which may differ in the words of a camera (vis, ir …)",
    )
    columns: Columns = Columns()
    tables: list[Text] | None = Field(
        None, description="table: patterns of the tables' paths; none: all that are there"
    )
    images: int = Field(1000, ge=1, description="how many a plan reckons with")
    licence: Text = Field(UNSTATED, description="who may do what with the images")
    home: Text = UNSTATED

    @field_validator("classes")
    @classmethod
    def _classes_apart(cls, value: Any) -> Any:
        names = list(value)
        if not 2 <= len(names) <= MOST:
            raise ValueError(f"found {len(names)}; expected 2 to {MOST} classes")
        meant: dict[str, str] = {}
        for name in names:
            if not name.isprintable() or name != name.strip() or len(name) > 40:
                raise ValueError(f"found {name!r}; expected a printable name of 40 letters at most")
            for code in {words.canonical(name) or key_of(name), *map(key_of, _codes(value, name))}:
                if meant.setdefault(code, name) != name:
                    raise ValueError(f"{meant[code]} and {name} are both called {code!r}; expected names of their own")
        return value

    @field_validator("splits")
    @classmethod
    def _splits_apart(cls, value: Any) -> Any:
        meant = [key_of(word) for name in value for word in _codes(value, name)]
        if len(set(meant)) < len(meant) or len(set(value)) < len(value):
            raise ValueError("two splits are called the same; expected names of their own")
        return value

    @model_validator(mode="after")
    def _of_this_kind(self) -> Declared:
        other = ("columns", "tables") if self.kind == "folder" else ("class_pattern", "pair")
        for key in other:
            if key in self.model_fields_set and getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"{key} is nothing for `kind: {self.kind}`; leave it out")
        if self.kind == "table" and self.modalities and not (self.columns.modality and self.columns.pair):
            raise ValueError("modalities of a table need columns.modality and columns.pair; name both")
        if self.columns.modality and not self.modalities:
            raise ValueError("columns.modality needs modalities, which say what stands there; name them")
        if self.pair and len(self.modalities or ()) < 2:
            raise ValueError("pair joins two modalities; name visible and infrared under modalities")
        for group, pattern in (("class", self.class_pattern), ("pair", self.pair)):
            if pattern is not None:
                try:
                    check_pattern(pattern, group)
                except UserError as error:
                    raise ValueError(str(error).rstrip(".")) from None
        for part, split in ((self.divide and self.divide.parts) or {}).items():
            if split not in self.splits:
                raise ValueError(f"divide.parts.{part}: found {split!r}, expected one of {', '.join(self.splits)}")
        return self

    @property
    def use(self) -> DataUse | None:
        """How the data set is divided where no paper says it; the part between training and test chooses the epoch."""
        given = self.divide
        if given is None and {"train", "test"} <= set(self.splits):
            given = DataUse(test="test", parts={split: split for split in self.splits})
        if given is None:
            return None
        chooses = next((part for part in given.labels if part not in ("train", given.test)), "last")
        return given.model_copy(update={"select": {"published": chooses, "audited": chooses, **given.select}})

    def dataset(self, name: str) -> Dataset:
        """Return what readers and reports know of it."""
        size = (self.size, self.size) if isinstance(self.size, int) else (self.size[0], self.size[1])
        title = self.title or name
        codes = {key_of(code): label for label, each in enumerate(self.classes) for code in _codes(self.classes, each)}
        own = Own(
            title=title,
            coding=Coding("declared", tuple(self.classes), codes),
            splits={key_of(word): split for split in self.splits for word in _split_words(self.splits, split)},
            modalities={side: tuple(map(key_of, listed(named))) for side, named in (self.modalities or {}).items()},
            class_pattern=self.class_pattern,
            pair=self.pair,
            columns=self.columns.model_dump(),
            tables=tuple(self.tables or ()),
        )
        reader = classfolders if self.kind == "folder" else tables
        return Dataset(
            name=name,
            title=title,
            classes=tuple(self.classes),
            splits=tuple(self.splits),
            modalities=tuple(side for side in (VISIBLE, INFRARED) if side in (self.modalities or (VISIBLE,))),
            size=size,
            channels=1 if self.colour == "grey" else 3,
            counts={},
            licence=self.licence,
            home=self.home,
            how_to_get=f"It is your own: write into the configuration `{name}: <a folder, an archive, a table, or a "
            "list of them>`.",
            recognise=partial(reader.recognise, own),
            read=partial(reader.read, own),
            fit=self.fit,
            names_subjects=self.columns.subject is not None,
            layouts=("class folders" if self.kind == "folder" else "table",),
            expected=self.images,
        )


def _codes(named: Any, name: str) -> list[str]:
    """Return what a declaration says that a class or split is called in the files, beside its own name."""
    return listed(named[name]) if isinstance(named, dict) else []


def _split_words(named: Any, split: str) -> list[str]:
    """Return what a split may be called: as is stated, else its name or any other word for the same split."""
    meant = words.FOLDERS.get(key_of(split))
    usual = [word for word, each in words.FOLDERS.items() if each == meant]
    return [*_codes(named, split)] if isinstance(named, dict) else [split, *usual]


class Declarations(BaseModel):
    """Of a configuration this section alone."""

    datasets: dict[SetName, Declared] = {}


def declare(content: Mapping[str, Any], where: str = "the configuration") -> None:
    """Make the data sets that a configuration declares known, in place of another configuration's.

    Raises:
        UserError: a declaration is wrong.
    """
    found = validated(Declarations, content, where).datasets
    catalog.add({name: each.dataset(name) for name, each in found.items()})


def with_own(
    raw: Mapping[str, Any], datasets: Mapping[str, Declared], wanted: list[str] | str, where: str
) -> Mapping[str, Any]:
    """Return a paper file's content with those declared data sets that a configuration reproduces it on.

    Raises:
        UserError: nobody says how one of them is divided.
    """
    there = raw.get("data")
    if isinstance(wanted, str) or not isinstance(there, dict):
        return raw
    lacking = [name for name in wanted if name in datasets and name not in there]
    uses = {name: datasets[name].use for name in lacking}
    for name, use in uses.items():
        if use is None:
            raise UserError(f"{where}: {undivided(name)}")
    return {**raw, "data": {**there, **{name: use.model_dump(mode="json") for name, use in uses.items() if use}}}


def undivided(name: str) -> str:
    """Say that nobody divides a declared data set."""
    return (
        f"datasets.{name}.divide: missing; say how the images are divided, such as {{test: test, shares: {{train: 0.7, "
        "val: 0.1, test: 0.2}}, or declare the splits train and test."
    )
