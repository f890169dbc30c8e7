"""The answers of a method on the images that count, and two methods compared on those that both were tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refer.evaluation.intervals import divided
from refer.evaluation.paired import Difference, paired_difference
from refer.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Answers:
    """The answers of a method's seeds on the images that count.

    `ids` (images) names these, `hits` (seeds, images) says which answers are right, `folds` (images) is None where
    the data are not divided into folds.
    """

    seeds: Sequence[int]
    ids: NDArray[np.str_]
    hits: NDArray[np.bool_]
    folds: NDArray[np.int64] | None

    @classmethod
    def of(cls, runs: Sequence[Predictions], part: str) -> Answers:
        """Return the answers of `runs`, one a seed, on a part."""
        counted = runs[0].of(part)
        hits = np.stack([(run.predicted == run.label)[run.of(part)] for run in runs])
        folds = None if runs[0].fold is None else runs[0].fold[counted]
        return cls([run.key.seed for run in runs], runs[0].ids[counted], hits, folds)

    def on(self, ids: NDArray[np.str_]) -> Answers:
        """Return the answers on the images that are among `ids`, in the order of their names."""
        _, mine, _ = np.intersect1d(self.ids, ids, return_indices=True)
        return Answers(self.seeds, self.ids[mine], self.hits[:, mine], None if self.folds is None else self.folds[mine])


def compared(one: Answers, other: Answers) -> Difference | None:
    """Return accuracy(`other`) − accuracy(`one`) on the images and with the seeds that both have, if there are any."""
    seeds = [seed for seed in one.seeds if seed in other.seeds]
    same = np.array_equal(one.ids, other.ids)
    mine, theirs = (slice(None), slice(None)) if same else np.intersect1d(one.ids, other.ids, return_indices=True)[1:]
    if not seeds or not len(one.ids[mine]):
        return None
    folds = divided(None if one.folds is None else one.folds[mine])
    left, right = ([each.seeds.index(seed) for seed in seeds] for each in (one, other))
    return paired_difference(one.hits[left][:, mine], other.hits[right][:, theirs], folds)
