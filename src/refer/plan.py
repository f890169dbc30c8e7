"""What a configuration asks for: its runs, each with everything that decides its outcome."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from refer import yaml
from refer.configuration import STAND_IN, Config
from refer.datasets.catalog import DATASETS
from refer.errors import UserError, unknown
from refer.networks import catalog
from refer.papers import load_paper, merged
from refer.spec import DataUse, Paper, Recipe
from refer.validation import validated


@dataclass(frozen=True)
class Run:
    """One cell: paper × data set × protocol × method × seed (× fold), with everything that decides its outcome.

    `inputs` are the modalities that its network reads. `starts_from` maps branches of the network to the methods
    whose runs of the same cell they begin with.
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
        return {**self.__dict__, "recipe": self.recipe.model_dump(mode="json"), **lists}

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
        recipe = validated(Recipe, value["recipe"], "a run's recipe")
        return cls(**{**value, "recipe": recipe, **lists})


Cell = tuple[str, str, str, str, int, int | None]
"""Paper, data set, protocol, method, seed, fold."""
_LISTS = ("evaluated", "inputs")


def repeat(seed: int, fold: int | None = None) -> str:
    """Name one repetition of a method: `seed0`, or `seed0-fold3` where subjects are left out fold by fold."""
    return f"seed{seed}" if fold is None else f"seed{seed}-fold{fold}"


@dataclass(frozen=True)
class Plan:
    """A checked configuration with its papers: all that the Snakefile needs to know.

    `borrowed` names the data sets that a paper has for the matrix alone; they are divided as by the paper whose
    they are.
    """

    config: Config
    papers: dict[str, Paper]
    borrowed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def runs(self, paper: str | None = None) -> Iterator[Run]:
        """Every run that the configuration asks for, each once."""
        seen = set()
        for cell in (*self._reproduced(), *self._matrix()):
            if cell not in seen and paper in (None, cell[0]) and self.fits(cell[0], cell[3], cell[1]):
                seen.add(cell)
                yield self.run(*cell)

    def lent(self, run: Run) -> bool:
        """Whether a run is of a data set that its paper has for the matrix alone."""
        return run.dataset in self.borrowed.get(run.paper, ())

    def matrix(self) -> list[Run]:
        """The runs of the table of methods and data sets."""
        return [self.run(*cell) for cell in self._matrix() if self.fits(cell[0], cell[3], cell[1])]

    def _reproduced(self) -> Iterator[Cell]:
        for name, wanted in self.config.reproduce.items():
            spec = self.papers[name]
            own = [dataset for dataset in spec.data if dataset not in self.borrowed.get(name, ())]
            for dataset in own if isinstance(wanted.data, str) else wanted.data:
                for protocol in wanted.protocols:
                    for method in _with_parents(_all(wanted.methods, spec.methods), spec.under(protocol)):
                        for seed in wanted.seeds:
                            for fold in _folds(wanted.folds, spec.data[dataset]):
                                yield name, dataset, protocol, method, seed, fold

    def _matrix(self) -> Iterator[Cell]:
        wanted = self.config.matrix
        if wanted is None:
            return
        methods = {name: self.config.reproduce[name].methods for name in self.config.reproduce}
        for name, chosen in (methods if isinstance(wanted.methods, str) else wanted.methods).items():
            spec = self.papers[name]
            for dataset in _all(wanted.data, spec.data):
                for method in _with_parents(_all(chosen, spec.methods), spec.under("audited")):
                    for seed in wanted.seeds:
                        for fold in _folds(wanted.folds, spec.data[dataset]):
                            yield name, dataset, "audited", method, seed, fold

    def fits(self, paper: str, method: str, dataset: str) -> bool:
        """Whether a data set has what a method needs: images of every camera that it looks through."""
        spec = self.papers[paper]
        inputs = catalog.modalities({**spec.network, **spec.methods[method].network})
        return set(inputs) <= set(DATASETS[dataset].modalities)

    def run(self, paper: str, dataset: str, protocol: str, method: str, seed: int, fold: int | None = None) -> Run:
        """The run of one cell."""
        spec = self.papers[paper].under(protocol)
        chosen = spec.methods[method]
        rule = spec.protocol(protocol, dataset)
        network = dict(sorted({**spec.network, **chosen.network}.items()))
        plain = merged(spec.recipe.model_dump(mode="json"), chosen.recipe)
        recipe = validated(Recipe, plain, f"{paper}: methods.{method}.recipe")
        return Run(
            paper=paper,
            dataset=dataset,
            data=self.data(dataset),
            protocol=protocol,
            method=method,
            seed=seed,
            stand_in=self.is_stand_in(dataset),
            network=network,
            recipe=recipe,
            evaluated=tuple(spec.data[dataset].evaluated(rule)),
            select=rule.select,
            fold=fold,
            inputs=catalog.modalities(network),
            starts_from=dict(sorted(chosen.starts_from.items())),
        )

    def examples(self) -> list[Run]:
        """One run of each method on each data set of its paper: audited if there is one, the first seed and fold."""
        chosen: dict[tuple[str, str, str], Run] = {}
        own = (run for run in self.runs() if not self.lent(run))
        for run in sorted(own, key=lambda run: (run.protocol != "audited", run.seed, run.fold or 0)):
            chosen.setdefault((run.paper, run.data, run.method), run)
        order = {run.path: number for number, run in enumerate(self.runs())}
        return sorted(chosen.values(), key=lambda run: order[run.path])

    def explained(self) -> list[Run]:
        """Of these examples the runs whose networks say where they look."""
        return [run for run in self.examples() if catalog.explains(run.network)]

    def source(self, dataset: str) -> str | list[str]:
        """What the configuration says of a data set: `stand-in`, a path, a URL …, or a list of them."""
        source: str | list[str] = getattr(self.config, dataset)
        return source

    def is_stand_in(self, dataset: str) -> bool:
        """Whether the data set is drawn here."""
        return self.source(dataset) == STAND_IN

    def data(self, dataset: str) -> str:
        """The data set's name in paths: drawn data never shares a folder with real data."""
        return f"{dataset}-standin" if self.is_stand_in(dataset) else dataset

    def datasets(self) -> list[str]:
        """Every data set that some run needs or `data` names, once."""
        return list(dict.fromkeys([*(run.dataset for run in self.runs()), *self.config.data]))

    def splits(self) -> list[tuple[str, str, str]]:
        """Every (data, paper, protocol) that is to be split: for the runs, and by every paper that uses `data`."""
        needed = [(run.data, run.paper, run.protocol) for run in self.runs()]
        audited: list[tuple[str, str, str]] = [
            (self.data(dataset), name, protocol)
            for dataset in self.config.data
            for name, spec in self.papers.items()
            if dataset in spec.data
            for protocol in spec.protocols
        ]
        return list(dict.fromkeys(needed + audited))


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
    for name in known if checked.data else []:
        if name not in papers:
            paper = load_paper(folder / f"{name}.yaml", checked.ambiguity.get(name))
            if set(checked.data) & set(paper.data):
                papers[name] = paper
    everybody = {name: papers.get(name) or load_paper(folder / f"{name}.yaml") for name in known if checked.matrix}
    plan = Plan(checked, papers, _lend(checked, papers, everybody, where))
    _check_data(plan, where)
    return plan


