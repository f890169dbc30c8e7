"""dvc.yaml from a plan: three stages around Snakemake, with everything that they need and leave behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from jinja2 import Environment, PackageLoader, StrictUndefined

from refer import yaml
from refer.errors import UserError
from refer.plan import load_plan
from refer.storage.stage_outputs import StageOutputs, code

DEFAULT = "config.yaml"
"""The configuration of the dvc.yaml at the top level, which `dvc repro` runs by itself."""


@dataclass(frozen=True)
class Stage:
    """One stage: what Snakemake is asked for, and paths relative to the project's root.

    `cached` outputs are kept by DVC, `hashed` ones by git; DVC only writes down their hash. The numbers of
    `refer.BEHAVIOUR` named in `behaviour` say when a changed library gives other output.
    """

    name: str
    asked: str
    behaviour: list[str]
    deps: list[str]
    cached: list[str] = field(default_factory=list)
    hashed: list[str] = field(default_factory=list)


def pipeline_file(configfile: str, base: Path) -> Path:
    """Where the dvc.yaml of a configuration lies, relative to `base`: at the top level, or in presets/<preset>/."""
    if configfile == DEFAULT:
        return Path("dvc.yaml")
    return Path("presets", str(yaml.read(base / configfile).get("preset")), "dvc.yaml")


def write_pipeline(configfile: str, base: str | Path = ".") -> Path:
    """Write the dvc.yaml of a configuration in the project `base`; returns its path.

    Raises:
        UserError: the configuration is wrong, or does not lie in the project.
    """
    from refer.files import write_text

    path = Path(base) / pipeline_file(configfile, Path(base))
    write_text(path, pipeline(configfile, base))
    return path


def check_pipeline(configfile: str, base: str | Path = ".") -> None:
    """Raise UserError unless the dvc.yaml of a configuration is the one that `write_pipeline` would write."""
    path = Path(base) / pipeline_file(configfile, Path(base))
    again = "refer dvc" + ("" if configfile == DEFAULT else f" {configfile}")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; write it with `{again}`.")
    found, expected = path.read_text(encoding="utf-8"), pipeline(configfile, base)
    if found != expected:
        other = sorted(set(expected.splitlines()) ^ set(found.splitlines()))
        raise UserError(
            f"{path} is not what {configfile} asks for (first difference: {other[0].strip() if other else 'order'}). "
            f"Write it again with `{again}`; what has not changed is not made again."
        )


def pipeline(configfile: str, base: str | Path = ".") -> str:
    """Return the text of a configuration's dvc.yaml.

    Args:
        configfile: relative to `base`, inside it.
        base: the project's root.

    Raises:
        UserError: the configuration is wrong, or does not lie in the project.
    """
    base = Path(base)
    if PurePosixPath(configfile).is_absolute() or ".." in PurePosixPath(configfile).parts:
        raise UserError(f"{configfile} lies outside the project, where DVC cannot follow it: copy it to presets/.")
    plan = load_plan(yaml.read(base / configfile), configfile, base)
    path = pipeline_file(configfile, base)
    made = StageOutputs(plan, released=_in_git(f"results/{plan.config.preset}/results.parquet", base))
    up = "../" * (len(path.parts) - 1)
    default = configfile == DEFAULT
    environment = Environment(  # nosec B701  # YAML
        loader=PackageLoader("refer.storage"), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    return environment.get_template("pipeline.yaml.jinja").render(
        configfile=configfile,
        argument="" if default else f" {configfile}",
        option="" if default else f" --configfile {configfile}",
        wdir=up.rstrip("/"),
        up=up,
        results=made.results,
        stages=stages(made, base, set(_outputs_of_others(path, base))),
    )


def stages(made: StageOutputs, base: Path, taken: Iterable[str] = ()) -> list[Stage]:
    """The stages of a plan: raw archives to splits, training to predictions, and the report.

    Of a released preset the report is made as a reviewer makes it: all of it, and without data.
    An output that stands in `taken` is only depended upon: another dvc.yaml of the project makes it, for two
    configurations may share real data.
    """
    kept = [path for path in (*made.raw(), *made.prepared()) if path not in set(taken)]
    told, evidence = made.told(), made.evidence()

    def outputs(kept: list[str], evident: list[str]) -> dict[str, list[str]]:
        """What is evident stands in git, if anything of the preset does."""
        return {"cached": kept, "hashed": evident} if made.released else {"cached": [*kept, *evident]}

    prepare = Stage(
        "prepare", "prepared", _behaviour("standin", "datasets"),
        deps=[*code("data", base=base), *made.papers()],
        **outputs(kept, told),
    )  # fmt: skip
    train = Stage(
        "train", "predicted", _behaviour("training", "inference"),
        deps=[
            *code("train", "evaluate", "pictures", *made.experiments(), base=base),
            *made.papers(), *made.prepared(),
        ],
        **outputs(made.learnt(), evidence),
    )  # fmt: skip
    report = Stage(
        "report", "-s workflow/report.smk" if made.released else "all", _behaviour("scores", "reporting"),
        deps=[
            *code("report", "data_and_times", "page", base=base),
            *made.papers(), *told, *made.runs(), *evidence,
        ],
        **outputs([] if made.released else made.copies(), made.drawn_up()),
    )  # fmt: skip
    return [prepare, train, report]


def _behaviour(*stages: str) -> list[str]:
    return [f"BEHAVIOUR.{stage}" for stage in stages]


def _in_git(path: str, base: Path) -> bool:
    """Whether git would take a file: it is a repository, and does not ignore it."""
    try:
        done = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=base, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 1


def _outputs_of_others(path: Path, base: Path) -> Iterator[str]:
    """The outputs that the project's other dvc.yaml's list, relative to `base`."""
    for other in sorted([*base.glob("dvc.yaml"), *base.glob("presets/*/dvc.yaml")]):
        if other == base / path:
            continue
        for stage in yaml.read(other).get("stages", {}).values():
            for out in stage.get("outs", []):
                name = next(iter(out)) if isinstance(out, dict) else out
                yield os.path.normpath(name)
