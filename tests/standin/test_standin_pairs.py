"""The drawn stand-ins for VIRI and NVIE: what lies in them is what was planned, and their readers read it so."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import Path

import py7zr
import pytest
from PIL import Image

from refer.datasets.model import Dataset, Listing
from refer.datasets.readers.flir import is_radiometric, picture
from refer.datasets.readers.nvie import NVIE
from refer.datasets.readers.viri import VIRI
from refer.datasets.standin import nvie, pairsets, viri
from refer.datasets.standin.common import shares
from refer.errors import UserError

PATTERN = r"S(?P<subject>\d{3})_"
SETS = {"viri": (viri, VIRI), "nvie": (nvie, NVIE)}
FEW = {"viri": 20, "nvie": 12}

Drawn = dict[str, bytes]


def opened(name: str, content: bytes) -> Drawn:
    """Return the members of a zip or 7z."""
    if name.endswith(".7z"):
        factory = py7zr.io.BytesIOFactory(1 << 24)
        with py7zr.SevenZipFile(io.BytesIO(content)) as archive:
            archive.extractall(factory=factory)
        return {key: member.read() for key, member in factory.products.items()}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {key: archive.read(key) for key in archive.namelist()}


def laid_out(outer: Path) -> Drawn:
    """Return all files below their archives' names, without what a Mac left."""
    found: Drawn = {}
    for name, content in opened("all.zip", outer.read_bytes()).items():
        if name.endswith((".zip", ".7z")):
            inner = opened(name, content)
            found |= {f"{name.rpartition('.')[0]}/{key}": member for key, member in inner.items()}
        else:
            found[name] = content
    return {name: content for name, content in found.items() if "__MACOSX" not in name and ".DS_Store" not in name}


def listed(files: Drawn, known: Dataset) -> Listing:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with zipfile.ZipFile(buffer) as archive:
        return known.read(archive, PATTERN)


