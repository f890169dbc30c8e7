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
from prepared_fixtures import brightened, jpeg, picture, write_prepared
from refer.datasets.audit import audit
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.datasets.split import Assigned, assign, split
from refer.datasets.splitting import Scheme
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
        rule = {"scheme": Scheme(parts=options.pop("parts", PARTS)), "audited": True, "select": "public"} | options
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
    assert list(rows.columns) == ["id", "fold", "part", "kept", "reason", "twin"]
    assert list(rows["twin"]) == [True] * 3 + [False] * 7  # pixels 1 stand in PublicTest, pixels 2 in PrivateTest
    assert (rows["fold"] == 0).all()
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


def test_the_rule_and_its_numbers_stand_in_the_file(leaky: Data) -> None:
    leaky.split()
    about = json.loads(parquet.read_schema(leaky.folder / "splits/khalid2025.parquet").metadata[b"refer"])
    assert Scheme.from_dict(about["scheme"]) == Scheme(parts=PARTS)
    assert (about["audited"], about["near"], about["select"]) == (True, False, "public")
    assert len(about["data_fingerprint"]) == 64
    assert about["parts"] == list(PARTS)
    angry = {"kept": [2] + [0] * 6, "removed": {"same image in train": [1] + [0] * 6}}
    assert about["folds"][0]["images"]["public"] == {"visible": angry}
    assert about["folds"][0]["people"] == dict.fromkeys(PARTS)
    assert about["people_known"] is False


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
    other, whole = Data(tmp_path / "other", LEAKY[:-1]), Scheme(parts=PARTS)
    with pytest.raises(UserError, match="audit of other data"):
        split(leaky.folder / "prepared", other.folder / "audit", tmp_path / "out", scheme=whole, audited=True)
    with pytest.raises(UserError, match="audit the data first"):
        split(leaky.folder / "prepared", tmp_path / "none", tmp_path / "out", scheme=whole, audited=True)


# --- other divisions --------------------------------------------------------------------------------------------


