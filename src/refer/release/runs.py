"""The runs of a preset as they must be before anybody is given them: all there, and of one piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from refer import yaml
from refer.errors import UserError, unknown
from refer.evaluation.predictions import Predictions, RunKey, read_all
from refer.plan import Plan, Run, load_plan
from refer.reporting.as_planned import changed, key_of
from refer.reporting.run_set import read_records
from refer.spec import Paper

FILES = ("predictions.parquet", "run.json", "training.csv")


@dataclass(frozen=True)
class Preset:
    """A preset with its plan: `root` is the project's folder, `file` its configuration below it."""

    root: Path
    file: str
    plan: Plan

    @property
    def name(self) -> str:
        """The folder's name below results/."""
        return self.plan.config.preset

    @property
    def folder(self) -> Path:
        """Where its results lie."""
        return self.root / "results" / self.name

    @property
    def command(self) -> str:
        """What runs it."""
        file = "" if self.file == "config.yaml" else f" --configfile {self.file}"
        return f"snakemake --cores all{file}"

    @cached_property
    def runs(self) -> list[Run]:
        """Every run that it asks for."""
        return list(self.plan.runs())

    def paper(self, name: str) -> Paper:
        """A paper as its runs have it, with an option switched or not; its id is what stands in paths."""
        return self.plan.paper(name).model_copy(update={"id": name})

    def paths(self, name: str, runs: Iterable[Run] | None = None) -> list[Path]:
        """A file of each run, e.g. every predictions.parquet."""
        return [self.folder / "runs" / run.path / name for run in (self.runs if runs is None else runs)]


@dataclass(frozen=True)
class Finished:
    """A run that was found whole: what was planned, what run.json says, and what it predicts."""

    run: Run
    record: Mapping[str, Any]
    predictions: Predictions

    @property
    def place(self) -> str:
        """Its folder below results/<preset>/."""
        return f"runs/{self.run.path}"


def find_preset(
    name: str, root: str | Path = ".", configfile: str | Path | None = None, base: str | Path | None = None
) -> Preset:
    """Find the configuration of a preset, in presets/ or config.yaml, and read it; its papers lie below `base` or root.

    Raises:
        UserError: none is called so, or it is wrong.
    """
    root = Path(root)
    files = [*sorted(root.glob("presets/*.yaml")), root / "config.yaml"] if configfile is None else [Path(configfile)]
    found = {str(content.get("preset")): file for file in files if file.is_file() and (content := yaml.read(file))}
    if name not in found:
        where = "presets/ and config.yaml" if configfile is None else str(configfile)
        raise UserError(f"{where}: no preset {unknown(name, found)}.")
    file = found[name]
    inside = file.is_absolute() == root.is_absolute() and file.is_relative_to(root)
    named = file.relative_to(root).as_posix() if inside else file.name
    return Preset(root, named, load_plan(yaml.read(file), str(file), root if base is None else base))


def finished(preset: Preset) -> list[Finished]:
    """Read all runs of a preset, in the plan's order.

    Raises:
        UserError: a run is missing, incomplete, not asked for, of another preset or configuration, of drawn data
            where real is asked for (or the other way about), or its predictions are of another checkpoint.
    """
    _check_complete(preset)
    records = read_records(preset.paths("run.json"))
    predicted = {run.key: run for run in read_all(preset.paths("predictions.parquet"))}
    return [_checked(preset, run, records, predicted) for run in preset.runs]


def _check_complete(preset: Preset) -> None:
    folder = preset.folder / "runs"
    wanted = {run.path for run in preset.runs}
    lacking = [f"{run}: no {name}" for run in sorted(wanted) for name in FILES if not (folder / run / name).is_file()]
    if lacking:
        runs = {line.split(":")[0] for line in lacking}
        raise UserError(
            f"{folder}: {len(runs)} of {len(wanted)} runs that {preset.file} asks for are not finished, the first: "
            f"{lacking[0]}. Finish them first: {preset.command}"
        )
    there = {path.parent.relative_to(folder).as_posix() for name in FILES for path in folder.rglob(name)}
    if surplus := sorted(there - wanted):
        raise UserError(
            f"{folder}: {surplus[0]} is no run that {preset.file} asks for ({len(surplus)} such); move what is of "
            "another configuration elsewhere, so that only what the preset says is released."
        )


def _checked(
    preset: Preset, run: Run, records: Mapping[RunKey, dict[str, Any]], predicted: Mapping[RunKey, Predictions]
) -> Finished:
    key = key_of(run)
    where = f"{preset.folder}/runs/{run.path}"
    if key not in records:
        raise UserError(f"{where}/run.json: tells of another run than its folder; was it moved or copied?")
    record, prediction = records[key], predicted[key]
    for name, expected in (("preset", preset.name), ("stand_in", run.stand_in), ("dataset", run.dataset)):
        for file, found in (("run.json", record.get(name)), ("predictions.parquet", getattr(prediction, name))):
            if found != expected:
                hint = _drawn_or_real(run) if name == "stand_in" else "run it again"
                raise UserError(f"{where}/{file}: {name} is {found!r}, expected {expected!r}: {hint}.")
    for name in ("checkpoint_sha256", "data_fingerprint"):
        if record[name] != getattr(prediction, name):
            raise UserError(
                f"{where}/predictions.parquet: {name} is {str(getattr(prediction, name))[:12]}, but "
                f"{record[name][:12]} in run.json beside it; predict this run again."
            )
    if found := changed(preset.name, run, record):
        what, ran, asked = found
        raise UserError(f"{where}/run.json: {what} is {ran!r}, expected {asked!r}, as {preset.file} has it now. Run it "
                        f"again: {preset.command}")  # fmt: skip
    return Finished(run, record, prediction)


def _drawn_or_real(run: Run) -> str:
    what = "drawn data" if run.stand_in else "real data"
    return f"the preset asks for {what} here, and drawn and real results are never mixed; run it again"
