"""Precision, recall and F1 averaged over classes, and how much each image moves them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def of_classes(
    hits: NDArray[Any], claimed: NDArray[Any], support: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return precision, recall and F1 (..., classes), fractions in 0..1.

    From how many images of each class (..., classes) were right, predicted so, and there. A class that is never
    predicted has precision 0, one that has no images has recall 0.
    """
    precision, recall, f1 = (
        below / np.maximum(of, 1) for below, of in ((hits, claimed), (hits, support), (2 * hits, claimed + support))
    )
    return precision, recall, f1


def averages(hits: NDArray[Any], claimed: NDArray[Any], support: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Return the averages (...) over those classes that have images, unweighted (macro) and weighted by them.

    Arguments as of `of_classes`. Two numbers go by the name of F1: the mean of the classes' F1, and `…_of_means`, the
    harmonic mean of mean precision and mean recall (Opitz and Burst 2019, arXiv 1911.03347).
    """
    found: dict[str, NDArray[np.float64]] = {}
    values = dict(zip(("precision", "recall", "f1"), of_classes(hits, claimed, support), strict=True))
    for average, weights in (("macro", (support > 0).astype(np.float64)), ("weighted", support.astype(np.float64))):
        total = np.maximum(weights.sum(axis=-1), 1)
        means = {name: (each * weights).sum(axis=-1) / total for name, each in values.items()}
        below = np.maximum(means["precision"] + means["recall"], 1e-300)
        means["f1_of_means"] = 2 * means["precision"] * means["recall"] / below
        found |= {f"{average}_{name}": value for name, value in means.items()}
    return {"balanced_accuracy": found["macro_recall"], **found}


def pseudo_values(
    metric: str, label: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Return what each image (N) contributes to one of `averages`: values whose mean is the metric itself.

    The delete-one jackknife's (Tukey 1958; Efron and Stein 1981, Annals of Statistics 9: its variance is rather too
    large than too small), moved to that mean. An average over classes is no mean over images; with these it can be
    treated as one. Of the accuracy they would be 1 for a right answer and 0 for a wrong one.
    """
    n = len(label)
    place = label * classes + predicted
    counts = np.bincount(place, minlength=classes**2)
    cells = np.flatnonzero(counts)
    without = np.tile(counts, (len(cells) + 1, 1))
    without[np.arange(len(cells)), cells] -= 1  # the last row stays whole
    matrix = without.reshape(-1, classes, classes)
    values = averages(matrix.diagonal(axis1=1, axis2=2), matrix.sum(axis=1), matrix.sum(axis=2))[metric]
    moved = np.zeros(classes**2)
    moved[cells] = n * values[-1] - (n - 1) * values[:-1]
    found = moved[place]
    return np.asarray(found + (values[-1] - found.mean()), dtype=np.float64)
