"""The drawn stand-in for FER2013: the faces move as told, and the archive is what its reader expects."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.readers.fer2013 import CLASSES, FER2013, read
from refer.datasets.standin import faces, fer2013
from refer.datasets.standin.common import shares
from refer.datasets.standin.geometry import Face, see
from refer.errors import UserError

IMAGES = {"Training": 80, "PublicTest": 24, "PrivateTest": 24}
WHO = faces.sample_identity(faces.generator(11))


def frontal(units: dict[str, float]) -> Face:
    return see(WHO, units, faces.STUDIO)


def middle(name: str) -> Callable[[Face], float]:
    """Return a measure: how low the middle of a curve stands."""
    return lambda seen: float(seen.curves[name][len(seen.curves[name]) // 2, 1])


def gap(upper: str, lower: str) -> Callable[[Face], float]:
    return lambda seen: middle(lower)(seen) - middle(upper)(seen)


def mouth_width(seen: Face) -> float:
    return float(np.ptp(seen.curves["mouth top"][:, 0]))


def corners(seen: Face) -> float:
    return float(seen.curves["mouth top"][[0, -1], 1].sum())


def chin(seen: Face) -> float:
    return float(seen.curves["head"][:, 1].max())


def lips(seen: Face) -> float:
    return gap("upper lip", "lower lip")(seen) - gap("mouth top", "mouth bottom")(seen)


# What each unit moves, and whether the measure grows (1) or shrinks (-1); y runs downwards.
MOVES: dict[str, tuple[Callable[[Face], float], int]] = {
    "AU1": (lambda seen: float(seen.curves["brow.left"][-1, 1]), -1),
    "AU2": (lambda seen: float(seen.curves["brow.left"][0, 1]), -1),
    "AU4": (lambda seen: float(seen.curves["brow.right"][0, 1]), 1),
    "AU5": (middle("upper lid.left"), -1),
    "AU6": (middle("lower lid.left"), -1),
    "AU7": (gap("upper lid.right", "lower lid.right"), -1),
    "AU9": (middle("nose wing.left"), -1),
    "AU10": (middle("upper lip"), -1),
    "AU12": (corners, -1),
    "AU14": (lambda seen: seen.folds["dimple fold.left"], 1),
    "AU15": (corners, 1),
    "AU16": (middle("lower lip"), 1),
    "AU17": (chin, -1),
    "AU20": (mouth_width, 1),
    "AU23": (lips, -1),
    "AU24": (lips, -1),
    "AU25": (gap("mouth top", "mouth bottom"), 1),
    "AU26": (chin, 1),
    "AU27": (gap("mouth top", "mouth bottom"), 1),
}


def test_every_unit_has_a_measure() -> None:
    assert set(MOVES) == set(faces.UNITS)


@pytest.mark.parametrize("unit", MOVES)
def test_a_unit_moves_what_it_names(unit: str) -> None:
    measure, sign = MOVES[unit]
    absent, half, whole = (measure(frontal({unit: s})) for s in (0.0, 0.5, 1.0))
    assert sign * absent < sign * half < sign * whole


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError, match="AU99"):
        frontal({"AU99": 0.5})
    with pytest.raises(ValueError, match=r"unknown emotion 'joy'.*happy"):
        faces.sample_expression("joy", faces.generator(0))


@pytest.mark.parametrize("size", [48, 100])
def test_a_face_is_a_colour_image_of_the_size_asked_for(size: int) -> None:
    image = faces.draw(WHO, {"AU12": 1.0}, faces.STUDIO, size, faces.generator(0))
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert image.std() > 20
    assert faces.grey(image).shape == (size, size)


def test_every_kind_of_person_can_be_drawn_in_every_class() -> None:
    styles = set()
    for number in range(60):
        rng = faces.generator(5, number)
        who = faces.sample_identity(rng)
        styles |= {who.hair_style, who.beard, who.glasses}
        expression = faces.sample_expression(list(faces.PROTOTYPES)[number % 8], rng)
        assert faces.draw(who, expression, faces.sample_capture(rng), 48, rng).std() > 2
    assert {"scarf", "bald", "curls", "full", True} <= styles


def test_a_face_depends_on_its_own_key_alone() -> None:
    keys = [(3, subject, shot, shot % 7) for shot, subject in enumerate((4, 9, 4, 2))]
    forwards = [fer2013.face(*key) for key in keys]
    backwards = [fer2013.face(*key) for key in reversed(keys)][::-1]
    assert all(np.array_equal(one, other) for one, other in zip(forwards, backwards, strict=True))
    assert len({image.tobytes() for image in forwards}) == len(keys)


def test_shares_are_proportional_and_leave_none_out() -> None:
    assert shares(28709, fer2013.REAL_COUNTS["Training"]) == list(fer2013.REAL_COUNTS["Training"])
    for total in (7, 14, 50, 333):
        counts = shares(total, fer2013.REAL_COUNTS["PublicTest"])
        assert sum(counts) == total
        assert min(counts) >= 1


Drawn = tuple[pd.DataFrame, NDArray[np.uint8]]


def members(archive: Path) -> dict[str, bytes]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as packed:
            return {name: packed.read(name) for name in packed.namelist()}
    with tarfile.open(archive) as packed:
        return {member.name: packed.extractfile(member).read() for member in packed}  # type: ignore[union-attr]


def table(content: bytes, subjects: bytes, name: str) -> Drawn:
    """Read one of the CSV layouts with its subjects."""
    rows = pd.read_csv(io.BytesIO(content), skipinitialspace=True)
    ids = pd.read_csv(io.BytesIO(subjects))
    assert list(ids["id"]) == [f"{name}#{index}" for index in range(len(rows))]
    pixels = np.array([np.array(text.split(), dtype=np.uint8) for text in rows["pixels"]])
    return rows.drop(columns="pixels").assign(subject=ids["subject"]), pixels.reshape(-1, 48, 48)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("standin") / "fer2013.tar.gz"
    fer2013.draw(out, images=IMAGES, subjects=20, seed=1)
    return out


@pytest.fixture(scope="module")
def drawn(archive: Path) -> Drawn:
    found = members(archive)
    return table(found["fer2013/fer2013.csv"], found["fer2013/subjects.csv"], "fer2013.csv")


def test_the_archive_says_what_it_is_and_holds_nothing_else(archive: Path) -> None:
    found = members(archive)
    assert set(found) == {"fer2013/README.txt", "fer2013/subjects.csv", "fer2013/fer2013.csv"}
    assert found["fer2013/README.txt"].startswith(b"drawn stand-in, no real person;")
    assert found["fer2013/fer2013.csv"].startswith(b"emotion,pixels,Usage\n")


def test_splits_and_classes_have_the_real_proportions(drawn: Drawn) -> None:
    rows, _ = drawn
    for split, number in IMAGES.items():
        counts = rows.loc[rows["Usage"] == split, "emotion"].value_counts()
        assert list(counts.sort_index()) == shares(number, fer2013.REAL_COUNTS[split])


def groups(drawn: Drawn) -> list[pd.DataFrame]:
    """Return the rows of every group of identical images."""
    rows, pixels = drawn
    keyed = rows.assign(image=[image.tobytes() for image in pixels])
    return [group for _, group in keyed.groupby("image") if len(group) > 1]


def test_the_mess_is_there_in_the_amounts_stated(drawn: Drawn) -> None:
    _, pixels = drawn
    found: Counter[str] = Counter()
    for group in groups(drawn):
        usage = Counter(group["Usage"])
        found["within Training"] += max(0, usage["Training"] - 1)
        found["PublicTest in Training"] += usage["PublicTest"] * (usage["Training"] > 0)
        found["PrivateTest in Training"] += usage["PrivateTest"] * (usage["Training"] > 0)
        found["PrivateTest in PublicTest"] += usage["PrivateTest"] * (usage["PublicTest"] > 0)
        found["conflicts"] += group["emotion"].nunique() > 1
    training, public, private = (fer2013.faults(split, number) for split, number in IMAGES.items())
    assert found == {
        "within Training": training["Training"],
        "PublicTest in Training": public["Training"],
        "PrivateTest in Training": private["Training"],
        "PrivateTest in PublicTest": private["PublicTest"],
        "conflicts": fer2013.conflicts(IMAGES),
    }
    assert (pixels.std(axis=(1, 2)) < 1).sum() == training["blank"] + public["blank"]


def test_the_amounts_at_full_size_are_the_real_ones() -> None:
    training, public, private = (fer2013.faults(split, sum(counts)) for split, counts in fer2013.REAL_COUNTS.items())
    assert training == {"blank": 11, "Training": 1236}
    assert public == {"blank": 1, "Training": 280}
    assert private == {"Training": 288, "PublicTest": 44}
    assert fer2013.conflicts({split: sum(counts) for split, counts in fer2013.REAL_COUNTS.items()}) == 57


def test_only_copied_images_share_a_subject_across_splits(drawn: Drawn) -> None:
    rows, _ = drawn
    copies = pd.concat(groups(drawn)).index
    splits = rows.drop(index=copies).groupby("subject")["Usage"].nunique()
    assert splits.max() == 1
    assert rows.drop(index=copies)["subject"].nunique() == 20


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_equal_arguments_give_equal_bytes(suffix: str, tmp_path: Path) -> None:
    few = dict.fromkeys(IMAGES, 14)
    contents = []
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        out = tmp_path / (name + suffix)
        fer2013.draw(out, images=few, subjects=3, seed=seed)
        contents.append(out.read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_the_other_csv_layout_holds_the_same_rows(drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "challenge.zip"
    fer2013.draw(out, images=IMAGES, subjects=20, seed=1, layout="icml_face_data.csv")
    found = members(out)
    assert found["icml_face_data.csv"].startswith(b"emotion, Usage, pixels\n")
    rows, pixels = table(found["icml_face_data.csv"], found["subjects.csv"], "icml_face_data.csv")
    assert np.array_equal(pixels, drawn[1])
    assert rows[["emotion", "Usage"]].equals(drawn[0][["emotion", "Usage"]])


def test_the_folder_layout_is_the_one_of_the_mirrors(tmp_path: Path) -> None:
    out, ticks = tmp_path / "folders.zip", []
    few = dict.fromkeys(IMAGES, 14)
    fer2013.draw(out, images=few, subjects=3, layout="folders", progress=lambda done, all_: ticks.append((done, all_)))
    found = members(out)
    images = {name: content for name, content in found.items() if name.endswith(".jpg")}
    ids = pd.read_csv(io.BytesIO(found["subjects.csv"]))["id"]
    assert set(ids) == set(images)
    assert ids.is_unique
    assert ticks == [(done, 42) for done in range(1, 43)]
    pattern = r"(train/\w+/Training|test/\w+/(PublicTest|PrivateTest))_\d{8}\.jpg"
    assert ids.str.fullmatch(pattern).all()
    assert {name.split("/")[1] for name in images} == set(CLASSES)
    assert not ids.str.rpartition("/")[2].is_unique, "a file name occurs in two class folders"
    for content in images.values():
        with Image.open(io.BytesIO(content)) as image:
            assert (image.mode, image.size) == ("L", (48, 48))


def test_without_mess_every_image_is_one_of_a_kind(tmp_path: Path) -> None:
    out = tmp_path / "clean.zip"
    fer2013.draw(out, images=dict.fromkeys(IMAGES, 14), subjects=6, mess=False)
    found = members(out)
    clean = table(found["fer2013/fer2013.csv"], found["fer2013/subjects.csv"], "fer2013.csv")
    assert groups(clean) == []
    assert clean[0].groupby("subject")["Usage"].nunique().max() == 1


@pytest.mark.parametrize("number", [14, 15, 20, 31])
@pytest.mark.parametrize("seed", range(6))
def test_small_sets_have_room_for_every_fault(number: int, seed: int) -> None:
    rows = fer2013.plan(dict.fromkeys(IMAGES, number), 3, seed, True)
    keys = Counter((row.split, row.fault == "blank", row.shot) for row in rows)
    assert max(keys.values()) > 1
    assert {row.split for row in rows if row.fault == "blank"} == {"Training", "PublicTest"}
    assert any(row.label != row.emotion for row in rows)


def test_a_training_set_too_small_for_its_copies_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"draw more of Training"):
        fer2013.draw(tmp_path / "out.zip", images={"Training": 14, "PublicTest": 900, "PrivateTest": 900}, subjects=3)


@pytest.mark.parametrize("layout", FER2013.layouts)
def test_the_reader_of_the_real_data_set_reads_every_layout(layout: str, tmp_path: Path) -> None:
    out = tmp_path / "fer2013.zip"
    fer2013.draw(out, images=dict.fromkeys(IMAGES, 14), subjects=3, layout=layout)
    with zipfile.ZipFile(out) as raw:
        listing = read(raw)
    assert len(listing.rows) == 42
    assert listing.problems == []
    assert [Path(name).name for name in listing.unused] == ["README.txt"]
    assert all(re.fullmatch(r"p\d{5}", row.subject or "") for row in listing.rows)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": {"Training": 20}}, "expected Training, PublicTest, PrivateTest"),
        ({"images": IMAGES | {"PublicTest": 3}}, r"images of PublicTest: 3; expected at least"),
        ({"subjects": 2}, r"subjects: 2; expected at least 3"),
        ({"layout": "hdf5"}, r"layout 'hdf5' is unknown"),
        ({"out": Path("faces.7z")}, r"cannot write '\.7z'"),
    ],
)
def test_what_will_not_do_is_refused(changed: dict, message: str, tmp_path: Path) -> None:
    arguments = {"out": tmp_path / "out.zip", "images": IMAGES, "subjects": 20} | changed
    with pytest.raises(UserError, match=message):
        fer2013.draw(arguments.pop("out"), **arguments)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_when_drawing_fails(tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    for name in ("out.tar.gz", "out.zip"):
        with pytest.raises(KeyboardInterrupt):
            fer2013.draw(tmp_path / name, images=IMAGES, subjects=20, progress=stop)
    assert list(tmp_path.iterdir()) == []
