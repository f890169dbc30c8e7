"""`refer check`: are configurations and papers valid, and how much do they ask for?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("check", help="check configurations and papers, and count the runs they ask for")
    parser.add_argument("files", nargs="*", type=Path, default=[Path("config.yaml")], metavar="FILE")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Check each file; returns the exit status."""
    from refer import yaml
    from refer.papers import load_paper
    from refer.plan import load_plan
    from refer.unused import unused

    for path in parsed.files:
        if "reproduce" in (content := yaml.read(path)) or "id" not in content:
            plan = load_plan(content, str(path))
            runs = list(plan.runs())
            print(f"{path}: {len(runs)} runs of {len({run.paper for run in runs})} paper(s).")
            for line in unused(plan):
                print(f"  without effect here: {line}.")
        else:
            paper = load_paper(path)
            print(f"{path}: {len(paper.methods)} methods, {len(paper.reported)} reported numbers.")
    return 0
