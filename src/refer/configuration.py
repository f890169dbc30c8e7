"""A configuration as typed objects: `config.yaml`, or a preset passed with `--configfile`.

It says which papers' cells run, on which data, how often, and where the data lie.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, GetJsonSchemaHandler, create_model, field_validator
from pydantic.json_schema import JsonSchemaValue

from refer import yaml
from refer.datasets.catalog import READ
from refer.declared import Declared, SetName
from refer.errors import UserError
from refer.recipe import Precision
from refer.spec import DataUse, Name, Strict
from refer.strict import later

STAND_IN = "stand-in"
"""The source of a data set that is drawn here."""


def once(value: Any) -> Any:
    """Return `value`; raise ValueError if it is a list with two equal entries."""
    if isinstance(value, list) and len(set(value)) != len(value):
        raise ValueError("each entry may stand there only once")
    return value


def some(value: Any) -> Any:
    """Return `value`; raise ValueError if it is an empty list or section, or a section of some."""
    for key, each in value.items() if isinstance(value, dict) else ():
        if isinstance(each, list) and not each:
            raise ValueError(f"{key}: the list is empty, so that nothing would run; name some, or leave it out")
    if isinstance(value, list | dict) and not value:
        raise ValueError("it is empty, so that nothing would run; name some, or leave it out for all")
    return value


def named(wanted: list[str] | str, known: Iterable[str]) -> list[str]:
    """Return what a list names; of `all`, all that is known."""
    return list(known) if isinstance(wanted, str) else wanted


def folds_of(use: DataUse, wanted: list[int] | str = "all") -> list[int | None]:
    """Return the folds of a data set that are wanted, in order; None alone where it is not divided into any."""
    if use.folds is None:
        return [None]
    return [fold for fold in range(use.folds.count) if isinstance(wanted, str) or fold in wanted]


class StandIn(Strict):
    """How much stand-in data to draw, and from which seed."""

    images: dict[str, Annotated[int, Field(ge=8)]] = Field(
        {}, description="the owner's split, or `all` → images; pairs of them (of two cameras), or sequences"
    )
    subjects: int = Field(ge=3)
    seed: int = Field(0, ge=0)
    layout: str | None = Field(None, description="one of the layouts in which the data set goes about")


class Backgrounds(Strict):
    """What faces are composed on (feratt2019)."""

    source: str = Field(STAND_IN, description="'stand-in' (drawn scenes), or a folder or archive of photographs")
    count: int = Field(400, ge=8)
    size: int = Field(288, ge=64, le=1024, description="side in pixels (height, if wide) that they are stored with")
    shape: Literal["square", "wide"] = Field(
        "square",
        description="the middle square of a photograph, or as much of it as is 1024 wide to 640 high (the authors')",
    )
    seed: int = Field(0, ge=0)

    @property
    def drawn(self) -> bool:
        """Whether they are drawn here."""
        return self.source == STAND_IN

    @property
    def stored(self) -> int | list[int]:
        """Side in pixels, or height and width."""
        return self.size if self.shape == "square" else [self.size, round(self.size * 1024 / 640)]


Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
ProtocolName = Literal["published", "audited"]
BOTH: list[ProtocolName] = ["published", "audited"]
Some = list[Name] | Literal["all"]


class Reproduction(Strict):
    """Which of a paper's cells run, how often, and what differs from the paper's recipe."""

    data: Some = "all"
    methods: Some = "all"
    protocols: list[ProtocolName] | dict[ProtocolName, Some] = Field(
        BOTH, description="or protocol → those of `methods` that run under it"
    )
    seeds: Seeds | dict[ProtocolName, Seeds] = Field(
        [0], description="or protocol → its seeds; 0 where it is not named"
    )
    folds: list[Annotated[int, Field(ge=0)]] | Literal["all"] = Field("all", description="where a data set has any")
    override: dict[str, Any] = Field({}, description="dotted key of the paper's file → value")

    @field_validator("seeds", "protocols", "methods", "data", "folds")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        return {key: once(each) for key, each in value.items()} if isinstance(value, dict) else once(value)

    # `data: []` is asked for: a paper of the matrix alone.
    @field_validator("seeds", "protocols", "methods", "folds")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        return some(value)

    def methods_under(self, protocol: ProtocolName) -> list[str] | str:
        """Those of `methods` that run under a protocol, or all."""
        chosen = self.protocols[protocol] if isinstance(self.protocols, dict) else "all"
        return self.methods if isinstance(chosen, str) else chosen

    def seeds_under(self, protocol: ProtocolName) -> list[int]:
        """The seeds that run under a protocol."""
        return self.seeds.get(protocol, [0]) if isinstance(self.seeds, dict) else self.seeds


Source = Annotated[
    str | list[str],
    Field(
        description="'stand-in' (drawn here), or where the data set lies: a folder, an archive, a csv, a URL with its "
        "hash, 'download' (the owner's open files), a .dvc file, kaggle:<owner>/<name>/versions/<n>; or a list of them"
    ),
]


class Matrix(Strict):
    """Methods of all papers on all data sets that have what they need, under the audited protocol."""

    methods: dict[Name, Some] | Literal["all"] = Field(
        "all", description="paper → its methods; all: every method of every paper that is reproduced"
    )
    data: Some = Field("all", description="all: every data set that some paper divides")
    seeds: Seeds | dict[Name, Seeds] = Field([0], description="or paper → its seeds; 0 for papers that are not named")
    folds: list[Annotated[int, Field(ge=0)]] | Literal["all"] = "all"

    @field_validator("seeds")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        return {name: once(seeds) for name, seeds in value.items()} if isinstance(value, dict) else once(value)

    @field_validator("methods", "data", "seeds", "folds")
    @classmethod
    def _not_empty(cls, value: Any) -> Any:
        return some(value)

    def seeds_of(self, paper: str) -> list[int]:
        """The seeds of a paper's methods."""
        return self.seeds.get(paper, [0]) if isinstance(self.seeds, dict) else self.seeds


