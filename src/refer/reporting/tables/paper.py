"""The tables of a paper on a data set: reported beside reproduced, every metric, which methods differ, protocols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from refer.reporting.comparison import Comparison
from refer.reporting.estimates import NOT_STATED, UNSCALED
from refer.reporting.names import span
from refer.reporting.results import unique
from refer.reporting.run_set import AUDITED, PUBLISHED
from refer.reporting.tables import columns as c
from refer.reporting.tables.notes import (
    WEIGHT_NOTE,
    claim_notes,
    claims_of,
    epoch_rules,
    fold_note,
    footnotes,
    interval_note,
    metrics_note,
    rule,
    rules_told,
)
from refer.reporting.tables.table import (
    DASH,
    Cell,
    Column,
    Note,
    Row,
    Spread,
    Table,
    dataset_name,
    number,
    spread,
)

OF = c.hidden("preset", "paper", "dataset", "data", "stand_in")
"""What a row is of, in the CSV alone."""
LINE = ("protocol", "method")

METRICS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced acc.",
    "macro_precision": "Macro P",
    "macro_recall": "Macro R",
    "macro_f1": "Macro F1",
    "weighted_precision": "Weighted P",
    "weighted_recall": "Weighted R",
    "weighted_f1": "Weighted F1",
    "ece": "ECE",
    "brier": "Brier",
    "log_loss": "NLL",
}
METRIC_NOTES = (
    "Means over seeds (± standard deviation of accuracy), in %. P, R, F1: precision, recall and the mean of the "
    "classes' F1; macro: unweighted over the classes, weighted: by their images. Balanced accuracy is macro recall, "
    "and weighted recall accuracy, by definition.",
    "ECE: expected calibration error over 15 equal-width bins of the top probability (%). Brier: squared distance from "
    "the true class's corner, summed over classes (0 to 2). NLL: mean negative log-likelihood of the true class, in "
    "nats. Lower is better of all three.",
)
TESTS = {
    "mcnemar": "for a single seed exact McNemar, whose hypothesis is that these two trained networks are right equally "
    "often: it says nothing of the methods",
    "crossed": "for several seeds, or folds, that the two methods are right equally often whatever the seed, with "
    "images (or folds) and seeds both as samples (docs/verdicts.md)",
    "moderated": "for several seeds the same, the variance over seeds moderated across the comparisons of the table",
}
FOUND = "Would have found: the smallest difference that this comparison finds with a power of 80 %, in points."


def accuracy_tables(comparison: Comparison) -> list[Table]:
    """Return the tables of what the paper reports: of accuracy, and of its other metrics if it gives any."""
    return [accuracy_table(comparison), *([further_table(comparison)] if comparison.further else [])]


def accuracy_table(comparison: Comparison) -> Table:
    """Return the table of accuracies: a row per method and protocol, a group of columns per split."""
    notes, marks = footnotes(comparison)
    rows = [{**row, "mark": marks[row["protocol"], row["method"]]} for row in comparison.accuracies]
    stated = {each["reported_part"] for row in rows for each in row["claims"]}
    # Where every number is stated for one split, it stands among that split's columns.
    home = next(iter(stated)) if len(stated) == 1 and NOT_STATED not in stated else None
    judged = None if NOT_STATED in stated else frozenset(stated)
    for row in rows:
        row["all_claims"] = _claims(
            [each for each in rows if all(each[name] == row[name] for name in LINE)], comparison
        )
    folds = [c.FOLDS] if comparison.folds else c.hidden("folds")
    over_folds = c.wide([c.OVER_FOLDS] if comparison.folds else c.hidden("fold_mean"))
    return _table(
        comparison,
        "",
        f"{comparison.paper.id}: accuracy (%) on {dataset_name(comparison.dataset)}, reported and reproduced",
        [
            *OF,
            *c.hidden("method"),
            c.METHOD,
            c.PROTOCOL,
            *c.hidden("part", "split", "metric"),
            *([Column("", "Reported", lambda row: row["all_claims"], right=True)] if home is None else []),
            c.DEPARTURES,
            c.SEEDS,
            *c.hidden("seed_list"),
            *folds,
            *c.hidden("fold_list"),
            *(c.wide([c.REPORTED], frozenset({home})) if home else c.hidden("reported")),
            *c.hidden("reported_sd", "reported_part", "reported_n", "source"),
            *c.wide([c.MEAN]),
            *c.hidden("sd"),
            *c.wide([c.LOW]),
            *c.hidden("high", "interval_method"),
            *over_folds,
            *c.hidden("fold_mean_sd"),
            *c.wide([c.DIFFERENCE], judged),
            *c.hidden("difference_low", "difference_high"),
            *c.wide([c.VERDICT], judged),
            *c.hidden("p", "test", "about", "images_to_tell"),
            *c.wide([c.N]),
            *c.hidden("removed", "best"),
        ],
        rows,
        notes,
        block=["protocol"],
        spread=Spread("part", comparison.splits, LINE),
    )


def _claims(rows: Sequence[Row], comparison: Comparison) -> Cell:
    """Return what the paper reports of a method, with the split where it names one."""
    claims = {(each["source"], each["value"]): each for row in rows for each in row["claims"]}.values()
    texts = []
    for each in claims:
        where = "" if each["reported_part"] == NOT_STATED else f" ({comparison.splits[each['reported_part']]})"
        texts.append(f"{c.claimed(each['value'], each['sd'], each['decimals'])}{where}")
    unknown = any(each["reported_part"] == NOT_STATED for each in claims)
    return Cell("; ".join(texts) or DASH, mark="a" if unknown else "")


def further_table(comparison: Comparison) -> Table:
    """Return every precision, recall and F1 that the paper reports, beside ours by the paper's own definition."""
    rows = comparison.further
    splits = unique(row["split"] for row in rows)
    notes = [metrics_note(comparison.paper), interval_note(rows)]
    notes += [] if comparison.banner else [rule(comparison.margin), WEIGHT_NOTE]
    notes += [fold_note(comparison)] if comparison.folds else []
    return _table(
        comparison,
        "reported",
        f"{comparison.paper.id}: precision, recall and F1 (%) on {dataset_name(comparison.dataset)}"
        f"{f', {splits[0]}' if len(splits) == 1 else ''}, reported and reproduced",
        [
            *OF,
            *c.hidden("method"),
            c.METHOD,
            c.PROTOCOL,
            *c.hidden("part"),
            *([c.SPLIT] if len(splits) > 1 else c.hidden("split")),
            c.METRIC,
            *c.hidden("seeds", "seed_list", "folds", "fold_list"),
            c.REPORTED,
            *c.hidden("reported_sd", "reported_part", "reported_n", "source"),
            replace(c.MEAN, title="Ours"),
            *c.hidden("sd"),
            c.LOW,
            *c.hidden("high", "interval_method"),
            *([c.OVER_FOLDS] if comparison.folds else c.hidden("fold_mean")),
            *c.hidden("fold_mean_sd"),
            c.DIFFERENCE,
            c.DIFFERENCE_LOW,
            *c.hidden("difference_high"),
            c.VERDICT,
            *c.hidden("p", "test"),
            c.TO_TELL,
            c.N,
            *c.hidden("removed"),
        ],
        rows,
        [*map(Note, notes), *claim_notes(claims_of(comparison, further=True))],
        block=LINE,
    )


