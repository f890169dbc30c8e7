"""The figure of fusion attention tested in batches of several sizes and orders: a panel for each data set."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from refer.reporting.figures.canvas import COLOURS, MARKERS, canvas, groups, heading, key, table_of
from refer.reporting.tables.batch_tokens import NAMES, TOKENS
from refer.reporting.tables.table import dataset_name, stand_in_notice

STYLES = {"class": "-", "shuffled": "--", "file": ":"}
"""Order of the test images → line."""


def draw_batch_tokens(table: pd.DataFrame | str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw the table of batch tokens to every path of `outputs` (.svg, .png)."""
    rows = table_of(table)
    drawn = rows.loc[rows["stand_in"].astype(bool), "dataset"].unique()
    notice = stand_in_notice(*drawn) if len(drawn) else ""
    title = "Accuracy of fusion attention by the size and the order of its test batches"
    told = "colours: what a token of softmax(QKᵀ/√d)V is · bands: 95 % intervals over images and seeds · "
    told += "all were trained in batches drawn at random"
    with canvas(3.0, title, told, notice, outputs) as figure:
        panels = figure.subplots(1, rows["data"].nunique(), squeeze=False)[0]
        for axes, (_, mine) in zip(panels, groups(rows, "data"), strict=True):
            _panel(axes, mine)
        panels[0].set_ylabel("accuracy (%)")
        key(figure, panels[0].get_legend_handles_labels()[0], ncols=3, handlelength=2.2, columnspacing=1.2)


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the curves of one data set; one curve for all orders where they make no difference."""
    first = rows.iloc[0]
    for number, (tokens, name) in enumerate(TOKENS.items()):
        mine = rows[rows["tokens"] == tokens]
        same = bool((mine.groupby("batch")["mean"].nunique() == 1).all())
        for order, curve in groups(mine, "order"):
            curve = curve.sort_values("batch")
            axes.fill_between(
                curve["batch"], curve["low"], curve["high"], color=COLOURS[number], alpha=0.1, linewidth=0
            )
            axes.plot(curve["batch"], curve["mean"], "-." if same else STYLES[order], color=COLOURS[number],
                      marker=MARKERS[number], markersize=3.2, linewidth=1.1,
                      label=f"{name}, {'any order' if same else NAMES[order]}")  # fmt: skip
            if same:
                break
    heading(axes, f"{dataset_name(first['dataset'])}{' (drawn)' if first['stand_in'] else ''}, n = {first['n']:,}")
    axes.set_xscale("log", base=2)
    sizes = sorted(rows["batch"].unique())
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_xlabel("test images in a batch")
    axes.grid(axis="y")
