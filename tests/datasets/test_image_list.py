"""The list of a data set's images: what it says of each follows from the prepared data and their split."""

from __future__ import annotations

import hashlib
import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from prepared_fixtures import picture, write_prepared
from refer.cli import main
from refer.datasets.audit import audit
from refer.datasets.image_list import _rows, read_image_list, twins_of, write_image_list
from refer.datasets.split import split
from refer.datasets.split_assignment import Images
from refer.datasets.splitting import Scheme
from refer.errors import UserError
from refer.files import read_json, write_json
from refer.reporting.tables.label_notes import label_notes

PARTS = {"train": "Training", "public": "PublicTest", "private": "PrivateTest"}
IMAGES = [  # seed of the pixels, split; 1 stands in training and in the test set, 3 in validation and in the test set
    (1, "Training"), (2, "Training"), (3, "PublicTest"), (4, "PublicTest"),
    (1, "PrivateTest"), (3, "PrivateTest"), (5, "PrivateTest"), (6, "PrivateTest"), (7, "PrivateTest"),
]  # fmt: skip


def place(number: int) -> str:
    return f"fer2013.csv#{10 + number}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Prepared, audited and split images that were drawn."""
    rows = [{"id": place(k), "pixels": picture(seed), "label": k % 7, "split": name}
            for k, (seed, name) in enumerate(IMAGES)]  # fmt: skip
    write_prepared(tmp_path / "prepared", "fer2013", rows)
    audit("fer2013", tmp_path / "prepared", tmp_path / "audit")
    scheme = Scheme(parts=PARTS)
    out = tmp_path / "splits/khalid2025.audited.parquet"
    split(tmp_path / "prepared", tmp_path / "audit", out, scheme=scheme, audited=True, near=True, select="public")
    return tmp_path


def listing(data: Path, test: str = "private", rows: Path | None = None) -> Path:
    out = data / "images.parquet"
    write_image_list(data / "prepared", data / "audit", data / "splits/khalid2025.audited.parquet", out, test, rows)
    return out


def test_each_image_has_its_name_row_pixels_label_and_whether_it_counts(data: Path) -> None:
    found = pd.read_parquet(listing(data))
    assert list(found["id"]) == [place(k) for k in range(len(IMAGES))]
    assert list(found["row"]) == [10 + k for k in range(len(IMAGES))]
    assert list(found["sha256"]) == [hashlib.sha256(picture(seed).tobytes()).hexdigest() for seed, _ in IMAGES]
    assert list(found["label"]) == [k % 7 for k in range(len(IMAGES))]
    assert list(found["split"]) == [name for _, name in IMAGES]
    assert list(found["kept"]) == [True] * 4 + [False, False, True, True, True]
    assert list(found["reason"][4:6]) == ["same image in train", "same image in public"]
    assert [list(each) for each in found["twins"]] == [[]] * 4 + [[0]] + [[]] * 4  # of the first image


def test_twins_are_found_through_groups_of_any_size_and_each_label_once() -> None:
    parts = ["train", "train", "train", "public", "private", "private", None, "private"]
    near = [1, 1, 2, 1, 2, 3, 1, 1]
    columns = {name: [""] * 8 for name in Images._fields} | {"near": near, "label": [4, 0, 5, 1, 1, 1, 1, 0]}
    assert twins_of(parts, Images(**columns), ["train"]) == [[], [], [], [0, 4], [5], [], [], [0, 4]]
    assert twins_of(parts, Images(**columns), ["train", "public"])[3:5] == [[], [5]]


def test_it_is_read_as_it_was_written(data: Path) -> None:
    found = read_image_list(listing(data))
    assert found.test_split == "PrivateTest"
    assert found.tested.tolist() == [name == "PrivateTest" for _, name in IMAGES]
    assert (found.about["paper"], found.about["protocol"], found.about["near"]) == ("khalid2025", "audited", True)
    assert found.about["data_fingerprint"] == read_json(data / "prepared/prepare.json")["fingerprint"]
    assert found.classes == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


