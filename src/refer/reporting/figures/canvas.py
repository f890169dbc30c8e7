"""The sheet that every figure is drawn on: 183 mm wide (two columns of a paper), text from 6.5 points.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; they are never the only sign. Equal input gives
equal bytes, in .svg (see `svg`) and in .png (200 dpi).
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from refer.files import whole
from refer.reporting.figures.svg import tidy
from refer.reporting.tables.table import dataset_name

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
WORDS = dict(zip(COLOURS, ("#0072B2", "#BF5400", "#008460", "#A15F83", "#9C6C00", "#3A7A9E", "#000000"), strict=True))
"""Each of them as text is written in it on white: as dark as a contrast of 4.5 asks (WCAG 2.2, 1.4.3)."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, SOFT, LINE, WARN = "#1b1f24", "#5b6570", "#d5dae0", "#8a5a00"
STYLE = Path(__file__).with_name("figures.mplstyle")
WIDTH = 7.2
"""Inches: 183 mm."""


@contextmanager
def canvas(height: float, title: str, subtitle: str, notice: str, outputs: Iterable[str | Path]) -> Iterator[SubFigure]:
    """Yield a part of a figure to draw in, `height` inches high, and save the whole to `outputs` (.svg, .png).

    The title and the subtitle above it, and below it the `notice` on drawn data, if any, add to the height.
    Matplotlib's constrained layout places all that is drawn.
    """
    lines = textwrap.wrap(subtitle, 124)
    head, foot = 0.34 + 0.14 * len(lines), 0.22 if notice else 0.02
    total = round(head + height + foot, 2)
    with matplotlib.rc_context(fname=str(STYLE)):
        layout = ConstrainedLayoutEngine()
        figure = Figure(figsize=(WIDTH, total), layout=layout)
        grid = figure.add_gridspec(3, 1, height_ratios=[head, height, foot], hspace=0)
        body = figure.add_subfigure(grid[1], zorder=1)
        figure.text(0.08 / WIDTH, 1 - 0.12 / total, title, va="center", fontsize=9, fontweight="bold", zorder=0)
        told = "\n".join(lines)
        figure.text(
            0.08 / WIDTH, 1 - 0.24 / total, told, va="top", color=SOFT, fontsize=7.5, linespacing=1.35, zorder=0
        )
        if notice:
            band = Rectangle((0, 0), 1, 0.2 / total, transform=figure.transFigure, facecolor="#fff4d6", zorder=2)
            figure.add_artist(band)
            where: Any = {"ha": "center", "va": "center", "zorder": 3}
            figure.text(0.5, 0.1 / total, notice, color=WARN, fontweight="bold", **where)
        yield body
        layout.execute(figure)  # once, not once a format
        figure.set_layout_engine(None)
        # The layout's solver differs in the last bits from time to time, and an edge may fall on either of two pixels.
        body.bbox_relative.p0, body.bbox_relative.p1 = (
            edge.round(6) for edge in (body.bbox_relative.p0, body.bbox_relative.p1)
        )
        for axes in figure.axes:
            left, bottom, width, height = (round(edge, 6) for edge in axes.get_position().bounds)
            axes.set_position((left, bottom, width, height))
        for path in map(Path, outputs):
            with whole(path) as temporary:
                save(figure, temporary, title)


def save(figure: Figure, path: Path, title: str) -> None:
    """Write a figure in the format that the suffix names. Equal figures give equal bytes."""
    if path.suffix == ".svg":
        drawing = io.StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None})
        path.write_text(tidy(drawing.getvalue(), title), encoding="utf-8")
    else:
        figure.savefig(path, metadata={"Software": None}, pil_kwargs={"compress_level": 3})


def key(figure: SubFigure, handles: Iterable[Any], **options: Any) -> None:
    """Draw what signs mean, in a line below all panels."""
    shown = list(handles)
    figure.legend(handles=shown, loc="outside lower center", **{"ncols": len(shown), **options})


def heading(axes: Axes, text: str) -> None:
    """Write a title above a panel, to be read before what stands in it."""
    axes.set_title(text, zorder=-1)


def wall(figure: SubFigure, height: float) -> Axes:
    """Return one panel for many pictures, all over a figure, in inches from its upper left corner.

    A panel for each picture would take a second a figure.
    """
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return axes


def hang(axes: Axes, picture: NDArray[Any], x: float, y: float, side: float, **options: Any) -> None:
    """Show a picture (H, W), (H, W, 1) or (H, W, 3), 0..255, on a wall, its upper left corner at (x, y)."""
    pixels = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    grey: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255}
    axes.imshow(pixels, extent=(x, x + side, y + side, y), aspect="auto", **(grey | options))


def table_of(source: pd.DataFrame | str | Path, *columns: str) -> pd.DataFrame:
    """Return a table that is given as a frame, or as the path of its CSV; an empty file has the `columns` at least."""
    try:
        return source if isinstance(source, pd.DataFrame) else pd.read_csv(source)
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=list(columns))


def groups(table: pd.DataFrame, by: str | list[str]) -> Iterator[tuple[Any, pd.DataFrame]]:
    """Yield what rows have in common, and those rows, in the order of the table."""
    yield from table.groupby(by, sort=False)


def described(dataset: str, stand_in: bool) -> str:
    """Return what people call a data set, and that it is drawn where it is."""
    return f"a drawn stand-in for {dataset_name(dataset)}" if stand_in else dataset_name(dataset)
