"""What a split's file says of itself, so that a table of it needs no data: numbers of each part, class and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from refer import parquet, records
from refer.datasets.split_assignment import Images
from refer.errors import UserError
from refer.files import write_json

CountedRow = tuple[str | None, bool, str]
"""Part (None: in none), whether it takes part, and why not."""


def count_split(
    folds: Sequence[Sequence[CountedRow]], parts: Sequence[str], modalities: Sequence[str], images: Images, classes: int
) -> dict[str, Any]:
    """Count the rows of each fold.

    Returns:
        `parts` and `modalities` in order; `people_known`, whether all images have a subject; `folds`, a list of

        - `images`: part → modality → {"kept": images of each class, "removed": reason → images of each class},
        - `people`: part → people on images that are kept (None where not all are known),
        - `people_shared`: how many of them are in several parts (None likewise),
        - `unused`: reason → images that are in no part.
    """
    known = None not in images.subject
    return {
        "parts": list(parts),
        "modalities": list(modalities),
        "people_known": known,
        "folds": [
            {
                "images": {
                    part: {one: _counted(rows, part, one, images, classes) for one in modalities} for part in parts
                },
                **_people(rows, parts, images.subject if known else None),
                "unused": dict(sorted(Counter(reason for part, _, reason in rows if part is None).items())),
            }
            for rows in folds
        ],
    }


def keep_split_counts(split: str | Path, out: str | Path) -> None:
    """Write what the file `split`, <paper>.<protocol>.parquet, says of itself as JSON, with `paper` and `protocol`.

    Raises:
        UserError: there is no such file, or it says nothing.
    """
    split = Path(split)
    if not split.is_file():
        raise UserError(f"{split}: no such file; expected the split of a data set. Run the workflow.")
    about = records.embedded(parquet.about(split), records.SplitFacts, str(split))
    paper, _, protocol = split.stem.partition(".")
    write_json(out, {"paper": paper, "protocol": protocol, **about})


def _counted(rows: Sequence[CountedRow], part: str, modality: str, images: Images, classes: int) -> dict[str, Any]:
    found = Counter(
        (reason, label)
        for (where, _, reason), label, camera in zip(rows, images.label, images.modality, strict=True)
        if where == part and camera == modality
    )
    reasons = sorted({reason for reason, _ in found} - {""})
    return {
        "kept": [found["", label] for label in range(classes)],
        "removed": {reason: [found[reason, label] for label in range(classes)] for reason in reasons},
    }


def _people(
    rows: Sequence[CountedRow], parts: Sequence[str], subjects: Sequence[str | None] | None
) -> Mapping[str, Any]:
    if subjects is None:
        return {"people": dict.fromkeys(parts), "people_shared": None}
    who = {
        part: {subject for (where, kept, _), subject in zip(rows, subjects, strict=True) if where == part and kept}
        for part in parts
    }
    shared = Counter(subject for people in who.values() for subject in people)
    return {
        "people": {part: len(people) for part, people in who.items()},
        "people_shared": sum(count > 1 for count in shared.values()),
    }
