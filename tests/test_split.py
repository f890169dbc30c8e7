from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from data_fixtures import PARTS, as_zip, listed, noise, row, table
from refer.datasets.audit import audit
from refer.datasets.obtain import obtain
from refer.datasets.prepare import prepare
from refer.datasets.split import Assigned, assign, split
from refer.errors import UserError

RULE: dict[str, Any] = {"audited": True, "fit": ("train",), "select": "public"}


class Data:
    """A prepared and audited set; `images` holds (seed of the pixels, official split, subject or "")."""

    def __init__(self, folder: Path, images: list[tuple[int, str, str]]) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        lines = [row(0, noise(seed), name) for seed, name, _ in images]
        subjects = ["id,subject", *(f"fer2013.csv#{number},{who}" for number, (*_, who) in enumerate(images))]
        files = {"fer2013.csv": table(lines), "subjects.csv": "\n".join(subjects).encode()}
        as_zip(folder / "raw.zip", files)
        obtain("fer2013", str(folder / "raw.zip"), folder / "raw", stand_in=True)
        prepare("fer2013", folder / "raw", folder / "prepared")
        audit("fer2013", folder / "prepared", folder / "audit")

    def split(self, **options: Any) -> pd.DataFrame:
        rule = {"parts": PARTS, "audited": True} | options
        out = self.folder / "splits/khalid2025.parquet"
        out.unlink(missing_ok=True)
        try:
            split(self.folder / "prepared", self.folder / "audit", out, **rule)
        except UserError:
            assert listed(out.parent) == [] if out.parent.exists() else True
            raise
        return pd.read_parquet(out)


LEAKY = [
    (1, "Training", ""),
    (2, "Training", ""),
    (1, "Training", ""),
    (1, "PublicTest", ""),
    (3, "PublicTest", ""),
    (3, "PublicTest", ""),
    (2, "PrivateTest", ""),
    (3, "PrivateTest", ""),
    (4, "PrivateTest", ""),
    (4, "PrivateTest", ""),
]


@pytest.fixture
def leaky(tmp_path: Path) -> Data:
    return Data(tmp_path, LEAKY)


def test_published_keeps_every_row(leaky: Data) -> None:
    rows = leaky.split(audited=False)
    assert list(rows.columns) == ["id", "part", "kept", "reason"]
    assert rows["kept"].all()
    assert (rows["reason"] == "").all()
    assert list(rows["part"]) == ["train"] * 3 + ["public"] * 3 + ["private"] * 4
    assert list(rows["id"]) == list(pd.read_parquet(leaky.folder / "prepared/index.parquet")["id"])


def test_audited_removes_what_was_seen(leaky: Data) -> None:
    rows = leaky.split()
    assert list(rows["reason"]) == [
        *["", "", ""],  # training is never altered
        *["same image in train", "", ""],
        *["same image in train", "same image in public", "", ""],
    ]
    assert (rows["kept"] == (rows["reason"] == "")).all()


def test_nothing_is_selected_on(leaky: Data) -> None:
    rows = leaky.split(select=None)
    assert set(rows["reason"]) == {"", "same image in train"}
    assert rows["kept"][7], "public is only evaluated then, so what stands there too was not seen"


def test_fitting_on_two_parts(leaky: Data) -> None:
    rows = leaky.split(fit=("train", "public"), select=None)
    assert rows["kept"][:6].all()
    assert list(rows["reason"][6:]) == ["same image in train", "same image in train", "", ""]


def test_a_paper_that_leaves_a_split_out(leaky: Data) -> None:
    rows = leaky.split(parts={"train": "Training", "private": "PrivateTest"}, select=None)
    assert rows["part"][3:6].isna().all()
    assert not rows["kept"][3:6].any()
    assert set(rows["reason"][3:6]) == {"in no part"}
    assert rows["kept"][7]


def test_the_rule_stands_in_the_file(leaky: Data) -> None:
    leaky.split()
    metadata = parquet.read_schema(leaky.folder / "splits/khalid2025.parquet").metadata[b"refer"]
    assert json.loads(metadata)["parts"] == PARTS
    assert len(json.loads(metadata)["data_fingerprint"]) == 64


