"""The data sets that are known: each file of readers/ that declares one, and those that a configuration declares."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from refer.datasets import readers
from refer.datasets.model import Dataset
from refer.errors import UserError


def declared() -> dict[str, Dataset]:
    """Return the data sets that the files of readers/ declare, by name, the largest first.

    Raises:
        ValueError: two files declare data sets of one name.
    """
    found: dict[str, Dataset] = {}
    for module in iter_modules(readers.__path__):
        for value in vars(import_module(f"{readers.__name__}.{module.name}")).values():
            if isinstance(value, Dataset) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"readers/{module.name}.py: another file declares the data set {value.name!r}, too")
    return dict(sorted(found.items(), key=lambda item: (-item[1].images, item[0])))


READ = declared()
"""Those of readers/."""
DATASETS = dict(READ)
"""All of them, those of the configuration that was read last (refer.declared) behind the others."""


def add(own: Mapping[str, Dataset]) -> None:
    """Make a configuration's own data sets known, in place of those of another configuration."""
    for name in [name for name in DATASETS if name not in READ]:
        del DATASETS[name]
    DATASETS.update(own)


def dataset(name: str) -> Dataset:
    """Return the data set called `name`.

    Raises:
        UserError: no data set has this name; the message lists those that exist.
    """
    if name not in DATASETS:
        raise UserError(f"There is no data set {name!r}. Known: {', '.join(sorted(DATASETS))}.")
    return DATASETS[name]
