"""Trees as they are found: numbers anew in each class, a third split, copies, posed and spontaneous, other counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_fixtures import folders, jpeg, noise, png
from reader_fixtures import read, through, told
from refer.datasets.model import Listing
from refer.datasets.readers.fer2013 import FER2013
from refer.datasets.readers.nvie import NVIE
from refer.datasets.readers.rafdb import CLASSES, RAFDB
from refer.errors import UserError

ANEW = {
    f"rafdb/{part}/{name}/{part}_{number}_aligned.jpg": f"{part} {name} {number}".encode()
    for part, numbers in (("train", 4), ("val", 2), ("test", 2))
    for name in CLASSES
    for number in range(1, numbers + 1)
}
"""As a repository's script writes RAF-DB: each class counts from 1, and a part of training stands in val/."""


def test_numbers_that_begin_anew_in_each_class_name_no_image_of_the_owners() -> None:
    listing = read(RAFDB, ANEW)
    assert len(listing.rows) == 42 == len({row.id for row in listing.rows})
    for row in listing.rows:
        part, name, file = row.member.split("/")[1:]
        assert (row.split, CLASSES[row.label]) == (part, name)
        assert row.id == f"{part}/{name}/{file.removesuffix('.jpg')}"
    problems = told(listing)
    assert len(problems) == 14
    assert set(problems.values()) == {"val/ is no split of the owner's, and its name tells none"}
    assert listing.notes == {
        "images whose numbers begin anew in each class, so that they are not the owner's": 42,
    }


def test_a_few_images_in_two_classes_are_still_unclear() -> None:
    files = {f"train/{k % 7 + 1}/train_{k:05d}_aligned.jpg": b"" for k in range(1, 50)}
    listing = read(RAFDB, files | {"train/1/train_00002_aligned.jpg": b"", "train/4/train_00009_aligned.jpg": b""})
    assert sorted(told(listing)) == ["train_00002", "train_00009"]
    assert listing.notes == {}


def test_classes_in_the_names_of_files_are_another_projects_layout() -> None:
    with pytest.raises(UserError, match=r"7 images named as train_1_\w+\.jpg, with their class in the name"):
        read(RAFDB, {f"rafdb/train/train_1_{name}.jpg": b"" for name in CLASSES})


@pytest.mark.parametrize("between", [" ", "\t", ";"])
def test_a_list_of_labels_with_a_third_column_is_refused_in_one_line(between: str) -> None:
    lines = "".join(f"train_{k:05d}.jpg{between}{k % 7}{between}{k % 2}\n" for k in range(1, 22))
    images = {f"basic/Image/aligned/train_{k:05d}_aligned.jpg": b"" for k in range(1, 22)}
    with pytest.raises(UserError, match=r"has 3 columns, such as 'train_00001.jpg 1 1'.*cut -d' ' -f1,2") as error:
        read(RAFDB, {"basic/EmoLabel/list_patition_label.txt": lines.encode(), **images})
    assert "\n" not in str(error.value)


def test_a_list_of_labels_may_be_in_utf_16_and_part_its_columns_by_semicolons() -> None:
    lines = "".join(f"train_{k:05d}.jpg;{k % 7 + 1}\r\n" for k in range(1, 22))
    images = {f"basic/Image/aligned/train_{k:05d}_aligned.jpg": b"" for k in range(1, 22)}
    listing = read(RAFDB, {"basic/EmoLabel/list_patition_label.txt": lines.encode("utf-16"), **images})
    assert {row.id: row.label for row in listing.rows} == {f"train_{k:05d}": k % 7 for k in range(1, 22)}


def test_a_browsers_second_copy_in_another_class_has_no_clear_label() -> None:
    copies = {"train/happy/Training_0 (1).jpg": b"", "train/sad/Training_0 (2).jpg": b""}
    listing = read(FER2013, {**folders(), **copies})
    assert len(listing.rows) == 21
    assert set(told(listing).values()) == {"by its name a copy of Training_0.jpg, which stands here too"}
    alone = read(FER2013, {"train/happy/Training_9 (1).jpg": b"", **folders()})
    assert len(alone.rows) == 22, "without the other it is no copy"


