"""Examples of what an audit found, side by side: of drawn faces only, never of people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from refer.errors import UserError
from refer.files import read_json
from refer.reporting.figures.canvas import INK, SOFT, WARN, canvas
from refer.reporting.tables.table import dataset_name, stand_in_notice

ACROSS = 4  # examples in a row


class Example(NamedTuple):
    """Two rows of the index, and what is said of them."""

    first: int
    second: int
    told: str = ""


def draw_examples(prepared: Path, audit_dir: Path, outputs: Iterable[str | Path]) -> None:
    """Draw examples of identical images, near duplicates and copies with different labels.

    Args:
        prepared: folder with images.npy, index.parquet and prepare.json of a stand-in.
        audit_dir: folder with duplicates.parquet and near.parquet of its audit.
        outputs: files to write, .png or .svg.

    Raises:
        UserError: the data are not drawn, or are not there.
    """
    if not (prepared / "prepare.json").is_file():
        raise UserError(f"{prepared} holds no prepare.json: prepare the data first.")
    about = read_json(prepared / "prepare.json")
    name = dataset_name(about["dataset"])
    if about["stand_in"] is not True:
        raise UserError(f"{prepared} holds {name} itself: examples are shown of drawn stand-ins only, never of people.")
    index = pd.read_parquet(prepared / "index.parquet", columns=["id", "class", "split"])
    rows = {title: found[:ACROSS] for title, found in _examples(index, audit_dir) if found}
    images = np.load(prepared / "images.npy", mmap_mode="r")
    subtitle = "below each picture its class and split, above near duplicates how they are alike, and how much (0 to 1)"
    if not rows:
        subtitle = "neither identical images nor near duplicates were found"
    title, notice = f"Copies among the drawn images of {name}", stand_in_notice(about["dataset"])
    with canvas(max(1.32 * len(rows), 0.1), title, subtitle, notice, list(map(Path, outputs))) as (figure, _):
        _draw(figure, rows, images, index)


def _examples(index: pd.DataFrame, audit_dir: Path) -> Iterator[tuple[str, list[Example]]]:
    """Yield what there is to show, the examples that cross splits first."""
    row_of = {key: row for row, key in enumerate(index["id"])}
    label, split = index["class"].to_numpy(), index["split"].to_numpy()

    def crossing_first(found: Sequence[Example]) -> list[Example]:
        return sorted(found, key=lambda one: split[one.first] == split[one.second])

    copies = pd.read_parquet(audit_dir / "duplicates.parquet")
    identical = []
    for _, group in copies.groupby("group"):
        rows = [row_of[key] for key in group["id"]]
        # Of several copies, the two that say most: in different classes or splits, if there are such.
        told = [(label[row] == label[rows[0]], split[row] == split[rows[0]], row) for row in rows[1:]]
        identical.append(Example(rows[0], min(told)[2]))
    near = pd.read_parquet(audit_dir / "near.parquet").sort_values("correlation", ascending=False, kind="stable")
    near["agree"] = [label[row_of[one]] == label[row_of[other]] for one, other in zip(near.id, near.other, strict=True)]
    alike = [
        Example(row_of[one.id], row_of[one.other], f"{one.view}, {one.correlation:.2f}")
        for one in near.drop_duplicates(["near_group", "agree"]).itertuples(index=False)
    ]
    both = [*identical, *alike]
    yield "Identical", crossing_first([one for one in identical if label[one.first] == label[one.second]])
    yield "Near duplicates", crossing_first([one for one in alike if label[one.first] == label[one.second]])
    yield "Different labels", crossing_first([one for one in both if label[one.first] != label[one.second]])


def _draw(figure: Figure, rows: dict[str, list[Example]], images: NDArray[np.uint8], index: pd.DataFrame) -> None:
    if not rows:
        return
    widths = [1.0, 1.0, 0.25] * ACROSS
    grid = figure.add_gridspec(len(rows), len(widths) - 1, width_ratios=widths[:-1])
    for line, (title, found) in enumerate(rows.items()):
        for place in range(ACROSS):
            pair = [figure.add_subplot(grid[line, 3 * place + side]) for side in range(2)]
            if place >= len(found):
                for axes in pair:
                    axes.set_axis_off()
                continue
            one = found[place]
            differ = index["class"][one.first] != index["class"][one.second]
            for axes, row in zip(pair, (one.first, one.second), strict=True):
                _picture(axes, images[row], index["split"][row], index["class"][row], WARN if differ else INK)
            if place == 0:
                pair[0].set_ylabel(title, fontweight="bold", labelpad=6)
            pair[1].set_title(one.told or " ", fontsize=6.5, color=SOFT, loc="right", pad=3, zorder=0)


def _picture(axes: Axes, pixels: NDArray[np.uint8], split: str, label: str, colour: str) -> None:
    grey = pixels.shape[2] == 1
    axes.imshow(pixels[:, :, 0] if grey else pixels, cmap="gray" if grey else None, vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    where = "" if split == "all" else f"\n{split}"
    axes.set_xlabel(f"{label}{where}", fontsize=6.5, color=colour, labelpad=2)
