from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from data_fixtures import PARTS, as_zip, listed, noise, row, table
from prepared_fixtures import brightened, cropped, jpeg, picture, squeezed, write_prepared
from refer.datasets.audit import audit
from refer.datasets.near import near_between, near_duplicates
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.datasets.readers.fer2013 import CLASSES
from refer.datasets.split import split
from refer.datasets.splitting import Scheme
from refer.errors import UserError


def audited(folder: Path, lines: Iterable[tuple[str, str, str]]) -> tuple[dict[str, Any], pd.DataFrame]:
    as_zip(folder / "raw.zip", {"fer2013.csv": table(lines)})
    obtain("fer2013", str(folder / "raw.zip"), folder / "raw", stand_in=True)
    prepare("fer2013", folder / "raw", folder / "prepared")
    audit("fer2013", folder / "prepared", folder / "audit")
    assert listed(folder / "audit") == ["audit.json", "duplicates.parquet", "near.parquet"]
    report = json.loads((folder / "audit/audit.json").read_text())
    return report, pd.read_parquet(folder / "audit/duplicates.parquet")


def test_groups_conflicts_and_pairs_of_splits(tmp_path: Path) -> None:
    lines = [
        row(0, noise(1), "Training"),
        row(1, noise(2), "Training"),
        row(0, noise(1), "PublicTest"),  # in training, and twice here
        row(0, noise(1), "PublicTest"),
        row(2, noise(2), "PrivateTest"),  # in training under another label
        row(3, noise(3), "PublicTest"),
        row(3, noise(3), "PrivateTest"),
        row(4, noise(4), "PrivateTest"),
        row(5, noise(5), "Training"),
        row(6, noise(5), "Training"),  # within one split
    ]
    report, table_of_duplicates = audited(tmp_path, lines)
    assert {key: report[key] for key in ("groups", "images_in_groups", "surplus", "groups_across_splits")} == {
        "groups": 4,
        "images_in_groups": 9,
        "surplus": 5,
        "groups_across_splits": 3,
    }
    assert (report["conflicting_groups"], report["conflicting_images"]) == (2, 4)
    assert report["also_in"] == {
        "Training": {"PublicTest": 1, "PrivateTest": 1},
        "PublicTest": {"Training": 2, "PrivateTest": 1},
        "PrivateTest": {"Training": 1, "PublicTest": 1},
    }
    assert report["test_images_in_train"] == 3
    assert list(table_of_duplicates.columns) == ["id", "group", "label", "class", "split"]
    assert list(table_of_duplicates["group"]) == [0, 1, 0, 0, 1, 2, 2, 3, 3]
    assert "fer2013.csv#7" not in set(table_of_duplicates["id"])
    assert report["counts"]["PublicTest"] == dict.fromkeys(CLASSES, 0) | {"angry": 2, "happy": 1}


def test_blanks(tmp_path: Path) -> None:
    nearly = np.full((48, 48), 90, np.uint8)
    nearly[0, 0] = 120  # a standard deviation of 0.6
    lines = [
        row(0, np.zeros((48, 48), int), "Training"),
        row(0, nearly, "PublicTest"),
        row(0, noise(1) % 3, "PublicTest"),  # 0.8
        row(0, noise(1) % 4, "PublicTest"),  # 1.1
    ]
    report, _ = audited(tmp_path, lines)
    assert report["blanks"] == {
        "Training": {"count": 1, "ids": ["fer2013.csv#0"]},
        "PublicTest": {"count": 2, "ids": ["fer2013.csv#1", "fer2013.csv#2"]},
        "PrivateTest": {"count": 0, "ids": []},
    }


def test_no_twins_and_no_subjects(tmp_path: Path) -> None:
    report, table_of_duplicates = audited(tmp_path, [row(0, noise(1), "Training"), row(0, noise(2), "PublicTest")])
    assert report["groups"] == report["test_images_in_train"] == len(table_of_duplicates) == 0
    assert report["subjects"]["known"] is False


