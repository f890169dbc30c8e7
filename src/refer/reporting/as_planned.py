"""Are the runs that tables are made from the ones that the configuration asks for, as it is now?

Snakemake knows with which settings a run was trained as long as its records are there. Where they are not (in a clone,
after `rm -r .snakemake`), a table would name settings that never ran.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.evaluation.predictions import RunKey
from refer.files import read_section
from refer.networks import catalog
from refer.recipe import Recipe
from refer.reporting.run_set import Record, read_records

if TYPE_CHECKING:
    from refer.plan import Plan
    from refer.run import Run

PLAIN = ("dataset", "stand_in", "inputs", "starts_from")
"""What run.json and the plan say under the same name, in the same words."""
STANDIN = "-standin"


def key_of(run: Run) -> RunKey:
    """Return what a run is known by."""
    return RunKey(run.paper, run.data, run.protocol, run.method, run.seed, run.fold)


def changed(preset: str, run: Run, record: Record) -> tuple[str, Any, Any] | None:
    """Return the first setting in which a run's record differs from the plan: its key, what ran, what is planned.

    Args:
        preset: the plan's.
        run: what is planned.
        record: its run.json. What older versions did not write down is not compared.
    """
    planned = run.as_dict()
    if record["preset"] != preset:
        return "preset", record["preset"], preset
    for name in PLAIN:
        if name in record and record[name] != planned[name]:
            return name, record[name], planned[name]
    sections = {"network": catalog.canonical(record["network"]), "recipe": _recipe(record.get("recipe") or {})}
    for name, ran in sections.items():
        asked = planned[name]
        for key in [*asked, *ran]:
            if ran.get(key) != asked.get(key):
                return f"{name}.{key}", ran.get(key), asked.get(key)
    return None


def _recipe(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a recorded recipe with the keys of now; one that another version wrote as it stands there."""
    try:
        return Recipe.from_dict(plain, "a record").as_dict()
    except UserError:
        return plain


def check_as_planned(plan: Plan, records: Iterable[str | Path]) -> None:
    """Compare every run.json with what the plan asks of this run.

    Args:
        plan: what is asked for now.
        records: run.json files, of some or all runs.

    Raises:
        UserError: names the first run that differs, the setting, what ran and what is asked for.
    """
    planned = {key_of(run): run for run in plan.runs()}
    preset = plan.config.preset
    wrong = []
    for key, record in read_records(records).items():
        if key not in planned:
            raise UserError(f"{key.folder}/run.json: tells of a run that preset {preset} does not ask for.")
        if found := changed(preset, planned[key], record):
            wrong.append((key, *found))
    if wrong:
        key, name, ran, asked = wrong[0]
        more = f" ({len(wrong) - 1} more runs differ)" if len(wrong) > 1 else ""
        raise UserError(
            f"{key.folder}/run.json: it ran with {name} {ran!r}, but the configuration asks for {asked!r}{more}. No "
            "table is made of it: undo the change, or delete the run and have it trained again."
        )


def check_prepared(plan: Plan, summaries: Iterable[str | Path]) -> None:
    """Compare prepare.json files that are there with how the plan has these data sets prepared.

    Args:
        plan: what is asked for now.
        summaries: …/data/prepared/<data>/prepare.json, whether there or not.

    Raises:
        UserError: names the file, the key, what was done and what is asked for.
    """
    for path in map(Path, summaries):
        if not path.is_file():
            continue
        dataset = path.parent.name.removesuffix(STANDIN)
        config, known = plan.config, DATASETS[dataset]
        asked = {
            "dataset": dataset,
            "stand_in": plan.is_stand_in(dataset),
            "tolerate": sorted(config.tolerate.get(dataset, [])),
            "subject_pattern": config.subject_pattern.get(dataset),
            "labels": config.labels.get(dataset, next(iter(known.label_rules), None)),
            "coding": config.coding.get(dataset),
            "swapped": list(config.swapped.get(dataset, [])),
            "grey_levels": list(config.grey_levels.get(dataset, [])),
        }
        told = read_section(path)
        for name, expected in asked.items():
            if (done := told.get(name, expected)) != expected:
                raise UserError(
                    f"{path}: the images were prepared with {name} {done!r}, but the configuration asks for "
                    f"{expected!r}. Undo the change, or delete {path.parent} and what was trained on it."
                )
