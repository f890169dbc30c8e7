"""`refer trust`: what `dvc pull` brought back is up to date for Snakemake, too (docs/dvc.md)."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("trust", help="have Snakemake take pulled results as up to date, if dvc.lock does")
    parser.add_argument("configfile", nargs="?", default="config.yaml", metavar="CONFIGFILE")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Compare with dvc.lock and touch; returns the exit status."""
    from refer.storage.trust import trust

    print(f"{trust(parsed.configfile)} outputs are what dvc.lock states; Snakemake has nothing to do.")
    return 0
