"""All methods that were tested on the same images, sorted within their papers, with intervals and budgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from refer.reporting.figures.canvas import COLOURS, MARKERS, SOFT, canvas, described, groups, heading, table_of
from refer.reporting.figures.intervals import LINE_HEIGHT, column, dots, interval, limits, lines, title_of_column
from refer.reporting.run_set import Record, read_records
from refer.reporting.tables.table import stand_in_notice

METHOD = ["paper", "data", "protocol", "method"]
BUDGET = {"seeds": ("seeds", 30), "epochs": ("epochs", 36), "size": ("image", 32), "views": ("views", 44),
          "weights": ("weights", 40)}  # fmt: skip
"""Column → its title and its width in points."""
VIEWS = {"none": "1", "flip": "2 (flip)", "ten-crop": "10 (crops)"}


def draw_ranking(
    table: pd.DataFrame | str | Path, outputs: Iterable[str | Path], runs: Iterable[str | Path] = ()
) -> None:
    """Draw the ranking of every data set from its table, one below the other; nothing but a title of an empty one.

    `runs` are the run.json files of the methods. With them the figure tells their budgets: epochs, side of an image in
    pixels, views of a test image that are averaged, and weights. What all methods have in common stands in the title.
    """
    ranked = table_of(table, *METHOD, "place", "p_holm", "stand_in", "dataset")
    if runs:
        ranked = ranked.merge(_budgets(runs), on=METHOD, how="left")
    told = ["dots: mean accuracy on the images that all methods were tested on, bars: 95 % intervals, cut at an arrow",
            "line: the best of all", "hollow: significantly less (p by Holm < 0.05)"]  # fmt: skip
    if "epochs" in ranked and ranked["epochs"].str.contains("+", regex=False).any():
        told.append("epochs: of the networks that it begins with + its own")
    if (ranked["p_holm"].isna() & (ranked["place"] > 1)).any():
        told.append("stroke: not compared, no seed in common")
    told = told if len(ranked) else ["no two methods were tested on the same images"]
    drawn = ranked.loc[ranked["stand_in"].astype(bool), "dataset"].unique()
    blocks = [mine for _, mine in groups(ranked, "data")]
    heights = [LINE_HEIGHT * (len(mine) + mine["paper"].nunique()) + 0.5 for mine in blocks]
    papers = sorted(ranked["paper"].unique())
    notice = stand_in_notice(*drawn) if len(drawn) else ""
    with canvas(sum(heights) or 0.1, "All methods, paper by paper", " · ".join(told), notice, outputs) as figure:
        if blocks:
            panels = figure.subplots(len(blocks), 1, height_ratios=heights, squeeze=False)[:, 0]
            for axes, mine in zip(panels, blocks, strict=True):
                _panel(axes, mine, papers)


def _budgets(runs: Iterable[str | Path]) -> pd.DataFrame:
    """Return what each method was given, a row a method."""
    records = list(read_records(runs).values())
    trained = {tuple(record[name] for name in METHOD): record["epochs"] for record in records}
    found = [
        {**{name: record[name] for name in METHOD}, "epochs": _epochs(record, trained),
         "size": f"{record['recipe'].get('image_size', '?')} px", "weights": f"{record['parameters'] / 1e6:.2f} M",
         "views": VIEWS.get(record["recipe"].get("views", "none"), "")}
        for record in records
    ]  # fmt: skip
    return pd.DataFrame(found).groupby(METHOD, as_index=False).first()


def _epochs(record: Record, trained: Mapping[tuple[str, ...], int]) -> str:
    """Return for how many epochs a network was trained; where it begins with other runs, theirs first: 6 + 4."""
    own = record["recipe"]["epochs"] if record.get("tests") else record["epochs"]
    cell = [record[name] for name in METHOD[:-1]]
    before = max((trained.get((*cell, method), 0) for method in record["starts_from"].values()), default=0)
    return f"{before} + {own}" if before else str(own)


def _panel(axes: Axes, ranked: pd.DataFrame, papers: list[str]) -> None:
    """Draw the methods of one data set: a heading a paper, its best method first."""
    first, best = ranked.iloc[0], ranked["mean"].max()
    budget = [name for name in BUDGET if name in ranked and (ranked[name].nunique() > 1 or name == "seeds")]
    axes.set_xlim(limits(ranked))
    axes.axvline(best, color=SOFT, linewidth=0.8, zorder=1)
    labels: dict[float, str] = {}
    for paper in ranked.groupby("paper")["mean"].max().sort_values(ascending=False).index:
        mine = ranked[ranked["paper"] == paper].sort_values("mean", ascending=False)
        labels[len(labels)] = paper
        y = np.arange(len(labels), len(labels) + len(mine))
        labels |= dict(zip(y, mine["label"], strict=True))
        colour, sign = (signs[papers.index(paper) % len(signs)] for signs in (COLOURS, MARKERS))
        compared = ((mine["place"] == 1) | mine["p_holm"].notna()).to_numpy()
        for marker, which in ((sign, compared), ("|", ~compared)):
            dots(axes, y[which], mine[which], colour, marker, filled=~(mine["p_holm"][which] < 0.05))
        column(axes, 6, dict(zip(y, mine.apply(interval, axis=1), strict=True)))
        for name, at in zip(budget, _offsets(budget), strict=True):
            column(axes, at, dict(zip(y, mine[name].astype(str), strict=True)))
    for name, at in zip(["accuracy (%)", *(BUDGET[name][0] for name in budget)], [6, *_offsets(budget)], strict=True):
        title_of_column(axes, at, 0, name)
    lines(axes, labels, len(labels), [y for y, label in labels.items() if label in papers])
    where = f"{described(first['dataset'], bool(first['stand_in']))}, {first['split']}"
    shared = [f"{BUDGET[name][0]}: {first[name]}" for name in BUDGET if name in ranked and name not in budget]
    heading(axes, ", ".join([where, f"{first['protocol']} protocol", f"n = {first['n']:,}", *shared]))
    axes.set_xlabel("accuracy (%)")


def _offsets(budget: list[str]) -> list[int]:
    """Return where the columns of the budget begin, in points right of the panel."""
    return [82 + sum(BUDGET[name][1] for name in budget[:place]) for place in range(len(budget))]
