"""Which methods of a paper differ, and by how much: a heat map with a cell for every pair of methods."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from refer.errors import UserError
from refer.reporting.figures.canvas import INK, canvas, described, table_of
from refer.reporting.names import by_stem, in_figures, span
from refer.reporting.tables.table import several, signed, stand_in_notice
from refer.spec import Paper

MOST = 7
"""Methods whose cells have room for a difference with its interval."""
TESTS = {"mcnemar": "exact McNemar", "crossed": "images and seeds as samples",
         "moderated": "images and seeds as samples, moderated"}  # fmt: skip


def draw_pairs(paper: Paper, table: pd.DataFrame | str | Path, outputs: Iterable[str | Path]) -> None:
    """Draw the maps that `outputs` names, from the table of all pairs: of the test set.

    Each output is called `<paper>.<data>.<protocol>` with the suffix .svg or .png.
    """
    pairs = table_of(table, "data", "protocol", "part", "method", "compared_with")
    for (_, data, protocol), paths in by_stem(outputs, 3, paper.id):
        dataset = data.removesuffix("-standin")
        if dataset not in paper.parts:
            raise UserError(f"{paths[0]}: {paper.id} has no data set {dataset}.")
        part = paper.test_sets[dataset]
        mine = pairs[(pairs["data"] == data) & (pairs["protocol"] == protocol) & (pairs["part"] == part)]
        _draw(paper, data, protocol, mine, paths)


def _draw(paper: Paper, data: str, protocol: str, pairs: pd.DataFrame, outputs: list[Path]) -> None:
    dataset, known = data.removesuffix("-standin"), {*pairs["method"], *pairs["compared_with"]}
    methods = [method for method in paper.methods if method in known]
    told = [described(dataset, data != dataset)]
    if methods:
        tests = ", ".join(TESTS[test] for test in pairs["test"].unique())
        told += [f"{paper.parts[dataset][paper.test_sets[dataset]]}, n = {span(pairs['n'])} images, seeds: "
                 f"{span(pairs['seeds'])}", "accuracy of the row less the column's, in points",
                 "with its 95 % interval" if len(methods) <= MOST else "intervals are in the table",
                 f"{'coloured' if len(methods) <= MOST else 'dot'}: p < 0.05, adjusted by Holm for "
                 f"{several(len(pairs), 'pair')} ({tests})"]  # fmt: skip
    else:
        told.append("fewer than two methods with a seed in common")
    title, notice = f"{paper.id}: which methods differ, {protocol} protocol", stand_in_notice(dataset)
    cell = 0.42 if len(methods) <= MOST else max(0.16, 4.2 / len(methods))
    height = cell * len(methods) + (0.35 if methods else 0.1)
    with canvas(height, title, " · ".join(told), notice if data != dataset else "", outputs) as figure:
        if methods:
            _map(figure.subplots(), methods, [in_figures(paper, method) for method in methods], pairs)


def _map(axes: Axes, methods: list[str], labels: list[str], pairs: pd.DataFrame) -> None:
    """Draw all pairs below the diagonal: the row's method less the column's."""
    size, few = len(methods), len(methods) <= MOST
    gains, sure = np.full((size, size - 1), np.nan), np.zeros((size, size - 1), dtype=bool)
    texts = np.full(gains.shape, "", dtype=object)
    for _, pair in pairs.iterrows():
        one, other = methods.index(pair["method"]), methods.index(pair["compared_with"])
        at, sign = (max(one, other), min(one, other)), 1 if one > other else -1
        gains[at], sure[at] = sign * pair["difference"], pair["p_holm"] < 0.05
        ends = sorted((sign * pair["difference_low"], sign * pair["difference_high"]))
        texts[at] = f"{signed(gains[at])}\n[{', '.join(map(signed, ends))}]"
    widest = 1.6 * max(np.nanmax(np.abs(gains)), 1.0)  # so that the ends of the colours stay light
    sns.heatmap(np.where(sure, gains, 0) if few else gains, ax=axes, mask=np.isnan(gains), cmap="RdBu", vmin=-widest,
                vmax=widest, annot=texts if few else np.where(sure, "•", ""), fmt="", xticklabels=False,
                annot_kws={"fontsize": 6.5, "color": INK, "in_layout": False}, linewidths=1 if few else 0.3,
                yticklabels=False, cbar=not few, cbar_kws={"label": "difference (points)", "shrink": 0.5})  # fmt: skip
    axes.set_xticks(np.arange(size - 1) + 0.5, [str(k) for k in range(1, size)])
    axes.set_yticks(np.arange(size) + 0.5, [f"{label} ({k})" for k, label in enumerate(labels, 1)])
    axes.tick_params(length=0)