class Where(Strict):
    """With which methods, and on which data sets, the options of one ambiguity are run."""

    methods: list[Name] | None = Field(None, min_length=1, description="none: as for the others")
    data: list[Name] | None = Field(None, min_length=1, description="none: as for the others")

    @field_validator("methods", "data")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        return once(value)


class Sensitivity(Strict):
    """Which options of a paper's ambiguities run beside the choices made, each by itself, and with which cells."""

    ambiguities: Some = "all"
    without: dict[Name, dict[str, Annotated[str, Field(min_length=1)]]] = Field(
        {}, description="ambiguity → option that is not run → why, for the table"
    )
    methods: Some = Field("all", description="all: those that `reproduce` names")
    data: Some = Field("all", description="all: those that `reproduce` names")
    where: dict[Name, Where] = Field({}, description="ambiguity → other methods or data sets for its options")
    protocols: list[Literal["published", "audited"]] = Field(["published"], min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] | Literal["all"] = Field("all", description="all: those of `reproduce`")
    folds: list[Annotated[int, Field(ge=0)]] | Literal["all"] = Field("all", description="all: those of `reproduce`")

    @field_validator("without", mode="before")
    @classmethod
    def _options_as_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: {str(option): why for option, why in each.items()} if isinstance(each, dict) else each
            for name, each in value.items()
        }

    @field_validator("ambiguities", "methods", "data", "protocols", "seeds", "folds")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        if isinstance(value, list) and not value:
            raise ValueError("the list is empty; leave the key out for all")
        return once(value)


class BatchTokens(Strict):
    """What formula (1) of a fusion attention owes to the images that share a test batch (tran2023).

    The method must stand in the matrix: its extractors are trained there, under the audited protocol.
    """

    method: Name = Field(description="of the matrix, a fusion_attention over frozen extractors")
    data: Some = Field("all", description="of the matrix")
    tokens: list[Literal["batch", "channels", "positions"]] = Field(["batch", "channels", "positions"], min_length=1)
    orders: list[Literal["file", "shuffled", "class"]] = Field(["file", "shuffled", "class"], min_length=1)
    batches: list[Annotated[int, Field(ge=1)]] = Field([1, 2, 8, 32, 48, 128, 512], min_length=1)
    seeds: Seeds = Field([0, 1, 2, 3, 4], description="of fusion attention; the extractors have the matrix's")

    @field_validator("data", "tokens", "orders", "batches", "seeds")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        return once(value)


class Audit(Strict):
    """What is looked for in the data, beside what every audit finds."""

    between: list[Name] = Field(
        [],
        description="data sets of the same photographs, such as [fer2013, ferplus]: each image of an earlier one "
        "is looked for in each later one, and their labels are compared",
    )

    @field_validator("between")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        return once(value)


if TYPE_CHECKING:
    Sources = Strict
else:
    Sources = create_model("Sources", __base__=Strict, **dict.fromkeys(READ, (Source, STAND_IN)))