def test_subjects(tmp_path: Path) -> None:
    lines = [row(0, noise(seed), name) for seed, name in enumerate(["Training", "PublicTest", "PrivateTest"])]
    subjects = b"id,subject\nfer2013.csv#0,A\nfer2013.csv#1,A\nfer2013.csv#2,B\n"
    as_zip(tmp_path / "raw.zip", {"fer2013.csv": table(lines), "subjects.csv": subjects})
    obtain("fer2013", str(tmp_path / "raw.zip"), tmp_path / "raw", stand_in=True)
    prepare("fer2013", tmp_path / "raw", tmp_path / "prepared")
    audit("fer2013", tmp_path / "prepared", tmp_path / "audit")
    found = json.loads((tmp_path / "audit/audit.json").read_text())["subjects"]
    assert found["known"] is True
    assert found["overlap"]["PublicTest"] == {"Training": 1, "PrivateTest": 0}


def test_what_is_missing_or_another_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="prepare the data first"):
        audit("fer2013", tmp_path, tmp_path / "audit")
    told = {"dataset": "rafdb", "stand_in": True, "fingerprint": "f", "classes": ["a"]}
    (tmp_path / "prepare.json").write_text(json.dumps(told))
    with pytest.raises(UserError, match="holds rafdb, not fer2013"):
        audit("fer2013", tmp_path, tmp_path / "audit")
    assert listed(tmp_path) == ["prepare.json"]


# --- near duplicates, cameras and people --------------------------------------------------------------------------


def found(folder: Path, dataset: str, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], pd.DataFrame]:
    write_prepared(folder / "prepared", dataset, rows)
    audit(dataset, folder / "prepared", folder / "audit")
    return json.loads((folder / "audit/audit.json").read_text()), pd.read_parquet(folder / "audit/near.parquet")


def others(first: int, count: int = 24) -> list[dict[str, Any]]:
    return [{"pixels": picture(first + number), "label": number % 7} for number in range(count)]


def test_near_duplicates_within_and_across_splits(tmp_path: Path) -> None:
    a, b = picture(1), picture(2)
    rows = [
        {"pixels": a, "label": 0, "split": "Training"},
        {"pixels": a, "label": 0, "split": "Training"},
        {"pixels": jpeg(a, 30), "label": 0, "split": "PublicTest"},
        {"pixels": cropped(a, 2, 2, 2, 2), "label": 3, "split": "PrivateTest"},
        {"pixels": b, "label": 1, "split": "PublicTest"},
        {"pixels": np.ascontiguousarray(b[:, ::-1]), "label": 1, "split": "PublicTest"},
        {"pixels": picture(3), "label": 2, "split": "PrivateTest"},
        {"pixels": picture(3), "label": 2, "split": "PublicTest"},
        *others(10),
    ]
    report, table_of_pairs = found(tmp_path, "fer2013", rows)
    near = report["near"]
    assert (report["groups"], report["images_in_groups"], report["test_images_in_train"]) == (2, 4, 0)
    assert (near["compared"], near["groups"], near["images"]) == (30, 2, 6), "of exact twins the first is compared"
    assert (near["groups_across_splits"], near["conflicting_groups"], near["conflicting_images"]) == (1, 1, 4)
    assert near["views"] == {"as it is": 1, "turned": 0, "cropped": 2, "mirrored": 1}
    assert near["also_in"]["PublicTest"] == {"Training": 1, "PrivateTest": 2}
    assert near["also_in"]["PrivateTest"] == {"Training": 1, "PublicTest": 2}, "exact copies count too"
    assert near["test_images_in_train"] == 2
    assert (near["pairs_of_one_subject"], near["pairs_of_two_subjects"]) == (0, 0)
    assert list(table_of_pairs.columns) == ["id", "other", "near_group", "view", "distance", "correlation"]
    pairs = table_of_pairs.set_index(["id", "other"])
    assert set(pairs.index) == {
        ("image0000", "image0002"),
        ("image0000", "image0003"),
        ("image0002", "image0003"),
        ("image0004", "image0005"),
    }
    assert list(pairs["near_group"]) == [0, 0, 0, 1]
    assert pairs["view"]["image0004", "image0005"] == "mirrored"
    assert pairs["correlation"].between(0.85, 1).all()