def metric_tables(comparison: Comparison) -> list[Table]:
    """Return every metric of every method, and the recall of every class: a row a method, protocol and split."""
    rows = comparison.wide("method", "mean")
    classes = unique(row["metric"].partition(":")[2] for row in rows if row["metric"].startswith("recall:"))
    recalls = {f"recall:{name}": name for name in classes}
    shown = {
        "metrics": ("every metric", METRICS, METRIC_NOTES),
        "recalls": ("recall of each class", recalls, [f"Mean over seeds, in %. {DASH}: no image of the class."]),
    }
    return [
        _table(
            comparison,
            name,
            f"{comparison.paper.id} on {dataset_name(comparison.dataset)}: {what}",
            [
                *OF,
                *c.hidden("method"),
                c.METHOD,
                c.PROTOCOL,
                *c.hidden("part"),
                c.SPLIT,
                *c.hidden("metric"),
                *([Column("n", "n", right=True), c.SEEDS] if name == "metrics" else c.hidden("n", "seeds")),
                Column("mean", "mean", _metric, wide=True, right=True),
                *c.hidden("sd"),
            ],
            rows,
            [*map(Note, notes)],
            block=["protocol"],
            spread=Spread("metric", titles, (*LINE, "part")),
            shown=lambda row, titles=titles: row["metric"] in titles,
            csv=name == "metrics",
        )
        for name, (what, titles, notes) in shown.items()
    ]


