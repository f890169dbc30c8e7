"""Pydantic's complaints as lines that a person can act on: where, which key, what was found and expected."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ValidationError

from refer.errors import UserError, unknown

Model = TypeVar("Model", bound=BaseModel)
SCALARS = ("str", "int", "float", "bool")


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
        complaints = [_complaint(model, path, those) for path, those in _by_place(items)]
        lines = list(dict.fromkeys(f"{where}: {complaint}" for complaint in complaints))
        more = [f"{where}: … and {len(lines) - 3} more."] if len(lines) > 3 else []
        raise UserError("\n".join(lines[:3] + more)) from None


def _by_place(items: list[Any]) -> list[tuple[tuple[str | int, ...], list[Any]]]:
    """Errors by the place in the file that they are of.

    Of a value that may be of several kinds each kind complains, and names itself in the path: those count that got
    furthest into the value, for they are of the kind that was meant.
    """
    values: dict[tuple[str | int, ...], dict[tuple[str | int, ...], list[Any]]] = {}
    for item in items:
        loc = tuple(part for part in item["loc"] if part != "[key]")
        # Of a key that is too many or missing, the last part is that key, however it is called.
        sure = len(loc) - (item["type"] in ("extra_forbidden", "missing"))
        kinds = [number for number, part in enumerate(loc[:sure]) if _is_kind(part, number == len(loc) - 1)]
        value = loc[: kinds[0]] if kinds else loc
        path = tuple(part for number, part in enumerate(loc) if number not in kinds)
        values.setdefault(value, {}).setdefault(path, []).append(item)
    found = []
    for places in values.values():
        furthest = max(map(len, places))
        found += [(path, those) for path, those in places.items() if len(path) == furthest]
    return found


def _is_kind(part: str | int, last: bool) -> bool:
    """Whether a part of a path is no key but pydantic's name of a kind."""
    return isinstance(part, str) and ("[" in part or part.startswith("constrained-") or (last and part in SCALARS))


def _complaint(model: type[BaseModel], path: tuple[str | int, ...], errors: list[Any]) -> str:
    # A key may hold a line break, which a line about it must not.
    key, error = ".".join(str(part) if str(part).isprintable() else repr(part) for part in path), errors[0]
    found = error.get("input")
    match error["type"]:
        case "extra_forbidden":
            return f"{key}: no key {unknown(path[-1], _fields(model, list(path[:-1])))}."
        case "missing":
            return f"{key}: missing; expected a value here."
        case "value_error":
            return f"{key}: {error['ctx']['error']}." if key else f"{error['ctx']['error']}."
    kind = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false",
            "list": "a list", "dict": "a section", "NoneType": "nothing"}.get(type(found).__name__)  # fmt: skip
    shown = repr(found) if len(repr(found)) <= 60 else f"{repr(found)[:57]}…"
    expected = " or ".join(dict.fromkeys(map(_expected, errors)))
    return f"{key}: found {shown}{f' ({kind})' if kind else ''}, expected {expected}."


def _expected(error: Any) -> str:
    text: str = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return {"integer": "a whole number", "string": "text", "number": "a number", "dictionary": "a section",
            "list": "a list", "boolean": "true or false"}.get(text, text)  # fmt: skip


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
