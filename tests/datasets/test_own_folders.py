"""Class folders that a configuration declares: labels, splits, people and pairs come from names, none is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_fixtures import as_folder, as_zip, encoded, noise, png
from reader_fixtures import Prepared, read, through, told
from refer.datasets import catalog
from refer.datasets.model import Dataset
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.declared import declare
from refer.errors import UserError

SPLIT = {"kind": "folder", "classes": ["angry", "happy"], "size": 16, "splits": ["train", "val", "test"]}
CAMERAS = {"visible": "TD_RGB_E*", "infrared": "TD_IR_E*"}
TUFTS = {
    "kind": "folder",
    "classes": {"neutral": 1, "smile": 2, "closed": 3, "shocked": 4, "sunglasses": 5},
    "size": 24,
    "fit": "square",
    "class_pattern": r"_E_(?P<class>\d+)[.]jpg",
    "modalities": CAMERAS,
    "pair": r"/(?P<pair>\d+)/TD_",
}
"""As the Tufts Face Database lies in its archives: <person>/TD_RGB_E_<pose>.jpg and <person>/TD_IR_E_<pose>.jpg."""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    catalog.add({})


def own(**facts: Any) -> Dataset:
    declare({"datasets": {"mine": facts}})
    return catalog.dataset("mine")


def images(*names: str) -> dict[str, bytes]:
    return {name: png(noise(seed, (16, 16))) for seed, name in enumerate(names)}


def in_splits(*more: str) -> dict[str, bytes]:
    return images(
        "Faces/Train/angry/1.png", "Faces/Train/1_Happiness/2.png", "Faces/valid/anger/3.png",
        "Faces/valid/happy/4.png", "Faces/TEST/ANGRY/5.JPG", "Faces/TEST/happy/more/6.png", *more,
    )  # fmt: skip


def test_folders_name_classes_and_splits_by_any_usual_word() -> None:
    listing = read(own(**SPLIT), in_splits("Faces/notes/read me.txt"))
    assert {(row.id, row.label, row.split) for row in listing.rows} == {
        ("Train/angry/1.png", 0, "train"), ("Train/1_Happiness/2.png", 1, "train"), ("valid/anger/3.png", 0, "val"),
        ("valid/happy/4.png", 1, "val"), ("TEST/ANGRY/5.JPG", 0, "test"), ("TEST/happy/more/6.png", 1, "test"),
    }  # fmt: skip
    assert {row.subject for row in listing.rows} == {None}
    assert listing.unused == ["Faces/notes/read me.txt"]
    assert not listing.problems


def test_the_same_images_have_the_same_ids_whatever_lies_around_them() -> None:
    inside = {name.removeprefix("Faces/"): content for name, content in in_splits().items()}
    one, other = read(own(**SPLIT), in_splits()), read(own(**SPLIT), inside)
    assert {row.id for row in one.rows} == {row.id for row in other.rows}


def test_what_has_no_clear_class_or_split_is_a_defect() -> None:
    listing = read(
        own(**SPLIT), in_splits("Faces/Train/hapy/7.png", "Faces/Train/happy/angry/8.png", "Faces/angry/9.png")
    )
    assert told(listing) == {
        "Train/hapy/7.png": "its folders name no class",
        "Train/happy/angry/8.png": "its folders name angry and happy",
        "angry/9.png": "its folders name no split",
    }
    assert len(listing.rows) == 6


def test_a_declaration_says_what_folders_of_its_own_mean() -> None:
    facts = SPLIT | {
        "classes": {"bored": ["langeweile", 7], "awake": "WACH"},
        "splits": {"train": ["A", "B"], "test": "C"},
    }
    listing = read(own(**facts), images("A/Langeweile/1.png", "B/7/2.png", "C/wach/3.png", "C/bored/4.png"))
    assert [(row.label, row.split) for row in listing.rows] == [(0, "train"), (0, "train"), (1, "test"), (0, "test")]


@pytest.mark.parametrize(
    ("facts", "names", "words"),
    [
        ({}, ["readme.txt"], ["no image was found of a declared class", "found readme.txt"]),
        ({}, ["train/sad/1.png"], ["train/sad/1.png: its folders name no class", "named angry, happy"]),
        ({}, ["train/angry/1.png", "test/happy/2.png"], ["no image of the split val", "found test, train"]),
        ({"splits": ["train"]}, ["train/angry/1.png"], ["no image of the class happy"]),
        ({"splits": ["all"]}, ["train/angry/1.png", "test/happy/2.png"], ["`splits: [test, train]`"]),
        ({"splits": ["all"], "modalities": {"visible": "vis", "infrared": "ir"}},
         ["vis/angry/1.png", "vis/happy/2.png"], ["no image of the camera infrared"]),
    ],
)  # fmt: skip
def test_a_set_that_is_not_the_declared_one_is_refused(facts: dict, names: list[str], words: list[str]) -> None:
    known = own(**SPLIT | facts)
    with pytest.raises(UserError) as caught:
        known.recognise(names)
    assert all(word in str(caught.value) for word in words), caught.value
    assert len(str(caught.value).splitlines()) == 1


def test_splits_may_be_made_one() -> None:
    listing = read(
        own(**SPLIT | {"splits": {"all": ["train", "test"]}}), images("train/angry/1.png", "test/happy/2.png")
    )
    assert {row.split for row in listing.rows} == {"all"}


def test_a_folder_and_an_archive_of_it_are_prepared_alike(tmp_path: Path) -> None:
    own(**SPLIT)
    found = []
    for number, source in enumerate([as_folder(tmp_path / "x", in_splits()), as_zip(tmp_path / "x.zip", in_splits())]):
        raw, out = tmp_path / f"raw{number}", tmp_path / f"out{number}"
        obtain("mine", str(source), raw)
        prepare("mine", raw, out, workers=1)
        found.append(Prepared(out).about["fingerprint"])
    assert found[0] == found[1]


def test_mixed_sizes_need_a_stated_rule(tmp_path: Path) -> None:
    wide = np.repeat(np.array([[0, 0, 90, 90, 90, 90, 0, 0]], np.uint8), 4, axis=0)  # 4 high, 8 wide
    files = in_splits() | {"Faces/Train/angry/wide.png": png(np.kron(wide, np.ones((4, 4), np.uint8)))}
    own(**SPLIT)
    with pytest.raises(UserError, match=r"32x16 pixels instead of 16x16[\s\S]*state `fit`"):
        through(tmp_path, "mine", files)
    own(**SPLIT, fit="square", colour="grey")
    square = through(tmp_path, "mine", files)
    assert square["Train/angry/wide.png"].shape == (16, 16, 1)
    assert (square["Train/angry/wide.png"] == 90).all(), "the middle square alone"
    own(**SPLIT, fit="squash")
    squashed = through(tmp_path, "mine", files)["Train/angry/wide.png"]
    assert squashed.shape == (16, 16, 3), "grey is repeated where colour is declared"
    assert np.abs(squashed[:, :3].astype(int)).max() <= 2, "the left edge is there, too"


def test_people_are_found_by_a_pattern(tmp_path: Path) -> None:
    names = [f"{split}/{name}/p{person}_1.png" for person, split in enumerate(("train", "val", "test"))
             for name in ("angry", "happy")]  # fmt: skip
    own(**SPLIT)
    found = through(tmp_path, "mine", images(*names), subject_pattern=r"(?P<subject>p\d+)_")
    assert dict(zip(found.index["id"], found.index["subject"], strict=True)) == {
        name: Path(name).name[:2] for name in names
    }


def tufts(people: int = 3) -> dict[str, bytes]:
    """Return both cameras' archives of a few people, opened; names are the owner's."""
    files = {}
    for person in range(1, people + 1):
        for pose in range(1, 6):
            seed = 10 * person + pose
            # The two cameras' sets do not share out people alike.
            files[f"TD_RGB_E_Set1/{person}/TD_RGB_E_{pose}.jpg"] = encoded(noise(seed, (40, 60, 3)))
            files[f"TD_IR_E_Set{person}/{person}/TD_IR_E_{pose}.jpg"] = encoded(noise(-seed % 97, (32, 42)))
    return files | {"TD_3D/1/TD_3D_1.jpg": encoded(noise(1))}


def test_tufts_visible_and_thermal_faces_need_a_configuration_alone(tmp_path: Path) -> None:
    own(**TUFTS)
    found = through(tmp_path, "mine", tufts(), subject_pattern=r"/(?P<subject>\d+)/TD_")
    assert found.about["modalities"].keys() == {"visible", "infrared"}
    assert len(found.index) == 30
    assert found.about["unused_examples"] == ["TD_3D/1/TD_3D_1.jpg"]
    assert found.about["notes"]["pairs"] == 15
    for _, both in found.index.groupby("pair"):
        first, second = both.itertuples()
        assert {first.modality, second.modality} == {"visible", "infrared"}
        person, pose = Path(first.id).parts[1], Path(first.id).stem[-1]
        assert (Path(second.id).parts[1], Path(second.id).stem[-1]) == (person, pose)
        assert first.subject == second.subject == person
        assert first.label == second.label == int(pose) - 1


def test_pairs_by_name_leave_what_is_not_clear_alone() -> None:
    facts = {"kind": "folder", "classes": ["angry", "happy"], "size": 16,
             "modalities": {"visible": "vis", "infrared": ["ir", "thermal"]}}  # fmt: skip
    names = ["vis/angry/a.png", "ir/angry/a.png", "vis/angry/b.png", "thermal/angry/b_ir.png", "vis/happy/c.png",
             "ir/happy/d.png"]  # fmt: skip
    listing = read(own(**facts), images(*names))
    pairs = {row.id: row.pair for row in listing.rows}
    assert pairs["vis/angry/a.png"] == pairs["ir/angry/a.png"] != pairs["vis/angry/b.png"]
    assert pairs["vis/angry/b.png"] == pairs["thermal/angry/b_ir.png"]
    assert pairs["vis/happy/c.png"] is None
    assert pairs["ir/happy/d.png"] is None
    assert listing.notes == {"pairs": 2, "infrared images without a partner": 1, "visible images without a partner": 1}


def test_a_rule_that_pairs_three_images_is_refused() -> None:
    wrong = TUFTS | {"pair": "(?P<pair>TD)_"}
    with pytest.raises(UserError, match=r"the rule of pairs finds 3 (visible|infrared) images for one moment"):
        read(own(**wrong), tufts())
