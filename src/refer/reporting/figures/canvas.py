"""What all figures are drawn on: 183 mm wide (two columns of a paper), text from 6.5 points.

Equal input gives the same bytes in .svg (text as text, see `svg`) and .png (200 dpi).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from refer.files import whole
from refer.reporting.figures import svg
from refer.reporting.figures.lettering import Word, write
from refer.reporting.figures.palette import COLOURS, INK, LINE, MARKERS, SOFT, WARN
from refer.reporting.results import csv_value
from refer.reporting.tables.table import dataset_name

__all__ = ["COLOURS", "INK", "LINE", "MARKERS", "SOFT", "WARN", "WIDTH", "canvas", "described"]

WIDTH = 7.2  # inches: 183 mm
DPI = 200
PACKED = 3
"""How hard a PNG is compressed: the usual 6 takes twice as long and saves a tenth."""
STYLE: Any = {
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8,
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",  # comes with Matplotlib, so every machine draws the same
    "font.size": 7.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "savefig.dpi": DPI,
    "text.color": INK,
    "text.parse_math": False,  # a class or label may hold a dollar sign
    "xtick.color": SOFT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.color": SOFT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 7,
    "ytick.major.width": 0.6,
}


@contextmanager
def canvas(
    height: float,
    title: str,
    subtitle: str,
    notice: str,
    outputs: Sequence[Path],
    legend: float = 0,
    *,
    by_hand: bool = False,
) -> Iterator[tuple[Figure, float]]:
    """Yield (figure, inches that its heading takes) and save the figure to `outputs` in the end.

    `height`, in inches, is that of the drawing; the heading, the `legend` below the drawing, and the notice on
    drawn data, if any, add to it. Matplotlib's layout takes as long as all drawing: a figure that places its axes
    `by_hand` goes without.
    """
    lines = textwrap.wrap(subtitle, 122)
    head, foot = 0.3 + 0.14 * len(lines), legend + (0.26 if notice else 0.04)
    total = round(height + head + foot, 2)  # so that few decimals do in SVG
    with matplotlib.rc_context(STYLE):
        rect = (0.005, foot / total, 0.99, height / total)
        engine = None if by_hand else ConstrainedLayoutEngine(rect=rect)
        figure = Figure(figsize=(WIDTH, total), layout=engine, facecolor="white")
        told = [Word(0.08, total - 0.12, title, 9.0, bold=True)]
        told += [Word(0.08, total - 0.3 - 0.14 * number, line, 7.5, SOFT) for number, line in enumerate(lines)]
        write(figure, told, order=-1)
        if notice:
            write(figure, [_stamp(figure, notice, total)], order=6)
        yield figure, head
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()  # places everything once, not once a format
            figure.set_layout_engine(None)
            for axes in figure.axes:
                # The layout's solver differs in the last bits from process to process, and names in an SVG go by them.
                left, bottom, width, height = (round(edge, 6) for edge in axes.get_position().bounds)
                axes.set_position((left, bottom, width, height))
        for path in outputs:
            with whole(path) as temporary:
                if path.suffix == ".svg":
                    svg.save(figure, temporary, title)
                else:
                    options: Any = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": PACKED}}
                    figure.savefig(temporary, **options)


def _stamp(figure: Figure, notice: str, height: float) -> Word:
    """Draw the band along the foot of the figure that says that data is drawn; return what is to be written on it."""
    band = matplotlib.patches.Rectangle(
        (0, 0), 1, 0.2 / height, transform=figure.transFigure, facecolor="#fff4d6", edgecolor="none"
    )
    figure.add_artist(band)
    return Word(WIDTH / 2, 0.1, notice, 7.0, WARN, "middle", bold=True)


def described(dataset: str, stand_in: bool) -> str:
    """Return what people call a data set, and that it is drawn where it is."""
    return f"a drawn stand-in for {dataset_name(dataset)}" if stand_in else dataset_name(dataset)


def text_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return rows with every value as text, as a CSV has them: empty for what is not known."""
    return [{name: str(csv_value(value)).removeprefix("'") for name, value in row.items()} for row in rows]