@pytest.fixture(scope="module", params=SETS)
def which(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def outer(which: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(which) / "all.zip"
    SETS[which][0].draw(out, images={"all": FEW[which]}, subjects=3, seed=2)
    return out


@pytest.fixture(scope="module")
def files(outer: Path) -> Drawn:
    return laid_out(outer)


def planned(which: str, mess: bool = True, seed: int = 2, subjects: int = 3) -> list[pairsets.Planned]:
    return pairsets.plan(SETS[which][0].KIND, FEW[which], subjects, seed, mess)


def test_the_archives_are_the_owners(which: str, outer: Path) -> None:
    with zipfile.ZipFile(outer) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
        readme = archive.read("VIRI-raw-data-master/README.txt")
    assert names == {file.name for file in SETS[which][1].files} | {"README.txt"}
    assert readme.startswith(b"drawn stand-in, no real person;")
    assert f"Of {FEW[which]} moments 2 have lost".encode() in readme


def test_every_owners_archive_belongs_to_one_class_and_modality(which: str) -> None:
    kind, known = SETS[which][0].KIND, SETS[which][1]
    shared = [
        name
        for label in range(len(known.classes))
        for modality in known.modalities
        for name in kind.archives(label, modality)
    ]
    assert sorted(shared) == sorted(file.name for file in known.files)


def test_the_reader_finds_what_was_planned(which: str, files: Drawn) -> None:
    known, plan = SETS[which][1], planned(which)
    listing = listed(files, SETS[which][1])
    assert listing.problems == []
    assert [name.rpartition("/")[2] for name in listing.unused] == ["README.txt"]
    labels = Counter((row.label, row.modality) for row in listing.rows)
    for label in range(len(known.classes)):
        moments = [one for one in plan if one.label == label]
        alone = sum(one.radiometric and one.visible is None for one in moments)
        assert labels[label, "visible"] == sum(one.visible is not None for one in moments) + alone
        assert labels[label, "infrared"] == sum(one.infrared is not None for one in moments)
    whole = [one for one in plan if one.infrared and (one.visible or one.radiometric)]
    pairs = Counter(row.pair for row in listing.rows if row.pair)
    assert len(pairs) == len(whole) == FEW[which] - pairsets.amounts(SETS[which][0].KIND, FEW[which])["lost"]
    assert set(pairs.values()) == {2}
    assert {row.subject for row in listing.rows} == {"001", "002", "003"}
    assert listing.notes["visible images without an infrared one"] == 1
    assert listing.notes["infrared images without a visible one"] == 1
    assert listing.notes["pairs by the numbers in the names alone"] == sum(
        one.visible != one.infrared for one in whole
    ) - (which == "viri")


def test_the_layouts_hold_the_same_pictures(which: str, files: Drawn, tmp_path: Path) -> None:
    module, known = SETS[which]
    module.draw(tmp_path / "folders.zip", images={"all": FEW[which]}, subjects=3, seed=2, layout="class folders")
    folders = laid_out(tmp_path / "folders.zip")
    assert known.recognise(list(folders)) == "class folders"
    assert known.recognise(list(files)) == "owner's archives"

    def pictures(found: Drawn) -> dict[tuple[str, int], list[bytes]]:
        same: dict[tuple[str, int], list[bytes]] = {}
        for row in listed(found, SETS[which][1]).rows:
            same.setdefault((row.modality, row.label), []).append(found[row.member])
        return {key: sorted(contents) for key, contents in same.items()}

    assert pictures(folders) == pictures(files)


def test_exact_copies_are_as_many_as_stated(which: str, files: Drawn) -> None:
    images = {name: content for name, content in files.items() if name.endswith(".JPG")}
    copies = len(images) - len(set(images.values()))
    assert copies == 2 * pairsets.amounts(SETS[which][0].KIND, FEW[which])["copies"]


def test_pictures_have_the_sizes_and_colours_of_their_cameras(which: str, files: Drawn) -> None:
    kind = SETS[which][0].KIND
    for name, content in files.items():
        if name.endswith(".JPG"):
            with Image.open(io.BytesIO(content)) as image:
                thermogram = "-Ir/" in name
                height, width = kind.thermogram if thermogram else kind.photo
                assert image.size == (width, height)
                assert image.mode == ("L" if thermogram and not kind.coloured else "RGB")


def test_radiometric_pictures_hold_temperatures_and_the_photograph(which: str, files: Drawn) -> None:
    found = [content for content in files.values() if is_radiometric(content[: 64 << 10])]
    assert len(found) == SETS[which][0].KIND.radiometric
    for content in found:
        assert picture(content, "temperature").size == (128, 120)
        assert picture(content, "embedded").size == (256, 240)


def test_a_mac_was_here_and_a_7z_is_one(which: str, outer: Path) -> None:
    contents = opened("all.zip", outer.read_bytes())
    inside = [name for key, content in contents.items() if not key.endswith(".txt") for name in opened(key, content)]
    dust = [name for name in inside if name.startswith("__MACOSX/")]
    assert dust
    assert all(name.rpartition("/")[2].startswith("._") for name in dust)
    assert all(content[:2] == b"7z" for key, content in contents.items() if key.endswith(".7z"))


@pytest.mark.parametrize("name", SETS)
def test_classes_come_in_proportion_and_people_in_turn(name: str) -> None:
    kind = SETS[name][0].KIND
    moments = pairsets.plan(kind, 200, 7, 0, False)
    counts = [sum(one.label == label for one in moments) for label in range(len(kind.weights))]
    assert counts == shares(200, kind.weights)
    each = Counter((one.label, one.subject) for one in moments)
    assert max(each.values()) - min(each.values()) <= 1
    assert len(each) == 7 * len(kind.weights)
    assert all(one.visible == one.infrared for one in moments)
    assert len({one.visible for one in moments}) == 200


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_set_has_room_for_every_fault(name: str, seed: int) -> None:
    kind = SETS[name][0].KIND
    moments = planned(name, seed=seed)
    amounts = pairsets.amounts(kind, FEW[name])
    assert (
        sum(one.infrared is None or (one.visible is None and not one.radiometric) for one in moments) == amounts["lost"]
    )
    assert sum(one.radiometric for one in moments) == amounts["radiometric"]
    pictures = Counter((one.label, one.subject, one.take) for one in moments)
    assert sum(number - 1 for number in pictures.values()) == amounts["copies"]
    for label in range(len(kind.weights)):
        assert sum(one.label == label and one.visible is not None is not one.infrared for one in moments) >= 2


def test_a_moment_depends_on_its_own_key_alone() -> None:
    keys = [(3, 5, 1, 0), (3, 5, 1, 1), (3, 5, 3, 0), (3, 6, 1, 0)]
    forwards = [pairsets.moment(viri.KIND, *key) for key in keys]
    pairsets._session.cache_clear()
    backwards = [pairsets.moment(viri.KIND, *key) for key in reversed(keys)][::-1]
    for one, other in zip(forwards, backwards, strict=True):
        assert all((picture == again).all() for picture, again in zip(one, other, strict=True))
    for pictures in zip(*forwards, strict=True):
        assert len({picture.tobytes() for picture in pictures}) == 4


def test_equal_arguments_give_equal_bytes(tmp_path: Path, which: str, outer: Path) -> None:
    module, told = SETS[which][0], []
    module.draw(
        tmp_path / "again.zip",
        images={"all": FEW[which]},
        subjects=3,
        seed=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert (tmp_path / "again.zip").read_bytes() == outer.read_bytes()
    assert told == [(done, FEW[which]) for done in range(1, FEW[which] + 1)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": {"all": 19}}, r"images of all: 19; expected at least 20, 4 of every class"),
        ({"subjects": 1}, r"subjects: 1; expected at least 2"),
    ],
)
def test_what_will_not_do_is_refused(changed: dict, message: str, tmp_path: Path) -> None:
    arguments = {"out": tmp_path / "out.zip", "images": {"all": 20}, "subjects": 3} | changed
    with pytest.raises(UserError, match=message):
        viri.draw(arguments.pop("out"), **arguments)
    assert list(tmp_path.iterdir()) == []
