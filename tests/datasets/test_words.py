"""Names of classes, suffixes of images and letters' case are the same to every reader."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_fixtures import encoded, noise
from reader_fixtures import read, through, told
from refer.datasets.catalog import DATASETS
from refer.datasets.words import SUFFIX, SUFFIXES, canonical, class_of, is_image
from refer.errors import UserError

OTHERS = {
    "angry": ("Anger", "ANGRY"),
    "disgust": ("disgusted",),
    "fear": ("Fearful", "fear"),
    "happy": ("happiness", "3_Happy"),
    "sad": ("Sadness",),
    "surprise": ("suprise", "Surprised"),
    "neutral": ("NEUTRAL", "7-neutral"),
}


@pytest.mark.parametrize("known", sorted(DATASETS))
def test_every_data_set_knows_its_classes_by_all_their_names(known: str) -> None:
    classes = DATASETS[known].classes
    for label, name in enumerate(classes):
        assert class_of(name, classes) == label
        for other in OTHERS.get(canonical(name) or "", ()):
            assert class_of(other, classes) == label
    assert class_of("bored", classes) is None
    assert class_of("happy-sad", classes) is None, "two classes are none"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_suffixes(suffix: str) -> None:
    assert re.fullmatch(SUFFIX, suffix)
    assert is_image(f"a/b.{suffix.upper()}")
    assert not is_image(f"a/{suffix}")


FORMS = {"jpg": "JPEG", "png": "PNG", "tif": "TIFF", "webp": "WEBP", "gif": "GIF", "bmp": "BMP"}
FACE = np.repeat(np.repeat(noise(3, (6, 6)), 8, axis=0), 8, axis=1)


def image(suffix: str, side: int) -> bytes:
    buffer = io.BytesIO()
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(FORMS[suffix], {})
    Image.fromarray(FACE).resize((side, side)).convert("RGB").save(buffer, FORMS[suffix], **options)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", FORMS)
@pytest.mark.parametrize("upper", [False, True])
def test_every_reader_takes_every_kind_of_image(tmp_path: Path, suffix: str, upper: bool) -> None:
    end = suffix.upper() if upper else suffix
    trees = {
        "fer2013": {f"TRAIN/Happiness/Training_1.{end}": image(suffix, 48)},
        "rafdb": {f"Train/Suprise/train_00001_aligned.{end}": image(suffix, 100)},
        "ckplus": {f"CK+48/fearful/s005_001_00000011.{end}": image(suffix, 48)},
        "bu3dfe": {f"F0001/F0001_SU04WH_F2D.{end}": image(suffix, 128)},
        "viri": {
            f"{side}/{name}/1.{end}": image(suffix, 64)
            for side in ("Visible", "IR")
            for name in ("Anger", "HAPPINESS", "neutral", "Sadness", "Surprised")
        },
    }
    for known, files in trees.items():
        prepared = through(tmp_path, known, files)
        assert prepared.about["images"] == len(files), known
        assert prepared.about["unused_files"] == 0
        assert np.ptp(prepared.images[0].astype(int)) > 100
        if known == "fer2013" and suffix != "jpg":
            assert np.abs(prepared.images[0, :, :, 0].astype(int) - FACE).max() <= 1


def test_folders_of_splits_by_their_usual_names() -> None:
    folders = {"Training": "train_set", "PublicTest": "Validation", "PrivateTest": "TESTING"}
    files = {f"FER/{folder}/Sad/{split.upper()}_1.jpg": b"" for split, folder in folders.items()}
    rows = read(DATASETS["fer2013"], files).rows
    assert {row.split for row in rows} == set(folders)
    assert {row.id.partition("/")[0] for row in rows} == {"train", "test"}, "one id in every mirror"
    files = {"train_set/3/train_00001_aligned.jpg": b"", "val_set/1_Surprise/test_0002_aligned.jpg": b""}
    assert {(row.id, row.label, row.split) for row in read(DATASETS["rafdb"], files).rows} == {
        ("train_00001", 2, "train"),
        ("test_0002", 0, "test"),
    }


def test_named_folders_with_names_of_the_users_own() -> None:
    files = {"train/Happiness/image0001.jpg": b"", "test/anger/image0002.webp": b"", "notes.txt": b""}
    listing = read(DATASETS["rafdb"], files)
    assert {(row.label, row.split) for row in listing.rows} == {(3, "train"), (5, "test")}
    assert listing.unused == ["notes.txt"]


def test_a_folder_beside_the_classes_that_is_none_is_named() -> None:
    files = {"CK+48/anger/S010_004_00000017.png": b"", "CK+48/bored/S011_001_00000011.png": b""}
    assert told(read(DATASETS["ckplus"], files)) == {
        "CK+48/bored/S011_001_00000011.png": "its folder is none of neutral, angry, contempt, disgust, fear, happy, "
        "sad, surprise"
    }


def test_numbered_folders_of_ckplus_are_not_guessed() -> None:
    with pytest.raises(UserError, match=r"numbered folders \(CK\+/0/S010.*rename the folders to neutral, angry"):
        DATASETS["ckplus"].recognise(["CK+/0/S010_004_00000017.png", "CK+/1/S011_001_00000011.png"])


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    files = {
        "train/happy/Training_1.png": encoded(noise(1), "PNG"),
        "train/happy/Training_2.svg": b"x",
        "train/bored/Training_3.png": encoded(noise(3), "PNG"),
    }
    with pytest.raises(
        UserError, match=r"'bored' is none of angry(?s:.*)Not read: 1 files \(train/happy/Training_2.svg"
    ):
        through(tmp_path, "fer2013", files)
