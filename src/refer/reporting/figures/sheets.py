"""Contact sheets: what the images of a drawn stand-in look like, one row a class. Real people are never shown."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.files import read_json, whole
from refer.reporting.figures.canvas import INK, SOFT
from refer.reporting.tables.table import dataset_name

Pixels = NDArray[np.uint8]

MOST_BYTES = 300_000
"""A sheet that takes more is drawn smaller."""
SIDES = (104, 96, 88, 80, 72, 64)
"""Heights of a picture on the sheet, in pixels, the first that fits."""
COLUMNS = {1: 8, 2: 5}
"""How many people stand side by side: of one picture each, or of two."""
PEOPLE = {
    "columns": "one person a column",
    "filled": "one person a column; where one lacks a class, somebody else",
    "rows": "different people in a row",
}
FAINTEST = 6.0
"""Pictures with a smaller standard deviation, in grey levels, show nothing."""
GREY_STEP, COLOUR_STEP = 2, 8
"""Levels are rounded to these, hardly to be seen, since PNG keeps the noise of pictures to the last bit."""
LEVEL = 6
"""Of zlib: higher ones take seconds and save a hundredth."""
_GAP, _MARGIN = 4, 14


@dataclass(frozen=True)
class Choice:
    """What a sheet shows: positions in the prepared data, by class, person and modality (-1: nothing to show)."""

    cells: NDArray[np.int64]
    modalities: Sequence[str]
    people: Literal["unknown", "columns", "filled", "rows"]
    """Whether each column shows one person, with others where one lacks a class ("filled"), or people differ within
    a row and that is all ("rows")."""


def write_sheet(prepared: Path, out: Path) -> None:
    """Write a sheet of the drawn images in the folder `prepared` to `out` (.png), at most `MOST_BYTES` long.

    One row a class, one column a person, the pictures that several cameras took side by side. Equal data give
    equal bytes with equal versions of Pillow, Matplotlib (whose font is used) and zlib.

    Raises:
        UserError: prepare.json does not say that the images are drawn, or there is no such folder.
    """
    about = _about(prepared)
    index = pd.read_parquet(prepared / "index.parquet")
    images = np.load(prepared / "images.npy", mmap_mode="r")
    chosen = choose(about["dataset"], about["classes"], index, images)
    title = f"Drawn stand-in of {dataset_name(about['dataset'])} — no real person"
    for side in SIDES:
        drawn = contact_sheet(
            [[[images[k] for k in person if k >= 0] for person in row] for row in chosen.cells],
            rows=about["classes"],
            title=title,
            told=_told(chosen),
            side=side,
        )
        content = _png(drawn)
        if len(content) <= MOST_BYTES:
            break
    with whole(out) as temporary:
        temporary.write_bytes(content)


def _about(prepared: Path) -> dict[str, Any]:
    try:
        about: dict[str, Any] = read_json(prepared / "prepare.json")
    except FileNotFoundError as error:
        raise UserError(f"{prepared} holds no prepare.json: prepare the data first.") from error
    if about.get("stand_in") is not True:
        raise UserError(
            f"{prepared} holds no drawn stand-in but {dataset_name(about['dataset'])} itself: sheets show drawn "
            "people only."
        )
    return about


def _told(chosen: Choice) -> str:
    parts = [PEOPLE[chosen.people]] if chosen.people in PEOPLE else []
    if len(chosen.modalities) > 1:
        parts.append(f"{' and '.join(chosen.modalities)} side by side")
    return "; ".join(parts)


def choose(dataset: str, classes: Sequence[str], index: pd.DataFrame, images: NDArray[np.uint8]) -> Choice:
    """Choose what to show: different people side by side, and the same ones below, as far as the set has them.

    Of a person's images of one class the strongest expression is taken; copies and blank images are passed
    over. `index` is index.parquet as prepared, `images` (N, H, W, C) in its order.
    """
    index = index.assign(position=np.arange(len(index)))
    modalities = sorted(index["modality"].unique(), key=lambda name: (name != "visible", name))
    moments = _moments(index, modalities)
    known = bool(moments["subject"].notna().any())
    if known:
        moments = _strongest(moments, DATASETS[dataset].apex)
    columns = COLUMNS[min(2, len(modalities))]
    people = _people(moments, columns) if known else []
    cells = np.full((len(classes), columns, len(modalities)), -1, dtype=np.int64)
    own = np.zeros((len(classes), columns), dtype=bool)
    for row in range(len(classes)):
        of_class = moments[moments["label"] == row]
        strangers = of_class[~of_class["subject"].isin(people)]
        others = _seen(strangers if known else _spread(strangers, columns), images, modalities)
        for column in range(columns):
            mine = of_class[of_class["subject"] == people[column]] if column < len(people) else of_class[:0]
            found = next(_seen(mine, images, modalities), None)
            own[row, column] = found is not None
            found = found or next(others, None)
            if found is not None:
                cells[row, column] = found
    used = own.any(axis=0)
    if not known:
        return Choice(cells, modalities, "unknown")
    if own[:, used].all() and (cells[:, ~used] < 0).all():
        return Choice(cells, modalities, "columns")
    if (cells >= 0).all():
        return Choice(cells, modalities, "filled")
    order = np.argsort(cells[:, :, 0] < 0, axis=1, kind="stable")  # gaps go to the end of their row
    return Choice(np.take_along_axis(cells, order[:, :, None], axis=1), modalities, "rows")


def _moments(index: pd.DataFrame, modalities: Sequence[str]) -> pd.DataFrame:
    """Return one row a moment, first copies only, with the position of each modality's picture (-1: none)."""
    first = index[~index["sha256"].duplicated()].copy()
    first["moment"] = first["pair"].where(first["pair"].notna(), first["id"])
    table = first[first["modality"] == modalities[0]].drop_duplicates("moment").copy()
    for name in modalities:
        positions = first[first["modality"] == name].drop_duplicates("moment").set_index("moment")["position"]
        table[name] = table["moment"].map(positions).fillna(-1).astype(int)
    return table[(table[list(modalities)] >= 0).all(axis=1)]


