"""Papers and configurations as typed objects.

A paper's claim is data: `papers/<id>.yaml` names its data, methods, recipe, reported numbers and
ambiguities. A configuration (`config.yaml`, `presets/*.yaml`) says which of them run, on what, how often.
Whatever is wrong in either ends in a `UserError` that names the file, the key, what was found there and
what was expected, before any job starts; nothing here imports torch or pandas.
"""

from __future__ import annotations

import copy
import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from refer import yaml
from refer.errors import UserError
from refer.networks import catalog

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]
"""A word that becomes part of a path: lower-case letters, digits, `-` and `_`."""

Scalar = bool | int | float | str | None
Model = TypeVar("Model", bound=BaseModel)
STAND_IN = "stand-in"


class Strict(BaseModel):
    """A model that refuses keys which it does not know, and numbers given as text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataUse(Strict):
    """How a paper uses a data set: its parts, and what each is called officially; the part `train` is learnt from."""

    parts: dict[Name, str] = Field(min_length=2)

    @field_validator("parts")
    @classmethod
    def _one_trains(cls, value: dict[str, str]) -> dict[str, str]:
        if "train" not in value:
            raise ValueError(f"one part must be called 'train'; found {', '.join(value)}")
        return value

    @property
    def evaluated(self) -> list[str]:
        """The parts that predictions are made for, in order."""
        return [part for part in self.parts if part != "train"]


class Protocol(Strict):
    """Which images count and which epoch is kept; see DESIGN: `published` against `audited`."""

    audited: bool
    select: str = Field(description="the part whose accuracy chooses the epoch, or 'last'")
    note: str = ""


class Augmentation(Strict):
    """Random changes of a training image, drawn anew each time it is seen."""

    flip: bool = False
    rotation: float = Field(0.0, ge=0, le=180, description="degrees, uniform in ±rotation")
    scale: float = Field(0.0, ge=0, lt=1, description="uniform in 1 ± scale")
    shift: float = Field(0.0, ge=0, lt=1, description="uniform in ± shift of the image's side, per axis")
    erase: float = Field(0.0, ge=0, le=1, description="probability that a random rectangle is blanked")


class Recipe(Strict):
    """How a network is trained."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=2)
    image_size: int = Field(ge=16, le=512, description="side in pixels that the network sees")
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: float = Field(gt=0, description="the peak learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD (Nesterov)")
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps over which the rate rises linearly")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    augmentation: Augmentation = Augmentation()


class Method(Strict):
    """One row of a paper's tables: what differs from the paper's common network and recipe."""

    label: str
    note: str = ""
    network: dict[str, Scalar] = {}
    recipe: dict[str, Any] = {}


class Reported(Strict):
    """A number that the paper states, in percent."""

    method: str
    dataset: str
    metric: Literal["accuracy", "precision", "recall", "f1"] = "accuracy"
    value: float = Field(ge=0, le=100)
    part: str | None = Field(None, description="the part it is stated for; none: the paper does not say")
    n: int | None = Field(None, ge=1, description="test images behind it, where known")
    source: str
    note: str | None = None


