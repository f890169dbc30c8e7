"""How a data set is to be divided, as data: what a paper's file says and refer.datasets.split_assignment does.

Imports nothing but the standard library, because the workflow is planned with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from refer.errors import UserError


@dataclass(frozen=True)
class Scheme:
    """A division into parts, one of them called `train`. One of `parts`, `shares` and `folds` says how.

    `parts`: part → the owner's split.
    `shares`: part → its share of each class, drawn at random.
    `folds`: how many; the people are shared out among them as evenly as can be, and in each fold those of one are
    the part `test`.

    `validation` names one more part taken out of `train`: with `parts`, `share` of each class of it; with `folds`,
    the people who are tested in the next fold. `levels` are the image levels that are used, None all. `seed`
    decides whatever is drawn at random.
    """

    parts: Mapping[str, str] | None = None
    shares: Mapping[str, float] | None = None
    folds: int | None = None
    validation: str | None = None
    share: float | None = None
    levels: tuple[int, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = [key for key in ("parts", "shares", "folds") if getattr(self, key) is not None]
        if len(given) != 1:
            raise UserError(
                f"One of parts, shares and folds must say how to divide; found {', '.join(given) or 'none'}."
            )
        if "train" not in self.names:
            raise UserError(f"One part must be called 'train'; the parts are {', '.join(self.names)}.")
        if self.shares is not None and (abs(sum(self.shares.values()) - 1) > 1e-6 or min(self.shares.values()) <= 0):
            raise UserError(f"The shares must be above 0 and sum to 1; found {dict(self.shares)}.")
        if self.validation is not None and self.shares is not None:
            raise UserError("Shares name their validation part themselves; remove `validation`.")
        if len(set(self.names)) < len(self.names):
            raise UserError(f"Each part needs a name of its own; found {', '.join(self.names)}.")
        if (self.share is not None) != (self.validation is not None and self.parts is not None):
            raise UserError("`share` says how much of the owner's training split becomes the part `validation`.")
        if self.share is not None and not 0 < self.share < 1:
            raise UserError(f"The share of the validation part must lie between 0 and 1; found {self.share:g}.")
        if self.folds is not None and self.folds < (2 if self.validation is None else 3):
            raise UserError(f"{self.folds} folds leave nobody to train on.")

    @property
    def names(self) -> list[str]:
        """The parts, in order: what is learnt from, what is selected on, what is tested."""
        parts = ["train", "test"] if self.folds is not None else [*(self.parts or self.shares or {})]
        if self.validation is not None:
            parts.insert(parts.index("train") + 1 if "train" in parts else 0, self.validation)
        return parts

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, in a fixed order."""
        plain = {key: dict(value) if isinstance(value, Mapping) else value for key, value in self.__dict__.items()}
        return plain | {"levels": None if self.levels is None else list(self.levels)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Scheme:
        """The inverse of `as_dict`."""
        levels = value.get("levels")
        return cls(**{**value, "levels": None if levels is None else tuple(levels)})
