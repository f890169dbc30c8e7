"""What is known of how far a data set's labels can be believed, below its accuracies."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from importlib import resources

from refer.reporting.tables.table import dataset_name


def label_notes(dataset: str, splits: Iterable[str]) -> list[str]:
    """Return a sentence for each of the owner's splits of which it was measured; none for most data sets.

    Args:
        dataset: its name, of the real data.
        splits: the owner's names of the splits that a table is about.
    """
    file = resources.files("refer.datasets.agreement") / f"{dataset}.csv"
    if not file.is_file():
        return []
    rows: dict[str, dict[str, Mapping[str, str]]] = {}
    with file.open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if row["class"] == "all":
                rows.setdefault(row["split"], {})[row["quantity"]] = row
    return [_sentence(dataset, split, rows[split]) for split in splits if split in rows]


def _sentence(dataset: str, split: str, of: Mapping[str, Mapping[str, str]]) -> str:
    def percent(quantity: str, column: str = "rate") -> str:
        return f"{100 * float(of[quantity][column]):.1f}"

    most, one, agreed = "plurality", "one tagger", "majority"
    return (
        f"Labels of {dataset_name(dataset)}, {split}: for {percent(most)} % of {int(of[most]['n']):,} images "
        f"({percent(most, 'low')} to {percent(most, 'high')}) they are what most of FER+'s ten taggers say, for "
        f"{percent(one)} % what one of them says; where more than half of them agree, for {percent(agreed)} % of "
        f"{int(of[agreed]['n']):,} (docs/data.md)."
    )
