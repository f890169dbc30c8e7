"""Tables that a configuration declares: CSV and parquet, of paths and of bytes, as the Hugging Face hub writes them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from data_fixtures import noise, png
from reader_fixtures import read, through, told
from refer.datasets import catalog
from refer.datasets.model import Dataset
from refer.declared import declare
from refer.errors import UserError

FACTS = {"kind": "table", "classes": ["angry", "happy"], "size": 16, "colour": "grey"}
NAMES = ("angry", "happy")


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    catalog.add({})


def own(**facts: Any) -> Dataset:
    declare({"datasets": {"mine": FACTS | facts}})
    return catalog.dataset("mine")


def pictures(*names: str) -> dict[str, bytes]:
    return {name: png(noise(seed, (16, 16))) for seed, name in enumerate(names)}


def table(*lines: str) -> bytes:
    return "\n".join(lines).encode() + b"\n"


def exported(labels: Sequence[int], first: int = 0, named: bool = True, paths: bool = True) -> bytes:
    """Return a parquet file as the hub's `push_to_hub` writes it: image structs, codes, their names in the metadata."""
    image = pa.array([{"bytes": png(noise(first + at, (16, 16))), "path": f"{first + at}.png" if paths else None}
                      for at in range(len(labels))],
                     pa.struct([("bytes", pa.binary()), ("path", pa.string())]))  # fmt: skip
    features = {"image": {"_type": "Image"}, "label": {"names": list(NAMES), "_type": "ClassLabel"}}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()} if named else None
    buffer = io.BytesIO()
    made = pa.table({"image": image, "label": pa.array(labels, pa.int64())}).replace_schema_metadata(metadata)
    parquet.write_table(made, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_names_images_labels_splits_and_people(encoding: str) -> None:
    files = pictures("set/images/a.png", "set/images/b.png", "set/c.png") | {
        "set/labels.csv": table("file;emotion;Usage;who", "images/a.png;Anger;Training;p1",
                                "/home/me/set/images/b.png;happiness;testing;p2", "c.png;happy;train;")
                          .decode().encode(encoding)
    }  # fmt: skip
    known = own(
        splits=["train", "test"],
        columns={"image": "file", "label": "emotion", "split": "Usage", "subject": "who"},
    )
    listing = read(known, files)
    assert [(row.member, row.label, row.split, row.subject) for row in listing.rows] == [
        ("set/images/a.png", 0, "train", "p1"),
        ("set/images/b.png", 1, "test", "p2"),
        ("set/c.png", 1, "train", None),
    ]
    assert known.names_subjects
    assert listing.unused == []


def test_what_a_csv_leaves_unclear_is_a_defect() -> None:
    files = pictures("a.png", "b.png", "c.png") | {
        "t.csv": table("image,label,split", "a.png,angry,train", "b.png,furious,train", "lost.png,angry,train",
                       "c.png,happy,dev", "a.png,happy,train", ",happy,train")
    }  # fmt: skip
    listing = read(own(splits=["train", "test"], columns={"split": "split"}), files)
    assert listing.rows == []
    assert told(listing) == {
        "a.png": "t.csv, row 5 names it, and another row does, too",
        "b.png": "its label 'furious' is none of angry, happy",
        "lost.png": "t.csv names it, but there is no such file",
        "c.png": "its split 'dev' is none of train, training, train_set, trainset, training_set, test, testing, "
        "test_set, testset",
        "t.csv, row 6": "it names none",
    }


def test_the_hubs_export_is_read_as_it_is(tmp_path: Path) -> None:
    own(splits=["train", "test"])
    files = {
        "data/train-00000-of-00002.parquet": exported([0, 1, 1]),
        "data/train-00001-of-00002.parquet": exported([1, 0], first=3),
        "data/test-00000-of-00001.parquet": exported([0, 1], first=5),
    }
    found = through(tmp_path, "mine", files)
    assert {(row.id, row["class"], row.split) for _, row in found.index.iterrows()} == {
        ("0.png", "angry", "train"), ("1.png", "happy", "train"), ("2.png", "happy", "train"),
        ("3.png", "happy", "train"), ("4.png", "angry", "train"), ("5.png", "angry", "test"),
        ("6.png", "happy", "test"),
    }  # fmt: skip
    for number in range(7):
        np.testing.assert_array_equal(found[f"{number}.png"][..., 0], noise(number, (16, 16)))
    assert sorted(path.name for path in tmp_path.rglob("images.zip")) == [], "nothing is left of what was unpacked"


def test_images_without_names_of_their_own_are_called_by_their_rows() -> None:
    listing = read(own(), {"x.parquet": exported([0, 1], paths=False)})
    assert [row.id for row in listing.rows] == ["x.parquet#0", "x.parquet#1"]
    twice = {"a.parquet": exported([0, 1]), "b.parquet": exported([1, 0])}
    assert [row.id for row in read(own(), twice).rows] == ["a.parquet#0", "a.parquet#1", "b.parquet#0", "b.parquet#1"]


def test_codes_that_nobody_explains_are_not_guessed() -> None:
    listing = read(own(), {"x.parquet": exported([0, 1], named=False)})
    assert listing.rows == []
    assert told(listing)["0.png"] == "its label '0' is none of angry, happy"
    stated = read(own(classes={"angry": 1, "happy": 0}), {"x.parquet": exported([0, 1], named=False)})
    assert [row.label for row in stated.rows] == [1, 0]


def test_the_hubs_names_go_before_the_order_of_the_classes() -> None:
    listing = read(own(classes=["happy", "angry"]), {"x.parquet": exported([0, 1])})
    assert [row.label for row in listing.rows] == [1, 0]


def test_a_parquet_of_paths_and_pandas_floats() -> None:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"path": ["a.png", "b.png", "c.png"], "y": [3.0, 4.0, None]}), buffer)
    known = own(classes={"angry": 3, "happy": 4}, columns={"image": "path", "label": "y"})
    listing = read(known, pictures("a.png", "b.png", "c.png") | {"t.parquet": buffer.getvalue()})
    assert [(row.member, row.label) for row in listing.rows] == [("a.png", 0), ("b.png", 1)]
    assert told(listing) == {"c.png": "its label '' is none of angry, happy, 3, 4"}


