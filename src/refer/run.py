"""One run: a cell of a paper's table, with everything that decides its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from refer.errors import UserError
from refer.recipe import Recipe


@dataclass(frozen=True)
class Run:
    """One cell: paper × data set × protocol × method × seed (× fold), with everything that decides its outcome.

    `evaluated` are the parts that are predicted, the test set last. `inputs` are the modalities that its network
    reads. `starts_from` maps branches of the network to the methods whose runs of the same cell they begin with;
    `tests` names the method whose network is tested, untrained. `rate_by` is the part whose accuracy the schedule
    `cosine-accuracy` takes, where it is not the one that chooses the epoch.
    """

    paper: str
    dataset: str
    data: str
    protocol: str
    method: str
    seed: int
    stand_in: bool
    network: dict[str, Any]
    recipe: Recipe
    evaluated: tuple[str, ...]
    select: str
    fold: int | None = None
    inputs: tuple[str, ...] = ("visible",)
    starts_from: dict[str, str] = field(default_factory=dict)
    tests: str | None = None
    rate_by: str | None = None

    @property
    def parents(self) -> dict[str, str]:
        """Branch of its network, or `network` for all of it → the method whose run of this cell it needs."""
        return dict(self.starts_from) if self.tests is None else {"network": self.tests}

    @property
    def test(self) -> str:
        """The part that is the test set."""
        return self.evaluated[-1]

    @property
    def path(self) -> str:
        """The run's folder below results/<preset>/runs/."""
        return f"{self.paper}/{self.data}/{self.protocol}/{self.method}/{repeat(self.seed, self.fold)}"

    def path_of(self, method: str) -> str:
        """The folder of another method's run of the same cell."""
        return f"{self.paper}/{self.data}/{self.protocol}/{method}/{repeat(self.seed, self.fold)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, in a fixed order; Snakemake compares it to see whether a run is out of date."""
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        plain = {**self.__dict__, "recipe": self.recipe.as_dict(), **lists}
        return {key: value for key, value in plain.items() if key not in ("tests", "rate_by") or value is not None}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Run:
        """The inverse of `as_dict`.

        Raises:
            UserError: another version of this library wrote it.
        """
        unknown_keys = sorted(set(value) - {each.name for each in fields(cls)})
        if unknown_keys:
            raise UserError(f"A run with {', '.join(unknown_keys)} is of another version of refer: train it again.")
        lists = {name: tuple(value[name]) for name in _LISTS if name in value}
        recipe = Recipe.from_dict(value["recipe"], "a run's recipe")
        return cls(**{**value, "recipe": recipe, **lists})


Cell = tuple[str, str, str, str, int, int | None]
"""Paper, data set, protocol, method, seed, fold."""
_LISTS = ("evaluated", "inputs")


def repeat(seed: int, fold: int | None = None) -> str:
    """Name one repetition of a method: `seed0`, or `seed0-fold3` where subjects are left out fold by fold."""
    return f"seed{seed}" if fold is None else f"seed{seed}-fold{fold}"
