"""`refer faces`: drawn faces, as a contact sheet or as folders of splits and classes to try things on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("faces", help="draw faces: a contact sheet, or folders of splits and classes")
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="a .png for the sheet, else a folder that is not there yet"
    )
    parser.add_argument("--people", type=int, default=20, help="of the folders (20)")
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Draw them; returns the exit status."""
    from refer.datasets.standin.sheet import draw_folders, draw_sheet
    from refer.errors import UserError

    if parsed.out.suffix.lower() in (".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".svg", ".pdf"):
        raise UserError(f"{parsed.out}: expected the name of a picture that ends in .png, or of a folder.")
    if parsed.out.suffix.lower() == ".png":
        draw_sheet(parsed.out, emotions=EMOTIONS, seed=parsed.seed)
    else:
        number = draw_folders(parsed.out, emotions=EMOTIONS, people=parsed.people, seed=parsed.seed)
        print(f"{parsed.out}: {number:,} drawn faces in train, val and test; no real person is among them.")
    return 0
