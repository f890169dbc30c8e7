from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refer.datasets.readers import pairs
from refer.datasets.readers.pairs import Matching, Name


def names(*files: str) -> dict[str, Name]:
    """Name files such as S01/12.jpg; the path is the id."""
    return {file: pairs.name(file.split("/")[:-1], file.rpartition("/")[2]) for file in files}


def matched(visible: list[str], infrared: list[str]) -> Matching:
    return pairs.match(names(*visible), names(*infrared))


@pytest.mark.parametrize(
    ("visible", "infrared", "how"),
    [
        ("12.JPG", "12.jpg", "stem"),
        ("Anna.png", "anna.bmp", "stem"),
        ("S1_vis_07.jpg", "s1-IR-07.jpg", "stem"),
        ("visible.jpg", "infrared.jpg", "stem"),
        ("a/b/12.jpg", "c/12.jpg", "stem"),
        ("Köln 1.jpg", "KO\u0308LN_1.jpg", "stem"),
        ("FLIR0012-photo.jpg", "FLIR0012.jpg", "stem"),
        ("shot 7.jpg", "thermal-007-x.jpg", "digits"),
        ("S1_angry_2.jpg", "FLIR_1_02.jpg", "digits"),
        ("DC_0012.jpg", "FLIR0012.jpg", "digits"),
        ("DC_0013.jpg", "FLIR0012.jpg", "counter"),
        ("FLIR0013.JPG", "IR_0012.JPG", "counter"),
    ],
)
def test_two_names_of_one_moment_are_paired(visible: str, infrared: str, how: str) -> None:
    found = matched([visible, "other.jpg"], [infrared, "stranger.jpg"])
    assert found.pairs == {visible: infrared}
    assert found.how == {visible: how}
    assert not found.ambiguous


@pytest.mark.parametrize(
    ("visible", "infrared"),
    [
        ("12.jpg", "13.jpg"),
        ("S1_2.jpg", "S2_1.jpg"),
        ("S12.jpg", "S1_2.jpg"),
        ("anna.jpg", "berta.jpg"),
        ("---.jpg", "+++.jpg"),
        ("IR_0013.jpg", "IR_0012.jpg"),  # no photograph has the infrared prefix
        ("DC_0011.jpg", "IR_0012.jpg"),  # the camera takes the photograph last
        ("DC_0014.jpg", "IR_0012.jpg"),
        ("dc13.jpg", "flir12.jpg"),  # not as a camera writes it
    ],
)
def test_names_that_only_resemble_each_other_are_not_paired(visible: str, infrared: str) -> None:
    assert not matched([visible], [infrared]).pairs


def test_the_folder_decides_between_equal_stems() -> None:
    found = matched(["S01/1.jpg", "S02/1.jpg"], ["s01/Thermal/1.jpg", "S02/1.jpg", "S03/1.jpg"])
    assert found.pairs == {"S01/1.jpg": "s01/Thermal/1.jpg", "S02/1.jpg": "S02/1.jpg"}
    assert found.ambiguous == {"S03/1.jpg"}


def test_nothing_is_paired_because_it_was_left_over() -> None:
    found = matched(["a/12.jpg", "12-b.jpg"], ["a/12.jpg", "12-c.jpg"])
    assert found.pairs == {"a/12.jpg": "a/12.jpg"}
    assert found.ambiguous == {"12-b.jpg", "12-c.jpg"}


def test_numbers_that_several_images_share_pair_none_of_them() -> None:
    found = matched(["x7.jpg", "y7.jpg"], ["z7.jpg", "alone.jpg"])
    assert not found.pairs
    assert found.ambiguous == {"x7.jpg", "y7.jpg", "z7.jpg"}


def test_twins_of_one_modality_are_ambiguous_even_without_the_other() -> None:
    assert matched([], ["1.jpg", "1.png", "2.jpg"]).ambiguous == {"1.jpg", "1.png"}


