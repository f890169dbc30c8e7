"""Contact sheets: what the images of a drawn stand-in look like, one row a class. Real people are never shown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from refer import parquet, records
from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.files import whole
from refer.reporting.figures.canvas import INK, SOFT
from refer.reporting.tables.table import dataset_name

MOST_BYTES = 300_000
"""A sheet that takes more is drawn smaller."""
SIDES = (104, 88, 72, 64)
"""Heights of a picture on the sheet, in pixels, the first that fits."""
COLUMNS = {1: 8, 2: 5}
"""How many people stand side by side: of one picture each, or of two."""
FAINTEST = 6.0
"""Pictures with a smaller standard deviation, in grey levels, show nothing."""
GREY_STEP, COLOUR_STEP = 2, 8
"""Levels are rounded to these, hardly to be seen, since PNG keeps the noise of pictures to the last bit."""
GAP, MARGIN = 4, 14
Rows = list[list[tuple[int, ...]]]
"""By class and column: the positions of the pictures of one moment, one of each modality."""


def write_sheet(prepared: Path, out: Path) -> None:
    """Write a sheet of the drawn images in the folder `prepared` to `out` (.png), at most `MOST_BYTES` long.

    One row a class; the same people in every row, as far as they show every class; the pictures that several cameras
    took side by side. Equal data give equal bytes with equal versions of Pillow, Matplotlib (whose font is used) and
    zlib.

    Raises:
        UserError: prepare.json does not say that the images are drawn, or there is no such folder.
    """
    about = stand_in(prepared)
    index = parquet.frame(prepared / "index.parquet")
    images = np.load(prepared / "images.npy", mmap_mode="r")
    rows = choose(about["dataset"], about["classes"], index, images)
    told = [f"{index['subject'].nunique()} people"] if index["subject"].notna().any() else []
    told += [f"{' and '.join(_modalities(index))} side by side"] if index["modality"].nunique() > 1 else []
    cells = [[[images[position] for position in moment] for moment in row] for row in rows]
    title = f"Drawn stand-in of {dataset_name(about['dataset'])} — no real person"
    for side in SIDES:
        content = io.BytesIO()
        contact_sheet(cells, rows=about["classes"], title=title, told="; ".join(told), side=side).save(content, "PNG")
        if content.tell() <= MOST_BYTES:
            break
    with whole(out) as temporary:
        temporary.write_bytes(content.getvalue())


def stand_in(prepared: Path) -> dict[str, Any]:
    """Return what a folder of prepared data says of itself. Raises UserError unless it says that all is drawn."""
    if not (prepared / "prepare.json").is_file():
        raise UserError(f"{prepared} holds no prepare.json: prepare the data first.")
    about = records.read(prepared / "prepare.json", records.Prepared)
    if about["stand_in"] is not True:
        raise UserError(
            f"{prepared} holds no drawn stand-in but {dataset_name(about['dataset'])} itself: pictures are shown of "
            "drawn stand-ins only, never of people."
        )
    return about


def _modalities(index: pd.DataFrame) -> list[str]:
    return sorted(index["modality"].unique(), key=lambda name: (name != "visible", name))


def choose(dataset: str, classes: Sequence[str], index: pd.DataFrame, images: NDArray[np.uint8]) -> Rows:
    """Choose what to show: people side by side, in every row in the same order, those first who show most classes.

    Of a person's images of one class the strongest expression is taken; duplicates and blank images are passed over.
    `index` is index.parquet as prepared, `images` (N, H, W, C) in its order.
    """
    modalities = _modalities(index)
    first = index.assign(position=np.arange(len(index))).drop_duplicates("sha256")
    first["moment"] = first["pair"].fillna(first["id"])
    positions = first.pivot_table(index="moment", columns="modality", values="position", aggfunc="first")
    moments = first.drop_duplicates("moment").merge(positions.dropna(), on="moment")
    if moments["subject"].notna().any():
        level = moments["level"].fillna(0).astype(float)
        apex = DATASETS[dataset].apex
        moments["weakness"] = -level if apex is None else (level - apex).abs()
        moments["shown"] = moments.groupby("subject")["label"].transform("nunique")
        moments = moments.sort_values(["weakness"], kind="stable").drop_duplicates(["subject", "label"])
        moments = moments.sort_values(["shown", "subject"], ascending=[False, True])
    result: Rows = []
    for label in range(len(classes)):
        row: list[tuple[int, ...]] = []
        for moment in moments.loc[moments["label"] == label, modalities].to_numpy(int).tolist():
            if len(row) < COLUMNS[min(2, len(modalities))] and all(np.std(images[k]) > FAINTEST for k in moment):
                row.append(tuple(moment))
        result.append(row)
    return result


def contact_sheet(
    cells: Sequence[Sequence[Sequence[NDArray[np.uint8]]]],
    *,
    rows: Sequence[str],
    title: str,
    told: str = "",
    side: int = 96,
) -> Image.Image:
    """Lay pictures out on white: grey ("L") where all of them are, otherwise "RGB".

    Args:
        cells: by row and column the pictures, (H, W), (H, W, 1) or (H, W, 3), that stand close together there.
        rows: a name for every row, to the left of it.
        title: a line above.
        told: a second, smaller line.
        side: height of a picture on the sheet, in pixels; widths follow.
    """
    names, large, small = _font(max(11, side // 8)), _font(16, "-Bold"), _font(12)
    left = MARGIN + round(max(names.getlength(name) for name in rows)) + 10
    top = MARGIN + 26 + (20 if told else 4)
    pictures = [[[_picture(pixels, side) for pixels in cell] for cell in row] for row in cells]
    every = [picture for row in pictures for cell in row for picture in cell]
    wide = max((sum(one.width for one in cell) for row in pictures for cell in row), default=side) + GAP
    needed = round(max(large.getlength(title), small.getlength(told))) + 2 * MARGIN
    width = max(left + max(map(len, cells)) * wide - GAP + MARGIN, needed)
    grey = all(one.mode == "L" for one in every)
    sheet = Image.new("L" if grey else "RGB", (width, top + len(cells) * (side + GAP) - GAP + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN - 2), title, INK, large)
    pen.text((MARGIN, MARGIN + 22), told, SOFT, small)
    for row, (name, line) in enumerate(zip(rows, pictures, strict=True)):
        y = top + row * (side + GAP)
        pen.text((left - 10, y + side / 2), name, INK, names, anchor="rm")
        for column, cell in enumerate(line):
            for place, picture in enumerate(cell):
                sheet.paste(picture, (left + column * wide + place * picture.width, y))
    return sheet


def _picture(pixels: NDArray[np.uint8], side: int) -> Image.Image:
    grey = pixels.ndim == 2 or pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey and pixels.ndim == 3 else pixels))
    shown = image.resize((round(side * image.width / image.height), side), Image.Resampling.LANCZOS)
    step = GREY_STEP if grey else COLOUR_STEP
    return shown.point([level // step * step + step // 2 for level in range(256)] * len(shown.getbands()))


@cache
def _font(size: int, weight: str = "") -> ImageFont.FreeTypeFont:
    """Return the figures' font, which comes with Matplotlib, so that every machine draws the same."""
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"DejaVuSans{weight}.ttf")), size)
