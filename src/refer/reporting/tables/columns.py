"""Columns that several tables share, each declared once: its name in the CSV, its heading, and how it is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from refer.reporting.names import measure
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Row,
    dataset_name,
    number,
    probability,
    rounded,
    signed,
    signed_span,
    span_of,
    spread,
    stated,
)


def text(name: str) -> Callable[[Row], str]:
    """Return what prints a text as it is, also an empty one."""
    return lambda row: str(row[name])


def hidden(*names: str) -> list[Column]:
    """Return columns that stand in the CSV alone."""
    return [Column(name) for name in names]


def marked(row: Row) -> Cell:
    """Return a method's name with the letters of its footnotes."""
    return Cell(row["label"] or DASH, mark=row.get("mark", ""))


def less(name: str = "difference", digits: int = 1) -> list[Column]:
    """Return a difference in points and its interval, as the quantity `name` has them."""
    ends = f"{name}_low", f"{name}_high"
    return [
        Column(name, "Points", lambda row: Cell(signed(row[name], digits), bold=_sure(row)), right=True),
        Column(ends[0], "95 % interval", lambda row: signed_span(row[ends[0]], row[ends[1]]), right=True),
        Column(ends[1]),
    ]


def _sure(row: Row) -> bool:
    p = row.get("p_holm_reference")
    p = row.get("p_holm") if p is None else p
    return p is not None and p < 0.05


def _p(name: str) -> Callable[[Row], str]:
    return lambda row: DASH if row[name] is None else probability(row[name])


def _reported(row: Row) -> str:
    return "; ".join(claimed(each["value"], each["sd"], each["decimals"]) for each in row["claims"]) or DASH


def claimed(value: float, sd: float | None, decimals: int | None = None) -> str:
    """Return a reported number with its standard deviation, if it has one."""
    text = stated(value, decimals)
    return text if sd is None else f"{text} ± {stated(sd, decimals)}"


PAPER = Column("paper", "Paper")
DATA = Column("dataset", "Data", lambda row: dataset_name(row["dataset"]))
METHOD = Column("label", "Method", marked)
PROTOCOL = Column("protocol", "Protocol")
SPLIT = Column("split", "Split")
METRIC = Column("metric", "Measure", lambda row: measure(row["metric"]))
DEPARTURES = Column("departures", "Departures", right=True)
N = Column("n", "n", right=True)
SEEDS = Column("seeds", "Seeds", lambda row: str(row["seeds"]) if row["seeds"] else DASH, right=True)
FOLDS = Column("folds", "Folds", right=True)
MEAN = Column(
    "mean", "Accuracy", lambda row: Cell(spread(row["mean"], row["sd"]), bold=row.get("best", False)), right=True
)
LOW = Column("low", "95 % interval", lambda row: span_of(row["low"], row["high"]), right=True)
OVER_FOLDS = Column("fold_mean", "Over folds", lambda row: spread(row["fold_mean"], row["fold_mean_sd"]), right=True)
REPORTED = Column("reported", "Reported", _reported, right=True)
DIFFERENCE = Column("difference", "Diff.", lambda row: signed(row["difference"]), right=True)
DIFFERENCE_LOW = Column(
    "difference_low", "95 % of it", lambda row: signed_span(row["difference_low"], row["difference_high"]), right=True
)
VERDICT = Column("verdict", "Verdict", right=True)
SMALLEST = Column("smallest", "Would have found", lambda row: number(row["smallest"]), right=True)
P = Column("p", "p", _p("p"), right=True)
P_HOLM = Column("p_holm", "p (Holm)", _p("p_holm"), right=True)
P_REFERENCE = Column("p_holm_reference", "p (Holm)", _p("p_holm_reference"), right=True)
TO_TELL = Column(
    "images_to_tell", "Images to tell",
    lambda row: rounded(row["images_to_tell"]) if row["images_to_tell"] else DASH, right=True,
)  # fmt: skip


def wide(columns: Sequence[Column], only: frozenset[Any] | None = None) -> list[Column]:
    """Return columns that stand once for each value that a table is spread over, or for those of `only`."""
    return [replace(column, wide=True, only=only) for column in columns]


def percent(name: str, title: str, group: str = "") -> Column:
    """Return a column of percentages."""
    return Column(name, title, lambda row: number(row[name]), group, right=True)


def points(name: str, title: str, group: str = "", digits: int = 1) -> Column:
    """Return a column of differences in points."""
    return Column(name, title, lambda row: signed(row[name], digits), group, right=True)
