"""Methods × data sets: what every method of every paper reaches on every data set, under the audited protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.reporting.comparison import Comparison
from refer.reporting.names import listing, span
from refer.reporting.results import Results, unique
from refer.reporting.run_set import AUDITED, Record, in_batches
from refer.reporting.tables import columns as c
from refer.reporting.tables.notes import change_notes, cost, epoch_rules, interval_note, lettered, rules_told
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Row,
    Spread,
    Table,
    dataset_name,
    several,
    span_of,
    spread,
    thousands,
)

BASELINE = "Always the commonest class"

FACTS: tuple[tuple[str, Callable[[Record], bool]], ...] = (
    ("starts without weights from elsewhere", lambda run: str(run["initial_weights"]).startswith("none")),
    ("goes on from networks of its paper that were trained here", lambda run: bool(run.get("starts_from"))),
    ("tests another method's network in another way, or on other images", lambda run: bool(run.get("tests"))),
    (
        "is tested on faces composed on backgrounds, not on the images as they are",
        lambda run: bool(run["recipe"].get("compose")) and run["recipe"].get("compose_test", True),
    ),
)
"""What sets a method apart from its neighbours, as run.json tells it."""


class Audited:
    """The audited results of all methods on test sets."""

    def __init__(self, comparisons: Iterable[Comparison], results: Results) -> None:
        """Raise UserError where there are none."""
        self.results = results
        self.comparisons = {(each.paper.id, each.data): each for each in comparisons}
        self.rows = results.wide("audited", "mean", "fold_mean", "baseline")
        if not self.rows:
            raise UserError(
                f"matrix: no run of the protocol {AUDITED!r} was given; run the workflow with `matrix:` set."
            )
        for row in self.rows:
            # The spread is over seeds, or over the folds of a single seed.
            row["sd_over"] = "seeds" if row["seeds"] > 1 else "folds" if (row["folds"] or 0) > 1 else None
            row["sd"] = row["fold_mean_sd"] if row["sd_over"] == "folds" else row["sd"]
            row["best"] = row["mean"] == max(each["mean"] for each in self.of(row["data"]))
        known = list(DATASETS)
        self.rows.sort(key=lambda row: (known.index(row["dataset"]), row["data"]))

    @cached_property
    def data(self) -> list[str]:
        """The data sets, in the catalogue's order."""
        return unique(row["data"] for row in self.rows)

    def of(self, data: str) -> list[dict[str, Any]]:
        """Return the rows of a data set."""
        return [row for row in self.rows if row["data"] == data]

    def row(self, paper: str, data: str, method: str) -> dict[str, Any]:
        """Return the row of a method on a data set."""
        return next(row for row in self.of(data) if (row["paper"], row["method"]) == (paper, method))

    def records(self, row: Row) -> list[Record]:
        """Return the run.json of every run behind a row."""
        seeds, folds = (row["seed_list"].split(), (row["fold_list"] or "").split())
        return [
            record
            for record in self.comparisons[row["paper"], row["data"]].records_of(AUDITED, row["method"])
            if str(record["seed"]) in seeds and (record.get("fold") is None or str(record["fold"]) in folds)
        ]

    def facts(self, rows: Iterable[Row]) -> tuple[list[Note], dict[tuple[str, str], str]]:
        """Return the notes on what sets the methods of `rows` apart, and the letters of each (paper and method)."""
        records: dict[tuple[str, str], list[Record]] = {}
        for row in rows:
            mine = records.setdefault((row["paper"], row["method"]), [])
            mine += self.records(self.row(row["paper"], row["data"], row["method"]))
        batches = unique(in_batches(record) for those in records.values() for record in those)
        told = {
            method: [text for text, holds in FACTS if any(map(holds, those))]
            + [text for text in batches if text and any(in_batches(record) == text for record in those)]
            for method, those in records.items()
        }
        return lettered(told, order=[*(text for text, _ in FACTS), *batches])

    def budget(self, rows: Iterable[Row]) -> list[Note]:
        """Say what the runs behind `rows` cost, and what was changed in the papers' files."""
        once = {
            (row["paper"], row["data"], row["method"]): self.row(row["paper"], row["data"], row["method"])
            for row in rows
        }
        papers = {paper: self.comparisons[paper, data].paper for paper, data, _ in once}
        spent = cost([record for row in once.values() for record in self.records(row)])
        return [Note(f"Cost: {spent}."), *change_notes(papers.values())]


def matrix_table(audited: Audited) -> Table:
    """Return the table: a row per method, by paper, and for each data set accuracy, 95 % confidence interval and n."""
    titles = _titles(audited)
    differ = frozenset(data for data in audited.data if len({row["n"] for row in audited.of(data)}) > 1)
    groups = {data: title if data in differ else f"{title}, n = {thousands(audited.of(data)[0]['n'])}"
              for data, title in titles.items()}  # fmt: skip
    methods = {(c.paper.id, method): None for c in audited.comparisons.values() for method in c.paper.methods}
    rows = sorted(audited.rows, key=lambda row: list(methods).index((row["paper"], row["method"])))
    notes, marks = audited.facts(rows)
    over_folds = _over_folds(audited, sum(bool(note.mark) for note in notes))
    rows = [{**row, "mark": marks[row["paper"], row["method"]], "over": over_folds} for row in rows]
    count = len({(row["paper"], row["method"]) for row in rows})
    return Table(
        "matrix",
        f"Accuracy (%) of {several(count, 'method')} on {several(len(audited.data), 'data set')}, {AUDITED}",
        [
            *c.hidden("preset"),
            c.PAPER,
            *c.hidden("method"),
            c.METHOD,
            *c.hidden("dataset", "data", "stand_in", "protocol", "part", "split"),
            Column("mean", "Accuracy", _accuracy, right=True, wide=True),
            *c.hidden("sd", "sd_over"),
            Column("low", "95 % CI", lambda row: span_of(row["low"], row["high"]) if "low" in row else "", right=True,
                   wide=True),
            *c.hidden("high", "interval_method"),
            Column("n", "n", lambda row: thousands(row["n"]) if "n" in row else "", right=True, wide=True, only=differ),
            *c.hidden("removed", "seeds", "folds", "baseline"),
        ],
        sorted(rows, key=lambda row: audited.data.index(row["data"])),
        [*notes, *([over_folds] if over_folds else []), *map(Note, _notes(audited, titles)),
         *audited.budget(audited.rows)],
        _banner(audited),
        block=["paper"],
        spread=Spread("data", groups, ("paper", "method")),
        more=[_baseline(audited.of(data)) for data in audited.data],
    )  # fmt: skip


