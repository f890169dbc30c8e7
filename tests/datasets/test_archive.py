from __future__ import annotations

import errno
import io
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive_fixtures import as_7z, with_header
from data_fixtures import as_folder, as_tar, as_zip, listed
from refer.datasets.raw.archive import Budget, Limits, is_dust, kind, members, safe_name, stem
from refer.errors import UserError

FILES = {"b/two.txt": b"two" * 700_000, "a/one.txt": b"one", "a/none.txt": b"", "ä.txt": b"umlaut"}


def contents(path: Path, limits: Limits = Limits()) -> dict[str, bytes]:  # noqa: B008 (frozen)
    found = {member.name: (member.size, b"".join(member.chunks)) for member in members(path, limits)}
    assert all(size == len(content) for size, content in found.values())
    return {name: content for name, (_, content) in found.items()}


MAKE: dict[str, Callable[..., Path]] = {
    "folder": as_folder,
    "zip": as_zip,
    "7z": as_7z,
    **{
        f"tar{end}": lambda path, files, end=end: as_tar(path, files, f"w:{end[1:]}")
        for end in ("", ".gz", ".xz", ".bz2")
    },
}


def tar_of(path: Path, info: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        archive.addfile(info, io.BytesIO(b"x" * info.size))
    return path


@pytest.mark.parametrize("form", MAKE)
def test_every_form_gives_the_same_members(tmp_path: Path, form: str) -> None:
    path = MAKE[form](tmp_path / f"set.{form}", FILES)
    assert contents(path, Limits(ratio=1e4)) == FILES
    if form in ("folder", "7z"):  # a 7z is read from a folder, too
        assert list(contents(path, Limits(ratio=1e4))) == sorted(FILES)
    else:
        assert list(contents(path, Limits(ratio=1e4))) == list(FILES)


def test_single_table_and_unread_members(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_bytes(b"emotion,pixels,Usage\n")
    assert contents(tmp_path / "fer2013.csv") == {"fer2013.csv": b"emotion,pixels,Usage\n"}
    packed = as_tar(tmp_path / "set.tar.gz", FILES, "w:gz")
    assert [member.name for member in members(packed)] == list(FILES), "a member need not be read"


def test_kind_goes_by_content_not_by_name(tmp_path: Path) -> None:
    assert kind(as_tar(tmp_path / "set.zip", FILES, "w:xz")) == "xz"
    assert kind(as_zip(tmp_path / "set.tar", FILES)) == "zip"
    assert contents(as_zip(tmp_path / "set.7z", FILES), Limits(ratio=1e4)) == FILES
    assert contents(as_7z(tmp_path / "set.zip", FILES), Limits(ratio=1e4)) == FILES


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>", "web page"),
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
@pytest.mark.parametrize("form", ["zip", "tar", "7z"])
def test_names_that_leave_the_place(tmp_path: Path, name: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = MAKE[form](tmp_path / f"set.{form}", {name: b"x"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not a plain relative path"):
        contents(path)
    assert listed(tmp_path) == [path.name]


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


def test_a_link_in_a_7z(tmp_path: Path) -> None:
    (tmp_path / "link.jpg").symlink_to("/etc/hostname")
    with py7zr.SevenZipFile(tmp_path / "set.7z", "w") as archive:
        archive.write(tmp_path / "link.jpg", "link.jpg")
    with pytest.raises(UserError, match=r"link.jpg is a link"):
        contents(tmp_path / "set.7z")


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
@pytest.mark.parametrize("form", ["zip", "7z"])
def test_names_that_collide(tmp_path: Path, one: str, two: str, form: str) -> None:
    with pytest.raises(UserError, match="twice"):
        contents(MAKE[form](tmp_path / "set", [(one, b"1"), (two, b"2")]))


@pytest.mark.parametrize("form", ["zip", "tar", "folder", "7z"])
def test_names_are_the_same_however_their_accents_are_written(tmp_path: Path, form: str) -> None:
    path = MAKE[form](tmp_path / "set", {"cafe\u0301/\u0645.jpg": b"1", "\U0001f600 b.jpg": b"2"})
    assert contents(path) == {"caf\u00e9/\u0645.jpg": b"1", "\U0001f600 b.jpg": b"2"}


@pytest.mark.parametrize("form", ["zip", "tar", "folder", "7z"])
def test_limits(tmp_path: Path, form: str) -> None:
    path = MAKE[form](tmp_path / "set", {f"{number}.txt": b"x" * 100 for number in range(5)})
    assert len(contents(path, Limits(entries=5, member=100, total=500_000))) == 5
    with pytest.raises(UserError, match="more than 4 entries"):
        contents(path, Limits(entries=4))
    with pytest.raises(UserError, match="more than 99 bytes in one"):
        contents(path, Limits(member=99))
    with pytest.raises(UserError, match="499"):
        contents(path, Limits(total=499))


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.xz", "tar.bz2", "7z"])
def test_decompression_bomb(tmp_path: Path, form: str) -> None:
    bomb = {"zeros.bin": bytes(12 << 20)}
    path = MAKE[form](tmp_path / f"set.{form}", bomb)
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


@pytest.mark.parametrize("form", [form for form in MAKE if form != "folder"])
@pytest.mark.parametrize("part", [0.2, 0.6, 0.99])
def test_cut_off(tmp_path: Path, form: str, part: float) -> None:
    files = {f"{number}.bin": bytes(range(256)) * (number + 1) for number in range(40)}
    path = MAKE[form](tmp_path / f"set.{form}", files)
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


def test_encrypted_7z_with_and_without_its_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"set\.7z is encrypted"):
        contents(as_7z(tmp_path / "set.7z", {"a.jpg": b"x"}, password="secret"))
    with py7zr.SevenZipFile(tmp_path / "set.7z", "w", password="secret", header_encryption=True) as archive:
        archive.writestr(b"x", "a.jpg")
    with pytest.raises(UserError, match=r"set\.7z is encrypted"):
        contents(tmp_path / "set.7z")


def test_damage_inside_a_7z_member_is_found_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "set.7z"
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_COPY}]) as archive:
        archive.writestr(b"0123456789" * 100, "a.jpg")
        archive.writestr(b"fine", "b.jpg")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780", 1))
    reader = members(path)
    with pytest.raises(UserError, match="wrong checksum"):
        b"".join(next(reader).chunks)


def test_a_7z_in_several_pieces(tmp_path: Path) -> None:
    path = as_7z(tmp_path / "set.7z", {"a/1": b"one", "empty": b""})
    with py7zr.SevenZipFile(path, "a") as archive:
        archive.writestr(b"two", "a/2")
        archive.write(tmp_path, "b")
    assert contents(path) == {"a/1": b"one", "empty": b"", "a/2": b"two"}


def test_a_7z_that_is_not_read_to_its_end_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    path = as_7z(tmp_path / "set.7z", {str(number): bytes(range(256)) * 40 for number in range(50)})
    reader = members(path, budget=Budget(Limits(), path.stat().st_size, tmp_path / "work"))
    assert next(reader).name == "0"
    assert len(listed(tmp_path / "work")) == 50, "it is unpacked where there is room"
    reader.close()  # type: ignore[attr-defined]
    assert list((tmp_path / "work").iterdir()) == []


def test_a_disk_that_is_full_is_no_damage_of_a_7z(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = as_7z(tmp_path / "set.7z", {"1": b"one"})
    monkeypatch.setattr(py7zr.SevenZipFile, "extractall", full)
    with pytest.raises(OSError, match="No space left"):
        contents(path)


def test_a_7z_whose_folders_are_links_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here/data").symlink_to(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "here")  # py7zr looks where a name would lead to from here
    assert contents(as_7z(tmp_path / "set.7z", {"data/a.jpg": b"x"})) == {"data/a.jpg": b"x"}
    assert listed(tmp_path / "elsewhere") == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_7z_with_any_header_is_read_or_refused(at: int, value: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "set.7z")
        with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_COPY}]) as archive:
            archive.set_encoded_header_mode(False)
            archive.writestr(b"one", "a/1")
            archive.writestr(b"two", "a/2")
        try:
            found = contents(with_header(path, at, value))
        except UserError:
            return
        assert all(not name.startswith(("/", "..")) for name in found)


