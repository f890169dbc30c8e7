"""A trained network outside the workflow: an ONNX file of it, and faces in images, films and cameras (docs/live.md)."""

from importlib import import_module
from typing import Any

from refer.errors import UserError


def optional(module: str, extra: str) -> Any:
    """Import a module of an optional package.

    Raises:
        UserError: it is not installed; `extra` of pyproject.toml has it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"{module} is not installed here ({error}); `make install` brings it, or: pip install 'refer[{extra}]'"
        ) from None
