"""A paper's figures: its results with their intervals, and its confusion matrices; training curves are in `curves`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import Predictions, read_all
from refer.reporting.figures.canvas import COLOURS, INK, LINE, MARKERS, WIDTH, canvas, described, text_rows
from refer.reporting.figures.lettering import Word, width, write
from refer.reporting.figures.panel import Panel, Side, Tag, by_row, limits, percents
from refer.reporting.names import by_stem, short, span
from refer.reporting.tables.table import several, stand_in_notice, stated
from refer.spec import Paper

FIRST, LAST = slice(None, -1), slice(1, None)
CORNERS = ((FIRST, FIRST), (LAST, FIRST), (LAST, LAST), (FIRST, LAST))
"""Which edges of columns and of rows the corners of a cell lie on, one after another."""


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


def draw_forest(paper: Paper, table: Iterable[Mapping[str, Any]], outputs: Iterable[str | Path]) -> None:
    """Draw the paper's results with their intervals, from the CSV of its table, beside the reported numbers."""
    rows = [row for row in text_rows(table) if row["metric"] == "accuracy"]
    if not rows:
        raise UserError(f"no rows; expected the comparison table of {paper.id}. Make it again.")
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
    labels = short(first.classes)
    beside = 0.42 + max(width(label) for label in labels)  # inches: the classes' names and what they are
    side = min(max(0.36 * len(labels), 1.4), 3.6, (WIDTH - 0.5) / 2 - beside)
    below = 0.42 + 0.6 * max(width(label) for label in labels)
    block = 0.3 + side + below
    with canvas(block * len(rows), title, subtitle, notice, outputs, by_hand=True) as (figure, head):
        total = figure.get_figheight()
        for number, (what, matrix) in enumerate(rows):
            top = total - head - number * block - 0.3
            _counts_and_rates(figure, matrix, labels, what, beside, top, side)


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


def _counts_and_rates(
    figure: Figure, counts: NDArray[np.int64], labels: Sequence[str], what: str, beside: float, top: float, side: float
) -> None:
    """Draw counts and rates, each `side` high with its upper edge at `top` and `beside` left of it (inches)."""
    support = counts.sum(axis=1, keepdims=True)
    rates = np.divide(100 * counts, support, out=np.zeros(counts.shape), where=support > 0)
    wide = WIDTH / 2 - beside - 0.15
    for number, (heading, values, shade) in enumerate(
        (
            (f"{what}counts", counts, counts / max(counts.max(), 1)),
            (f"{what}rates (% of the true class)", rates, rates / 100),
        )
    ):
        left = beside + number * WIDTH / 2
        write(figure, [Word(left, top + 0.12, heading[0].upper() + heading[1:], 8.0)])
        _matrix(figure, values, shade, labels, (left, top - side, wide, side))


