"""What an audit counts, from the index and the groups of copies alone: plain numbers for audit.json.

`index` holds the columns of index.parquet as lists, `groups` rows that are copies of one another, `order` the
official splits, the training split first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from refer.datasets.model import Dataset
from refer.datasets.near import CANDIDATE_ABOVE, NEAR_ABOVE, VIEWS, Pairs

Index = Mapping[str, list[Any]]
Groups = Sequence[Sequence[int]]


def counts(index: Index, known: Dataset, modality: str | None = None) -> dict[str, dict[str, int]]:
    """Return the images of each class in each split: of one modality, or of all."""
    found = Counter(
        (split, name)
        for split, name, camera in zip(index["split"], index["class"], index["modality"], strict=True)
        if modality in (None, camera)
    )
    return {split: {name: found[split, name] for name in known.classes} for split in known.splits}


def identical(groups: Groups, index: Index, order: Sequence[str]) -> dict[str, Any]:
    """Return what the groups of identical images say."""
    return {
        "groups": len(groups),
        "images_in_groups": sum(map(len, groups)),
        "surplus": sum(len(rows) - 1 for rows in groups),
        **_crossing(groups, index),
        **_leaking(groups, index, order),
    }


def nearly_identical(
    pairs: Pairs, compared: int, groups: Groups, same: Groups, index: Index, order: Sequence[str]
) -> dict[str, Any]:
    """Return what near duplicates add.

    Args:
        pairs: what was found.
        compared: the number of pictures among which it was found.
        groups: what near duplicates and identical images connect, several pictures each.
        same: the groups of identical images.
        index: the columns of the index.
        order: the official splits.

    `also_in` and `test_images_in_train` count copies of both kinds, since who looks for leaks wants all of them.
    """
    who = index["subject"]
    people = [(who[one], who[other]) for one, other in zip(pairs.first, pairs.second, strict=True)]
    one_person = [rows for rows in groups if len({who[row] for row in rows}) == 1 and who[rows[0]] is not None]
    taken = {row for rows in groups for row in rows}
    copies = [*groups, *(rows for rows in same if rows[0] not in taken)]
    return {
        "above": {"candidate": CANDIDATE_ABOVE, "aligned": NEAR_ABOVE},
        "compared": compared,
        "pairs": len(people),
        "views": {view: int((pairs.view == number).sum()) for number, view in enumerate(VIEWS)},
        "pairs_of_one_subject": sum(one is not None and one == other for one, other in people),
        "pairs_of_two_subjects": sum(None not in (one, other) and one != other for one, other in people),
        "groups": len(groups),
        "images": len(taken),
        **_crossing(groups, index),
        "conflicting_groups_of_one_subject": _crossing(one_person, index)["conflicting_groups"],
        **_leaking(copies, index, order),
    }


def _crossing(groups: Groups, index: Index) -> dict[str, int]:
    splits, labels = index["split"], index["label"]
    disagreeing = [rows for rows in groups if len({labels[row] for row in rows}) > 1]
    return {
        "groups_across_splits": sum(len({splits[row] for row in rows}) > 1 for rows in groups),
        "conflicting_groups": len(disagreeing),
        "conflicting_images": sum(map(len, disagreeing)),
    }


def _leaking(groups: Groups, index: Index, order: Sequence[str]) -> dict[str, Any]:
    """Return, for each ordered pair of splits, how many images of the first stand in the second too."""
    held = [Counter(index["split"][row] for row in rows) for rows in groups]
    also_in = {
        first: {second: sum(group[first] for group in held if group[second]) for second in order if second != first}
        for first in order
    }
    in_train = sum(found[order[0]] for split, found in also_in.items() if split != order[0])
    return {"also_in": also_in, "test_images_in_train": in_train}


def blanks(rows: Sequence[int], index: Index, order: Sequence[str]) -> dict[str, Any]:
    """Return the ids of the images that show nothing, by split."""
    blank: dict[str, list[str]] = {split: [] for split in order}
    for row in rows:
        blank[index["split"][row]].append(index["id"][row])
    return {split: {"count": len(ids), "ids": ids} for split, ids in blank.items()}


def subjects(index: Index, known: Dataset) -> dict[str, Any]:
    """Return who is known: people of each split and class, their images, and how many two splits share."""
    images = Counter(subject for subject in index["subject"] if subject is not None)
    in_split = {split: _people(index, "split", split) for split in known.splits}
    return {
        "known": images.total() == len(index["subject"]),
        "images_with_subject": images.total(),
        "count": len(images),
        "images_each": {
            "least": min(images.values(), default=0),
            "median": median(images.values()) if images else 0,
            "most": max(images.values(), default=0),
        },
        "per_class": {name: len(_people(index, "class", name)) for name in known.classes},
        "per_split": {split: len(people) for split, people in in_split.items()},
        "overlap": {
            first: {second: len(in_split[first] & in_split[second]) for second in known.splits if second != first}
            for first in known.splits
        },
    }


def _people(index: Index, column: str, value: str) -> set[str]:
    return {who for who, found in zip(index["subject"], index[column], strict=True) if found == value} - {None}


def paired(index: Index, modalities: Sequence[str]) -> dict[str, Any] | None:
    """Return how many pairs are complete, and how many images of each modality are in none; None of one modality."""
    if len(modalities) < 2:
        return None
    cameras: dict[str, set[str]] = {}
    for pair, modality in zip(index["pair"], index["modality"], strict=True):
        if pair is not None:
            cameras.setdefault(pair, set()).add(modality)
    whole = {pair for pair, found in cameras.items() if found == set(modalities)}
    alone = Counter(
        modality for pair, modality in zip(index["pair"], index["modality"], strict=True) if pair not in whole
    )
    return {"complete": len(whole), "unpaired": {modality: alone[modality] for modality in modalities}}
