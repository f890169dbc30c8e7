"""`refer dvc` and `refer trust`: the pipeline that DVC knows, and what it brought back (docs/dvc.md)."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the parsers of both subcommands."""
    dvc = commands.add_parser("dvc", help="write the dvc.yaml of a configuration (docs/dvc.md)")
    dvc.add_argument("configfile", nargs="?", default="config.yaml", metavar="CONFIGFILE")
    dvc.add_argument("--check", action="store_true", help="write nothing; fail if the file is another one")
    dvc.add_argument("--plots-without-network", action="store_true", help="have `dvc plots` make pages that need none")
    dvc.set_defaults(run_command=_dvc)
    trust = commands.add_parser("trust", help="have Snakemake take pulled results as up to date, if dvc.lock does")
    trust.add_argument("configfile", nargs="?", default="config.yaml", metavar="CONFIGFILE")
    trust.set_defaults(run_command=_trust)


def _dvc(parsed: argparse.Namespace) -> int:
    from refer.storage.offline import plots_without_network
    from refer.storage.pipeline import check_pipeline, write_pipeline

    if parsed.check:
        check_pipeline(parsed.configfile)
    elif parsed.plots_without_network:
        print(plots_without_network())
    else:
        print(write_pipeline(parsed.configfile))
    return 0


def _trust(parsed: argparse.Namespace) -> int:
    from refer.storage.trust import trust

    print(f"{trust(parsed.configfile)} outputs are what dvc.lock states; Snakemake has nothing to do.")
    return 0
