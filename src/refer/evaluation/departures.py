"""What a run changed of its paper's method: the paper's file as it is, against the record of what ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from pydantic import BaseModel

from refer.networks import catalog
from refer.papers import merged
from refer.spec import Paper, Recipe
from refer.validation import validated

NETWORK, WEIGHTS, EPOCHS, SIZE, RECIPE = "network", "weights", "epochs", "image size", "recipe"
KINDS = (NETWORK, WEIGHTS, EPOCHS, SIZE, RECIPE)
OWN = "compact*"
"""ReFER's small networks: no paper used them, even where a file offers one as an option."""


class Departure(NamedTuple):
    """One thing in which a run departs from its paper: `what`, as the `paper` has it and as the `run` had it."""

    what: str
    paper: str
    run: str


def departures(paper: Paper, run: Mapping[str, Any], parents: Sequence[Mapping[str, Any]] = ()) -> list[Departure]:
    """Return in what a run departs from its paper: at most one entry of each of KINDS, in that order.

    Args:
        paper: the paper as its file says, without a configuration's choices and overrides.
        run: the content of its run.json.
        parents: those of the runs whose networks it began with or tested; what they depart in counts too.

    Another option of an ambiguity is a reading of the paper, which does not say, and no departure; one of ReFER's own
    small networks is one.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for record in (run, *parents):
        for what, key, wanted, given in _changes(paper, record):
            entry = (key, _text(wanted), _text(given))
            if entry not in found.setdefault(what, []):
                found[what].append(entry)
    return [Departure(what, *_sides(found[what])) for what in KINDS if what in found]


def _changes(paper: Paper, record: Mapping[str, Any]) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield kind, key, value by the paper and value of the run, of all that differs."""
    spec, method = paper.under(record["protocol"]), record["method"]
    chosen = spec.methods[method]
    where = f"{paper.id}: methods.{method}"
    network = {**spec.network, **chosen.network}
    recipe = validated(Recipe, merged(spec.recipe.model_dump(mode="json"), chosen.recipe), f"{where}.recipe")
    ran = Recipe.from_dict(record["recipe"], f"{where}: the recipe of its run")
    sections = {
        "network": (_network(network), _network(record["network"])),
        "recipe": (_recipe(recipe, network), _recipe(ran, record["network"])),
    }
    options = list(_options(paper))
    for section, sides in sections.items():
        wanted, given = (dict(_leaves(side)) for side in sides)
        for key in [*wanted, *(key for key in given if key not in wanted)]:
            here, there = wanted.get(key), given.get(key)
            if here == there:
                continue
            places = (f"{section}.{key}", f"methods.{method}.{section}.{key}")
            if not fnmatchcase(str(there), OWN) and any(
                value == there and any(fnmatchcase(place, pattern) for place in places) for pattern, value in options
            ):
                continue
            yield _kind(section, key), key, here, there


def _network(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network section with what it leaves to the network's defaults."""
    plain = catalog.canonical(options)
    known = catalog.networks()[plain["name"]].options.model_fields
    return {key: field.default for key, field in known.items() if not field.is_required()} | plain


def _recipe(recipe: Recipe, network: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe without the keys that act on nothing in this run, or say only how it is computed here."""
    idle = {
        "precision": True,
        "mixed_labels": not recipe.structure,
        "test_batch": not catalog.reads_batch(network),
        "test_order": not catalog.reads_batch(network),
    }
    return {key: value for key, value in _plain(recipe).items() if not idle.get(key)}


def _plain(value: Any) -> Any:
    """Return a model as nested mappings, its defaults among them, however it is written to a file."""
    if isinstance(value, BaseModel):
        return {key: _plain(getattr(value, key)) for key in type(value).model_fields}
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    return value


def _kind(section: str, key: str) -> str:
    if section == "network":
        return WEIGHTS if key == "weights" else NETWORK
    return {"epochs": EPOCHS, "image_size": SIZE}.get(key, RECIPE)


def _options(paper: Paper) -> Iterator[tuple[str, Any]]:
    """Yield every key (which may hold `*`) and value that some option of an ambiguity sets."""
    for ambiguity in paper.ambiguities.values():
        for option in ambiguity.options.values():
            yield from _leaves(option)


def _leaves(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            yield from _leaves(inner, f"{above}{key}.")
        else:
            yield f"{above}{key}", inner


def _sides(entries: Sequence[tuple[str, str, str]]) -> tuple[str, str]:
    """Return both sides in words: the value alone where one key differs, else each with its key."""
    if len(entries) == 1:
        return entries[0][1:]
    paper, run = (", ".join(f"{entry[0]} = {entry[side]}" for entry in entries) for side in (1, 2))
    return paper, run


def _text(value: Any) -> str:
    return "not set" if value is None else f"{value}"
