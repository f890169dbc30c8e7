"""What all sections of papers and configurations are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]
"""A word that becomes part of a path: lower-case letters, digits, `-` and `_`."""


class Strict(BaseModel):
    """A model that refuses keys which it does not know, and numbers given as text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def later(default: Any, **about: Any) -> Any:
    """A field that the first released results did not know: a dump leaves it out where it has its default.

    So what identifies a run that does not use the field is what it was before there was one.
    """
    return Field(default, exclude_if=lambda value: value == default, **about)