def _metric(row: Row) -> str:
    if row["metric"] == "accuracy":
        return spread(row["mean"], row["sd"])
    return number(row["mean"], 2 if row["metric"] in UNSCALED else 1)


def pair_table(comparison: Comparison) -> Table:
    """Return every two methods; people see those with the reference method, a group of columns for each split."""
    rows = comparison.wide("pair", "difference")
    chosen = [row for row in rows if row["p_holm_reference"] is not None]
    families = Counter((row["protocol"], row["part"]) for row in chosen).values()
    notes = [
        "Difference: accuracy of the method less that of the other, in points, with its 95 % interval, on the images "
        "that both were tested on, seed by seed.",
        _tests(chosen),
        FOUND,
        f"Holm: adjusted for the comparisons of a protocol and split ({span(families)}). Bold: below "
        "0.05. Every other two methods stand in the CSV, adjusted for all of them.",
    ]
    if not chosen:
        notes = ["No other method was run with a seed that it was run with."]
    if comparison.banner:
        notes.append("Of drawn data, a difference is one between methods on drawings.")
    methods = {name: each.label for name, each in comparison.paper.methods.items()}
    than = f"“{methods[chosen[0]['compared_with']]}”" if chosen else "another"
    difference, *ends = c.less()
    return _table(
        comparison,
        "pairs",
        f"{comparison.paper.id}: every method less {than}, in points of accuracy on {dataset_name(comparison.dataset)}",
        [
            *OF,
            *c.hidden("method"),
            c.METHOD,
            *c.hidden("compared_with"),
            c.PROTOCOL,
            *c.hidden("part", "split"),
            c.SEEDS,
            *c.wide([replace(difference, title="Difference"), *ends[:1]]),
            *ends[1:],
            *c.wide([c.P]),
            *c.hidden("p_holm"),
            *c.wide([c.P_REFERENCE, c.SMALLEST, c.N]),
            *c.hidden("test", "about"),
        ],
        rows,
        [*map(Note, notes)],
        block=["protocol"],
        spread=Spread("part", comparison.splits, LINE),
        shown=lambda row: row["p_holm_reference"] is not None,
    )


def _tests(rows: Iterable[Row]) -> str:
    tested = {row["test"] for row in rows}
    return f"p, two-sided: {'; '.join(text for test, text in TESTS.items() if test in tested)}."


def protocol_tables(comparison: Comparison) -> list[Table]:
    """Return what removed images are worth, and published against audited; a table that says so where neither is."""
    made = [table for table in (_removed(comparison), _effects(comparison)) if table.rows]
    return made or [_nothing(comparison)]


