from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_fixtures import encoded, noise
from reader_fixtures import read, through, told
from refer.datasets.readers.ckplus import CKPLUS, CLASSES
from refer.errors import UserError

SIZE = (640, 490)


def image(sequence: str, frame: int) -> str:
    return f"cohn-kanade-images/{sequence.replace('_', '/')}/{sequence}_{frame:08d}.png"


def label(sequence: str, frame: int) -> str:
    return f"Emotion/{sequence.replace('_', '/')}/{sequence}_{frame:08d}_emotion.txt"


def points(sequence: str, frame: int) -> str:
    return f"Landmarks/{sequence.replace('_', '/')}/{sequence}_{frame:08d}_landmarks.txt"


def frames(sequence: str, numbers: Iterable[int], content: bytes = b"") -> dict[str, bytes]:
    return {image(sequence, number): content for number in numbers}


def code(value: float) -> bytes:
    """Return a label as the owners write it."""
    return f"   {value:.7e}\n".encode()


def sequence(name: str = "S005_001", length: int = 11, value: float = 3) -> dict[str, bytes]:
    return frames(name, range(1, length + 1)) | {label(name, length): code(value)}


def face(x: float = 320, y: float = 240, width: float = 100, height: float = 130) -> list[tuple[float, float]]:
    """Return 68 landmarks: a jaw around (x, y), brows above it, the rest within."""
    turns = [math.pi * step / 16 for step in range(17)]
    jaw = [(x - width * math.cos(turn), y + height * math.sin(turn)) for turn in turns]
    brows = [(x - 0.7 * width + 1.4 * width * step / 9, y - 20) for step in range(10)]
    return [*jaw, *brows, *[(x, y)] * 41]


def written(values: Iterable[tuple[float, float]]) -> bytes:
    return "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in values).encode()


def levels(files: dict[str, bytes]) -> dict[str, tuple[int | None, str]]:
    return {row.id: (row.level, CLASSES[row.label]) for row in read(CKPLUS, files).rows}


# --- frames and labels ------------------------------------------------------------------------------------------


def test_the_last_three_frames_and_the_first_are_listed() -> None:
    listing = read(CKPLUS, sequence())
    assert levels(sequence()) == {
        "S005_001_00000001": (0, "neutral"),
        "S005_001_00000009": (3, "disgust"),
        "S005_001_00000010": (2, "disgust"),
        "S005_001_00000011": (1, "disgust"),
    }
    assert {(row.subject, row.split, row.box) for row in listing.rows} == {("S005", "all", None)}
    assert listing.notes == {"images without landmarks (their middle square is cut out)": 4}
    assert len(listing.unused) == 7


@pytest.mark.parametrize(("value", "name"), list(enumerate(CLASSES)))
def test_the_owners_codes(value: int, name: str) -> None:
    assert levels(sequence(value=value))["S005_001_00000011"] == (1, name)


