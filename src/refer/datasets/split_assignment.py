"""Which part each image falls into, before an audit removes any.

What is drawn at random is decided by hashes of the seed with ids and subjects, so that neither the order of the
images nor the machine matters.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from refer.datasets.groups import together
from refer.datasets.model import some
from refer.datasets.splitting import Scheme
from refer.errors import UserError

Unit = Sequence[int]
"""Rows that must not be parted."""


class Images(NamedTuple):
    """The columns of an index that matter here; `image` and `near` are equal for duplicates of one picture."""

    id: Sequence[str]
    label: Sequence[int]
    split: Sequence[str]
    subject: Sequence[str | None]
    modality: Sequence[str]
    pair: Sequence[str | None]
    level: Sequence[int | None]
    image: Sequence[object]
    near: Sequence[object]


class SplitAssignment(NamedTuple):
    """For each fold the part of each image (None: in none), and of those in none of any fold the reason."""

    folds: list[list[str | None]]
    unused: dict[int, str]


def divide(scheme: Scheme, images: Images, *, audited: bool) -> SplitAssignment:
    """Divide images into the parts of a scheme.

    Under the published protocol what is drawn at random is drawn image by image (a pair of two cameras is one),
    with exact numbers in each class. Audited, one person's images and all duplicates of a picture, near ones too, fall
    into one part, and the numbers are as close to the shares as that allows.

    Raises:
        UserError: no image has a level that is used; people are not known, or too few, where folds need them.
    """
    unused = _unused(scheme, images)
    rows = [row for row in range(len(images.id)) if row not in unused]
    if scheme.parts is not None:
        part_of = {official: part for part, official in scheme.parts.items()}
        parts = {row: part_of[images.split[row]] for row in rows if images.split[row] in part_of}
        unused |= dict.fromkeys(set(rows) - set(parts), "in no part")
        if scheme.validation is not None and scheme.share is not None:
            train = [row for row in rows if parts.get(row) == "train"]
            shares = {scheme.validation: scheme.share, "train": 1 - scheme.share}
            parts |= _drawn(train, shares, images, scheme.seed, audited)
        folds = [parts]
    elif scheme.shares is not None:
        folds = [_drawn(rows, scheme.shares, images, scheme.seed, audited)]
    else:
        folds = _people_left_out(rows, scheme, images)
    return SplitAssignment([[parts.get(row) for row in range(len(images.id))] for parts in folds], unused)


def off_target(parts: Sequence[str | None], shares: Mapping[str, float], labels: Sequence[int]) -> float:
    """Return by how many images a part differs from its share of a class, at most."""
    found = Counter((part, label) for part, label in zip(parts, labels, strict=True) if part in shares)
    size = Counter(label for part, label in zip(parts, labels, strict=True) if part in shares)
    return max((abs(found[part, label] - shares[part] * size[label]) for part in shares for label in size), default=0.0)


def _unused(scheme: Scheme, images: Images) -> dict[int, str]:
    """Return the rows whose level is not used, with the reason."""
    if scheme.levels is None:
        return {}
    unused = {
        row: "no level" if level is None else f"level {level} not used"
        for row, level in enumerate(images.level)
        if level not in scheme.levels
    }
    if len(unused) == len(images.level):
        there = sorted({level for level in images.level if level is not None})
        raise UserError(
            f"No image has one of the levels {some(scheme.levels)}; there are {some(there) or 'no levels at all'}. "
            "Correct `levels` of the paper."
        )
    return unused


def _drawn(
    rows: Sequence[int], shares: Mapping[str, float], images: Images, seed: int, audited: bool
) -> dict[int, str]:
    keys = [images.pair, *([images.subject, images.image, images.near] if audited else [])]
    units = [[rows[at] for at in unit] for unit in together(len(rows), [[key[row] for row in rows] for key in keys])]
    units = _shuffled(units, seed, lambda unit: min(images.id[row] for row in unit))
    chosen = _balanced(units, shares, images.label) if audited else _exact(units, shares, images)
    return {row: part for unit, part in zip(units, chosen, strict=True) for row in unit}


def _shuffled(units: Iterable[Any], seed: int, name: Any) -> list[Any]:
    return sorted(units, key=lambda unit: hashlib.sha256(f"{seed}\0{name(unit)}".encode()).digest())


def _exact(units: Sequence[Unit], shares: Mapping[str, float], images: Images) -> list[str]:
    """Return a part for each unit: of every class, by floor for all parts but the last, which takes the rest.

    Pairs and single images are counted by themselves, so that both come in the shares that are wanted.
    """
    strata: dict[object, list[int]] = {}
    for at, unit in enumerate(units):
        kind = (sorted({images.label[row] for row in unit}), sorted(images.modality[row] for row in unit))
        strata.setdefault(str(kind), []).append(at)
    chosen = [""] * len(units)
    for members in strata.values():
        # The shares are decimals, 0.7 × 90 a little below 63: a thousandth of a unit more is never one unit more.
        ends = [int(end) for end in accumulate(int(share * len(members) + 1e-3) for share in shares.values())]
        ends[-1] = len(members)
        start = 0
        for part, end in zip(shares, ends, strict=True):
            for at in members[start:end]:
                chosen[at] = part
            start = end
    return chosen


def _balanced(units: Sequence[Unit], shares: Mapping[str, float], labels: Sequence[int]) -> list[str]:
    """Return a part for each unit: the largest first, each to the part that it brings nearest to its shares.

    Near is meant as in a chi-squared test: squared difference from the expected number of images of each class,
    over that number.
    """
    sizes = np.zeros((len(units), max(labels) + 1))
    for at, unit in enumerate(units):
        np.add.at(sizes[at], [labels[row] for row in unit], 1)
    wanted = np.outer(list(shares.values()), sizes.sum(axis=0))
    weight = 1 / np.maximum(wanted, 1e-9)
    missing = wanted.copy()
    names = list(shares)
    chosen = [""] * len(units)
    for at in np.argsort(-sizes.sum(axis=1), kind="stable"):
        size = sizes[at]
        part = int(np.argmin((weight * size * (size - 2 * missing)).sum(axis=1)))
        missing[part] -= size
        chosen[at] = names[part]
    return chosen


def _people_left_out(rows: Sequence[int], scheme: Scheme, images: Images) -> list[dict[int, str]]:
    """Return for each fold the part of each row: other people are tested in each."""
    unknown = sum(images.subject[row] is None for row in rows)
    if unknown:
        raise UserError(
            f"Who is in {unknown:,} of {len(rows):,} images is not known, so no people can be left out. "
            "Divide by `shares`, or give the pattern of the subjects in the files' names (`subject_pattern`)."
        )
    keys = [[key[row] for row in rows] for key in (images.subject, images.pair)]
    people = [[rows[at] for at in unit] for unit in together(len(rows), keys)]
    count = scheme.folds or 0
    if len(people) < count:
        raise UserError(f"{len(people)} people cannot be shared out among {count} folds. Have fewer `folds`.")
    people = _shuffled(people, scheme.seed, lambda unit: min(str(images.subject[row]) for row in unit))
    bounds = [len(people) * fold // count for fold in range(count + 1)]
    groups = [[row for unit in people[bounds[k] : bounds[k + 1]] for row in unit] for k in range(count)]
    folds = []
    for fold, tested in enumerate(groups):
        parts = dict.fromkeys(rows, "train")
        if scheme.validation is not None:
            parts |= dict.fromkeys(groups[(fold + 1) % count], scheme.validation)
        folds.append(parts | dict.fromkeys(tested, "test"))
    return folds
