"""`refer faces`: a contact sheet of drawn faces."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("faces", help="draw a contact sheet of stand-in faces")
    parser.add_argument("out", type=Path, metavar="OUT.png")
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Draw the sheet; returns the exit status."""
    from refer.datasets.standin.sheet import draw_sheet
    from refer.errors import UserError

    if parsed.out.suffix.lower() != ".png":
        raise UserError(f"{parsed.out}: expected the name of a picture that ends in .png.")

    draw_sheet(parsed.out, emotions=EMOTIONS, seed=parsed.seed)
    return 0
