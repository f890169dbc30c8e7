"""The figure of fusion attention tested in batches of several sizes and orders: a panel for each data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from refer.reporting.figures.canvas import COLOURS, LINE, MARKERS, canvas, text_rows
from refer.reporting.names import listing
from refer.reporting.tables.batch_tokens import NAMES, TOKENS
from refer.reporting.tables.table import dataset_name, thousands

Row = Mapping[str, str]
STYLES = {"class": "-", "shuffled": "--", "file": ":"}
"""Order of the test images → line."""


def draw_batch_tokens(table: Iterable[Mapping[str, Any]], outputs: Iterable[str | Path]) -> None:
    """Draw the CSV of the table to every path of `outputs` (.svg, .png)."""
    rows = text_rows(table)
    panels = list(dict.fromkeys(row["data"] for row in rows))
    drawn = list(dict.fromkeys(dataset_name(row["dataset"]) for row in rows if row["stand_in"] == "true"))
    notice = f"Drawn stand-in data: these numbers say nothing about {listing(drawn)}" if drawn else ""
    title = "Accuracy of fusion attention by the size and the order of its test batches"
    told = "colours: what a token of softmax(QKᵀ/√d)V is · bands: 95 % intervals over images and seeds · "
    told += "all were trained in batches drawn at random"
    with canvas(2.6, title, told, notice, [Path(path) for path in outputs], legend=0.46) as (figure, _):
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for one, data in zip(axes, panels, strict=True):
            _panel(one, [row for row in rows if row["data"] == data])
        axes[0].set_ylabel("accuracy (%)")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=3, handlelength=2.2, columnspacing=1.2,
                      bbox_to_anchor=(0.5, (0.28 if notice else 0.04) / figure.get_figheight()))  # fmt: skip


def _panel(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw the curves of one data set."""
    first = rows[0]
    kind = " (drawn)" if first["stand_in"] == "true" else ""
    axes.set_title(f"{dataset_name(first['dataset'])}{kind}, n = {thousands(int(first['n']))}", zorder=0)
    sizes = sorted({int(row["batch"]) for row in rows})
    for number, tokens in enumerate(TOKENS):
        mine = [row for row in rows if row["tokens"] == tokens]
        orders = list(dict.fromkeys(row["order"] for row in mine))
        same = len({(row["batch"], row["mean"]) for row in mine}) == len({row["batch"] for row in mine})
        for order in orders[:1] if same else orders:
            curve = sorted((row for row in mine if row["order"] == order), key=lambda row: int(row["batch"]))
            x, colour = [int(row["batch"]) for row in curve], COLOURS[number]
            low, high = ([float(row[end]) for row in curve] for end in ("low", "high"))
            axes.fill_between(x, low, high, color=colour, alpha=0.1, linewidth=0)
            label = f"{TOKENS[tokens]}, {'any order' if same else NAMES[order]}"
            axes.plot(x, [float(row["mean"]) for row in curve], "-." if same else STYLES[order], color=colour,
                      marker=MARKERS[number], markersize=3.2, linewidth=1.1, label=label)  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("test images in a batch")
    axes.grid(axis="y", color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
