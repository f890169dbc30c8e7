"""`refer train`: one run by hand, in the folder where the workflow would train it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("train", help="train one run by hand, where the workflow would, with a progress bar")
    parser.add_argument("run_path", metavar="PAPER/DATA/PROTOCOL/METHOD/SEED", help="as in results/<preset>/runs/")
    parser.add_argument("--configfile", type=Path, default=Path("config.yaml"))
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Train the run; returns the exit status."""
    from refer import yaml
    from refer.errors import UserError, unknown
    from refer.plan import load_plan

    plan = load_plan(yaml.read(parsed.configfile), str(parsed.configfile))
    runs = {run.path: run for run in plan.runs()}
    if parsed.run_path not in runs:
        raise UserError(f"{parsed.configfile}: no run {unknown(parsed.run_path, runs)}.")
    wanted = runs[parsed.run_path]
    prepared = Path("data/prepared", wanted.data)
    divider = plan.divider(wanted.paper, wanted.dataset, wanted.protocol)
    split = Path(f"data/splits/{wanted.data}/{divider}.{wanted.protocol}.parquet")
    if not (prepared / "prepare.json").is_file() or not split.is_file():
        raise UserError(f"{prepared} or {split} is missing; make them first: snakemake --cores all {split}")

    from refer.progress import Progress
    from refer.training.train import train

    config = plan.config
    out = Path("results", config.preset, "runs", wanted.path)
    bar: Progress | None = None

    def report(done: int, total: int, note: str) -> None:
        nonlocal bar
        bar = bar or Progress(total, label=wanted.method, unit="images", initial=done)
        bar.update(done, note)

    try:
        train(
            wanted,
            prepared,
            split,
            out,
            preset=config.preset,
            device=config.device,
            threads=config.threads,
            report=report,
        )
    finally:
        if bar is not None:
            bar.close()
    return 0
