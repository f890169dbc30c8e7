"""What `prepare` does with every data set alike: bad files, odd names, processes, modalities, levels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_fixtures import encoded, noise
from reader_fixtures import bomb, through
from refer.errors import UserError

KINDS = {"rafdb": (100, 100, 3), "ckplus": (96, 128), "bu3dfe": (96, 128, 3), "viri": (96, 128, 3)}
VIRIS = [f"VIRI-{name}-{side}" for name in ("Angry", "Happy", "Neutral", "Sad", "Surprise") for side in ("Vis", "Ir")]


def good(known: str, above: str = "") -> dict[str, bytes]:
    """Return a little raw set whose first file is an image."""
    names = {
        "rafdb": [f"basic/Image/aligned/train_{number:05d}_aligned.jpg" for number in (1, 2, 3)],
        "ckplus": [f"cohn-kanade-images/S005/001/S005_001_{number:08d}.png" for number in (1, 2, 3, 4)],
        "bu3dfe": [f"F0001/F0001_{code}WH_F2D.bmp" for code in ("AN01", "NE00", "SU04")],
        "viri": [f"{folder}/{number}.jpg" for folder in VIRIS for number in (1, 2)],
    }[known]
    form = {"png": "PNG", "bmp": "BMP", "jpg": "JPEG"}
    files = {name: encoded(noise(seed, KINDS[known]), form[name[-3:]]) for seed, name in enumerate(names)}
    if known == "rafdb":
        files["basic/EmoLabel/list_patition_label.txt"] = b"".join(b"train_%05d.jpg %d\n" % (n, n) for n in (1, 2, 3))
    if known == "ckplus":
        files["Emotion/S005/001/S005_001_00000004_emotion.txt"] = b"   3.0000000e+00\n"
    return {above + name: content for name, content in files.items()}


@pytest.mark.parametrize("known", KINDS)
@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (lambda content: content[: len(content) // 2], "truncated|broken|Truncated|needs"),
        (lambda content: b"", "it is empty"),
        (lambda content: b"<html>log in</html>", "it is none of JPEG, PNG"),
        (lambda content: bomb(), "no face image|decompression bomb|exceeds"),
    ],
    ids=["cut off", "no bytes", "a web page", "60000x60000"],
)
def test_one_bad_image_costs_no_other(tmp_path: Path, known: str, bad: Callable[[bytes], bytes], told: str) -> None:
    files = good(known)
    first = next(iter(files))
    whole = through(tmp_path, known, files)
    broken = files | {first: bad(files[first])}
    with pytest.raises(UserError, match=rf"1 images cannot be decoded \(.*({told})"):
        through(tmp_path, known, broken)
    left = through(tmp_path, known, broken, tolerate=["unreadable"])
    assert left.about["images"] == whole.about["images"] - 1
    (problem,) = left.about["tolerated"]["unreadable"]
    assert set(whole.index["id"]) - set(left.index["id"]) == {problem["id"]}
    assert all((left[key] == whole[key]).all() for key in left.index["id"])
    pd.testing.assert_frame_equal(left.index, whole.index.loc[left.index.index])


@pytest.mark.parametrize("known", KINDS)
def test_neither_suffixes_nor_odd_names_above_matter(tmp_path: Path, known: str) -> None:
    plain = through(tmp_path, known, good(known))
    odd = good(known, "Übung (2)/données 表情/e\u0301 \U0001f600/")  # a letter in two parts, as macOS writes it
    odd = {
        name: encoded(np.asarray(Image.open(io.BytesIO(it))), "PNG") if name[-3:] in ("jpg", "png", "bmp") else it
        for name, it in odd.items()
    }
    assert through(tmp_path, known, odd).about["fingerprint"] == plain.about["fingerprint"]


@pytest.mark.parametrize("known", KINDS)
def test_the_number_of_processes_and_the_order_of_files_change_nothing(
    tmp_path: Path, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refer.datasets.pixels.TOGETHER", 2)
    files = good(known)
    backwards = dict(reversed(files.items()))
    one, two = through(tmp_path, known, files), through(tmp_path, known, backwards, workers=2)
    assert one.about["fingerprint"] == two.about["fingerprint"]
    assert (one.images == two.images).all()


def test_the_index_of_frames_and_levels(tmp_path: Path) -> None:
    prepared = through(tmp_path, "ckplus", good("ckplus"))
    index = prepared.index
    assert index["level"].tolist() == [0, 3, 2, 1]
    assert index["class"].tolist() == ["neutral", "disgust", "disgust", "disgust"]
    assert set(index["modality"]) == {"visible"}
    assert index["pair"].isna().all()
    assert prepared.about["notes"]["images without landmarks (their middle square is cut out)"] == 4
    assert prepared.about["fit"] == "square"


def test_both_modalities_are_counted(tmp_path: Path) -> None:
    prepared = through(tmp_path, "viri", good("viri"), stand_in=False)
    about = prepared.about
    assert about["counts"]["all"]["angry"] == {"found": 2, "known": 111}
    assert about["modalities"]["infrared"]["all"]["sad"] == {"found": 2, "known": 114}
    assert about["counts_are"] == "reported"
    assert {"id": "all/angry/visible", "what": "2 of 111"} in about["differences"]
    assert len(about["differences"]) == 10
    assert "counts" not in about["tolerated"]
    assert prepared.index["pair"].notna().all()
    assert set(prepared.index["modality"]) == {"visible", "infrared"}


def test_a_pattern_of_subjects_is_for_those_that_name_none(tmp_path: Path) -> None:
    prepared = through(tmp_path, "viri", good("viri"), subject_pattern=r"(?P<subject>\d+)\.jpg")
    assert set(prepared.index["subject"]) == {"1", "2"}
    assert prepared.about["subject_pattern"] == r"(?P<subject>\d+)\.jpg"
    assert prepared.about["subjects"] == 2
    with pytest.raises(UserError, match="RAF-DB takes no pattern of subjects"):
        through(tmp_path, "rafdb", good("rafdb"), subject_pattern=r"(?P<subject>\d+)")