@settings(deadline=None)
@given(st.sets(st.integers(0, 16), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_no_frame_is_listed_twice_however_short_the_sequence(numbers: set[int], random: object) -> None:
    ordered = sorted(numbers)
    shuffled = ordered[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    listing = read(CKPLUS, frames("S010_002", shuffled) | {label("S010_002", ordered[-1]): code(5)})
    found = {row.level: int(row.id[-8:]) for row in listing.rows}
    assert len(found) == len(listing.rows) == len(set(found.values()))
    last, first = ordered[-1], ordered[0]
    expected = {1: last} | ({0: first} if first < last else {})
    expected |= {
        level: last - level + 1 for level in (2, 3) if first < last - level + 1 and last - level + 1 in numbers
    }
    assert found == expected, "where a frame is missing, no other takes its place"
    assert listing.notes.get("sequences in which a frame is missing", 0) == (len(ordered) < last - first + 1)
    assert listing.notes.get("sequences with fewer than four frames", 0) == (len(ordered) < 4)


def test_sequences_without_a_label_are_counted_not_refused() -> None:
    files = sequence() | frames("S005_002", range(9)) | frames("S011_001", range(5)) | {label("S011_001", 4): b" \n"}
    listing = read(CKPLUS, files)
    assert not listing.problems
    assert {row.id[:8] for row in listing.rows} == {"S005_001"}
    assert listing.notes["sequences without a label"] == 2
    assert listing.notes["empty label files"] == 1


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({label("S005_001", 11): code(8)}, r"its label '8.0000000e\+00' is no code from 0 to 7"),
        ({label("S005_001", 11): code(2.5)}, "is no code"),
        ({label("S005_001", 11): b"nan"}, "is no code"),
        ({label("S005_001", 11): b"happy"}, "its label 'happy' is no code"),
        ({label("S005_001", 11): b"3 4"}, "it has the labels 3 and 4"),
        ({label("S005_001", 10): code(1)}, "it has the labels 1 and 3"),
        (
            {label("S005_001", 11): b"", label("S005_001", 12): code(3)},
            "of frame 12, which is not there; the last one is 11",
        ),
    ],
)
def test_labels_that_cannot_be_used(files: dict[str, bytes], what: str) -> None:
    import re

    listing = read(CKPLUS, sequence() | files)
    assert not listing.rows
    assert list(told(listing)) == ["S005_001"]
    assert re.search(what, told(listing)["S005_001"])
    assert "sequences without a label" not in listing.notes


def test_a_label_without_images_is_named(tmp_path: Path) -> None:
    files = {
        name: encoded(noise(1, (49, 64)), "PNG") if name.endswith("png") else it for name, it in sequence().items()
    }
    files[label("S006_001", 7)] = code(1)
    with pytest.raises(UserError, match=r"S006_001: its label is that of frame 7, which is not there\).*\n.*`labels`"):
        through(tmp_path, "ckplus", files)
    assert through(tmp_path, "ckplus", files, tolerate=["labels"]).about["images"] == 4


def test_a_label_of_an_earlier_frame_makes_that_the_peak() -> None:
    listing = read(CKPLUS, sequence() | frames("S005_001", [12, 13]))
    assert {row.level: row.id[-2:] for row in listing.rows} == {0: "01", 1: "11", 2: "10", 3: "09"}
    assert listing.notes["sequences that go on after the labelled frame"] == 1


def test_the_owners_archives_side_by_side_and_any_case() -> None:
    plain = levels(sequence())
    archives = {
        "cohn": "extended-cohn-kanade-images/cohn",
        "Emotion": "Emotion_labels/Emotion",
        "Landmarks": "Landmarks/L",
    }
    moved = {}
    for name, content in sequence().items():
        folder = next(key for key in archives if name.startswith(key))
        moved[name.replace(folder, archives[folder], 1)] = content
    assert levels(moved) == plain
    assert levels({name.lower(): content for name, content in sequence().items()}) == plain
    assert levels({name.upper(): content for name, content in sequence().items()}) == plain
    assert levels(moved | {label("S005_001", 11): code(3)}) == plain, "the same label file twice"


def test_a_frame_that_stands_twice_is_refused() -> None:
    with pytest.raises(UserError, match=r"CK\+ stands here more than once: .* are one frame"):
        read(CKPLUS, sequence() | {"copy/S005_001_00000011.png": b""})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "looked for cohn-kanade-images/S005/001/.*; found nothing"),
        (["a.png"], "found a.png"),
        ([image("S005_001", 1)], r"without their labels \(Emotion_labels.zip\)"),
        ([label("S005_001", 1)], r"without their frames \(extended-cohn-kanade-images.zip\)"),
        (["archive/CKExtended.csv"], "CKExtended.csv is a copy of CK.* whose face it is"),
        ([*sequence(), "CK+48/anger/S010_004_00000017.png"], "stands here twice, with Emotion/.* and as CK.48/anger"),
    ],
)
def test_what_is_not_recognised_is_named(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        CKPLUS.recognise(names)


def test_only_the_last_frames_are_counted() -> None:
    assert sum(number or 0 for number in CKPLUS.counts["all"]) == 327
    assert [row.level for row in read(CKPLUS, sequence()).rows if CKPLUS.counted(row)] == [1]


def test_counts_of_peaks_are_compared_and_neutral_is_not(tmp_path: Path) -> None:
    files = {
        name: encoded(noise(1, (49, 64)), "PNG") if name.endswith("png") else it for name, it in sequence().items()
    }
    with pytest.raises(UserError, match=r"7 classes have another number .*all/angry: 0 of 45"):
        through(tmp_path, "ckplus", files, stand_in=False)
    about = through(tmp_path, "ckplus", files, stand_in=False, tolerate=["counts"]).about
    assert about["counts"]["all"]["disgust"] == {"found": 1, "known": 59}
    assert about["counts"]["all"]["neutral"] == {"found": 0, "known": None}
    assert about["levels"] == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert about["notes"] == {"images without landmarks (their middle square is cut out)": 4}


# --- landmarks --------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.floats(100, 500), st.floats(100, 400), st.floats(20, 150), st.floats(20, 200))
def test_the_box_is_a_square_around_the_outline_and_the_outline_goes_around_the_face(
    x: float, y: float, width: float, height: float
) -> None:
    marks = face(x, y, width, height)
    rows = read(CKPLUS, sequence() | {points("S005_001", 11): written(marks)}).rows
    row = next(row for row in rows if row.level == 1)
    assert row.box
    assert row.outline
    left, top, right, bottom = row.box
    assert right - left == pytest.approx(bottom - top)
    assert all(left < px < right and top < py < bottom for px, py in row.outline)
    assert row.outline[:17] == pytest.approx(np.array(marks[:17]), rel=1e-6)
    forehead = min(py for _, py in row.outline)
    chin, brows = y + height, y - 20
    assert forehead == pytest.approx(brows - 0.5 * (chin - brows), abs=1e-3)
    assert abs((left + right) / 2 - x) < 1e-3 * x


def test_a_tilted_head_has_a_tilted_outline() -> None:
    turned = [(320 + (y - 240), 240 - (x - 320)) for x, y in face()]  # a quarter to the left: the chin points right
    row = next(r for r in read(CKPLUS, sequence() | {points("S005_001", 11): written(turned)}).rows if r.level == 1)
    assert row.outline
    assert min(x for x, _ in row.outline) == pytest.approx(320 - 20 - 0.5 * 150, rel=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1 2\n" * 67,
        b"1 2\n" * 69,
        b"1 2 3\n" * 68,
        b"x y\n" * 68,
        b"nan 1\n" * 68,
        b"1e999 1\n" * 68,
        b"\xff\xfe",
    ],
)
def test_landmarks_that_cannot_be_read_are_counted(content: bytes) -> None:
    listing = read(CKPLUS, sequence() | {points("S005_001", 11): content})
    assert all(row.box is None and row.outline is None for row in listing.rows)
    assert listing.notes["landmark files that cannot be read (a middle square is cut out)"] == 1
    assert not listing.problems


