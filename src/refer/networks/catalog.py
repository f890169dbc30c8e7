"""Which networks there are and what each accepts, known without importing torch.

A network is a function in a module of this folder, marked `@network`; its keyword-only parameters,
annotated and with defaults, are what a paper's YAML may set. They are read from the source text, so that a
wrong option is refused when the workflow is planned, in milliseconds, long before a GPU is asked for. The same
holds for the modalities that a network reads: `@network(modalities=("visible", "infrared"))`, or its option
`modality`; one that says nothing reads visible light. A network whose prediction for an image may depend on the other
images of a batch says with which options: `@network(reads_batch=({"tokens": "batch"},))`.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from refer.errors import UserError, unknown
from refer.networks import options as shared

if TYPE_CHECKING:
    from torch import nn

Factory = TypeVar("Factory", bound=Callable[..., Any])


class Entry(NamedTuple):
    """What is known of a network before it is built."""

    module: str
    options: type[BaseModel]
    modalities: tuple[str, ...] = ("visible",)
    later: tuple[str, ...] = ()
    reads_batch: tuple[Mapping[str, Any], ...] = ()


@overload
def network(factory: Factory) -> Factory: ...
@overload
def network(
    *,
    modalities: tuple[str, ...] = ("visible",),
    later: tuple[str, ...] = (),
    reads_batch: tuple[Mapping[str, Any], ...] = (),
) -> Callable[[Factory], Factory]: ...
def network(
    factory: Factory | None = None,
    *,
    modalities: tuple[str, ...] = ("visible",),
    later: tuple[str, ...] = (),
    reads_batch: tuple[Mapping[str, Any], ...] = (),
) -> Any:
    """Mark a function as a network that papers can name; `classes` is always given by the data.

    Args:
        factory: the function.
        modalities: the pictures that it reads.
        later: options that released results did not know; their defaults are what was done then.
        reads_batch: sets of options; with all options of one set, predictions depend on the rest of the batch.
    """
    return factory if factory is not None else lambda marked: marked


@cache
def networks() -> dict[str, Entry]:
    """Name → what is known of it, for every network in this folder."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and (mark := _mark(node)) is not None:
                found[node.name] = Entry(f"refer.networks.{path.stem}", _options(node), **mark)
    return found


def modalities(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Which pictures the network of a checked network section reads, in the order that it takes them."""
    entry = networks()[current(options["name"])]
    own = entry.options.model_fields.get("modality")
    return entry.modalities if own is None else (str(options.get("modality", own.default)),)


FORMER = {"squared_attention_net": "gated_net"}
"""Names of networks in released runs → what they are called now."""


def current(name: Any) -> Any:
    """The name of a network as it is called now."""
    return FORMER.get(name, name) if isinstance(name, str) else name


def canonical(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked network section as runs have it: the name of now, no later option that asks for nothing."""
    name = current(options["name"])
    entry = networks()[name]
    fields = entry.options.model_fields
    plain = {key: value for key, value in options.items() if key not in entry.later or value != fields[key].default}
    return plain | {"name": name}


def can_read_batch(name: str) -> bool:
    """Whether a network of that name has options with which predictions depend on the other images of a batch."""
    return bool(networks()[current(name)].reads_batch)


def reads_batch(options: Mapping[str, Any]) -> bool:
    """Whether the network of a checked network section predicts an image with the help of its batch."""
    entry = networks()[current(options["name"])]

    def value(key: str) -> Any:
        return options.get(key, entry.options.model_fields[key].default)

    return any(all(value(key) == wanted for key, wanted in each.items()) for each in entry.reads_batch)


def explains(options: Mapping[str, Any]) -> bool:
    """Whether the network of a checked network section can say where it looks."""
    if options["name"] == "region_attention_net":
        return bool(options.get("region_attention", True))
    return bool(options["name"] == "ferattention")


def check(options: Mapping[str, Any], where: str) -> None:
    """Refuse a network section that names no network, or an option or value that the network does not take.

    Raises:
        UserError: names `where`, the key, what was found and what is known or expected.
    """
    rest = dict(options)
    name = current(rest.pop("name", None))
    if name not in networks():
        raise UserError(f"{where}.name: no network {unknown(name, networks())}.")
    model = networks()[name].options
    try:
        model(**rest)
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        key = str(item["loc"][0])
        if item["type"] == "extra_forbidden":
            raise UserError(f"{where}: {name} has no option {unknown(key, model.model_fields)}.") from None
        expected = item["msg"].removeprefix("Input should be ")
        raise UserError(f"{where}.{key}: found {item['input']!r}, expected {expected}.") from None


def without_weights(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network section whose weights nothing is read or downloaded for: a checkpoint will replace them."""
    return {**options, **({"weights": "none"} if "weights" in options else {})}


def build(options: Mapping[str, Any], classes: int) -> nn.Module:
    """Build the network that a network section describes, for so many classes."""
    check(options, "network")
    rest = dict(options)
    name = current(rest.pop("name"))
    module = importlib.import_module(networks()[name].module)
    built: nn.Module = getattr(module, name)(classes=classes, **rest)
    return built


def _mark(node: ast.FunctionDef) -> dict[str, Any] | None:
    """What the mark `@network` states, None for a function without it."""
    for mark in node.decorator_list:
        if isinstance(mark, ast.Name) and mark.id == "network":
            return {}
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "network":
            return {str(word.arg): ast.literal_eval(word.value) for word in mark.keywords}
    return None


def _options(node: ast.FunctionDef) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    known = {"Literal": Literal, "Annotated": Annotated, "Field": Field, **vars(shared)}
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if argument.arg == "classes":
            continue
        if argument.annotation is None or default is None:
            raise TypeError(f"{node.name}: the option {argument.arg} needs an annotation and a default")
        kind = eval(ast.unparse(argument.annotation), known)
        fields[argument.arg] = (kind, ast.literal_eval(default))
    return create_model(node.name, __config__=ConfigDict(extra="forbid", strict=True), **fields)
