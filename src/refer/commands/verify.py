"""`refer verify`: is a released preset what was released, and do its tables follow from its predictions?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser(
        "verify", help="compare released results with their hashes, and their tables with their predictions"
    )
    parser.add_argument("presets", nargs="*", metavar="PRESET", help="below results/ (all that have a release.json)")
    parser.add_argument("--quick", action="store_true", help="compare hashes only; make no table again")
    parser.add_argument("--cores", default="all", metavar="N", help="how many may be used (all)")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status, 1 where something is not as released."""
    from refer.errors import UserError
    from refer.release.manifest import NAME
    from refer.release.runs import find_preset
    from refer.release.verify import report, verify

    names = parsed.presets or [path.parent.name for path in sorted(Path("results").glob(f"*/{NAME}"))]
    if not names:
        raise UserError(f"results/: no preset has a {NAME}; release one first: refer release --preset <name>")
    status = 0
    for name in names:
        preset = find_preset(name)
        verdict = verify(preset, quick=parsed.quick, cores=parsed.cores)
        print(*report(str(preset.folder), verdict), sep="\n")
        status |= bool(verdict.findings)
    return status
