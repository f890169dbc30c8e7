from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_fixtures import as_zip, encoded, jpeg, noise, png
from refer.datasets import catalog
from refer.datasets.model import ImageRow, Listing
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.datasets.readers import flir
from refer.datasets.readers.nvie import NVIE
from refer.datasets.readers.viri import VIRI
from refer.datasets.standin.radiometric import pack
from refer.errors import UserError

ARCHIVES, FOLDERS = VIRI.layouts
CLASSES = ("Angry", "Happy", "Neutral", "Sad", "Surprise")


def archives(stems: tuple[str, ...] = ("1", "2"), word: str = "VIRI", classes: tuple[str, ...] = CLASSES) -> list[str]:
    return [f"{word}-{name}-{how}/{stem}.JPG" for name in classes for how in ("Vis", "Ir") for stem in stems]


def folders(pattern: str = "{modality}/{name}/{stem}.jpg", stems: tuple[str, ...] = ("1", "2")) -> list[str]:
    return [
        pattern.format(modality=modality, name=name, stem=stem)
        for name in CLASSES
        for modality in ("Visible", "IR")
        for stem in stems
    ]


def listing(path: Path, files: Mapping[str, bytes] | list[str], pattern: str | None = None) -> Listing:
    """Read these files; names alone stand for small JPEGs."""
    named = files if isinstance(files, Mapping) else dict.fromkeys(files, jpeg(0))
    with zipfile.ZipFile(as_zip(path / "files.zip", named)) as raw:
        return VIRI.read(raw, pattern)


def in_memory(names: list[str]) -> Listing:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as raw:
        for name in names:
            raw.writestr(name, b"")
        return VIRI.read(raw)


def row(found: Listing, key: str) -> ImageRow:
    return next(one for one in found.rows if one.id == key)


def radiometric(seed: int = 0) -> bytes:
    celsius = 25 + 10 * noise(seed, (12, 16)) / 255
    return pack(celsius, jpeg(seed), encoded(noise(seed, (24, 32))))


def test_the_owners_archives_give_pairs(tmp_path: Path) -> None:
    names = archives()
    assert VIRI.recognise(names) == ARCHIVES
    found = listing(tmp_path, names)
    assert sorted(one.id for one in found.rows) == sorted(names)
    assert row(found, "VIRI-Sad-Ir/2.JPG") == ImageRow(
        "VIRI-Sad-Ir/2.JPG", 3, "all", None, "VIRI-Sad-Ir/2.JPG", "infrared", "sad/2"
    )
    assert row(found, "VIRI-Sad-Vis/2.JPG").pair == "sad/2"
    assert {one.pair for one in found.rows} == {f"{name.lower()}/{stem}" for name in CLASSES for stem in "12"}
    assert found.notes == {"pairs": 10, "pairs by the names of the files": 10}
    assert not found.problems
    assert not found.unused


@pytest.mark.parametrize(
    "pattern",
    [
        "{modality}/{name}/{stem}.jpg",
        "{name}/{modality}/{stem}.jpg",
        "VIRI/{modality}/{name}/{stem}.JPEG",
        "raw/VIRI/{modality} images/{name}/a/b/{stem}.png",
        "{name}_{modality}/{stem}.bmp",
        "{modality}-{name}/{stem}.tif",
        "{name}/more/{modality}/{stem}.jpg",
        "NVIE and more/VIRI/{modality}/{name}/{stem}.jpg",
    ],
)
def test_class_folders_as_people_unpack_them_are_recognised(tmp_path: Path, pattern: str) -> None:
    names = folders(pattern)
    assert VIRI.recognise(names) == FOLDERS
    assert VIRI.recognise([name.upper() for name in names]) == FOLDERS
    found = listing(tmp_path, names)
    assert found.notes == {"pairs": 10, "pairs by the names of the files": 10}
    assert {(one.label, one.modality) for one in found.rows} == {(k, m) for k in range(5) for m in VIRI.modalities}


