"""`refer datasets`: which data sets there are, under which licence, and how to get them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("datasets", help="list the data sets: what is there, their licence, how to get them")
    parser.add_argument("name", nargs="?", metavar="NAME", help="tell all about one")
    parser.add_argument("--configfile", type=Path, help="says where they lie (config.yaml, if it is there)")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """List all data sets, or describe one; returns the exit status."""
    from rich.console import Console

    from refer import yaml
    from refer.datasets import catalog
    from refer.datasets.raw import inventory

    usual = Path("config.yaml")
    given = yaml.read(parsed.configfile or usual) if parsed.configfile or usual.is_file() else {}
    if given.get("datasets"):
        from refer.declared import declare

        declare(given, str(parsed.configfile or usual))
    wanted = [catalog.dataset(parsed.name)] if parsed.name else list(catalog.DATASETS.values())
    entries = [inventory.describe(known, given.get(known.name)) for known in wanted]
    console = Console(highlight=False, emoji=False)
    if parsed.json:
        print(json.dumps(entries[0] if parsed.name else entries, indent=2, ensure_ascii=False))
    elif parsed.name:
        inventory.show_one(entries[0], console)
    else:
        inventory.show(entries, console)
    return 0
