"""What a configuration asks for: its runs, each with everything that decides its outcome."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refer import yaml
from refer.errors import UserError, unknown
from refer.spec import STAND_IN, Config, Paper, Recipe, load_paper, merged
from refer.validation import validated


@dataclass(frozen=True)
class Run:
    """One cell: paper × data set × protocol × method × seed, with everything that decides its outcome."""

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

    @property
    def path(self) -> str:
        """The run's folder below results/<preset>/runs/."""
        return f"{self.paper}/{self.data}/{self.protocol}/{self.method}/seed{self.seed}"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, in a fixed order; Snakemake compares it to see whether a run is out of date."""
        return {**self.__dict__, "recipe": self.recipe.model_dump(), "evaluated": list(self.evaluated)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Run:
        """The inverse of `as_dict`."""
        return cls(
            **{**value, "recipe": Recipe(**value["recipe"]), "evaluated": tuple(value["evaluated"])},
        )


@dataclass(frozen=True)
class Plan:
    """A checked configuration with its papers: all that the Snakefile needs to know."""

    config: Config
    papers: dict[str, Paper]

    def runs(self, paper: str | None = None) -> Iterator[Run]:
        """Every run that the configuration asks for."""
        for name, spec in self.papers.items():
            if paper not in (None, name):
                continue
            wanted = self.config.reproduce[name]
            for dataset in _all(wanted.data, spec.data):
                for protocol in wanted.protocols:
                    for method in _all(wanted.methods, spec.methods):
                        for seed in wanted.seeds:
                            yield self.run(name, dataset, protocol, method, seed)

    def run(self, paper: str, dataset: str, protocol: str, method: str, seed: int) -> Run:
        """The run of one cell."""
        spec = self.papers[paper]
        chosen = spec.methods[method]
        recipe = Recipe(**merged(spec.recipe.model_dump(), chosen.recipe))
        return Run(
            paper=paper,
            dataset=dataset,
            data=self.data(dataset),
            protocol=protocol,
            method=method,
            seed=seed,
            stand_in=self.is_stand_in(dataset),
            network=dict(sorted({**spec.network, **chosen.network}.items())),
            recipe=recipe,
            evaluated=tuple(spec.data[dataset].evaluated),
            select=spec.protocols[protocol].select,  # type: ignore[index]
        )

    def source(self, dataset: str) -> str:
        """What the configuration says of a data set: `stand-in`, a path, or a URL."""
        return str(getattr(self.config, dataset))

    def is_stand_in(self, dataset: str) -> bool:
        """Whether the data set is drawn here."""
        return self.source(dataset) == STAND_IN

    def data(self, dataset: str) -> str:
        """The data set's name in paths: drawn data never shares a folder with real data."""
        return f"{dataset}-standin" if self.is_stand_in(dataset) else dataset

    def datasets(self) -> list[str]:
        """Every data set that some run needs, once."""
        return list(dict.fromkeys(run.dataset for run in self.runs()))


def load_plan(config: Mapping[str, Any], where: str = "config.yaml", base: str | Path = ".") -> Plan:
    """Check a configuration (a file's content, with `--config` merged in) and read its papers.

    Args:
        config: the configuration; keys may be dotted (`ambiguity__khalid2025__backbone`).
        where: the file that it comes from, for messages.
        base: the folder that `papers` is relative to.

    Raises:
        UserError: a key, type, name or file is wrong.
    """
    checked = validated(Config, unfold(config, where), where)
    folder = Path(base) / checked.papers
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    papers = {}
    for section in ("ambiguity", "reproduce"):
        for name in getattr(checked, section):
            if name not in known:
                raise UserError(f"{where}: {section}: no paper {unknown(name, known)} in {checked.papers}/.")
    for name, wanted in checked.reproduce.items():
        paper = load_paper(folder / f"{name}.yaml", checked.ambiguity.get(name), wanted.override)
        for key, names, options in (
            ("data", wanted.data, paper.data),
            ("methods", wanted.methods, paper.methods),
            ("protocols", wanted.protocols, paper.protocols),
        ):
            for entry in [] if names == "all" else names:
                if entry not in options:
                    raise UserError(f"{where}: reproduce.{name}.{key}: {name} has no {unknown(entry, options)}.")
        papers[name] = paper
    plan = Plan(checked, papers)
    for dataset in plan.datasets():
        if dataset not in Config.model_fields:
            raise UserError(f"{where}: the data set {dataset} cannot be read yet.")
        if plan.is_stand_in(dataset) and dataset not in checked.standin:
            raise UserError(f"{where}: {dataset} is a stand-in, but standin.{dataset} does not say how much to draw.")
        splits = [
            split for paper in papers.values() if dataset in paper.data for split in paper.parts[dataset].values()
        ]
        for split in checked.standin[dataset].images if plan.is_stand_in(dataset) else []:
            if split not in splits:
                raise UserError(f"{where}: standin.{dataset}.images: no split {unknown(split, dict.fromkeys(splits))}.")
    return plan


def unfold(config: Mapping[str, Any], where: str = "--config") -> dict[str, Any]:
    """Unfold keys that lead through sections: `ambiguity.khalid2025.backbone` or `ambiguity__khalid2025__backbone`.

    Snakemake takes no dots in the keys of `--config`, hence the second form. It also leaves the numbers in a
    list or section given there as text, so these are read again.

    Raises:
        UserError: a key leads through something that is no section.
    """
    dotted = {key: re.split(r"\.|__", str(key)) for key in config}
    result = copy.deepcopy({key: config[key] for key, path in dotted.items() if len(path) == 1})
    for key, (*parents, last) in dotted.items():
        if not parents:
            continue
        section = result
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"{where}: {key}: {parent} is a value, not a section.")
        section[last] = _retyped(config[key])
    return result


def _retyped(value: Any) -> Any:
    if isinstance(value, list):
        return [yaml.scalar(item) if isinstance(item, str) else _retyped(item) for item in value]
    if isinstance(value, dict):
        return {key: yaml.scalar(item) if isinstance(item, str) else _retyped(item) for key, item in value.items()}
    return value


def _all(wanted: list[str] | str, known: Mapping[str, Any]) -> list[str]:
    return list(known) if isinstance(wanted, str) else wanted