def prepared(folder: Path, dataset: str, rows: list[dict[str, Any]]) -> tuple[Path, Path]:
    write_prepared(folder / "prepared", dataset, rows)
    audit(dataset, folder / "prepared", folder / "audit")
    return folder / "prepared", folder / "audit"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a set of 12 people at three levels, with a picture that stands under two people."""
    rows = [
        {"pixels": picture(3 * who + level, 128), "label": level, "subject": f"S{who}", "level": level}
        for who in range(12)
        for level in range(3)
    ]
    rows[-3] |= {"pixels": rows[0]["pixels"]}
    rows[-6] |= {"pixels": jpeg(rows[3]["pixels"], 40)}
    return prepared(tmp_path_factory.mktemp("people"), "ckplus", rows)


def test_folds_are_rows_of_one_file(people: tuple[Path, Path], tmp_path: Path) -> None:
    scheme = Scheme(folds=4, validation="val", levels=(0, 1))
    split(*people, tmp_path / "s.parquet", scheme=scheme, audited=True, select="val")
    rows = pd.read_parquet(tmp_path / "s.parquet")
    assert list(rows["fold"]) == [fold for fold in range(4) for _ in range(36)]
    assert rows["fold"].dtype == "int8"
    assert rows.groupby("id")["fold"].nunique().eq(4).all()
    unused = rows[rows["part"].isna()]
    assert set(unused["reason"]) == {"level 2 not used"}
    assert len(unused) == 4 * 12
    assert rows[rows["part"] == "test"].groupby("fold").size().to_dict() == dict.fromkeys(range(4), 6)
    copies = rows[rows["id"].isin(["image0000", "image0033"]) & rows["part"].notna()]
    for _, fold in copies.groupby("fold"):
        assert fold["part"].nunique() == 1 or list(fold["kept"]).count(False) == 1
    about = json.loads(parquet.read_schema(tmp_path / "s.parquet").metadata[b"refer"])
    assert len(about["folds"]) == 4
    assert about["folds"][0]["people"] == {"train": 6, "val": 3, "test": 3}
    assert about["folds"][0]["people_shared"] == 0


def test_two_people_who_are_known_to_be_two_only_look_alike(people: tuple[Path, Path], tmp_path: Path) -> None:
    near = pd.read_parquet(people[1] / "near.parquet")
    assert len(near), "there are near duplicates, of different people"
    for counted in (False, True):
        split(*people, tmp_path / "s.parquet", scheme=Scheme(folds=12), audited=True, near=counted)
        rows = pd.read_parquet(tmp_path / "s.parquet")
        assert rows["reason"].value_counts().to_dict() == {"": 12 * 36 - 2, "same image in train": 2}


def test_near_duplicates_count_as_seen_where_it_is_wanted(tmp_path: Path) -> None:
    rows = [{"pixels": picture(number, 100, 3), "label": 0, "split": "train"} for number in range(8)]
    rows += [{"pixels": picture(20 + number, 100, 3), "label": 0, "split": "test"} for number in range(8)]
    rows[8] |= {"pixels": brightened(rows[0]["pixels"], 7)}
    folders = prepared(tmp_path, "rafdb", rows)
    scheme = Scheme(parts={"train": "train", "test": "test"})
    for near, expected in ((False, {"": 16}), (True, {"": 15, "near duplicate in train": 1})):
        split(*folders, tmp_path / "s.parquet", scheme=scheme, audited=True, near=near)
        assert pd.read_parquet(tmp_path / "s.parquet")["reason"].value_counts().to_dict() == expected


def test_shares_of_people_who_are_not_known(tmp_path: Path) -> None:
    rows = [
        {"pixels": picture(number, 224, 3), "label": 0, "modality": modality, "pair": f"p{number}"}
        for number in range(20)
        for modality in ("visible", "infrared")
    ]
    for modality in (0, 1):
        rows[4 + modality] |= {"pixels": brightened(rows[2]["pixels"], 7 + modality)}
    folders = prepared(tmp_path, "viri", rows)
    scheme = Scheme(shares={"train": 0.7, "val": 0.15, "test": 0.15})
    for audited in (False, True):
        split(*folders, tmp_path / "s.parquet", scheme=scheme, audited=audited, select="val" if audited else None)
        rows_ = pd.read_parquet(tmp_path / "s.parquet")
        index = pd.read_parquet(tmp_path / "prepared/index.parquet")
        assert rows_["kept"].all()
        assert rows_.groupby("part").size().to_dict() == {"train": 28, "val": 6, "test": 6}
        assert rows_.groupby(index["pair"])["part"].nunique().eq(1).all()
        about = json.loads(parquet.read_schema(tmp_path / "s.parquet").metadata[b"refer"])
        assert about["people_known"] is False
        assert about["folds"][0]["people_shared"] is None
        assert about["folds"][0]["images"]["val"]["infrared"]["kept"] == [3, 0, 0, 0, 0]
    assert rows_["part"][2] == rows_["part"][4], "near duplicates are drawn together under the audited protocol"


def test_a_part_that_would_be_empty(tmp_path: Path) -> None:
    folders = prepared(tmp_path, "viri", [{"pixels": picture(n, 224, 3), "label": 0} for n in range(3)])
    with pytest.raises(UserError, match="the part 'val' would hold no image"):
        split(*folders, tmp_path / "s", scheme=Scheme(shares={"train": 0.7, "val": 0.15, "test": 0.15}), audited=False)


def test_training_reads_one_fold(people: tuple[Path, Path], tmp_path: Path) -> None:
    from refer.training.data import load_index

    split(*people, tmp_path / "s.parquet", scheme=Scheme(folds=4), audited=False)
    folds = [load_index(people[0], tmp_path / "s.parquet", fold)[0] for fold in range(4)]
    tested = [set(index["id"][index["part"] == "test"]) for index in folds]
    assert [len(ids) for ids in tested] == [9] * 4
    assert len(set.union(*tested)) == 36
    with pytest.raises(UserError, match="there is no fold 4; it has 4, counted from 0"):
        load_index(people[0], tmp_path / "s.parquet", 4)


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
