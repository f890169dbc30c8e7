from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from data_fixtures import as_folder, as_zip, encoded, folders, jpeg, listed, noise, png, row, rows, table
from reader_fixtures import bomb
from refer.datasets import decode
from refer.datasets.catalog import DATASETS
from refer.datasets.model import natural
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.datasets.readers.fer2013 import CLASSES, _pixels
from refer.errors import UserError

ONE = "train/angry/Training_1.jpg"
Prepare = Callable[..., Path]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepare:
    """Return a function that obtains and prepares these files (as drawn data, so that counts do not matter)."""

    def run(files: Mapping[str, bytes], *, stand_in: bool = True, **options: Any) -> Path:
        number = len(list(tmp_path.iterdir()))
        source = as_zip(tmp_path / f"{number}.zip", files)
        raw, out = tmp_path / f"raw{number}", tmp_path / f"out{number}"
        obtain("fer2013", str(source), raw, stand_in=stand_in)
        try:
            prepare("fer2013", raw, out, **options)
        except UserError:
            assert listed(out) == [], "a refusal leaves nothing behind"
            raise
        assert listed(out) == ["images.npy", "index.parquet", "prepare.json"]
        return out

    return run


def summary(out: Path) -> dict[str, Any]:
    return json.loads((out / "prepare.json").read_text())


def images(out: Path) -> np.ndarray:
    return np.load(out / "images.npy", mmap_mode="r")


def one(out: Path) -> np.ndarray:
    """Return the pixels of a set of a single image."""
    assert images(out).shape == (1, 48, 48, 1)
    return images(out)[0, :, :, 0]


# --- what comes out ---------------------------------------------------------------------------------------------


def test_folders(prepared: Prepare) -> None:
    files = folders(2)
    out = prepared(files)
    index = pd.read_parquet(out / "index.parquet")
    assert list(index.columns) == [
        *("id", "label", "class", "split", "subject", "modality", "pair", "level", "outline", "sha256")
    ]
    assert index["label"].dtype == np.int8
    assert set(index["id"]) == set(files)
    assert index["subject"].isna().all()
    assert images(out).dtype == np.uint8
    assert images(out).shape == (42, 48, 48, 1)
    for position, record in index.iterrows():
        folder, name, file = record["id"].split("/")
        expected = np.asarray(Image.open(io.BytesIO(files[record["id"]])))
        assert (images(out)[position, :, :, 0] == expected).all()
        assert record["sha256"] == hashlib.sha256(b"48x48x1:" + expected.tobytes()).hexdigest()
        assert (CLASSES[record["label"]], record["class"]) == (name, name)
        assert record["split"] == file.partition("_")[0]
        assert (folder == "train") == (record["split"] == "Training")
    assert summary(out)["counts"]["Training"]["neutral"] == {"found": 2, "known": None}
    assert summary(out)["images"] == 42


def test_neutral_is_6_and_not_4(prepared: Prepare) -> None:
    out = prepared({"train/neutral/Training_1.jpg": jpeg(1), "train/sad/Training_2.jpg": jpeg(2)})
    assert dict(pd.read_parquet(out / "index.parquet")[["class", "label"]].values) == {"neutral": 6, "sad": 4}


@pytest.mark.parametrize("icml", [False, True])
def test_tables_in_both_orders(prepared: Prepare, icml: bool) -> None:
    name = "icml_face_data.csv" if icml else "fer2013.csv"
    out = prepared({f"deep/{name}": table(rows(2), icml)})
    index = pd.read_parquet(out / "index.parquet")
    assert list(index["id"]) == [f"{name}#{number}" for number in range(42)], "by number, so 10 comes after 9"
    for number, (emotion, pixels, usage) in enumerate(rows(2)):
        assert (images(out)[number].ravel() == np.array(pixels.split(), int)).all()
        assert (str(index["label"][number]), index["split"][number]) == (emotion, usage)


@pytest.mark.parametrize("change", [b"\xef\xbb\xbf%s", b"%s"])
def test_tables_with_a_byte_order_mark_quotes_and_windows_line_ends(prepared: Prepare, change: bytes) -> None:
    lines = [f'{emotion},"{pixels}",{usage}' for emotion, pixels, usage in rows()]
    content = change % "\r\n".join(["emotion,pixels,Usage", *lines]).encode()
    plain, odd = prepared({"fer2013.csv": table(rows())}), prepared({"fer2013.csv": content})
    assert summary(plain)["fingerprint"] == summary(odd)["fingerprint"]


