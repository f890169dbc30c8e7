"""Examples of what an audit found, side by side: of drawn faces only, never of people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from refer import parquet
from refer.reporting.figures.canvas import INK, SOFT, WARN, WIDTH, canvas, hang, wall
from refer.reporting.figures.sheets import stand_in
from refer.reporting.tables.table import dataset_name, stand_in_notice

ACROSS = 4
"""Examples in a row."""
MARGIN, SIDE, HIGH = 0.3, 0.8, 1.3
"""Inches left of all, of a picture, and of a row."""


class Example(NamedTuple):
    """Two rows of the index, and what is said of them."""

    first: int
    second: int
    told: str = ""


def draw_examples(prepared: Path, audit_dir: Path, outputs: Iterable[str | Path]) -> None:
    """Draw examples of identical images, near duplicates and duplicates with different labels.

    Args:
        prepared: folder with images.npy, index.parquet and prepare.json of a stand-in.
        audit_dir: folder with duplicates.parquet and near.parquet of its audit.
        outputs: files to write, .png or .svg.

    Raises:
        UserError: the data are not drawn, or are not there.
    """
    about = stand_in(prepared)
    name = dataset_name(about["dataset"])
    index = parquet.frame(prepared / "index.parquet", columns=["id", "class", "split"])
    rows = [(title, found[:ACROSS]) for title, found in _examples(index, audit_dir) if found]
    images = np.load(prepared / "images.npy", mmap_mode="r")
    subtitle = "below each picture its class and split, above near duplicates how they are alike, and how much (0 to 1)"
    if not rows:
        subtitle = "neither identical images nor near duplicates were found"
    title, height = f"Duplicates among the drawn images of {name}", max(HIGH * len(rows), 0.1)
    with canvas(height, title, subtitle, stand_in_notice(about["dataset"]), outputs) as figure:
        axes = wall(figure, height)
        for number, (heading, found) in enumerate(rows):
            y = 0.16 + number * HIGH
            axes.text(MARGIN - 0.1, y + SIDE / 2, heading, rotation=90, ha="center", va="center", fontweight="bold")
            for place, one in enumerate(found):
                x = MARGIN + place * (WIDTH - MARGIN) / ACROSS
                differ = index["class"][one.first] != index["class"][one.second]
                axes.text(x + 2 * SIDE, y - 0.08, one.told, ha="right", va="center", fontsize=6.5, color=SOFT)
                for left, row in ((x, one.first), (x + SIDE, one.second)):
                    hang(axes, images[row], left, y, SIDE - 0.04)
                    where = "" if index["split"][row] == "all" else f"\n{index['split'][row]}"
                    axes.text(left + SIDE / 2, y + SIDE, f"{index['class'][row]}{where}", ha="center", va="top",
                              fontsize=6.5, color=WARN if differ else INK)  # fmt: skip


def _examples(index: pd.DataFrame, audit_dir: Path) -> Iterator[tuple[str, list[Example]]]:
    """Yield what there is to show, the examples that cross splits first."""
    row_of = {key: row for row, key in enumerate(index["id"])}
    label, split = index["class"].to_numpy(), index["split"].to_numpy()
    identical = []
    for _, group in parquet.frame(audit_dir / "duplicates.parquet").groupby("group"):
        rows = [row_of[key] for key in group["id"]]
        # Of several duplicates, the two that say most: in different classes or splits, if there are such.
        told = [(label[row] == label[rows[0]], split[row] == split[rows[0]], row) for row in rows[1:]]
        identical.append(Example(rows[0], min(told)[2]))
    near = parquet.frame(audit_dir / "near.parquet").sort_values("correlation", ascending=False, kind="stable")
    near["agree"] = [label[row_of[one]] == label[row_of[other]] for one, other in zip(near.id, near.other, strict=True)]
    alike = [
        Example(row_of[one.id], row_of[one.other], f"{one.view}, {one.correlation:.2f}")
        for one in near.drop_duplicates(["near_group", "agree"]).itertuples(index=False)
    ]
    for title, found, agree in (("Identical", identical, True), ("Near duplicates", alike, True),
                                ("Different labels", [*identical, *alike], False)):  # fmt: skip
        mine = [one for one in found if (label[one.first] == label[one.second]) == agree]
        yield title, sorted(mine, key=lambda one: split[one.first] == split[one.second])
