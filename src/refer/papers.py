"""Papers read from their files: the choices for their ambiguities applied, then a configuration's overrides.

Whatever is wrong ends in a `UserError` that names the file, the key, what was found there and what was
expected, before any job starts.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from typing import Any

from refer import yaml
from refer.acting import Method, without_effect
from refer.errors import UserError, refuse_unknown, unknown
from refer.networks import catalog
from refer.networks.maps import check_backbones, check_grid
from refer.spec import Paper, Recipe
from refer.validation import validated

_NOTHING = object()
"""Equal to no value of a file."""
TEST_BATCH = ("test_batch", "test_order")
"""Keys of a recipe that act only where predictions depend on the other images of a batch."""


class ContradictionError(UserError):
    """Two options were chosen that set a key differently."""


def load_paper(
    path: str | Path,
    choices: Mapping[str, Any] | None = None,
    override: Mapping[str, Any] | None = None,
    also: Sequence[Mapping[str, Any]] = (),
) -> Paper:
    """Read a paper, take the options that `choices` names for its ambiguities, then apply `override`.

    Args:
        path: the paper's YAML file.
        choices: ambiguity → option; the file's own choice where it says nothing.
        override: dotted key of the file → value, e.g. `{"recipe.epochs": 5}`.
        also: options of a network with which methods run, too, as the section `batch_tokens` has them.

    Raises:
        UserError: the file, a choice or an override is wrong, or changes nothing; it names file, key, what was
            found and expected.
    """
    paper = resolved_paper(yaml.read(path), path, choices, override, also)
    assert paper.as_filed is not None  # what the file says is checked by itself, too
    return paper


def resolved_paper(
    raw: Mapping[str, Any],
    path: str | Path,
    choices: Mapping[str, Any] | None = None,
    override: Mapping[str, Any] | None = None,
    also: Sequence[Mapping[str, Any]] = (),
) -> Paper:
    """Return a paper from what its file holds; see `load_paper`. `raw` stays as it is."""
    content = raw
    paper = validated(Paper, raw, str(path))
    if paper.id != Path(path).stem:
        raise UserError(f"{path}: id: found {paper.id!r}, expected the file's name, {Path(path).stem!r}.")
    for name, option in (choices or {}).items():
        refuse_unknown(f"{path}", "ambiguity", [name], paper.ambiguities)
        refuse_unknown(f"{path}: ambiguity {name}", "option", [str(option)], paper.ambiguities[name].options)
    chosen = {name: str(option) for name, option in (choices or {}).items()}
    as_filed = _resolved(raw, paper, {}, path)
    raw = _resolved(raw, paper, chosen, path)
    for name, option in chosen.items():
        if clash := _unmet(raw, paper.ambiguities[name].options[option], _refined(raw, paper, chosen, name)):
            found = f"ambiguity {name}={option} contradicts another choice, which sets {clash}"
            raise ContradictionError(f"{path}: {found}.")
    before = copy.deepcopy(raw)
    _apply(raw, override or {}, f"{path}, overridden")
    paper = _checked(raw, path)
    for section in ("data", "protocols", "network", "recipe", "methods", "reported"):
        paper._departures.update(_changes(as_filed[section], raw[section], section))
    for name, ambiguity in paper.ambiguities.items():
        if (filed := str(as_filed["ambiguities"][name]["choice"])) != ambiguity.choice:
            paper._filed[name] = filed
        if changed := _unmet(raw, ambiguity.options[ambiguity.choice]):
            paper._overruled[name] = changed
    contents = [raw]
    for key, protocol in paper.protocols.items():
        if protocol.changes:
            variant = copy.deepcopy(before)
            _apply(variant, protocol.changes, f"{path}: protocols.{key}.changes")
            _apply(variant, override or {}, f"{path}, overridden")
            paper._variants[key] = _checked(variant, path)
            contents.append(variant)
    for ambiguous, option in chosen.items():
        if option != str(content["ambiguities"][ambiguous]["choice"]):
            where = f"{path}: ambiguity {ambiguous}={option}"
            _refuse_idle_option(paper.ambiguities[ambiguous].options[option], contents, also, where)
    asked = override or ({} if choices else _settings(content))
    for dotted, place, value, beside in _idle(asked, contents, also):
        if beside:
            where = f"{path}, overridden: {dotted}" if override else f"{path}: {dotted}"
            raise UserError(f"{where}: {place} = {value!r} changes nothing: it acts with {beside}. Leave it out.")
    if choices or override:
        paper._filer = cache(partial(resolved_paper, content, path))
    return paper


def _checked(raw: Mapping[str, Any], path: str | Path) -> Paper:
    """Return the paper, with the network and recipe of each method checked."""
    paper = validated(Paper, raw, str(path))
    for name, method in paper.methods.items():
        where = f"{path}: methods.{name}"
        catalog.check({**paper.network, **method.network}, f"{where}.network")
        recipe = validated(Recipe, merged(paper.recipe.model_dump(mode="json"), method.recipe), f"{where}.recipe")
        if recipe.compose is not None and len(catalog.modalities({**paper.network, **method.network})) > 1:
            raise UserError(f"{where}.recipe.compose: its network reads two cameras, and faces are composed for one.")
        check_backbones({**paper.network, **method.network}, recipe.image_size, where)
        check_grid({**paper.network, **method.network}, recipe.image_size, where)
        _refuse_test_batch(method.recipe, [str({**paper.network, **method.network}["name"])], f"{where}.recipe")
    own = {key: value for key, value in raw["recipe"].items() if key in TEST_BATCH}
    names = [str({**paper.network, **method.network}["name"]) for method in paper.methods.values()]
    _refuse_test_batch(own, names, f"{path}: recipe")
    return paper


def _refuse_test_batch(recipe: Mapping[str, Any], networks: Sequence[str], where: str) -> None:
    """Refuse the keys that say in which batches images are tested, where no network asks for that."""
    for key in TEST_BATCH:
        asked = recipe.get(key, Recipe.model_fields[key].default) != Recipe.model_fields[key].default
        if asked and not any(map(catalog.can_read_batch, networks)):
            who = networks[0] if len(networks) == 1 else "every network of this paper"
            raise UserError(
                f"{where}.{key}: {who} predicts each image by itself, whatever stands beside it in a batch; "
                "leave the key out."
            )


def _settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a paper's content that say how networks are made and trained, by their dotted keys."""
    sections = [("", content), *((f"methods.{name}.", each) for name, each in content["methods"].items())]
    return {f"{start}{key}": each[key] for start, each in sections for key in ("network", "recipe") if key in each}


