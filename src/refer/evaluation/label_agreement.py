"""What labels allow: how often those of one data set are what the taggers of another one see in the same image.

It bounds what an accuracy on these labels can mean: a network that saw what most of ten people see would have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from refer import parquet
from refer.evaluation.intervals import wilson
from refer.files import read_json, whole

SAME = {"happy": "happiness", "sad": "sadness", "angry": "anger"}
"""Classes that go by two names."""


def agree(links: Path, summary: Path, out: Path) -> None:
    """Write the `agreement` of the links of two data sets (see refer.datasets.links) as a CSV file."""
    with whole(out) as path:
        agreement(parquet.frame(links), *read_json(summary)["classes"]).to_csv(path, index=False, float_format="%.6g")


def agreement(links: pd.DataFrame, classes: Sequence[str], other_classes: Sequence[str]) -> pd.DataFrame:
    """Return how often the labels of linked images agree, in each split and in each class of the first set.

    Columns: split, class ("all": of every class), quantity, n, rate (0 to 1), low and high (95 %, Wilson's interval,
    which is wider than needed for a mean of shares). Without votes there is one quantity, "label": the other set has
    the same class. With votes there are three. "plurality": of the other set's classes none has more votes than the
    label's; where several have most, it counts as their share. "majority": the label's class has more than half of all
    votes, of the images in which a class has. "one tagger": the expected agreement with one of the taggers, drawn at
    random.
    """
    rows = [
        {"split": split, "class": name, "quantity": quantity, **rate}
        for split, images in links.groupby("split", sort=False)
        for name in ("all", *classes)
        for quantity, rate in _rates(images[(images["class"] == name) | (name == "all")], other_classes).items()
    ]
    return pd.DataFrame(rows)


def _rates(links: pd.DataFrame, other_classes: Sequence[str]) -> dict[str, dict[str, float]]:
    meant = [SAME.get(name, name) for name in links["class"]]
    if "votes" not in links:
        return {
            "label": _rate(np.array([SAME.get(b, b) == a for a, b in zip(meant, links["other_class"], strict=True)]))
        }
    votes = np.array(links["votes"].tolist(), float).reshape(len(links), -1 if len(links) else len(other_classes))
    seen = votes[:, : len(other_classes)]
    column = np.array([other_classes.index(name) if name in other_classes else -1 for name in meant], int)
    own = np.where(column < 0, 0.0, seen[np.arange(len(seen)), column])
    most = seen.max(axis=1, initial=0)
    first = (own == most) & (own > 0)
    shared = first / np.maximum((seen == most[:, None]).sum(axis=1), 1)
    decided = 2 * most > votes.sum(axis=1)
    return {
        "plurality": _rate(shared),
        "majority": _rate(first[decided]),
        "one tagger": _rate(own / np.maximum(votes.sum(axis=1), 1)),
    }


def _rate(hits: NDArray[Any]) -> dict[str, float]:
    if not len(hits):
        return {"n": 0, "rate": math.nan, "low": math.nan, "high": math.nan}
    interval = wilson(float(hits.sum()), len(hits))
    return {"n": len(hits), "rate": float(hits.mean()), "low": interval.low, "high": interval.high}
