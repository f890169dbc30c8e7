"""`refer dvc`: the pipeline of a configuration as DVC knows it (docs/dvc.md)."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("dvc", help="write the dvc.yaml of a configuration (docs/dvc.md)")
    parser.add_argument("configfile", nargs="?", default="config.yaml", metavar="CONFIGFILE")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is another one")
    parser.add_argument(
        "--plots-without-network", action="store_true", help="have `dvc plots` make pages that need none"
    )
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Write or check the pipeline; returns the exit status."""
    from refer.storage.offline import plots_without_network
    from refer.storage.pipeline import check_pipeline, write_pipeline
    from refer.storage.site_cache import private_site_cache

    if parsed.check:
        check_pipeline(parsed.configfile)
        return 0
    private_site_cache()
    if parsed.plots_without_network:
        print(plots_without_network())
    else:
        print(write_pipeline(parsed.configfile))
    return 0