@pytest.mark.parametrize("name", ["set.zip", "set.7z", "set.tar.gz"])
def test_an_empty_file_is_no_archive(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=f"{name} is empty"):
        contents(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("raw/VIRI-Angry-Ir.zip", "raw/VIRI-Angry-Ir"),
        ("NVIE-happy1-Vis.7Z", "NVIE-happy1-Vis"),
        ("a.b.tar.gz", "a.b"),
        ("a.TGZ", "a"),
        ("a.rar", "a"),
        ("a.csv.gz", "a"),
        ("a.jpg.gz", ""),
        ("raw/.zip", ""),
        ("zip", ""),
        ("a.zip/b.jpg", ""),
    ],
)
def test_what_an_archive_is_called(name: str, without: str) -> None:
    assert stem(name) == without


@pytest.mark.parametrize("name", ["__MACOSX/train/._x.jpg", "a/._x.jpg", ".DS_Store", "a/Thumbs.db", "a/desktop.ini"])
def test_dust(name: str) -> None:
    assert is_dust(name)
    assert not is_dust("train/angry/Training_1.jpg")


def pax_tar(path: Path, header: bytes) -> Path:
    """Write a tar whose one member has this extended header."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(header)
    padding = bytes(-len(header) % 512)
    member = tarfile.TarInfo("a.txt")
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + header + padding + member.tobuf() + bytes(10_240))
    return path


@pytest.mark.parametrize(
    ("digits", "said"),
    [(1 << 20, r"header of 1,048,576 bytes: refused, expected at most 65,536"), (1 << 15, "number without end")],
)
def test_a_header_of_digits_is_refused_before_tarfile_searches_it(tmp_path: Path, digits: int, said: str) -> None:
    path = pax_tar(tmp_path / "set.tar", b"1" * digits)
    began = time.perf_counter()
    with pytest.raises(UserError, match=said):
        contents(path)
    assert time.perf_counter() - began < 5, "of a megabyte Python's own tarfile takes hours before 3.11.10 and 3.12.6"


def test_an_honest_extended_header_is_read(tmp_path: Path) -> None:
    name = "ü" * 2_000 + ".txt"
    assert contents(as_tar(tmp_path / "set.tar", {f"{'d' * 90}/{'7' * 200}.bin": b"x" * 3_000_000, "a.bin": b"y"}))
    with tarfile.open(tmp_path / "long.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name))
    assert list(contents(tmp_path / "long.tar")) == [name]
