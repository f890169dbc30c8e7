"""The drawn stand-in for BU-3DFE: 25 cut-out faces a person, whose expressions grow from level to level."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refer.datasets.readers.bu3dfe import BU3DFE, locate, read
from refer.datasets.standin import bu3dfe
from refer.errors import UserError

SMALL = {"images": {}, "subjects": 3, "seed": 1, "size": 64}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bu3dfe") / "bu3dfe.zip"
    bu3dfe.draw(out, **SMALL)
    return out


@pytest.fixture(scope="module")
def pictures(archive: Path) -> dict[str, np.ndarray]:
    """Return the pictures by the owner's name."""
    found = {}
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            if name.lower().endswith("_f2d.bmp"):
                with Image.open(io.BytesIO(packed.read(name))) as image:
                    assert (image.format, image.mode, image.size) == ("BMP", "RGB", (64, 64))
                    found[Path(name).name[:12].upper()] = np.asarray(image)
    return found


def test_each_person_has_a_picture_of_every_class_and_level(pictures: dict[str, np.ndarray]) -> None:
    assert {name[:5] for name in pictures} == {"F0001", "F0002", "M0001"}
    wanted = {"NE00"} | {f"{code}0{level}" for code in ("AN", "DI", "FE", "HA", "SA", "SU") for level in (1, 2, 3, 4)}
    for person in ("F0001", "F0002", "M0001"):
        own = [name for name in pictures if name.startswith(person)]
        assert {name[6:10] for name in own} == wanted
        assert len(own) == 25
        assert len({name[10:12] for name in own}) == 1, "one ancestry a person"


def test_the_reader_of_the_real_data_set_reads_it(archive: Path, pictures: dict[str, np.ndarray]) -> None:
    with zipfile.ZipFile(archive) as raw:
        names, listing = raw.namelist(), read(raw)
        assert raw.read("README.txt").startswith(b"drawn stand-in, no real person;")
    assert listing.problems == []
    assert {row.id for row in listing.rows} == set(pictures)
    assert Counter(row.level for row in listing.rows) == {0: 3, 1: 18, 2: 18, 3: 18, 4: 18}
    assert Counter(listing.unused) == Counter(n for n in names if n == "README.txt" or n.endswith("_RAW.wrl"))
    assert len(listing.unused) == 4
    assert sum(Path(name).name.islower() for name in names) == 1
    assert BU3DFE.recognise(names) == "F2D"


def test_a_face_is_cut_out_before_black(pictures: dict[str, np.ndarray]) -> None:
    for picture in pictures.values():
        bright = picture.max(axis=2) > 0
        assert not bright[[0, -1]].any()
        assert not bright[:, [0, -1]].any()
        assert 0.2 < bright.mean() < 0.6
        assert bright[25:40, 24:40].all(), "the middle of the face has no holes"
        assert locate(Image.fromarray(picture)) is not None


def test_an_expression_grows_from_level_to_level(pictures: dict[str, np.ndarray]) -> None:
    far: dict[str, list[float]] = {}
    for name, picture in pictures.items():
        rest = next(image for other, image in pictures.items() if other.startswith(name[:6] + "NE"))
        far.setdefault(name[9], []).append(float(np.abs(picture - rest.astype(float))[14:52, 14:50].mean()))
    means = [np.mean(far[level]) for level in "1234"]
    assert means == sorted(means)
    assert means[3] > 1.3 * means[0]


def test_women_and_men_come_in_the_real_proportion_and_look_so_far_as_hair_goes() -> None:
    scans = bu3dfe.plan(100, 0)
    people = {scan.subject: scan.person for scan in scans}
    assert Counter(name[0] for name in people) == {"F": 56, "M": 44}
    assert sorted(people)[55] == "F0056"
    assert Counter(scan.label for scan in scans) == dict(enumerate(BU3DFE.counts["all"]))
    drawn = {name: bu3dfe._person(0, name, number) for name, number in people.items()}
    assert {who.beard for name, who in drawn.items() if name.startswith("F")} == {"none"}
    assert {who.beard for name, who in drawn.items() if name.startswith("M")} > {"none"}
    assert not any(who.glasses or who.hair_style == "scarf" for who in drawn.values())
    assert {scan.ancestry for scan in scans} == set(bu3dfe.ANCESTRIES)


def test_a_picture_depends_on_its_own_person_class_and_level_alone(pictures: dict[str, np.ndarray]) -> None:
    scan = bu3dfe.plan(3, 1)[40]
    assert np.array_equal(bu3dfe.face(scan, 1, 64), pictures[scan.stem])
    assert not np.array_equal(bu3dfe.face(scan, 2, 64), pictures[scan.stem])


def test_equal_arguments_give_equal_bytes(archive: Path, tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    told = {"images": {"all": 75}, "progress": lambda done, total: ticks.append((done, total))}
    bu3dfe.draw(tmp_path / "again.zip", **(SMALL | told))
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    assert ticks == [(done, 75) for done in range(1, 76)]


def test_without_mess_there_are_pictures_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bu3dfe, "face", lambda scan, seed, size: np.zeros((size, size, 3), np.uint8))
    bu3dfe.draw(tmp_path / "clean.zip", **SMALL, mess=False)
    with zipfile.ZipFile(tmp_path / "clean.zip") as packed:
        names = packed.namelist()
    assert len(names) == 76
    assert all(name == "README.txt" or name.endswith("_F2D.bmp") for name in names)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": {"all": 74}}, r"images: .*74.*; expected none, for each subject has 25"),
        ({"subjects": 101}, r"subjects: 101; expected 2 to 100"),
        ({"size": 20}, r"size: 20 pixels; expected at least 48"),
    ],
)
def test_what_will_not_do_is_refused(changed: dict, message: str, tmp_path: Path) -> None:
    arguments = {"out": tmp_path / "out.zip"} | SMALL | changed
    with pytest.raises(UserError, match=message):
        bu3dfe.draw(arguments.pop("out"), **arguments)
    assert list(tmp_path.iterdir()) == []
