"""`refer resume`: go on after Snakemake itself was killed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser(
        "resume",
        help="after a kill of Snakemake itself: end the jobs that it left, unlock, and run it again",
        usage="refer resume [--wait] [--sure] [-- SNAKEMAKE'S ARGUMENTS]",
    )
    parser.add_argument("--wait", action="store_true", help="let orphaned jobs run to their end instead of ending them")
    parser.add_argument("--sure", action="store_true", help="no Snakemake runs here on another machine")
    parser.add_argument("arguments", nargs="*", help="of snakemake, after --; without them it is not run")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    from refer.resume import resume

    return resume(Path.cwd(), parsed.arguments, wait=parsed.wait, sure=parsed.sure)
