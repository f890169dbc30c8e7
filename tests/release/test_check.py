"""`refer release --check`: archives that are none of ours, and would harm who reads or unpacks them."""

from __future__ import annotations

import hashlib
import io
import resource
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from refer.errors import UserError
from refer.release.archive import check, write

DIGEST = hashlib.sha256(b"x").hexdigest()


def packed(path: Path, members: dict[str, bytes], mode: int = 0o100644, **options: int) -> Path:
    """Pack an archive whose list of hashes is right."""
    sums = "".join(f"{hashlib.sha256(value).hexdigest()}  {name}\n" for name, value in members.items())
    with zipfile.ZipFile(path, "w", **options) as archive:  # type: ignore[call-overload]
        for name, value in {**members, "SHA256SUMS": sums.encode()}.items():
            info = zipfile.ZipInfo(f"top/{name}" if "top" not in name else name)
            info.external_attr = mode << 16 if name != "SHA256SUMS" else 0
            archive.writestr(info, value, options.get("compression", zipfile.ZIP_STORED))
    return path


def test_an_archive_of_ours_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "a.zip", "top", {"b/c.txt": b"x", "é.txt": b""},
          {"b/c.txt": DIGEST, "é.txt": hashlib.sha256(b"").hexdigest()}, "2026-11-30T12:00:00+00:00")  # fmt: skip
    assert check(tmp_path / "a.zip") == (2, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../../etc/cron.d/x", "not a plain relative path"),
        ("a/../../x", "not a plain relative path"),
        ("..\\x", "not a plain relative path"),
        ("\x1b[2Jx", "not a plain relative path"),
        ("a\nb", "not a plain relative path"),
    ],
)
def test_names_that_lead_out_or_write_to_the_terminal_are_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        check(packed(tmp_path / "a.zip", {name: b"x"}))
    assert str(caught.value).isprintable()


def test_an_absolute_name_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a": b"x"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("/etc/passwd", b"x")
    with pytest.raises(UserError, match="not a plain relative path"):
        check(path)


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO, stat.S_IFBLK])
def test_links_and_devices_are_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(UserError, match="is a link or a device"):
        check(packed(tmp_path / "a.zip", {"a": b"/etc/passwd"}, mode))


def test_what_is_small_and_unpacks_to_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path, line = tmp_path / "a.zip", f"{DIGEST}  a\n".encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("top/SHA256SUMS", "w") as sums:
        for _ in range(4):
            sums.write(line * 250_000)
    assert path.stat().st_size < 400_000
    done = subprocess.run(
        [sys.executable, "-m", "refer.cli", "release", "--check", str(path)], capture_output=True, text=True,
        check=False, timeout=60, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "is compressed or encrypted; expected plain content" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    source = packed(tmp_path / "a.zip", {f"f{k}": b"x" * 100_000 for k in range(9)})
    content, many = source.read_bytes(), tmp_path / "b.zip"
    with zipfile.ZipFile(source) as archive:
        infos = archive.infolist()
    # Every entry of the directory points to the first file.
    directory = content[content.index(b"PK\x01\x02") :]
    one = content[infos[0].header_offset : infos[1].header_offset]
    for info in infos[1:9]:
        directory = directory.replace(info.header_offset.to_bytes(4, "little"), b"\0\0\0\0")
    start = len(one)
    end = directory.index(b"PK\x05\x06") + 16
    directory = directory[:end] + start.to_bytes(4, "little") + directory[end + 4 :]
    many.write_bytes(one + directory)
    with pytest.raises(UserError):
        check(many)


@pytest.mark.parametrize("content", [b"", b"PK", b"\0" * 1000, io.BytesIO().getvalue()])
def test_what_is_no_zip_is_said_in_a_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.zip cannot be read"):
        check(tmp_path / "a.zip")
