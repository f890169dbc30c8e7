"""`refer export`: a trained network as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("export", help="write a run's network as an ONNX file, for `refer predict` and others")
    parser.add_argument("folder", type=Path, metavar="RUN",
                        help="results/<preset>/runs/<paper>/<data>/<protocol>/<method>/seed<k>")  # fmt: skip
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="MODEL.onnx")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    from refer.live.export import export

    about = export(parsed.folder, parsed.out)
    wanted = about["input"]
    size = f"{wanted['height']}x{wanted['width']} pixels, {wanted['colours']}"
    print(f"{parsed.out}: {about['paper']}.{about['method']} on {about['data']}; {len(about['classes'])} classes; one "
          f"{wanted['modality']} face of {size}")  # fmt: skip
    print(f"compared with PyTorch: probabilities differ by {about['difference']:.1e} at most")
    for each in about["accuracy"]:
        if each["test_set"]:
            print(f"accuracy on {each['data']}, {each['part']}: {100 * each['accuracy']:.1f} % of {each['images']:,} "
                  "images; it says little of other pictures")  # fmt: skip
    if about["stand_in"]:
        print("warning: learnt from DRAWN faces; what it says of a real face means nothing")
    return 0