def test_other_spellings_of_classes_and_modalities_are_understood(tmp_path: Path) -> None:
    names = [
        f"{modality}/{name}/1.jpg"
        for name in ("anger", "Happiness", "NEUTRAL", "Sadness", "Surprised")
        for modality in ("RGB", "thermal")
    ]
    found = listing(tmp_path, names)
    assert row(found, "thermal/Surprised/1.jpg")[1:7] == (4, "all", None, "thermal/Surprised/1.jpg", "infrared",
                                                         "surprise/1")  # fmt: skip


@pytest.mark.parametrize("above", ["", "raw/", "VIRI-raw-data-d5f655d/", "a/b c/"])
@pytest.mark.parametrize("inside", ["", "VIRI-Angry-Ir/"])
def test_ids_are_the_same_in_every_mirror(tmp_path: Path, above: str, inside: str) -> None:
    names = [above + name.replace("VIRI-Angry-Ir/", f"VIRI-Angry-Ir/{inside}") for name in archives()]
    found = listing(tmp_path, names)
    assert sorted(one.id for one in found.rows) == sorted(archives())
    assert all(one.member in names for one in found.rows)


def test_images_at_any_depth_belong_to_their_archive(tmp_path: Path) -> None:
    names = [name.replace("Ir/", "Ir/DCIM/100_FLIR/") for name in archives()]
    found = listing(tmp_path, names)
    assert row(found, "VIRI-Happy-Ir/DCIM/100_FLIR/1.JPG").label == 1
    assert found.notes["pairs"] == 10


def test_the_archive_decides_whatever_its_folders_say(tmp_path: Path) -> None:
    names = [name.replace("VIRI-Sad-Vis/", "VIRI-Sad-Vis/Happy/") for name in archives()]
    found = listing(tmp_path, names)
    assert row(found, "VIRI-Sad-Vis/Happy/1.JPG").label == 3


def test_nvie_in_the_same_folder_is_left_alone(tmp_path: Path) -> None:
    strange = archives(word="NVIE", classes=("happy", "fear", "disgust1"))
    found = listing(tmp_path, [*archives(), *strange])
    assert sorted(one.id for one in found.rows) == sorted(archives())
    assert sorted(found.unused) == sorted(strange)


def test_nvies_class_folders_are_left_alone_too(tmp_path: Path) -> None:
    strange = [f"NVIE/{name}" for name in folders()]
    found = listing(tmp_path, [*(f"VIRI/{name}" for name in folders()), *strange])
    assert sorted(one.id for one in found.rows) == sorted(folders())
    assert sorted(found.unused) == sorted(strange)
    with pytest.raises(UserError, match="This is no VIRI"):
        VIRI.recognise(strange)


def test_what_is_no_image_is_counted_as_unused(tmp_path: Path) -> None:
    found = listing(tmp_path, [*archives(), "README.txt", "VIRI-Sad-Ir/notes.txt", "cover.jpg", "VIRI-Sad-Ir.jpg"])
    assert sorted(found.unused) == ["README.txt", "VIRI-Sad-Ir.jpg", "VIRI-Sad-Ir/notes.txt", "cover.jpg"]


@pytest.mark.parametrize("names", [[], ["a.txt"], ["train/angry/Training_1.jpg"], ["VIRI-Angry-Ir.zip"],
                                   archives(word="NVIE"), ["VIRI-Angry-Ir.jpg", "Visible.jpg"],
                                   ["Visible/1.jpg", "Angry/1.jpg", "VIRI-Angry/1.jpg"]])  # fmt: skip
def test_anything_else_is_refused_with_what_was_looked_for(names: list[str]) -> None:
    with pytest.raises(UserError, match=r"This is no VIRI: looked for .*VIRI-<class>-Vis.*found") as caught:
        VIRI.recognise(names)
    assert (names[0] if names else "nothing") in str(caught.value) or len(names) > 4


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("VIRI-Sad-Ir/", "infrared of sad"),
        ("VIRI-Angry-Vis/", "visible of angry"),
        ("VIRI-Happy-", "visible of happy, infrared of happy"),
    ],
)
def test_a_missing_class_or_modality_is_named(gone: str, named: str) -> None:
    with pytest.raises(UserError, match=f"VIRI lacks images, {named}: expected"):
        VIRI.recognise([name for name in archives() if not name.startswith(gone)])


