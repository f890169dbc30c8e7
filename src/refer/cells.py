"""The cells of papers' tables: what a run of paper × data set × protocol × method × seed × fold is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from refer.configuration import STAND_IN, Config
from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.networks import catalog
from refer.networks.standard import reads_as
from refer.papers import merged
from refer.run import Cell, Run
from refer.spec import Paper, Protocol, Recipe
from refer.validation import validated
from refer.variants import Variant


@dataclass(frozen=True)
class Cells:
    """Checked papers under a configuration, and the run of any of their cells.

    `borrowed` names the data sets that a paper has for the matrix alone; they are divided as by the paper whose
    they are. `variants` are the papers with an option switched, of which some cannot be run.
    """

    config: Config
    papers: dict[str, Paper]
    borrowed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    _homes: dict[tuple[str, str, str, str], str] = field(default_factory=dict, repr=False, compare=False)
    _made: dict[Cell, Run] = field(default_factory=dict, repr=False, compare=False)

    def paper(self, name: str) -> Paper:
        """A paper, or one with an option switched, by its id."""
        variant = self.variants.get(name)
        spec = self.papers[name] if variant is None else variant.spec
        if spec is None:
            raise KeyError(name)  # nothing that cannot be run is ever asked for
        return spec

    def origin(self, name: str) -> str:
        """The paper that an id is of: itself, or that of which an option is switched."""
        return self.variants[name].paper if name in self.variants else name

    def choices(self, name: str) -> dict[str, Any]:
        """The options that a configuration chooses for a paper's ambiguities, with the one that is switched."""
        chosen: dict[str, Any] = dict(self.config.ambiguity.get(self.origin(name), {}))
        variant = self.variants.get(name)
        return chosen if variant is None else chosen | {variant.ambiguity: variant.option}

    def home(self, paper: str, dataset: str, protocol: str, method: str) -> str:
        """The id under which a method's runs stand: the paper's, where a switched option changes nothing of them."""
        cell, origin = (paper, dataset, protocol, method), self.origin(paper)
        if paper == origin:
            return paper
        if cell not in self._homes:
            same = self._content(*cell) == self._content(origin, *cell[1:])
            self._homes[cell] = origin if same else paper
        return self._homes[cell]

    def _content(self, paper: str, dataset: str, protocol: str, method: str) -> dict[str, Any]:
        """All that decides the outcome of a method's runs, what they begin with included."""
        run = self.run(paper, dataset, protocol, method, 0)
        parents = {key: self._content(paper, dataset, protocol, parent) for key, parent in run.parents.items()}
        return run.as_dict() | {"paper": "", "parents": parents, "division": self.division(paper, dataset, protocol)}

    def division(self, paper: str, dataset: str, protocol: str) -> dict[str, Any]:
        """How a paper divides a data set under a protocol, as `refer.datasets.split` takes it."""
        spec = self.paper(paper)
        rule = spec.protocol(protocol, dataset)
        # An audit keeps the part that chooses the epoch apart from the others; elsewhere it is no matter.
        select = rule.select if rule.audited and rule.select != "last" else None
        scheme = spec.data[dataset].scheme(rule).as_dict()
        return {"scheme": scheme, "audited": rule.audited, "near": rule.near, "select": select}

    def divider(self, paper: str, dataset: str, protocol: str) -> str:
        """The id under which the file of that division stands: the paper's, where a switched option leaves it."""
        cell = (dataset, protocol)
        same = self.division(self.origin(paper), *cell) == self.division(paper, *cell)
        return self.origin(paper) if same else paper

    def parents(self, run: Run) -> dict[str, Run]:
        """The runs that a run begins with: branch of its network → run of the same protocol, seed and fold."""
        cell = (run.dataset, run.protocol)
        return {
            branch: self.run(self.home(run.paper, *cell, method), *cell, method, run.seed, run.fold)
            for branch, method in run.parents.items()
        }

    def fits(self, paper: str, method: str, dataset: str) -> bool:
        """Whether a data set has what a method needs: images of every camera that it looks through."""
        spec = self.paper(paper)
        inputs = catalog.modalities({**spec.network, **spec.methods[method].network})
        return set(inputs) <= set(DATASETS[dataset].modalities)

    def run(self, paper: str, dataset: str, protocol: str, method: str, seed: int, fold: int | None = None) -> Run:
        """The run of one cell; Snakemake asks for each some thirty times."""
        cell = (paper, dataset, protocol, method, seed, fold)
        if cell not in self._made:
            self._made[cell] = self._make(*cell)
        return self._made[cell]

    def _make(self, paper: str, dataset: str, protocol: str, method: str, seed: int, fold: int | None) -> Run:
        spec = self.paper(paper).under(protocol)
        chosen = spec.methods[method]
        rule = spec.protocol(protocol, dataset)
        network = dict(sorted(catalog.canonical({**spec.network, **chosen.network}).items()))
        plain = merged(spec.recipe.model_dump(mode="json"), chosen.recipe)
        plain["precision"] = plain["precision"] or self.config.precision
        recipe = validated(Recipe, plain, f"{paper}: methods.{method}.recipe")
        if not catalog.reads_batch(network):
            # They decide nothing of this run, so that it is the same whatever they are.
            recipe = recipe.model_copy(update={"test_batch": None, "test_order": "file"})
        for parent in {*chosen.starts_from.values(), *filter(None, [chosen.tests])}:
            theirs = {**spec.network, **spec.methods[parent].network}
            weights = [str(each.get("weights", "none")) for each in (network, theirs)]
            if reads_as(network) != reads_as(theirs):
                raise UserError(
                    f"{paper}: methods.{method}.network.weights: found {weights[0]!r}, but {parent}, whose network it "
                    f"needs, has {weights[1]!r} and learns from images standardised for that; give both the same."
                )
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
            tests=chosen.tests,
            rate_by=_rate_by(rule, recipe, spec.data[dataset].evaluated(rule)),
        )

    def lent(self, run: Run) -> bool:
        """Whether a run is of a data set that its paper has for the matrix alone."""
        return run.dataset in self.borrowed.get(run.paper, ())

    def switched(self, run: Run) -> bool:
        """Whether a run is of a paper with an option switched: it stands in the table of sensitivity alone."""
        return run.paper in self.variants

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


def _rate_by(rule: Protocol, recipe: Recipe, evaluated: list[str]) -> str | None:
    """The part whose accuracy the schedule takes, where it takes one and that part is not the one that is watched."""
    watched = rule.select if rule.select != "last" else evaluated[0]
    return rule.rate_by if recipe.schedule == "cosine-accuracy" and rule.rate_by != watched else None