def test_the_face_is_cut_out_and_outlined(tmp_path: Path) -> None:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    drawn = np.where(((x - 420.5) / 100) ** 2 + ((y - 240.5) / 130) ** 2 < 1, 220, 30).astype(np.uint8)
    files = sequence(length=4)
    files |= {name: encoded(drawn, "PNG") for name in files if name.endswith(".png")}
    files[points("S005_001", 4)] = written(face(421, 241))
    prepared = through(tmp_path, "ckplus", files)
    outline, cut = prepared.outline("S005_001_00000004"), prepared["S005_001_00000004"]
    assert outline is not None
    assert cut.shape == (128, 128, 1)
    assert (outline > 0).all()
    assert (outline < 128).all()
    columns, rows = np.flatnonzero((cut[:, :, 0] > 125).any(axis=0)), np.flatnonzero((cut[:, :, 0] > 125).any(axis=1))
    assert columns[0] == pytest.approx(outline[:, 0].min(), abs=1.5)
    assert columns[-1] + 1 == pytest.approx(outline[:, 0].max(), abs=1.5)
    assert rows[-1] + 1 == pytest.approx(outline[:, 1].max(), abs=1.5)
    square = prepared["S005_001_00000003"][:, :, 0]
    assert (square[60, [0, 64, 95]] > [29, 29, 215]).all(), "the middle square, with the face right of its middle"
    assert prepared.about["outlines"] == 1
    assert prepared.about["raw_sizes"] == {"640x490": 4}


