"""YAML read safely: no tags that build objects, no key given twice, errors that name the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from refer.errors import UserError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, which keeps the last of two equal keys silently, made to refuse them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | None):
                raise yaml.constructor.ConstructorError(None, None, "a key must be one word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read(path: str | Path) -> dict[str, Any]:
    """Read the mapping in the YAML file `path`.

    Raises:
        UserError: there is no such file, it is not YAML, or it does not hold a mapping.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError(f"{where}: not valid YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}.") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a mapping of keys to values, found {type(value).__name__}.")
    return value


def scalar(text: str) -> Any:
    """Read one value as YAML would: `3` is a number, `true` a truth value, anything odd stays text."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value if isinstance(value, bool | int | float | str) else text
