"""What is compared with what in the table of sensitivity: a method as it is, and with one option switched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from refer.cells import Cells
from refer.configuration import Reproduction, Where, folds_of, named
from refer.papers import unmet, with_parents
from refer.run import Cell
from refer.spec import Paper
from refer.variants import State, Variant


@dataclass(frozen=True)
class Switch:
    """One comparison: a method of a paper on a data set under a protocol, as it is and with another option.

    `seeds` and `folds` are those of both; `reason` says why it is not run, or what of the option is not what runs.
    """

    paper: str
    dataset: str
    data: str
    protocol: str
    method: str
    ambiguity: str
    default: str
    option: str
    variant: str
    seeds: tuple[int, ...]
    folds: tuple[int | None, ...]
    state: State
    reason: str = ""


def switches(cells: Cells) -> list[Switch]:
    """Every comparison that the configuration asks for, run or not, in its order."""
    found = []
    for variant in cells.variants.values():
        name = variant.paper
        wanted, reproduced, spec = cells.config.sensitivity[name], cells.config.reproduce[name], cells.papers[name]
        own = [dataset for dataset in spec.data if dataset not in cells.borrowed.get(name, ())]
        where = wanted.where.get(variant.ambiguity, Where())
        methods = where.methods or named(wanted.methods, named(reproduced.methods, spec.methods))
        for dataset in where.data or named(wanted.data, named(reproduced.data, own)):
            folds = folds_of(spec.data[dataset], reproduced.folds if isinstance(wanted.folds, str) else wanted.folds)
            for protocol in wanted.protocols:
                seeds = tuple(reproduced.seeds_under(protocol) if isinstance(wanted.seeds, str) else wanted.seeds)
                for method in (method for method in methods if cells.fits(name, method, dataset)):
                    state, reason = _state(cells, variant, dataset, protocol, method)
                    found.append(
                        Switch(name, dataset, cells.data(dataset), protocol, method, variant.ambiguity, variant.default,
                               variant.option, variant.id, seeds, tuple(folds), state, reason)
                    )  # fmt: skip
    return found


def compared(cells: Cells, switches: Iterable[Switch]) -> Iterator[Cell]:
    """The cells that the comparisons need, of papers and of variants, each after those that it begins with."""
    for switch in switches:
        if switch.state != "run":
            continue
        reproduced = cells.config.reproduce[switch.paper]
        for name in (switch.paper, switch.variant):
            spec = cells.paper(name).under(switch.protocol)
            for method in with_parents([switch.method], spec):
                home = cells.home(name, switch.dataset, switch.protocol, method)
                whole = home == switch.paper and _is_reproduced(reproduced, switch)
                folds = folds_of(spec.data[switch.dataset], reproduced.folds) if whole else switch.folds
                for seed in switch.seeds:
                    for fold in folds:
                        yield home, switch.dataset, switch.protocol, method, seed, fold


def switched(switches: Iterable[Switch]) -> Iterator[Cell]:
    """The cells whose accuracies are compared: of each comparison that is run, as it is and with the option."""
    for each in switches:
        if each.state == "run":
            for name in (each.paper, each.variant):
                for seed in each.seeds:
                    for fold in each.folds:
                        yield name, each.dataset, each.protocol, each.method, seed, fold


def _is_reproduced(reproduced: Reproduction, switch: Switch) -> bool:
    """Whether a paper's own table has such cells: then each of its methods needs the same folds."""
    named = isinstance(reproduced.data, str) or switch.dataset in reproduced.data
    return named and switch.protocol in reproduced.protocols


def _state(cells: Cells, variant: Variant, dataset: str, protocol: str, method: str) -> tuple[State, str]:
    """Return whether an option is run with a method, and why not."""
    if variant.spec is None:
        return variant.state, variant.reason
    if not cells.fits(variant.id, method, dataset):
        return "left out", f"{dataset} lacks images that it needs"
    base, changed = cells.papers[variant.paper], variant.spec
    methods = with_parents([method], base.under(protocol)) + with_parents([method], changed.under(protocol))
    options = base.ambiguities[variant.ambiguity].options
    override = cells.config.reproduce[variant.paper].override
    told = [
        _overruled(spec, options[option], override, (protocol, dataset, methods))
        for spec, option in ((base, variant.default), (changed, variant.option))
    ]
    overruled = told[1] or told[0]
    if cells.home(variant.id, dataset, protocol, method) == variant.id:
        return "run", overruled
    return ("overruled", overruled) if overruled else ("same", "changes nothing of it")


def _overruled(
    spec: Paper, option: Mapping[str, Any], override: Mapping[str, Any], cell: tuple[str, str, list[str]]
) -> str:
    """Return what sets the keys of an option otherwise, as far as it matters to a protocol, data set and methods."""
    protocol, dataset, methods = cell
    own = unmet(spec.model_dump(mode="json"), option)
    under = unmet(spec.under(protocol).model_dump(mode="json"), option)
    told: dict[str, list[str]] = {}
    for key, value in {**own, **under}.items():
        section, name, *_ = [*key.split("."), ""]
        here = {"methods": methods, "protocols": [protocol], "data": [dataset]}.get(section, [name])
        if name in here:
            elsewhere = "another choice" if key in own else f"the {protocol} protocol"
            who = "override" if any(_sets(*each, key) for each in override.items()) else elsewhere
            told.setdefault(who, []).append(f"{key} = {value}")
    return "; ".join(f"{who} sets {', '.join(keys)}" for who, keys in told.items())


def _sets(dotted: str, value: Any, key: str) -> bool:
    """Whether an override's dotted key, which may hold `*`, with its value sets a key."""
    steps, place = dotted.split("."), key.split(".")
    if len(steps) > len(place) or not all(map(fnmatchcase, place, steps)):
        return False
    for step in place[len(steps) :]:
        if not isinstance(value, dict):
            return True
        if step not in value:
            return False
        value = value[step]
    return True