def _strongest(moments: pd.DataFrame, apex: int | None) -> pd.DataFrame:
    """Return each person's strongest moment of each class."""
    level = moments["level"].fillna(0).to_numpy(float)
    weakness = -level if apex is None else np.abs(level - apex)
    ordered = moments.assign(weakness=weakness).sort_values("weakness", kind="stable")
    return ordered.drop_duplicates(["subject", "label"]).sort_values("position")


def _people(moments: pd.DataFrame, columns: int) -> list[str]:
    """Return the people who show most of the classes."""
    shows = moments.groupby("subject", sort=True)["label"].nunique()
    return list(shows.sort_values(ascending=False, kind="stable").index[:columns])


def _spread(rows: pd.DataFrame, columns: int) -> pd.DataFrame:
    """Return rows from all over the set first, where nobody knows who is who."""
    return rows.iloc[np.argsort(np.arange(len(rows)) * columns % max(1, len(rows)), kind="stable")]


def _seen(rows: pd.DataFrame, images: NDArray[np.uint8], modalities: Sequence[str]) -> Iterator[list[int]]:
    """Yield the positions of the moments' pictures, passing over those that show nothing."""
    for positions in rows[list(modalities)].to_numpy(int).tolist():
        if all(float(np.std(images[k])) > FAINTEST for k in positions):
            yield positions


def contact_sheet(
    cells: Sequence[Sequence[Sequence[Pixels]]], *, rows: Sequence[str], title: str, told: str = "", side: int = 96
) -> Image.Image:
    """Lay pictures out on white: grey ("L") where all of them are, otherwise "RGB".

    Args:
        cells: by row and column the pictures, (H, W), (H, W, 1) or (H, W, 3), that stand close together there;
            a cell may be empty.
        rows: a name for every row, to the left of it.
        title: a line above.
        told: a second, smaller line.
        side: height of a picture on the sheet, in pixels; widths follow.
    """
    names, heading, small = _font(max(11, side // 8)), _font(16, bold=True), _font(12)
    left = _MARGIN + round(max(names.getlength(name) for name in rows)) + 10
    top = _MARGIN + 26 + (20 if told else 4)
    pictures = [[[_picture(pixels, side) for pixels in cell] for cell in row] for row in cells]
    wide = max((sum(one.width for one in cell) for row in pictures for cell in row), default=side)
    columns = max(len(row) for row in cells)
    needed = round(max(heading.getlength(title), small.getlength(told))) + 2 * _MARGIN
    width = max(left + columns * (wide + _GAP) - _GAP + _MARGIN, needed)
    grey = all(one.mode == "L" for row in pictures for cell in row for one in cell)
    sheet = Image.new("L" if grey else "RGB", (width, top + len(cells) * (side + _GAP) - _GAP + _MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((_MARGIN, _MARGIN - 2), title, INK, heading)
    pen.text((_MARGIN, _MARGIN + 22), told, SOFT, small)
    for row, (name, line) in enumerate(zip(rows, pictures, strict=True)):
        y = top + row * (side + _GAP)
        pen.text((left - 10, y + side / 2), name, INK, names, anchor="rm")
        for column, cell in enumerate(line):
            x = left + column * (wide + _GAP)
            for picture in cell:
                sheet.paste(picture, (x, y))
                x += picture.width
    return sheet


def _picture(pixels: Pixels, side: int) -> Image.Image:
    grey = pixels.ndim == 2 or pixels.shape[2] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey and pixels.ndim == 3 else pixels))
    shown = image.resize((round(side * image.width / image.height), side), Image.Resampling.LANCZOS)
    step = GREY_STEP if grey else COLOUR_STEP
    return shown.point([level // step * step + step // 2 for level in range(256)] * len(shown.getbands()))


@lru_cache(maxsize=8)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the figures' font, which comes with Matplotlib, so that every machine draws the same."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


def _png(sheet: Image.Image) -> bytes:
    content = io.BytesIO()
    sheet.save(content, "PNG", compress_level=LEVEL)
    return content.getvalue()