def _accuracy(row: Row) -> Cell:
    if "span" in row:
        return Cell(row["span"])
    letter = row["over"].mark if row["over"] and row["sd_over"] == "folds" else ""
    return Cell(spread(row["mean"], row["sd"]), bold=row["best"], mark=letter)


def _baseline(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the row of those who look at nothing; a span where methods were tested on different images."""
    values = sorted({round(row["baseline"], 1) for row in rows})
    text = DASH.join(f"{value:.1f}" for value in dict.fromkeys([values[0], values[-1]]))
    return {"paper": " ", "method": "", "label": BASELINE, "data": rows[0]["data"], "span": text}


def _titles(audited: Audited) -> dict[str, str]:
    """Return the data sets' names; where some are drawn and some real, the drawn ones are marked."""
    drawn = {row["data"]: row["stand_in"] for row in audited.rows}
    mixed = len(set(drawn.values())) > 1
    return {
        data: f"{dataset_name(audited.of(data)[0]['dataset'])}{' (drawn)' if mixed and drawn[data] else ''}"
        for data in audited.data
    }


def _banner(audited: Audited) -> str:
    drawn = [dataset_name(dataset) for dataset in unique(row["dataset"] for row in audited.rows if row["stand_in"])]
    if not drawn:
        return ""
    if len(drawn) == len(audited.data):
        return f"Drawn stand-in data: these numbers say nothing about {listing(drawn)}"
    return f"Drawn stand-in data in the columns marked (drawn): those numbers say nothing about {listing(drawn)}"


def _over_folds(audited: Audited, used: int) -> Note | None:
    """Return the note for the cells whose spread is over folds, where that of others is over seeds."""
    text = "Standard deviation over the folds of a single seed, not over seeds."
    return Note(text, "abcdefgh"[used]) if len(unique(row["sd_over"] for row in audited.rows)) > 1 else None


def _notes(audited: Audited, titles: Mapping[str, str]) -> list[str]:
    kinds = unique(row["sd_over"] for row in audited.rows)
    over = "the folds of a single seed" if kinds == ["folds"] else "seeds"
    absent = " A single run has none." if any(row["sd_over"] is None for row in audited.rows) else ""
    text = f"mean ± standard deviation over {over} (n − 1 in the denominator).{absent}" if kinds else "of one seed."
    shared = {row["data"]: row["n"] for row in audited.results.of("shared by all")}
    classes = ", ".join(
        f"{' or '.join(unique(row['actual'] for row in audited.of(data)))} on {title}" for data, title in titles.items()
    )
    return [
        f"Accuracy: {text} Bold: the highest mean of a column, which alone does not make it better than the next. "
        f"{DASH}: not run, as where a data set lacks the infrared images that a method needs.",
        interval_note(audited.rows, "95 % CI"),
        *(_division(audited, title, audited.of(data)) for data, title in titles.items()),
        *(f"{title}: not all methods were tested on the same images; all share {several(shared[data], 'image')}."
          for data, title in titles.items() if data in shared),
        f"{BASELINE}: what one reaches who names it for every image ({classes}), counted on the test images.",
    ]  # fmt: skip


def _division(audited: Audited, title: str, rows: Sequence[Row]) -> str:
    """Say how a data set is divided, which epoch is tested, and what the audit removed; by paper if they differ."""
    texts: dict[str, list[str]] = {}
    for paper in unique(row["paper"] for row in rows):
        texts.setdefault(_divided(audited, [row for row in rows if row["paper"] == paper]), []).append(paper)
    told = [text if len(texts) == 1 else f"{listing(names)}: {text}" for text, names in texts.items()]
    return f"{title}: {'. '.join(told)}."


def _divided(audited: Audited, rows: Sequence[Row]) -> str:
    """Say how one paper's methods are learnt and tested on a data set."""
    comparison = audited.comparisons[rows[0]["paper"], rows[0]["data"]]
    records = [record for row in rows for record in audited.records(row)]
    found = {part for record in records for part in record["parts"]}
    text = listing(split for part, split in comparison.paper.parts[comparison.dataset].items() if part in found)
    folds = unique(fold for row in rows for fold in (row["fold_list"] or "").split())
    if folds:
        wanted = comparison.paper.folds.get(comparison.dataset, len(folds))
        done = "all" if len(folds) == wanted else listing(folds)
        text += f" in {wanted} folds of other people ({done} run)"
    text += f"; tested on {rows[0]['split']}"
    removed = [row["removed"] for row in rows]
    if any(removed):
        text += f", {span(removed)} of {span(row['n'] + row['removed'] for row in rows)} images removed"
    rules = epoch_rules(comparison, records)
    return f"{text}; epoch: {rules_told(rules)}" if rules else text
