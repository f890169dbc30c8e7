"""`refer …`: what is handy outside the DAG."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from refer import __version__, files, yaml
from refer.commands import planning, release, resume, storage, trace, verify
from refer.configuration import Config
from refer.errors import UserError, unknown
from refer.papers import load_paper
from refer.plan import load_plan
from refer.spec import Paper

SCHEMAS: dict[str, type[BaseModel]] = {"config": Config, "paper": Paper}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status, 1 for something that the user can mend."""
    parser = argparse.ArgumentParser(prog="refer", description=__doc__)
    parser.add_argument("--version", action="version", version=f"refer {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    check = commands.add_parser("check", help="check configurations and papers, and count the runs they ask for")
    check.add_argument("files", nargs="*", type=Path, default=[Path("config.yaml")], metavar="FILE")
    schema = commands.add_parser("schema", help="write the JSON schemas of configurations and papers")
    schema.add_argument("folder", nargs="?", type=Path, default=Path("workflow/schemas"))
    datasets = commands.add_parser("datasets", help="list the data sets: what is there, their licence, how to get them")
    datasets.add_argument("name", nargs="?", metavar="NAME", help="tell all about one")
    datasets.add_argument("--configfile", type=Path, help="says where they lie (config.yaml, if it is there)")
    datasets.add_argument("--json", action="store_true", help="as JSON, for programs")
    faces = commands.add_parser("faces", help="draw a contact sheet of stand-in faces")
    faces.add_argument("out", type=Path, metavar="OUT.png")
    faces.add_argument("--seed", type=int, default=1)
    train = commands.add_parser("train", help="train one run by hand, where the workflow would, with a progress bar")
    train.add_argument("run", metavar="PAPER/DATA/PROTOCOL/METHOD/SEED", help="as in results/<preset>/runs/")
    train.add_argument("--configfile", type=Path, default=Path("config.yaml"))
    release.add(commands)
    trace.add(commands)
    resume.add(commands)
    planning.add(commands)
    storage.add(commands)
    verify.add(commands)
    parsed = parser.parse_args(arguments)
    try:
        if hasattr(parsed, "run_command"):
            return int(parsed.run_command(parsed))
        if parsed.command == "check":
            _check(parsed.files)
        elif parsed.command == "schema":
            _write_schemas(parsed.folder)
        elif parsed.command == "faces":
            from refer.datasets.standin.sheet import draw_sheet

            emotions = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
            draw_sheet(parsed.out, emotions=emotions, seed=parsed.seed)
        elif parsed.command == "train":
            _train(parsed.run, parsed.configfile)
        else:
            _datasets(parsed.name, parsed.configfile, parsed.json)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def schema_text(name: str) -> str:
    """The JSON schema of `config` or `paper`, as it stands in workflow/schemas/."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | SCHEMAS[name].model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def _check(paths: Sequence[Path]) -> None:
    for path in paths:
        if "reproduce" in (content := yaml.read(path)) or "id" not in content:
            runs = list(load_plan(content, str(path)).runs())
            print(f"{path}: {len(runs)} runs of {len({run.paper for run in runs})} paper(s).")
        else:
            paper = load_paper(path)
            print(f"{path}: {len(paper.methods)} methods, {len(paper.reported)} reported numbers.")


def _write_schemas(folder: Path) -> None:
    for name in SCHEMAS:
        files.write_text(folder / f"{name}.schema.json", schema_text(name))
        print(folder / f"{name}.schema.json")


def _train(name: str, configfile: Path) -> None:
    plan = load_plan(yaml.read(configfile), str(configfile))
    runs = {run.path: run for run in plan.runs()}
    if name not in runs:
        raise UserError(f"{configfile}: no run {unknown(name, runs)}.")
    run = runs[name]
    prepared, split = (
        Path("data/prepared", run.data),
        Path(f"data/splits/{run.data}/{plan.divider(run.paper, run.dataset, run.protocol)}.{run.protocol}.parquet"),
    )
    if not (prepared / "prepare.json").is_file() or not split.is_file():
        raise UserError(f"{prepared} or {split} is missing; make them first: snakemake --cores all {split}")

    from refer.progress import Progress
    from refer.training.train import train

    config = plan.config
    out = Path("results", config.preset, "runs", run.path)
    bar: list[Progress] = []

    def report(done: int, total: int, note: str) -> None:
        if not bar:
            bar.append(Progress(total, label=run.method, unit="images", initial=done))
        bar[0].update(done, note)

    try:
        train(
            run, prepared, split, out, preset=config.preset, device=config.device, threads=config.threads, report=report
        )
    finally:
        for shown in bar:
            shown.close()


def _datasets(name: str | None, configfile: Path | None, as_json: bool) -> None:
    from rich.console import Console

    from refer.datasets import catalog
    from refer.datasets.raw import inventory

    usual = Path("config.yaml")
    given = yaml.read(configfile or usual) if configfile or usual.is_file() else {}
    wanted = [catalog.dataset(name)] if name else list(catalog.DATASETS.values())
    entries = [inventory.describe(known, given.get(known.name)) for known in wanted]
    console = Console(highlight=False, emoji=False)
    if as_json:
        print(json.dumps(entries[0] if name else entries, indent=2, ensure_ascii=False))
    elif name:
        inventory.show_one(entries[0], console)
    else:
        inventory.show(entries, console)


if __name__ == "__main__":
    sys.exit(main())
