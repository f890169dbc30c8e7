"""Links between data sets: the images of one in another, and what the labels of linked images say of each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from statsmodels.stats.proportion import proportion_confint

from data_fixtures import as_zip, png, row, table
from prepared_fixtures import cropped, jpeg, picture
from refer.datasets.links import link
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.errors import UserError
from refer.evaluation.label_agreement import agree, agreement
from refer.plan import load_plan

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
FOLDERS = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}
HAPPY, SAD, NEUTRAL, FEAR = 3, 4, 6, 2  # FER2013's codes
AS_HAPPY = (0, 10, 0, 0, 0, 0, 0, 0, 0, 0)


def as_fer2013(folder: Path, lines: list[tuple[int, np.ndarray, str]]) -> Path:
    content = {"fer2013.csv": table(row(code, pixels, split) for code, pixels, split in lines)}
    obtain("fer2013", str(as_zip(folder / "one.zip", content)), folder / "raw1", stand_in=True)
    prepare("fer2013", folder / "raw1", folder / "one", workers=1)
    return folder / "one"


def as_ferplus(folder: Path, lines: list[tuple[tuple[int, ...], np.ndarray, str]]) -> Path:
    text, content = [HEADER], {}
    for number, (votes, pixels, split) in enumerate(lines):
        name = f"fer{number:07d}.png"
        text.append(f"{split},{name},{','.join(map(str, votes))}")
        content[f"data/{FOLDERS[split]}/{name}"] = png(pixels[..., 0])
    content["fer2013new.csv"] = "\n".join(text).encode()
    obtain("ferplus", str(as_zip(folder / "two.zip", content)), folder / "raw2", stand_in=True)
    prepare("ferplus", folder / "raw2", folder / "two", labels="votes", workers=1)
    return folder / "two"


def equalised(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(ImageOps.equalize(Image.fromarray(pixels[..., 0])))[..., None]


def test_images_are_found_through_contrast_and_compression_and_have_one_partner(tmp_path: Path) -> None:
    a, b, c, d, twin = (picture(seed) for seed in range(5))
    one = as_fer2013(
        tmp_path,
        [
            (HAPPY, jpeg(equalised(a), 75), "Training"),
            (SAD, equalised(b), "Training"),
            (FEAR, c, "PublicTest"),  # nowhere in the other set
            (NEUTRAL, equalised(twin), "Training"),
            (NEUTRAL, equalised(twin), "PrivateTest"),
        ],
    )
    two = as_ferplus(
        tmp_path,
        [
            (AS_HAPPY, twin, "PrivateTest"),
            (AS_HAPPY, b, "PublicTest"),
            (AS_HAPPY, a, "Training"),
            (AS_HAPPY, cropped(d, 3, 3, 3, 3), "Training"),
            (AS_HAPPY, twin, "Training"),
        ],
    )
    link(("fer2013", "ferplus"), (one, two), tmp_path / "links.parquet", tmp_path / "links.json")
    found = pd.read_parquet(tmp_path / "links.parquet").set_index("id")
    assert found["other"].to_dict() == {
        "fer2013.csv#0": "fer0000002.png",
        "fer2013.csv#1": "fer0000001.png",
        "fer2013.csv#3": "fer0000004.png",
        "fer2013.csv#4": "fer0000000.png",
    }, "of twins each goes with that of its split"
    assert found["class"].tolist() == ["happy", "sad", "neutral", "neutral"]
    assert set(found["other_class"]) == {"happiness"}
    assert found["correlation"].between(0.8, 1).all()
    told = json.loads((tmp_path / "links.json").read_text())
    assert (told["images"], told["linked"], told["stand_in"]) == ([5, 5], 4, [True, True])
    assert told["images_of_split"] == {"Training": 3, "PublicTest": 1, "PrivateTest": 1}
    agree(tmp_path / "links.parquet", tmp_path / "links.json", tmp_path / "agreement.csv")
    rates = pd.read_csv(tmp_path / "agreement.csv").set_index(["split", "class", "quantity"])["rate"]
    assert rates["Training", "all", "plurality"] == pytest.approx(1 / 3)
    assert rates["PrivateTest", "neutral", "one tagger"] == 0


def test_sets_without_a_common_image_are_refused(tmp_path: Path) -> None:
    one = as_fer2013(tmp_path, [(HAPPY, picture(1), "Training"), (SAD, picture(2), "Training")])
    two = as_ferplus(tmp_path, [(AS_HAPPY, picture(3), "Training"), (AS_HAPPY, picture(4), "Training")])
    with pytest.raises(UserError, match="No image of fer2013 stands in ferplus"):
        link(("fer2013", "ferplus"), (one, two), tmp_path / "links.parquet", tmp_path / "links.json")


def linked(votes: dict[str, list[list[int]]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"split": "test", "class": name, "other_class": "", "votes": each}
            for name, all in votes.items()
            for each in all
        ]
    )


def test_rates_are_those_counted_by_hand() -> None:
    others = ["neutral", "happiness", "sadness"]
    links = linked(
        {
            # neutral, happiness, sadness, unknown
            "happy": [[0, 10, 0, 0], [5, 5, 0, 0], [4, 3, 0, 3], [6, 4, 0, 0]],
            "sad": [[0, 0, 4, 6], [3, 1, 6, 0]],
        }
    )
    found = agreement(links, ["happy", "sad"], others).set_index(["split", "class", "quantity"])
    happy, sad, both = (found.loc[("test", name)] for name in ("happy", "sad", "all"))
    # Of the four: yes; a tie of two, half; no; no.
    assert happy.loc["plurality", ["n", "rate"]].tolist() == [4, 1.5 / 4]
    # More than 5 of 10 for a class: the first (right) and the last (wrong).
    assert happy.loc["majority", ["n", "rate"]].tolist() == [2, 0.5]
    assert happy.loc["one tagger", "rate"] == pytest.approx((10 + 5 + 3 + 4) / 40)
    # "Unknown" is no class: sadness has most votes of the first, though it decides nothing.
    assert sad.loc["plurality", ["n", "rate"]].tolist() == [2, 1.0]
    assert sad.loc["majority", ["n", "rate"]].tolist() == [1, 1.0]
    assert both.loc["plurality", ["n", "rate"]].tolist() == [6, pytest.approx(3.5 / 6)]
    low, high = proportion_confint(22 / 10, 4, method="wilson")
    assert happy.loc["one tagger", ["low", "high"]].tolist() == pytest.approx([low, high])


def test_a_class_that_the_other_set_lacks_and_one_without_images() -> None:
    found = agreement(linked({"scorn": [[1, 0, 9, 0]]}), ["scorn", "happy"], ["neutral", "happiness", "sadness"])
    rates = found.set_index(["class", "quantity"])
    assert rates.loc[("scorn", "plurality"), "rate"] == 0
    assert rates.loc[("happy", "plurality"), "n"] == 0
    assert np.isnan(rates.loc[("happy", "plurality"), "rate"])


def test_without_votes_classes_are_compared() -> None:
    links = pd.DataFrame(
        {"split": ["t", "t"], "class": ["happy", "sad"], "other_class": ["happiness", "anger"], "correlation": [1, 1]}
    )
    found = agreement(links, ["happy"], ["happiness", "anger"]).set_index(["class", "quantity"])["rate"]
    assert (found["all", "label"], found["happy", "label"]) == (0.5, 1)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"audit": {"between": ["fer2013", "ferpluss"]}}, "Did you mean 'ferplus'"),
        ({"audit": {"between": ["fer2013"]}}, "expected two or more"),
        ({"labels": {"ferplus": "mean"}}, "majority, plurality, votes"),
        ({"labels": {"fer2013": "majority"}}, "Known: none"),
    ],
)
def test_wrong_keys_are_refused_when_the_configuration_is_read(keys: dict, told: str) -> None:
    config = {
        "preset": "x",
        "title": "x",
        "reproduce": {"tran2023": {"data": []}},
        "data": ["ferplus"],
        "ferplus": "here",
        "fer2013": "there",
    }
    with pytest.raises(UserError, match=told):
        load_plan(config | keys, "here.yaml")


def test_linked_data_sets_are_prepared_and_named_in_order() -> None:
    config = {
        "preset": "x",
        "title": "x",
        "reproduce": {"tran2023": {"data": []}},
        "data": ["ferplus"],
        "ferplus": "here",
        "fer2013": "there",
    }
    plan = load_plan(config | {"audit": {"between": ["ferplus", "fer2013"]}}, "here.yaml")
    assert plan.datasets() == ["ferplus", "fer2013"]
    assert plan.linked() == [("ferplus", "fer2013")]
