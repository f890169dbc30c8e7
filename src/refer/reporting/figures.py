"""A paper's figures: its results with their intervals, and its confusion matrices; training curves are in `curves`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import Predictions, read_all
from refer.reporting.canvas import COLOURS, INK, LINE, MARKERS, WIDTH, canvas, described
from refer.reporting.evidence import Paper
from refer.reporting.names import by_stem, short, span
from refer.reporting.tables import several, stand_in_notice, stated


def draw_confusions(paper: Paper, predictions: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Draw the confusion matrices that `outputs` names, counts beside rates, summed over the seeds and folds given.

    Each output is called `<paper>.<data>.<protocol>.<method>.<part>` with the suffix .svg or .png. Raises
    UserError where a name has no predictions.
    """
    runs = pooled(read_all(predictions))
    for (_, data, protocol, method, part), paths in by_stem(outputs, 5, paper.id):
        mine = [r for r in runs if r.key[:4] == (paper.id, data, protocol, method) and part in r.parts]
        if not mine:
            raise UserError(
                f"{paths[0]}: no predictions of {method!r} on part {part!r} of {data} under {protocol!r} were given."
            )
        _confusion(paper, mine, part, paths)


def draw_forest(paper: Paper, table: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw the paper's results with their intervals, from the CSV of its table, beside the reported numbers."""
    with Path(table).open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["metric"] == "accuracy"]
    if not rows:
        raise UserError(f"{table}: no rows; expected the comparison table of {paper.id}. Make it again.")
    order = list(paper.parts[rows[0]["dataset"]])
    _forest(rows, sorted({row["part"] for row in rows}, key=order.index), [Path(path) for path in outputs])


def confusion(runs: Sequence[Predictions], part: str) -> NDArray[np.int64]:
    """Return the confusion matrix (classes, classes) of a part, summed over `runs`; a row is a true class."""
    size = len(runs[0].classes)
    total = np.zeros((size, size), dtype=np.int64)
    for run in runs:
        counted = run.of(part)
        np.add.at(total, (run.label[counted], run.predicted[counted]), 1)
    return total


def _confusion(paper: Paper, runs: Sequence[Predictions], part: str, outputs: Sequence[Path]) -> None:
    first = runs[0]
    counts = confusion(runs, part)
    images = int(first.of(part).sum())
    title = f"{paper.methods[first.key.method].label}: confusion on {_split(paper, first.dataset, part)}"
    subtitle = (
        f"{described(first.dataset, first.stand_in)} · {paper.id}, {first.key.protocol} protocol · n = {images:,} "
        f"images, {_seeds(runs)} · accuracy {100 * counts.trace() / counts.sum():.1f} %"
    )
    rows = [("", counts)]
    reported = reported_confusion(paper, first, part)
    if reported is not None:
        known, source = reported
        rows = [("Reproduced: ", counts), ("Reported: ", known)]
        subtitle += f" · reported: {known.trace()} of {known.sum()}, {source}"
    notice = stand_in_notice(first.dataset) if first.stand_in else ""
    # Placed by hand: Matplotlib's layout takes as long as the drawing, and there are many of these figures.
    longest = max(len(name) for name in short(first.classes))
    names, side = 0.1 + 0.055 * longest, min(max(0.36 * len(first.classes), 1.4), 3.6)  # inches
    below = 0.5 + 0.05 * longest
    with canvas((side + below) * len(rows), title, subtitle, notice, outputs) as (figure, head):
        figure.set_layout_engine(None)
        width, total = (WIDTH - 2 * names - 0.5) / 2, figure.get_figheight()
        for number, (what, matrix) in enumerate(rows):
            bottom = 1 - (head + 0.25 + side + number * (side + below)) / total
            places = ((start / WIDTH, bottom, width / WIDTH, side / total)
                      for start in (names + 0.2, WIDTH - 0.1 - width))  # fmt: skip
            _counts_and_rates([figure.add_axes(place) for place in places], matrix, first.classes, what)


