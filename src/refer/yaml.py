"""YAML read safely: no tags that build objects, no key given twice, errors that name the line, and bounds.

A few hundred bytes of YAML may stand for more values than any memory holds (aliases of aliases), or be nested deeper
than Python's stack. What a person writes for this project is far below the bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from refer.errors import UserError

BYTES = 4 << 20
"""Of a file."""
VALUES = 50_000
"""In a file, each alias counted with all that it stands for."""
DEPTH = 40
"""Sections within sections."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, made to refuse equal keys (it keeps the last silently) and what is out of bounds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0
        self._sizes: dict[str | None, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()
        alias = isinstance(event, yaml.AliasEvent)
        if alias and event.anchor in self.anchors and event.anchor not in self._sizes:
            raise yaml.composer.ComposerError(None, None, f"*{event.anchor} stands within itself", event.start_mark)
        before = self._values
        self._values += self._sizes.get(event.anchor, 1) if alias else 1
        if self._values > VALUES:
            raise yaml.composer.ComposerError(
                None, None, f"more than {VALUES:,} values, aliases spelt out", event.start_mark
            )
        if self._depth == DEPTH:
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEPTH} deep", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not alias and event.anchor:
            self._sizes[event.anchor] = self._values - before
        return node

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

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        with _explained(node):
            return super().construct_object(node, deep)

    def construct_document(self, node: yaml.Node) -> Any:
        with _explained(node):
            return super().construct_document(node)


@contextmanager
def _explained(node: yaml.Node) -> Iterator[None]:
    """Name the place of what PyYAML lets through: what Python says of a month 13, 5,000 digits, or `!!int x`."""
    try:
        yield
    except (ValueError, OverflowError, TypeError, AttributeError, LookupError) as error:
        raise yaml.constructor.ConstructorError(
            None, None, f"no such value can be read ({str(error)[:80]})", node.start_mark
        ) from None


def read(path: str | Path) -> dict[str, Any]:
    """Read the mapping in the YAML file `path`.

    Raises:
        UserError: there is no such file, it is not YAML, it is out of bounds, or it does not hold a mapping.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            content = handle.read(BYTES + 1)
        if len(content) > BYTES:
            raise UserError(f"{path}: larger than {BYTES:,} bytes; expected a configuration, a paper or the like.")
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    try:
        value = yaml.load(text, Loader=_Loader)  # nosec B506  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError(f"{where}: not valid YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a mapping of keys to values, found {type(value).__name__}.")
    return value


def scalar(text: str) -> Any:
    """Read one value as YAML would: `3` is a number, `true` a truth value, anything odd stays text."""
    try:
        value = yaml.load(text, Loader=_Loader)  # nosec B506  # a SafeLoader
    except yaml.YAMLError:
        return text
    return value if isinstance(value, bool | int | float | str) else text