def test_landmarks_of_another_size_of_image_are_noticed(tmp_path: Path) -> None:
    files = sequence(length=4)
    files |= {name: encoded(noise(1, (245, 320)), "PNG") for name in files if name.endswith(".png")}
    files[points("S005_001", 4)] = written(face(500, 350, 80, 90))
    with pytest.raises(UserError, match=r"S005_001_00000004: its face box \(.*\) does not lie in its 320x245 pixels"):
        through(tmp_path, "ckplus", files)
    prepared = through(tmp_path, "ckplus", files, tolerate=["sizes"])
    assert prepared.outline("S005_001_00000004") is None
    assert (prepared["S005_001_00000004"] == prepared["S005_001_00000003"]).all()


# --- CK+48 ------------------------------------------------------------------------------------------------------


def crops() -> dict[str, bytes]:
    names = [f"anger/S010_004_{frame:08d}.png" for frame in (19, 17, 18)]
    names += [f"sadness/S011_001_{frame:08d}.png" for frame in (8, 9, 10)]
    return {f"ck/CK+48/{name}": encoded(noise(seed), "PNG") for seed, name in enumerate(names)}


def test_crops_of_the_last_three_frames(tmp_path: Path) -> None:
    assert levels(crops()) == {
        "S010_004_00000017": (3, "angry"),
        "S010_004_00000018": (2, "angry"),
        "S010_004_00000019": (1, "angry"),
        "S011_001_00000008": (3, "sad"),
        "S011_001_00000009": (2, "sad"),
        "S011_001_00000010": (1, "sad"),
    }
    prepared = through(tmp_path, "ckplus", crops())
    assert prepared.images.shape == (6, 128, 128, 1)
    assert prepared.about["layout"] == "CK+48"
    assert prepared.about["notes"] == {"crops of 48×48 pixels that are enlarged": 6}
    assert prepared.about["raw_sizes"] == {"48x48": 6}
    assert prepared.about["subjects"] == 2
    small = prepared["S010_004_00000019"][:, :, 0].astype(float)
    assert np.corrcoef(small.ravel(), np.kron(noise(0), np.ones((8, 8)))[1::3, 1::3].ravel())[0, 1] > 0.6


def test_a_mirror_with_neutral_frames_and_with_more_than_three() -> None:
    more = {f"CK+/Neutral/S010_004_{1:08d}.png": b"", f"CK+/Anger/S010_004_{16:08d}.png": b""}
    files = {name.replace("ck/CK+48/anger", "CK+/Anger"): content for name, content in crops().items()} | more
    listing = read(CKPLUS, files)
    found = {row.id: (row.level, CLASSES[row.label]) for row in listing.rows}
    assert found["S010_004_00000001"] == (0, "neutral")
    assert found["S010_004_00000019"] == (1, "angry")
    assert "S010_004_00000016" not in found
    assert listing.unused == [f"CK+/Anger/S010_004_{16:08d}.png"]


def test_a_sequence_under_two_emotions() -> None:
    listing = read(CKPLUS, crops() | {"ck/CK+48/fear/S010_004_00000016.png": b""})
    assert {row.subject for row in listing.rows} == {"S011"}
    assert told(listing)["S010_004_00000017"] == "S010_004 is angry and fear"
    assert len(listing.problems) == 4