def _matrix(
    figure: Figure,
    values: NDArray[Any],
    shade: NDArray[np.float64],
    labels: Sequence[str],
    box: tuple[float, float, float, float],
) -> None:
    """Draw one matrix into `box` (left, bottom, width, height in inches); `shade` (0..1) colours its cells."""
    left, bottom, wide, high = box
    size = len(labels)
    x, y = left + wide * np.arange(size + 1) / size, bottom + high * (1 - np.arange(size + 1) / size)
    corners = np.stack([np.stack(np.meshgrid(x[at], y[to]), axis=-1) for at, to in CORNERS], axis=2)
    colours = colormaps["Blues"](shade.ravel())
    cells = PolyCollection(list(corners.reshape(-1, 4, 2)), facecolors=colours, edgecolors="white", linewidths=1)
    cells.set_transform(figure.dpi_scale_trans)
    figure.add_artist(cells, clip=False)
    middle = [(edges[1:] + edges[:-1]) / 2 for edges in (x, y)]
    words: list[Word] = []
    for r, label in enumerate(labels):
        words.append(Word(left - 0.06, float(middle[1][r]), label, anchor="right"))
        words += [Word(float(middle[0][c]), float(middle[1][r]), f"{value:,.0f}", 6.5,
                       "white" if shade[r, c] > 0.62 else INK, "middle", bold=r == c)
                  for c, value in enumerate(values[r])]  # fmt: skip
    words += [Word(float(at), bottom - 0.1, label, anchor="right", turned=35)
              for at, label in zip(middle[0], labels, strict=True)]  # fmt: skip
    longest = max(width(label) for label in labels)
    words += [
        Word(left + wide / 2, bottom - 0.24 - 0.6 * longest, "predicted class", 7.5, anchor="middle"),
        Word(left - 0.2 - longest, bottom + high / 2, "true class", 7.5, anchor="middle", turned=90),
    ]
    write(figure, words)


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
        folds = int(first["folds"])
        points += f", {several(folds, 'fold')} of each pooled" if folds > 1 else ", one fold"
    title = f"{first['paper']}: reproduced beside reported accuracy"
    told = [described(first["dataset"], stand_in), f"points: {points}", f"bars: 95 % intervals ({used})"]
    told += (
        ["line through a reported number: its standard deviation"] if any(row["reported_sd"] for row in rows) else []
    )
    notice = stand_in_notice(first["dataset"]) if stand_in else ""
    line = (0.2 if len(methods) <= 8 else 0.15) * (len(protocols) + 0.8)
    high = line * len(methods)
    labels = [next(row["label"] for row in rows if row["method"] == method) for method in methods]
    beside = 0.15 + max(width(label) for label in labels)
    wide = (WIDTH - beside - 0.1 - 0.15 * (len(parts) - 1)) / len(parts)
    tags = {part: _tags([row for row in rows if row["part"] == part], methods, protocols) for part in parts}
    values = [float(row[name]) for row in rows for name in ("low", "high", "reported") if row[name]]
    x = limits(values, [tag for each in tags.values() for tag in each], wide)
    with canvas(high + 0.7, title, " · ".join(told), notice, outputs, legend=0.22, by_hand=True) as (figure, head):
        bottom = figure.get_figheight() - head - 0.25 - high
        heads: list[Word] = []
        axes: list[Word] = []
        lines: list[tuple[float, Word]] = []
        for number, part in enumerate(parts):
            box = (beside + number * (wide + 0.15), bottom, wide, high)
            panel = Panel(figure, box, x, (len(methods) - 0.5, -0.5))
            mine = [row for row in rows if row["part"] == part]
            _forest_panel(panel, mine, methods, protocols)
            panel.heading(_heading(mine, protocols))
            if number == 0:
                lines += [(place, Word(beside - 0.08, float(panel.up(place)), label, anchor="right"))
                          for place, label in enumerate(labels)]  # fmt: skip
            lines += [(round(tag.y), panel.beside(tag)) for tag in tags[part]]
            heads += panel.head
            axes += panel.words
        write(figure, [*heads, *by_row(lines), *axes])
        _key(figure, protocols, rows, (0.26 if notice else 0.04) / figure.get_figheight())


def _forest_panel(
    panel: Panel, rows: Sequence[Mapping[str, str]], methods: Sequence[str], protocols: Sequence[str]
) -> None:
    """Draw one part: a line per method, an interval per protocol, a diamond where the paper reports."""
    panel.axis_x(percents(panel.x, panel.box[2]), "accuracy (%)", grid=True)
    panel.lines(((panel.x, (place - 0.5,) * 2) for place in range(1, len(methods))), LINE, 0.5, order=1)
    for protocol in protocols:
        mine = [(row, _line_of(row, methods, protocols)) for row in rows if row["protocol"] == protocol]
        colour, marker = COLOURS[_kind(protocol)], MARKERS[_kind(protocol)]
        panel.bars(((float(row["low"]), float(row["high"]), y) for row, y in mine), colour, 1.4)
        panel.points(((float(row["mean"]), y) for row, y in mine), marker, colour, 4, open_=False)
    claims = {row["method"]: row for row in rows if row["reported"]}.values()
    spreads = [(float(row["reported"]), float(row["reported_sd"] or 0), methods.index(row["method"])) for row in claims]
    panel.bars(((value - sd, value + sd, y) for value, sd, y in spreads), INK, 0.6)
    panel.points(((value, y) for value, _, y in spreads), "D", INK, 5, open_=True)