class Ambiguity(Strict):
    """Something that a paper does not say: the question, the choice made, and what else could be meant."""

    question: str
    reason: str
    choice: str
    options: dict[str, dict[str, Any]] = Field(min_length=1)

    @field_validator("choice", mode="before")
    @classmethod
    def _choice_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("options", mode="before")
    @classmethod
    def _options_as_text(cls, value: Any) -> Any:
        return {str(key): item for key, item in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _choice_is_an_option(self) -> Ambiguity:
        if self.choice not in self.options:
            raise ValueError(f"the choice {self.choice!r} is none of the options: {', '.join(self.options)}")
        return self


class Paper(Strict):
    """A publication: `papers/<id>.yaml`, with the ambiguities resolved to their choices."""

    id: Name
    title: str
    authors: list[str]
    year: int
    venue: str
    doi: str
    licence: str
    summary: str
    data: dict[Name, DataUse] = Field(min_length=1)
    protocols: dict[Literal["published", "audited"], Protocol]
    network: dict[str, Scalar]
    recipe: Recipe
    methods: dict[Name, Method] = Field(min_length=1)
    reported: list[Reported]
    ambiguities: dict[Name, Ambiguity] = {}
    _departures: dict[str, str] = PrivateAttr(default_factory=dict)
    _overruled: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def departures(self) -> dict[str, str]:
        """What a configuration changed in the paper's file: key → `new value (was: old value)`."""
        return self._departures

    @property
    def overruled(self) -> dict[str, str]:
        """Ambiguities whose choice is not what runs, for something else set its keys: name → `key = value, …`."""
        return self._overruled

    @property
    def citation(self) -> str:
        """Authors (year). Title. Venue. doi."""
        return f"{', '.join(self.authors)} ({self.year}). {self.title}. {self.venue}. doi:{self.doi}"

    @property
    def parts(self) -> dict[str, dict[str, str]]:
        """Data set → part → official split."""
        return {name: dict(use.parts) for name, use in self.data.items()}

    @model_validator(mode="after")
    def _names_agree(self) -> Paper:
        for number, claim in enumerate(self.reported):
            for kind, name, known in (
                ("method", claim.method, self.methods),
                ("data set", claim.dataset, self.data),
                ("part", claim.part, self.data.get(claim.dataset, DataUse(parts={"train": "", "test": ""})).parts),
            ):
                if name is not None and name not in known:
                    raise ValueError(f"reported.{number} names the {kind} {unknown(name, known)}")
        for key, protocol in self.protocols.items():
            for dataset, use in self.data.items():
                if protocol.select not in (*use.evaluated, "last"):
                    raise ValueError(
                        f"protocols.{key}.select names the part "
                        f"{unknown(protocol.select, [*use.evaluated, 'last'])} (of {dataset})"
                    )
        return self


class StandIn(Strict):
    """How much stand-in data to draw, and from which seed."""

    images: dict[str, Annotated[int, Field(ge=8)]] = Field(description="official split → number of images")
    subjects: int = Field(ge=3)
    seed: int = Field(0, ge=0)
    layout: Literal["fer2013.csv", "icml_face_data.csv", "folders"] = "fer2013.csv"


class Reproduction(Strict):
    """Which of a paper's cells run, how often, and what differs from the paper's recipe."""

    data: list[Name] | Literal["all"] = "all"
    methods: list[Name] | Literal["all"] = "all"
    protocols: list[Literal["published", "audited"]] = ["published", "audited"]
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    override: dict[str, Any] = Field({}, description="dotted key of the paper's file → value")

    @field_validator("seeds", "protocols", "methods", "data")
    @classmethod
    def _no_repeats(cls, value: Any) -> Any:
        if isinstance(value, list) and len(set(value)) != len(value):
            raise ValueError("each entry may stand there only once")
        return value


class Config(Strict):
    """A configuration: `config.yaml`, or a preset passed with `--configfile`."""

    preset: Name = Field(description="names the folder below results/")
    title: str = Field(description="one line for the report")
    fer2013: str = Field(
        STAND_IN,
        description="'stand-in', or where FER2013 lies: a folder, an archive, a csv, or a URL with its hash",
    )
    standin: dict[Name, StandIn] = {}
    tolerate: dict[Name, list[Literal["counts", "unreadable", "labels", "sizes"]]] = {}
    reproduce: dict[Name, Reproduction] = Field(min_length=1)
    ambiguity: dict[Name, dict[Name, str | int | float]] = Field(
        {}, description="paper → ambiguity → the option to use instead of the paper file's choice"
    )
    papers: str = Field("papers", description="folder of the papers' files")
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: int = Field(1, ge=1, description="of one training job")
    train_mem_mb: int = Field(4000, ge=500)
    train_minutes: int = Field(240, ge=1)


@dataclass(frozen=True)
class Run:
    """One cell: paper × data set × protocol × method × seed, with everything that decides its outcome."""

    paper: str
    dataset: str
    data: str
    protocol: str
    method: str
    seed: int
    stand_in: bool
    network: dict[str, Any]
    recipe: Recipe
    evaluated: tuple[str, ...]
    select: str

    @property
    def path(self) -> str:
        """The run's folder below results/<preset>/runs/."""
        return f"{self.paper}/{self.data}/{self.protocol}/{self.method}/seed{self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, in a fixed order; Snakemake compares it to see whether a run is out of date."""
        return {**self.__dict__, "recipe": self.recipe.model_dump(), "evaluated": list(self.evaluated)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Run:
        """The inverse of `as_dict`."""
        return cls(
            **{**value, "recipe": Recipe(**value["recipe"]), "evaluated": tuple(value["evaluated"])},
        )


@dataclass(frozen=True)
class Plan:
    """A checked configuration with its papers: all that the Snakefile needs to know."""

    config: Config
    papers: dict[str, Paper]

    def runs(self, paper: str | None = None) -> Iterator[Run]:
        """Every run that the configuration asks for."""
        for name, spec in self.papers.items():
            if paper not in (None, name):
                continue
            wanted = self.config.reproduce[name]
            for dataset in _all(wanted.data, spec.data):
                for protocol in wanted.protocols:
                    for method in _all(wanted.methods, spec.methods):
                        for seed in wanted.seeds:
                            yield self.run(name, dataset, protocol, method, seed)

    def run(self, paper: str, dataset: str, protocol: str, method: str, seed: int) -> Run:
        """The run of one cell."""
        spec = self.papers[paper]
        chosen = spec.methods[method]
        recipe = Recipe(**merged(spec.recipe.model_dump(), chosen.recipe))
        return Run(
            paper=paper,
            dataset=dataset,
            data=self.data(dataset),
            protocol=protocol,
            method=method,
            seed=seed,
            stand_in=self.is_stand_in(dataset),
            network=dict(sorted({**spec.network, **chosen.network}.items())),
            recipe=recipe,
            evaluated=tuple(spec.data[dataset].evaluated),
            select=spec.protocols[protocol].select,  # type: ignore[index]
        )

    def source(self, dataset: str) -> str:
        """What the configuration says of a data set: `stand-in`, a path, or a URL."""
        return str(getattr(self.config, dataset))

    def is_stand_in(self, dataset: str) -> bool:
        """Whether the data set is drawn here."""
        return self.source(dataset) == STAND_IN

    def data(self, dataset: str) -> str:
        """The data set's name in paths: drawn data never shares a folder with real data."""
        return f"{dataset}-standin" if self.is_stand_in(dataset) else dataset

    def datasets(self) -> list[str]:
        """Every data set that some run needs, once."""
        return list(dict.fromkeys(run.dataset for run in self.runs()))


def load_paper(
    path: str | Path, choices: Mapping[str, Any] | None = None, override: Mapping[str, Any] | None = None
) -> Paper:
    """Read a paper, take the options that `choices` names for its ambiguities, then apply `override`.

    Args:
        path: the paper's YAML file.
        choices: ambiguity → option; the file's own choice where it says nothing.
        override: dotted key of the file → value, e.g. `{"recipe.epochs": 5}`.

    Raises:
        UserError: the file, a choice or an override is wrong; it names file, key, what was found and expected.
    """
    raw = yaml.read(path)
    paper = _validated(Paper, raw, str(path))
    if paper.id != Path(path).stem:
        raise UserError(f"{path}: id: found {paper.id!r}, expected the file's name, {Path(path).stem!r}.")
    for name, option in (choices or {}).items():
        if name not in paper.ambiguities:
            raise UserError(f"{path}: no ambiguity {unknown(name, paper.ambiguities)}.")
        if str(option) not in paper.ambiguities[name].options:
            known = paper.ambiguities[name].options
            raise UserError(f"{path}: ambiguity {name}: no option {unknown(str(option), known)}.")
    chosen = {name: str(option) for name, option in (choices or {}).items()}
    as_filed = _resolved(raw, paper, {}, path)
    raw = _resolved(raw, paper, chosen, path)
    for name, option in chosen.items():
        if clash := _unmet(raw, paper.ambiguities[name].options[option]):
            raise UserError(f"{path}: ambiguity {name}={option} contradicts another choice, which sets {clash}.")
    for key, value in (override or {}).items():
        _set(raw, key, value, f"{path}, overridden")
    paper = _validated(Paper, raw, str(path))
    for section in ("data", "protocols", "network", "recipe", "methods", "reported"):
        paper._departures.update(_changes(as_filed[section], raw[section], section))
    for name, ambiguity in paper.ambiguities.items():
        if changed := _unmet(raw, ambiguity.options[ambiguity.choice]):
            paper._overruled[name] = changed
    for name, method in paper.methods.items():
        where = f"{path}: methods.{name}"
        catalog.check({**paper.network, **method.network}, f"{where}.network")
        _validated(Recipe, merged(paper.recipe.model_dump(), method.recipe), f"{where}.recipe")
    return paper


def load_plan(config: Mapping[str, Any], where: str = "config.yaml", base: str | Path = ".") -> Plan:
    """Check a configuration (a file's content, with `--config` merged in) and read its papers.

    Args:
        config: the configuration; keys may be dotted (`ambiguity__khalid2025__backbone`).
        where: the file that it comes from, for messages.
        base: the folder that `papers` is relative to.

    Raises:
        UserError: a key, type, name or file is wrong.
    """
    checked = _validated(Config, unfold(config, where), where)
    folder = Path(base) / checked.papers
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    papers = {}
    for section in ("ambiguity", "reproduce"):
        for name in getattr(checked, section):
            if name not in known:
                raise UserError(f"{where}: {section}: no paper {unknown(name, known)} in {checked.papers}/.")
    for name, wanted in checked.reproduce.items():
        paper = load_paper(folder / f"{name}.yaml", checked.ambiguity.get(name), wanted.override)
        for key, names, options in (
            ("data", wanted.data, paper.data),
            ("methods", wanted.methods, paper.methods),
            ("protocols", wanted.protocols, paper.protocols),
        ):
            for entry in [] if names == "all" else names:
                if entry not in options:
                    raise UserError(f"{where}: reproduce.{name}.{key}: {name} has no {unknown(entry, options)}.")
        papers[name] = paper
    plan = Plan(checked, papers)
    for dataset in plan.datasets():
        if dataset not in Config.model_fields:
            raise UserError(f"{where}: the data set {dataset} cannot be read yet.")
        if plan.is_stand_in(dataset) and dataset not in checked.standin:
            raise UserError(f"{where}: {dataset} is a stand-in, but standin.{dataset} does not say how much to draw.")
        splits = [
            split for paper in papers.values() if dataset in paper.data for split in paper.parts[dataset].values()
        ]
        for split in checked.standin[dataset].images if plan.is_stand_in(dataset) else []:
            if split not in splits:
                raise UserError(f"{where}: standin.{dataset}.images: no split {unknown(split, dict.fromkeys(splits))}.")
    return plan


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it, mappings key by key."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def unknown(name: object, known: typing.Iterable[str]) -> str:
    """`'tpyo'; did you mean 'typo'? Known: …`."""
    names = [str(entry) for entry in known]
    close = difflib.get_close_matches(str(name), names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{name!r}.{hint} Known: {', '.join(names) or 'none'}"


def _all(wanted: list[str] | str, known: Mapping[str, Any]) -> list[str]:
    return list(known) if isinstance(wanted, str) else wanted


def _set(target: dict[str, Any], dotted: str, value: Any, where: str) -> None:
    """Set a dotted key whose parents must exist; a wrong last key is found when the whole is validated."""
    *parents, last = dotted.split(".")
    section: Any = target
    for parent in parents:
        inner = _at(section, parent)
        if not isinstance(inner, dict | list):
            known = section if isinstance(section, dict) else range(len(section))
            raise UserError(f"{where}: {dotted}: no section {unknown(parent, map(str, known))}.")
        section = inner
    if isinstance(section, list):
        raise UserError(f"{where}: {dotted}: a key must follow the number of a list's entry.")
    old = section.get(last)
    section[last] = merged(old, value) if isinstance(value, dict) and isinstance(old, dict) else value


def _resolved(raw: Mapping[str, Any], paper: Paper, chosen: Mapping[str, str], path: str | Path) -> dict[str, Any]:
    """A paper's raw content with its ambiguities applied: the file's choices first, for `chosen` ones go before."""
    result = copy.deepcopy(dict(raw))
    for explicit in (False, True):
        for name, ambiguity in paper.ambiguities.items():
            if explicit != (name in chosen):
                continue
            option = chosen.get(name, ambiguity.choice)
            result["ambiguities"][name]["choice"] = option
            for key, value in ambiguity.options[option].items():
                _set(result, key, value, f"{path}: ambiguities.{name}.options.{option}")
    return result


def _unmet(raw: Mapping[str, Any], option: Mapping[str, Any]) -> str:
    """Which keys of an option have another value in the end, as `key = value, …`; empty if none has."""
    wanted: dict[str, Any] = {}
    for key, value in option.items():
        *parents, last = key.split(".")
        section = wanted
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return ", ".join(f"{key} = {found}" for key, _, found in _leaves(wanted, raw))


def _changes(before: Any, after: Any, key: str) -> Iterator[tuple[str, str]]:
    """What differs at and below a key, as (dotted key, `new (was: old)`)."""
    for place, new, old in _leaves(after, before, key):
        yield place, f"{new}" if old is None else f"{new} (was: {old})"


def _leaves(one: Any, other: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The values of `one` that differ from those at the same place of `other`: (dotted key, of one, of other)."""
    if isinstance(one, dict | list):
        for name, value in one.items() if isinstance(one, dict) else enumerate(one):
            yield from _leaves(value, _at(other, name), f"{key}.{name}" if key else str(name))
    elif one != other:
        yield key, one, other


def _at(value: Any, step: str | int) -> Any:
    """The entry of a mapping or list, None where there is none."""
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and str(step).isdecimal() and int(step) < len(value):
        return value[int(step)]
    return None


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
    if isinstance(value, list):
        return [yaml.scalar(item) if isinstance(item, str) else _retyped(item) for item in value]
    if isinstance(value, dict):
        return {key: yaml.scalar(item) if isinstance(item, str) else _retyped(item) for key, item in value.items()}
    return value


def _validated(model: type[Model], value: Any, where: str) -> Model:
    """Validate, and turn pydantic's first complaints into lines that a person can act on."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # A mistyped key also leaves the right one missing: the typo is the better news.
        items = sorted(error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden")
        complaints = [_complaint(model, item) for item in items]
        lines = list(dict.fromkeys(f"{where}: {complaint}" for complaint in complaints))
        more = [f"{where}: … and {len(lines) - 3} more."] if len(lines) > 3 else []
        raise UserError("\n".join(lines[:3] + more)) from None


def _complaint(model: type[BaseModel], error: Any) -> str:
    *parents, last = path = [part for part in error["loc"] if part != "[key]"] or [""]
    key = ".".join(str(part) for part in path)
    found = error.get("input")
    match error["type"]:
        case "extra_forbidden":
            return f"{key}: no key {unknown(last, _fields(model, parents))}."
        case "missing":
            return f"{key}: missing; expected a value here."
        case "value_error":
            return f"{key}: {error['ctx']['error']}." if key else f"{error['ctx']['error']}."
    kind = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false",
            "list": "a list", "dict": "a section", "NoneType": "nothing"}.get(type(found).__name__)  # fmt: skip
    shown = repr(found) if len(repr(found)) <= 60 else f"{repr(found)[:57]}…"
    expected = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    expected = {"integer": "a whole number", "string": "text", "number": "a number", "dictionary": "a section",
                "list": "a list", "boolean": "true or false"}.get(expected, expected)  # fmt: skip
    return f"{key}: found {shown}{f' ({kind})' if kind else ''}, expected {expected}."


def _fields(model: Any, path: list[Any]) -> list[str]:
    """The keys that the section at `path` of a model knows (best effort, for suggestions)."""
    for part in path:
        while typing.get_origin(model) in (Annotated, typing.Union, types.UnionType):
            model = typing.get_args(model)[0]
        if isinstance(model, type) and issubclass(model, BaseModel):
            if part not in model.model_fields:
                return []
            model = model.model_fields[part].annotation
        elif typing.get_origin(model) in (dict, list):
            model = typing.get_args(model)[-1]
    while typing.get_origin(model) in (Annotated, typing.Union, types.UnionType):
        model = typing.get_args(model)[0]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []
