"""Contact sheets of drawn stand-ins: whom they show, and whom never."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from refer.errors import UserError
from refer.reporting.figures.sheets import MOST_BYTES, choose, contact_sheet, write_sheet

CLASSES = ["angry", "happy", "sad"]

Pixels = NDArray[np.uint8]


def noise(seed: int, size: int = 32, channels: int = 3) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (size, size, channels), np.uint8)


def table(rows: list[dict]) -> pd.DataFrame:
    """Return an index with a row for each of `rows`, and what they do not say."""
    given = {"subject": None, "modality": "visible", "pair": None, "level": None}
    return pd.DataFrame(
        [
            given | {"id": f"{k}.jpg", "sha256": f"{k}", "class": CLASSES[row["label"]]} | row
            for k, row in enumerate(rows)
        ]
    )


def faces_of(people: int, modalities: tuple[str, ...] = ("visible",)) -> list[dict]:
    return [
        {"label": label, "subject": f"p{who}", "modality": modality, "pair": f"{label}/{who}"}
        for label in range(3)
        for who in range(people)
        for modality in modalities
    ]


def prepared(folder: Path, rows: list[dict], images: Pixels, stand_in: object = True) -> Path:
    folder.mkdir()
    table(rows).to_parquet(folder / "index.parquet")
    np.save(folder / "images.npy", images)
    about = {"dataset": "viri", "stand_in": stand_in, "classes": CLASSES, "fingerprint": "0" * 64}
    (folder / "prepare.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def stack(number: int, **size: int) -> Pixels:
    return np.stack([noise(seed, **size) for seed in range(number)])


def people(chosen: list[list[tuple[int, ...]]], rows: list[dict]) -> list[list[str]]:
    return [[rows[moment[0]]["subject"] for moment in row] for row in chosen]


def test_a_column_is_one_person() -> None:
    rows = faces_of(10)
    chosen = choose("viri", CLASSES, table(rows), stack(len(rows)))
    assert len(chosen) == 3
    shown = people(chosen, rows)
    assert shown[0] == shown[1] == shown[2]
    assert len(set(shown[0])) == 8
    assert [[rows[k]["label"] for (k,) in row] for row in chosen] == [[label] * 8 for label in range(3)]


def test_pictures_of_one_moment_stand_together() -> None:
    rows = faces_of(6, ("infrared", "visible"))
    lonely = {"label": 0, "subject": "a", "modality": "visible", "pair": None}
    chosen = choose("viri", CLASSES, table([lonely, *rows]), stack(len(rows) + 1))
    assert [len(row) for row in chosen] == [5, 5, 5]
    for photo, thermogram in np.array(chosen).reshape(-1, 2) - 1:
        assert rows[photo]["pair"] == rows[thermogram]["pair"]
        assert (rows[photo]["modality"], rows[thermogram]["modality"]) == ("visible", "infrared")


def test_who_shows_most_classes_stands_first_and_who_lacks_one_is_passed_over() -> None:
    rows = [row for row in faces_of(8) if (row["label"], row["subject"]) != (1, "p2")]
    rows += [{"label": 1, "subject": "q"}]
    shown = people(choose("viri", CLASSES, table(rows), stack(len(rows))), rows)
    all_classes = [f"p{k}" for k in range(8) if k != 2]
    assert shown == [[*all_classes, "p2"], [*all_classes, "q"], [*all_classes, "p2"]]


def test_nobody_is_shown_twice_in_a_row_where_people_are_known() -> None:
    rows = [{"label": label, "subject": f"p{who}"} for label, them in enumerate(("0012", "2", "0")) for who in them]
    chosen = choose("ckplus", CLASSES, table(rows), stack(len(rows)))
    assert [len(row) for row in chosen] == [3, 1, 1]
    assert [len(set(row)) for row in people(chosen, rows)] == [3, 1, 1]


def test_duplicates_and_blank_images_are_passed_over() -> None:
    rows = [{"label": label, "subject": None} for label in (0, 0, 0, 1, 2)]
    images = stack(5)
    images[0] = 7
    index = table(rows)
    index.loc[2, "sha256"] = index.loc[1, "sha256"]
    assert choose("rafdb", CLASSES, index, images) == [[(1,)], [(3,)], [(4,)]]


@pytest.mark.parametrize(("dataset", "best"), [("bu3dfe", 4), ("ckplus", 1)])
def test_the_strongest_expression_is_shown(dataset: str, best: int) -> None:
    rows = [{"label": 1, "subject": "p", "level": level} for level in (2, 4, 1, 3)]
    _, ((moment,),), _ = choose(dataset, CLASSES, table(rows), stack(4))
    assert rows[moment]["level"] == best


def test_a_sheet_has_a_row_a_class_and_is_grey_where_all_is() -> None:
    cells = [[[noise(4 * row + column, channels=1)] for column in range(4)] for row in range(2)]
    drawn = contact_sheet(cells, rows=["angry", "happy"], title="Drawn", side=40)
    assert drawn.mode == "L"
    assert drawn.height >= 2 * 40
    busy = (np.asarray(drawn)[:, -60:-20] < 128).mean(axis=1) > 0.2
    assert busy.sum() == 80, "two rows of pictures"
    coloured = contact_sheet([[[noise(1)], []], [[noise(2), noise(3)], []]], rows=["a", "b"], title="Drawn", side=40)
    assert coloured.mode == "RGB"


def test_the_file_says_that_it_is_drawn_and_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refer.reporting.figures.sheets.SIDES", (104, 64))
    rows = faces_of(5, ("visible", "infrared"))
    folder = prepared(tmp_path / "data", rows, stack(len(rows), size=64))
    for name in ("one.png", "again.png"):
        write_sheet(folder, tmp_path / name)
    content = (tmp_path / "one.png").read_bytes()
    assert content == (tmp_path / "again.png").read_bytes()
    assert len(content) <= MOST_BYTES, "even of noise"
    with Image.open(tmp_path / "one.png") as sheet:
        title = np.asarray(sheet.convert("L"))[12:36]
    assert (title < 60).sum() > 300, "a line of text stands above"


@pytest.mark.parametrize("stand_in", [False, None, "true"])
def test_real_people_are_never_shown(stand_in: object, tmp_path: Path) -> None:
    folder = prepared(tmp_path / "data", faces_of(2), stack(6), stand_in)
    with pytest.raises(UserError, match=r"holds no drawn stand-in but VIRI itself|prepare\.json: stand_in: "):
        write_sheet(folder, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_a_folder_without_prepared_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no prepare\.json"):
        write_sheet(tmp_path, tmp_path / "out.png")