def test_neither_order_nor_packing_nor_leading_folder_matters(prepared: Prepare, tmp_path: Path) -> None:
    files = folders(2)
    backwards = dict(reversed([(f"archive/FER/{name.replace('train/', 'Train/')}", it) for name, it in files.items()]))
    first, second = prepared(files), prepared(backwards)
    assert (first / "images.npy").read_bytes() == (second / "images.npy").read_bytes()
    assert (first / "index.parquet").read_bytes() == (second / "index.parquet").read_bytes()
    assert summary(first)["fingerprint"] == summary(second)["fingerprint"]
    obtain("fer2013", str(as_folder(tmp_path / "folder", files)), tmp_path / "raw", stand_in=True)
    prepare("fer2013", tmp_path / "raw", tmp_path / "out")
    assert summary(tmp_path / "out")["fingerprint"] == summary(first)["fingerprint"]


def test_the_fingerprint_knows_labels_ids_and_pixels(prepared: Prepare) -> None:
    sets = [{ONE: jpeg(1)}, {ONE: jpeg(2)}, {ONE.replace("_1", "_2"): jpeg(1)}, {ONE.replace("angry", "sad"): jpeg(1)}]
    assert len({summary(prepared(files))["fingerprint"] for files in sets}) == len(sets)


def test_processes_change_nothing(prepared: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refer.datasets.pixels.TOGETHER", 5)
    monkeypatch.setattr("refer.datasets.prepare.REPORT_EACH", 5)
    told: list[tuple[int, int | None]] = []
    alone = prepared(folders(3), workers=1)
    together = prepared(folders(3), workers=2, progress=lambda done, total: told.append((done, total)))
    assert (alone / "images.npy").read_bytes() == (together / "images.npy").read_bytes()
    assert (alone / "index.parquet").read_bytes() == (together / "index.parquet").read_bytes()
    assert told[0] == (5, 63)
    assert told[-1] == (63, 63)


def test_two_files_of_one_name_in_two_classes_are_two_images(prepared: Prepare) -> None:
    out = prepared({ONE: jpeg(1), ONE.replace("angry", "fear"): jpeg(1)})
    assert pd.read_parquet(out / "index.parquet")["id"].is_unique
    with pytest.raises(UserError, match="one id"):
        prepared({ONE: jpeg(1), ONE.replace("angry", "Angry"): jpeg(1)})


@given(*2 * [st.text("ab019", max_size=6)])
def test_natural_order_tells_all_names_apart(one: str, two: str) -> None:
    assert (natural(one) == natural(two)) == (one == two)


def test_natural_order() -> None:
    assert sorted(["a#10", "a#9", "b#1", "a"], key=natural) == ["a", "a#9", "a#10", "b#1"]


# --- subjects ---------------------------------------------------------------------------------------------------


def test_subjects(prepared: Prepare) -> None:
    other = ONE.replace("_1", "_2")
    out = prepared({ONE: jpeg(1), other: jpeg(2), "subjects.csv": f"id,subject\n{ONE},S1\n".encode()})
    index = pd.read_parquet(out / "index.parquet").set_index("id")
    assert index.loc[ONE, "subject"] == "S1"
    assert pd.isna(index.loc[other, "subject"])
    assert summary(out)["subjects"] == 1
    out = prepared({"fer2013.csv": table(rows()), "subjects.csv": b"\xef\xbb\xbfSubject, id\nS1,fer2013.csv#3\n"})
    assert pd.read_parquet(out / "index.parquet")["subject"][3] == "S1"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"id,subject\nother.jpg,S1\n", "not there: other.jpg"),
        (b"id,person\nx,S1\n", "expected id and subject"),
        (f"id,subject\n{ONE},S1\n{ONE},S2\n".encode(), "two subjects, S1 and S2"),
        (b"id,subject\n\xff,S1\n", "no text in UTF-8"),
    ],
)
def test_bad_subjects(prepared: Prepare, content: bytes, told: str) -> None:
    with pytest.raises(UserError, match=told):
        prepared({ONE: jpeg(1), "subjects.csv": content})


# --- counts -----------------------------------------------------------------------------------------------------


def test_wrong_counts(prepared: Prepare) -> None:
    with pytest.raises(UserError, match=r"21 classes have another number.*Training/angry: 1 of 3,995.*\n.*`counts`"):
        prepared(folders(), stand_in=False)
    out = prepared(folders(), stand_in=False, tolerate=["counts"])
    assert summary(out)["counts"]["Training"]["angry"] == {"found": 1, "known": 3995}
    assert len(summary(out)["tolerated"]["counts"]) == 21
    assert summary(prepared(folders()))["stand_in"] is True