def _lend(
    config: Config, papers: Mapping[str, Paper], everybody: Mapping[str, Paper], where: str
) -> dict[str, tuple[str, ...]]:
    """Give each paper of the matrix the data sets that it lacks; return which these are."""
    if config.matrix is None:
        return {}
    owners = {dataset: spec for spec in everybody.values() for dataset in spec.data}
    wanted = list(owners) if isinstance(config.matrix.data, str) else config.matrix.data
    methods = config.matrix.methods
    borrowed = {}
    for name in config.reproduce if isinstance(methods, str) else methods:
        if name not in papers:
            raise UserError(f"{where}: matrix.methods: no paper {unknown(name, papers)} under reproduce.")
        for method in [] if isinstance(methods, str) or isinstance(methods[name], str) else methods[name]:
            if method not in papers[name].methods:
                raise UserError(f"{where}: matrix.methods.{name}: no method {unknown(method, papers[name].methods)}.")
        lacking = []
        for dataset in wanted:
            if dataset not in owners:
                raise UserError(f"{where}: matrix.data: no data set {unknown(dataset, owners)}.")
            if dataset not in papers[name].data:
                owner = owners[dataset]
                select = {"audited": owner.protocol("audited", dataset).select}
                use = owner.data[dataset].model_copy(update={"select": select})
                for each in (papers[name], *papers[name].variants):
                    each.data[dataset] = use
                lacking.append(dataset)
        borrowed[name] = tuple(lacking)
    return borrowed


def _check_data(plan: Plan, where: str) -> None:
    """Compare what the configuration says of data sets with what they are."""
    config = plan.config
    for section in ("data", "standin", "tolerate", "subject_pattern"):
        for name in getattr(config, section):
            if name not in DATASETS:
                raise UserError(f"{where}: {section}: no data set {unknown(name, DATASETS)}.")
    for name in config.subject_pattern:
        if DATASETS[name].names_subjects:
            raise UserError(f"{where}: subject_pattern.{name}: {name}'s reader knows the people; remove the pattern.")
    for name, spec in plan.papers.items():
        for dataset, use in spec.data.items():
            if dataset not in DATASETS:
                raise UserError(f"{config.papers}/{name}.yaml: data: no data set {unknown(dataset, DATASETS)}.")
            for part, split in (use.parts or {}).items():
                if split not in DATASETS[dataset].splits:
                    found = unknown(split, DATASETS[dataset].splits)
                    raise UserError(f"{config.papers}/{name}.yaml: data.{dataset}.parts.{part}: no split {found}.")
    for name in filter(plan.is_stand_in, plan.datasets()):
        if name not in config.standin:
            raise UserError(f"{where}: {name} is a stand-in, but standin.{name} does not say how much to draw.")
        drawn, known = config.standin[name], DATASETS[name]
        for split in drawn.images:
            if split not in known.splits:
                raise UserError(f"{where}: standin.{name}.images: no split {unknown(split, known.splits)}.")
        if drawn.layout is not None and drawn.layout not in known.layouts:
            raise UserError(f"{where}: standin.{name}.layout: no layout {unknown(drawn.layout, known.layouts)}.")


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


def _folds(wanted: list[int] | str, use: DataUse) -> list[int | None]:
    if use.folds is None:
        return [None]
    known = range(use.folds.count)
    return [fold for fold in known if isinstance(wanted, str) or fold in wanted]


def _with_parents(methods: list[str], paper: Paper) -> list[str]:
    """The methods with those whose weights they begin with, these first."""
    found: dict[str, None] = {}
    for method in methods:
        for parent in _with_parents(list(paper.methods[method].starts_from.values()), paper):
            found.setdefault(parent)
        found.setdefault(method)
    return list(found)


def _all(wanted: list[str] | str, known: Mapping[str, Any]) -> list[str]:
    return list(known) if isinstance(wanted, str) else wanted
