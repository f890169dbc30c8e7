"""A paper as typed objects.

A paper's claim is data: `papers/<id>.yaml` names its data, methods, recipe, reported numbers and
ambiguities (`refer.papers` reads it). Nothing here imports torch or pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from refer.datasets.splitting import Scheme
from refer.errors import UserError, unknown
from refer.printed import PrintedConfusion, PrintedTable
from refer.recipe import Augmentation as Augmentation
from refer.recipe import Recipe as Recipe
from refer.strict import Name as Name
from refer.strict import Strict as Strict

Scalar = bool | int | float | str | None


class Validation(Strict):
    """A part carved out of training where the owner made none; only protocols that select on it carve it."""

    part: Name = "val"
    share: float = Field(gt=0, lt=1, description="of the training part, in each class")


class Folds(Strict):
    """Leave-subjects-out folds: in each, other people are the part `test`."""

    count: int = Field(ge=2, description="folds; the people are shared out among them as evenly as can be")


class DataUse(Strict):
    """How a paper divides a data set; the part `train` is learnt from, the others are predicted.

    One of `parts`, `shares` and `folds` says how, and `test` which part is the test set: the order of the keys says
    nothing. Every paper's split is made by `refer.datasets.split`.
    """

    test: Name = Field(description="the part that is the test set, whose numbers stand beside the reported ones")
    parts: dict[Name, str] | None = Field(None, description="part → the owner's split")
    shares: dict[Name, float] | None = Field(None, description="part → share of each class, drawn at random")
    folds: Folds | None = None
    validation: Validation | None = None
    levels: list[int] | None = Field(
        None, description="of an image's levels (frames, intensities; `refer datasets` names them), those used"
    )
    split_seed: int = Field(0, ge=0)
    select: dict[Literal["published", "audited"], str] = Field(
        {}, description="protocol → the part that chooses the epoch here, where it is another than the protocol says"
    )

    @model_validator(mode="after")
    def _one_way(self) -> DataUse:
        given = [key for key in ("parts", "shares", "folds") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"one of parts, shares and folds must say how to divide; found {', '.join(given) or 'none'}"
            )
        if self.folds is None and ("train" not in self.labels or len(self.labels) < 2):
            raise ValueError(f"two parts or more, one of them called 'train'; found {', '.join(self.labels)}")
        if self.shares is not None and abs(sum(self.shares.values()) - 1) > 1e-6:
            raise ValueError(f"the shares must sum to 1; found {sum(self.shares.values()):g}")
        if self.validation is not None and (self.parts is None or self.validation.part in self.parts):
            raise ValueError("validation carves a new part out of the owner's training split: it goes with parts alone")
        given_parts = ["test"] if self.folds is not None else [part for part in self._own() if part != "train"]
        if self.test not in given_parts:
            raise ValueError(f"test names the part {unknown(self.test, given_parts)}")
        return self

    def _own(self) -> dict[str, Any]:
        """The parts of the file, `train` first and the test set last, whatever the order there."""
        given: dict[str, Any] = dict(self.parts or self.shares or {})
        first = {"train": given.pop("train")} if "train" in given else {}
        last = {self.test: given.pop(self.test)} if self.test in given else {}
        return {**first, **given, **last}

    @property
    def labels(self) -> dict[str, str]:
        """Every part that some protocol may have → what it is called in a report; `train` first, the test set last."""
        if self.folds is not None:
            return {part: part for part in ("train", "val", "test")}
        if self.shares is not None:
            return {part: part for part in self._own()}
        labels = self._own()
        if self.validation is None:
            return labels
        carved = {self.validation.part: f"{self.validation.part} (of {labels['train']})"}
        return {"train": labels.pop("train"), **carved, **labels}

    def names(self, protocol: Protocol) -> list[str]:
        """The parts that exist under a protocol, in order."""
        extra = self.validation.part if self.validation else "val" if self.folds else None
        left_out = extra if extra != protocol.select else None
        return [part for part in self.labels if part != left_out]

    def scheme(self, protocol: Protocol) -> Scheme:
        """The division under a protocol, as `refer.datasets.split` takes it."""
        carved = self.validation is not None and self.validation.part == protocol.select
        kept_apart = "val" if self.folds is not None and protocol.select == "val" else None
        return Scheme(
            parts=None if self.parts is None else self._own(),
            shares=None if self.shares is None else self._own(),
            folds=self.folds.count if self.folds else None,
            validation=self.validation.part if self.validation and carved else kept_apart,
            share=self.validation.share if self.validation and carved else None,
            levels=None if self.levels is None else tuple(self.levels),
            seed=self.split_seed,
        )

    def evaluated(self, protocol: Protocol) -> list[str]:
        """The parts that predictions are made for under a protocol, the test set last."""
        return [part for part in self.names(protocol) if part != "train"]


class Protocol(Strict):
    """Which images count and which epoch is kept; docs/data.md, Splits, has `published` against `audited`."""

    audited: bool
    changes: dict[str, Any] = Field({}, description="dotted key of the paper's file → what it is under this protocol")
    select: str = Field(description="the part whose accuracy chooses the epoch, or 'last'")
    rate_by: str | None = Field(
        None,
        description="the part whose accuracy the schedule cosine-accuracy takes; none: the one that chooses the epoch",
    )
    near: bool = Field(False, description="whether near duplicates count as the same image, as exact ones do")
    note: str = ""


class Method(Strict):
    """One row of a paper's tables: what differs from the paper's common network and recipe.

    A method may begin with the weights of others of the same paper, trained under the same protocol, with the
    same seed and on the same fold; or test the network of another one on other images.
    """

    label: str
    note: str = ""
    starts_from: dict[Name, Name] = Field({}, description="branch of the network → method whose weights it begins with")
    tests: Name | None = Field(None, description="method whose trained network is tested here; nothing is trained")
    network: dict[str, Scalar] = Field({})
    recipe: dict[str, Any] = Field({})

    @property
    def parents(self) -> dict[str, str]:
        """The methods that are trained before: branch of the network, or `network` for all of it → method."""
        return dict(self.starts_from) if self.tests is None else {"network": self.tests}

    @model_validator(mode="after")
    def _trained_or_tested(self) -> Method:
        if self.tests is not None and self.starts_from:
            raise ValueError("a method that tests another one's network trains nothing: leave out tests or starts_from")
        return self


class Reported(Strict):
    """A number that the paper states, in percent."""

    method: str
    dataset: str
    metric: Literal["accuracy", "precision", "recall", "f1"] = "accuracy"
    value: float = Field(ge=0, le=100)
    sd: float | None = Field(None, ge=0, description="its standard deviation over folds or repetitions, where stated")
    decimals: int | None = Field(
        None, ge=0, le=6, description="that are printed; needed where the number ends on 0, which YAML drops"
    )
    part: str | None = Field(None, description="the part it is stated for; none: the paper does not say")
    n: int | None = Field(None, ge=1, description="test images behind it, where known")
    fold_sizes: list[Annotated[int, Field(ge=1)]] | None = Field(
        None, min_length=2, description="test images of each fold, if it is the mean of the folds' and they are known"
    )
    source: str
    note: str | None = None

    @model_validator(mode="after")
    def _as_printed(self) -> Reported:
        for key, value in (("value", self.value), ("sd", self.sd)):
            if self.decimals is not None and value is not None and round(value, self.decimals) != value:
                raise ValueError(f"{key} {value:g} has more decimals than the {self.decimals} that `decimals` says")
        return self


class Contrast(Strict):
    """Two methods that differ in one thing: what that is worth is their difference on the same images."""

    what: str = Field(description="what the one has and the other lacks")
    has: Name = Field(description="the method with it")
    lacks: Name = Field(description="the method without it")


class Averages(Strict):
    """How a paper averages precision, recall and F1 over the classes."""

    average: Literal["macro", "weighted"] = Field("macro", description="over classes, or weighted by their images")
    f1: Literal["mean", "of-means"] = Field(
        "mean", description="the mean of the classes' F1, or the harmonic mean of mean precision and mean recall"
    )

    def scored(self, metric: str) -> str:
        """The name under which `refer.evaluation.scores` has a reported metric."""
        if metric == "accuracy":
            return metric
        return f"{self.average}_{metric}{'_of_means' if metric == 'f1' and self.f1 == 'of-means' else ''}"


class Ambiguity(Strict):
    """Something that a paper does not say: the question, the choice made, and what else could be meant."""

    question: str
    reason: str
    choice: str
    options: dict[str, dict[str, Any]] = Field(min_length=1)
    follows: Name | None = Field(
        None, description="ambiguity whose options set these keys too; an option that is chosen here goes before them"
    )

    @field_validator("choice", mode="before", json_schema_input_type=str | int | float)
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


NO_DOI = "none"


class Paper(Strict):
    """A publication: `papers/<id>.yaml`, with the ambiguities resolved to their choices."""

    id: Name
    title: str
    authors: list[str]
    year: int
    venue: str
    doi: str = Field(description=f"or {NO_DOI}")
    licence: str
    summary: str
    data: dict[Name, DataUse] = Field(min_length=1)
    protocols: dict[Literal["published", "audited"], Protocol]
    network: dict[str, Scalar]
    recipe: Recipe
    methods: dict[Name, Method] = Field(min_length=1)
    metrics: Averages = Averages()
    reported: list[Reported]
    ambiguities: dict[Name, Ambiguity] = Field({})
    contrasts: list[Contrast] = Field([], description="methods that differ in one thing, to say what it is worth")
    layout: list[PrintedTable] = Field([], description="the paper's tables of results as it prints them")
    confusions: list[PrintedConfusion] = Field([], description="confusion matrices that are known of the paper")
    _departures: dict[str, str] = PrivateAttr(default_factory=dict)
    _filed: dict[str, str] = PrivateAttr(default_factory=dict)
    _overruled: dict[str, str] = PrivateAttr(default_factory=dict)
    _variants: dict[str, Paper] = PrivateAttr(default_factory=dict)
    _filer: Callable[[], Paper] | None = PrivateAttr(None)

    @property
    def departures(self) -> dict[str, str]:
        """What a configuration changed in the paper's file: key → `new value (was: old value)`."""
        return self._departures

    @property
    def as_filed(self) -> Paper:
        """The paper as its file says, without a configuration's choices and overrides."""
        return self if self._filer is None else self._filer()

    @property
    def filed(self) -> dict[str, str]:
        """Ambiguities of which the configuration chose another option than the paper's file: name → the file's."""
        return self._filed

    @property
    def overruled(self) -> dict[str, str]:
        """Ambiguities whose choice is not what runs, for something else set its keys: name → `key = value, …`."""
        return self._overruled

    def protocol(self, name: str, dataset: str) -> Protocol:
        """A protocol as it is on a data set."""
        found = self.protocols[name]  # type: ignore[index]
        select = self.data[dataset].select.get(name)  # type: ignore[call-overload]
        return found if select is None else found.model_copy(update={"select": select})

    @property
    def variants(self) -> list[Paper]:
        """The paper as it is under each protocol that changes it."""
        return list(self._variants.values())

    def under(self, protocol: str) -> Paper:
        """The paper with what a protocol changes in it."""
        return self._variants.get(protocol, self)

    @property
    def citation(self) -> str:
        """Authors (year). Title. Venue. doi, where it has one."""
        told = f"{', '.join(self.authors)} ({self.year}). {self.title}. {self.venue}"
        return told if self.doi == NO_DOI else f"{told}. doi:{self.doi}"

    @property
    def parts(self) -> dict[str, dict[str, str]]:
        """Data set → part → what it is called there (the owner's split, where the owner made one)."""
        return {name: use.labels for name, use in self.data.items()}

    @property
    def test_sets(self) -> dict[str, str]:
        """Data set → the part that is its test set."""
        return {name: use.test for name, use in self.data.items()}

    @property
    def folds(self) -> dict[str, int]:
        """Data set → into how many folds the paper divides it; only those that it does."""
        return {name: use.folds.count for name, use in self.data.items() if use.folds is not None}

    def _named(self) -> Iterator[tuple[str, str | None, Iterable[str]]]:
        """Yield what names something, the name (none: nothing is named), and what can be named there."""
        for number, claim in enumerate(self.reported):
            yield f"reported.{number} names the method", claim.method, self.methods
            yield f"reported.{number} names the data set", claim.dataset, self.data
            yield f"reported.{number} names the part", claim.part, self.parts.get(claim.dataset, {})
        for number, matrix in enumerate(self.confusions):
            yield f"confusions.{number} names the method", matrix.method, self.methods
            yield f"confusions.{number} names the data set", matrix.dataset, self.data
            yield f"confusions.{number} names the part", matrix.part, self.parts.get(matrix.dataset, {})
        first = [name for name, each in self.ambiguities.items() if not each.follows]
        for key, ambiguity in self.ambiguities.items():
            yield f"ambiguities.{key} follows the ambiguity", ambiguity.follows, first
        for number, contrast in enumerate(self.contrasts):
            for name in (contrast.has, contrast.lacks):
                yield f"contrasts.{number} names the method", name, self.methods
        for table in self.layout:
            for row in table.rows:
                for shown, dataset, *_ in table.cells(row):
                    yield f"layout, {table.title}: {row.title}: no method", shown, self.methods
                    yield f"layout, {table.title}: no data set", dataset, self.data
        for name, method in self.methods.items():
            for parent in method.parents.values():
                yield f"methods.{name} {'tests' if method.tests else 'goes on from'} the method", parent, self.methods
        for key in self.protocols:
            for dataset, use in self.data.items():
                protocol = self.protocol(key, dataset)
                evaluated = use.evaluated(protocol)
                on = f"on {dataset}, protocols.{key}"
                yield f"{on}.select names the part", protocol.select, [*evaluated, "last"]
                yield f"{on}.rate_by names the part", protocol.rate_by, evaluated

    @model_validator(mode="after")
    def _names_agree(self) -> Paper:
        for what, name, known in self._named():
            if name is not None and name not in known:
                raise ValueError(f"{what} {unknown(name, known)}")
        for name, method in self.methods.items():
            self._refuse_circles(name, ())
            if method.tests is not None:
                self._refuse_another_network(name, method.tests)
        for dataset, use in self.data.items():
            for name in self.protocols:
                try:
                    use.scheme(self.protocol(name, dataset))
                except UserError as error:
                    raise ValueError(f"data.{dataset} under {name}: {str(error).rstrip('.')}") from None
        return self

    def _refuse_circles(self, name: str, before: tuple[str, ...]) -> None:
        if name in before:
            raise ValueError(f"methods.{name} needs itself: {' needs '.join((*before, name))}")
        for parent in self.methods[name].parents.values():
            self._refuse_circles(parent, (*before, name))

    def _refuse_another_network(self, name: str, tested: str) -> None:
        mine, theirs = ({**self.network, **self.methods[each].network} for each in (name, tested))
        for key in sorted(mine.keys() | theirs.keys()):
            if mine.get(key) != theirs.get(key):
                raise ValueError(
                    f"methods.{name} tests the network of {tested}, so that it must be the same: "
                    f"network.{key} is {mine.get(key)} and {theirs.get(key)}"
                )
