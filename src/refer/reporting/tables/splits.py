"""How a paper divides a data set, from what its splits say of themselves: no image and no index is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refer.errors import UserError
from refer.records import SplitRecord, read
from refer.reporting.tables import columns as c
from refer.reporting.tables.table import (
    DASH,
    Column,
    Note,
    Row,
    Table,
    dataset_name,
    several,
    stand_in_notice,
    thousands,
)
from refer.reporting.tables.write import write_tables


@dataclass(frozen=True)
class Split:
    """One file results/<preset>/data/<data>/split.<paper>.<protocol>.json; `about` is its content."""

    paper: str
    protocol: str
    about: dict[str, Any]

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return str(self.about["dataset"])

    @property
    def data(self) -> str:
        """The data set's name in paths."""
        return self.dataset + ("-standin" if self.about["stand_in"] else "")


def read_splits(paths: Iterable[str | Path]) -> list[Split]:
    """Read what splits say of themselves. Raises UserError for a file that is absent or says something else."""
    return [_read(Path(path)) for path in paths]


def write_splits(paths: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Write how one paper divides one data set, a file a protocol, to every path of `outputs` (.csv, .md, .html)."""
    write_tables([split_table(read_splits(paths))], outputs)


def split_records(splits: Sequence[Split]) -> list[dict[str, Any]]:
    """Return one row for each protocol, fold, part, modality, class and reason (empty: kept)."""
    return [
        {
            "paper": split.paper,
            "dataset": split.dataset,
            "data": split.data,
            "stand_in": split.about["stand_in"],
            "protocol": split.protocol,
            "fold": number,
            "part": part,
            "modality": modality,
            "class": name,
            "removed": reason,
            "images": count,
        }
        for split in splits
        for number, fold in enumerate(split.about["folds"])
        for part, cameras in fold["images"].items()
        for modality, found in cameras.items()
        for reason, counts in [("", found["kept"]), *found["removed"].items()]
        for name, count in zip(split.about["classes"], counts, strict=True)
    ]


def split_table(splits: Sequence[Split]) -> Table:
    """Return how one paper divides one data set: images kept of each class, people, and what an audit removed.

    Raises:
        UserError: there is no split, or they are not of one paper and one data set.
    """
    if len({(split.paper, split.data) for split in splits}) != 1:
        raise UserError("A table of splits is of one paper on one data set; give it the files of these alone.")
    first, about = splits[0], splits[0].about
    cameras = len(about["modalities"]) > 1
    classes = about["classes"]
    return Table(
        name=f"split.{first.paper}.{first.data}",
        title=f"{first.paper} on {dataset_name(first.dataset)}: images of each split",
        columns=[
            *c.hidden("paper", "dataset", "data", "stand_in"),
            Column("protocol", "Protocol", c.text("protocol")),
            *c.hidden("fold"),
            Column("part", "Split", c.text("part")),
            Column("modality", "Camera" if cameras else ""),
            *c.hidden("class", "removed", "images"),
            *(Column("", name, _kept(k), right=True) for k, name in enumerate(classes)),
            *(Column("", name.title(), c.text(name), right=True)
              for name in ("all", "removed", "people")),
        ],
        rows=split_records(splits),
        shown=lambda _: False,
        more=[row for split in splits for row in _rows(split)],
        block=["of"],
        notes=[Note(f"{split.protocol}: {' '.join(_remarks(split))}") for split in splits],
        banner=stand_in_notice(first.dataset) if about["stand_in"] else "",
    )  # fmt: skip


def _rows(split: Split) -> Iterator[Row]:
    """Yield a row for each split and camera; of several folds the least and the most."""
    folds = split.about["folds"]
    for at, part in enumerate(split.about["parts"]):
        for number, modality in enumerate(split.about["modalities"]):
            found = [fold["images"][part][modality] for fold in folds]
            people = [fold["people"][part] for fold in folds]
            removed = [sum(map(sum, one["removed"].values())) for one in found]
            new = number == 0
            yield {
                "of": split.protocol,
                "protocol": split.protocol if at == 0 and new else "",
                "part": part if new else "",
                "modality": modality,
                "kept": [_range([one["kept"][k] for one in found]) for k in range(len(split.about["classes"]))],
                "all": _range([sum(one["kept"]) for one in found]),
                "removed": _range(removed) if split.about["audited"] else DASH,
                "people": (DASH if None in people else _range(people)) if new else "",
            }


def _kept(number: int) -> Callable[[Row], str]:
    """Return what prints the images of a class."""
    return lambda row: str(row["kept"][number])


def _range(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return thousands(least) if least == most else f"{thousands(least)}–{thousands(most)}"


def _remarks(split: Split) -> Iterator[str]:
    """Yield sentences on how it was divided, what is not used or removed, and whom parts share."""
    about, folds = split.about, split.about["folds"]
    scheme = about["scheme"]
    if scheme["folds"]:
        yield f"{several(len(folds), 'fold')}, in each of which other people are tested; least to most of a fold."
    elif scheme["shares"]:
        shares = ", ".join(f"{part} {100 * share:g} %" for part, share in scheme["shares"].items())
        yield f"drawn at random: {shares} of each class."
    else:
        yield "the owner's splits."
    if scheme["share"]:
        yield f"{scheme['validation']} is {100 * scheme['share']:g} % of each class of training, drawn at random."
    if about["audited"] and about["off_target"] is not None:
        yield (
            "Duplicates, near ones too, and one person's images stay together, so that splits differ from their "
            f"shares of a class by up to {about['off_target']:g} images."
        )
    for reason, count in folds[0]["unused"].items():
        yield f"{_sentence(reason)}: {several(count, 'image')}."
    removed: dict[str, int] = {}
    for fold in folds:
        for cameras in fold["images"].values():
            for found in cameras.values():
                for reason, counts in found["removed"].items():
                    removed[reason] = removed.get(reason, 0) + sum(counts)
    if removed:
        yield f"Removed: {', '.join(f'{reason} ({thousands(count)})' for reason, count in sorted(removed.items()))}."
    yield _on_people(about, max(fold["people_shared"] or 0 for fold in folds))


def _on_people(about: dict[str, Any], shared: int) -> str:
    if not about["people_known"]:
        return "Who is in the images is not known, so people may be in several splits."
    if shared:
        return f"{several(shared, 'person').replace('persons', 'people')} in several splits."
    return "Nobody is in two splits."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _read(path: Path) -> Split:
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected what a split says of itself. Run the workflow, or pull it.")
    about = read(path, SplitRecord)
    return Split(about["paper"], about["protocol"], about)