class Config(Sources):
    """A configuration: `config.yaml`, or a preset passed with `--configfile`.

    Each data set's own key, such as `fer2013`, says where the data set lies. The schema allows any name there, so
    that a new data set leaves it as it is; a name that no data set has is refused when the configuration is read.
    """

    @field_validator("datasets")
    @classmethod
    def _names_of_their_own(cls, value: Any) -> Any:
        for name in value:
            if name in Config.model_fields:
                what = "a data set that is known already" if name in READ else "a key of this file"
                raise ValueError(f"{name} is {what}; give yours another name")
        return value

    @field_validator("coding", mode="before")
    @classmethod
    def _codes_as_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: {str(code): each for code, each in codes.items()} if isinstance(codes, dict) else codes
            for name, codes in value.items()
        }

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        source = [schema["properties"].pop(name) for name in READ].pop()
        return schema | {"additionalProperties": {key: source[key] for key in ("anyOf", "description")}}

    preset: Name = Field(description="names the folder below results/")
    title: str = Field(description="one line for the report")
    datasets: dict[SetName, Declared] = later(
        {}, description="data sets of one's own by name (docs/own-data.md); where each lies stands under its own name"
    )
    data: list[Name] = Field([], description="data sets to audit and split though no run may need them")
    subject_pattern: dict[Name, str] = Field(
        {}, description="data set → regular expression whose group `subject` finds the person in a file's name"
    )
    audit: Audit = Audit()
    labels: dict[Name, str] = Field(
        {}, description="data set → rule by which its labels follow from votes (ferplus: majority, plurality, votes)"
    )
    coding: dict[Name, str | dict[str, str]] = Field(
        {},
        description="data set → what its codes of classes mean, if not the owner's: alphabetical, affectnet, "
        "fer2013, ferplus, rafdb, official, with -from-0 or -from-1 behind it, or code → class",
    )
    swapped: dict[Name, Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        {}, description="data set → two splits whose names are exchanged in its files"
    )
    grey_levels: dict[Name, Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(
        {}, description="data set → the values of its 16-bit images that are black and white"
    )
    choose: dict[Name, list[str]] = Field(
        {},
        description="data set → which kinds of recordings are meant where it holds several: posed, spontaneous, front, "
        "left, right; unpaired or paired, where its cameras count separately",
    )
    backgrounds: Backgrounds = Backgrounds()
    standin: dict[Name, StandIn] = Field({})
    tolerate: dict[Name, list[Literal["counts", "unreadable", "labels", "sizes", "contrast"]]] = Field({})
    reproduce: dict[Name, Reproduction] = Field(min_length=1)
    matrix: Matrix | None = None
    sensitivity: dict[Name, Sensitivity] = Field({}, description="paper → what is switched to see what it is worth")
    batch_tokens: dict[Name, BatchTokens] = Field(
        {}, description="paper → a fusion attention that is tested in batches of several sizes and orders"
    )
    ambiguity: dict[Name, dict[Name, str | int | float]] = Field(
        {}, description="paper → ambiguity → the option to use instead of the paper file's choice"
    )
    papers: str = Field("papers", description="folder of the papers' files")
    margin: float = Field(
        2.0, gt=0, le=20, description="points within which a reproduced accuracy passes for the reported one"
    )
    precision: Precision = Field(
        "auto",
        description="of a training step, where a recipe names none: fp32, bf16, or auto, which is bf16 where the "
        "processor or the GPU is quicker at it. A preset whose results are released names fp32 or bf16",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    deterministic: bool = Field(
        False, description="whether training on a GPU takes only operations that give the same bits each time"
    )
    threads: int = Field(1, ge=1, description="of one training job")
    train_mem_mb: int = Field(4000, ge=500)
    realtime_seconds: float = Field(
        2.0, ge=0, le=60, description="how long each timing of one face takes; 0: the time is not measured"
    )
    train_minutes: int = Field(240, ge=1)


def config_model(content: Mapping[str, Any]) -> type[Config]:
    """Return the model of a configuration: `Config`, with a key for each data set that `content` declares."""
    declared = content.get("datasets")
    names = [name for name in declared if name not in Config.model_fields] if isinstance(declared, dict) else []
    own = {name: (Source, STAND_IN) for name in names if isinstance(name, str) and re.fullmatch(r"[a-z0-9]+", name)}
    return create_model("Config", __base__=Config, **own) if own else Config  # type: ignore[call-overload]


def unfold(config: Mapping[str, Any], where: str = "--config") -> dict[str, Any]:
    """Unfold keys that lead through sections: `ambiguity.khalid2025.backbone` or `ambiguity__khalid2025__backbone`.

    Snakemake takes no dots in the keys of `--config`, hence the second form. It also leaves the numbers in a
    list or section given there as text, so these are read again.

    Raises:
        UserError: a key leads through something that is no section.
    """
    dotted = {key: re.split(r"\.|__", str(key)) for key in config}
    result = copy.deepcopy({key: config[key] for key, path in dotted.items() if len(path) == 1})
    for key, (*parents, last) in dotted.items():
        if not parents:
            continue
        section = result
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"{where}: {key}: {parent} is a value, not a section.")
        section[last] = _retyped(config[key])
    return result


def _retyped(value: Any) -> Any:
    """Return a list or section with the numbers that it holds as text, at any depth."""
    if isinstance(value, list):
        return [yaml.scalar(item) if isinstance(item, str) else _retyped(item) for item in value]
    if isinstance(value, dict):
        return {key: yaml.scalar(item) if isinstance(item, str) else _retyped(item) for key, item in value.items()}
    return value
