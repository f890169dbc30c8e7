"""Files of predictions that any program made: what is taken, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from own_fixtures import answers, hash_of, write_list
from refer.datasets.image_list import ImageList, read_image_list
from refer.errors import UserError
from refer.evaluation.own import Own, match, read_table
from refer.evaluation.predictions import read_predictions
from report_fixtures import CLASSES, write_run

IDS = [f"test/angry/{'PublicTest' if k < 6 else 'PrivateTest'}_{k}.jpg" for k in range(18)]
TESTED = IDS[6:]


@pytest.fixture
def prediction(tmp_path: Path) -> Path:
    """Predictions of 6 PublicTest and 12 PrivateTest images, of which two are not duplicate-free."""
    rng = np.random.default_rng(3)
    write_run(
        tmp_path / "made", data="fer2013", protocol="audited", method="full", seed=0, ids=IDS,
        part=np.array(["public"] * 6 + ["private"] * 12), kept=np.arange(18) % 7 != 6,
        label=rng.integers(0, 7, 18), logits=rng.normal(size=(18, 7)), classes=CLASSES, epochs=3, rng=rng,
    )  # fmt: skip
    return tmp_path / "made/runs/khalid2025/fer2013/audited/full/seed0/predictions.parquet"


@pytest.fixture
def listed(prediction: Path) -> ImageList:
    return read_image_list(write_list(prediction.parents[6], prediction, rows=True))


def classes_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the most probable class in place of the probabilities."""
    top = frame[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)
    return pd.DataFrame({"image": frame["image"], "class": [CLASSES[k] for k in top]})


def taken(frame: pd.DataFrame, listed: ImageList, partial: bool = False, **renamed: str) -> Own:
    """Write a frame as CSV and match it."""
    path = listed.path.with_name("mine.csv")
    frame.to_csv(path, index=False)
    return match(read_table(path, listed.classes, renamed), listed, partial)