def _methods(
    contents: Iterable[Mapping[str, Any]], also: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, Any], Method]]:
    """Every method of a paper, checked before, also with each of `also`: its name, what is its own, how it runs."""
    for content in contents:
        chosen = [each["select"] for each in content["protocols"].values()]
        chosen += [part for each in content["data"].values() for part in each.get("select", {}).values()]
        selects = set(chosen) != {"last"}
        for name, own in content["methods"].items():
            recipe = Recipe.model_validate(merged(content["recipe"], own.get("recipe", {})))
            network = {**content["network"], **own.get("network", {})}
            for each in ({}, *also):
                yield name, own, Method({**network, **each}, recipe, own.get("tests") is not None, selects)


def _idle(
    asked: Mapping[str, Any], contents: Sequence[Mapping[str, Any]], also: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, str, Any, str | None]]:
    """Of all values that are asked for of networks and recipes: dotted key, key, value, and beside what it would act.

    The last is None where it acts: in one method of those that the dotted key is about, under one protocol.
    """
    methods = list(_methods(contents, also))
    for dotted, value in asked.items():
        told: dict[str, tuple[Any, set[str]]] = {}
        for place in _spelt_out(contents[0], dotted, ""):
            for leaf, each, _ in _leaves(value, _NOTHING, place):
                owner, _, own = leaf.partition(".")[2].partition(".") if leaf.startswith("methods.") else ("", "", leaf)
                told.setdefault(own, (each, set()))[1].add(owner)
        for key, (each, owners) in told.items():
            if key.startswith(("network.", "recipe.")):
                having = [
                    how for name, own, how in methods if name in owners or (owners == {""} and not _has(own, key))
                ]
                beside = without_effect(key, each, having) if having else "methods that do not set their own"
                yield dotted, key, each, beside


def _has(own: Mapping[str, Any], key: str) -> bool:
    """Whether a method sets a dotted key itself."""
    section: Any = own
    for step in key.split("."):
        section = _at(section, step)
    return section is not None


def _refuse_idle_option(
    option: Mapping[str, Any], contents: Sequence[Mapping[str, Any]], also: Iterable[Mapping[str, Any]], where: str
) -> None:
    """Refuse an option all of whose values change nothing."""
    found = [(key, beside) for _, key, _, beside in _idle(option, contents, also)]
    if found and all(beside for _, beside in found):
        raise ContradictionError(f"{where} changes nothing: {found[0][0]} acts with {found[0][1]}.")


def with_parents(methods: list[str], paper: Paper) -> list[str]:
    """The methods with those whose trained networks they begin with or test, these first."""
    found: dict[str, None] = {}
    for method in methods:
        for parent in with_parents(list(paper.methods[method].parents.values()), paper):
            found.setdefault(parent)
        found.setdefault(method)
    return list(found)


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `change` laid over it, mappings key by key."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _apply(target: dict[str, Any], changes: Mapping[str, Any], where: str) -> None:
    """Set dotted keys, see `_set`; `*` in a step stands for any letters of a name that is there."""
    for dotted, value in changes.items():
        for key in _spelt_out(target, dotted, where):
            _set(target, key, value, where)


