"""What each choice is worth that a paper leaves to the reader, with its interval: a panel a paper, a line an option."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from refer.reporting.figures.canvas import COLOURS, INK, LINE, MARKERS, canvas, groups, heading, table_of
from refer.reporting.figures.intervals import LINE_HEIGHT, column, dots, limits, lines
from refer.reporting.names import listing, span
from refer.reporting.tables.table import dataset_name, signed, stand_in_notice


def draw_sensitivity(table: pd.DataFrame | str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw the differences of the table of sensitivity to every path of `outputs` (.svg, .png)."""
    rows = table_of(table, "paper", "difference", "stand_in", "dataset", "images")
    rows = rows[rows["difference"].notna()]
    rows = rows.drop(columns="mean", errors="ignore").rename(columns={"difference": "mean"})
    papers = [mine for _, mine in groups(rows, "paper")]
    drawn = rows.loc[rows["stand_in"].astype(bool), "dataset"].unique()
    told = ["accuracy with an option less that with the choice made", "bars: 95 % intervals, cut at an arrow"]
    if (rows["images"] != "same").any():
        told.append("hollow: other test images")
    told += ["largest on top"] if len(rows) else ["no option was run; the table says why"]
    title = "What the choices are worth that papers leave to the reader"
    heights = [LINE_HEIGHT * len(mine) + 0.4 for mine in papers]
    notice = stand_in_notice(*drawn) if len(drawn) else ""
    with canvas(sum(heights) + 0.2, title, " · ".join(told), notice, outputs) as figure:
        if papers:
            panels = figure.subplots(len(papers), 1, height_ratios=heights, sharex=True, squeeze=False)[:, 0]
            panels[0].set_xlim(limits(rows, 0))
            for axes, mine in zip(panels, papers, strict=True):
                _panel(axes, mine)
            axes.set_xlabel("difference (points of accuracy)")


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw one paper: the series of an option (methods, data sets, protocols) one below the other, in a sign each."""
    many = [name for name in ("data", "protocol") if rows[name].nunique() > 1]
    series = rows["label"]
    for name in many:
        series = series + " · " + rows[name].map(_readable)
    names, option = list(series.unique()), ["what", "compared_with", "option"]
    rows = rows.assign(series=series.map(names.index))
    rows["group"] = rows.groupby(option, sort=False).ngroup()
    rows = rows.sort_values(["group", "series"], kind="stable").reset_index(drop=True)
    for number, mine in groups(rows, "series"):
        y, sign = mine.index.to_numpy(float), number % len(MARKERS)
        dots(axes, y, mine, COLOURS[sign], MARKERS[sign], filled=(mine["images"] == "same").to_numpy())
        texts = mine.apply(lambda row: f"{signed(row['mean'])} [{signed(row['low'])}, {signed(row['high'])}]", axis=1)
        column(axes, 6, dict(zip(y, texts, strict=True)))
        if len(names) > 1:
            column(axes, 86, dict.fromkeys(y, names[number]), dict.fromkeys(y, COLOURS[sign]))
    first = rows.drop_duplicates(option)
    asked = first["what"].ne(first["what"].shift())
    labels = (
        np.where(asked, first["what"] + ": " + first["compared_with"].astype(str) + " ", "")
        + "→ "
        + first["option"].astype(str)
    )
    lines(axes, dict(zip(first.index.astype(float), labels, strict=True)), len(rows))
    for y in first.index[asked][1:]:
        axes.axhline(y - 0.5, color=LINE, linewidth=0.8)
    axes.axvline(0, color=INK, linewidth=0.6, zorder=0)
    sets = listing(map(dataset_name, rows["dataset"].unique()))
    heading(axes, f"{rows['paper'].iloc[0]} on {sets}, n = {span(rows['n'].astype(int))}")


def _readable(name: str) -> str:
    return name if name in ("published", "audited") else dataset_name(name.removesuffix("-standin"))
