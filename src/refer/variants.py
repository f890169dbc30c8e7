"""Papers with one option of one ambiguity switched, and what is compared with what: the sensitivity of a paper.

A variant has an id such as `tran2023+tokens-channels`, which stands where a paper's stands: in paths, in runs, in
scores. Only what an option really changes stands under it; all else is the paper's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from refer import yaml
from refer.configuration import Config, Reproduction, Sensitivity, Where, folds_of, named
from refer.errors import UserError, unknown
from refer.networks.maps import GridError
from refer.papers import ContradictionError, resolved_paper, unmet, with_parents
from refer.spec import Ambiguity, Paper

if TYPE_CHECKING:
    from refer.plan import Plan
    from refer.run import Cell

State = Literal["run", "same", "overruled", "contradicts", "left out"]
"""Whether an option is run with a method, or why not: it changes nothing of it, a configuration's `override` or a
protocol sets its keys, another choice that was made or the size of the images excludes it, or the configuration leaves
it out."""


@dataclass(frozen=True)
class Variant:
    """A paper with one option of one ambiguity switched; all others are as the configuration has them.

    `default` is the option that the paper is run with otherwise. `spec` is None for one that cannot be run, and then
    `state` and `reason` say why.
    """

    id: str
    paper: str
    ambiguity: str
    option: str
    default: str
    spec: Paper | None = None
    state: State = "run"
    reason: str = ""


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


def variant_id(paper: str, ambiguity: str, option: str) -> str:
    """Name a variant by what may stand in a path: `tran2023+saturation-0_1`."""
    return f"{paper}+{ambiguity}-{re.sub(r'[^a-z0-9_-]', '_', option.lower())}"


def load_variants(config: Config, papers: Mapping[str, Paper], where: str, folder: Path) -> dict[str, Variant]:
    """Read every variant that the section `sensitivity` asks for, by its id.

    Args:
        config: the checked configuration.
        papers: those that it reproduces, as they are run otherwise.
        where: the configuration's file, for messages.
        folder: of the papers' files.

    Raises:
        UserError: the section names something that is not there, or an option makes no valid paper.
    """
    found: dict[str, Variant] = {}
    for name, wanted in config.sensitivity.items():
        if name not in config.reproduce:
            raise UserError(f"{where}: sensitivity: no paper {unknown(name, config.reproduce)} under reproduce.")
        _check(wanted, config.reproduce[name], papers[name], f"{where}: sensitivity.{name}")
        path = folder / f"{name}.yaml"
        raw = yaml.read(path)
        for variant in _variants(wanted, papers[name]):
            if variant.id in found:
                other = found[variant.id]
                raise UserError(
                    f"{path}: {other.ambiguity}={other.option} and {variant.ambiguity}={variant.option} would both be "
                    f"called {variant.id}; name one of them otherwise."
                )
            found[variant.id] = variant if variant.reason else _loaded(variant, raw, path, config, where)
    return found


def switches(plan: Plan) -> list[Switch]:
    """Every comparison that the configuration asks for, run or not, in its order."""
    found = []
    for variant in plan.variants.values():
        name = variant.paper
        wanted, reproduced, spec = plan.config.sensitivity[name], plan.config.reproduce[name], plan.papers[name]
        own = [dataset for dataset in spec.data if dataset not in plan.borrowed.get(name, ())]
        where = wanted.where.get(variant.ambiguity, Where())
        methods = where.methods or named(wanted.methods, named(reproduced.methods, spec.methods))
        for dataset in where.data or named(wanted.data, named(reproduced.data, own)):
            folds = folds_of(spec.data[dataset], reproduced.folds if isinstance(wanted.folds, str) else wanted.folds)
            for protocol in wanted.protocols:
                seeds = tuple(reproduced.seeds_under(protocol) if isinstance(wanted.seeds, str) else wanted.seeds)
                for method in (method for method in methods if plan.fits(name, method, dataset)):
                    state, reason = _state(plan, variant, dataset, protocol, method)
                    found.append(
                        Switch(name, dataset, plan.data(dataset), protocol, method, variant.ambiguity, variant.default,
                               variant.option, variant.id, seeds, tuple(folds), state, reason)
                    )  # fmt: skip
    return found


def compared(plan: Plan) -> Iterator[Cell]:
    """The cells that the comparisons need, of papers and of variants, each after those that it begins with."""
    for switch in plan.switches():
        if switch.state != "run":
            continue
        reproduced = plan.config.reproduce[switch.paper]
        for name in (switch.paper, switch.variant):
            spec = plan.paper(name).under(switch.protocol)
            for method in with_parents([switch.method], spec):
                home = plan.home(name, switch.dataset, switch.protocol, method)
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


def _check(wanted: Sensitivity, reproduced: Reproduction, paper: Paper, where: str) -> None:
    """Refuse names that the paper does not have, and folds that its own runs lack."""
    named_here: list[tuple[str, list[str] | str, Collection[str]]] = [
        ("ambiguities", wanted.ambiguities, paper.ambiguities),
        ("methods", wanted.methods, paper.methods),
        ("data", wanted.data, paper.data),
        ("protocols", list[str](wanted.protocols), list[str](paper.protocols)),
        ("without", list(wanted.without), paper.ambiguities),
        ("where", list(wanted.where), paper.ambiguities),
        *((f"where.{name}.methods", each.methods or [], paper.methods) for name, each in wanted.where.items()),
        *((f"where.{name}.data", each.data or [], paper.data) for name, each in wanted.where.items()),
    ]
    for key, names, known in named_here:
        for name in [] if isinstance(names, str) else names:
            if name not in known:
                raise UserError(f"{where}.{key}: {paper.id} has no {unknown(name, known)}.")
    for name, options in wanted.without.items():
        for option in options:
            if option not in paper.ambiguities[name].options:
                raise UserError(
                    f"{where}.without.{name}: no option {unknown(option, paper.ambiguities[name].options)}."
                )
    if not isinstance(wanted.folds, str) and not isinstance(reproduced.folds, str):
        for fold in wanted.folds:
            if fold not in reproduced.folds:
                raise UserError(f"{where}.folds: found {fold}, expected some of reproduce's: {reproduced.folds}.")


def _variants(wanted: Sensitivity, paper: Paper) -> Iterator[Variant]:
    for name in named(wanted.ambiguities, paper.ambiguities):
        ambiguity: Ambiguity = paper.ambiguities[name]
        for option in ambiguity.options:
            if option != ambiguity.choice:
                reason = wanted.without.get(name, {}).get(option, "")
                yield Variant(variant_id(paper.id, name, option), paper.id, name, option, ambiguity.choice,
                              state="left out" if reason else "run", reason=reason)  # fmt: skip


def _loaded(variant: Variant, raw: Mapping[str, Any], path: Path, config: Config, where: str) -> Variant:
    """Return the variant with its paper, or with what excludes it."""
    choices = {**config.ambiguity.get(variant.paper, {}), variant.ambiguity: variant.option}
    known = {name: value for name, value in variant.__dict__.items() if name not in ("spec", "state", "reason")}
    try:
        spec = resolved_paper(raw, path, choices, config.reproduce[variant.paper].override)
    except (ContradictionError, GridError) as error:
        return Variant(**known, state="contradicts", reason=str(error).removeprefix(f"{path}: "))
    except UserError as error:
        raise UserError(
            f"{error}\n{where}: so with {variant.ambiguity}={variant.option}; leave it out under "
            f"sensitivity.{variant.paper}.without, or change the override."
        ) from None
    return Variant(**known, spec=spec)


def _state(plan: Plan, variant: Variant, dataset: str, protocol: str, method: str) -> tuple[State, str]:
    """Return whether an option is run with a method, and why not."""
    if variant.spec is None:
        return variant.state, variant.reason
    if not plan.fits(variant.id, method, dataset):
        return "left out", f"{dataset} lacks images that it needs"
    base, changed = plan.papers[variant.paper], variant.spec
    methods = with_parents([method], base.under(protocol)) + with_parents([method], changed.under(protocol))
    options = base.ambiguities[variant.ambiguity].options
    override = plan.config.reproduce[variant.paper].override
    told = [
        _overruled(spec, options[option], override, (protocol, dataset, methods))
        for spec, option in ((base, variant.default), (changed, variant.option))
    ]
    overruled = told[1] or told[0]
    if plan.home(variant.id, dataset, protocol, method) == variant.id:
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