def nvie(*kinds: str, numbers: int = 2, order: str = "{kind}/{how}/{name}") -> dict[str, bytes]:
    return {
        f"USTC-NVIE/{order.format(kind=kind, how=how, name=name)}/P{number:03d}.jpg": jpeg(len(kind))
        for kind in kinds
        for how in ("Visible", "IR")
        for name in NVIE.classes
        for number in range(1, numbers + 1)
    }


ORDERS = ("{kind}/{how}/{name}", "{how}/{kind}/{name}", "{how}/{name}/{kind}", "{kind}_{how}/{name}")


def kinds_of(listing: Listing) -> set[str]:
    return {word for row in listing.rows for word in ("Posed", "Spontaneous", "front", "left") if word in row.member}


@pytest.mark.parametrize("order", ORDERS)
def test_posed_and_spontaneous_recordings_are_not_mixed_unasked(order: str) -> None:
    files = nvie("Posed", "Spontaneous", order=order)
    assert NVIE.recognise(list(files))
    with pytest.raises(UserError, match=r"posed \(12 images\) and spontaneous \(12 .*choose: \{nvie: \[posed\]\}"):
        read(NVIE, files)
    assert kinds_of(read(NVIE, files, choose=["posed"])) == {"Posed"}
    both = read(NVIE, files, choose=["posed", "spontaneous"])
    assert kinds_of(both) == {"Posed", "Spontaneous"}
    pairs: dict[str | None, set[str]] = {}
    for row in both.rows:
        pairs.setdefault(row.pair, set()).add(row.member.replace("Visible", "").replace("IR", ""))
    assert len(pairs) == 12
    assert all(pair and len(same) == 1 for pair, same in pairs.items()), "a pair is of one recording"


def test_lights_are_chosen_within_what_was_chosen() -> None:
    files = nvie("Posed/front light", "Posed/left light", "Spontaneous")
    with pytest.raises(UserError, match=r"front .* and left"):
        read(NVIE, files, choose=["posed"])
    assert kinds_of(read(NVIE, files, choose=["posed", "front"])) == {"Posed", "front"}
    assert kinds_of(read(NVIE, files, choose=["spontaneous"])) == {"Spontaneous"}
    with pytest.raises(UserError, match=r"choose: found right; there is front, left"):
        read(NVIE, files, choose=["posed", "right"])


def test_a_choice_is_one_of_those_that_a_set_has(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="FER2013: choose: found posed; expected nothing"):
        through(tmp_path, "fer2013", folders(), choose=["posed"])
    with pytest.raises(UserError, match="NVIE: choose: found acted; expected posed, spontaneous"):
        through(tmp_path, "nvie", nvie("Posed"), choose=["acted"])
    about = through(tmp_path, "nvie", nvie("Posed", "Spontaneous"), choose=["posed"]).about
    assert about["choose"] == ["posed"]
    assert about["unused_files"] == 12


def separate(visible: range, infrared: range) -> dict[str, bytes]:
    return {
        f"NVIE/{how}/{name}/frame_{number:04d}.png": png(noise(number, (32, 32)))
        for how, numbers in (("Visible", visible), ("IR", infrared))
        for name in NVIE.classes
        for number in numbers
    }


def test_few_pairs_by_equal_numbers_are_chance() -> None:
    files = separate(range(24), range(20, 44))
    with pytest.raises(UserError, match=r"12 pairs have equal numbers in their names, and 60 of 72 images no partner"):
        read(NVIE, files)
    assert not any(row.pair for row in read(NVIE, files, choose=["unpaired"]).rows)
    assert sum(bool(row.pair) for row in read(NVIE, files, choose=["paired"]).rows) == 24
    assert sum(bool(row.pair) for row in read(NVIE, separate(range(24), range(4, 28))).rows) == 120
    assert sum(bool(row.pair) for row in read(NVIE, separate(range(24), range(20, 24))).rows) == 24, "all of the fewer"
