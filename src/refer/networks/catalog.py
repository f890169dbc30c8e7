"""Which networks there are and what each accepts, known without importing torch.

A network is a function in a module of this folder, marked `@network`; its keyword-only parameters,
annotated and with defaults, are what a paper's YAML may set. They are read from the source text, so that a
wrong option is refused when the workflow is planned, in milliseconds, long before a GPU is asked for.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from refer.errors import UserError, unknown

if TYPE_CHECKING:
    from torch import nn

Factory = TypeVar("Factory", bound=Callable[..., Any])


def network(factory: Factory) -> Factory:
    """Mark a function as a network that papers can name; `classes` is always given by the data."""
    return factory


@cache
def networks() -> dict[str, tuple[str, type[BaseModel]]]:
    """Name → (module, model of the options) of every network in this folder."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(mark, ast.Name) and mark.id == "network" for mark in node.decorator_list
            ):
                found[node.name] = (f"refer.networks.{path.stem}", _options(node))
    return found


def check(options: Mapping[str, Any], where: str) -> None:
    """Refuse a network section that names no network, or an option or value that the network does not take.

    Raises:
        UserError: names `where`, the key, what was found and what is known or expected.
    """
    rest = dict(options)
    name = rest.pop("name", None)
    if name not in networks():
        raise UserError(f"{where}.name: no network {unknown(name, networks())}.")
    model = networks()[name][1]
    try:
        model(**rest)
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        key = str(item["loc"][0])
        if item["type"] == "extra_forbidden":
            raise UserError(f"{where}: {name} has no option {unknown(key, model.model_fields)}.") from None
        expected = item["msg"].removeprefix("Input should be ")
        raise UserError(f"{where}.{key}: found {item['input']!r}, expected {expected}.") from None


def build(options: Mapping[str, Any], classes: int) -> nn.Module:
    """Build the network that a network section describes, for so many classes."""
    check(options, "network")
    rest = dict(options)
    name = rest.pop("name")
    module = importlib.import_module(networks()[name][0])
    built: nn.Module = getattr(module, name)(classes=classes, **rest)
    return built


def _options(node: ast.FunctionDef) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if argument.arg == "classes":
            continue
        if argument.annotation is None or default is None:
            raise TypeError(f"{node.name}: the option {argument.arg} needs an annotation and a default")
        kind = eval(ast.unparse(argument.annotation), {"Literal": Literal, "Annotated": Annotated, "Field": Field})
        fields[argument.arg] = (kind, ast.literal_eval(default))
    return create_model(node.name, __config__=ConfigDict(extra="forbid", strict=True), **fields)
