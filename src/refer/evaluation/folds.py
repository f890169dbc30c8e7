"""Folds of one seed as what they are together: one prediction for each image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

import numpy as np

from refer.errors import UserError
from refer.evaluation.predictions import Predictions, repeated


def pooled(runs: Iterable[Predictions]) -> list[Predictions]:
    """Return one `Predictions` for each method and seed, in order: the folds of a seed are joined part by part.

    Runs without folds stay as they are. Raises UserError where an image stands in the same part of two folds, for
    it would be counted twice.
    """
    ordered = sorted(runs, key=lambda run: run.key.rank)
    groups = (tuple(group) for _, group in groupby(ordered, key=lambda run: run.key[:5]))
    return [_joined(group) if group[0].key.fold is not None else group[0] for group in groups]


def _joined(folds: tuple[Predictions, ...]) -> Predictions:
    ids, part, kept, label, probabilities = (
        np.concatenate([getattr(run, name) for run in folds])
        for name in ("ids", "part", "kept", "label", "probabilities")
    )
    twice = repeated(ids, part)
    if twice.any():
        row = int(twice.argmax())
        having = [run for run in folds if ((run.ids == ids[row]) & (run.part == part[row])).any()]
        raise UserError(
            f"{having[1].path}: the image {str(ids[row])!r} of part {str(part[row])!r} is predicted in two folds, also "
            f"in {having[0].path}; predict both again on the same split."
        )
    order = np.lexsort((ids, part))
    first = folds[0]
    return replace(
        first,
        path=first.path.parent.parent,
        key=first.key._replace(fold=None),
        checkpoint_sha256=None,
        ids=ids[order],
        part=part[order],
        kept=kept[order],
        label=label[order],
        probabilities=probabilities[order],
        folds=folds,
    )
