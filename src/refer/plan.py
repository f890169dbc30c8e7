"""What a configuration asks for: its runs, each with everything that decides its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from refer import yaml
from refer.cells import Cells
from refer.configuration import Config, Reproduction, config_model, folds_of, named, unfold
from refer.datasets.catalog import DATASETS
from refer.datasets.codings import exchange, resolve
from refer.datasets.subjects import check_pattern
from refer.declared import declare, undivided, with_own
from refer.errors import UserError, refuse_unknown, unknown
from refer.networks import catalog
from refer.papers import load_paper, resolved_paper, with_parents
from refer.run import Cell, Run, repeat
from refer.spec import DataUse, Paper
from refer.switches import Switch, compared, switched, switches
from refer.validation import validated
from refer.variants import load_variants

__all__ = ["Cell", "Plan", "Run", "load_plan", "repeat", "unfold"]


class Plan(Cells):
    """A checked configuration with its papers: all that the Snakefile needs to know."""

    def runs(self, paper: str | None = None) -> Iterator[Run]:
        """Every run that the configuration asks for, each once."""
        seen = set()
        for cell in (*self._reproduced(), *self._matrix(), *compared(self, self.switches())):
            if cell not in seen and paper in (None, cell[0]) and self.fits(cell[0], cell[3], cell[1]):
                seen.add(cell)
                yield self.run(*cell)

    @cached_property
    def _switches(self) -> list[Switch]:
        return switches(self)

    def switches(self) -> list[Switch]:
        """The rows of the table of sensitivity: what is compared with what, and which options are not run, and why."""
        return list(self._switches)

    def sensitivity(self) -> list[Run]:
        """The runs of that table: each method as it is and with an option switched, those that they begin with not."""
        return [self.run(*cell) for cell in dict.fromkeys(switched(self.switches()))]

    def matrix(self) -> list[Run]:
        """The runs of the table of methods and data sets."""
        return [self.run(*cell) for cell in self._matrix() if self.fits(cell[0], cell[3], cell[1])]

    def _reproduced(self) -> Iterator[Cell]:
        for name, wanted in self.config.reproduce.items():
            spec = self.papers[name]
            own = [dataset for dataset in spec.data if dataset not in self.borrowed.get(name, ())]
            for dataset in own if isinstance(wanted.data, str) else wanted.data:
                for protocol in wanted.protocols:
                    chosen = named(wanted.methods_under(protocol), spec.methods)
                    for method in with_parents(chosen, spec.under(protocol)):
                        for seed in wanted.seeds_under(protocol):
                            for fold in folds_of(spec.data[dataset], wanted.folds):
                                yield name, dataset, protocol, method, seed, fold

    def _matrix(self) -> Iterator[Cell]:
        wanted = self.config.matrix
        if wanted is None:
            return
        methods = {name: self.config.reproduce[name].methods for name in self.config.reproduce}
        for name, chosen in (methods if isinstance(wanted.methods, str) else wanted.methods).items():
            spec = self.papers[name]
            for dataset in named(wanted.data, spec.data):
                for method in with_parents(named(chosen, spec.methods), spec.under("audited")):
                    for seed in wanted.seeds_of(name):
                        for fold in folds_of(spec.data[dataset], wanted.folds):
                            yield name, dataset, "audited", method, seed, fold

    def examples(self) -> list[Run]:
        """One run of each method on each data set of its paper: audited if there is one, the first seed and fold."""
        chosen: dict[tuple[str, str, str], Run] = {}
        own = (run for run in self.runs() if not self.lent(run) and not self.switched(run))
        for run in sorted(own, key=lambda run: (run.protocol != "audited", run.seed, run.fold or 0)):
            chosen.setdefault((run.paper, run.data, run.method), run)
        order = {run.path: number for number, run in enumerate(self.runs())}
        return sorted(chosen.values(), key=lambda run: order[run.path])

    def explained(self) -> list[Run]:
        """Of these examples the runs whose networks say where they look, each network on the images it learnt for."""
        return [run for run in self.examples() if catalog.explains(run.network) and run.tests is None]

    def timed(self) -> list[Run]:
        """Of these examples one of each method that trains a network: on other data it takes the same time."""
        chosen: dict[tuple[str, str], Run] = {}
        for run in self.examples():
            if run.tests is None:
                chosen.setdefault((run.paper, run.method), run)
        return list(chosen.values())

    def batch_tokens(self) -> list[Run]:
        """The runs of the matrix whose fusion attention is tested in batches of several sizes and orders."""
        wanted = self.config.batch_tokens
        return [
            run
            for run in self.matrix()
            if run.paper in wanted
            and run.method == wanted[run.paper].method
            and run.fold is None
            and run.dataset in named(wanted[run.paper].data, [run.dataset])
        ]

    def datasets(self) -> list[str]:
        """Every data set that some run needs, or that `data` or `audit.between` names, once."""
        config = self.config
        return list(dict.fromkeys([*(run.dataset for run in self.runs()), *config.data, *config.audit.between]))

    def linked(self) -> list[tuple[str, str]]:
        """Every pair of data whose images are looked for in one another: the earlier of `audit.between` first."""
        return list(combinations(map(self.data, self.config.audit.between), 2))

    def splits(self) -> list[tuple[str, str, str]]:
        """Every (data, paper, protocol) that is to be split: for the runs, and by every paper that uses `data`."""
        needed = [(run.data, run.paper, run.protocol) for run in self.runs() if not self.switched(run)]
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
    plain = unfold(config, where)
    checked = validated(config_model(plain), plain, where)
    declare(plain, where)
    folder = Path(base) / checked.papers
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    papers = {}
    for section in ("ambiguity", "reproduce"):
        refuse_unknown(f"{where}: {section}", "paper", getattr(checked, section), known, f"in {checked.papers}/")
    for name, wanted in checked.reproduce.items():
        tested = checked.batch_tokens.get(name)
        also = [{"tokens": each} for each in tested.tokens] if tested else []
        path = folder / f"{name}.yaml"
        raw = with_own(yaml.read(path), checked.datasets, wanted.data, where)
        paper = resolved_paper(raw, path, checked.ambiguity.get(name), wanted.override, also)
        assert paper.as_filed is not None  # what the file says is checked by itself, too
        named_here: list[tuple[str, list[str] | str, Iterable[str]]] = [
            ("data", wanted.data, paper.data),
            ("methods", wanted.methods, paper.methods),
            ("protocols", list[str](wanted.protocols), list[str](paper.protocols)),
            *_narrowed(wanted, paper),
        ]
        for key, names, options in named_here:
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
    variants = load_variants(checked, papers, where, folder)
    plan = Plan(checked, papers, _lend(checked, papers, everybody, where), variants)
    _check_folds(plan, where)
    _check_data(plan, where)
    _check_batch_tokens(plan, where)
    return plan


def _narrowed(wanted: Reproduction, paper: Paper) -> Iterator[tuple[str, list[str] | str, Iterable[str]]]:
    """Key, names and what they may be: of the methods that run under one protocol."""
    if isinstance(wanted.protocols, dict):
        for protocol, names in wanted.protocols.items():
            yield f"protocols.{protocol}", names, named(wanted.methods, paper.methods)


def _lend(
    config: Config, papers: Mapping[str, Paper], everybody: Mapping[str, Paper], where: str
) -> dict[str, tuple[str, ...]]:
    """Give each paper of the matrix the data sets that it lacks; return which these are."""
    if config.matrix is None:
        return {}
    owners = {dataset: spec for spec in everybody.values() for dataset in spec.data}
    own = {name: use for name, each in config.datasets.items() if (use := each.use) is not None}
    for name in config.datasets:
        if name in config.matrix.data and name not in {*owners, *own}:
            raise UserError(f"{where}: {undivided(name)}")
    wanted = list({**owners, **own}) if isinstance(config.matrix.data, str) else config.matrix.data
    methods = config.matrix.methods
    borrowed = {}
    seeded = config.matrix.seeds if isinstance(config.matrix.seeds, dict) else ()
    chosen = config.reproduce if isinstance(methods, str) else methods
    refuse_unknown(f"{where}: matrix.seeds", "paper", seeded, papers, "under reproduce")
    refuse_unknown(f"{where}: matrix.methods", "paper", chosen, papers, "under reproduce")
    refuse_unknown(f"{where}: matrix.data", "data set", wanted, {**owners, **own})
    for name in chosen:
        if not isinstance(methods, str):
            refuse_unknown(f"{where}: matrix.methods.{name}", "method", methods[name], papers[name].methods)
        lacking = []
        for dataset in wanted:
            if dataset not in papers[name].data:
                use = _of_owner(owners[dataset], dataset) if dataset in owners else own[dataset]
                for each in (papers[name], *papers[name].variants):
                    each.data[dataset] = use
                lacking.append(dataset)
        borrowed[name] = tuple(lacking)
    return borrowed


def _of_owner(paper: Paper, dataset: str) -> DataUse:
    """Return how a paper divides a data set, with the part by which it chooses the epoch there."""
    select = {"audited": paper.protocol("audited", dataset).select}
    return paper.data[dataset].model_copy(update={"select": select})


def _check_folds(plan: Plan, where: str) -> None:
    """Refuse folds that some data set with folds does not have: their runs would be left out without a word."""
    config = plan.config
    other_work = config.matrix is not None or config.data or config.audit.between
    sections: list[tuple[str, list[int] | str, dict[str, list[str]]]] = []
    for name, asked in config.reproduce.items():
        if not asked.data and not other_work:
            raise UserError(
                f"{where}: reproduce.{name}.data: it is empty and there is no matrix, so that nothing would run; name "
                "some, or leave it out for all."
            )
        own = [each for each in plan.papers[name].data if each not in plan.borrowed.get(name, ())]
        sections.append((f"reproduce.{name}", asked.folds, {name: named(asked.data, own)}))
    if config.matrix is not None:
        methods = config.matrix.methods
        chosen = config.reproduce if isinstance(methods, str) else methods
        sections.append(
            (
                "matrix",
                config.matrix.folds,
                {name: named(config.matrix.data, plan.papers[name].data) for name in chosen},
            )
        )
    for name, wanted in config.sensitivity.items():
        sections.append((f"sensitivity.{name}", wanted.folds, {name: named(wanted.data, plan.papers[name].data)}))
    for section, folds, used in sections:
        uses = [(name, dataset, plan.papers[name].data[dataset].folds) for name in used for dataset in used[name]]
        divided = [(name, dataset, each.count) for name, dataset, each in uses if each is not None]
        for fold in folds if isinstance(folds, list) else ():
            for name, dataset, count in divided:
                if fold >= count:
                    raise UserError(
                        f"{where}: {section}.folds: found {fold}, but {name} divides {dataset} into {count} folds; "
                        f"expected 0 to {count - 1}."
                    )


def _check_batch_tokens(plan: Plan, where: str) -> None:
    """Refuse a method that is not in the matrix, or whose images could not share a batch."""
    for name, wanted in plan.config.batch_tokens.items():
        refuse_unknown(f"{where}: batch_tokens", "paper", [name], plan.papers, "under reproduce")
        methods = {run.method: run.network for run in plan.matrix() if run.paper == name}
        refuse_unknown(f"{where}: batch_tokens.{name}.method", "method", [wanted.method], methods, "in the matrix")
        network = methods[wanted.method]
        if network["name"] != "fusion_attention" or not network.get("frozen", True):
            raise UserError(
                f"{where}: batch_tokens.{name}.method: found {wanted.method}, expected a fusion_attention over frozen "
                "extractors."
            )
        found = {run.dataset for run in plan.batch_tokens() if run.paper == name}
        refuse_unknown(f"{where}: batch_tokens.{name}.data", "data set", wanted.data, found, "there")


def _check_data(plan: Plan, where: str) -> None:
    """Compare what the configuration says of data sets with what they are."""
    config = plan.config
    said = ("data", "standin", "tolerate", "subject_pattern", "labels", "coding", "swapped", "grey_levels", "choose")
    for section in said:
        refuse_unknown(f"{where}: {section}", "data set", getattr(config, section), DATASETS)
    refuse_unknown(f"{where}: audit.between", "data set", config.audit.between, DATASETS)
    if len(config.audit.between) == 1:
        raise UserError(f"{where}: audit.between: found one data set; expected two or more, or none.")
    for name, rule in config.labels.items():
        refuse_unknown(f"{where}: labels.{name}", "rule", [rule], DATASETS[name].label_rules)
    for name, kinds in config.choose.items():
        refuse_unknown(f"{where}: choose.{name}", "kind of recordings", kinds, DATASETS[name].choices)
    for name, coding in config.coding.items():
        resolve(DATASETS[name], coding)
    for name, pair in config.swapped.items():
        exchange(DATASETS[name], pair)
    for name in config.subject_pattern:
        if DATASETS[name].names_subjects:
            raise UserError(f"{where}: subject_pattern.{name}: {name}'s reader knows the people; remove the pattern.")
        try:
            check_pattern(config.subject_pattern[name])
        except UserError as error:
            raise UserError(f"{where}: subject_pattern.{name}: {error}") from None
    for name, spec in plan.papers.items():
        file = f"{config.papers}/{name}.yaml"
        refuse_unknown(f"{file}: data", "data set", spec.data, DATASETS)
        for dataset, use in spec.data.items():
            for part, split in (use.parts or {}).items():
                refuse_unknown(f"{file}: data.{dataset}.parts.{part}", "split", [split], DATASETS[dataset].splits)
    for name in filter(plan.is_stand_in, plan.datasets()):
        if DATASETS[name].stand_in is None:
            raise UserError(f"{where}: {name}: it has no stand-in; say where it lies. {DATASETS[name].how_to_get}")
        if name not in config.standin:
            raise UserError(f"{where}: {name} is a stand-in, but standin.{name} does not say how much to draw.")
        drawn, known = config.standin[name], DATASETS[name]
        refuse_unknown(f"{where}: standin.{name}.images", "split", drawn.images, known.splits)
        refuse_unknown(f"{where}: standin.{name}.layout", "layout", filter(None, [drawn.layout]), known.layouts)