def refused(frame: pd.DataFrame, listed: ImageList, partial: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        taken(frame, listed, partial)
    return str(caught.value)


def same(own: Own, prediction: Path) -> bool:
    run = read_predictions(prediction)
    mine = run.part == "private"
    return (
        sorted(own.ids.tolist()) == sorted(run.ids[mine].tolist())
        and dict(zip(own.ids.tolist(), own.predicted.tolist(), strict=True))
        == dict(zip(run.ids[mine].tolist(), run.predicted[mine].tolist(), strict=True))
        and dict(zip(own.ids.tolist(), own.kept.tolist(), strict=True))
        == dict(zip(run.ids[mine].tolist(), run.kept[mine].tolist(), strict=True))
    )


@pytest.mark.parametrize("kind", ["probabilities", "plain names", "class", "number", "parquet", "shuffled"])
def test_however_a_file_says_it_the_answers_are_the_same(kind: str, prediction: Path, listed: ImageList) -> None:
    frame = answers(prediction)
    if kind == "plain names":
        frame.columns = [name.removeprefix("p_") for name in frame]
    if kind in ("class", "number"):
        frame = classes_of(frame)
    if kind == "number":
        frame["class"] = [CLASSES.index(name) for name in frame["class"]]
    if kind == "shuffled":
        frame = frame.sample(frac=1, random_state=1)
    if kind == "parquet":
        path = listed.path.with_name("mine.parquet")
        frame.to_parquet(path)
        own = match(read_table(path, listed.classes), listed)
    else:
        own = taken(frame, listed)
    assert same(own, prediction)
    assert (own.probabilities is None) == (kind in ("class", "number"))


@pytest.mark.parametrize("kind", ["longer", "shorter", "windows", "row", "sha256"])
def test_an_image_is_known_by_each_of_its_names(kind: str, prediction: Path, listed: ImageList) -> None:
    frame = answers(prediction)
    rows = dict(zip(listed.id.tolist(), listed.row.tolist(), strict=True))
    named = {
        "longer": lambda name: f"/data/fer/{name}",
        "shorter": lambda name: name.rpartition("/")[2],
        "windows": lambda name: f"D:\\fer\\{name}".replace("/", "\\"),
        "row": lambda name: rows[name],
        "sha256": lambda name: hash_of(name).upper(),
    }[kind]
    frame["image"] = [named(name) for name in frame["image"]]
    assert same(taken(frame, listed), prediction)


def test_a_name_that_only_resembles_is_not_taken(prediction: Path, listed: ImageList) -> None:
    frame = answers(prediction)
    frame["image"] = frame["image"].str.replace("angry", "happy")
    said = refused(frame, listed)
    assert "12 images (test/happy/PrivateTest_" in said
    assert "not found" in said
    assert "12 of 12 images of PrivateTest have no prediction" in said


def test_a_short_name_of_several_images_is_refused(prediction: Path, listed: ImageList) -> None:
    ids = listed.id.copy()
    ids[ids == IDS[3]] = "x/PrivateTest_9.jpg"
    frame = answers(prediction)
    frame["image"] = frame["image"].str.rpartition("/")[2]
    double = ImageList(**{**vars(listed), "id": ids})
    assert "1 image (PrivateTest_9.jpg) may be one of several images; give whole ids" in refused(frame, double, True)


def test_a_missing_image_is_said_and_refused_unless_partial(prediction: Path, listed: ImageList) -> None:
    frame = answers(prediction).iloc[2:]
    missing = sorted(set(TESTED) - set(frame["image"]))
    said = refused(frame, listed)
    assert f"2 of 12 images of PrivateTest have no prediction, the first: {', '.join(missing)}" in said
    assert "--partial" in said
    own = taken(frame, listed, partial=True)
    assert (len(own.at), own.missing) == (10, 2)
    assert "2 of 12 images" in own.told[0]


def test_an_unknown_image_is_said_and_refused_unless_partial(prediction: Path, listed: ImageList) -> None:
    frame = answers(prediction)
    frame.loc[len(frame)] = {**frame.iloc[0].to_dict(), "image": "test/angry/PrivateTest_999.jpg"}
    assert "1 image (test/angry/PrivateTest_999.jpg) not found in images.parquet" in refused(frame, listed)
    assert same(taken(frame, listed, partial=True), prediction)


def test_a_double_is_refused_whatever_it_says(prediction: Path, listed: ImageList) -> None:
    frame = answers(prediction)
    frame = pd.concat([frame, frame.iloc[:1]])
    for partial in (False, True):
        assert f"1 image ({frame.iloc[0]['image']}) is there more than once" in refused(frame, listed, partial)


def test_one_hash_answers_for_all_images_with_these_pixels(prediction: Path) -> None:
    listed = read_image_list(write_list(prediction.parents[6], prediction, same=(TESTED[0], TESTED[4])))
    frame = answers(prediction)
    place = {name: k for k, name in enumerate(frame["image"])}
    frame["image"] = [hash_of(TESTED[0] if name == TESTED[4] else name) for name in frame["image"]]
    assert "more than once" in refused(frame, listed)  # two answers to the same pixels
    own = taken(frame.drop(index=place[TESTED[4]]), listed)
    predicted = dict(zip(own.ids.tolist(), own.predicted.tolist(), strict=True))
    assert len(own.at) == 12
    assert list(own.told) == []
    assert predicted[TESTED[4]] == predicted[TESTED[0]]
    frame.iloc[place[TESTED[4]]] = frame.iloc[place[TESTED[0]]]
    assert np.array_equal(taken(frame, listed).predicted, own.predicted)
    assert "more than once" in refused(pd.concat([frame, frame.iloc[place[TESTED[0]] :][:1]]), listed)


def test_other_splits_and_columns_are_left_out_and_said(prediction: Path, listed: ImageList) -> None:
    frame = answers(prediction, None).assign(seconds=0.1)
    own = taken(frame, listed)
    assert same(own, prediction)
    assert list(own.told) == [
        "not in the test set and left out: 6 images of PublicTest",
        "columns that were not needed: seconds",
    ]
    assert "no image of PrivateTest" in refused(frame.iloc[:0].pipe(lambda _: frame[~frame["image"].isin(TESTED)]),
                                                listed, True)  # fmt: skip


def test_an_unknown_class_is_named_and_may_be_renamed(prediction: Path, listed: ImageList) -> None:
    frame = classes_of(answers(prediction))
    count = int((frame["class"] == frame["class"][0]).sum())
    ours, frame["class"] = frame["class"][0], frame["class"].replace(frame["class"][0], "glad")
    said = refused(frame, listed)
    assert f"{count} of 12 rows have an unknown class: 'glad'; expected angry, disgust" in said
    assert same(taken(frame, listed, glad=ours), prediction)
    with pytest.raises(UserError, match="'merry' is no class of the data set"):
        taken(frame, listed, glad="merry")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.assign(p_sad=f["p_sad"] + 0.1), "probabilities of 12 rows do not sum to 1"),
        (lambda f: f.assign(p_sad=f["p_sad"] * 100), "lie outside 0..1"),
        (lambda f: f.assign(p_sad=["x", *f["p_sad"][1:]]), "of 1 rows hold something that is no number"),
        (lambda f: f.drop(columns="p_sad"), "no column of probabilities for sad"),
        (lambda f: f[["image"]], "expected also class or predicted or prediction"),
        (lambda f: f.rename(columns={"image": "picture"}), "expected one column that names the image"),
        (lambda f: f.assign(id=f["image"]), "the columns image, id all do"),
        (lambda f: f.assign(image=["", *f["image"][1:]]), "'image' is empty in 1 rows"),
        (lambda f: f.iloc[:0], "holds no row"),
        (lambda f: f.assign(**{"class": "disgust"}), "'class' is not the most probable class in"),
        (lambda f: f.assign(image=[3, *f["image"][1:]]), "expected row numbers from 0 in all rows"),
    ],
)
def test_what_is_no_prediction_is_refused(change: object, said: str, prediction: Path, listed: ImageList) -> None:
    assert callable(change)
    assert said in refused(change(answers(prediction)), listed)


def test_rows_need_a_list_that_knows_them(prediction: Path) -> None:
    listed = read_image_list(write_list(prediction.parents[6], prediction))
    frame = answers(prediction).assign(image=range(12))
    assert "does not know the rows" in refused(frame, listed)


def test_what_is_no_table_ends_in_a_line(tmp_path: Path, listed: ImageList) -> None:
    broken = tmp_path / "mine.parquet"
    broken.write_bytes(b"image,class\n")
    binary = tmp_path / "mine.csv"
    binary.write_bytes(bytes(range(256)))
    for path in (broken, binary, tmp_path / "absent.csv"):
        with pytest.raises(UserError, match=path.name) as caught:
            read_table(path, listed.classes)
        assert len(str(caught.value).splitlines()) == 1
