"""Figures as they are drawn: the words of each, and its panels, to be read back from Matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from refer.reporting.figures import canvas
from report_fixtures import written_in


@contextmanager
def drawn() -> Iterator[list[Figure]]:
    """Collect each figure that is saved, once a file."""
    found: list[Figure] = []
    save = canvas.save

    def catch(figure: Figure, path: Path, title: str) -> None:
        save(figure, path, title)
        found.append(figure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "save", catch)
        yield found


@contextmanager
def caught() -> Iterator[list[str]]:
    """Collect what is written in each figure that is saved as SVG."""
    found: list[str] = []
    save = canvas.save

    def catch(figure: Figure, path: Path, title: str) -> None:
        save(figure, path, title)
        if path.suffix == ".svg":
            found.append(" ".join(written_in(path)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "save", catch)
        yield found


def dots_of(axes: Axes) -> list[tuple[float, float, bool]]:
    """Return every dot of a panel: (x, y, whether it is full), from the top down."""
    found = []
    for line in axes.lines:
        if line.get_linestyle() == "None" and line.get_marker() not in (8, 9):
            full = not np.array_equal(line.get_markerfacecolor(), "white")
            found += [(float(x), float(y), full) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]
    return sorted(found, key=lambda dot: dot[1])


def arrows_of(axes: Axes) -> list[Line2D]:
    """Return the signs that say that an interval leaves the panel."""
    return [line for line in axes.lines if line.get_marker() in (8, 9)]


def texts_of(axes: Axes) -> list[str]:
    """Return what is written in a panel, in the order in which it was."""
    return [text.get_text() for text in axes.texts]