def test_rows_left_out_explain_what_is_missing(prepared: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    known = DATASETS["fer2013"]
    little = dataclasses.replace(known, counts=dict.fromkeys(known.splits, (1,) * 7))
    monkeypatch.setitem(DATASETS, "fer2013", little)
    bad = [row(0, "1 2 3", "Training"), *rows()[1:]]
    out = prepared({"fer2013.csv": table(bad)}, stand_in=False, tolerate=["unreadable"])
    assert summary(out)["images"] == 20
    with pytest.raises(UserError, match="Training/angry: 0 of 1"):
        prepared({"fer2013.csv": table(rows()[1:])}, stand_in=False, tolerate=["unreadable"])


def test_tolerate_is_checked(prepared: Prepare) -> None:
    with pytest.raises(UserError, match="`tolerate` names sizs; it can name counts"):
        prepared(folders(), tolerate=["sizs"])


# --- labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("train/angry/PublicTest_9.jpg", "a PublicTest file stands in train/"),
        ("test/angry/Training_9.jpg", "a Training file stands in test/"),
        ("train/contempt/Training_9.jpg", "'contempt' is none of angry"),
        ("train/angry/IMG_9.jpg", "begins with none of Training"),
    ],
)
def test_contradicting_names(prepared: Prepare, name: str, told: str) -> None:
    with pytest.raises(UserError, match=f"{name}: .*{told}"):
        prepared({ONE: jpeg(1), name: jpeg(2)})
    out = prepared({ONE: jpeg(1), name: jpeg(2)}, tolerate=["labels"])
    assert list(pd.read_parquet(out / "index.parquet")["id"]) == [ONE]
    assert summary(out)["tolerated"]["labels"][0]["id"] == name


@pytest.mark.parametrize(
    ("bad", "kind", "told"),
    [
        (row(7, noise(1), "Training"), "labels", r"fer2013.csv#1: emotion '7' is no code"),
        (row(-1, noise(1), "Training"), "labels", "emotion '-1' is no code"),
        (row("", noise(1), "Training"), "labels", "emotion '' is no code"),
        (row(0, noise(1), "Test"), "labels", "Usage 'Test' is none of"),
        (row(0, noise(1)[1:], "Training"), "unreadable", "2256 pixels instead of 2304"),
        (row(0, "", "Training"), "unreadable", "0 pixels instead of 2304"),
        (row(0, "256 " + "1 " * 2302 + "1", "Training"), "unreadable", r"outside 0\.\.255"),
        (row(0, "99999999999999999999 " + "1 " * 2302 + "1", "Training"), "unreadable", r"outside 0\.\.255"),
        (row(0, "-1 " + "1 " * 2302 + "1", "Training"), "unreadable", "no whole number"),
        (row(0, "1.5 " + "1 " * 2302 + "1", "Training"), "unreadable", "no whole number"),
    ],
)
def test_bad_rows_of_a_table(prepared: Prepare, bad: tuple[str, str, str], kind: str, told: str) -> None:
    files = {"fer2013.csv": table([row(0, noise(0), "Training"), bad, row(1, noise(2), "PublicTest")])}
    with pytest.raises(UserError, match=told):
        prepared(files)
    out = prepared(files, tolerate=[kind])
    assert list(pd.read_parquet(out / "index.parquet")["id"]) == ["fer2013.csv#0", "fer2013.csv#2"]
    assert (images(out)[1].ravel() == noise(2).ravel()).all()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"emotion,pixels\n0,1 2 3\n", "columns emotion, pixels; expected"),
        (b"", r"columns \(none\); expected"),
        (b"emotion,pixels,Usage\n", "not one image"),
        (table(rows())[:-9000], "cut off"),
        (b"emotion,pixels,Usage\n0,1\n", "cut off"),
    ],
)
def test_tables_that_are_none(prepared: Prepare, content: bytes, told: str) -> None:
    with pytest.raises(UserError, match=told):
        prepared({"fer2013.csv": content})


@given(st.lists(st.lists(st.integers(0, 299), min_size=2, max_size=4), max_size=40))
def test_pixel_lists_are_read_as_written(lists: list[list[int]]) -> None:
    answers = list(_pixels(pa.array([" ".join(map(str, one)).encode() for one in lists], pa.binary()), 3))
    assert len(answers) == len(lists)
    for values, answer in zip(lists, answers, strict=True):
        if len(values) == 3 and max(values) <= 255:
            assert list(answer) == values
        else:
            assert isinstance(answer, str)


