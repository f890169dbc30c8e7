"""Schemes, and how they divide images: exact numbers, nothing in two parts, whatever the order."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refer.datasets.split import assign
from refer.datasets.split_assignment import Images, divide, off_target
from refer.datasets.splitting import Scheme
from refer.errors import UserError

SHARES = {"train": 0.70, "val": 0.15, "test": 0.15}
OFFICIAL = {"train": "train", "test": "test"}


def images(rows: list[dict[str, Any]]) -> Images:
    """Return rows as columns; what a row does not say is as in a set of single images without subjects."""
    usual = {"label": 0, "split": "all", "subject": None, "modality": "visible", "pair": None, "level": None}
    whole = [usual | {"id": f"image{number}", "image": number} | row for number, row in enumerate(rows)]
    whole = [{"near": row["image"]} | row for row in whole]
    return Images(**{name: [row[name] for row in whole] for name in Images._fields})


def reordered(given_: Images, order: list[int]) -> Images:
    return Images(*([column[at] for at in order] for column in given_))


def pairs(per_class: list[int], subjects: int | None = None) -> Images:
    """Return pairs of a visible and an infrared image: of each class so many."""
    numbered = [(label, number) for label, count in enumerate(per_class) for number in range(count)]
    return images(
        [
            {
                "id": f"{label}-{number}-{modality}",
                "label": label,
                "pair": f"{label}-{number}",
                "modality": modality,
                "subject": None if subjects is None else f"S{number % subjects:03d}",
            }
            for label, number in numbered
            for modality in ("visible", "infrared")
        ]
    )


def numbers(parts: list[str | None], given_: Images, modality: str = "visible") -> dict[str, list[int]]:
    found = Counter(
        (part, label)
        for part, label, camera in zip(parts, given_.label, given_.modality, strict=True)
        if camera == modality
    )
    return {part: [found[part, label] for label in sorted(set(given_.label))] for part in dict.fromkeys(parts) if part}


def held(parts: list[str | None], column: Any) -> dict[str, set[Any]]:
    return {
        part: {value for one, value in zip(parts, column, strict=True) if one == part} - {None}
        for part in set(parts) - {None}
    }


def nothing_shared(parts: list[str | None], column: Any) -> bool:
    sets = list(held(parts, column).values())
    return sum(map(len, sets)) == len(set().union(*sets))


# --- numbers ----------------------------------------------------------------------------------------------------


def test_the_first_papers_numbers_of_viri_come_out() -> None:
    viri = pairs([111, 114, 114, 114, 113])
    parts = divide(Scheme(shares=SHARES), viri, audited=False).folds[0]
    for modality in ("visible", "infrared"):
        found = numbers(parts, viri, modality)
        assert found == {"train": [77, 79, 79, 79, 79], "val": [16, 17, 17, 17, 16], "test": [18] * 5}
        assert {part: sum(each) for part, each in found.items()} == {"train": 393, "val": 83, "test": 90}
    assert nothing_shared(parts, viri.pair)


def test_an_image_without_its_other_camera_is_drawn_too_and_disturbs_no_pair() -> None:
    rows = pairs([20, 20])
    alone = images([{"id": f"alone{number}", "modality": "visible", "label": 1} for number in range(10)])
    both = Images(*([*a, *b] for a, b in zip(rows, alone, strict=True)))
    parts = divide(Scheme(shares=SHARES), both, audited=False).folds[0]
    assert numbers(parts[:80], rows) == {"train": [14, 14], "val": [3, 3], "test": [3, 3]}
    assert Counter(parts[80:]) == {"train": 7, "val": 1, "test": 2}


def test_shares_that_binary_numbers_fall_short_of() -> None:
    parts = divide(Scheme(shares=SHARES), images([{}] * 90), audited=False).folds[0]
    assert Counter(parts) == {"train": 63, "val": 13, "test": 14}, "0.7 * 90 is 62.99999999999999"


def test_people_stay_together_and_the_shares_are_nearly_met() -> None:
    viri = pairs([111, 114, 114, 114, 113], subjects=110)
    parts = divide(Scheme(shares=SHARES), viri, audited=True).folds[0]
    assert nothing_shared(parts, viri.subject)
    off = off_target(parts, SHARES, viri.label)
    print(numbers(parts, viri), "off by", off)
    assert off <= 4, "two pairs, of 111 and more in a class"


def test_people_of_very_different_numbers_of_images() -> None:
    rows = [{"subject": f"S{who}", "label": k % 3} for who in range(30) for k in range(1 + who**2 // 10)]
    given_ = images(rows)
    parts = divide(Scheme(shares=SHARES), given_, audited=True).folds[0]
    assert nothing_shared(parts, given_.subject)
    assert off_target(parts, SHARES, given_.label) < 0.02 * len(rows)


def test_a_validation_part_is_carved_out_of_training_alone() -> None:
    rows = [{"split": "train" if k < 200 else "test", "label": k % 4, "image": k // 2} for k in range(260)]
    given_ = images(rows)
    scheme = Scheme(parts=OFFICIAL, validation="val", share=0.1)
    assert scheme.names == ["train", "val", "test"]
    published, audited = (divide(scheme, given_, audited=flag).folds[0] for flag in (False, True))
    assert numbers(published, given_)["val"] == [5] * 4
    assert not nothing_shared(published, given_.image)
    assert nothing_shared(audited, given_.image)
    assert off_target(audited[:200], {"train": 0.9, "val": 0.1}, given_.label[:200]) <= 1
    for parts in (published, audited):
        assert parts[200:] == ["test"] * 60


@pytest.mark.parametrize(("people", "folds", "sizes"), [(100, 10, {10}), (118, 12, {9, 10})])
def test_folds_share_out_the_people(people: int, folds: int, sizes: set[int]) -> None:
    given_ = images([{"subject": f"S{k % people}", "label": k // people} for k in range(3 * people)])
    published = divide(Scheme(folds=folds), given_, audited=False).folds
    audited = divide(Scheme(folds=folds, validation="val"), given_, audited=True).folds
    tested = [held(parts, given_.subject)["test"] for parts in audited]
    assert {len(who) for who in tested} == sizes
    assert Counter(who for each in tested for who in each) == Counter(set(given_.subject))
    assert [held(parts, given_.subject)["val"] for parts in audited] == [*tested[1:], tested[0]]
    for with_val, without in zip(audited, published, strict=True):
        assert [("train" if part == "val" else part) for part in with_val] == without


def test_levels_that_are_not_used() -> None:
    given_ = images([{"level": level} for level in (0, 1, 2, 1, None) * 4])
    assignment = divide(Scheme(shares={"train": 0.5, "test": 0.5}, levels=(0, 1)), given_, audited=False)
    assert Counter(assignment.folds[0]) == {"train": 6, "test": 6, None: 8}
    assert {given_.level[row]: reason for row, reason in assignment.unused.items()} == {
        2: "level 2 not used",
        None: "no level",
    }
    with pytest.raises(UserError, match="No image has one of the levels 7; there are 0, 1, 2"):
        divide(Scheme(shares=SHARES, levels=(7,)), given_, audited=False)


# --- what cannot be done ----------------------------------------------------------------------------------------


def test_folds_of_people_who_are_not_known() -> None:
    with pytest.raises(UserError, match=r"Who is in 1 of 3 images is not known.*subject_pattern"):
        divide(Scheme(folds=2), images([{"subject": "A"}, {"subject": "B"}, {}]), audited=False)
    with pytest.raises(UserError, match="2 people cannot be shared out among 3 folds"):
        divide(Scheme(folds=3), images([{"subject": "A"}, {"subject": "B"}]), audited=False)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "One of parts, shares and folds must say how to divide; found none"),
        ({"parts": OFFICIAL, "folds": 3}, "found parts, folds"),
        ({"parts": {"training": "train"}}, "One part must be called 'train'"),
        ({"shares": {"train": 0.7, "test": 0.2}}, "sum to 1"),
        ({"shares": {"train": 1.2, "test": -0.2}}, "above 0"),
        ({"shares": SHARES, "validation": "val", "share": 0.1}, "Shares name their validation part themselves"),
        ({"parts": OFFICIAL, "validation": "val"}, "`share` says how much"),
        ({"parts": OFFICIAL, "share": 0.1}, "`share` says how much"),
        ({"parts": OFFICIAL, "validation": "val", "share": 1.0}, "between 0 and 1; found 1"),
        ({"parts": OFFICIAL, "validation": "test", "share": 0.1}, "Each part needs a name of its own"),
        ({"folds": 1}, "1 folds leave nobody to train on"),
        ({"folds": 2, "validation": "val"}, "2 folds leave nobody to train on"),
    ],
)
def test_slips_in_a_scheme(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Scheme(**wrong)


def test_a_scheme_survives_json() -> None:
    for scheme in (
        Scheme(parts=OFFICIAL, validation="val", share=0.1, levels=(1, 2), seed=3),
        Scheme(shares=SHARES),
        Scheme(folds=10, validation="val"),
    ):
        assert Scheme.from_dict(json.loads(json.dumps(scheme.as_dict()))) == scheme


# --- properties -------------------------------------------------------------------------------------------------

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "label": st.integers(0, 2),
            "split": st.sampled_from(["train", "test"]),
            "subject": st.one_of(st.none(), st.sampled_from("ABCDEFGH")),
            "modality": st.sampled_from(["visible", "infrared"]),
            "pair": st.one_of(st.none(), st.integers(0, 8).map(str)),
            "image": st.integers(0, 25),
        }
    ),
    min_size=8,
    max_size=40,
).map(lambda rows: images([row | {"near": row["image"] // 2} for row in rows]))


def known(given_: Images) -> Images:
    """Name everybody, and let a pair show one person."""
    who = [person or "I" for person in given_.subject]
    pair = [one and f"{person}{one}" for person, one in zip(who, given_.pair, strict=True)]
    return given_._replace(subject=who, pair=pair)


KNOWN = ROWS.map(known).filter(lambda one: len(set(one.subject)) >= 3)
DRAWN = [Scheme(shares=SHARES), Scheme(parts=OFFICIAL, validation="val", share=0.2)]


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from(DRAWN))
def test_audited_parts_share_nothing(given_: Images, scheme: Scheme) -> None:
    parts = divide(scheme, given_, audited=True).folds[0]
    if scheme.parts is not None:  # what the owner divided is no business of a random division
        parts = [None if part == "test" else part for part in parts]
    for column in (given_.pair, given_.subject, given_.image, given_.near):
        assert nothing_shared(parts, column)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_published_parts_share_no_pair(given_: Images) -> None:
    assert nothing_shared(divide(Scheme(shares=SHARES), given_, audited=False).folds[0], given_.pair)


@settings(max_examples=40, deadline=None)
@given(KNOWN, st.booleans())
def test_folds_share_no_person_and_no_pair_and_test_everything_once(given_: Images, audited: bool) -> None:
    scheme = Scheme(folds=3, validation="val" if audited else None)
    folds = divide(scheme, given_, audited=audited).folds
    for parts in folds:
        assert set(parts) == set(scheme.names)
        assert nothing_shared(parts, given_.subject)
        assert nothing_shared(parts, given_.pair)
    for row in range(len(given_.id)):
        assert [parts[row] for parts in folds].count("test") == 1


@settings(max_examples=40, deadline=None)
@given(KNOWN)
def test_what_is_kept_of_an_audited_fold_shares_no_picture_with_training(given_: Images) -> None:
    for parts in divide(Scheme(folds=2), given_, audited=True).folds:
        rows = assign(parts, given_.near, given_.subject, audited=True, fit=("train",), select=None)
        kept = [row.part if row.kept else None for row in rows]
        assert nothing_shared(kept, given_.near)
        assert "train" in kept


@settings(max_examples=40, deadline=None)
@given(
    KNOWN.flatmap(lambda one: st.tuples(st.just(one), st.permutations(range(len(one.id))))),
    st.sampled_from([*DRAWN, Scheme(folds=2)]),
    st.booleans(),
)
def test_the_order_of_images_does_not_matter(case: tuple[Images, list[int]], scheme: Scheme, audited: bool) -> None:
    given_, order = case
    straight = divide(scheme, given_, audited=audited).folds
    mixed = divide(scheme, reordered(given_, order), audited=audited).folds
    assert mixed == [[parts[at] for at in order] for parts in straight]


@settings(max_examples=40, deadline=None)
@given(ROWS, st.booleans())
def test_every_image_has_one_part(given_: Images, audited: bool) -> None:
    assignment = divide(Scheme(shares=SHARES), given_, audited=audited)
    assert len(assignment.folds) == 1
    assert len(assignment.folds[0]) == len(given_.id)
    assert set(assignment.folds[0]) <= set(SHARES)


@pytest.mark.parametrize("audited", [False, True])
@pytest.mark.parametrize("scheme", [{"shares": SHARES}, {"folds": 5}])
def test_the_seed_decides(scheme: dict[str, Any], audited: bool) -> None:
    given_ = pairs([40, 40], subjects=40)
    same, again, other = (divide(Scheme(**scheme, seed=seed), given_, audited=audited) for seed in (1, 1, 2))
    assert same == again
    assert same.folds != other.folds
