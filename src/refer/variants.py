"""Papers with one option of one ambiguity switched, and what is compared with what: the sensitivity of a paper.

A variant has an id such as `tran2023+tokens-channels`, which stands where a paper's stands: in paths, in runs, in
scores. Only what an option really changes stands under it; all else is the paper's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from refer import yaml
from refer.configuration import Config, Reproduction, Sensitivity, named
from refer.declared import with_own
from refer.errors import UserError, refuse_unknown, unknown
from refer.networks.maps import GridError
from refer.papers import ContradictionError, resolved_paper
from refer.spec import Ambiguity, Paper

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
        refuse_unknown(f"{where}: sensitivity", "paper", [name], config.reproduce, "under reproduce")
        _check(wanted, config.reproduce[name], papers[name], f"{where}: sensitivity.{name}")
        path = folder / f"{name}.yaml"
        raw = with_own(yaml.read(path), config.datasets, config.reproduce[name].data, where)
        for variant in _variants(wanted, papers[name]):
            if variant.id in found:
                other = found[variant.id]
                raise UserError(
                    f"{path}: {other.ambiguity}={other.option} and {variant.ambiguity}={variant.option} would both be "
                    f"called {variant.id}; name one of them otherwise."
                )
            found[variant.id] = variant if variant.reason else _loaded(variant, raw, path, config, where)
    return found


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
