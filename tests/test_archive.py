from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_fixtures import as_folder, as_tar, as_zip
from refer.datasets.archive import Limits, is_dust, kind, members, safe_name
from refer.errors import UserError

FILES = {"b/two.txt": b"two" * 700_000, "a/one.txt": b"one", "a/none.txt": b"", "ä.txt": b"umlaut"}


def contents(path: Path, limits: Limits = Limits()) -> dict[str, bytes]:  # noqa: B008 (frozen)
    found = {member.name: (member.size, b"".join(member.chunks)) for member in members(path, limits)}
    assert all(size == len(content) for size, content in found.values())
    return {name: content for name, (_, content) in found.items()}


def tar_of(path: Path, info: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        archive.addfile(info, io.BytesIO(b"x" * info.size))
    return path


@pytest.mark.parametrize("form", ["folder", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_every_form_gives_the_same_members(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"set.{form}"
    if form == "folder":
        as_folder(path, FILES)
    elif form == "zip":
        as_zip(path, FILES)
    else:
        as_tar(path, FILES, f"w:{form.removeprefix('tar').removeprefix('.')}")
    assert contents(path) == FILES
    if form == "folder":
        assert list(contents(path)) == sorted(FILES)


def test_single_table_and_unread_members(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_bytes(b"emotion,pixels,Usage\n")
    assert contents(tmp_path / "fer2013.csv") == {"fer2013.csv": b"emotion,pixels,Usage\n"}
    packed = as_tar(tmp_path / "set.tar.gz", FILES, "w:gz")
    assert [member.name for member in members(packed)] == list(FILES), "a member need not be read"


def test_kind_goes_by_content_not_by_name(tmp_path: Path) -> None:
    assert kind(as_tar(tmp_path / "set.zip", FILES, "w:xz")) == "xz"
    assert kind(as_zip(tmp_path / "set.tar", FILES)) == "zip"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"7z\xbc\xaf\x27\x1c1234", "7z archive"),
        (b"Rar!\x1a", "rar archive"),
        (b"\x28\xb5\x2f\xfd", "zst archive"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs pointer"),
        (b"\x00\x01\x02", "unknown kind"),
    ],
)
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "set.csv").write_bytes(content)
    with pytest.raises(UserError, match=told):
        kind(tmp_path / "set.csv")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:\\x", "..\\x", "\\\\host\\x", "a\nb", "..", "a/.."])
@pytest.mark.parametrize("form", ["zip", "tar"])
def test_names_that_leave_the_place(tmp_path: Path, name: str, form: str) -> None:
    path = tmp_path / f"set.{form}"
    as_zip(path, {name: b"x"}) if form == "zip" else as_tar(path, {name: b"x"})
    with pytest.raises(UserError, match="not a plain relative path"):
        contents(path)


@given(st.text(max_size=30))
def test_a_safe_name_stays_below(name: str) -> None:
    try:
        safe = safe_name(name, "set.zip")
    except UserError:
        return
    assert safe
    assert not Path(safe).is_absolute()
    assert not {"..", ".", ""} & set(safe.split("/"))
    assert safe_name(safe, "set.zip") == safe


@pytest.mark.parametrize(
    "kind_of_link", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar(tmp_path: Path, kind_of_link: bytes) -> None:
    info = tarfile.TarInfo("train/link.jpg")
    info.type, info.linkname = kind_of_link, "/etc/passwd"
    with pytest.raises(UserError, match=r"train/link.jpg is a link or a device"):
        contents(tar_of(tmp_path / "set.tar", info))


def test_links_in_a_zip_and_in_a_folder(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.jpg")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match=r"link.jpg is a link"):
        contents(tmp_path / "set.zip")
    as_folder(tmp_path / "set", FILES)
    (tmp_path / "set/a/link.jpg").symlink_to("/etc/hostname")
    with pytest.raises(UserError, match=r"a/link.jpg is a link"):
        contents(tmp_path / "set")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("one", "two"), [("a/x", "a/x"), ("caf\u00e9", "cafe\u0301"), ("a/x", "./a//x"), ("a/x", "a\\x")]
)
def test_names_that_collide(tmp_path: Path, one: str, two: str) -> None:
    with pytest.raises(UserError, match="twice"):
        contents(as_zip(tmp_path / "set.zip", [(one, b"1"), (two, b"2")]))


@pytest.mark.parametrize("form", ["zip", "tar", "folder"])
def test_limits(tmp_path: Path, form: str) -> None:
    make: dict[str, Callable[..., Path]] = {"zip": as_zip, "tar": as_tar, "folder": as_folder}
    path = make[form](tmp_path / "set", {f"{number}.txt": b"x" * 100 for number in range(5)})
    assert len(contents(path, Limits(entries=5, member=100, total=500_000))) == 5
    with pytest.raises(UserError, match="more than 4 entries"):
        contents(path, Limits(entries=4))
    with pytest.raises(UserError, match="more than 99 bytes in one"):
        contents(path, Limits(member=99))
    with pytest.raises(UserError, match="499"):
        contents(path, Limits(total=499))


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_decompression_bomb(tmp_path: Path, form: str) -> None:
    bomb = {"zeros.bin": bytes(12 << 20)}
    path = tmp_path / f"set.{form}"
    as_zip(path, bomb) if form == "zip" else as_tar(path, bomb, f"w:{form[4:]}")
    with pytest.raises(UserError, match="decompression bomb"):
        contents(path)
    assert contents(path, Limits(ratio=1e6)) == bomb


def test_a_zip_that_lies_about_a_size(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "set.zip", {"a.txt": b"x" * 50_000})
    stated = (50_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(stated, (60).to_bytes(4, "little")))
    with pytest.raises(UserError, match="damaged"):
        contents(path)


def test_a_tar_header_that_asks_for_memory(tmp_path: Path) -> None:
    long = tarfile.TarInfo("./@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    (tmp_path / "set.tar").write_bytes(long.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    with pytest.raises(UserError, match="header of"):
        contents(tmp_path / "set.tar")


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.99])
def test_cut_off(tmp_path: Path, form: str, part: float) -> None:
    path = tmp_path / f"set.{form}"
    files = {f"{number}.bin": bytes(range(256)) * (number + 1) for number in range(40)}
    as_zip(path, files) if form == "zip" else as_tar(path, files, f"w:{form.removeprefix('tar').removeprefix('.')}")
    whole = path.read_bytes()
    length = int(len(whole.rstrip(b"\0")) * part) if form == "tar" else int(len(whole) * part)
    path.write_bytes(whole[:length])
    with pytest.raises(UserError, match=r"damaged|cut off"):
        contents(path)


def test_a_tar_cut_between_members_or_damaged_inside_is_not_taken_for_whole(tmp_path: Path) -> None:
    path = as_tar(tmp_path / "set.tar", {"a": b"x" * 512, "b": b"y" * 512})
    whole = path.read_bytes()
    path.write_bytes(whole[:1024])  # exactly after the first member: tarfile itself says nothing
    with pytest.raises(UserError, match="before its end mark"):
        contents(path)
    path.write_bytes(whole[:1024] + b"?" * 512 + whole[1536:])  # the second header: neither does it here
    with pytest.raises(UserError, match="before its end mark"):
        contents(path)


def test_damage_inside_a_zip_member(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"0123456789" * 100)
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780", 1))
    with pytest.raises(UserError, match=r"a\.jpg.*CRC"):
        contents(path)


def test_an_encrypted_zip(tmp_path: Path) -> None:
    path = as_zip(tmp_path / "set.zip", {"a.jpg": b"x"})
    whole = bytearray(path.read_bytes())
    whole[6] |= 1
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(whole)
    with pytest.raises(UserError, match="encrypted"):
        contents(path)


@pytest.mark.parametrize("name", ["__MACOSX/train/._x.jpg", "a/._x.jpg", ".DS_Store", "a/Thumbs.db", "a/desktop.ini"])
def test_dust(name: str) -> None:
    assert is_dust(name)
    assert not is_dust("train/angry/Training_1.jpg")