def test_an_archive_without_images_counts_as_missing() -> None:
    names = [name.replace(".JPG", ".txt") if "Sad-Ir" in name else name for name in archives()]
    with pytest.raises(UserError, match="infrared of sad"):
        VIRI.recognise(names)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([*archives(), *folders()], "twice, as .* and as"),
        ([*(f"a/{name}" for name in archives()), *(f"b/{name}" for name in archives())], "more than once, below a, b"),
        ([*folders(), *(f"copy/{name}" for name in folders())], r"more than once, below \./, copy"),
        ([*archives(), "VIRI-Sad-Ir/VIRI-Sad-Ir/1.JPG"], "VIRI-Sad-Ir/1.JPG stands here twice"),
        ([*folders(), "Visible/Angry/Happy/1.jpg"], "Visible/Angry/Happy/1.jpg name two classes or modalities"),
        ([*folders(), "IR/Angry/Visible/1.jpg"], "name two classes or modalities"),
    ],
)
def test_what_stands_there_twice_or_contradicts_itself_is_refused(names: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        VIRI.recognise(names)


def test_unpaired_images_are_listed_and_counted(tmp_path: Path) -> None:
    extra = ["VIRI-Sad-Ir/77.JPG", "VIRI-Sad-Vis/88.JPG", "VIRI-Sad-Vis/x9.JPG", "VIRI-Sad-Vis/y9.JPG",
             "VIRI-Sad-Ir/z9.JPG", "VIRI-Sad-Ir/shot 5.JPG", "VIRI-Sad-Vis/photo-05-b.JPG",
             "VIRI-Sad-Ir/IR_0102.JPG", "VIRI-Sad-Vis/DC_0103.JPG"]  # fmt: skip
    found = listing(tmp_path, archives() + extra)
    assert {one.id for one in found.rows if one.pair is None} == {*extra[:5]}
    assert row(found, "VIRI-Sad-Ir/shot 5.JPG").pair == row(found, "VIRI-Sad-Vis/photo-05-b.JPG").pair == "sad/05-b"
    assert found.notes == {
        "pairs": 12,
        "pairs by the names of the files": 10,
        "pairs by the numbers in the names alone": 1,
        "pairs by the one counter of a FLIR camera (photograph = infrared + 1)": 1,
        "visible images without an infrared one": 3,
        "infrared images without a visible one": 2,
        "unpaired images whose names fit several others": 3,
    }


def test_equal_names_in_other_classes_make_other_pairs(tmp_path: Path) -> None:
    found = listing(tmp_path, archives(("1",)))
    assert len({one.pair for one in found.rows}) == 5


def test_a_radiometric_jpeg_with_a_partner_gives_its_temperatures(tmp_path: Path) -> None:
    files = dict.fromkeys(archives(), jpeg(0)) | {"VIRI-Sad-Ir/1.JPG": radiometric()}
    found = listing(tmp_path, files)
    assert row(found, "VIRI-Sad-Ir/1.JPG").view == "temperature"
    assert row(found, "VIRI-Sad-Vis/1.JPG").view == ""
    assert len(found.rows) == 20
    assert found.notes["infrared images that are temperatures of radiometric JPEGs"] == 1


def test_a_radiometric_jpeg_alone_gives_both_pictures(tmp_path: Path) -> None:
    files = dict.fromkeys(archives(), jpeg(0)) | {"VIRI-Sad-Ir/a/77.jpeg": radiometric()}
    found = listing(tmp_path, files)
    member = "VIRI-Sad-Ir/a/77.jpeg"
    assert row(found, member) == ImageRow(member, 3, "all", None, member, "infrared", "sad/a/77", view="temperature")
    assert row(found, f"{member}#visible") == ImageRow(
        f"{member}#visible", 3, "all", None, member, "visible", "sad/a/77", view="embedded"
    )
    assert found.notes["pairs"] == 11
    assert found.notes["visible images that are photographs in radiometric JPEGs"] == 1
    assert "infrared images without a visible one" not in found.notes


def test_a_radiometric_jpeg_whose_partner_is_unclear_stays_alone(tmp_path: Path) -> None:
    files = dict.fromkeys(archives(), jpeg(0))
    files |= {"VIRI-Sad-Vis/x9.JPG": jpeg(1), "VIRI-Sad-Vis/y9.JPG": jpeg(2), "VIRI-Sad-Ir/z9.JPG": radiometric()}
    found = listing(tmp_path, files)
    assert row(found, "VIRI-Sad-Ir/z9.JPG").pair is None
    assert not [one for one in found.rows if one.view == "embedded"], "its photograph may be x9 or y9"


def test_visible_images_are_never_looked_into(tmp_path: Path) -> None:
    found = listing(tmp_path, dict.fromkeys(archives(), jpeg(0)) | {"VIRI-Sad-Vis/1.JPG": radiometric()})
    assert row(found, "VIRI-Sad-Vis/1.JPG").view == ""


def test_only_the_head_of_infrared_jpegs_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = archives(("1",))
    path = as_zip(tmp_path / "files.zip", dict.fromkeys(names, jpeg(0) + bytes(1 << 20)))
    read: dict[str, int] = {}
    plain = zipfile.ZipExtFile.read

    def counting(self: zipfile.ZipExtFile, n: int = -1) -> bytes:
        content = plain(self, n)
        read[self.name] = read.get(self.name, 0) + len(content)
        return content

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counting)
    with zipfile.ZipFile(path) as raw:
        VIRI.read(raw)
    assert read == {name: flir.HEAD for name in names if "-Ir/" in name}