def test_an_infrared_image_is_no_copy_of_a_visible_one(tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        seen = picture(number, 224, 3)
        cameras = {"visible": seen, "infrared": jpeg(seen, 60)}
        for modality, pixels in cameras.items():
            rows.append({"pixels": pixels, "label": number % 5, "modality": modality, "pair": f"pair{number}"})
    rows.append({"pixels": brightened(rows[1]["pixels"], 9), "label": 1, "modality": "infrared"})
    rows.append({"pixels": picture(90, 224, 3), "label": 1, "modality": "infrared", "pair": "alone"})
    report, table_of_pairs = found(tmp_path, "viri", rows)
    assert list(table_of_pairs["id"]) == ["image0001"]
    assert list(table_of_pairs["other"]) == ["image0024"]
    assert report["pairs"] == {"complete": 12, "unpaired": {"visible": 0, "infrared": 2}}
    assert {one: sum(counts["all"].values()) for one, counts in report["modalities"].items()} == {
        "visible": 12,
        "infrared": 14,
    }
    assert sum(report["counts"]["all"].values()) == 26
    assert report["notes"] == {"files without a face": 2}


def test_near_duplicates_of_one_person_are_told_apart(tmp_path: Path) -> None:
    a, b = picture(1, 128), picture(2, 128)
    rows = [
        {"pixels": a, "label": 0, "subject": "S1"},
        {"pixels": brightened(a, 8), "label": 3, "subject": "S1"},
        {"pixels": b, "label": 1, "subject": "S1"},
        {"pixels": brightened(b, 8), "label": 1, "subject": "S2"},
        *({"pixels": picture(number, 128), "label": 5, "subject": "S3"} for number in range(10, 34)),
    ]
    report, _ = found(tmp_path, "ckplus", rows)
    near, subjects = report["near"], report["subjects"]
    assert (near["pairs"], near["pairs_of_one_subject"], near["pairs_of_two_subjects"]) == (2, 1, 1)
    assert (near["conflicting_groups"], near["conflicting_groups_of_one_subject"]) == (1, 1)
    assert (subjects["count"], subjects["known"]) == (3, True)
    assert subjects["images_each"] == {"least": 1, "median": 3, "most": 24}
    assert subjects["per_class"]["angry"] == 2
    assert subjects["per_class"]["fear"] == 0
    assert report["pairs"] is None


def test_blank_images_are_nobodys_near_duplicates(tmp_path: Path) -> None:
    rows = [{"pixels": np.full((48, 48, 1), grey, np.uint8), "label": 0} for grey in (0, 1, 255)]
    report, table_of_pairs = found(tmp_path, "fer2013", rows + others(5))
    assert report["blanks"]["Training"]["count"] == 3
    assert report["near"]["compared"] == 24
    assert len(table_of_pairs) == 0


# --- the real archive -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(real_prepared: Path) -> Path:
    """Return raw/, prepared/ and audit/ of the real FER2013, without the long search for near duplicates."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("refer.datasets.audit.near_duplicates", lambda images, rows: near_duplicates(images, rows[:2]))
        audit("fer2013", real_prepared / "prepared", real_prepared / "audit")
    return real_prepared


@pytest.mark.real
def test_the_real_counts(real: Path) -> None:
    """The table of ../shared/data/README.md (whose classes stand in the order of the folders)."""
    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    expected = {
        "Training": [3995, 436, 4097, 7215, 4965, 4830, 3171],
        "PublicTest": [467, 56, 496, 895, 607, 653, 415],
        "PrivateTest": [491, 55, 528, 879, 626, 594, 416],
    }
    index = pd.read_parquet(real / "prepared/index.parquet")
    found = index.groupby(["split", "class"]).size()
    assert {name: [found[name][one] for one in names] for name in expected} == expected
    images = np.load(real / "prepared/images.npy", mmap_mode="r")
    assert (images.shape, images.dtype) == ((35_887, 48, 48, 1), np.uint8)
    assert index["id"].is_unique
    for name in ("Training_52789098.jpg", "Training_8475486.jpg"):
        assert index["id"].str.endswith("/" + name).sum() == 2
    receipt = json.loads((real / "raw/receipt.json").read_text())
    assert receipt["source_sha256"] == "06c436e730fad1c2e83c8dbe19abb09c5722879200692fe9d0729a5e1b24629d"


@pytest.mark.real
def test_the_real_audit(real: Path) -> None:
    report = json.loads((real / "audit/audit.json").read_text())
    found = {key: report[key] for key in ("groups", "images_in_groups", "surplus", "groups_across_splits")}
    found |= {
        "PrivateTest in Training": report["also_in"]["PrivateTest"]["Training"],
        "PublicTest in Training": report["also_in"]["PublicTest"]["Training"],
        "PrivateTest in PublicTest": report["also_in"]["PrivateTest"]["PublicTest"],
        "conflicting": report["conflicting_groups"],
        "blanks": [report["blanks"][name]["count"] for name in ("Training", "PublicTest", "PrivateTest")],
    }
    print(json.dumps(found))
    assert found == {
        "groups": 1516,
        "images_in_groups": 3369,
        "surplus": 1853,
        "groups_across_splits": 557,
        "PrivateTest in Training": 288,
        "PublicTest in Training": 280,
        "PrivateTest in PublicTest": 44,
        "conflicting": 57,
        "blanks": [11, 1, 0],
    }
    assert len(pd.read_parquet(real / "audit/duplicates.parquet")) == 3369


def turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    return np.asarray(squeezed(pixels).rotate(degrees, Image.Resampling.BICUBIC))[..., None]


@pytest.mark.real
def test_changed_real_images_are_found_among_others(real: Path) -> None:
    """Recall of 95 % of each kind at a precision of 99 %: the goal that was set; docs/near-duplicates.md has more."""
    index = pd.read_parquet(real / "prepared/index.parquet")
    images = np.load(real / "prepared/images.npy", mmap_mode="r")
    distinct = index.index[~index["sha256"].duplicated() & (index["split"] == "PrivateTest")].to_numpy()[:1500]
    linked = near_duplicates(images, distinct, above=0.65)
    alone = np.setdiff1d(distinct, [linked.first, linked.second])[:80]
    rng = np.random.default_rng(0)
    sides = rng.uniform(0, 9.6, (len(alone), 2))  # of 48 pixels: 20 %, from anywhere
    kinds = {
        "turned": lambda p, at: turned(p, rng.uniform(-30, 30)),
        "cropped": lambda p, at: cropped(p, *sides[at], *(9.6 - sides[at])),
        "mirrored": lambda p, at: p[:, ::-1],
        "brightened": lambda p, at: brightened(p, rng.uniform(-50, 50)),
        "stretched": lambda p, at: brightened(p, -60, 1.5),
        "compressed": lambda p, at: jpeg(p, 30),
    }
    copies = np.stack([change(images[row], at) for change in kinds.values() for at, row in enumerate(alone)])
    pairs = near_between(images, distinct, copies, range(len(copies)), views=True)
    right = pairs.first == np.tile(alone, len(kinds))[pairs.second]
    recall = dict(
        zip(kinds, np.bincount(pairs.second[right] // len(alone), minlength=len(kinds)) / len(alone), strict=True)
    )
    print(recall, (~right).sum(), "of", len(right))
    assert min(recall.values()) >= 0.95
    assert right.mean() >= 0.99


@pytest.mark.real
def test_the_real_split(real: Path) -> None:
    for protocol in ("published", "audited"):
        rule = {"scheme": Scheme(parts=PARTS), "audited": protocol == "audited", "select": "public"}
        split(real / "prepared", real / "audit", real / protocol, **rule)
    published, checked = (pd.read_parquet(real / protocol) for protocol in ("published", "audited"))
    assert published["kept"].all()
    assert checked.groupby("part")["kept"].sum().to_dict() == {"train": 28_709, "public": 3_309, "private": 3_275}
    pixels = pd.read_parquet(real / "prepared/index.parquet")["sha256"]
    kept = {part: set(pixels[checked["kept"] & (checked["part"] == part)]) for part in PARTS}
    assert not kept["train"] & (kept["public"] | kept["private"])
    assert not kept["public"] & kept["private"]
