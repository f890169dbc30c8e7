from __future__ import annotations

import errno
import hashlib
import json
import random
import resource
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pooch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archive_fixtures import as_7z
from data_fixtures import as_folder, as_tar, as_zip, folders, jpeg, listed, rows, table
from http_fixtures import serving
from refer.datasets import catalog
from refer.datasets.catalog import DATASETS, dataset
from refer.datasets.model import Dataset, Listing, OwnersFile
from refer.datasets.raw import sources
from refer.datasets.raw.archive import Limits
from refer.datasets.raw.obtain import obtain, read_receipt
from refer.errors import UserError
from refer.files import room


def receipt(raw: Path) -> dict[str, Any]:
    return json.loads((raw / "receipt.json").read_text())


def unpacked(raw: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(raw / "files.zip") as packed:
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("form", ["folder", "zip", "tar.xz"])
def test_every_packing_gives_the_same_files(here: Path, form: str) -> None:
    path = here / f"fer.{form}"
    if form == "folder":
        as_folder(path, folders())
    elif form == "zip":
        as_zip(path, folders())
    else:
        as_tar(path, folders(), "w:xz")
    obtain("fer2013", path.name, here / "raw")
    assert unpacked(here / "raw") == folders()
    with zipfile.ZipFile(here / "raw/files.zip") as packed:
        assert {info.compress_type for info in packed.infolist()} == {zipfile.ZIP_STORED}
    said = receipt(here / "raw")
    lines = sorted(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in folders().items())
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert said["members_sha256"] == digest
    assert said["source_sha256"] == (digest if form == "folder" else hashlib.sha256(path.read_bytes()).hexdigest())
    assert (said["members"], said["layout"], said["source"], said["stand_in"]) == (21, "folders", path.name, False)
    assert str(here) not in (here / "raw/receipt.json").read_text()
    assert listed(here / "raw") == ["files.zip", "receipt.json"]


def test_the_same_input_gives_the_same_bytes(here: Path) -> None:
    (here / "fer2013.csv").write_bytes(table(rows()))
    for raw in ("one", "two"):
        obtain("fer2013", "fer2013.csv", here / raw, stand_in=True)
    assert (here / "one/files.zip").read_bytes() == (here / "two/files.zip").read_bytes()
    assert receipt(here / "one")["stand_in"] is True
    with zipfile.ZipFile(here / "one/files.zip") as packed:
        assert packed.infolist()[0].compress_type == zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (["archive/FER/Train/Angry/Training_1.jpg"], "folders"),
        (["Fer2013.csv", "train.csv"], "fer2013.csv"),
        (["x/icml_face_data.csv"], "icml_face_data.csv"),
        (["x/icml_face_data.csv", "y/fer2013.csv", "fer2013.tar.gz"], "fer2013.csv"),
    ],
)
def test_layouts(names: list[str], layout: str) -> None:
    assert dataset("fer2013").recognise(names) == layout


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["images/1.jpg", "README.txt"], r"looked for train/<class>/.*found README.txt, images/1.jpg"),
        ([], "found nothing"),
        (["fer2013.csv", "train/angry/Training_1.jpg"], "as folders and as fer2013.csv"),
        (["a/train/angry/Training_1.jpg", "train/angry/Training_1.jpg"], "more than once"),
        (["a/fer2013.csv", "b/fer2013.csv"], "stands here twice"),
    ],
)
def test_other_layouts_are_refused_with_what_was_found(names: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        dataset("fer2013").recognise(sorted(names))


def test_dust_is_left_out_and_counted(here: Path) -> None:
    dust = {"__MACOSX/train/angry/._Training_0.jpg": b"x", "train/.DS_Store": b"x", "train/angry/Thumbs.db": b"x"}
    as_zip(here / "fer.zip", folders() | dust)
    obtain("fer2013", "fer.zip", here / "raw")
    assert receipt(here / "raw")["members"] == 21
    assert receipt(here / "raw")["ignored"] == 3


@pytest.mark.parametrize(
    "files",
    [
        {"other.txt": b"x"},
        {"train/angry/Training_1.jpg": jpeg(1), "../evil": b"x"},
        {"train/angry/Training_1.jpg": jpeg(1), "a/fer2013.csv": b"x"},
    ],
)
def test_what_is_refused_leaves_nothing_and_harms_nothing(here: Path, files: dict[str, bytes]) -> None:
    as_zip(here / "bad.zip", files)
    with pytest.raises(UserError):
        obtain("fer2013", "bad.zip", here / "raw")
    assert listed(here / "raw") == []
    as_zip(here / "good.zip", folders())
    obtain("fer2013", "good.zip", here / "raw")
    before = (here / "raw/files.zip").read_bytes(), receipt(here / "raw")
    with pytest.raises(UserError):
        obtain("fer2013", "bad.zip", here / "raw")
    assert ((here / "raw/files.zip").read_bytes(), receipt(here / "raw")) == before


def test_a_source_that_changes_while_it_is_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_zip(here / "fer.zip", folders())
    states = iter(["1-1", "1-2"])
    monkeypatch.setattr(sources, "_state", lambda _: next(states))
    with pytest.raises(UserError, match="changed while it was read"):
        obtain("fer2013", "fer.zip", here / "raw")
    assert listed(here / "raw") == []


def test_files_and_receipt_belong_together(here: Path) -> None:
    with pytest.raises(UserError, match="obtain fer2013 first"):
        read_receipt(here / "raw", "fer2013")
    for name, per_class in (("one", 1), ("two", 2)):
        as_zip(here / f"{name}.zip", folders(per_class))
        obtain("fer2013", f"{name}.zip", here / name)
    (here / "one/files.zip").write_bytes((here / "two/files.zip").read_bytes())
    with pytest.raises(UserError, match="not what its receipt"):
        read_receipt(here / "one", "fer2013")
    with pytest.raises(UserError, match="holds fer2013, not rafdb"):
        read_receipt(here / "two", "rafdb")


@pytest.mark.parametrize("form", ["zip", "tar.gz", "folder"])
def test_progress_is_told(here: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setattr("refer.datasets.raw.repack.REPORT_EACH", 5_000)
    told: list[tuple[int, int | None]] = []
    make: dict[str, Callable[[Path], Path]] = {
        "zip": lambda path: as_zip(path, folders()),
        "tar.gz": lambda path: as_tar(path, folders(), "w:gz"),
        "folder": lambda path: as_folder(path, folders()),
    }
    path = make[form](here / "fer")
    size = sum(one.stat().st_size for one in path.rglob("*.jpg")) if path.is_dir() else path.stat().st_size
    obtain("fer2013", "fer", here / "raw", progress=lambda done, total: told.append((done, total)))
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == (size, size)


# --- several archives that make one set -----------------------------------------------------------------------


def blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def recognise(names: Sequence[str]) -> str:
    if not any(name.lower().endswith(".jpg") for name in names):
        raise UserError(f"This is no Toy: looked for *.jpg; found {', '.join(names) or 'nothing'}.")
    return "archives"


ANGRY = {"1.jpg": b"angry one", "deep/2.jpg": b"angry two"}
HAPPY = {"1.jpg": b"happy one"}
BOTH = {f"Toy-Angry/{name}": content for name, content in ANGRY.items()} | {"Toy-Happy/1.jpg": b"happy one"}


@pytest.fixture
def toy(here: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A data set that its owner publishes as Toy-Angry.zip and Toy-Happy.7z; both lie here, below owner/."""
    (here / "owner").mkdir()
    as_zip(here / "owner/Toy-Angry.zip", ANGRY)
    as_7z(here / "owner/Toy-Happy.7z", HAPPY)
    files = tuple(
        OwnersFile(path.name, f"http://127.0.0.1:1/{path.name}", blob(path.read_bytes()))
        for path in sorted((here / "owner").iterdir())
    )
    known = Dataset(
        name="toy",
        title="Toy",
        classes=("angry", "happy"),
        splits=("all",),
        modalities=("visible",),
        size=(8, 8),
        channels=3,
        counts={"all": (2, 1)},
        licence="Nobody's.",
        home="https://example.org/toy",
        how_to_get="Write `toy: download`.",
        recognise=recognise,
        read=lambda raw: Listing([]),
        files=files,
    )
    monkeypatch.setitem(catalog.DATASETS, "toy", known)
    return known


def test_archives_in_a_folder_are_read_below_their_names(toy: Dataset, here: Path) -> None:
    as_folder(here / "owner", {"__MACOSX/._Toy-Angry.zip": b"dust"})
    obtain("toy", "owner", here / "raw")
    assert unpacked(here / "raw") == BOTH
    said = receipt(here / "raw")
    assert (said["layout"], said["source"], said["source_kind"], said["ignored"]) == ("archives", "owner", "folder", 1)
    assert [(part["name"], part["kind"], part["verified"]) for part in said["parts"]] == [
        ("owner", "folder", "unknown"),
        ("Toy-Angry.zip", "zip", "verified"),
        ("Toy-Happy.7z", "7z", "verified"),
    ]
    content = (here / "owner/Toy-Happy.7z").read_bytes()
    part = said["parts"][2]
    assert (part["bytes"], part["blob"]) == (len(content), blob(content))
    assert part["sha256"] == hashlib.sha256(content).hexdigest()
    assert said["missing"] == []
    assert listed(here / "raw") == ["files.zip", "receipt.json"]


@pytest.mark.parametrize("form", ["zip", "7z", "tar.gz"])
def test_archives_in_an_archive_are_read_below_their_folder_and_name(toy: Dataset, here: Path, form: str) -> None:
    files = {f"raw/{path.name}": path.read_bytes() for path in sorted((here / "owner").iterdir())}
    make: dict[str, Callable[[Path], Path]] = {
        "zip": lambda path: as_zip(path, files),
        "7z": lambda path: as_7z(path, files),
        "tar.gz": lambda path: as_tar(path, files, "w:gz"),
    }
    make[form](here / f"all.{form}")
    obtain("toy", f"all.{form}", here / "raw")
    assert unpacked(here / "raw") == {f"raw/{name}": content for name, content in BOTH.items()}
    said = receipt(here / "raw")
    assert [part["name"] for part in said["parts"]] == [f"all.{form}", "raw/Toy-Angry.zip", "raw/Toy-Happy.7z"]
    assert said["parts"][0]["sha256"] == said["source_sha256"]
    assert [part["verified"] for part in said["parts"]] == ["unknown", "verified", "verified"]
    assert listed(here / "raw") == ["files.zip", "receipt.json"], "no copy of an inner archive is left"


def test_deeper_archives_stay_as_they_are(toy: Dataset, here: Path) -> None:
    inner = as_zip(here / "inner.zip", {"3.jpg": b"x"}).read_bytes()
    as_zip(here / "owner/Toy-Angry.zip", ANGRY | {"more.zip": inner})
    obtain("toy", "owner", here / "raw")
    assert unpacked(here / "raw") == BOTH | {"Toy-Angry/more.zip": inner}


def test_the_order_of_a_list_and_of_a_folder_means_nothing(toy: Dataset, here: Path) -> None:
    obtain("toy", ["owner/Toy-Happy.7z", "owner/Toy-Angry.zip"], here / "one")
    obtain("toy", ("./owner/Toy-Angry.zip", "owner/Toy-Happy.7z"), here / "two")
    assert unpacked(here / "one") == BOTH
    assert (here / "one/files.zip").read_bytes() == (here / "two/files.zip").read_bytes()
    one, two = receipt(here / "one"), receipt(here / "two")
    assert one["fingerprint"] == two["fingerprint"]
    assert one["source"] == ["Toy-Angry.zip", "Toy-Happy.7z"]
    assert (one["source_kind"], one["source_bytes"]) == ("several", sum(part["bytes"] for part in one["parts"]))
    assert [part["verified"] for part in one["parts"]] == ["verified", "verified"]
    assert one["missing"] == []


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(["a.zip", "b.7z", "c", "d.tar"]))
def test_no_order_of_a_list_changes_a_byte(toy: Dataset, here: Path, order: list[str]) -> None:
    if not (here / "d.tar").exists():
        as_zip(here / "a.zip", ANGRY)
        as_7z(here / "b.7z", HAPPY)
        as_folder(here / "c", ANGRY | {"in/x.zip": (here / "a.zip").read_bytes()})
        as_tar(here / "d.tar", {"y.7z": (here / "b.7z").read_bytes(), "x.zip": (here / "a.zip").read_bytes()})
        obtain("toy", ["a.zip", "b.7z", "c", "d.tar"], here / "first")
        assert "d/x/deep/2.jpg" in unpacked(here / "first")
    obtain("toy", order, here / "raw")
    assert (here / "raw/files.zip").read_bytes() == (here / "first/files.zip").read_bytes()
    one, two = receipt(here / "first"), receipt(here / "raw")
    assert {key for key in one if one[key] != two[key]} <= {"obtained"}


def test_no_order_of_archives_inside_changes_a_byte(toy: Dataset, here: Path) -> None:
    files = {path.name: path.read_bytes() for path in sorted((here / "owner").iterdir())}
    as_tar(here / "one.tar", files)
    as_tar(here / "two.tar", dict(reversed(files.items())))
    for name in ("one", "two"):
        obtain("toy", f"{name}.tar", here / name)
    assert (here / "one/files.zip").read_bytes() == (here / "two/files.zip").read_bytes()


def test_folders_and_archives_make_one_set(toy: Dataset, here: Path) -> None:
    as_folder(here / "Toy-Angry", ANGRY)
    obtain("toy", ["owner/Toy-Happy.7z", "Toy-Angry/"], here / "raw")
    assert unpacked(here / "raw") == BOTH
    folder, archive = receipt(here / "raw")["parts"]
    assert (folder["kind"], folder["blob"], folder["bytes"]) == ("folder", None, 18)
    assert archive["verified"] == "verified"
    assert receipt(here / "raw")["missing"] == ["Toy-Angry.zip"], "perhaps it was unpacked; the reader decides"


def test_what_differs_from_the_owners_file_and_what_is_missing_is_said(toy: Dataset, here: Path) -> None:
    as_zip(here / "owner/Toy-Angry.zip", ANGRY | {"3.jpg": b"a third one"})
    as_zip(here / "owner/Toy-Sad.zip", HAPPY)
    (here / "owner/Toy-Happy.7z").unlink()
    obtain("toy", "owner", here / "raw")
    said = receipt(here / "raw")
    assert [part["verified"] for part in said["parts"]] == ["unknown", "differs", "unknown"]
    assert said["missing"] == ["Toy-Happy.7z"]


def test_drawn_archives_are_not_compared_with_the_owners(toy: Dataset, here: Path) -> None:
    as_zip(here / "owner/Toy-Angry.zip", {"1.jpg": b"drawn"})
    obtain("toy", "owner", here / "raw", stand_in=True)
    said = receipt(here / "raw")
    assert {part["verified"] for part in said["parts"]} == {"unknown"}
    assert said["missing"] is None


def test_unpacked_folders_are_taken_as_they_are(toy: Dataset, here: Path) -> None:
    as_folder(here / "open", BOTH)
    obtain("toy", "open", here / "raw")
    assert unpacked(here / "raw") == BOTH
    assert receipt(here / "raw")["missing"] is None, "there is no file to compare"


def test_a_set_that_stands_there_packed_and_unpacked(toy: Dataset, here: Path) -> None:
    as_folder(here / "owner", {"Toy-Angry/other/1.jpg": b"x"})
    with pytest.raises(UserError, match=r"Toy-Angry\.zip stands here twice, packed and unpacked"):
        obtain("toy", "owner", here / "raw")
    as_7z(here / "owner/Toy-Happy.zip", HAPPY)
    (here / "owner/Toy-Angry/other/1.jpg").unlink()
    with pytest.raises(UserError, match=r"Toy-Happy\.zip stands here twice"):
        obtain("toy", "owner", here / "raw")
    with pytest.raises(UserError, match="both lie below Toy-Happy/"):
        obtain("toy", ["owner/Toy-Happy.zip", "owner/Toy-Happy.7z"], here / "raw")
    assert listed(here / "raw") == []


def test_a_damaged_archive_inside_is_named_and_leaves_nothing(toy: Dataset, here: Path) -> None:
    for content, told in ((b"", "is empty"), (b"<html>", "web page"), (b"PK\x03\x04junk", "damaged")):
        (here / "owner/Toy-Angry.zip").write_bytes(content)
        with pytest.raises(UserError, match=rf"Toy-Angry\.zip.*{told}"):
            obtain("toy", "owner", here / "raw")
        as_zip(here / "all.zip", {"x/Toy-Angry.zip": content})
        with pytest.raises(UserError, match=rf"x/Toy-Angry\.zip.*{told}"):
            obtain("toy", "all.zip", here / "raw")
    as_zip(here / "owner/Toy-Angry.zip", {"../../evil.jpg": b"x"})
    with pytest.raises(UserError, match=r"Toy-Angry\.zip holds .*not a plain relative path"):
        obtain("toy", "owner", here / "raw")
    assert listed(here / "raw") == []
    assert "evil.jpg" not in listed(here)


def test_fer2013_inside_the_archive_that_kaggle_gives(here: Path) -> None:
    inner = as_tar(here / "fer2013.tar.gz", {"fer2013/fer2013.csv": table(rows())}, "w:gz")
    as_zip(here / "kaggle.zip", {"fer2013.tar.gz": inner.read_bytes(), "README": b"x"})
    obtain("fer2013", "kaggle.zip", here / "raw")
    assert set(unpacked(here / "raw")) == {"README", "fer2013/fer2013/fer2013.csv"}
    assert receipt(here / "raw")["layout"] == "fer2013.csv"


@pytest.mark.parametrize("folder", ["", "archive/"])
def test_an_archive_left_beside_what_was_in_it_stays_shut(here: Path, folder: str) -> None:
    files = {folder + name: content for name, content in folders().items()}
    as_folder(here / "fer", files)
    content = as_zip(here / "fer/archive.zip", folders() | {"__MACOSX/x": b"dust"}).read_bytes()
    as_zip(here / "fer.zip", files | {"archive.zip": content})
    for source in ("fer", "fer.zip"):
        obtain("fer2013", source, here / "raw")
        assert unpacked(here / "raw") == files | {"archive.zip": content}
        said = receipt(here / "raw")
        assert ([part["name"] for part in said["parts"]], said["left_shut"]) == ([source], ["archive.zip"])


def test_an_archive_that_would_make_a_set_stand_there_twice_stays_shut(here: Path) -> None:
    as_folder(here / "fer", folders())
    as_zip(here / "fer/fer2013.csv.zip", {"fer2013.csv": table(rows())})
    (here / "fer/of no matter.rar").write_bytes(b"Rar!")
    obtain("fer2013", "fer", here / "raw")
    assert receipt(here / "raw")["layout"] == "folders"
    assert receipt(here / "raw")["left_shut"] == ["fer2013.csv.zip", "of no matter.rar"]


def test_an_archive_that_adds_to_what_lies_beside_it_is_opened(here: Path) -> None:
    train, test = ({n: c for n, c in folders().items() if n.startswith(part)} for part in ("train", "test"))
    as_zip(here / "train.zip", {name.removeprefix("train/"): content for name, content in train.items()})
    as_folder(here / "fer", test)
    (here / "train.zip").rename(here / "fer/train.zip")
    obtain("fer2013", "fer", here / "raw")
    assert unpacked(here / "raw") == folders()
    assert receipt(here / "raw")["left_shut"] == []


def test_what_cannot_be_opened_is_named_only_where_it_is_needed(here: Path) -> None:
    (here / "fer").mkdir()
    (here / "fer/fer2013.rar").write_bytes(b"Rar!")
    with pytest.raises(UserError, match=r"fer2013\.rar is a rar archive; expected"):
        obtain("fer2013", "fer", here / "raw")


# --- bombs, full disks ----------------------------------------------------------------------------------------


def test_many_small_archives_are_judged_together(toy: Dataset, here: Path) -> None:
    bomb = as_zip(here / "bomb.zip", {"1.jpg": bytes(4 << 20)}).read_bytes()  # alone it may pass
    as_zip(here / "owner/Toy-Angry.zip", {f"{number}/x.zip": bomb for number in range(40)})
    as_zip(here / "all.zip", {f"{number}/x.zip": bomb for number in range(40)})
    assert len(bomb) * 40 < 200_000
    with pytest.raises(UserError, match="decompression bomb"):
        obtain("toy", "all.zip", here / "raw")
    obtain("toy", "owner", here / "raw")  # deeper, they stay shut
    with pytest.raises(UserError, match="more than 39 archives"):
        obtain("toy", "all.zip", here / "other", limits=Limits(archives=39))
    assert listed(here / "other") == []


@pytest.mark.parametrize("limits", [Limits(total=60), Limits(entries=4)])
def test_limits_hold_over_all_archives_together(toy: Dataset, here: Path, limits: Limits) -> None:
    sets = [as_zip(here / f"Toy-{number}.zip", {f"{name}.jpg": b"x" * 10 for name in "ab"}) for number in range(4)]
    obtain("toy", [path.name for path in sets[:2]], here / "raw", limits=limits)
    with pytest.raises(UserError, match=r"refused as no data set"):
        obtain("toy", [path.name for path in sets], here / "other", limits=limits)


def test_limits_hold_over_an_archive_and_those_inside_it(toy: Dataset, here: Path) -> None:
    inner = as_zip(here / "inner.zip", {f"{name}.jpg": b"x" for name in "abcd"}).read_bytes()
    as_zip(here / "all.zip", {"1.jpg": b"1", "2.jpg": b"2", "Toy-Angry.zip": inner})
    obtain("toy", "all.zip", here / "raw", limits=Limits(entries=7))
    with pytest.raises(UserError, match="more than 6 entries"):
        obtain("toy", "all.zip", here / "other", limits=Limits(entries=6))


@pytest.mark.parametrize("form", ["files.zip", "copy of an inner archive"])
def test_a_disk_without_room(toy: Dataset, here: Path, form: str) -> None:
    noise = random.Random(0).randbytes(500_000)
    path = as_zip(here / "all.zip", {"1.jpg" if form == "files.zip" else "Toy-Angry.zip": noise})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(UserError, match=r"no room left on the disk for .*raw/files\.zip"):
            obtain("toy", path.name, here / "raw")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert listed(here / "raw") == []


def test_a_full_disk_is_recognised_behind_the_errors_that_follow_it() -> None:
    def write(error: OSError) -> None:
        with room(Path("x.zip"), 5_000_000):
            try:
                raise error
            finally:
                raise ValueError("cannot close what is open")

    with pytest.raises(UserError, match=r"no room left on the disk for x\.zip, which takes about 5 MB"):
        write(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(ValueError, match="cannot close"):
        write(OSError(errno.EACCES, "Permission denied"))


# --- the owner's own files ------------------------------------------------------------------------------------


def test_the_owners_files_are_downloaded_and_verified(
    toy: Dataset, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(pooch.core.time, "sleep", lambda _: None)
    with serving(b"") as angry, serving(b"") as happy:
        servers = {"Toy-Angry.zip": angry, "Toy-Happy.7z": happy}
        for name, server in servers.items():
            server.content = (here / "owner" / name).read_bytes()
        files = tuple(file._replace(url=f"{servers[file.name].address}/raw/{file.name}") for file in toy.files)
        object.__setattr__(toy, "files", files)
        angry.steps = [503]
        told: list[tuple[int, int | None]] = []
        obtain("toy", "download", here / "raw", progress=lambda done, total: told.append((done, total)))
        assert {(len(one.content), len(one.content)) for one in (angry, happy)} <= set(told)
        assert unpacked(here / "raw") == BOTH
        said = receipt(here / "raw")
        assert [part["verified"] for part in said["parts"]] == ["verified", "verified"]
        assert said["parts"][0]["source"] == files[0].url
        assert said["source"] == "download"
        happy.content = happy.content + b"changed"
        obtain("toy", "download", here / "again")
        assert (len(angry.asked), len(happy.asked)) == (2, 1), "what is verified is not downloaded again"
        for path in (here / "data/downloads").iterdir():
            path.unlink()
        with pytest.raises(UserError, match=f"expected git:{files[1].blob}, got {blob(happy.content)}"):
            obtain("toy", "download", here / "third")
    assert listed(here / "third") == []
    assert sources.fingerprint("download", here / "none", "toy") == said["fingerprint"]


def test_a_single_file_by_url_is_put_into_the_receipt_without_secrets(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    content = as_zip(here / "fer.zip", folders()).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    with serving(content) as server:
        obtain("fer2013", f"{server.address}/a/fer.zip?token=secret#sha256={digest}", here / "raw")
        md5 = hashlib.md5(content).hexdigest()
        obtain("fer2013", f"{server.address}/fer.zip#md5={md5}", here / "other")
    said = receipt(here / "raw")
    assert (said["source"], said["fingerprint"]) == (f"{server.address}/a/fer.zip", f"sha256:{digest}")
    assert "secret" not in (here / "raw/receipt.json").read_text()
    assert said["parts"][0]["verified"] == "verified"
    assert receipt(here / "other")["source_sha256"] == digest
    assert listed(here / "data/downloads") == sorted([f"{digest[:12]}-fer.zip", f"{md5[:12]}-fer.zip"])


# --- catalogue ------------------------------------------------------------------------------------------------


def test_an_unknown_data_set_names_the_known() -> None:
    with pytest.raises(UserError, match=r"'fer'.*Known: .*fer2013"):
        dataset("fer")


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_facts_fit_together(name: str) -> None:
    known = dataset(name)
    assert known.name == name
    assert set(known.counts) <= set(known.splits)
    assert all(len(numbers) == len(known.classes) for numbers in known.counts.values())


def test_counts_of_fer2013() -> None:
    known = dataset("fer2013")
    assert {split: sum(numbers) for split, numbers in known.counts.items()} == {
        "Training": 28_709,
        "PublicTest": 3_589,
        "PrivateTest": 3_589,
    }
    assert known.classes.index("neutral") == 6, "alphabetical folders would put it at 4"
