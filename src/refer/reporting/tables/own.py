"""The tables of `refer compare`: what own predictions come to, and how they stand beside released methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from refer.evaluation.own import Own
from refer.evaluation.scores import ECE_BINS
from refer.reporting.comparisons import Entry
from refer.reporting.names import measure
from refer.reporting.own import comparisons, confusions, measures, reliability
from refer.reporting.tables import columns as c
from refer.reporting.tables.notes import interval_note
from refer.reporting.tables.paper import FOUND
from refer.reporting.tables.table import (
    Column,
    Note,
    Table,
    dataset_name,
    number,
    several,
    span_of,
    stand_in_notice,
)

DIGITS = 12  # of a hash: enough to find a file by
UNKNOWN_TRAINING = (
    "Duplicate-free: without test images that stand in the training or validation images of the data set, "
    "as duplicates or near duplicates. What else the network was trained on is not known here."
)
ECE_NOTE = f"ECE: expected calibration error, {ECE_BINS} bins of equal width."
NOBODY = "No released method has images in common with the file."
ONE_TRAINING = (
    "One file is one network: another training of the same method would answer otherwise. Nothing here says "
    "that a method is better than another."
)
ONE_SEED = "for a method of one seed, exact McNemar, that both networks are right equally often"
SEVERAL_SEEDS = (
    "for a method of several seeds, that it is right as often as this network whatever its seed, with images and seeds "
    "both as samples (docs/verdicts.md)"
)
MODERATED = ", the variance over seeds moderated across the table"


def own_tables(own: Own, data: Sequence[Entry], name: str, apart: Sequence[str] = ()) -> dict[str, Table]:
    """Return the tables by the names of their files: measures, confusion, compared and, of probabilities, reliability.

    Args:
        own: the predictions.
        data: the released methods on the data set.
        name: what the predictions are called.
        apart: released methods that cannot be compared, with the reason.
    """
    made = [_measures(own, name), _confusion(own, name), _compared(own, data, name, apart)]
    if own.probabilities is not None:
        made.append(_reliability(own, name))
    return {table.name: table for table in made}


def about(own: Own, name: str) -> str:
    """Return what was compared: the file, on which images."""
    listed, here = own.listed, len(own.at)
    whole = f"{here:,}" if not own.missing else f"{here:,} of {here + own.missing:,}"
    return f"{name} on {dataset_name(listed.about['dataset'])}, {whole} images of {listed.test_split}"


def _measures(own: Own, name: str) -> Table:
    rows = list(measures(own))
    listed = own.listed.about
    notes = [
        f"File: {own.table.path.name}, SHA-256 {own.table.sha256[:DIGITS]}…; images named by {_kind(own)}.",
        *(f"Of this file: {text}." for text in own.told),
        interval_note(row for row in rows if row["interval_method"]),
        *([ECE_NOTE] if own.probabilities is not None else []),
        f"{UNKNOWN_TRAINING} By the split of {listed['paper']}, {listed['protocol']} protocol.",
        ONE_TRAINING,
    ]  # fmt: skip
    columns = [
        Column("images", "Images"),
        Column("metric", "Measure", lambda row: "ECE" if row["metric"] == "ece" else measure(row["metric"])),
        Column("value", "%", lambda row: number(row["value"], 2), right=True),
        Column("low", "95 % interval", lambda row: span_of(row["low"], row["high"]), right=True),
        *c.hidden("high", "interval_method"),
        Column("correct", "Right", lambda row: f"{row['correct']:,}" if row["correct"] is not None else "", right=True),
        c.N,
    ]
    return _table(own, "measures", about(own, name), columns, rows, notes, ["images"])


def _confusion(own: Own, name: str) -> Table:
    names = own.listed.classes
    columns = [
        Column("images", "Images"),
        Column("actual", "Actual"),
        *(Column(f"as_{each}", each, group="Predicted", right=True) for each in names),
        c.percent("recall", "Recall (%)"),
        c.N,
    ]
    return _table(
        own,
        "confusion",
        f"Confusions of {about(own, name)}: predicted beside actual",
        columns,
        list(confusions(own)),
        [],
        ["images"],
    )


def _reliability(own: Own, name: str) -> Table:
    columns = [
        Column("images", "Images"),
        Column("from", "Probability (%)", lambda row: span_of(row["from"], row["to"]), right=True),
        *c.hidden("to"),
        c.percent("confidence", "Mean"),
        c.percent("accuracy", "Accuracy"),
        c.LOW,
        *c.hidden("high", "interval_method"),
        c.N,
    ]
    notes = ["Probability of the most probable class; a calibrated network is right as often as it says."]
    title = f"Calibration of {about(own, name)}"
    return _table(own, "reliability", title, columns, list(reliability(own)), notes, ["images"])


def _compared(own: Own, data: Sequence[Entry], name: str, apart: Sequence[str]) -> Table:
    rows, strangers = comparisons(own, data, name)
    compared = [row for row in rows if row["difference"] is not None]
    tests = {row["test"] for row in compared}
    told = [ONE_SEED] if "mcnemar" in tests else []
    if tests - {"mcnemar"}:
        told.append(SEVERAL_SEEDS + (MODERATED if "moderated" in tests else ""))
    better, worse = (sum(row["p_holm"] < 0.05 and sign * row["difference"] > 0 for row in compared) for sign in (1, -1))
    rest = len(compared) - better - worse
    notes = [
        "Accuracy (%) on the duplicate-free images that the file and the method both have, mean ± standard deviation "
        f"over seeds. Points: {name} less the method.",
        *([f"p, two-sided: {'; '.join(told)}; adjusted by Holm for all {several(len(compared), 'method')}. "
           f"Bold points: below 0.05, which are {better} better and {worse} worse than the method; with {rest} no "
           "difference is statistically significant.", FOUND] if compared else [NOBODY]),
        *([interval_note(rows)] if rows else []),
        *([f"Not compared, no image in common: {', '.join(strangers)}."] if strangers else []),
        *(f"Not compared: {text}." for text in apart),
        ONE_TRAINING,
    ]  # fmt: skip
    columns = [
        c.PAPER,
        *c.hidden("method"),
        c.METHOD,
        c.MEAN,
        *c.hidden("sd"),
        c.LOW,
        *c.hidden("high", "interval_method"),
        *(replace(column, group=f"{name} less it") for column in c.less()),
        *c.hidden("p", "test", "about"),
        replace(c.P_HOLM, group=f"{name} less it"),
        c.SMALLEST,
        c.SEEDS,
        c.N,
    ]
    where = f"{dataset_name(own.listed.about['dataset'])}, {own.listed.test_split}"
    return _table(own, "compared", f"{name} beside released methods on {where}", columns, rows, notes)


def _table(
    own: Own,
    name: str,
    title: str,
    columns: Sequence[Column],
    rows: Sequence[dict[str, object]],
    notes: Sequence[str],
    block: Sequence[str] = (),
) -> Table:
    listed = own.listed.about
    banner = stand_in_notice(listed["dataset"]) if listed["stand_in"] else ""
    return Table(name, title, columns, rows, [Note(text) for text in notes], banner, block)


def _kind(own: Own) -> str:
    return {"row": "row", "sha256": "the SHA-256 of their pixels", "id": "id"}[own.table.kind]
