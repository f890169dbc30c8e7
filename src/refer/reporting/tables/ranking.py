"""The tables of the ranking and of what single things are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from refer.reporting.run_set import AUDITED
from refer.reporting.tables import columns as c
from refer.reporting.tables.matrix import Audited
from refer.reporting.tables.notes import interval_note
from refer.reporting.tables.paper import FOUND, TESTS
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Row,
    Table,
    dataset_name,
    several,
    signed,
    stand_in_notice,
)

CHOSEN = (
    "The best was found on these very images, so that its lead is rather too large. A place alone says little: methods "
    "differ in what they cost, and by the preset's epochs in how far they got."
)
SHARED = (
    "Points are of the seeds that a method shares with the best, seed by seed; for {} these are fewer than one of the "
    "two accuracies is of."
)
ALONE = "Of one seed: how networks differ by chance is unknown."
OF = c.hidden("preset", "dataset", "data", "stand_in", "protocol", "part", "split")


def ranking_tables(audited: Audited) -> list[Table]:
    """Return a table a data set: every method, the best first, with its distance from the best."""
    found = audited.results.wide("ranking", "mean", "difference")
    by_data = {data: [row for row in found if row["data"] == data] for data in audited.data}
    return [_ranking(audited, rows) for rows in by_data.values() if rows] or [
        _none("ranking", "No two methods were tested on the same images", [*OF, *_ranking_columns("")])
    ]


def contrast_tables(audited: Audited) -> list[Table]:
    """Return a table a data set: every contrast of the papers with the difference that was found."""
    found = audited.results.wide("contrast", "difference", "reported")
    by_data = {data: [row for row in found if row["data"] == data] for data in audited.data}
    return [_contrasts(audited, rows) for rows in by_data.values() if rows] or [
        _none("contrasts", "No two methods that differ in one thing were run", [*OF, *_contrast_columns()])
    ]


def _ranking_columns(best: str) -> list[Column]:
    return [
        Column("place", "Place", right=True),
        c.PAPER,
        *c.hidden("method"),
        c.METHOD,
        c.DEPARTURES,
        c.MEAN,
        *c.hidden("sd"),
        c.LOW,
        *c.hidden("high", "interval_method"),
        c.SEEDS,
        *c.hidden("n", "compared_with"),
        *(replace(column, group=best) for column in c.less()),
        *c.hidden("p", "test", "about"),
        replace(c.P_HOLM, group=best),
        *c.hidden("smallest", "difference_n"),
    ]


def _ranking(audited: Audited, rows: Sequence[Row]) -> Table:
    best = rows[0]
    seeds = {(row["paper"], row["method"]): row["seeds"] for row in rows}
    common = {(row["paper"], row["method"]): row["seeds"] for row in
              audited.results.of("ranking", "difference", data=best["data"])}  # fmt: skip
    facts, marks = audited.facts(rows)
    rows = [
        {**row, "mark": marks[row["paper"], row["method"]], "best": row["mean"] == best["mean"],
         "departures": audited.row(row["paper"], row["data"], row["method"])["departures"],
         "common_seeds": common.get((row["paper"], row["method"]))}
        for row in rows
    ]  # fmt: skip
    compared = [row for row in rows if row["p_holm"] is not None]
    level = sum(row["p_holm"] >= 0.05 for row in compared)
    apart = len(rows) - 1 - len(compared)
    fewer = sum(row["common_seeds"] < max(row["seeds"], seeds[best["paper"], best["method"]]) for row in compared)
    close = f"{several(level, 'method')} do not differ from the best significantly" if level else "all differ from it"
    notes = [
        f"Accuracy (%) on the {several(best['n'], 'image')} of {best['split']} that all methods were tested on, "
        "mean ± standard deviation over seeds (n − 1 in the denominator; with one seed there is none).",
        interval_note(audited.row(row["paper"], row["data"], row["method"]) for row in rows),
        *([f"{_family(compared, 'methods')} Of these {close}."] if compared else []),
        *([f"{several(apart, 'method')} with no seed in common with the best: not compared with it."] if apart else []),
        *([SHARED.format(several(fewer, "method"))] if fewer else []),
        CHOSEN,
    ]
    title = f"All methods on {dataset_name(best['dataset'])}, from the best to the worst"
    return _table(audited, rows, "ranking", title,
                  [*_ranking_columns(f"Less “{best['label']}”"), *c.hidden("common_seeds")],
                  [*facts, *map(Note, notes)], rows)  # fmt: skip


def _contrast_columns() -> list[Column]:
    return [
        c.PAPER,
        Column("what", "What"),
        *c.hidden("method", "compared_with"),
        Column("", "Beside the method without it", lambda row: Cell(row["without"], mark=row["mark"])),
        *(replace(column, group="Worth") for column in c.less()),
        *c.hidden("p", "test", "about"),
        replace(c.P_HOLM, group="Worth"),
        c.SMALLEST,
        c.SEEDS,
        c.N,
        Column("reported", "By the paper", lambda row: DASH if row["reported"] is None else
               f"{signed(row['reported'], 2)} ({dataset_name(row['source'])})", right=True),
        Column("source"),
    ]  # fmt: skip


def _contrasts(audited: Audited, rows: Sequence[Row]) -> Table:
    both = [{**row, "method": row[name]} for row in rows for name in ("method", "compared_with")]
    facts, marks = audited.facts(both)
    rows = [
        {**row, "without": audited.row(row["paper"], row["data"], row["compared_with"])["label"],
         "mark": marks[row["paper"], row["compared_with"]]}
        for row in rows
    ]  # fmt: skip
    notes = [
        "Points: accuracy of the method with it (the CSV names both) less that of the method without it, on those "
        f"images of {rows[0]['split']} that both were tested on, seed by seed.",
        _family(rows, "contrasts").replace("for all", "within each paper, of"),
        FOUND,
        "By the paper: the difference of the accuracies that it reports, on its own data and with its own networks.",
        *([ALONE] if any(row["seeds"] == 1 for row in rows) else []),
    ]
    title = f"What single things are worth on {dataset_name(rows[0]['dataset'])}, in points of accuracy"
    return _table(audited, rows, "contrasts", title, _contrast_columns(), [*facts, *map(Note, notes)], both)


def _table(
    audited: Audited,
    rows: Sequence[Row],
    name: str,
    title: str,
    columns: Sequence[Column],
    notes: Sequence[Note],
    behind: Sequence[Row],
) -> Table:
    first = rows[0]
    spent = audited.budget(audited.row(row["paper"], row["data"], row["method"]) for row in behind)
    return Table(
        f"{name}.{first['data']}",
        f"{title}, {AUDITED}",
        [*OF, *columns],
        rows,
        [*notes, *spent],
        stand_in_notice(first["dataset"]) if first["stand_in"] else "",
        block=["paper"] if name == "contrasts" else [],
    )


def _none(name: str, title: str, columns: Sequence[Column]) -> Table:
    return Table(name, title, columns, [])


def _family(rows: Sequence[Row], of: str) -> str:
    """Say what is tested, and for how many comparisons the p values are adjusted."""
    told = "; ".join(text for test, text in TESTS.items() if test in {row["test"] for row in rows})
    return f"p, two-sided: {told}; adjusted by Holm for all {len(rows)} {of}. Bold points: below 0.05."