def test_subjects(tmp_path: Path) -> None:
    data = Data(
        tmp_path,
        [
            (1, "Training", "A"),
            (2, "PublicTest", "A"),
            (3, "PublicTest", "B"),
            (4, "PrivateTest", "B"),
            (5, "PrivateTest", "C"),
            (6, "PrivateTest", ""),  # not known: cannot be judged
        ],
    )
    assert list(data.split()["reason"]) == ["", "subject in train", "", "subject in public", "", ""]
    assert data.split(audited=False)["kept"].all()


def test_a_part_of_which_too_little_is_left(tmp_path: Path) -> None:
    public = [(seed, "PublicTest", "A" if seed < 15 else "B") for seed in range(10, 16)]
    data = Data(tmp_path, [(1, "Training", "A"), *public, (20, "PrivateTest", "C")])
    with pytest.raises(UserError, match=r"only 1 of 6 images of part 'public'.*\n.*subject-disjoint re-split"):
        data.split()
    assert data.split(audited=False)["kept"].all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"parts": {"train": "train"}}, "no images in the split 'train'; it has PrivateTest, PublicTest, Training"),
        ({"parts": PARTS | {"again": "Training"}}, "Two parts are the same"),
        ({"select": "validation"}, "no part 'validation'; the parts are train, public, private"),
        ({"fit": ["training"]}, "no part 'training'"),
    ],
)
def test_slips_in_the_paper(leaky: Data, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        leaky.split(**options)


def test_the_audit_of_other_data(leaky: Data, tmp_path: Path) -> None:
    other = Data(tmp_path / "other", LEAKY[:-1])
    with pytest.raises(UserError, match="audit of other data"):
        split(leaky.folder / "prepared", other.folder / "audit", tmp_path / "out", parts=PARTS, audited=True)
    with pytest.raises(UserError, match="audit the data first"):
        split(leaky.folder / "prepared", tmp_path / "none", tmp_path / "out", parts=PARTS, audited=True)


Image = tuple[str | None, int, str | None]
IMAGES = st.lists(
    st.tuples(
        st.sampled_from(["train", "public", "private", None]),
        st.integers(0, 12),
        st.one_of(st.none(), st.sampled_from("ABCDEFGH")),
    ),
    max_size=40,
)


def assigned(images: list[Image], **rule: Any) -> list[Assigned]:
    parts, pixels, subjects = (list(column) for column in zip(*images, strict=True)) if images else ([], [], [])
    return assign(parts, pixels, subjects, **rule)


@given(IMAGES)
def test_kept_parts_share_neither_pixels_nor_subjects(images: list[Image]) -> None:
    kept = [image for image, row_ in zip(images, assigned(images, **RULE), strict=True) if row_.kept]
    for column in (1, 2):
        held = {part: {image[column] for image in kept if image[0] == part} - {None} for part in PARTS}
        assert not held["train"] & held["public"]
        assert not held["train"] & held["private"]
        assert not held["public"] & held["private"]


@given(IMAGES)
def test_nothing_is_removed_without_a_reason_and_training_never(images: list[Image]) -> None:
    for image, row_ in zip(images, assigned(images, **RULE), strict=True):
        others = [other for other in images if other[0] not in (image[0], None)]
        shared = any(image[1] == other[1] or (image[2] and image[2] == other[2]) for other in others)
        assert row_.part == image[0]
        assert row_.kept == (row_.reason == "")
        assert row_.kept or image[0] is None or (shared and image[0] != "train")


@given(IMAGES.flatmap(lambda images: st.tuples(st.just(images), st.permutations(range(len(images))))))
def test_the_order_of_rows_does_not_matter(case: tuple[list[Image], list[int]]) -> None:
    images, order = case
    straight = assigned(images, **RULE)
    assert assigned([images[at] for at in order], **RULE) == [straight[at] for at in order]