def reported_confusion(paper: Paper, run: Predictions, part: str) -> tuple[NDArray[np.int64], str] | None:
    """Return the confusion matrix that is known of the paper, its classes in the order of `run`, and its source.

    Raises UserError where it is of other classes.
    """
    for each in paper.confusions:
        if (each.method, each.dataset, each.part) == (run.key.method, run.dataset, part):
            if set(each.classes) != set(run.classes):
                raise UserError(
                    f"{paper.id}: the confusion matrix of {each.method} is of {', '.join(each.classes)}, but the "
                    f"predictions are of {', '.join(run.classes)}; mend `confusions` in the paper's file."
                )
            order = [list(each.classes).index(name) for name in run.classes]
            return np.array(each.counts, dtype=np.int64)[np.ix_(order, order)], each.source
    return None


def _counts_and_rates(pair: Sequence[Axes], counts: NDArray[np.int64], classes: Sequence[str], what: str) -> None:
    support = counts.sum(axis=1, keepdims=True)
    rates = np.divide(100 * counts, support, out=np.zeros(counts.shape), where=support > 0)
    left, right = pair
    _matrix(left, counts, counts / max(counts.max(), 1), classes, lambda n: f"{n:,.0f}")
    _matrix(right, rates, rates / 100, classes, lambda n: f"{n:.0f}")
    left.set_title(f"{what}counts" if what else "Counts")
    right.set_title(f"{what}rates (% of the true class)" if what else "Rates (% of the true class)")
    left.set_ylabel("true class")


