"""The table of fusion attention tested in batches of several sizes and orders (`refer.evaluation.batch_tokens`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refer import parquet
from refer import records as border
from refer.evaluation.intervals import accuracy_interval, mean_sd
from refer.evaluation.paired import paired_difference
from refer.recipe import ORDERS
from refer.reporting.names import listing, span
from refer.reporting.tables import columns as c
from refer.reporting.tables.table import (
    Column,
    Note,
    Row,
    Table,
    dataset_name,
    number,
    spread,
    stand_in_notice,
    thousands,
)
from refer.reporting.tables.write import write_tables

TOKENS = {"batch": "images of the batch", "channels": "channels", "positions": "places of the map"}
"""Reading of a token → what people read."""
MIXED, SORTED = "shuffled", "class"
NAMES = {"file": "as in the index", MIXED: "mixed", SORTED: "sorted by class"}
"""Order of the test images → what people read."""

Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """One file: what was run, and which answers are right (seeds, images) by reading, order and size of a batch.

    `sorted_by_class` says whether the index itself has the images class by class.
    """

    about: dict[str, Any]
    n: int
    sorted_by_class: bool
    hits: dict[tuple[str, str, int], Hits]

    def joined(self, other: Measured) -> Measured:
        """Return it with the readings of a token of another file, in the order in which people read them."""
        grid = self.about["grid"]
        both = [tokens for tokens in TOKENS if tokens in {*grid["tokens"], *other.about["grid"]["tokens"]}]
        hits = dict(sorted({**self.hits, **other.hits}.items(), key=lambda item: both.index(item[0][0])))
        return replace(self, about={**self.about, "grid": {**grid, "tokens": both}}, hits=hits)

    @property
    def name(self) -> str:
        """The data set as people call it."""
        return dataset_name(self.about["dataset"]) + (" (drawn)" if self.about["stand_in"] else "")


def read_batch_tokens(paths: Iterable[str | Path]) -> list[Measured]:
    """Read what `measure_batch_tokens` wrote; files that differ in the reading of a token alone are one.

    Raises:
        UserError: a file is none of these.
    """
    found: dict[str, Measured] = {}
    for path in sorted(map(str, paths)):
        table = parquet.read(path)
        about = border.embedded((table.schema.metadata or {}).get(b"refer"), border.BatchTokens, path)
        grid, label = about["grid"], table["label"].to_numpy()
        hits = {
            (tokens, order, size): np.stack(
                [table[f"{tokens}.{seed}.{order}.{size}"].to_numpy() == label for seed in grid["seeds"]]
            )
            for tokens in grid["tokens"]
            for order in grid["orders"]
            for size in grid["batches"]
        }
        changes = int((np.diff(label) != 0).sum())
        one = Measured(about, len(label), changes == len(np.unique(label)) - 1, hits)
        key = json.dumps({**about, "grid": {**grid, "tokens": None}}, sort_keys=True)
        found[key] = found[key].joined(one) if key in found else one
    return list(found.values())


def write_batch_tokens(measured: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Write the tables to every path of `outputs` (.csv, .md, .tex, .html); see `records` for the CSV."""
    write_tables(batch_token_tables(read_batch_tokens(measured)), outputs)


def batch_token_tables(found: Sequence[Measured]) -> list[Table]:
    """Return the tables of accuracies, and of what sorting by class is worth."""
    return [accuracy_table(found), worth_table(found)]


def records(measured: Measured) -> list[dict[str, Any]]:
    """Return the rows of the CSV, one a reading, order and size of a batch.

    `mean` to `high` are accuracies in percent. `over_mixed` is the accuracy minus that of the same networks in mixed
    order, `over_channels` minus that of tokens that are channels: both in points, on the same images, with 95 %
    intervals over images and seeds, and empty where there is nothing to compare with.
    """
    about, rows = measured.about, []
    for (tokens, order, size), hits in measured.hits.items():
        mean, sd = mean_sd(100 * hits.mean(axis=1))
        interval = accuracy_interval(hits)
        row = {
            "preset": about["preset"],
            "paper": about["paper"],
            "method": about["method"],
            "dataset": about["dataset"],
            "data": about["data"],
            "stand_in": about["stand_in"],
            "protocol": about["protocol"],
            "part": about["part"],
            "n": measured.n,
            "tokens": tokens,
            "order": order,
            "batch": size,
            "seeds": len(hits),
            "mean": mean,
            "sd": sd,
            "low": 100 * interval.low,
            "high": 100 * interval.high,
        }
        beside = {
            "over_mixed": None if order == MIXED else measured.hits.get((tokens, MIXED, size)),
            "over_channels": None if tokens == "channels" else measured.hits.get(("channels", order, size)),
        }
        for name, other in beside.items():
            found = None if other is None else paired_difference(other, hits)
            row |= {
                name: None if found is None else 100 * found.difference,
                f"{name}_low": None if found is None else 100 * found.low,
                f"{name}_high": None if found is None else 100 * found.high,
            }
        rows.append(row)
    return rows


