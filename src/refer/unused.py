"""What a configuration says and nothing uses: said by `refer check`, with the reason, and not refused.

It may be meant for another day: one configuration serves drawn and real data, and fewer methods than it knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from refer.acting import TESTING, Method
from refer.configuration import STAND_IN, Backgrounds
from refer.datasets.catalog import DATASETS
from refer.plan import Plan

OF_DATA = ("datasets", "standin", "tolerate", "subject_pattern", "labels", "choose", "coding", "swapped", "grey_levels")
"""Sections with an entry for each data set."""
OF_FILES = ("choose", "coding", "swapped", "grey_levels")
"""Those of them that say how real files are read."""

NO_FOLDS = "none of the data is divided into folds"


def unused(plan: Plan) -> list[str]:
    """Return every key of a configuration that changes nothing of what is made, as `key: why`."""
    return [*_of_data(plan), *_of_all(plan), *_of_papers(plan), *_of_methods(plan)]


def _of_data(plan: Plan) -> Iterator[str]:
    config, needed = plan.config, plan.datasets()
    for name in DATASETS:
        if name not in needed and plan.source(name) != STAND_IN:
            yield f"{name}: no run needs this data set, and `data` does not name it"
    for section in OF_DATA:
        for name in getattr(config, section):
            if name not in needed:
                yield f"{section}.{name}: no run needs this data set, and `data` does not name it"
            elif section in OF_FILES and plan.is_stand_in(name):
                yield f"{section}.{name}: drawn files are as their owner has them"
            elif section == "standin" and not plan.is_stand_in(name):
                yield f"{section}.{name}: the data set is not drawn"


def _of_all(plan: Plan) -> Iterator[str]:
    config, runs = plan.config, list(plan.runs())
    if config.backgrounds != Backgrounds() and not any(run.recipe.compose for run in runs):
        yield "backgrounds: no run composes faces"
    elif not config.backgrounds.drawn and config.backgrounds.seed:
        yield "backgrounds.seed: photographs are not drawn"
    if config.deterministic and config.device == "cpu":
        yield "deterministic: a CPU gives the same bits anyway"
    recipes = [
        spec.recipe.precision or method.recipe.get("precision")
        for spec in plan.papers.values()
        for method in spec.methods.values()
    ]
    if recipes and all(recipes):
        yield "precision: every recipe names its own"


def _of_papers(plan: Plan) -> Iterator[str]:
    config = plan.config
    for name in config.ambiguity:
        if name not in plan.papers:
            yield f"ambiguity.{name}: the paper is not reproduced"
    for name, asked in config.reproduce.items():
        if asked.data == [] and name not in config.sensitivity:
            for key in ("seeds", "protocols", "folds"):
                if key in asked.model_fields_set:
                    yield f"reproduce.{name}.{key}: data is empty; matrix.{key} says it for the matrix"
        elif not isinstance(asked.folds, str) and all(run.fold is None for run in plan.runs(name)):
            yield f"reproduce.{name}.folds: {NO_FOLDS}"
    if config.matrix is not None:
        seeds, ran = config.matrix.seeds, {run.paper for run in plan.matrix()}
        if not isinstance(config.matrix.folds, str) and all(run.fold is None for run in plan.matrix()):
            yield f"matrix.folds: {NO_FOLDS}"
        for name in seeds if isinstance(seeds, dict) else ():
            if name not in ran:
                yield f"matrix.seeds.{name}: none of its methods is in the matrix"
    for name, wanted in config.sensitivity.items():
        folds = {run.fold for run in plan.sensitivity() if plan.origin(run.paper) == name}
        if not isinstance(wanted.folds, str) and folds <= {None}:
            yield f"sensitivity.{name}.folds: {NO_FOLDS}"
        for key, entries in (("without", wanted.without), ("where", wanted.where)):
            for ambiguity in entries:
                if not isinstance(wanted.ambiguities, str) and ambiguity not in wanted.ambiguities:
                    yield f"sensitivity.{name}.{key}.{ambiguity}: `ambiguities` does not name it"


def _of_methods(plan: Plan) -> Iterator[str]:
    """Overrides of what does not run, or of how it learns where nothing does."""
    running: dict[str, list[tuple[str, str, str]]] = {}
    learning: set[tuple[str, str]] = set()
    for run in plan.runs():
        if Method(run.network, run.recipe, run.tests is not None).learns:
            learning.add((plan.origin(run.paper), run.method))
        running.setdefault(plan.origin(run.paper), []).append((run.method, run.dataset, run.protocol))

    def learning_of(paper: str) -> set[str]:
        return {method for name, method in learning if name == paper}

    def repeated(key: str, value: object) -> bool:
        section, _, own = key.partition(".")
        keys = [own.partition(".")[0]] if own else value if isinstance(value, dict) else []
        return section == "recipe" and not set(keys) & set(TESTING)

    for name, asked in plan.config.reproduce.items():
        methods, data, protocols = (set(each) for each in zip(*running.get(name, [("", "", "")]), strict=True))
        sections = {"methods": methods, "data": data, "protocols": protocols}
        for dotted, value in asked.override.items():
            section, _, rest = dotted.partition(".")
            step, _, key = rest.partition(".")
            here = f"reproduce.{name}.override.{dotted}"
            if section in sections and not _matches(sections[section], step):
                yield f"{here}: no run is of {section}.{step}"
            elif section == "methods" and repeated(key, value) and not _matches(learning_of(name), step):
                yield f"{here}: nothing is trained there"


def _matches(names: Iterable[str], pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)