def _spelt_out(target: Any, dotted: str, where: str) -> list[str]:
    """Return the keys that a dotted key with `*` in its steps stands for."""
    found: list[tuple[str, Any]] = [("", target)]
    for step in dotted.split("."):
        if "*" in step:
            found = [
                (f"{key}.{name}", inner)
                for key, section in found
                if isinstance(section, dict)
                for name, inner in section.items()
                if fnmatchcase(str(name), step)
            ]
            if not found:
                raise UserError(f"{where}: {dotted}: nothing is named {step}.")
        else:
            found = [(f"{key}.{step}", _at(section, step)) for key, section in found]
    return [key[1:] for key, _ in found]


def _set(target: dict[str, Any], dotted: str, value: Any, where: str) -> None:
    """Set a dotted key whose parents must exist; a wrong last key is found when the whole is validated."""
    *parents, last = dotted.split(".")
    section: Any = target
    for number, parent in enumerate(parents):
        inner = _at(section, parent)
        if inner is None and parents[0] == "methods" and number == 2 and isinstance(section, dict):
            inner = section[parent] = {}  # a method need not have the section in which an option stands
        if not isinstance(inner, dict | list):
            known = section if isinstance(section, dict) else range(len(section))
            raise UserError(f"{where}: {dotted}: no section {unknown(parent, map(str, known))}.")
        section = inner
    if isinstance(section, list):
        raise UserError(f"{where}: {dotted}: a key must follow the number of a list's entry.")
    old = section.get(last)
    section[last] = merged(old, value) if isinstance(value, dict) and isinstance(old, dict) else value


def _resolved(raw: Mapping[str, Any], paper: Paper, chosen: Mapping[str, str], path: str | Path) -> dict[str, Any]:
    """A paper's raw content with its ambiguities applied: the file's choices first, for `chosen` ones go before.

    Of either, those that follow another come after it.
    """
    result = copy.deepcopy(dict(raw))
    for explicit, following in ((False, False), (False, True), (True, False), (True, True)):
        for name, ambiguity in paper.ambiguities.items():
            if (explicit, following) != (name in chosen, ambiguity.follows is not None):
                continue
            option = chosen.get(name, ambiguity.choice)
            result["ambiguities"][name]["choice"] = option
            _apply(result, ambiguity.options[option], f"{path}: ambiguities.{name}.options.{option}")
    return result


def unmet(raw: Mapping[str, Any], option: Mapping[str, Any]) -> dict[str, Any]:
    """Which keys of an option have another value in a paper's content: key → the value there."""
    wanted: dict[str, Any] = {}
    for key, value in ((key, value) for dotted, value in option.items() for key in _spelt_out(raw, dotted, "")):
        *parents, last = key.split(".")
        section = wanted
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return {key: found for key, _, found in _leaves(wanted, raw)}


def _unmet(raw: Mapping[str, Any], option: Mapping[str, Any], but: Collection[str] = ()) -> str:
    """The same as `key = value, …`, without the keys in `but`; empty if all are met."""
    return ", ".join(f"{key} = {found}" for key, found in unmet(raw, option).items() if key not in but)


def _refined(raw: Mapping[str, Any], paper: Paper, chosen: Mapping[str, str], name: str) -> set[str]:
    """The keys that chosen options of ambiguities which follow `name` set."""
    options = [
        paper.ambiguities[each].options[option]
        for each, option in chosen.items()
        if paper.ambiguities[each].follows == name
    ]
    return {key for option in options for dotted, value in option.items() for key in _set_by(raw, dotted, value)}


def _set_by(raw: Mapping[str, Any], dotted: str, value: Any) -> Iterator[str]:
    """The full keys of the values that a dotted key with its value sets."""
    for key in _spelt_out(raw, dotted, ""):
        yield from (place for place, _, _ in _leaves(value, _NOTHING, key))


def _changes(before: Any, after: Any, key: str) -> Iterator[tuple[str, str]]:
    """What differs at and below a key, as (dotted key, `new (was: old)`)."""
    for place, new, old in _leaves(after, before, key):
        yield place, f"{new}" if old is None else f"{new} (was: {old})"


def _leaves(one: Any, other: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The values of `one` that differ from those at the same place of `other`: (dotted key, of one, of other)."""
    if isinstance(one, dict) or (isinstance(one, list) and isinstance(other, list) and len(one) == len(other)):
        for name, value in one.items() if isinstance(one, dict) else enumerate(one):
            yield from _leaves(value, _at(other, name), f"{key}.{name}" if key else str(name))
    elif one != other:
        yield key, one, other


def _at(value: Any, step: str | int) -> Any:
    """The entry of a mapping or list, None where there is none."""
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and str(step).isdecimal() and int(step) < len(value):
        return value[int(step)]
    return None
