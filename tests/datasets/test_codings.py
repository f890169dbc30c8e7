"""Labels and splits are never guessed: what codes and names of splits mean is borne out by numbers, or stated."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_fixtures import encoded, noise, row, table
from reader_fixtures import through
from refer.datasets.catalog import DATASETS
from refer.datasets.codings import exchange, judge, known_codings, resolve
from refer.errors import UserError

FER, RAF = DATASETS["fer2013"], DATASETS["rafdb"]
BY_NAME = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]  # as folders are sorted
# github.com/zengqunzhao/EfficientFace: 0 neutral, 1 happy, 2 sad, 3 surprise, 4 fear, 5 disgust, 6 angry
EFFICIENTFACE = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]
OWNERS = {"Training": (40, 5, 61, 72, 58, 31, 49), "PublicTest": (8, 2, 9, 14, 12, 6, 10)} | {
    "PrivateTest": (12, 4, 6, 20, 9, 11, 8)
}


def in_codes(known: str, order: list[str], first: int) -> Counter[tuple[str, str]]:
    """Return the owner's numbers as files in other codes have them."""
    data = DATASETS[known]
    return Counter(
        {
            (split, str(first + order.index(name))): number or 0
            for split, numbers in data.counts.items()
            for name, number in zip(data.classes, numbers, strict=True)
        }
    )


def said(known: str, found: Mapping[tuple[str, str], int], stated: object = None, differs: bool = True) -> str:
    data = DATASETS[known]
    verdict = judge(data, found, resolve(data, stated), exchange(data, None), differs)  # type: ignore[arg-type]
    return "" if verdict is None else " ".join(verdict)


@pytest.mark.parametrize(
    ("known", "order", "first", "name"),
    [
        ("fer2013", BY_NAME, 0, "alphabetical"),
        ("fer2013", BY_NAME, 1, "alphabetical-from-1"),
        ("fer2013", list(FER.classes), 1, "official-from-1"),
        ("rafdb", EFFICIENTFACE, 0, "affectnet-from-0"),
        ("rafdb", EFFICIENTFACE, 1, "affectnet"),
        ("rafdb", list(RAF.classes), 0, "official-from-0"),
        ("rafdb", list(FER.classes), 0, "fer2013-from-0"),
    ],
)
@pytest.mark.parametrize("gone", [0, 1, 400])
def test_other_codes_are_named_and_have_to_be_stated(
    known: str, order: list[str], first: int, name: str, gone: int
) -> None:
    found = in_codes(known, order, first)
    largest = max(found, key=found.__getitem__)
    found[largest] -= gone
    assert f"`coding: {{{known}: {name}}}`" in said(known, found)
    assert said(known, found, name) == "", "what is stated and fits is taken"
    meant = resolve(DATASETS[known], name)
    assert [DATASETS[known].classes[meant.label(str(first + place)) or 0] for place in range(7)] == order


@pytest.mark.parametrize("known", ["fer2013", "rafdb"])
@pytest.mark.parametrize("gone", [0, 1, 300])
def test_the_owners_codes_are_taken_and_others_refused_even_if_stated(known: str, gone: int) -> None:
    data = DATASETS[known]
    found = in_codes(known, list(data.classes), data.first_code or 0)
    found[next(iter(found))] -= gone
    assert said(known, found) == ""
    if not gone:
        assert f"coding: {{{known}: official}}" in said(known, found, "alphabetical")


def test_public_and_private_exchanged_are_named_and_have_to_be_stated() -> None:
    other = {"Training": "Training", "PublicTest": "PrivateTest", "PrivateTest": "PublicTest"}
    names = {
        (other[split], name): number or 0
        for split, numbers in FER.counts.items()
        for name, number in zip(FER.classes, numbers, strict=True)
    }
    for gone in (0, 1, 30):
        found = names | {("Training", "happy"): names["Training", "happy"] - gone}
        assert "PublicTest and PrivateTest are exchanged" in said("fer2013", found)
        assert "`swapped: {fer2013: [PublicTest, PrivateTest]}`" in said("fer2013", found)
        splits = exchange(FER, ["PrivateTest", "PublicTest"])
        assert judge(FER, found, resolve(FER, None), splits, differs=True) is None


def test_codes_and_splits_may_both_be_other() -> None:
    other = {"Training": "Training", "PublicTest": "PrivateTest", "PrivateTest": "PublicTest"}
    found = {(other[split], code): number for (split, code), number in in_codes("fer2013", BY_NAME, 0).items()}
    assert "swapped: {fer2013: [PublicTest, PrivateTest]}` and `coding: {fer2013: alphabetical}" in said(
        "fer2013", found
    )


def test_two_class_folders_exchanged_are_named_by_their_numbers() -> None:
    exchanged = {"happy": "sad", "sad": "happy"}
    found = {
        (split, exchanged.get(name, name)): number or 0
        for split, numbers in RAF.counts.items()
        for name, number in zip(RAF.classes, numbers, strict=True)
    }
    told = said("rafdb", found)
    assert "happy holds sad" in told
    assert "sad holds happy" in told
    assert said("rafdb", found, {"happy": "sad", "sad": "happy"}) == ""


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(7)), st.sampled_from(["fer2013", "rafdb"]), st.integers(0, 30))
def test_no_order_of_the_codes_goes_through_as_another(order: list[int], known: str, gone: int) -> None:
    data = DATASETS[known]
    first = data.first_code or 0
    found = in_codes(known, [data.classes[place] for place in order], first)
    found[next(iter(found))] -= gone
    assert (said(known, found) == "") == (order == list(range(7)))


