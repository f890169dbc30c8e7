from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_fixtures import encoded, noise
from reader_fixtures import read, through, told
from refer.datasets.readers.rafdb import CLASSES, RAFDB
from refer.errors import UserError

LABELS = "basic/EmoLabel/list_patition_label.txt"
ALIGNED = "basic/Image/aligned/{}_aligned.jpg"
KEYS = [f"train_{number:05d}" for number in range(1, 8)] + [f"test_{number:04d}" for number in range(1, 8)]


@cache
def face(seed: int) -> bytes:
    return encoded(noise(seed, (100, 100, 3)), "PNG")


def lines(codes: dict[str, object]) -> bytes:
    return "".join(f"{key}.jpg {code}\n" for key, code in codes.items()).encode()


def basic() -> dict[str, bytes]:
    """Return one image of each class in each split, as the owners file them."""
    files = {ALIGNED.format(key): face(seed) for seed, key in enumerate(KEYS)}
    return {LABELS: lines({key: seed % 7 + 1 for seed, key in enumerate(KEYS)}), **files}


def class_folders(names: tuple[str, ...] = tuple("1234567")) -> dict[str, bytes]:
    return {
        f"DATASET/{key.partition('_')[0]}/{names[seed % 7]}/{key}_aligned.jpg": face(seed)
        for seed, key in enumerate(KEYS)
    }


def test_the_owners_codes_are_in_order_and_their_counts_add_up() -> None:
    assert CLASSES == ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
    assert {split: sum(numbers) for split, numbers in RAFDB.counts.items()} == {"train": 12_271, "test": 3_068}


def test_every_layout_and_mirror_gives_the_same_data(tmp_path: Path) -> None:
    words = ("Surprise", "fear", "Disgust", "happiness", "SADNESS", "anger", "neutral")
    moved = {name.replace("basic/", "x/RAF-Basic/").replace("aligned/", "Aligned/"): it for name, it in basic().items()}
    moved = {name.replace("patition", "partition"): it for name, it in moved.items()}
    plain = {name.rpartition("/")[2]: it for name, it in basic().items() if name != LABELS}
    parts = {
        f"labels/list_label_{split}.txt": lines({key: i % 7 + 1 for i, key in enumerate(KEYS) if key.startswith(split)})
        for split in ("train", "test")
    }
    mirrors = [basic(), class_folders(), class_folders(words), moved, plain | parts]
    prepared = [through(tmp_path, "rafdb", files) for files in mirrors]
    assert len({one.about["fingerprint"] for one in prepared}) == 1
    assert [one.about["layout"] for one in prepared] == ["basic", "class folders", "class folders", "basic", "basic"]
    first = prepared[0]
    assert set(first.index["id"]) == set(KEYS)
    for seed, key in enumerate(KEYS):
        assert (first[key] == noise(seed, (100, 100, 3))).all()
        assert first.index.loc[key, "class"] == CLASSES[seed % 7]
        assert first.index.loc[key, "split"] == key.partition("_")[0]


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(15)), st.permutations(range(14)))
def test_neither_the_order_of_files_nor_of_lines_matters(files: list[int], order: list[int]) -> None:
    whole = basic()
    shuffled = {list(whole)[i]: list(whole.values())[i] for i in files}
    shuffled[LABELS] = b"".join(whole[LABELS].splitlines(keepends=True)[i] for i in order)
    assert set(read(RAFDB, shuffled).rows) == set(read(RAFDB, whole).rows)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
        lambda text: b"\n\n" + text.replace(b"\n", b"  \n \n").rstrip(),
        lambda text: text.replace(b" ", b","),
        lambda text: text.replace(b".jpg", b"_aligned.jpg").replace(b"train", b"Train"),
    ],
)
def test_label_files_with_marks_blanks_and_commas(change: object) -> None:
    files = basic()
    assert set(read(RAFDB, files | {LABELS: change(files[LABELS])}).rows) == set(read(RAFDB, files).rows)  # type: ignore[operator]


def test_defects_of_a_label_file() -> None:
    files = {ALIGNED.format(key): b"" for key in ("train_00001", "train_00002", "train_00003", "train_00005")}
    text = (
        lines({"train_00001": 5, "train_00002": 8, "train_00004": 1}) + b"train_00005.jpg 3\ntrain_00005.jpg 4\nx y z\n"
    )
    listing = read(RAFDB, {LABELS: text, **files})
    assert [row.id for row in listing.rows] == ["train_00001"]
    assert told(listing) == {
        "train_00002": "its label '8' is no code from 1 to 7",
        "train_00003": "list_patition_label.txt does not name it",
        "train_00004": "list_patition_label.txt names it, but there is no aligned image",
        "train_00005": "it has the labels 3 and 4",
        "list_patition_label.txt:6": "'x y z' is no name and label",
    }


