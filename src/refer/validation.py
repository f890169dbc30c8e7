"""Pydantic's complaints as lines that a person can act on: where, which key, what was found and expected."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ValidationError

from refer.errors import UserError, unknown

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], value: Any, where: str) -> Model:
    """Return `value` as `model`.

    Raises:
        UserError: pydantic's first complaints, as lines of `where`, key, what was found and what was expected.
    """
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
