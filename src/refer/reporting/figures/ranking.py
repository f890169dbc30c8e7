"""All methods in one order, drawn: the best above, each with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from refer.reporting.figures.canvas import COLOURS, INK, LINE, MARKERS, WIDTH, canvas, described, text_rows
from refer.reporting.figures.lettering import Word, width, write
from refer.reporting.figures.panel import Panel, Tag, by_row, limits, percents
from refer.reporting.names import span
from refer.reporting.tables.table import stand_in_notice

LINE_HEIGHT, BELOW, GAP = 0.155, 0.42, 0.25  # inches
Row = Mapping[str, str]


def draw_ranking(table: Iterable[Mapping[str, Any]], outputs: Iterable[str | Path]) -> None:
    """Draw the ranking of every data set, from its CSV, one below the other; nothing but a title of an empty one."""
    rows = text_rows(table)
    blocks = {data: [row for row in rows if row["data"] == data] for data in dict.fromkeys(row["data"] for row in rows)}
    papers = list(dict.fromkeys(row["paper"] for row in sorted(rows, key=lambda row: row["paper"])))
    drawn = list(dict.fromkeys(row["dataset"] for row in rows if row["stand_in"] == "true"))
    height = max(sum(LINE_HEIGHT * len(those) + GAP + BELOW for those in blocks.values()), 0.3)
    told = [
        "points: mean accuracy on the images that all methods were tested on",
        "bars: 95 % intervals",
        "filled: cannot be told from the best (p by Holm at least 0.05)",
    ]
    if any(not row["p_holm"] for those in blocks.values() for row in those[1:]):
        told.append("stroke: not compared with the best, no seed in common")
    told = told if rows else ["no two methods were tested on the same images"]
    notice = stand_in_notice(*drawn) if drawn else ""
    title = "All methods, from the best to the worst"
    paths, subtitle = list(map(Path, outputs)), " · ".join(told)
    with canvas(height, title, subtitle, notice, paths, 0.22, by_hand=True) as (figure, head):
        top = figure.get_figheight() - head
        for those in blocks.values():
            _block(figure, those, papers, top)
            top -= LINE_HEIGHT * len(those) + GAP + BELOW
        if papers:
            _key(figure, papers, (0.26 if notice else 0.04) / figure.get_figheight())


def _block(figure: Figure, rows: Sequence[Row], papers: Sequence[str], top: float) -> None:
    high = LINE_HEIGHT * len(rows)
    beside = 0.15 + max(width(row["label"]) for row in rows)
    wide = WIDTH - beside - 0.15
    tags = [Tag(float(row["high"]), place, f"{float(row['mean']):.1f}", "right") for place, row in enumerate(rows)]
    x = limits([float(row[name]) for row in rows for name in ("low", "high")], tags, wide)
    panel = Panel(figure, (beside, top - GAP - high, wide, high), x, (len(rows) - 0.5, -0.5))
    panel.axis_x(percents(panel.x, wide), "accuracy (%)", grid=True)
    panel.lines([((float(rows[0]["mean"]),) * 2, panel.y)], LINE, 0.9, order=1)
    for place, row in enumerate(rows):
        colour, marker = _sign(papers.index(row["paper"]))
        panel.bars([(float(row["low"]), float(row["high"]), place)], colour, 1.3)
        behind = bool(row["p_holm"]) and float(row["p_holm"]) < 0.05
        marker = marker if place == 0 or row["p_holm"] else "|"
        panel.points([(float(row["mean"]), place)], marker, colour, 4, open_=behind)
    first = rows[0]
    often = span(int(row["seeds"]) for row in rows)
    where = f"{described(first['dataset'], first['stand_in'] == 'true')}, {first['split']}"
    panel.heading(f"{where}, {first['protocol']} protocol, n = {int(first['n']):,}, seeds: {often}")
    lines = [
        (place, Word(beside - 0.08, float(panel.up(place)), row["label"], anchor="right"))
        for place, row in enumerate(rows)
    ]
    lines += [(place, panel.beside(tag)) for place, tag in enumerate(tags)]
    write(figure, [*panel.head, *by_row(lines), *panel.words])


def _sign(place: int) -> tuple[str, str]:
    """Return colour and marker of a paper."""
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def _key(figure: Figure, papers: Sequence[str], foot: float) -> None:
    handles = [
        Line2D([], [], marker=marker, color=colour, markersize=4, label=paper)
        for paper, (colour, marker) in zip(papers, map(_sign, range(len(papers))), strict=True)
    ]
    figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, foot), ncols=len(handles), labelcolor=INK)