def _matrix(
    axes: Axes,
    values: NDArray[Any],
    shade: NDArray[np.float64],
    names: Sequence[str],
    text: Callable[[float], str],
) -> None:
    """Draw one matrix with a number in each cell; `shade` (0..1) colours it."""
    edges = np.arange(len(names) + 1) - 0.5
    axes.pcolormesh(edges, edges, shade, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    labels = short(names)
    axes.set_xticks(range(len(names)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), labels)
    axes.set_xlabel("predicted class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    box, whole = axes.get_position(), axes.get_figure(root=True)
    inches = np.array([WIDTH, whole.get_figheight() if whole else WIDTH])
    cell = np.array([box.width, box.height]) * inches / len(names) * 72  # points
    shapes: dict[str, list[Outline]] = {}
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if shade[row, column] > 0.55 else INK
        letters = _letters(text(value), "bold" if row == column else "normal")
        shapes.setdefault(colour, []).append(_placed(letters, (column, row), cell))
    for colour, those in shapes.items():
        # One shape for all numbers of a colour: a hundred texts take longer to draw than all else in the figure.
        axes.add_artist(PathPatch(Outline.make_compound_path(*those), facecolor=colour, linewidth=0))


@cache
def _letters(text: str, weight: str) -> Outline:
    """Return the outline of a number, in points, its middle at 0."""
    path = TextPath((0, 0), text, size=6.5, prop=FontProperties(family="DejaVu Sans", weight=weight))
    size = path.get_extents()
    middle = (size.x0 + size.width / 2, 0.36 * 6.5)  # half the height of a digit
    return Outline(np.asarray(path.vertices, dtype=np.float64) - middle, path.codes)


def _placed(letters: Outline, at: tuple[int, int], cell: NDArray[np.float64]) -> Outline:
    """Return an outline in the matrix's coordinates, in which rows count downwards."""
    return Outline(np.asarray(letters.vertices, dtype=np.float64) / (cell * (1, -1)) + at, letters.codes)


def _forest(rows: Sequence[Mapping[str, str]], parts: Sequence[str], outputs: Sequence[Path]) -> None:
    first = rows[0]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    stand_in = first["stand_in"] == "true"
    kinds = {"wilson": "Wilson's", "crossed": "over images and seeds"}
    used = "; ".join(kinds[kind] for kind in dict.fromkeys(row["interval_method"] for row in rows))
    seeds = {int(row["seeds"]) for row in rows}
    points = "single runs" if seeds == {1} else f"means over {span(seeds)} seeds"
    if first["folds"]:
        points += f", {several(int(first['folds']), 'fold')} of each pooled"
    title = f"{first['paper']}: reproduced beside reported accuracy"
    told = [described(first["dataset"], stand_in), f"points: {points}", f"bars: 95 % intervals ({used})"]
    told += (
        ["line through a reported number: its standard deviation"] if any(row["reported_sd"] for row in rows) else []
    )
    notice = stand_in_notice(first["dataset"]) if stand_in else ""
    height = (0.2 if len(methods) <= 8 else 0.15) * len(methods) * (len(protocols) + 0.8) + 0.65
    with canvas(height, title, " · ".join(told), notice, outputs, legend=0.22) as (figure, _):
        grid = figure.subplots(1, len(parts), sharey=True, sharex=True, squeeze=False)[0]
        for axes, part in zip(grid, parts, strict=True):
            _forest_panel(axes, [row for row in rows if row["part"] == part], methods, protocols)
        labels = [next(row["label"] for row in rows if row["method"] == method) for method in methods]
        grid[0].set_yticks(range(len(methods)), labels)
        grid[0].set_ylim(len(methods) - 0.5, -0.5)
        low, high = grid[0].get_xlim()
        room = 0.14 * (high - low)  # for the numbers beside the outermost bars
        grid[0].set_xlim(low - room * any(map(_above, rows)), high + room)
        middle = (0.5, (0.26 if notice else 0.04) / figure.get_figheight())
        handles = {name: each for axes in grid for each, name in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="lower center", bbox_to_anchor=middle, ncols=4)


def _forest_panel(
    axes: Axes, rows: Sequence[Mapping[str, str]], methods: Sequence[str], protocols: Sequence[str]
) -> None:
    """Draw one part: a line per method, an interval per protocol, a diamond where the paper reports."""
    step = 0.62 / max(len(protocols), 1)
    claims = {row["method"]: row for row in rows if row["reported"]}
    for row in rows:
        place, kind = methods.index(row["method"]), protocols.index(row["protocol"])
        y = place + step * (kind - (len(protocols) - 1) / 2)
        mean, low, high = (float(row[name]) for name in ("mean", "low", "high"))
        colour = COLOURS[kind % len(COLOURS)]
        axes.plot([low, high], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot(mean, y, MARKERS[kind % len(MARKERS)], color=colour, markersize=4)
        _number(axes, f"{mean:.1f}", low if _above(row) else high, y, colour, 4, left=_above(row))
    for method, row in claims.items():
        _forest_claim(axes, row, methods.index(method))
    for kind, protocol in enumerate(protocols):
        axes.plot([], [], f"{MARKERS[kind]}-", color=COLOURS[kind], markersize=4, label=protocol)
    if any(row["reported"] for row in rows):
        unknown = any(row["reported_part"] == "not stated" for row in rows)
        name = "reported (* the paper does not say on which part)" if unknown else "reported"
        axes.plot([], [], "D", color=INK, fillstyle="none", markersize=5, linestyle="none", label=name)
    for place in range(1, len(methods)):
        axes.axhline(place - 0.5, color=LINE, linewidth=0.5)
    sizes = {each: span(int(row["n"]) for row in rows if row["protocol"] == each) for each in protocols}
    sizes = {protocol: size for protocol, size in sizes.items() if size}
    n = set(sizes.values())
    each = ", ".join(f"{size} {protocol}" for protocol, size in sizes.items())
    axes.set_title(f"{rows[0]['split']}, n = {n.pop() if len(n) == 1 else each}")
    axes.set_xlabel("accuracy (%)")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _forest_claim(axes: Axes, row: Mapping[str, str], place: int) -> None:
    """Draw what the paper reports, with its spread where it states one."""
    value, mark = float(row["reported"]), "*" if row["reported_part"] == "not stated" else ""
    sd, left = float(row["reported_sd"] or 0), not _above(row)
    axes.plot([value - sd, value + sd], [place, place], color=INK, linewidth=0.6)
    axes.plot(value, place, "D", color=INK, fillstyle="none", markersize=5)
    _number(axes, stated(value) + mark, value + (-sd if left else sd), place, INK, 6, left=left)


def _above(row: Mapping[str, str]) -> bool:
    """Whether the paper reports more than what was reproduced: then numbers stand left of the bars, out of its way."""
    return bool(row["reported"]) and float(row["difference"]) < 0


def _number(axes: Axes, text: str, x: float, y: float, colour: str, gap: float, *, left: bool) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(-gap if left else gap, 0),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        color=colour,
        fontsize=7,
    )


def _split(paper: Paper, dataset: str, part: str) -> str:
    return paper.parts[dataset][part]


def _seeds(runs: Sequence[Predictions]) -> str:
    seeds = "one seed" if len(runs) == 1 else f"summed over {len(runs)} seeds"
    return f"{seeds}, {several(len(runs[0].folds), 'fold')} pooled" if runs[0].folds else seeds