def test_two_cameras_in_a_table() -> None:
    lines = [
        "image,label,camera,shot",
        "a.png,angry,RGB,1",
        "b.png,angry,IR,1",
        "c.png,happy,RGB,2",
        "d.png,happy,NIR,2",
    ]
    facts = {
        "modalities": {"visible": "rgb", "infrared": "ir"},
        "columns": {"modality": "camera", "pair": "shot"},
    }
    listing = read(own(**facts), pictures("a.png", "b.png", "c.png", "d.png") | {"t.csv": table(*lines)})
    assert [(row.id, row.modality, row.pair) for row in listing.rows] == [
        ("a.png", "visible", "all/angry/1"), ("b.png", "infrared", "all/angry/1"), ("c.png", "visible", "all/happy/2"),
    ]  # fmt: skip
    assert told(listing) == {"d.png": "its modality 'NIR' is of no camera"}
    assert listing.notes == {"pairs": 1, "visible images without a partner": 1}


@pytest.mark.parametrize(
    ("facts", "files", "words"),
    [
        ({}, {"a.png": b""}, ["looked for a table", "found a.png"]),
        ({}, {"t.csv": b"path,emotion\n"}, ["t.csv has no column image, label; it has path, emotion"]),
        ({"tables": ["x*.csv"]}, {"t.csv": b"image,label\n"}, ["looked for a table (x*.csv)"]),
        ({}, {"t.csv": b"\xffi"}, ["t.csv is no text in UTF-8 or UTF-16"]),
        ({}, {"t.parquet": b"PAR1 and no more"}, ["t.parquet is no whole parquet file"]),
        ({"splits": ["train", "test"]}, {"t.csv": b"image,label\na.png,angry\n"}, ["the name of t.csv says no split"]),
        ({}, {"t.parquet": "images as numbers"}, ["the column of images holds"]),
    ],
)
def test_a_table_that_will_not_do_is_refused_in_a_line(facts: dict, files: dict, words: list[str]) -> None:
    if files.get("t.parquet") == "images as numbers":
        buffer = io.BytesIO()
        parquet.write_table(pa.table({"image": [[1, 2], [3, 4]], "label": ["angry", "happy"]}), buffer)
        files = {"t.parquet": buffer.getvalue()}
    known = own(**facts)
    with pytest.raises(UserError) as caught:
        read(known, files)
    assert all(word in str(caught.value) for word in words), caught.value
    assert len(str(caught.value).splitlines()) == 1
