"""Predictions that any program made, as rows: measures, confusions, calibration, and released methods beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.averages import pseudo_values
from refer.evaluation.intervals import Interval, accuracy_interval, divided, metric_interval, wilson
from refer.evaluation.own import Own
from refer.evaluation.paired import NETWORKS, Pair, holm, paired_differences
from refer.evaluation.scores import ECE_BINS, calibration_error
from refer.reporting.comparisons import Answers, Entry, difference_row

ALL, DUPLICATE_FREE = "all", "duplicate-free"
"""Which images of the test set a row is of."""
NETWORK = "this network and a method"
"""What a comparison with several seeds of a method is about: the file is of one network, whatever made it."""
OWN = "own"

Row = dict[str, Any]


def sets(own: Own) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the two sets of test images, each as which of the predicted images (N) belong to it."""
    yield ALL, np.ones(len(own.at), dtype=np.bool_)
    if own.kept.any():
        yield DUPLICATE_FREE, own.kept


def measures(own: Own) -> Iterator[Row]:
    """Yield accuracy, macro F1, balanced accuracy and calibration error (ece) of both sets of images, in percent.

    Accuracy has Wilson's interval, F1 and balanced accuracy a jackknife's; ece stands only where there are
    probabilities, without an interval.
    """
    classes = len(own.listed.classes)
    for images, which in sets(own):
        label, predicted, hits = own.label[which], own.predicted[which], own.hits[which]
        row = {"images": images, "n": len(hits), "correct": int(hits.sum()), "folds": None}
        yield _measure(row, "accuracy", float(hits.mean()), accuracy_interval(hits[None]))
        for metric in ("macro_f1", "balanced_accuracy"):
            values = pseudo_values(metric, label, predicted, classes)
            yield _measure(row, metric, float(values.mean()), metric_interval(values[None]))
        if own.probabilities is not None:
            yield _measure(row, "ece", calibration_error(label, own.probabilities[which]), None)


def confusions(own: Own) -> Iterator[Row]:
    """Yield a row for each set of images and true class: how many images got which class, and the recall in percent."""
    names = own.listed.classes
    for images, which in sets(own):
        counts = np.bincount(own.label[which] * len(names) + own.predicted[which], minlength=len(names) ** 2)
        for name, row in zip(names, counts.reshape(len(names), -1).tolist(), strict=True):
            n, right = sum(row), row[names.index(name)]
            yield {"images": images, "actual": name, "n": n, "recall": 100 * right / n if n else None,
                   **{_column(predicted): count for predicted, count in zip(names, row, strict=True)}}  # fmt: skip


def reliability(own: Own) -> Iterator[Row]:
    """Yield a row for each set of images and bin of the most probable class's probability that holds images.

    `from` and `to` bound the bin, `confidence` is the mean probability, `accuracy` the share of right answers with
    Wilson's interval, all in percent. The bins are those of `scores.calibration_error`.
    """
    if own.probabilities is None:
        return
    confidence, hits = own.probabilities.max(axis=1), own.probabilities.argmax(axis=1) == own.label
    place = np.minimum((confidence * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    for images, which in sets(own):
        for k in range(ECE_BINS):
            mine = which & (place == k)
            if n := int(mine.sum()):
                low, high, how = wilson(int(hits[mine].sum()), n)
                yield {"images": images, "from": 100 * k / ECE_BINS, "to": 100 * (k + 1) / ECE_BINS, "n": n,
                       "confidence": 100 * float(confidence[mine].mean()), "accuracy": 100 * float(hits[mine].mean()),
                       "low": 100 * low, "high": 100 * high, "interval_method": how}  # fmt: skip


def comparisons(own: Own, data: Sequence[Entry], name: str) -> tuple[list[Row], list[str]]:
    """Compare own predictions with every method on the duplicate-free images that both have.

    Args:
        own: the predictions, called `name` in the rows.
        data: the released methods on the data set, as `comparisons.entries` has them.
        name: what the own predictions are called.

    Returns:
        Rows, the most accurate first, one of them of the own predictions: `mean`, `sd`, `low`, `high` are the accuracy
        (%) on these images; `difference` is own less the method's, in points, with its interval, `p` and `p_holm`
        (adjusted for all methods). And the methods that share no image with them.
    """
    kept = own.kept
    mine = Answers([0], own.ids[kept], own.hits[kept][None], None)
    found, apart = [], []
    for entry in data:
        shared = np.intersect1d(mine.ids, entry.answers.ids)
        if len(shared):
            found.append((entry, mine.on(shared), entry.answers.on(shared)))
        else:
            apart.append(entry.name)
    pairs = [
        Pair(theirs.hits, np.tile(ours.hits, (len(theirs.hits), 1)), divided(theirs.folds)) for _, ours, theirs in found
    ]
    differences = paired_differences(pairs)
    adjusted = holm([each.p for each in differences])
    rows: list[Row] = []
    if len(mine.ids):
        nothing = dict.fromkeys(("difference", "difference_low", "difference_high", "p", "p_holm", "test", "smallest"))
        rows.append({"paper": OWN, "method": None, "label": name, **nothing, "about": None, "best": True,
                     "seeds": 0, **_accuracy(mine)})  # fmt: skip
    for (entry, _, theirs), difference, p in zip(found, differences, adjusted, strict=True):
        row = difference_row(difference)
        about = entry.about()
        rows.append({
            "paper": about["paper"], "method": about["method"], "label": about["label"],
            "difference": row["value"], "difference_low": row["low"], "difference_high": row["high"],
            "p": row["p"], "p_holm": p, "test": row["test"], "smallest": row["smallest"],
            "about": NETWORKS if difference.about == NETWORKS else NETWORK,
            "best": False, "seeds": len(theirs.hits), **_accuracy(theirs),
        })  # fmt: skip
    return sorted(rows, key=lambda row: -row["mean"]), apart


def _measure(row: Row, metric: str, value: float, found: Interval | None) -> Row:
    low, high, how = found or (None, None, None)
    ends = {"low": None if low is None else 100 * low, "high": None if high is None else 100 * high}
    return {**row, "metric": metric, "value": 100 * value, **ends, "interval_method": how,
            "correct": row["correct"] if metric == "accuracy" else None}  # fmt: skip


def _accuracy(answers: Answers) -> Row:
    low, high, how = accuracy_interval(answers.hits, answers.folds)
    means = answers.hits.mean(axis=1)
    return {"mean": 100 * float(means.mean()), "sd": 100 * float(means.std(ddof=1)) if len(means) > 1 else None,
            "low": 100 * low, "high": 100 * high, "interval_method": how, "n": len(answers.ids),
            "folds": None if answers.folds is None else len(np.unique(answers.folds))}  # fmt: skip


def _column(name: str) -> str:
    """Return the column of a predicted class; the names of classes alone might be those of other columns."""
    return f"as_{name}"
