"""Reported beside reproduced numbers of all papers in one figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from refer.evaluation.reported import CANNOT_TELL, MARGIN, NOT_REPRODUCED, NOT_TESTED, REPRODUCED, STAND_IN
from refer.reporting.figures.canvas import COLOURS, INK, LINE, MARKERS, SOFT, WIDTH, canvas
from refer.reporting.figures.lettering import Word, width, write
from refer.reporting.figures.panel import Panel, Side, Tag, by_row, limits, percents
from refer.reporting.names import measure
from refer.reporting.tables.table import dataset_name, stand_in_notice, stated
from refer.reporting.tables.verdicts import tally
from refer.spec import Paper

LETTERS = {REPRODUCED: "r", NOT_REPRODUCED: "n", CANNOT_TELL: "?", NOT_TESTED: "b", STAND_IN: ""}
PROTOCOLS = ("published", "audited")
LINE_HEIGHT, HEADING, GAP = 0.15, 1.0, 0.4  # inches; lines
Row = Mapping[str, Any]


def draw_overview(
    papers: Sequence[Paper], judged: Sequence[Row], outputs: Iterable[str | Path], margin: float = MARGIN
) -> None:
    """Draw every reported number that was run, beside what came out, from the rows of the table of verdicts.

    Accuracies above; precision, recall and F1 below, side by side. Of several parts only the test set is drawn; drawn
    data are told apart and have no verdict.
    """
    test_sets = {(paper.id, dataset): part for paper in papers for dataset, part in paper.test_sets.items()}
    found = [
        row for row in judged if row["mean"] is not None and row["part"] == test_sets[row["paper"], row["dataset"]]
    ]
    drawn = list(dict.fromkeys(row["dataset"] for row in found if row["stand_in"]))
    counts = ", ".join(f"{count} {name}" for name, count in tally(judged).items())
    told = [f"reported numbers: {counts or 'none'}", "bars: 95 % intervals"]
    told.append(f"grey: ± {margin:g} points around the reported one, the margin of the verdicts")
    blocks = [each for each in _blocks(found) if each]
    if len(blocks) > 1 and len(drawn) < len({row["dataset"] for row in found}):
        told.append("r: reproduced, n: not reproduced, ?: cannot tell")
    notice = stand_in_notice(*drawn) if drawn else ""
    heights = [LINE_HEIGHT * _places([row for rows in block.values() for row in rows])[1] for block in blocks]
    height = sum(each + 0.62 for each in heights)
    title, paths, legend = "Reported and reproduced, all papers", list(map(Path, outputs)), 0.25 if blocks else 0
    with canvas(max(height, 0.3), title, " · ".join(told), notice, paths, legend, by_hand=True) as (figure, head):
        top = figure.get_figheight() - head
        for block, high in zip(blocks, heights, strict=True):
            _block(figure, block, top - 0.2 - high, high, margin)
            top -= high + 0.62
        if blocks:
            _key(figure, {row["protocol"] for row in found}, (0.26 if notice else 0.04) / figure.get_figheight())


def _blocks(found: Sequence[Row]) -> list[dict[str, list[Row]]]:
    """Return the accuracies, and the other measures side by side: rows by the heading of their panel."""
    accuracy = [row for row in found if row["metric"] == "accuracy"]
    further: dict[str, list[Row]] = {}
    for row in found:
        if row["metric"] != "accuracy":
            further.setdefault(row["metric"].partition("_")[2].partition("_")[0], []).append(row)
    return [{"accuracy": accuracy} if accuracy else {}, further]


def _places(rows: Sequence[Row]) -> tuple[dict[tuple[str, ...], float], float]:
    """Return at which line each heading, method and single row stands, and how many lines there are."""
    at = 0.0
    places: dict[tuple[str, ...], float] = {}
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in rows:
        group = groups.setdefault((row["paper"], row["data"]), {})
        kinds = group.setdefault(row["method"], [])
        kinds += [row["protocol"]] if row["protocol"] not in kinds else []
    for group_name, methods in groups.items():
        places[group_name] = at
        at += HEADING
        for method, protocols in methods.items():
            for protocol in protocols:
                places[*group_name, method, protocol] = at
                at += 1
            places[*group_name, method] = at - (len(protocols) + 1) / 2
        at += GAP
    return places, at


def _block(figure: Figure, block: Mapping[str, Sequence[Row]], bottom: float, high: float, margin: float) -> None:
    """Draw one block of panels that share their lines, `high` inches high."""
    places, lines = _places([row for rows in block.values() for row in rows])
    rows = next(iter(block.values()))
    labels = {(row["paper"], row["data"], row["method"]): row["label"] for row in rows}
    headings = {(row["paper"], row["data"]): f"{row['paper']} · {_data(row['data'])}" for row in rows}
    beside = 0.15 + max(*map(width, labels.values()), *(width(text, bold=True) for text in headings.values()))
    wide = (WIDTH - beside - 0.1 - 0.15 * (len(block) - 1)) / len(block)
    axes: list[Word] = []
    order: list[tuple[float, Word]] = []
    for number, (name, mine) in enumerate(block.items()):
        tagged = [(row, tag) for row in mine for tag in _tags(row, mine, places, margin, short=len(block) > 1)]
        tags = [tag for _, tag in tagged]
        values = [row[key] + off for row in mine for key, off in (("low", 0), ("high", 0), ("reported", -margin),
                                                                  ("reported", margin))]  # fmt: skip
        box = (beside + number * (wide + 0.15), bottom, wide, high)
        panel = Panel(figure, box, limits(values, tags, wide), (lines - 0.2, -HEADING))
        _panel(panel, mine, places, margin)
        titles = list(dict.fromkeys(measure(row["metric"]).replace("F1 of means", "F1") for row in mine))
        title = f"{' or '.join(titles) if name != 'accuracy' else 'accuracy'} (%)"
        panel.axis_x(percents(panel.x, wide), title, grid=True)
        if number == 0:
            told = [(text, places[key], True) for key, text in headings.items()]
            told += [(text, places[key], False) for key, text in labels.items()]
            order += [(y, Word(beside - 0.08, float(panel.up(y)), text, anchor="right", bold=bold))
                      for text, y, bold in told]  # fmt: skip
        order += [(places[row["paper"], row["data"], row["method"]], panel.beside(tag)) for row, tag in tagged]
        axes += panel.words
    write(figure, [*by_row(order), *axes])


def _panel(panel: Panel, rows: Sequence[Row], places: Mapping[tuple[str, ...], float], margin: float) -> None:
    groups = dict.fromkeys((row["paper"], row["data"]) for row in rows)
    panel.lines(((panel.x, (places[group] - 0.7,) * 2) for group in groups), LINE, 0.5, order=1)
    boxes, reported = [], []
    for row in {(row["paper"], row["data"], row["method"]): row for row in rows}.values():
        key, value = (row["paper"], row["data"], row["method"]), row["reported"]
        lines = [place for name, place in places.items() if name[:3] == key and len(name) == 4]
        low, high = min(lines) - 0.4, max(lines) + 0.4
        boxes.append((value - margin, value + margin, low, high))
        reported.append((value, places[key]))
    panel.boxes(boxes, LINE)
    panel.points(reported, "D", INK, 4.5, open_=True)
    for kind, protocol in enumerate(PROTOCOLS):
        mine = [row for row in rows if row["protocol"] == protocol]
        panel.bars(((row["low"], row["high"], _line(row, places)) for row in mine), COLOURS[kind], 1.3)
        at = ((row["mean"], _line(row, places)) for row in mine)
        panel.points(at, MARKERS[kind], COLOURS[kind], 3.5, open_=False)


def _tags(
    row: Row, rows: Sequence[Row], places: Mapping[tuple[str, ...], float], margin: float, *, short: bool
) -> list[Tag]:
    """Return the numbers beside a row's bar and beside what is reported, the verdict as a word or a letter.

    `rows` are those of its panel: what is reported stands clear of all bars of its method.
    """
    below = row["mean"] < row["reported"]
    side: Side = "left" if below else "right"
    other: Side = "right" if below else "left"
    drawn = row["verdict"] == STAND_IN
    word = LETTERS[row["verdict"]] if short else ("" if drawn else row["verdict"])
    text = f"{row['mean']:.1f} {word}".strip()
    at = row["low"] if below else row["high"]
    tags = [Tag(at, _line(row, places), text, side, COLOURS[PROTOCOLS.index(row["protocol"])], 6.0, 0.045)]
    key = (row["paper"], row["data"], row["method"])
    mine = [each for each in rows if (each["paper"], each["data"], each["method"]) == key]
    if row is not mine[0]:
        return tags
    edge = (max if below else min)(row["reported"] + (margin if below else -margin),
                                   *(each["high" if below else "low"] for each in mine))  # fmt: skip
    middle = places[key]
    return [*tags, Tag(edge, middle, stated(row["reported"]), other, SOFT, 6.0, 0.045)]


def _line(row: Row, places: Mapping[tuple[str, ...], float]) -> float:
    return places[row["paper"], row["data"], row["method"], row["protocol"]]


def _key(figure: Figure, protocols: Iterable[str], foot: float) -> None:
    """Draw what the markers mean, along the foot of the figure."""
    handles = [Line2D([], [], marker=MARKERS[k], color=COLOURS[k], markersize=4, label=f"reproduced, {name}")
               for k, name in enumerate(PROTOCOLS) if name in protocols]  # fmt: skip
    handles.append(Line2D([], [], marker="D", color=INK, fillstyle="none", linestyle="none", markersize=4.5,
                          label="reported"))  # fmt: skip
    figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, foot), ncols=len(handles))


def _data(data: str) -> str:
    name = data.removesuffix("-standin")
    return dataset_name(name) + (" (drawn)" if name != data else "")
