"""`refer images`: make the list of a data set's images that `refer compare` needs, where the data lie."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("images", help="list a data set's images for release: id, pixel hash, label, split")
    parser.add_argument("--prepared", type=Path, required=True, metavar="FOLDER", help="data/prepared/<data>")
    parser.add_argument("--audit", type=Path, required=True, metavar="FOLDER", help="data/audit/<data>")
    parser.add_argument("--split", type=Path, required=True, metavar="FILE",
                        help="data/splits/<data>/<paper>.audited.parquet")  # fmt: skip
    parser.add_argument("--test", required=True, metavar="PART", help="the part that is the test set, e.g. private")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", help="table of id and row, where ids do not tell rows; or links to FER+"
    )
    parser.add_argument("--names", type=Path, metavar="FILE", help="FER+'s fer2013new.csv, for links to it")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE",
                        help="results/<preset>/data/<data>/images.parquet")  # fmt: skip
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    from refer.datasets.image_list import read_image_list, write_image_list

    write_image_list(parsed.prepared, parsed.audit, parsed.split, parsed.out, parsed.test, parsed.rows, parsed.names)
    made = read_image_list(parsed.out)
    tested, known = made.tested, int((made.row >= 0).sum())
    print(
        f"{parsed.out}: {len(made.id):,} images of {made.about['dataset']}, {int(tested.sum()):,} of them in the test "
        f"set ({made.test_split}), {int((tested & made.kept).sum()):,} of these duplicate-free; {known:,} rows known"
    )
    return 0
