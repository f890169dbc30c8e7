"""Papers and configurations as typed objects.

A paper's claim is data: `papers/<id>.yaml` names its data, methods, recipe, reported numbers and
ambiguities. A configuration (`config.yaml`, `presets/*.yaml`) says which of them run, on what, how often.
Whatever is wrong in either ends in a `UserError` that names the file, the key, what was found there and
what was expected, before any job starts; nothing here imports torch or pandas.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from refer import yaml
from refer.errors import UserError, unknown
from refer.networks import catalog
from refer.validation import validated

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]
"""A word that becomes part of a path: lower-case letters, digits, `-` and `_`."""

Scalar = bool | int | float | str | None
STAND_IN = "stand-in"
"""The source of a data set that is drawn here."""


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
    paper = validated(Paper, raw, str(path))
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
    paper = validated(Paper, raw, str(path))
    for section in ("data", "protocols", "network", "recipe", "methods", "reported"):
        paper._departures.update(_changes(as_filed[section], raw[section], section))
    for name, ambiguity in paper.ambiguities.items():
        if changed := _unmet(raw, ambiguity.options[ambiguity.choice]):
            paper._overruled[name] = changed
    for name, method in paper.methods.items():
        where = f"{path}: methods.{name}"
        catalog.check({**paper.network, **method.network}, f"{where}.network")
        validated(Recipe, merged(paper.recipe.model_dump(), method.recipe), f"{where}.recipe")
    return paper


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it, mappings key by key."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


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
