"""What each JSON file that passes from stage to stage, or from person to person, must hold.

A file may hold more: what another version wrote beside it is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from refer.errors import UserError
from refer.files import NotJsonError, read_json
from refer.validation import validated

Model = TypeVar("Model", bound="Told")
AGAIN = "Restore it, or delete it and run again."

Count = Annotated[int, Field(ge=0, lt=2**53)]
Positive = Annotated[float, Field(ge=0)]
Word = Annotated[str, Field(max_length=300)]
Digest = Annotated[str, Field(max_length=200)]
Instant = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")]
Counts = dict[str, Count]
Table = dict[str, Counts]
"""Split → class or split → images."""


class Told(BaseModel):
    """A section that must hold its fields, each of its kind, and may hold others."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


def read(path: str | Path, model: type[Model], again: str = AGAIN) -> dict[str, Any]:
    """Read a JSON file that must hold what `model` says; returns all that it holds.

    Raises:
        NotJsonError: it is damaged, or lacks something; says which key, what was found and what was expected.
        OSError: it cannot be read.
    """
    content: dict[str, Any] = read_json(path)
    check(content, model, str(path), again)
    return content


def check(content: Any, model: type[Model], where: str, again: str = AGAIN) -> Model:
    """Return what was read from `where` as `model`; raises as `read`."""
    try:
        return validated(model, content, where)
    except UserError as error:
        first, *more = str(error).splitlines()
        raise NotJsonError(
            f"{first}{f' ({len(more)} more such lines.)' if more else ''} {again[0].upper()}{again[1:]}"
        ) from None


def embedded(text: bytes | str | None, model: type[Model], where: str, again: str = AGAIN) -> dict[str, Any]:
    """Read the JSON that stands within another file, as `read` does; None, of a file without any, is refused."""
    if text is None:
        raise NotJsonError(f"{where}: says nothing of itself. {again[0].upper()}{again[1:]}")
    try:
        content: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"{where}: what it says of itself is no JSON ({str(error)[:80]}). {again}") from None
    check(content, model, where, again)
    return content


class Git(Told):
    """The commit of the code."""

    commit: str | None = None
    dirty: bool | None = None


class Energy(Told):
    """What a training took."""

    joules: Positive | None = None
    meter: str | None = None


class Named(Told):
    """What names a run."""

    paper: Word
    dataset: Word
    data: Word
    protocol: Word
    method: Word
    seed: Count
    fold: Count | None = None
    preset: str
    stand_in: bool


class Origin(Named):
    """What predictions say of the run that they come from."""

    classes: Annotated[list[Word], Field(min_length=1)]
    checkpoint_sha256: Digest | None
    data_fingerprint: Digest


class RunRecord(Named):
    """run.json."""

    checkpoint_sha256: Digest
    data_fingerprint: Digest
    versions: dict[str, str]
    epochs: Count
    seconds: Positive
    images_per_s: Positive
    device: str
    device_name: str
    threads: Count
    network: dict[str, Any]
    recipe: dict[str, Any]
    parts: Counts
    parameters: Count
    initial_weights: str
    selected_epoch: Count | None
    selection: str
    resumed: Count
    started: Instant
    finished: Instant
    inputs: list[str] = []
    starts_from: dict[str, Any] = {}
    precision: str = ""
    reads_batch: bool = False
    energy: Energy | None = None
    git: Git | None = None


class Learnt(Told):
    """What a checkpoint says of itself."""

    run: dict[str, Any]
    classes: Annotated[list[Word], Field(min_length=1)]
    data_fingerprint: Digest


class Near(Told):
    """What an audit found of near duplicates."""

    pairs: Count
    images: Count
    groups: Count
    groups_across_splits: Count
    conflicting_groups: Count
    conflicting_groups_of_one_subject: Count
    pairs_of_one_subject: Count
    pairs_of_two_subjects: Count
    also_in: Table
    views: Counts


class Blank(Told):
    """Images of a split that show nothing."""

    count: Count


class Each(Told):
    """Images of one person."""

    least: Count
    median: Positive
    most: Count


class Subjects(Told):
    """What an audit knows of people."""

    known: bool
    overlap: Table
    count: Count = 0
    images_each: Each | None = None


class Pairs(Told):
    """What an audit found of pairs of images."""

    complete: Count
    unpaired: Counts


class Pixels(Told):
    """What was done to the images before they came here."""

    said: str = ""


class AuditRecord(Told):
    """audit.json; an audit by an older version lacks what has a default."""

    dataset: Word
    stand_in: bool
    data_fingerprint: Digest | None = None
    images: Count
    groups: Count
    images_in_groups: Count
    surplus: Count
    groups_across_splits: Count
    conflicting_groups: Count
    also_in: Table
    blanks: dict[str, Blank]
    counts: Table
    subjects: Subjects
    near: Near | None = None
    modalities: dict[str, Table] = {}
    pairs: Pairs | None = None
    notes: Counts = {}
    pixels: Pixels | None = None

    @model_validator(mode="after")
    def _of_one_piece(self) -> Self:
        splits, views = set(self.counts), {"mirrored"}
        tables = [self.also_in, self.subjects.overlap, *([self.near.also_in] if self.near else [])]
        for found in (set(self.blanks), *map(set, tables)):
            if found != splits:
                raise ValueError(f"found the splits {sorted(found)}, expected {sorted(splits)}, as in counts")
        for table in tables:
            for split, others in table.items():
                if set(others) != splits - {split}:
                    raise ValueError(f"found {sorted(others)} beside {split}, expected every other split")
        if len({tuple(sorted(classes)) for classes in self.counts.values()}) > 1:
            raise ValueError("the splits of counts have different classes, expected the same")
        if self.near and not (views <= set(self.near.views) and self.subjects.images_each):
            raise ValueError("an audit with near duplicates lacks views.mirrored or subjects.images_each")
        return self


class Scheme(Told):
    """How a data set was divided."""

    folds: Any
    shares: dict[str, Positive] | None
    share: Positive | None
    validation: str | None


class Camera(Told):
    """Images of a split that were taken by one camera, by class."""

    kept: list[Count]
    removed: dict[str, list[Count]]


class Fold(Told):
    """One division."""

    images: dict[str, dict[str, Camera]]
    people: dict[str, Count | None]
    people_shared: Count | None
    unused: Counts


class SplitRecord(Told):
    """split.<paper>.<protocol>.json."""

    paper: Word
    protocol: Word
    dataset: Word
    stand_in: bool
    classes: Annotated[list[Word], Field(min_length=1)]
    scheme: Scheme
    audited: bool
    off_target: Positive | None
    parts: Annotated[list[Word], Field(min_length=1)]
    modalities: Annotated[list[Word], Field(min_length=1)]
    people_known: bool
    folds: Annotated[list[Fold], Field(min_length=1)]

    @model_validator(mode="after")
    def _of_one_piece(self) -> Self:
        for number, fold in enumerate(self.folds):
            for part in self.parts:
                if part not in fold.people or set(fold.images.get(part, {})) != set(self.modalities):
                    raise ValueError(f"fold {number} does not say of the split {part!r} what it holds")
            counts = [counts for cameras in fold.images.values() for one in cameras.values() for counts in _lists(one)]
            if any(len(each) != len(self.classes) for each in counts):
                raise ValueError(f"fold {number} has other numbers of classes than {len(self.classes)}")
        return self


def _lists(camera: Camera) -> Iterator[list[Count]]:
    yield camera.kept
    yield from camera.removed.values()


class SplitFacts(Told):
    """What the file of a split assignment says of itself."""

    data_fingerprint: Digest | None = None
    folds: list[Fold]


class Grid(Told):
    """In which ways networks were tested in batches."""

    tokens: list[str]
    seeds: list[Count]
    orders: list[str]
    batches: list[Count]


class BatchTokens(Told):
    """What the rule `batch_tokens` writes says of itself."""

    preset: str
    paper: Word
    method: Word
    dataset: Word
    data: Word
    stand_in: bool
    protocol: Word
    part: Word
    grid: Grid


class Part(Told):
    """An archive that raw data came in."""

    name: str
    source: str = ""
    fingerprint: str = ""
    verified: str = ""


class Receipt(Told):
    """receipt.json."""

    dataset: Word
    stand_in: bool
    layout: str
    files_sha256: Digest
    members_sha256: Digest
    fingerprint: str = ""
    source: Any = None
    parts: list[Part] = []
    missing: list[str] | None = None
    obtained: str | None = None


class Found(Told):
    """Images of a class: how many, and how many there should be."""

    found: Count


class Stated(Told):
    """prepare.json, as far as those who learn and test need it."""

    fingerprint: Digest
    classes: Annotated[list[Word], Field(min_length=1)]
    dataset: Word = ""
    stand_in: bool = True


class Defect(Told):
    """An image, or a class, and what is the matter with it."""

    id: str
    what: str


class Remarked(Told):
    """prepare.json, as far as what was tolerated, converted and left out is told."""

    counts: dict[str, dict[str, Found]] = {}
    modalities: dict[str, dict[str, dict[str, Found]]] = {}
    tolerated: dict[str, list[Defect]] = {}
    differences: list[Defect] = []
    conversions: Counts = {}
    raw_sizes: Counts = {}
    unused_files: Count = 0
    unused_examples: list[str] = []
    ignored_files: Count = 0
    ignored_examples: list[str] = []
    notes: Counts = {}


class Prepared(Stated, Remarked):
    """prepare.json."""

    dataset: Word
    stand_in: bool
    images: Count = 0
    raw_sha256: Digest = ""
    tolerate: list[str] = []
    subject_pattern: str | None = None
    labels: str | None = None


class Inventoried(Remarked):
    """receipt.json or prepare.json, as far as an inventory shows them."""

    obtained: str | None = None
    layout: str | None = None
    parts: list[Part] = []
    missing: list[str] | None = None
    members_sha256: Digest = ""
    images: Count | None = None
    raw_sha256: Digest = ""


class Tools(Told):
    """What a network was measured with."""

    torch: str
    python: str


class Speed(Told):
    """Times of one measurement."""

    median_ms: Annotated[float, Field(gt=0)]
    p5_ms: Positive
    p95_ms: Positive
    frames_per_s: Positive
    repeats: Count


class Realtime(Named):
    """realtime/<run>.json: how fast a network is."""

    scope: str
    inputs: list[str]
    reads_batch: bool
    network: dict[str, Any]
    backbones: list[str]
    parameters: Count
    face: Any
    image_size: Count
    one_face: Speed
    network_alone: Speed
    batch: Speed
    other_work: Positive | None
    device: str
    device_name: str
    threads: Count
    precision: str
    versions: Tools
    checkpoint_sha256: Digest
    measured: str


def _below(name: Any) -> Any:
    parts = PurePosixPath(str(name)).parts
    if not parts or ".." in parts or str(name).startswith("/") or "\\" in str(name) or not str(name).isprintable():
        raise ValueError("leads out of the folder; a release holds files below it alone")
    return name


class Released(Told):
    """A file of a release."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Count
    role: str


class Manifest(Told):
    """release.json."""

    format: Literal[1]
    preset: str
    files: dict[Annotated[str, BeforeValidator(_below)], Released]
    made_with: dict[str, str] = {}