def _tags(rows: Sequence[Mapping[str, str]], methods: Sequence[str], protocols: Sequence[str]) -> list[Tag]:
    """Return the numbers that stand beside bars and diamonds, outside of what lies between them."""
    tags = []
    for row in rows:
        colour = COLOURS[_kind(row["protocol"])]
        side: Side = "left" if _above(row) else "right"
        at = float(row["low" if _above(row) else "high"])
        tags.append(Tag(at, _line_of(row, methods, protocols), f"{float(row['mean']):.1f}", side, colour))
    for row in {row["method"]: row for row in rows if row["reported"]}.values():
        sd, mark = float(row["reported_sd"] or 0), "*" if row["reported_part"] == "not stated" else ""
        side = "right" if _above(row) else "left"
        mine = [each for each in rows if each["method"] == row["method"]]
        ends = [float(each["high" if side == "right" else "low"]) for each in mine]  # clear of all bars of the method
        at = max(float(row["reported"]) + sd, *ends) if side == "right" else min(float(row["reported"]) - sd, *ends)
        tags.append(Tag(at, methods.index(row["method"]), stated(float(row["reported"])) + mark, side, gap=0.08))
    return tags


def _kind(protocol: str) -> int:
    """Return which colour and marker a protocol has, the same in every figure."""
    known = ("published", "audited")
    return known.index(protocol) if protocol in known else len(known)


def _line_of(row: Mapping[str, str], methods: Sequence[str], protocols: Sequence[str]) -> float:
    step = 0.62 / max(len(protocols), 1)
    return methods.index(row["method"]) + step * (protocols.index(row["protocol"]) - (len(protocols) - 1) / 2)


def _heading(rows: Sequence[Mapping[str, str]], protocols: Sequence[str]) -> str:
    sizes = {each: span(int(row["n"]) for row in rows if row["protocol"] == each) for each in protocols}
    sizes = {protocol: size for protocol, size in sizes.items() if size}
    n = set(sizes.values())
    each = ", ".join(f"{size} {protocol}" for protocol, size in sizes.items())
    return f"{rows[0]['split']}, n = {n.pop() if len(n) == 1 else each}"


def _key(figure: Figure, protocols: Sequence[str], rows: Sequence[Mapping[str, str]], foot: float) -> None:
    """Draw what the markers mean, along the foot of the figure."""
    handles = [Line2D([], [], marker=MARKERS[_kind(protocol)], color=COLOURS[_kind(protocol)], markersize=4,
                      label=protocol) for protocol in protocols]  # fmt: skip
    if any(row["reported"] for row in rows):
        unknown = any(row["reported_part"] == "not stated" for row in rows)
        name = "reported (* the paper does not say on which part)" if unknown else "reported"
        handles.append(Line2D([], [], marker="D", color=INK, fillstyle="none", markersize=5, linestyle="none",
                              label=name))  # fmt: skip
    figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, foot), ncols=4)


def _above(row: Mapping[str, str]) -> bool:
    """Whether the paper reports more than what was reproduced: then numbers stand left of the bars, out of its way."""
    return bool(row["reported"]) and float(row["difference"]) < 0


def _split(paper: Paper, dataset: str, part: str) -> str:
    return paper.parts[dataset][part]


def _seeds(runs: Sequence[Predictions]) -> str:
    seeds = "one seed" if len(runs) == 1 else f"summed over {len(runs)} seeds"
    return f"{seeds}, {several(len(runs[0].folds), 'fold')} pooled" if runs[0].folds else seeds