def test_subjects_come_from_the_pattern_and_the_rest_is_counted(tmp_path: Path) -> None:
    names = archives(("S01_7", "S02_8"))
    pattern = r"/(?P<subject>S\d+)_"
    assert {one.subject for one in listing(tmp_path, names).rows} == {None}
    found = listing(tmp_path, names, pattern)
    assert row(found, "VIRI-Sad-Ir/S02_8.JPG").subject == "S02"
    assert "images whose name matches no subject" not in found.notes
    found = listing(tmp_path, [*names, "VIRI-Sad-Ir/other.JPG"], pattern)
    assert row(found, "VIRI-Sad-Ir/other.JPG").subject is None
    assert found.notes["images whose name matches no subject"] == 1


@pytest.mark.parametrize("pattern", [r"VIRI(?P<subject>_\d+)?", r"VIRI(?P<subject>x*)", r"(?P<subject>S\d+)"])
def test_a_pattern_that_finds_nobody_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UserError, match=r"finds nobody in 20 images, such as VIRI-.*expected at least two people"):
        listing(tmp_path, archives(), pattern)


def test_a_pattern_begins_where_a_word_does(tmp_path: Path) -> None:
    names = [f"VIRI-{name}-{how}/GLASSES1/P{n:03d}.JPG" for name in CLASSES for how in ("Vis", "Ir") for n in (1, 2)]
    with pytest.raises(UserError, match="finds nobody in 20 images"):
        listing(tmp_path, names, r"(?P<subject>S\d+)")
    assert {one.subject for one in listing(tmp_path, names, r"(?P<subject>P\d+)").rows} == {"P001", "P002"}
    after = [name.replace("/P", "/S") for name in names]
    assert {one.subject for one in listing(tmp_path, after, r"(?P<subject>S\d+)").rows} == {"S001", "S002"}
    with pytest.raises(UserError, match="finds nobody"):
        listing(tmp_path, names, r"P(?P<subject>\d\d)")


