from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from data_fixtures import as_zip, jpeg
from refer.datasets.model import Listing
from refer.datasets.readers.nvie import NVIE
from refer.errors import UserError

ARCHIVES, FOLDERS = NVIE.layouts
OWNERS = [file.name.rpartition(".")[0] for file in NVIE.files]


def archives(numbers: dict[str, range] | None = None) -> list[str]:
    """Return images 0 to 5 of every class, the visible ones of disgust and happy in two archives each."""
    halves = {"1": range(3), "2": range(3, 6)}
    parts = numbers or {name: halves.get(name.rpartition("-")[0][-1], range(6)) for name in OWNERS}
    return [f"{name}/{number}.jpg" for name, its in parts.items() for number in its]


def listing(path: Path, names: list[str]) -> Listing:
    with zipfile.ZipFile(as_zip(path / "files.zip", dict.fromkeys(names, jpeg(0)))) as raw:
        return NVIE.read(raw)


def test_the_parts_of_a_class_belong_together(tmp_path: Path) -> None:
    names = archives()
    assert NVIE.recognise(names) == ARCHIVES
    found = listing(tmp_path, names)
    assert sorted(one.id for one in found.rows) == sorted(names)
    pairs = {one.id: one.pair for one in found.rows}
    assert pairs["NVIE-disgust2-Vis/4.jpg"] == pairs["NVIE-disgust-Ir/4.jpg"] == "disgust/2/4"
    assert pairs["NVIE-happy1-Vis/0.jpg"] == pairs["NVIE-happy-Ir/0.jpg"] == "happy/1/0"
    assert found.notes == {"pairs": 18, "pairs by the names of the files": 18}


def test_a_number_that_both_parts_use_is_paired_with_neither(tmp_path: Path) -> None:
    names = archives({name: range(2) for name in OWNERS})
    found = listing(tmp_path, names)
    assert {one.label for one in found.rows if one.pair} == {1}, "fear alone has one archive a modality"
    assert found.notes["unpaired images whose names fit several others"] == 12


def test_parts_of_both_modalities_are_paired_part_by_part(tmp_path: Path) -> None:
    names = [
        f"NVIE-{name}{part}-{how}/1.jpg"
        for name in ("disgust", "fear", "happy")
        for part in (1, 2)
        for how in ("Vis", "Ir")
    ]
    found = listing(tmp_path, names)
    assert {one.pair for one in found.rows} == {f"{name}/{part}/1" for name in NVIE.classes for part in (1, 2)}


def test_viri_in_the_same_folder_is_left_alone(tmp_path: Path) -> None:
    viri = ["VIRI-Happy-Vis/1.JPG", "VIRI-Happy-Ir/1.JPG", "VIRI/Visible/Happy/1.jpg", "VIRI/IR/Happy/1.jpg"]
    found = listing(tmp_path, [*(f"VIRI-raw-data-main/{name}" for name in archives()), *viri])
    assert sorted(one.id for one in found.rows) == sorted(archives())
    assert sorted(found.unused) == sorted(viri)


def test_class_folders_may_hold_more_classes_than_these(tmp_path: Path) -> None:
    names = [f"USTC-NVIE/{how}/{name}/P1/1.bmp" for how in ("visible", "infrared") for name in NVIE.classes]
    more = ["USTC-NVIE/visible/anger/P1/1.bmp"]
    assert NVIE.recognise(names + more) == FOLDERS
    found = listing(tmp_path, names + more)
    assert {one.pair for one in found.rows} == {f"{name}/p-1/1" for name in NVIE.classes}
    assert found.unused == more


def test_a_missing_modality_is_named() -> None:
    with pytest.raises(UserError, match="NVIE lacks images, infrared of happy"):
        NVIE.recognise([name for name in archives() if "happy-Ir" not in name])


def test_one_part_alone_is_taken_as_the_class(tmp_path: Path) -> None:
    found = listing(tmp_path, [name for name in archives() if "happy2" not in name])
    assert found.notes["infrared images without a visible one"] == 3


def test_no_counts_are_known() -> None:
    assert dict(NVIE.counts) == {}
