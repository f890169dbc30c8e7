"""The drawn stand-in for RAF-DB: aligned colour faces whose copies are where truth.csv says, and nowhere else."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.readers.rafdb import RAFDB, read
from refer.datasets.standin import faces, rafdb
from refer.datasets.standin.common import shares, stated
from refer.datasets.standin.geometry import landmarks, see
from refer.errors import UserError

IMAGES = rafdb.LEAST
ALIGNED = "basic/Image/aligned/{}_aligned.jpg"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("rafdb") / "rafdb.zip"
    rafdb.draw(out, images=IMAGES, subjects=30, seed=1)
    with zipfile.ZipFile(out) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.fixture(scope="module")
def truth(files: dict[str, bytes]) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(files["truth.csv"]), index_col="id", keep_default_na=False)


def labels(files: dict[str, bytes]) -> dict[str, int]:
    lines = files["basic/EmoLabel/list_patition_label.txt"].decode().splitlines()
    return {name.removesuffix(".jpg"): int(code) for name, code in map(str.split, lines)}


def coarse(content: bytes) -> NDArray[np.float64]:
    """Return an image in 16x16 grey blocks of mean 0 and variance 1, so that the mean product is a correlation."""
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (100, 100))
        blocks = np.asarray(image.convert("L").resize((16, 16), Image.Resampling.BOX), dtype=float)
    return (blocks - blocks.mean()) / blocks.std()


def test_the_archive_is_laid_out_as_the_owner_does_it(files: dict[str, bytes]) -> None:
    aligned = [name for name in files if name.startswith("basic/Image/aligned/")]
    originals = [name for name in files if name.startswith("basic/Image/original/")]
    assert files["README.txt"].startswith(b"drawn stand-in, no real person;")
    assert aligned[0] == ALIGNED.format("train_00001")
    assert aligned[-1] == ALIGNED.format("test_0040")
    assert len(aligned) == 100
    assert len(originals) == 2 * rafdb.ORIGINALS
    assert len(files) == 100 + len(originals) + 3
    with Image.open(io.BytesIO(files[originals[0]])) as image:
        assert min(image.size) > 200


def test_splits_and_classes_have_the_real_proportions(files: dict[str, bytes]) -> None:
    found = Counter((name.partition("_")[0], code) for name, code in labels(files).items())
    for split, number in IMAGES.items():
        assert [found[split, code] for code in range(1, 8)] == shares(number, stated(RAFDB.counts[split]))


def test_every_copy_is_what_the_truth_says(files: dict[str, bytes], truth: pd.DataFrame) -> None:
    copies = truth[truth["copy_of"] != ""]
    for name, row in copies.iterrows():
        one, other = (files[ALIGNED.format(key)] for key in (name, row["copy_of"]))
        assert (one == other) == (row["fault"] == "same file")
        copy, original = coarse(one), coarse(other)
        alike = (copy * (original[:, ::-1] if row["fault"] == "mirrored" else original)).mean()
        assert alike > (0.94 if row["fault"] == "cut" else 0.99), row["fault"]
        assert truth.loc[row["copy_of"], ["copy_of", "fault"]].tolist() == ["", ""], "no copies of copies"
        assert (row["subject"], row["drawn"]) == tuple(truth.loc[row["copy_of"], ["subject", "drawn"]])


def test_every_fault_is_there_across_and_within_the_splits(files: dict[str, bytes], truth: pd.DataFrame) -> None:
    copies = truth[truth["copy_of"] != ""]
    ways = Counter(
        (name.partition("_")[0], of.partition("_")[0], fault)
        for name, of, fault in zip(copies.index, copies["copy_of"], copies["fault"], strict=True)
    )
    each = Counter(
        {(s, o, f): 1 for s, o in (("train", "train"), ("test", "test"), ("test", "train")) for f in rafdb.FAULTS}
    )
    conflicts = Counter({("train", "train", "same file"): 1, ("test", "train", "encoded again"): 1})
    assert ways == each + conflicts
    code = labels(files)
    clash = copies[[code[name] != code[of] for name, of in copies["copy_of"].items()]]
    assert Counter(clash["fault"]) == {"same file": 1, "encoded again": 1}


def test_nothing_else_is_a_copy_and_no_person_is_in_both_splits(files: dict[str, bytes], truth: pd.DataFrame) -> None:
    own = truth[truth["copy_of"] == ""]
    small = np.stack([coarse(files[ALIGNED.format(name)]).ravel() for name in own.index])
    alike = small @ small.T / small.shape[1] - np.eye(len(own))
    assert alike.max() < 0.99
    split = own.index.str.partition("_").get_level_values(0)
    assert own.groupby("subject").apply(lambda rows: split[own.index.get_indexer(rows.index)].nunique()).max() == 1
    assert own["subject"].nunique() == 30


@given(st.integers(0, 5000))
@settings(max_examples=30, deadline=None)
def test_eyes_and_mouth_come_to_the_same_places_whatever_the_pose(key: int) -> None:
    rng = faces.generator(key)
    marks = landmarks(see(faces.sample_identity(rng), {}, rafdb.sample_capture(rng)))
    seen = np.stack([marks[part].mean(axis=0) for part in (slice(36, 42), slice(42, 48), slice(48, 68))])
    assert seen[:, 0] == pytest.approx([0.31, 0.69, 0.5], abs=0.13)
    assert seen[:, 1] == pytest.approx([0.4, 0.4, 0.76], abs=0.1)


@pytest.mark.parametrize("layout", RAFDB.layouts)
def test_the_reader_of_the_real_data_set_reads_every_layout(
    layout: str, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rafdb, "_file", lambda row, seed: b"not looked at when listing")
    monkeypatch.setattr(rafdb, "ORIGINALS", 0)
    out = tmp_path / "rafdb.zip"
    rafdb.draw(out, images=IMAGES, subjects=30, seed=1, layout=layout)
    with zipfile.ZipFile(out) as raw:
        listing = read(raw)
        assert RAFDB.recognise(raw.namelist()) == layout
    assert listing.problems == []
    assert {row.id: row.label + 1 for row in listing.rows} == labels(files)
    assert sorted(listing.unused) == ["README.txt", "truth.csv"]


def test_equal_arguments_give_equal_faces_and_others_do_not() -> None:
    one, again = (rafdb.face(3, 4, 5, 6) for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, rafdb.face(4, 4, 5, 6))
    assert rafdb.plan(IMAGES, 30, 1, True) == rafdb.plan(IMAGES, 30, 1, True) != rafdb.plan(IMAGES, 30, 2, True)


@pytest.mark.parametrize("seed", range(12))
def test_the_smallest_sets_have_room_for_every_fault(seed: int) -> None:
    rows = rafdb.plan(rafdb.LEAST, 2, seed, True)
    assert sum(row.of is not None for row in rows) == 3 * len(rafdb.FAULTS) + 2
    own = {(row.split, row.label) for row in rows if row.of is None}
    assert len(own) == 14, "every class has an image of its own in each split"


def test_at_full_size_the_counts_are_the_real_ones() -> None:
    rows = rafdb.plan({"train": 12271, "test": 3068}, 4000, 0, True)
    found = Counter((row.split, row.label) for row in rows)
    for split, counts in RAFDB.counts.items():
        assert tuple(found[split, label] for label in range(7)) == counts


def test_without_mess_there_are_no_copies() -> None:
    rows = rafdb.plan(IMAGES, 30, 1, False)
    assert {row.of for row in rows} == {None}
    assert len({row.shot for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": {"train": 90, "test": 8}}, r"images of test: 8; expected at least 40"),
        ({"subjects": 1}, r"subjects: 1; expected at least 2"),
    ],
)
def test_what_will_not_do_is_refused(changed: dict, message: str, tmp_path: Path) -> None:
    arguments = {"out": tmp_path / "out.zip", "images": IMAGES, "subjects": 20} | changed
    with pytest.raises(UserError, match=message):
        rafdb.draw(arguments.pop("out"), **arguments)
    assert list(tmp_path.iterdir()) == []
