"""What duplicates between training and test images are worth: class by class, and by the label that was learnt.

An audit removes test images that stand in training too, or that look like one. It does not remove the same share of
every class: of FER2013's PrivateTest 60 % of disgust and 8 % of happy. So the accuracy on the images that are left is
one of another class mix, and is standardised here to the original one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.crossed import half_width, shares
from refer.evaluation.intervals import accuracy_interval, metric_interval


class Estimate(NamedTuple):
    """A value with its 95 % interval (fractions), and of how many images it is."""

    value: float
    low: float
    high: float
    n: int


class TwinEffects(NamedTuple):
    """How test images fare whose training twin carries the same label, or another one.

    `same` and `other` are accuracies less what is expected of the images' classes, in −1..1. `misled` is how often the
    twin's label is predicted where it is another one, `expected` how often images of these classes without a twin are
    taken for the same class.
    """

    same: Estimate
    other: Estimate
    misled: Estimate
    expected: float


def standardised_accuracy(hits: NDArray[np.bool_], label: NDArray[np.int64], kept: NDArray[np.bool_]) -> Estimate:
    """Return the accuracy on the kept images, standardised to the class mix of all.

    The mean over classes of the accuracy on a class's kept images, weighted by the share of the class in all images
    (direct standardisation). Its interval takes each class for a sample of its own.

    Args:
        hits: (seeds, images) which answers are right.
        label: (images) the class of each image, 0, 1, …
        kept: (images) which images the audit keeps.

    Raises:
        ValueError: a class has no image that is kept.
    """
    share, of_class, remaining = _classes(label, kept)
    means = _class_means(hits[:, kept], of_class[kept], remaining)
    value = means @ share
    weight = kept.sum() * share / remaining
    rest: NDArray[np.float64] = hits[:, kept] - means[:, of_class[kept]]
    low, high, _ = metric_interval(value[:, None] + weight[of_class[kept]] * rest)
    return Estimate(float(value.mean()), low, high, int(kept.sum()))


def standardised_gain(hits: NDArray[np.bool_], label: NDArray[np.int64], kept: NDArray[np.bool_]) -> Estimate:
    """Return how much more accurate the answers are on all images than `standardised_accuracy`; arguments as there.

    Both accuracies are of the same class mix, so that the difference is that between removed and kept images of a
    class, and nothing of which classes are removed most.
    """
    _, of_class, remaining = _classes(label, kept)
    removed = np.bincount(of_class[~kept], minlength=len(remaining))
    groups = [
        _class_means(hits[:, each], of_class[each], np.maximum(count, 1))
        for each, count in ((kept, remaining), (~kept, removed))
    ]
    rest: NDArray[np.float64] = hits - np.where(kept, groups[0][:, of_class], groups[1][:, of_class])
    gain = (groups[1] - groups[0]) @ removed / len(label)
    # The weights by which the images' answers sum to the gain, times how many there are.
    weight = np.where(kept, -(removed / remaining)[of_class], 1.0)
    return _estimate(gain[:, None] + weight * rest, len(label))


def twin_effects(
    predicted: NDArray[np.int64], label: NDArray[np.int64], twins: Sequence[Collection[int]]
) -> TwinEffects:
    """Return how images fare whose twin was learnt with the same label, and with another one.

    Compared is each image with the accuracy on its class's images without a twin. Images with twins of several labels,
    their own among them, are left out. Test images that share a twin are taken for samples of their own.

    Args:
        predicted: (seeds, images) predicted classes.
        label: (images) classes, 0, 1, …
        twins: of each image the labels of its twins (`refer.datasets.image_list.twins_of`), empty without one.

    Raises:
        ValueError: no image has a twin of the same label, or none of another, or a class has no image without.
    """
    alone = np.array([not each for each in twins])
    same = np.array([set(each) == {own} for each, own in zip(twins, label.tolist(), strict=True)])
    other = np.array([bool(each) and own not in each for each, own in zip(twins, label.tolist(), strict=True)])
    if not same.any() or not other.any():
        raise ValueError("expected images with a twin of the same label, and with one of another; found none")
    hits = predicted == label
    misled = np.array([np.isin(row, list(each)) for row, each in zip(predicted.T, twins, strict=True)]).T[:, other]
    low, high, _ = accuracy_interval(misled)
    usual = [
        np.isin(predicted[:, alone & (label == label[k])], list(twins[k])).mean()
        for k in np.flatnonzero(other).tolist()
    ]
    return TwinEffects(
        _excess(hits, label, same, alone),
        _excess(hits, label, other, alone),
        Estimate(float(misled.mean()), low, high, int(other.sum())),
        float(np.mean(usual)),
    )


def _excess(
    hits: NDArray[np.bool_], label: NDArray[np.int64], chosen: NDArray[np.bool_], alone: NDArray[np.bool_]
) -> Estimate:
    """Return the accuracy on the chosen images less that of their classes on images alone."""
    classes = int(label.max()) + 1
    there, expected_of = (np.bincount(label[each], minlength=classes) for each in (alone, chosen))
    if (there[expected_of > 0] == 0).any():
        raise ValueError("expected images without a twin in every class; found a class without")
    means = _class_means(hits[:, alone], label[alone], np.maximum(there, 1))
    above = hits - means[:, label]
    excess = above[:, chosen].mean(axis=1, keepdims=True)
    # What each image adds: their mean over the images of both groups is the excess.
    size = int(chosen.sum() + alone.sum())
    adds = np.where(chosen, size / chosen.sum() * (above - excess), 0.0)
    adds -= np.where(alone, size / chosen.sum() * (expected_of / np.maximum(there, 1))[label] * above, 0.0)
    return _estimate((excess + adds)[:, chosen | alone], int(chosen.sum()))


def _classes(
    label: NDArray[np.int64], kept: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each class's share of all images, the class of each image from 0, and how many are kept of each class."""
    known, of_class = np.unique(label, return_inverse=True)
    remaining = np.bincount(of_class[kept], minlength=len(known))
    if not remaining.all():
        raise ValueError(f"class {known[remaining.argmin()]}: expected an image that is kept, found none")
    return np.bincount(of_class) / len(label), of_class, remaining


def _class_means(
    hits: NDArray[np.bool_], of_class: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the accuracy (seeds, classes) on the images of each class, of which there are `counts`."""
    return np.stack([np.bincount(of_class, weights=row, minlength=len(counts)) for row in hits]) / counts


def _estimate(values: NDArray[np.float64], n: int) -> Estimate:
    """Return the mean of `values` (seeds, images) with the crossed interval."""
    found = shares(values)
    half = half_width(found)
    return Estimate(found.mean, max(found.mean - half, -1.0), min(found.mean + half, 1.0), n)