def test_a_cameras_counter_pairs_whole_runs_alone() -> None:
    infrared = ["IR_0012.jpg", "IR_0014.jpg", "IR_0021.jpg", "IR_0030.jpg", "IR_0040.jpg"]
    visible = ["DC_0013.jpg", "DC_0015.jpg", "DC_0020.jpg", "DC_0022.jpg", "DC_0031.jpg", "DC_0051.jpg"]
    found = matched(visible, infrared)
    assert found.pairs == {
        "DC_0013.jpg": "IR_0012.jpg",
        "DC_0015.jpg": "IR_0014.jpg",
        "DC_0031.jpg": "IR_0030.jpg",
    }
    assert found.ambiguous == {"DC_0020.jpg", "IR_0021.jpg", "DC_0022.jpg"}, "it might go with either neighbour"


def test_a_number_in_both_modalities_tells_of_two_counters() -> None:
    found = matched(["DC_0013.jpg", "DC_0500.jpg"], ["IR_0012.jpg", "IR_0500.jpg"])
    assert found.pairs == {"DC_0500.jpg": "IR_0500.jpg"}


def test_a_very_long_number_is_a_name_like_any_other() -> None:
    long = "9" * 6000
    assert matched([f"a{long}.jpg"], [f"b{long}.jpg"]).how == {f"a{long}.jpg": "digits"}


STEMS = ("1", "01", "a1", "b1", "2", "a", "IR_0012", "FLIR0012", "DC_0013", "FLIR0013", "IR_0014", "ir", "---")
FILES = st.lists(
    st.builds(lambda folder, stem, suffix: f"{folder}{stem}{suffix}", st.sampled_from(("", "x/", "y/")),
              st.sampled_from(STEMS), st.sampled_from((".jpg", ".PNG"))),
    unique=True, max_size=9,
)  # fmt: skip


@given(FILES, FILES, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(visible: list[str], infrared: list[str], random: object) -> None:
    before = matched(visible, infrared)
    random.shuffle(visible)  # type: ignore[attr-defined]
    random.shuffle(infrared)  # type: ignore[attr-defined]
    assert matched(visible, infrared) == before


@given(FILES, FILES)
def test_a_pair_is_one_visible_and_one_infrared_image(visible: list[str], infrared: list[str]) -> None:
    found = matched(visible, infrared)
    assert set(found.pairs) <= set(visible)
    assert set(found.pairs.values()) <= set(infrared)
    assert len(set(found.pairs.values())) == len(found.pairs) == len(found.how)
    keys = [pairs.name(one.split("/")[:-1], one.rpartition("/")[2]).key for one in found.pairs]
    assert len(set(keys)) == len(keys), "the key that a row gets is that of no other pair of the class"


@given(FILES, FILES)
def test_the_two_modalities_are_treated_alike(visible: list[str], infrared: list[str]) -> None:
    plain = [[one for one in side if "_" not in one and "FLIR" not in one] for side in (visible, infrared)]
    there, back = matched(*plain), matched(*reversed(plain))
    assert {(b, a) for a, b in there.pairs.items()} == set(back.pairs.items())


@given(FILES, FILES, FILES, st.booleans())
def test_a_stray_file_changes_no_pair_but_by_being_as_likely_a_partner(
    visible: list[str], infrared: list[str], strays: list[str], is_visible: bool
) -> None:
    before = matched(visible, infrared)
    stray = next((one for one in strays if one not in visible + infrared), None)
    if stray is None:
        return
    after = matched([*visible, stray], infrared) if is_visible else matched(visible, [*infrared, stray])
    its_name = names(stray)[stray]
    for photo, thermal in before.pairs.items():
        partners = (after.pairs.get(photo), {b: a for a, b in after.pairs.items()}.get(thermal))
        if partners == (thermal, photo):
            continue
        assert set(partners) <= {None, stray}, "nobody else's partner is taken over"
        both = names(photo, thermal)
        if before.how[photo] != "counter":
            assert any(its_name.stem == one.stem or its_name.digits == one.digits for one in both.values())
        else:
            assert its_name.counter or its_name.digits == both[thermal].digits or its_name.digits == both[photo].digits


@given(st.sets(st.integers(0, 40), min_size=1), st.sets(st.integers(0, 40), min_size=1))
def test_numbered_files_are_paired_number_by_number(visible: set[int], infrared: set[int]) -> None:
    found = matched([f"v{n}.jpg" for n in visible], [f"heat{n:04d}.jpg" for n in infrared])
    assert found.pairs == {f"v{n}.jpg": f"heat{n:04d}.jpg" for n in visible & infrared}
