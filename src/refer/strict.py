"""What all sections of papers and configurations are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)]
"""A word that becomes part of a path: lower-case letters, digits, `-` and `_`."""


class Strict(BaseModel):
    """A model that refuses keys which it does not know, and numbers given as text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