def test_labels_that_contradict_are_refused_or_left_out(tmp_path: Path) -> None:
    files = basic()
    files[LABELS] += b"train_00001.jpg 7\n"
    with pytest.raises(
        UserError, match=r"1 images have no clear label or split \(train_00001: .* 1 and 7\).*\n.*`labels`"
    ):
        through(tmp_path, "rafdb", files)
    assert "train_00001" not in through(tmp_path, "rafdb", files, tolerate=["labels"]).index["id"]


def test_a_line_that_stands_twice_is_one_label() -> None:
    files = basic()
    assert set(read(RAFDB, files | {LABELS: files[LABELS] * 2}).rows) == set(read(RAFDB, files).rows)


def test_originals_and_the_compound_part_are_not_used() -> None:
    more = {
        "basic/Image/original/train_00001.jpg": b"",
        "basic/Annotation/manual/train_00001_manu_attri.txt": b"",
        "compound/EmoLabel/list_patition_label.txt": b"train_00001.jpg 11\n",
        "compound/Image/aligned/train_00001_aligned.jpg": b"",
    }
    listing = read(RAFDB, basic() | more)
    assert set(listing.rows) == set(read(RAFDB, basic()).rows)
    assert set(listing.unused) == set(more)
    assert not listing.problems


@pytest.mark.parametrize(
    ("name", "key", "what"),
    [
        ("DATASET/train/1/test_0099_aligned.jpg", "test_0099", "a test image stands in train/"),
        ("DATASET/test/1/train_00099_aligned.jpg", "train_00099", "a train image stands in test/"),
        ("DATASET/train/0/train_00099_aligned.jpg", "train_00099", "its folder '0' is none of 1 to 7"),
        ("DATASET/train/contempt/train_00099_aligned.jpg", "train_00099", "its folder 'contempt' is none of 1 to 7"),
        ("DATASET/val/1/face.jpg", "val/1/face", "val/ is no split of the owner's, and its name tells none"),
        ("DATASET/train/2/train_00001_aligned.jpg", "train_00001", "it stands in"),
    ],
)
def test_defects_of_class_folders(name: str, key: str, what: str) -> None:
    listing = read(RAFDB, class_folders() | {name: b""})
    assert list(told(listing)) == [key]
    assert told(listing)[key].startswith(what)
    assert len(listing.rows) == (13 if key == "train_00001" else 14)


def test_a_validation_part_cut_out_of_training_goes_back_to_it() -> None:
    row = read(RAFDB, class_folders() | {"DATASET/val/3/train_00099_aligned.jpg": b""}).rows[-1]
    assert (row.id, row.split, row.label) == ("train_00099", "train", 2)


def test_files_with_other_names_go_by_their_folders() -> None:
    files = {f"train/{code}/IMG ü{code}.PNG": b"" for code in range(1, 8)} | {"train_labels.csv": b"image,label\n"}
    listing = read(RAFDB, files)
    assert {(row.id, row.label, row.split) for row in listing.rows} == {
        (f"train/{code}/IMG ü{code}", code - 1, "train") for code in range(1, 8)
    }
    assert listing.unused == ["train_labels.csv"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.txt"], r"looked for EmoLabel/list_patition_label.txt with .*; found a.txt"),
        ([], "found nothing"),
        ([*basic(), *class_folders()], "stands here twice, with basic/EmoLabel"),
        (["a/train/1/train_00001_aligned.jpg", "b/train/1/train_00001_aligned.jpg"], "more than once, below a/, b/"),
        ([LABELS, "basic/Image/original/train_00001.jpg"], "without aligned images"),
        ([ALIGNED.format("train_00001")], "aligned images without their label file"),
        (
            ["compound/EmoLabel/list_patition_label.txt", "compound/Image/aligned/train_00001_aligned.jpg"],
            "compound part",
        ),
    ],
)
def test_what_is_not_recognised_is_named(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        RAFDB.recognise(names)


def test_two_copies_below_one_label_file_are_refused() -> None:
    with pytest.raises(UserError, match="are one image"):
        read(RAFDB, basic() | {"copy/aligned/train_00001_aligned.jpg": b""})


def test_images_that_are_not_aligned_have_another_size(tmp_path: Path) -> None:
    files = basic() | {ALIGNED.format("train_00001"): encoded(noise(1, (120, 90, 3)), "PNG")}
    with pytest.raises(UserError, match=r"train_00001: 90x120 pixels instead of 100x100"):
        through(tmp_path, "rafdb", files)


def test_grey_images_become_colour(tmp_path: Path) -> None:
    prepared = through(
        tmp_path, "rafdb", basic() | {ALIGNED.format("train_00001"): encoded(noise(1, (100, 100)), "PNG")}
    )
    assert (prepared["train_00001"] == np.repeat(noise(1, (100, 100))[..., None], 3, axis=2)).all()
    assert prepared.about["conversions"] == {"L to RGB": 1}


def test_counts_are_the_owners(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"14 classes have another number .*train/surprise: 1 of 1,290"):
        through(tmp_path, "rafdb", basic(), stand_in=False)
