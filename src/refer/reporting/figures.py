"""Figures, drawn to be read in print: 183 mm wide (two columns of a paper), text from 6.5 points.

Colours are Okabe and Ito's, which colour-blind readers can tell apart, and never the only sign. Equal input
gives the same bytes in .svg (text as paths, so that it looks the same everywhere) and .png (200 dpi).
"""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from refer.errors import UserError
from refer.evaluation.scores import Predictions, RunKey, read_all
from refer.files import whole
from refer.reporting.audit import Audit, read_audit
from refer.reporting.evidence import Paper, Record, read_records
from refer.reporting.tables import dataset_name, stand_in_notice

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


@dataclass(frozen=True)
class Curve:
    """The training of one run: its record and the columns of its training.csv (each of length epochs)."""

    record: Record
    columns: Mapping[str, NDArray[np.float64]]


def draw_confusions(paper: Paper, predictions: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Draw the confusion matrices that `outputs` names, counts beside rates, summed over the seeds given.

    Each output is called `<paper>.<data>.<protocol>.<method>.<part>` with the suffix .svg or .png. Raises
    UserError where a name has no predictions.
    """
    runs = read_all(predictions)
    for (_, data, protocol, method, part), paths in _by_stem(outputs, 5, paper.id):
        mine = [r for r in runs if r.key[:4] == (paper.id, data, protocol, method) and part in r.parts]
        if not mine:
            raise UserError(
                f"{paths[0]}: no predictions of {method!r} on part {part!r} of {data} under {protocol!r} were given."
            )
        _confusion(paper, mine, part, paths)


def draw_curves(
    paper: Paper,
    runs: Iterable[str | Path],
    training: Iterable[str | Path],
    outputs: Iterable[str | Path],
) -> None:
    """Draw the training curves that `outputs` names, from run.json and training.csv files.

    Each output is called `<paper>.<data>.<protocol>` with the suffix .svg or .png.
    """
    records = read_records(runs)
    tables = {Path(path).absolute().parts[-6:-1]: Path(path) for path in training}
    for (_, data, protocol), paths in _by_stem(outputs, 3, paper.id):
        keys = [key for key in records if key[:3] == (paper.id, data, protocol)]
        keys.sort(key=lambda key: (list(paper.methods).index(key.method), key.seed))
        if not keys:
            raise UserError(f"{paths[0]}: no run.json of {paper.id} on {data} under {protocol!r} was given.")
        curves = [Curve(records[key], _training(key, tables)) for key in keys]
        _curves(paper, curves, paths)


def draw_forest(paper: Paper, table: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw the paper's results with their intervals, from the CSV of its table, beside the reported numbers."""
    with Path(table).open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if not rows:
        raise UserError(f"{table}: no rows; expected the comparison table of {paper.id}. Make it again.")
    _forest(rows, [Path(path) for path in outputs])


def draw_classes(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw how the classes are distributed in each official split, from audit.json."""
    _classes(read_audit(audit), [Path(path) for path in outputs])


def draw_audit(audit: str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw what stands where it should not: images that cross splits, copies, conflicting labels, blanks."""
    _audit(read_audit(audit), [Path(path) for path in outputs])


def confusion(runs: Sequence[Predictions], part: str) -> NDArray[np.int64]:
    """Return the confusion matrix (classes, classes) of a part, summed over `runs`; a row is a true class."""
    size = len(runs[0].classes)
    total = np.zeros((size, size), dtype=np.int64)
    for run in runs:
        counted = run.of(part)
        np.add.at(total, (run.label[counted], run.predicted[counted]), 1)
    return total


@contextmanager
def _figure(
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


def _confusion(paper: Paper, runs: Sequence[Predictions], part: str, outputs: Sequence[Path]) -> None:
    first = runs[0]
    counts = confusion(runs, part)
    support = counts.sum(axis=1, keepdims=True)
    rates = np.divide(100 * counts, support, out=np.zeros(counts.shape), where=support > 0)
    images = int(first.of(part).sum())
    title = f"{paper.methods[first.key.method].label}: confusion on {_split(paper, first.dataset, part)}"
    subtitle = (
        f"{_data(first.dataset, first.stand_in)} · {paper.id}, {first.key.protocol} protocol · n = {images:,} images, "
        f"{_seeds(len(runs))} · accuracy {100 * counts.trace() / counts.sum():.1f} %"
    )
    notice = stand_in_notice(first.dataset) if first.stand_in else ""
    # Placed by hand: Matplotlib's layout takes as long as the drawing, and there are many of these figures.
    longest = max(len(name) for name in _short(first.classes))
    names, side = 0.1 + 0.055 * longest, min(max(0.36 * len(first.classes), 1.4), 3.6)  # inches
    with _figure(side + 0.5 + 0.05 * longest, title, subtitle, notice, outputs) as (figure, head):
        figure.set_layout_engine(None)
        width, total = (WIDTH - 2 * names - 0.5) / 2, figure.get_figheight()
        bottom = 1 - (head + 0.25 + side) / total
        left, right = (
            figure.add_axes((start / WIDTH, bottom, width / WIDTH, side / total))
            for start in (names + 0.2, WIDTH - 0.1 - width)
        )
        _matrix(left, counts, counts / max(counts.max(), 1), first.classes, lambda n: f"{n:,.0f}")
        _matrix(right, rates, rates / 100, first.classes, lambda n: f"{n:.0f}")
        left.set_title("Counts")
        right.set_title("Rates (% of the true class)")
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
    short = _short(names)
    axes.set_xticks(range(len(names)), short, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), short)
    axes.set_xlabel("predicted class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(values):
        axes.text(
            column,
            row,
            text(value),
            ha="center",
            va="center",
            fontsize=6.5,
            color="white" if shade[row, column] > 0.55 else INK,
            fontweight="bold" if row == column else "normal",
        )


def _curves(paper: Paper, curves: Sequence[Curve], outputs: Sequence[Path]) -> None:
    record = curves[0].record
    dataset, stand_in = record["dataset"], record["stand_in"]
    validation = _validation_part(paper, curves[0])
    seeds = len({curve.record["seed"] for curve in curves})
    title = f"{paper.id}: training under the {record['protocol']} protocol"
    line = "thin lines: single seeds, thick: their mean" if seeds > 1 else "one seed"
    subtitle = (
        f"{_data(dataset, stand_in)} · n = {record['parts'].get('train', 0):,} training images · {line} · "
        f"ring: the epoch that is tested ({record['selection']})"
    )
    notice = stand_in_notice(dataset) if stand_in else ""
    columns = {"train": "training", validation: _split(paper, dataset, validation)}
    with _figure(4.0, title, subtitle, notice, outputs) as (figure, _):
        grid = figure.subplots(2, 2, sharex=True, sharey="row")
        for row, (metric, scale, name) in enumerate(
            [("loss", 1, "Loss (log scale)"), ("accuracy", 100, "Accuracy (%)")]
        ):
            for column, (part, heading) in enumerate(columns.items()):
                axes = grid[row][column]
                ends = _lines(axes, paper, curves, f"{part}_{metric}", scale, ring=column == 1)
                axes.grid(axis="y", color=LINE, linewidth=0.5)
                axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
                axes.set_title(f"{name.split(' (')[0]}, {heading}")
                if metric == "loss":
                    _log_scale(axes)
                if column == 1:
                    _label_ends(axes, ends)
            grid[row][0].set_ylabel(name)
        last = max(curve.columns["epoch"][-1] for curve in curves)
        for axes in grid[1]:
            axes.set_xlabel("epoch")
            axes.set_xlim(1 - 0.04 * max(last, 10), last + 0.04 * max(last, 10))


def _lines(
    axes: Axes, paper: Paper, curves: Sequence[Curve], column: str, scale: float, *, ring: bool
) -> list[tuple[str, str, float, float]]:
    """Draw one column of every run; return (label, colour, last epoch, last value) of each method."""
    ends = []
    for place, method in enumerate(dict.fromkeys(curve.record["method"] for curve in curves)):
        colour = COLOURS[place % len(COLOURS)]
        mine = [curve for curve in curves if curve.record["method"] == method]
        for curve in mine:
            epoch, values = curve.columns["epoch"], scale * curve.columns[column]
            if len(mine) > 1:
                axes.plot(epoch, values, color=colour, linewidth=0.6, alpha=0.45)
            if ring:
                at = epoch == curve.record["selected_epoch"]
                axes.plot(epoch[at], values[at], "o", markersize=4.5, color=colour, fillstyle="none", zorder=3)
        length = min(len(curve.columns["epoch"]) for curve in mine)
        mean = scale * np.mean([curve.columns[column][:length] for curve in mine], axis=0)
        epoch = mine[0].columns["epoch"][:length]
        axes.plot(epoch, mean, color=colour, linewidth=1.5, marker="." if length < 3 else None)
        ends.append((paper.methods[method].label, colour, float(epoch[-1]), float(mean[-1])))
    return ends


def _log_scale(axes: Axes) -> None:
    """Give a loss a logarithmic axis: one bad early epoch would flatten all others on a linear one."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    steps = (1, 1.2, 1.5, 2, 3, 5, 8) if high < 10 * low else (1, 2, 5) if high < 100 * low else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def _label_ends(axes: Axes, ends: Sequence[tuple[str, str, float, float]]) -> None:
    """Write each line's label right of its end, moved apart where lines end close to each other."""
    scale = np.log if axes.get_yscale() == "log" else np.asarray
    low, high = scale(np.array(axes.get_ylim()))
    places = _apart([float((scale(value) - low) / (high - low)) for *_, value in ends], 0.085)
    for (label, colour, epoch, value), place in zip(ends, places, strict=True):
        axes.annotate(
            label,
            (epoch, value),
            xytext=(1.03, place),
            textcoords="axes fraction",
            color=colour,
            fontsize=7,
            va="center",
            annotation_clip=False,
        )


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Return `wanted` positions (0..1) moved as little as needed to lie at least `gap` apart."""
    order = np.argsort(wanted, kind="stable")
    offsets = np.arange(len(wanted)) * gap
    # Isotonic regression on the positions less their minimal offsets is the least-squares answer.
    level = [[value, 1.0] for value in np.asarray(wanted)[order] - offsets]
    pooled: list[list[float]] = []
    for block in level:
        pooled.append(block)
        while len(pooled) > 1 and pooled[-2][0] > pooled[-1][0]:
            (a, m), (b, n) = pooled[-2], pooled.pop()
            pooled[-1] = [(a * m + b * n) / (m + n), m + n]
    places = np.concatenate([np.full(int(count), value) for value, count in pooled]) + offsets
    result = np.empty(len(wanted))
    result[order] = places - max(0.0, places[-1] - 1)
    return [float(place) for place in result]


def _forest(rows: Sequence[Mapping[str, str]], outputs: Sequence[Path]) -> None:
    first = rows[0]
    parts = list(dict.fromkeys(row["part"] for row in rows))
    methods = list(dict.fromkeys(row["method"] for row in rows))
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    stand_in = first["stand_in"] == "true"
    kinds = {"wilson": "Wilson's", "bootstrap": "bootstrap over images and seeds"}
    used = "; ".join(kinds[kind] for kind in dict.fromkeys(row["interval_method"] for row in rows))
    seeds = sorted({int(row["seeds"]) for row in rows})
    points = "single runs" if seeds == [1] else f"means over {' to '.join(map(str, seeds[:1] + seeds[1:][-1:]))} seeds"
    title = f"{first['paper']}: reproduced beside reported accuracy"
    subtitle = f"{_data(first['dataset'], stand_in)} · points: {points} · bars: 95 % intervals ({used})"
    notice = stand_in_notice(first["dataset"]) if stand_in else ""
    height = 0.2 * len(methods) * (len(protocols) + 0.8) + 0.65
    with _figure(height, title, subtitle, notice, outputs, legend=0.22) as (figure, _):
        grid = figure.subplots(1, len(parts), sharey=True, sharex=True, squeeze=False)[0]
        for axes, part in zip(grid, parts, strict=True):
            _forest_panel(axes, [row for row in rows if row["part"] == part], methods, protocols)
        labels = [next(row["label"] for row in rows if row["method"] == method) for method in methods]
        grid[0].set_yticks(range(len(methods)), labels)
        grid[0].set_ylim(len(methods) - 0.5, -0.5)
        low, high = grid[0].get_xlim()
        grid[0].set_xlim(low, high + 0.14 * (high - low))  # room for the last label
        middle = (0.5, (0.26 if notice else 0.04) / figure.get_figheight())
        figure.legend(*grid[-1].get_legend_handles_labels(), loc="lower center", bbox_to_anchor=middle, ncols=4)


def _forest_panel(
    axes: Axes, rows: Sequence[Mapping[str, str]], methods: Sequence[str], protocols: Sequence[str]
) -> None:
    """Draw one part: a line per method, an interval per protocol, a diamond where the paper reports."""
    step = 0.62 / max(len(protocols), 1)
    for row in rows:
        place, kind = methods.index(row["method"]), protocols.index(row["protocol"])
        y = place + step * (kind - (len(protocols) - 1) / 2)
        mean, low, high = (float(row[name]) for name in ("mean", "low", "high"))
        colour = COLOURS[kind % len(COLOURS)]
        axes.plot([low, high], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot(mean, y, MARKERS[kind % len(MARKERS)], color=colour, markersize=4)
        axes.annotate(
            f"{mean:.1f}", (high, y), xytext=(4, 0), textcoords="offset points", color=colour, va="center", fontsize=7
        )
        if row["reported"] and kind == 0:
            axes.plot(float(row["reported"]), place, "D", color=INK, fillstyle="none", markersize=5)
            mark = "*" if row["reported_part"] == "not stated" else ""
            axes.annotate(
                f"{float(row['reported']):.1f}{mark}", (float(row["reported"]), place), xytext=(6, 0),
                textcoords="offset points", va="center", fontsize=7,
            )  # fmt: skip
    sizes = {row["protocol"]: int(row["n"]) for row in rows}
    for kind, protocol in enumerate(protocols):
        axes.plot([], [], f"{MARKERS[kind]}-", color=COLOURS[kind], markersize=4, label=protocol)
    if any(row["reported"] for row in rows):
        unknown = any(row["reported_part"] == "not stated" for row in rows)
        name = "reported (* the paper does not say on which part)" if unknown else "reported"
        axes.plot([], [], "D", color=INK, fillstyle="none", markersize=5, linestyle="none", label=name)
    for place in range(1, len(methods)):
        axes.axhline(place - 0.5, color=LINE, linewidth=0.5)
    n = {f"{size:,}" for size in sizes.values()}
    each = ", ".join(f"{size:,} {protocol}" for protocol, size in sizes.items())
    axes.set_title(f"{rows[0]['split']}, n = {n.pop() if len(n) == 1 else each}")
    axes.set_xlabel("accuracy (%)")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _classes(audit: Audit, outputs: Sequence[Path]) -> None:
    names = list(next(iter(audit.classes.values())))
    title = f"Class balance of {_data(audit.dataset, audit.stand_in)}"
    subtitle = f"official splits · n = {audit.images:,} images in all"
    notice = stand_in_notice(audit.dataset) if audit.stand_in else ""
    with _figure(0.21 * len(names) + 0.65, title, subtitle, notice, outputs) as (figure, _):
        grid = figure.subplots(1, len(audit.splits), sharey=True, sharex=True, squeeze=False)[0]
        for axes, split in zip(grid, audit.splits, strict=True):
            counts = np.array([audit.classes[split][name] for name in names])
            share = 100 * counts / max(counts.sum(), 1)
            axes.barh(range(len(names)), share, color=COLOURS[0], height=0.68)
            for place, (count, percent) in enumerate(zip(counts, share, strict=True)):
                axes.annotate(
                    f"{count:,} ({percent:.1f} %)", (percent, place), xytext=(3, 0), textcoords="offset points",
                    va="center", fontsize=6.5,
                )  # fmt: skip
            axes.set_title(f"{split}, n = {counts.sum():,}")
            axes.set_xlabel("share of the split (%)")
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
        grid[0].set_yticks(range(len(names)), names)
        grid[0].invert_yaxis()
        grid[0].set_xlim(0, 1.5 * grid[0].get_xlim()[1])


def _audit(audit: Audit, outputs: Sequence[Path]) -> None:
    title = f"What the audit of {_data(audit.dataset, audit.stand_in)} found"
    subtitle = f"n = {audit.images:,} images · identical: every pixel of the decoded images is the same"
    notice = stand_in_notice(audit.dataset) if audit.stand_in else ""
    with _figure(2.05, title, subtitle, notice, outputs) as (figure, _):
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
        _crossings(left, audit)
        _findings(right, audit)


def _crossings(axes: Axes, audit: Audit) -> None:
    """Draw, as a small matrix, which images of a split also stand in an earlier one."""
    earlier, later = audit.splits[:-1], audit.splits[1:]
    axes.set_title("Images that also stand in another split")
    axes.set_xlim(-0.5, max(len(earlier), 1) - 0.5)
    axes.set_ylim(max(len(later), 1) - 0.5, -0.5)
    shares = {(a, b): audit.also_in[b][a] / max(audit.size(b), 1) for a, b in audit.pairs}
    top = max([*shares.values(), 1e-9])
    for (a, b), share in shares.items():
        x, y = earlier.index(a), later.index(b)
        shade = matplotlib.colormaps["Oranges"](0.08 + 0.42 * share / top)
        box = matplotlib.patches.Rectangle((x - 0.49, y - 0.48), 0.98, 0.96, facecolor=shade, edgecolor="none")
        axes.add_patch(box)
        axes.text(x, y - 0.08, f"{audit.also_in[b][a]:,}", ha="center", va="center", fontsize=10, fontweight="bold")
        axes.text(x, y + 0.24, f"{100 * share:.1f} % of {b}", ha="center", va="center", fontsize=6.5)
    axes.set_xticks(range(len(earlier)), [f"… stand in {split}" for split in earlier])
    axes.set_yticks(range(len(later)), [f"images of\n{split}" for split in later])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _findings(axes: Axes, audit: Audit) -> None:
    """Draw the counts of the whole data set as bars with their numbers."""
    bars = {
        "images in groups of identical ones": audit.images_in_groups,
        "surplus copies": audit.surplus,
        "groups of identical images": audit.groups,
        "groups that cross splits": audit.groups_across_splits,
        "groups with conflicting labels": audit.conflicting_groups,
        "blank images": sum(audit.blanks.values()),
    }
    axes.set_title("In the whole data set")
    axes.barh(list(bars), list(bars.values()), color=COLOURS[0], height=0.66)
    for place, count in enumerate(bars.values()):
        axes.annotate(f"{count:,}", (count, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(*bars.values(), 1))
    axes.set_xlabel("count")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _by_stem(outputs: Iterable[str | Path], fields: int, paper: str) -> Iterator[tuple[list[str], list[Path]]]:
    """Group output paths that differ only in their suffix; yield the fields of the name with the paths."""
    stems: dict[str, list[Path]] = {}
    for path in map(Path, outputs):
        stems.setdefault(path.stem, []).append(path)
    for stem, paths in stems.items():
        names = stem.split(".")
        if len(names) != fields or names[0] != paper:
            raise UserError(
                f"{paths[0]}: cannot tell from this name what to draw; expected {fields} names joined by dots, "
                f"beginning with {paper}."
            )
        yield names, paths


def _training(key: RunKey, tables: Mapping[tuple[str, ...], Path]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a run's training.csv."""
    path = tables.get(tuple(key.folder.split("/")[1:]))
    if path is None or not path.is_file():
        raise UserError(f"{key.folder}/training.csv: missing; expected it beside the run's run.json.")
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if not rows:
        raise UserError(f"{path}: no epochs; expected one row per epoch. Train this run again.")
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def _validation_part(paper: Paper, curve: Curve) -> str:
    """Return the part that chose the epoch, else the first evaluated part that the curves have."""
    known = [p for p in paper.parts[curve.record["dataset"]] if p != "train" and f"{p}_loss" in curve.columns]
    words = curve.record["selection"].split()
    return next((part for part in known if part in words), known[0])


def _data(dataset: str, stand_in: bool) -> str:
    return f"a drawn stand-in for {dataset_name(dataset)}" if stand_in else dataset_name(dataset)


def _split(paper: Paper, dataset: str, part: str) -> str:
    return paper.parts[dataset][part]


def _short(names: Sequence[str]) -> list[str]:
    return [name if len(name) <= 14 else f"{name[:13]}…" for name in names]


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"summed over {count} seeds"
