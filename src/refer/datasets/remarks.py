"""What preparing did to a data set beside decoding it: tolerated, left out, converted, not read, missing.

The same remarks stand on the screen when `prepare` ends, in `refer datasets` and in the report's audit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from refer.datasets.model import some
from refer.files import read_json
from refer.progress import NOTE

FIRST = 3  # names that are told
TOLERATED = {
    "labels": "left out: images without a clear label or split",
    "unreadable": "left out: images that cannot be decoded",
    "sizes": "resized: images of another size than the set",
    "contrast": "kept: images with hardly any contrast",
    "counts": "tolerated: classes with another number of images than the owner states",
}
"""A kind of defect that was tolerated → what that means."""


class Remark(NamedTuple):
    """One kind of thing, how often it happened, and the first few names of it."""

    what: str
    number: int
    first: str = ""

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.what}: {self.number:,}" + (f" ({self.first})" if self.first else "")


def remarks(about: Mapping[str, Any]) -> list[Remark]:
    """Return what there is to say of a prepared set, by its prepare.json; that of older versions says less."""
    found = [
        Remark(TOLERATED.get(kind, kind), len(problems), _problems(problems))
        for kind, problems in about.get("tolerated", {}).items()
    ]
    if differences := about.get("differences"):
        found.append(
            Remark("classes with another number of images than reported", len(differences), _problems(differences))
        )
    found += [Remark(f"converted: {what}", count) for what, count in about.get("conversions", {}).items()]
    sizes = about.get("raw_sizes", {})
    if len(sizes) > 1:
        found.append(
            Remark("sizes of raw images", len(sizes), some([f"{n:,} of {size}" for size, n in sizes.items()], FIRST))
        )
    if unused := about.get("unused_files"):
        found.append(Remark("files not read", unused, _some(about.get("unused_examples", ()), unused)))
    if ignored := about.get("ignored_files"):
        found.append(
            Remark("files of macOS or Windows ignored", ignored, _some(about.get("ignored_examples", ()), ignored))
        )
    if empty := _empty(about):
        found.append(Remark("classes without an image", len(empty), some(empty, FIRST)))
    return found


def noted(about: Mapping[str, Any]) -> list[Remark]:
    """Return what a set's reader counted, as prepare.json has it."""
    totals = {
        modality: sum(each["found"] for classes in splits.values() for each in classes.values())
        for modality, splits in about.get("modalities", {}).items()
    }
    return [
        Remark(
            next((f"{what}, of {totals[one]:,}" for one in totals if what.startswith(f"{one} images without")), what), n
        )
        for what, n in about.get("notes", {}).items()
    ]


def tell(summary: Path) -> None:
    """Print the remarks of a prepare.json; those on real data as notes, which the screen shows, too."""
    about = read_json(summary)
    for remark in (*remarks(about), *noted(about)):
        print(remark if about["stand_in"] else f"{NOTE}{remark}")


def _problems(problems: Sequence[Mapping[str, str]]) -> str:
    return some([f"{one['id']}: {one['what']}" for one in problems], FIRST)


def _some(names: Sequence[str], total: int) -> str:
    shown = some(names[:FIRST], FIRST)
    return f"{shown} and {total - FIRST:,} more" if total > FIRST else shown


def _empty(about: Mapping[str, Any]) -> list[str]:
    """Return the classes of real data that have no image, though the owner's have, or where nobody states a number."""
    if about.get("stand_in"):
        return []
    tables = about.get("modalities") or {"": about.get("counts", {})}
    return [
        "/".join(filter(None, (split, name, modality)))
        for modality, splits in tables.items()
        for split, classes in splits.items()
        for name, each in classes.items()
        if not each["found"] and (each["known"] or not any(one["known"] for one in classes.values()))
    ]
