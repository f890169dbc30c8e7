"""Where networks look: drawn faces, and beside each what the network shows of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from refer.errors import UserError
from refer.reporting.figures.canvas import INK, SOFT, WIDTH, canvas
from refer.reporting.figures.explanation_file import DIGITS, Explained, whose
from refer.reporting.tables.table import stand_in_notice
from refer.spec import Paper

MAP, WEIGHT = "viridis", "Oranges"


def draw_attention(paper: Paper, run: Explained, outputs: Sequence[str | Path]) -> None:
    """Draw examples of one run: what the network was given, and beside it what it shows of itself.

    Args:
        paper: gives the label.
        run: with examples.
        outputs: files to write, .png or .svg.

    Raises:
        UserError: the faces are not drawn; faces of people do not go into a report.
    """
    about = run.about
    if not about["stand_in"] or not run.has_examples:
        raise UserError(f"{run.path}: attention is shown on drawn faces only, of networks that have something to show.")
    columns = _regions(run) if "examples/regions" in run.tensors else _corrections(run)
    classes, labels = about["classes"], run.tensors["examples/labels"]
    what = "region weights in %" if "examples/regions" in run.tensors else "attention is the mean of its maps"
    title = f"{paper.methods[about['method']].label}: where it looks"
    subtitle = (
        f"{whose(paper, about)} · the first images of each class, not chosen by result · below each class the one "
        f"that was predicted and its probability · {what}"
    )
    if "attention" in columns:
        subtitle += "; the corrected image is cut off at white"
    likely = run.tensors["examples/probabilities"]
    names = [
        f"{classes[label]}\n→ {classes[chance.argmax()]}\n{100 * chance.max():.0f} %"
        for label, chance in zip(labels, likely, strict=True)
    ]
    _sheet(names, columns, title, subtitle, stand_in_notice(about["dataset"]), list(map(Path, outputs)))


def _corrections(run: Explained) -> dict[str, list[Any]]:
    """Return heading → pictures, of feratt2019's network."""
    given = {name: run.tensors[f"examples/{name}"] for name in ("input", "attention", "corrected")}
    columns: dict[str, list[Any]] = {
        "input": list(map(_picture, given["input"])),
        "attention": list(given["attention"].astype(np.float64).mean(axis=1).round(DIGITS)),
        "corrected": [_picture(255 * np.clip(each.astype(np.float64), 0, 1)) for each in given["corrected"]],
    }
    if "examples/target" in run.tensors:
        columns["target"] = list(map(_picture, run.tensors["examples/target"]))
    return columns


def _regions(run: Explained) -> dict[str, list[Any]]:
    """Return heading → pictures, of khalid2025's network; weights are drawn on the face."""
    faces = list(map(_picture, run.tensors["examples/input"]))
    weights = run.tensors["examples/regions"].astype(np.float64).round(DIGITS)
    # Equal weights lie in the middle of the colours, whatever the number of regions.
    top = max(weights.max(), 2 / weights[0].size)
    return {"input": faces, "region weights": [(face, own, top) for face, own in zip(faces, weights, strict=True)]}


def _picture(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(1 or 3, H, W) of 0..255 → (H, W, 3) uint8."""
    return np.broadcast_to(pixels.round().astype(np.uint8), (3, *pixels.shape[1:])).transpose(1, 2, 0)


def _sheet(
    names: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    title: str,
    subtitle: str,
    notice: str,
    outputs: Sequence[Path],
) -> None:
    """Draw examples in rows, a picture a column, in as many blocks side by side as the width holds."""
    blocks = min(3 if len(columns) == 2 else 2, len(names))
    rows = -(-len(names) // blocks)
    margin, gap, top_line, key = 0.8, 0.04, 0.2, 0.4 if "attention" in columns else 0.0  # inches
    span = (WIDTH - 0.16) / blocks
    side = min(span - margin, 1.15 * len(columns)) / len(columns)
    bounds = _range(columns.get("attention", []))
    height = rows * side + top_line + key + 0.08
    with canvas(height, title, subtitle, notice, outputs) as (figure, head):
        figure.set_layout_engine(None)
        total = figure.get_figheight()
        axes = figure.add_axes(
            (0, 0, 1, 1)
        )  # one for all pictures, in inches: an axes a picture takes a second a figure
        axes.set_axis_off()
        for number, name in enumerate(names):
            block, row = divmod(number, rows)
            left, top = 0.08 + block * span + margin, total - head - top_line - row * side
            for column, heading in enumerate(columns if row == 0 else ()):
                middle = left + column * side + (side - gap) / 2
                axes.text(middle, top + 0.05, heading, ha="center", va="bottom", fontsize=7, color=SOFT)
            axes.text(left - 0.09, top - side / 2, name, ha="right", va="center", multialignment="right", fontsize=7)
            for column, (heading, pictures) in enumerate(columns.items()):
                start = left + column * side
                _show(axes, heading, pictures[number], (start, start + side - gap, top - side + gap, top), bounds)
        axes.set(xlim=(0, WIDTH), ylim=(0, total))
        if key:
            _key(figure, *bounds, (0.3 if notice else 0.08) + 0.2)


def _show(
    axes: Axes, heading: str, picture: Any, place: tuple[float, float, float, float], bounds: tuple[float, float]
) -> None:
    """Draw one picture at `place`: left, right, bottom, top in inches; `bounds` are those of the attention."""
    low, high = bounds
    if heading == "attention":
        axes.imshow(picture, cmap=MAP, vmin=low, vmax=high, interpolation="nearest", extent=place, aspect="auto")
        return
    if heading != "region weights":
        axes.imshow(picture, interpolation="nearest", extent=place, aspect="auto")
        return
    face, weights, top = picture
    side = weights.shape[0]
    axes.imshow(face, interpolation="nearest", extent=place, aspect="auto")
    across, down = np.linspace(place[0], place[1], side + 1), np.linspace(place[3], place[2], side + 1)
    mesh: dict[str, Any] = {"edgecolors": "white", "linewidth": 0.6, "alpha": 0.6}
    axes.pcolormesh(across, down, weights, cmap=WEIGHT, vmin=0, vmax=top, **mesh)
    for (row, column), weight in np.ndenumerate(weights) if side <= 4 else ():
        x, y = float(across[column : column + 2].mean()), float(down[row : row + 2].mean())
        colour = "white" if weight > 0.7 * top else INK
        axes.text(x, y, f"{100 * weight:.0f}", ha="center", va="center", fontsize=6.5, color=colour, fontweight="bold")


def _key(figure: Figure, low: float, high: float, bottom: float) -> None:
    """Draw the colour scale of attention along the foot."""
    total = figure.get_figheight()
    axes = figure.add_axes((0.35, bottom / total, 0.3, 0.07 / total))
    scale = np.linspace(0, 1, 256)[None]
    axes.imshow(scale, cmap=MAP, interpolation="nearest", aspect="auto", extent=(low, high, 0, 1))
    axes.spines[:].set_visible(False)
    axes.set_xticks([low, high], [f"{low:.2f}", f"{high:.2f}"])
    axes.set_yticks([])
    axes.set_title("attention", loc="center", fontsize=7, color=SOFT, pad=2, zorder=0)
    axes.tick_params(length=0, pad=2)


def _range(maps: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Return the least and the greatest attention shown, a little apart at least."""
    if not maps:
        return 0.0, 1.0
    low, high = min(float(each.min()) for each in maps), max(float(each.max()) for each in maps)
    return (low, high) if high - low > 0.01 else (low - 0.005, low + 0.005)
