"""FER+: the table and the images of its repository, and the rules by which ten votes make a label."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_fixtures import as_zip, noise, png
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.datasets.readers.ferplus import CLASSES, FERPLUS, label, read, recognise
from refer.datasets.standin import ferplus
from refer.errors import UserError

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
VOTES = {
    "six of ten": ((0, 6, 4, 0, 0, 0, 0, 0, 0, 0), ("happiness", "happiness", "happiness")),
    # Barsoum's code sets single votes to 0 first: 5 of 8 are a majority, though 5 of 10 are none.
    "five, and single votes": ((5, 3, 1, 1, 0, 0, 0, 0, 0, 0), ("neutral", "neutral", "neutral")),
    "five against five": ((5, 5, 0, 0, 0, 0, 0, 0, 0, 0), (None, None, "neutral")),
    "four, but most": ((0, 0, 4, 3, 3, 0, 0, 0, 0, 0), (None, "surprise", "surprise")),
    "unknown": ((0, 0, 0, 0, 2, 0, 0, 0, 8, 0), (None, None, "anger")),
    "no face": ((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), (None, None, None)),
    "contempt": ((1, 0, 0, 0, 0, 0, 0, 9, 0, 0), ("contempt", "contempt", "contempt")),
}


def files(lines: list[tuple[str, str, tuple[int, ...]]], missing: tuple[str, ...] = ()) -> dict[str, bytes]:
    text = [HEADER, *(f"{split},{name},{','.join(map(str, votes))}" for split, name, votes in lines)]
    images = {
        f"data/{FOLDERS[split]}/{name}": png(noise(number))
        for number, (split, name, _) in enumerate(lines)
        if name and name not in missing
    }
    return {"fer2013new.csv": ("\n".join(text) + "\n").encode(), "LICENSE.md": b"MIT", **images}


def opened(content: Mapping[str, bytes]) -> zipfile.ZipFile:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, data in content.items():
            packed.writestr(name, data)
    return zipfile.ZipFile(buffer)


@pytest.mark.parametrize("kind", VOTES)
def test_what_votes_say_under_each_rule(kind: str) -> None:
    votes, expected = VOTES[kind]
    found = [label(votes, rule) for rule in ("majority", "plurality", "votes")]
    assert [None if number is None else CLASSES[number] for number in found] == list(expected)


@pytest.mark.parametrize("above", ["", "FERPlus-master/"])
def test_rows_without_a_face_or_a_class_are_left_out_and_counted(above: str) -> None:
    lines = [
        ("Training", "fer0000000.png", VOTES["six of ten"][0]),
        ("Training", "", VOTES["no face"][0]),
        ("Training", "fer0000002.png", VOTES["unknown"][0]),
        ("PublicTest", "fer0000003.png", VOTES["four, but most"][0]),
        ("PrivateTest", "fer0000004.png", VOTES["contempt"][0]),
    ]
    raw = opened({above + name: content for name, content in files(lines).items()})
    for rule, kept, without in (("majority", (0, 4), 2), ("plurality", (0, 3, 4), 1), ("votes", (0, 2, 3, 4), 0)):
        listing = read(raw, rule)
        assert listing.problems == []
        assert [row.id for row in listing.rows] == [lines[number][1] for number in kept]
        assert [row.split for row in listing.rows] == [lines[number][0] for number in kept]
        assert [row.votes for row in listing.rows] == [lines[number][2] for number in kept]
        assert list(listing.notes.values()) == [without]
        assert listing.unused == [above + "LICENSE.md"]


def test_defects_are_named() -> None:
    good = VOTES["six of ten"][0]
    lines = [("Training", f"fer000000{number}.png", good) for number in range(3)]
    content = files(lines, missing=("fer0000001.png",))
    content["data/FER2013Test/fer0000009.png"] = png(noise(9))
    content["fer2013new.csv"] = content["fer2013new.csv"].replace(b"fer0000002.png,0,6", b"fer0000002.png,0,6.5")
    problems = {(problem.kind, Path(problem.id).name) for problem in read(opened(content)).problems}
    assert problems == {("unreadable", "fer0000001.png"), ("labels", "fer0000002.png"), ("labels", "fer0000009.png")}
    content["fer2013new.csv"] = content["fer2013new.csv"].replace(b"contempt", b"scorn")
    with pytest.raises(UserError, match="no column contempt"):
        read(opened(content))


def test_the_table_alone_is_refused_with_what_makes_the_images() -> None:
    with pytest.raises(UserError, match=r"generate_training_data\.py"):
        recognise(["FERPlus/fer2013new.csv", "FERPlus/README.md"])


def test_votes_reach_the_index_and_the_rule_is_named(tmp_path: Path) -> None:
    lines = [(split, f"fer{number:07d}.png", VOTES["four, but most"][0]) for number, split in enumerate(FOLDERS)]
    obtain("ferplus", str(as_zip(tmp_path / "raw.zip", files(lines))), tmp_path / "raw", stand_in=True)
    prepare("ferplus", tmp_path / "raw", tmp_path / "out", labels="plurality", workers=1)
    index = pd.read_parquet(tmp_path / "out/index.parquet")
    assert index["class"].tolist() == ["surprise"] * 3
    assert [list(votes) for votes in index["votes"]] == [[0, 0, 4, 3, 3, 0, 0, 0, 0, 0]] * 3
    assert json.loads((tmp_path / "out/prepare.json").read_text())["labels"] == "plurality"
    with pytest.raises(UserError, match=r"no rule of labels 'mean'; expected majority, plurality, votes"):
        prepare("ferplus", tmp_path / "raw", tmp_path / "bad", labels="mean", workers=1)


def test_the_stand_in_is_read_and_its_taggers_mostly_agree(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        ferplus.draw(tmp_path / name, images={"Training": 60, "PublicTest": 20, "PrivateTest": 20}, subjects=12, seed=3)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as raw:
        assert raw.read("README.txt").startswith(b"drawn stand-in, no real person;")
        assert FERPLUS.recognise(raw.namelist()) == "repository"
        listing = read(raw, "votes")
    assert listing.problems == []
    assert {row.label for row in listing.rows} == set(range(len(CLASSES)))
    votes = np.array([row.votes for row in listing.rows])
    assert (votes.sum(axis=1) == 10).all()
    assert 0.5 < np.mean([row.votes[row.label] for row in listing.rows]) / 10 < 0.9
