"""What all figures are drawn on: 183 mm wide (two columns of a paper), text from 6.5 points.

Colours are Okabe and Ito's, which colour-blind readers can tell apart, and never the only sign. Equal input
gives the same bytes in .svg (text as paths, so that it looks the same everywhere) and .png (200 dpi).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from refer.files import whole
from refer.reporting.tables import dataset_name

WIDTH = 7.2  # inches: 183 mm
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, SOFT, LINE, WARN = "#1b1f24", "#5b6570", "#d5dae0", "#8a5a00"
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
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "refer",
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
    height: float, title: str, subtitle: str, notice: str, outputs: Sequence[Path], legend: float = 0
) -> Iterator[tuple[Figure, float]]:
    """Yield (figure, inches that its heading takes) and save the figure to `outputs` in the end.

    `height`, in inches, is that of the drawing; the heading, the `legend` below the drawing, and the notice on
    drawn data, if any, add to it.
    """
    lines = textwrap.wrap(subtitle, 122)
    head, foot = 0.3 + 0.14 * len(lines), legend + (0.26 if notice else 0.04)
    total = height + head + foot
    with matplotlib.rc_context(STYLE):
        rect = (0.005, foot / total, 0.99, height / total)
        figure = Figure(figsize=(WIDTH, total), layout=ConstrainedLayoutEngine(rect=rect), facecolor="white")
        left = 0.08 / WIDTH
        figure.text(left, 1 - 0.06 / total, title, fontsize=9, fontweight="bold", va="top")
        figure.text(left, 1 - 0.24 / total, "\n".join(lines), fontsize=7.5, color=SOFT, va="top")
        if notice:
            _stamp(figure, notice, total)
        yield figure, head
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()  # places everything once, not once a format
            figure.set_layout_engine(None)
            for axes in figure.axes:
                # The layout's solver differs in the last bits from process to process, and names in an SVG go by them.
                left, bottom, width, height = (round(edge, 6) for edge in axes.get_position().bounds)
                axes.set_position((left, bottom, width, height))
        for path in outputs:
            metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            with whole(path) as temporary:
                figure.savefig(temporary, metadata=metadata)


def _stamp(figure: Figure, notice: str, height: float) -> None:
    """Write the stand-in notice along the foot of the figure."""
    band = matplotlib.patches.Rectangle(
        (0, 0), 1, 0.2 / height, transform=figure.transFigure, facecolor="#fff4d6", edgecolor="none"
    )
    figure.add_artist(band)
    figure.text(0.5, 0.1 / height, notice, color=WARN, fontsize=7, fontweight="bold", ha="center", va="center")


def described(dataset: str, stand_in: bool) -> str:
    """Return what people call a data set, and that it is drawn where it is."""
    return f"a drawn stand-in for {dataset_name(dataset)}" if stand_in else dataset_name(dataset)