def _removed(comparison: Comparison) -> Table:
    accuracy, images = "Accuracy (%)", "Images"
    note = (
        "The same trained networks on all images of a split, on those that the audited protocol keeps, and on those "
        "that it removes (duplicates of images that are learnt from or choose the epoch, or known subjects): means "
        "over seeds. Points: all images less kept ones."
    )
    difference, *ends = (replace(column, group="Removed images add") for column in c.less(digits=2))
    return _protocol_table(
        comparison,
        "images that the audit removes",
        [
            Column("protocol", "Protocol"),
            *c.hidden("part"),
            c.SPLIT,
            c.SEEDS,
            *(c.percent(name, title, accuracy) for name, title in
              (("all", "All images"), ("kept", "Kept"), ("removed", "Removed"))),
            Column("n", "All", group=images, right=True),
            Column("removed_n", "Removed", group=images, right=True),
            difference,
            *ends,
        ],
        comparison.wide("removed images", "difference", "all", "kept", "removed"),
        [note],
    )  # fmt: skip


def _effects(comparison: Comparison) -> Table:
    rows = comparison.wide("protocol", "difference", "published", "audited", "images", "rest", "epoch")
    accuracy, points = "Accuracy (%)", "Published less audited, in points"
    _, *ends = (replace(column, group=points) for column in c.less("rest"))
    rules = {protocol: epoch_rules(comparison, comparison.records_of(protocol)) for protocol in (PUBLISHED, AUDITED)}
    told = "; ".join(f"{protocol}: {rules_told(rule) or 'nothing to train'}" for protocol, rule in rules.items())
    notes = [
        "Removed images: what the images that the audit removes add to the published runs. The rest: published less "
        "audited runs on the images that both count, which is the epoch and whatever else the protocols change, with "
        "the paired interval and p of docs/verdicts.md. Seeds: those that ran under both protocols, of which the "
        "row is.",
        f"Epoch tested, {told}. Epoch: what the published choice gains on the split that it was made on, all else "
        f"being equal; {DASH} where the runs learnt differently, or the split chose no epoch.",
    ]
    if any(not row["seeds"] for row in rows):
        notes.append(
            f"{DASH} under Seeds: none ran under both protocols; each accuracy is of its own seeds, and nothing more "
            "is compared."
        )
    if any(row["images"] is None and row["seeds"] for row in rows):
        notes.append(
            f"{DASH}: the audited protocol divides the data differently (people kept apart), so that its test images "
            "are others, and the difference cannot be split."
        )
    return _protocol_table(
        comparison,
        "published against audited",
        [
            *c.hidden("part"),
            c.SPLIT,
            c.SEEDS,
            c.percent("published", "Published", accuracy),
            c.percent("audited", "Audited", accuracy),
            c.points("difference", "All", points),
            c.points("images", "Removed images", points),
            c.points("rest", "The rest", points),
            *ends,
            replace(c.P, group=points),
            c.points("epoch", "Epoch", points),
        ],
        rows,
        notes,
    )


def _nothing(comparison: Comparison) -> Table:
    text = (
        f"Only the {' and '.join(comparison.protocols)} protocol was run, and it counts every image: there is nothing "
        "to set against it."
    )
    if len(comparison.protocols) > 1:
        text = "No method was run under both protocols and tested on the same split, and no image was removed."
    elif comparison.protocols == [PUBLISHED]:
        text = "Only the published protocol was run: which images the audited one would remove, its runs would tell."
    return _protocol_table(comparison, "published against audited", [], [], [text])


def _protocol_table(
    comparison: Comparison, what: str, columns: Sequence[Column], rows: Sequence[Row], notes: Sequence[str]
) -> Table:
    name = f"protocols.{what.split()[0]}"
    title = f"{comparison.paper.id} on {dataset_name(comparison.dataset)}: {what}"
    of = [*OF, *c.hidden("scope", "method"), c.METHOD]
    return _table(comparison, name, title, [*of, *columns], rows, [*map(Note, notes)])


def _table(
    comparison: Comparison,
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    notes: Sequence[Note],
    **layout: Any,
) -> Table:
    kind, _, more = name.partition(".")
    names = (kind, comparison.paper.id, comparison.data, more)
    if kind in ("", "reported"):
        names = ("", comparison.paper.id, comparison.data, kind)
    return Table(".".join(filter(None, names)), title, columns, rows, notes, comparison.banner, **layout)