def test_what_a_pattern_finds_must_be_people(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one person alone, GLASSES1, in 20 of 20 images"):
        listing(tmp_path, [name.replace("/", "/GLASSES1/") for name in archives()], r"(?P<subject>GLASSES\d+)")
    numbered = [
        f"VIRI-{name}-{how}/{10 * label + n}.JPG"
        for label, name in enumerate(CLASSES)
        for how in ("Vis", "Ir")
        for n in (1, 2)
    ]
    with pytest.raises(UserError, match="another person in each of 10 pictures"):
        listing(tmp_path, numbered, r"(?P<subject>\d+)")
    mostly = archives(tuple(f"S{1 + n // 6}_{n}" for n in range(8)))
    with pytest.raises(UserError, match="2 people, of whom S1 is on 60 of 80 images"):
        listing(tmp_path, mostly, r"(?P<subject>S\d+)")
    found = listing(tmp_path, archives(("S1_1", "S2_1", "S2_2")), r"(?P<subject>S\d+)").notes
    assert found["people found by the subject pattern"] == 2
    assert found["images of one of these people, at most"] == 20
    assert found["images of one of these people, at least"] == 10


def test_the_two_pictures_of_a_radiometric_jpeg_are_one_persons(tmp_path: Path) -> None:
    files = dict.fromkeys(archives(("S01_1",)), jpeg(0)) | {"VIRI-Sad-Ir/S07_3.JPG": radiometric()}
    found = listing(tmp_path, files, r"(?P<subject>S\d+)_")
    assert [one.subject for one in found.rows if one.view] == ["S07", "S07"]


@pytest.mark.parametrize(
    ("pattern", "says"), [("(?P<subject>", "no regular expression"), (r"S(\d+)", "no group named subject")]
)
def test_a_pattern_that_cannot_find_a_subject_is_refused(tmp_path: Path, pattern: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        listing(tmp_path, archives(), pattern)


def test_two_persons_in_one_pair_are_refused(tmp_path: Path) -> None:
    names = [*archives(), "VIRI-Sad-Vis/A-31.JPG", "VIRI-Sad-Ir/B-31.JPG"]
    with pytest.raises(UserError, match=r"two persons in one pair \(sad/a-31: A, B\)"):
        listing(tmp_path, names, r"(?P<subject>[AB])-")


@settings(max_examples=20, deadline=None)
@given(st.permutations(archives(("1", "IR_2", "x3", "y3"))))
def test_the_order_of_members_does_not_matter(names: list[str]) -> None:
    found, again = in_memory(names), in_memory(sorted(names))
    assert sorted(found.rows) == sorted(again.rows)
    assert found.notes == again.notes


def test_known_counts_are_those_of_the_papers_notebooks() -> None:
    assert sum(VIRI.counts["all"]) == 566
    assert VIRI.counts_are == "reported"


@pytest.mark.parametrize(("known", "number"), [(VIRI, 10), (NVIE, 8)])
def test_every_archive_of_the_pinned_commit_is_recognised(known: object, number: int) -> None:
    files = known.files  # type: ignore[attr-defined]
    assert len(files) == len({file.blob for file in files}) == number
    for file in files:
        assert re.fullmatch(r"[0-9a-f]{40}", file.blob)
        assert file.url.endswith(f"/d5f655d9b88c319c87514fa929a025361c35259b/{file.name}")
    names = [f"{file.name.rpartition('.')[0]}/1.jpg" for file in files]
    assert known.recognise(names) == ARCHIVES  # type: ignore[attr-defined]


def test_a_messy_set_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.DATASETS, "viri", VIRI)
    files = {name: encoded(noise(number, (20, 30, 3))) for number, name in enumerate(archives(("1",)))}
    files["VIRI-Sad-Ir/1.JPG"] = png(noise(98, (40, 30)))  # grey, and not what its suffix says
    files["VIRI-Sad-Ir/77.JPG"] = radiometric(3)
    files["VIRI-Sad-Vis/cut.JPG"] = encoded(noise(99, (20, 30, 3)))[:500]
    obtain("viri", str(as_zip(tmp_path / "viri.zip", files)), tmp_path / "raw", stand_in=True)
    prepare("viri", tmp_path / "raw", tmp_path / "out", tolerate=["unreadable"], workers=1)
    images = np.load(tmp_path / "out" / "images.npy")
    index = pd.read_parquet(tmp_path / "out" / "index.parquet").set_index("id")
    summary = json.loads((tmp_path / "out" / "prepare.json").read_text())
    assert images.shape == (12, 224, 224, 3)
    assert index.pair["VIRI-Sad-Ir/77.JPG"] == index.pair["VIRI-Sad-Ir/77.JPG#visible"] == "sad/77"
    warm = images[index.index.get_loc("VIRI-Sad-Ir/77.JPG")]
    assert (warm[..., 0] == warm[..., 1]).all()
    assert 80 < warm.mean() < 200, "25 to 35 °C"
    assert summary["notes"]["pairs"] == 6