def test_rows_that_ids_do_not_tell_come_from_a_table(data: Path, tmp_path: Path) -> None:
    index = pd.read_parquet(data / "prepared/index.parquet")
    assert len(index) == len(IMAGES)
    table = tmp_path / "rows.csv"
    table.write_text("id,row\nother,3\n", encoding="utf-8")
    assert read_image_list(listing(data, rows=table)).row.tolist() == [10 + k for k in range(len(IMAGES))]
    table.write_text("name,row\nother,3\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"rows\.csv: .*columns id and row"):
        listing(data, rows=table)


def test_the_split_of_other_data_is_refused(data: Path) -> None:
    about = read_json(data / "prepared/prepare.json")
    split_file = data / "splits/khalid2025.audited.parquet"
    rows = [{"id": place(k), "pixels": picture(90 + k), "label": 0} for k in range(3)]
    write_prepared(data / "others", "fer2013", rows)
    with pytest.raises(UserError, match="split of other data"):
        write_image_list(data / "others", data / "audit", split_file, data / "out.parquet", "private")
    with pytest.raises(UserError, match="no part 'test'; expected one of private, public, train"):
        listing(data, "test")
    write_json(data / "prepared/prepare.json", about | {"fingerprint": "0" * 64})
    with pytest.raises(UserError):
        listing(data)
    assert not (data / "images.parquet").exists()


def test_in_folds_an_image_has_the_part_in_which_it_is_tested(tmp_path: Path) -> None:
    rows = [{"pixels": picture(k), "label": k % 6, "split": "all", "subject": f"s{k % 4}"} for k in range(12)]
    known = write_prepared(tmp_path / "prepared", "ckplus", [{**row, "split": split_of()} for row in rows])
    audit("ckplus", known, tmp_path / "audit")
    out = tmp_path / "splits/naseem2025.audited.parquet"
    split(known, tmp_path / "audit", out, scheme=Scheme(folds=4, validation="validation"), audited=True,
          select="validation")  # fmt: skip
    assert len(pd.read_parquet(out)) == 4 * 12
    write_image_list(known, tmp_path / "audit", out, tmp_path / "images.parquet", "test")
    found = read_image_list(tmp_path / "images.parquet")
    assert len(found.id) == 12
    assert found.tested.all()
    assert np.array_equal(found.row, np.full(12, -1))
    (tmp_path / "rows.csv").write_text("id,row\nimage0003,70\n", encoding="utf-8")
    write_image_list(known, tmp_path / "audit", out, tmp_path / "images.parquet", "test", tmp_path / "rows.csv")
    assert read_image_list(tmp_path / "images.parquet").row.tolist() == [-1, -1, -1, 70, *[-1] * 8]


def test_rows_come_from_links_to_ferplus_by_the_rows_of_its_table(tmp_path: Path) -> None:
    links, names = tmp_path / "fer2013.in.ferplus.parquet", tmp_path / "fer2013new.csv"
    # Row 1 is no face and has no name, so that the names' numbers are one behind; fer3 stands there twice.
    lines = ["Usage,Image name", "Training,fer0.png", "Training,", "Training,fer1.png", "Training,fer3.png",
             "PrivateTest,fer3.png", "PrivateTest,fer4.png"]  # fmt: skip
    names.write_text("\n".join(lines), encoding="utf-8")
    told = {"id": ["a.jpg", "c.jpg", "d.jpg", "e.jpg"], "other": ["fer1.png", "fer4.png", "fer3.png", "fer9.png"]}
    pd.DataFrame(told).to_parquet(links)
    assert _rows(["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "fer2013.csv#9"], links, names) == [
        2,
        None,
        5,
        None,
        None,
        9,
    ]
    with pytest.raises(UserError, match=r"names are no rows; give its fer2013new\.csv: --names"):
        _rows(["a.jpg"], links)
    pd.DataFrame(told | {"other": ["fer1.png", "fer1.png", "fer4.png", "fer9.png"]}).to_parquet(links)
    with pytest.raises(UserError, match="an id or a row stands there twice"):
        _rows(["a.jpg"], links, names)


@pytest.mark.real
def test_the_released_rows_are_those_of_ferplus_and_its_taggers_agree_as_was_measured(root: Path) -> None:
    """By the rows alone, without the links: FER2013's labels beside FER+'s votes, and both owners' splits."""
    listed = read_image_list(root / "results/fer2013/data/fer2013/images.parquet")
    with tarfile.open(root.parent / "shared/data/ferplus.tar.xz") as archive:
        table = pd.read_csv(archive.extractfile("fer2013new.csv"))
    known = listed.row >= 0
    assert known.sum() > 35_600
    assert (table["Usage"].to_numpy()[listed.row[known]] == listed.split[known]).mean() > 0.9999
    chosen = known & listed.tested
    votes = table.iloc[listed.row[chosen]][["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]]
    classes = table.iloc[listed.row[chosen]].iloc[:, 2:10].to_numpy(float)
    own = votes.to_numpy(float)[np.arange(chosen.sum()), listed.label[chosen]]
    most, tagger = classes.max(axis=1), own / table.iloc[listed.row[chosen]].iloc[:, 2:].sum(axis=1).to_numpy()
    shared = np.where((own == most) & (own > 0), 1 / (classes == most[:, None]).sum(axis=1), 0)
    decided = 2 * most > table.iloc[listed.row[chosen]].iloc[:, 2:].sum(axis=1).to_numpy()
    measured = pd.read_csv(root / "src/refer/datasets/agreement/fer2013.csv").query("split == 'PrivateTest'")
    told = measured[measured["class"] == "all"].set_index("quantity")
    assert abs(chosen.sum() - told["n"]["plurality"]) < 5
    assert abs(decided.sum() - told["n"]["majority"]) < 5
    assert shared.mean() == pytest.approx(told["rate"]["plurality"], abs=0.001)
    assert tagger.mean() == pytest.approx(told["rate"]["one tagger"], abs=0.001)
    assert ((own == most) & (own > 0))[decided].mean() == pytest.approx(told["rate"]["majority"], abs=0.001)


def split_of() -> str:
    from refer.datasets import catalog

    return catalog.dataset("ckplus").splits[0]


def test_the_command_says_what_it_wrote(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = data / "results/images.parquet"
    words = ["images", "--prepared", str(data / "prepared"), "--audit", str(data / "audit"), "--split",
             str(data / "splits/khalid2025.audited.parquet"), "--test", "private", "--out", str(out)]  # fmt: skip
    assert main(words) == 0
    assert "9 images of fer2013, 5 of them in the test set (PrivateTest), 3 of these duplicate-free; 9 rows known" in (
        capsys.readouterr().out
    )


def test_the_page_and_the_tables_say_of_fer2013s_labels_what_was_measured(root: Path) -> None:
    measured = pd.read_csv(root / "src/refer/datasets/agreement/fer2013.csv").set_index(["split", "class", "quantity"])
    page = (root / "docs/data.md").read_text(encoding="utf-8")
    rows = [
        line
        for line in page.splitlines()
        if re.match(r"\| (all|angry|disgust|fear|happy|sad|surprise|neutral|\w+, all) \|", line)
    ]
    assert len(rows) == 10
    for line in rows:
        name, *told = (cell.strip() for cell in line.strip("|").split("|"))
        split, name = name.split(", ") if ", " in name else ("PrivateTest", name)
        for quantity, n, rate in (("plurality", 0, 1), ("one tagger", 0, 2), ("majority", 3, 4)):
            found = measured.loc[split, name, quantity]
            value, low, high = (f"{100 * found[key]:.1f}" for key in ("rate", "low", "high"))
            assert (told[n], told[rate]) == (f"{int(found['n']):,}", f"{value} ({low} to {high})")
    (said,) = label_notes("fer2013", ["PrivateTest", "elsewhere"])
    assert said.startswith(
        "Labels of FER2013, PrivateTest: for 63.2 % of 3,570 images (61.6 to 64.7) they are what most"
    )
    assert "for 55.8 % what one of them says; where more than half of them agree, for 72.0 % of 2,726" in said
    assert label_notes("rafdb", ["test"]) == []
