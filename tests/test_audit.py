from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_fixtures import PARTS, as_zip, listed, noise, row, table
from refer.datasets.audit import audit
from refer.datasets.fer2013 import CLASSES
from refer.datasets.obtain import obtain
from refer.datasets.prepare import prepare
from refer.datasets.split import split
from refer.errors import UserError


def audited(folder: Path, lines: Iterable[tuple[str, str, str]]) -> tuple[dict[str, Any], pd.DataFrame]:
    as_zip(folder / "raw.zip", {"fer2013.csv": table(lines)})
    obtain("fer2013", str(folder / "raw.zip"), folder / "raw", stand_in=True)
    prepare("fer2013", folder / "raw", folder / "prepared")
    audit("fer2013", folder / "prepared", folder / "audit")
    assert listed(folder / "audit") == ["audit.json", "duplicates.parquet"]
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
    (tmp_path / "prepare.json").write_text('{"dataset": "rafdb"}')
    with pytest.raises(UserError, match="holds rafdb, not fer2013"):
        audit("fer2013", tmp_path, tmp_path / "audit")
    assert listed(tmp_path) == ["prepare.json"]


# --- the real archive -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(real_fer2013: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with raw/, prepared/ and audit/ of the real FER2013."""
    folder = tmp_path_factory.mktemp("real")
    obtain("fer2013", str(real_fer2013), folder / "raw")
    prepare("fer2013", folder / "raw", folder / "prepared")
    audit("fer2013", folder / "prepared", folder / "audit")
    return folder


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


@pytest.mark.real
def test_the_real_split(real: Path) -> None:
    for protocol in ("published", "audited"):
        split(real / "prepared", real / "audit", real / protocol, parts=PARTS, audited=protocol == "audited")
    published, checked = (pd.read_parquet(real / protocol) for protocol in ("published", "audited"))
    assert published["kept"].all()
    assert checked.groupby("part")["kept"].sum().to_dict() == {"train": 28_709, "public": 3_309, "private": 3_275}
    pixels = pd.read_parquet(real / "prepared/index.parquet")["sha256"]
    kept = {part: set(pixels[checked["kept"] & (checked["part"] == part)]) for part in PARTS}
    assert not kept["train"] & (kept["public"] | kept["private"])
    assert not kept["public"] & kept["private"]