# --- images -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (jpeg(1)[: len(jpeg(1)) // 2], "truncated"),
        (b"<html>not found</html>", "none of JPEG, PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n", "none of JPEG, PNG"),
        (jpeg(1)[:30], "Training_2.jpg"),
        (png(noise(1))[:-40], "truncated|broken|Truncated"),
    ],
)
def test_unreadable_images(prepared: Prepare, content: bytes, told: str) -> None:
    bad = ONE.replace("_1", "_2")
    with pytest.raises(UserError, match=rf"1 images cannot be decoded \({bad}: .*\)") as caught:
        prepared({ONE: jpeg(1), bad: content})
    assert any(word in str(caught.value) for word in told.split("|"))
    out = prepared({ONE: jpeg(1), bad: content, ONE.replace("_1", "_3"): jpeg(3)}, tolerate=["unreadable"])
    assert images(out).shape == (2, 48, 48, 1)
    assert [problem["id"] for problem in summary(out)["tolerated"]["unreadable"]] == [bad]


def test_many_bad_images_are_counted_and_the_first_named(prepared: Prepare) -> None:
    with pytest.raises(UserError, match=r"21 images cannot be decoded .* and 18 more\)"):
        prepared(dict.fromkeys(folders(), b"x"))
    with pytest.raises(UserError, match="not one image is left of 21"):
        prepared(dict.fromkeys(folders(), b"x"), tolerate=["unreadable"])


def test_an_absurd_size_is_refused_before_it_takes_memory(prepared: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="cannot be decoded"):
        prepared({ONE: bomb()}, tolerate=["sizes"])
    monkeypatch.setattr(decode, "MAX_PIXELS", 48 * 48 - 1)
    with pytest.raises(UserError, match="48x48 pixels are no face image"):
        prepared({ONE: jpeg(1)})


def test_other_sizes(prepared: Prepare) -> None:
    large = np.kron(noise(1), np.ones((2, 2), np.uint8))
    with pytest.raises(UserError, match=r"96x96 pixels instead of 48x48.*\n.*`sizes`"):
        prepared({ONE: png(large)})
    out = prepared({ONE: png(large)}, tolerate=["sizes"])
    assert (one(out) == noise(1)).all(), "the mean of four equal pixels"
    assert summary(out)["tolerated"]["sizes"] == [{"id": ONE, "what": "96x96 pixels instead of 48x48"}]


def test_the_suffix_does_not_matter(prepared: Prepare) -> None:
    assert (one(prepared({ONE: png(noise(1))})) == noise(1)).all()


def test_colour_becomes_luma(prepared: Prepare) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    out = prepared({ONE: png(colour)})
    luma = colour @ np.array([0.299, 0.587, 0.114])
    assert np.abs(one(out) - luma).max() <= 1
    assert summary(out)["conversions"] == {"RGB to L": 1}
    alpha = np.dstack([colour, noise(3)])
    assert (one(prepared({ONE: png(alpha)})) == one(out)).all(), "transparency is ignored"
    grey = np.repeat(noise(4)[..., None], 3, axis=2)
    assert (one(prepared({ONE: png(grey)})) == noise(4)).all()


def test_palettes_bits_and_cmyk(prepared: Prepare) -> None:
    buffer = io.BytesIO()
    palette = Image.fromarray(np.arange(2304, dtype=np.uint8).reshape(48, 48) % 3, "P")
    palette.putpalette([0, 0, 0, 255, 255, 255, 90, 90, 90])
    palette.save(buffer, "PNG")
    out = prepared({ONE: buffer.getvalue()})
    assert (one(out).ravel()[:3] == [0, 255, 90]).all()
    assert summary(out)["conversions"] == {"P to L": 1}
    assert set(np.unique(one(prepared({ONE: png(noise(1) > 128)})))) == {0, 255}
    buffer = io.BytesIO()
    Image.fromarray(np.full((48, 48), 200, np.uint8)).convert("CMYK").save(buffer, "JPEG", quality=100)
    assert np.abs(one(prepared({ONE: buffer.getvalue()})).astype(int) - 200).max() <= 2


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_clipped(prepared: Prepare, form: str) -> None:
    deep = noise(1).astype(np.uint16) << 8 | 255
    out = prepared({ONE: encoded(deep, form)})
    assert (one(out) == noise(1)).all()
    assert summary(out)["conversions"] == {"16 bits": 1}


def test_exif_orientation_is_applied(prepared: Prepare) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    out = prepared({ONE: encoded(noise(1), "PNG", exif=exif.tobytes())})
    assert (one(out) == np.rot90(noise(1), -1)).all()
    assert summary(out)["conversions"] == {"EXIF orientation": 1}


def test_floating_point_has_no_range(prepared: Prepare) -> None:
    with pytest.raises(UserError, match="floating-point"):
        prepared({ONE: encoded(noise(1).astype(np.float32), "TIFF")})
