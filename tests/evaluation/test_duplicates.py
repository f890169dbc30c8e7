"""What duplicates are worth: by hand, and against drawn answers whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from refer.evaluation.duplicates import standardised_accuracy, standardised_gain, twin_effects

KEPT, REMOVED = np.array([0.5, 0.8, 0.6]), np.array([0.7, 0.9, 0.9])
"""Accuracy of each class on images that an audit keeps, and on those that it removes."""
IMAGES, GONE = np.array([200, 500, 300]), np.array([120, 40, 60])
"""Images of each class, and how many of them it removes: most of the hardest."""


def labels() -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    label = np.repeat(np.arange(3), IMAGES)
    kept = np.concatenate([np.arange(n) >= gone for n, gone in zip(IMAGES, GONE, strict=True)])
    return label, kept


def drawn(rng: np.random.Generator, seeds: int) -> NDArray[np.bool_]:
    """Return answers (seeds, images); half of an image's chance is its own, common to all seeds."""
    label, kept = labels()
    chance = np.where(kept, KEPT[label], REMOVED[label])
    common, own = rng.random(len(label)) < chance, rng.random((seeds, len(label))) < chance
    return np.where(rng.random((seeds, len(label))) < 0.5, common, own)


def test_the_standardised_accuracy_is_that_of_the_original_class_mix() -> None:
    # Two classes of 4 and 6 images; of the first 1 of 2 kept is right, of the second 3 of 4: 0.4 · 0.5 + 0.6 · 0.75.
    label = np.array([0] * 4 + [1] * 6)
    kept = np.array([0, 0, 1, 1, 0, 0, 1, 1, 1, 1], dtype=bool)
    hits = np.array([[1, 1, 1, 0, 1, 0, 1, 1, 1, 0]], dtype=bool)
    found = standardised_accuracy(hits, label, kept)
    assert found.value == pytest.approx(0.65)
    assert found.n == 6
    assert 0 <= found.low < 0.65 < found.high <= 1
    assert standardised_gain(hits, label, kept).value == pytest.approx(0.7 - 0.65)
    assert hits.mean() - hits[:, kept].mean() != pytest.approx(0.05), "class by class it is another difference"


def test_where_every_class_loses_the_same_share_nothing_is_standardised() -> None:
    rng = np.random.default_rng(0)
    label, kept = np.repeat([3, 7], [40, 80]), np.tile([True, True, False, True], 30)
    hits = rng.random((2, 120)) < 0.7
    assert standardised_accuracy(hits, label, kept).value == pytest.approx(hits[:, kept].mean())
    assert standardised_gain(hits, label, kept).value == pytest.approx(hits.mean() - hits[:, kept].mean())


@pytest.mark.parametrize(("seeds", "most"), [(1, 0.97), (3, 0.985)])
def test_intervals_cover_the_truth(seeds: int, most: float) -> None:
    rng, (label, kept), times = np.random.default_rng(1), labels(), 500
    share = IMAGES / IMAGES.sum()
    accuracy, gain = share @ KEPT, (GONE / IMAGES.sum()) @ (REMOVED - KEPT)
    covered = np.zeros(2)
    for _ in range(times):
        hits = drawn(rng, seeds)
        found = standardised_accuracy(hits, label, kept), standardised_gain(hits, label, kept)
        covered += [each.low <= truth <= each.high for each, truth in zip(found, (accuracy, gain), strict=True)]
    assert ((covered / times >= 0.925) & (covered / times <= most)).all()


def test_the_plain_difference_has_the_class_mix_in_it() -> None:
    hits, (label, kept) = drawn(np.random.default_rng(2), 5), labels()
    # The removed images are right more often in every class, and less often in all, for most are of the hardest class.
    assert hits[:, ~kept].mean() - hits[:, kept].mean() < 0.12
    assert standardised_gain(hits, label, kept).value == pytest.approx((GONE / 1000) @ (REMOVED - KEPT), abs=0.01)


def test_a_class_of_which_nothing_is_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="class 1: expected an image that is kept"):
        standardised_accuracy(np.ones((1, 3), dtype=bool), np.array([0, 1, 0]), np.array([True, False, True]))


def test_the_effect_of_the_twins_label_by_hand() -> None:
    # Without a twin class 0 is right in 2 of 4 and taken for 1 in 2 of 4, class 1 is right in 3 of 4.
    label = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 1])
    predicted = np.array([[0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0]])
    twins: list[set[int]] = [set()] * 8 + [{0}, {1}, {1}, {1}, {0, 1}]
    found = twin_effects(predicted, label, twins)
    assert found.same.value == pytest.approx(1 - (0.5 + 0.75) / 2)
    assert found.other.value == pytest.approx(0.5 - 0.5)
    assert (found.misled.value, found.expected) == (0.5, 0.5)
    assert (found.same.n, found.other.n, found.misled.n) == (2, 2, 2)
    with pytest.raises(ValueError, match="a twin of the same label, and with one of another"):
        twin_effects(predicted, label, [set()] * 13)
    with pytest.raises(ValueError, match="without a twin in every class"):
        twin_effects(predicted, np.array([2, *label[1:]]), [{2}, *twins[1:]])


def test_intervals_of_twins_cover_the_truth() -> None:
    """A twin's label is predicted with a chance of 0.3 more than without it: right if it is the image's own."""
    rng, times, covered = np.random.default_rng(4), 400, np.zeros(3)
    label = np.tile(np.arange(3), 400)
    kind = np.repeat([0, 1, 2], [800, 280, 120])  # without, same, another
    other_label = (label + 1) % 3
    twins = [
        set() if k == 0 else {own} if k == 1 else {wrong}
        for k, own, wrong in zip(kind, label, other_label, strict=True)
    ]
    right = np.array([0.6, 0.9, 0.3])[kind]
    for _ in range(times):
        draws = rng.random((2, len(label)))
        common = rng.random(len(label))
        draws = np.where(rng.random((2, len(label))) < 0.5, common, draws)
        # What is not right is the next class in half of the cases, for images with another twin in six of seven.
        split = np.array([0.5, 0.5, 6 / 7])[kind]
        predicted = np.where(
            draws < right, label, np.where(draws < right + (1 - right) * split, other_label, (label + 2) % 3)
        )
        found = twin_effects(predicted, label, twins)
        truths = (0.3, -0.3, 0.6)
        covered += [e.low <= t <= e.high for e, t in zip((found.same, found.other, found.misled), truths, strict=True)]
        assert found.expected == pytest.approx(0.2, abs=0.08)
    assert ((covered / times >= 0.93) & (covered / times <= 1)).all()