def accuracy_table(found: Sequence[Measured]) -> Table:
    """Return the table of accuracies: a row a reading and order, a column a size of the batch."""
    rows = _rows(found)
    sizes = {row["batch"]: str(row["batch"]) for row in rows}
    columns = [
        *c.hidden("preset", "paper", "method", "dataset"),
        Column("data", "Data", lambda row: row["shown"]),
        *c.hidden("stand_in", "protocol", "part", "n"),
        Column("tokens", "Tokens", lambda row: TOKENS[row["tokens"]]),
        Column("order", "Order of the test images", lambda row: NAMES[row["order"]]),
        *c.hidden("batch", "seeds", "mean", "sd", "low", "high"),
        *c.hidden(*(f"{name}{end}" for name in ("over_mixed", "over_channels") for end in ("", "_low", "_high"))),
        *(Column("", title, _of_size(size), "Test images in a batch", right=True) for size, title in sizes.items()),
    ]
    lines: dict[tuple[str, ...], dict[int, Row]] = {}
    for row in rows:
        lines.setdefault((row["shown"], row["tokens"], row["order"]), {})[row["batch"]] = row
    return Table(
        "batch_tokens",
        "Accuracy (%) of fusion attention by what a token is, and by the batches in which it is tested",
        columns,
        rows,
        [*map(Note, _notes(found))],
        _banner(found),
        block=["shown"],
        shown=lambda _: False,
        more=[{**next(iter(line.values())), "line": line} for line in lines.values()],
    )


def _of_size(size: int) -> Callable[[Row], str]:
    def show(row: Row) -> str:
        one = row["line"].get(size)
        return spread(one["mean"], one["sd"]) if one else number(None)

    return show


def worth_table(found: Sequence[Measured]) -> Table:
    """Return the table of what sorting by class is worth, where the images of a batch are the tokens."""
    rows = [row for row in _rows(found) if (row["tokens"], row["order"]) == ("batch", SORTED)]
    columns = [
        Column("shown", "Data"),
        Column("batch", "Batch", right=True),
        Column("mixed", "Mixed", lambda row: number(row["mean"] - row["over_mixed"]), right=True),
        Column("mean", "Sorted", right=True),
    ]
    for name, title in (("over_mixed", "Sorted − mixed"), ("over_channels", "Sorted − channels")):
        difference, low, high = c.less(name)
        columns += [replace(difference, title=title), low, high]
    return Table(
        "batch_tokens_worth",
        "What sorting the test images by class is worth where they are the tokens, in points of accuracy",
        columns,
        [row for row in rows if row["over_mixed"] is not None],
        [Note("Sorted − channels: minus the same attention whose tokens are the channels of a feature.")],
        _banner(found),
        block=["shown"],
        csv=False,
    )


def _rows(found: Iterable[Measured]) -> list[Row]:
    return [{**row, "shown": each.name} for each in found for row in records(each)]


def _notes(found: Sequence[Measured]) -> Iterable[str]:
    about = found[0].about
    seeds = span({len(each.about["grid"]["seeds"]) for each in found})
    tested = listing(f"{each.name}: {thousands(each.n)} images of {each.about['part']}" for each in found)
    yield (
        f"Tested on {tested}. Mean ± standard deviation over {seeds} seeds of fusion attention, over one pair of "
        f"frozen extractors ({about['network']['first']} and {about['network']['second']})."
    )
    yield (
        f"All networks were trained in batches of {about['recipe']['batch_size']} images drawn at random; the network "
        "of the last epoch is tested, so that no split chooses it. Only the tests differ."
    )
    yield (
        f"Mixed: {ORDERS[MIXED]}. Sorted by class: as a loader of one folder a class yields them, without shuffling. "
        "The labels of the test images decide that order: it is no result that a user of the network could have."
    )
    if by_class := [each.name for each in found if each.sorted_by_class]:
        yield f"The index of {listing(by_class)} has the images class by class, as its folders do."
    yield (
        "With channels or places for tokens an image is predicted by itself; with images for tokens it is in a batch "
        "of one alone."
    )


def _banner(found: Sequence[Measured]) -> str:
    drawn = list(dict.fromkeys(each.about["dataset"] for each in found if each.about["stand_in"]))
    return stand_in_notice(*drawn) if drawn else ""