def test_numbers_that_tell_nothing_have_to_be_stated_where_labels_are_codes() -> None:
    found = {(split, str(code)): 20 for split in FER.splits for code in range(7)}
    assert "do not tell whether" in said("fer2013", found)
    assert said("fer2013", found, "official") == ""
    assert said("fer2013", found, differs=False) == "", "the owner's own numbers"
    named = {(split, name): 20 for split in FER.splits for name in FER.classes}
    assert said("fer2013", named) == "", "a name says what it is"


def test_a_few_codes_of_another_range_are_no_bad_labels() -> None:
    found = {(split, str(code)): 3 for split in RAF.splits for code in range(7)}
    assert "the codes run from 0 to 6; the owner's are 1 surprise, 2 fear" in said("rafdb", found)
    assert said("rafdb", found, "official-from-0") == ""


def test_no_two_codings_are_the_same() -> None:
    for known in (FER, RAF):
        codings = known_codings(known)
        assert next(iter(codings)) == "official"
        assert all(one.labels != other.labels for one, other in itertools.combinations(codings.values(), 2))
        assert all(sorted(one.labels.values()) == list(range(7)) for one in codings.values())
    assert known_codings(DATASETS["ckplus"]) == {}


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("alfabetical", "found 'alfabetical'; expected one of official, alphabetical"),
        ({"0": "bored"}, r"coding\.0: found 'bored'; expected angry, disgust"),
        ({"0": "angry", "1": "anger"}, "two codes mean angry"),
    ],
)
def test_codings_that_are_none(stated: object, told: str) -> None:
    with pytest.raises(UserError, match=told):
        resolve(FER, stated)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="expected two of Training, PublicTest, PrivateTest"):
        exchange(FER, ["PublicTest", "Test"])


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(DATASETS, "fer2013", dataclasses.replace(FER, counts=OWNERS))
    return


def whole(order: list[str]) -> list[tuple[str, str, str]]:
    """Return the rows of a little FER2013 in other codes; a pixel in the corner says the class."""
    rows = []
    for split, numbers in OWNERS.items():
        for label, number in enumerate(numbers):
            for _ in range(number):
                pixels = noise(len(rows))
                pixels[0, 0] = label
                rows.append(row(order.index(FER.classes[label]), pixels, split))
    return rows


def test_a_whole_csv_in_alphabetical_codes(tmp_path: Path, little: None) -> None:
    files = {"fer2013.csv": table(whole(BY_NAME))}
    for tolerate in ([], ["counts"], ["counts", "labels"]):
        with pytest.raises(UserError, match=r"these are alphabetical codes: 0 angry.*4 neutral, 5 sad, 6 surprise"):
            through(tmp_path, "fer2013", files, stand_in=False, tolerate=tolerate)
    prepared = through(tmp_path, "fer2013", files, stand_in=False, coding="alphabetical")
    assert (prepared.index["label"].to_numpy() == prepared.images[:, 0, 0, 0]).all()
    assert prepared.about["coding"] == "alphabetical"
    straight = through(tmp_path, "fer2013", {"fer2013.csv": table(whole(list(FER.classes)))}, stand_in=False)
    assert straight.about["fingerprint"] == prepared.about["fingerprint"]
    assert "coding" not in straight.about


def test_exchanged_splits_of_folders(tmp_path: Path, little: None) -> None:
    other = {"Training": "Training", "PublicTest": "PrivateTest", "PrivateTest": "PublicTest"}
    files = {}
    for split, numbers in OWNERS.items():
        for name, number in zip(FER.classes, numbers, strict=True):
            for _ in range(number):
                pixels = noise(len(files))
                pixels[:24] = 10 * list(OWNERS).index(split)
                folder = "train" if split == "Training" else "test"
                files[f"{folder}/{name}/{other[split]}_{len(files)}.png"] = encoded(pixels, "PNG")
    with pytest.raises(UserError, match="PublicTest and PrivateTest are exchanged"):
        through(tmp_path, "fer2013", files, stand_in=False, tolerate=["counts"])
    swapped = ["PublicTest", "PrivateTest"]
    prepared = through(tmp_path, "fer2013", files, stand_in=False, swapped=swapped)
    true = [list(OWNERS)[int(image[0, 0, 0]) // 10] for image in prepared.images]
    assert prepared.index["split"].tolist() == true
    assert prepared.about["swapped"] == swapped


def test_all_complaints_come_at_once(tmp_path: Path, little: None) -> None:
    rows = whole(BY_NAME)
    rows[0] = row(3, "1 2 3", "Training")
    rows[1] = row(9, noise(1), "Training")
    with pytest.raises(UserError) as refusal:
        through(tmp_path, "fer2013", {"fer2013.csv": table(rows), "notes.txt": b"x"}, stand_in=False)
    told = str(refusal.value)
    for part in ("these are alphabetical codes", "emotion '9' is no code", "3 pixels instead", "classes have another"):
        assert part in told
    assert "list `counts`" not in told, "no advice that leads to wrong labels"
    assert "Not read: 1 files (notes.txt)" in told


def test_folders_that_are_exchanged_in_one_split_alone_are_named() -> None:
    rafdb = DATASETS["rafdb"]
    found = {(split, name): number for split, numbers in rafdb.counts.items()
             for name, number in zip(rafdb.classes, numbers, strict=True)}  # fmt: skip
    coding, splits = resolve(rafdb, None), exchange(rafdb, None)
    assert judge(rafdb, found, coding, splits, differs=False) is None
    found["test", "happy"], found["test", "fear"] = found["test", "fear"], found["test", "happy"]
    verdict = judge(rafdb, found, coding, splits, differs=True)
    assert verdict is not None
    assert "fear holds happy, happy holds fear in test alone" in verdict.what
    few = {key: max(1, number // 12) for key, number in found.items()}
    verdict = judge(rafdb, few, coding, splits, differs=True)
    assert verdict is not None
    assert "in test alone" in verdict.what
