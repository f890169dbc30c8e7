from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from data_fixtures import as_folder, as_tar, as_zip, folders, jpeg, listed, rows, table
from refer.datasets import sources
from refer.datasets.catalog import DATASETS, dataset
from refer.datasets.obtain import obtain, read_receipt
from refer.errors import UserError


def receipt(raw: Path) -> dict[str, object]:
    return json.loads((raw / "receipt.json").read_text())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Server(BaseHTTPRequestHandler):
    """Serves `content` at any path, cuts it off below /cut, and fails below /gone and /busy."""

    content: ClassVar[bytes] = b""
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith(("/gone", "/busy")):
            self.send_error(404 if self.path.startswith("/gone") else 503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        cut = self.path.startswith("/cut") or (self.path.startswith("/once") and len(self.asked) == 1)
        self.wfile.write(self.content[: len(self.content) // 2] if cut else self.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Return the address of a server, and the sha256 of what it serves."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(sources, "WAIT", 0.0)
    Server.content, Server.asked = as_zip(here / "served.zip", folders()).read_bytes(), []
    (here / "served.zip").unlink()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", hashlib.sha256(Server.content).hexdigest()
    server.shutdown()
    server.server_close()
    thread.join()


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
    with zipfile.ZipFile(here / "raw/files.zip") as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == folders()
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
    monkeypatch.setattr("refer.datasets.obtain.REPORT_EACH", 5_000)
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


# --- sources: paths -------------------------------------------------------------------------------------------


def test_a_missing_path_says_what_stands_there_and_how_to_get_it(here: Path) -> None:
    for name in "abcdef":
        (here / f"{name}.zip").touch()
    with pytest.raises(UserError) as caught:
        sources.check("fer2013", "deep/fer.zip", here / "receipt.json")
    message = str(caught.value)
    assert "there is no deep/fer.zip" in message
    assert "a.zip, b.zip, c.zip, d.zip and 2 more" in message
    assert "`fer2013: <path or" in message
    assert message.count("\n") == 1
    with pytest.raises(UserError, match=r"there is no deep/fer\.zip"):
        sources.fingerprint("deep/fer.zip", here / "receipt.json")


def test_home_is_expanded(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    as_zip(here / "fer.zip", folders())
    assert sources.locate("fer2013", "~/fer.zip") == here / "fer.zip"
    sources.check("fer2013", "~/fer.zip", here / "receipt.json")


def test_check_looks_into_the_file(here: Path) -> None:
    (here / "fer.zip").write_text("<html>please log in</html>")
    with pytest.raises(UserError, match="web page"):
        sources.check("fer2013", "fer.zip", here / "receipt.json")


def test_fingerprints_change_with_the_source(here: Path) -> None:
    nothing = here / "receipt.json"
    path = as_zip(here / "fer.zip", folders())
    first = sources.fingerprint("fer.zip", nothing)
    assert first == f"{path.stat().st_size}-{path.stat().st_mtime_ns}"
    os.utime(path, ns=(1, 1))
    assert sources.fingerprint("fer.zip", nothing) != first
    as_folder(here / "fer", folders())
    first = sources.fingerprint("fer", nothing)
    assert first == sources.fingerprint("fer", nothing)
    assert first.startswith(f"21-{sum(map(len, folders().values()))}-")
    (here / "fer/train/angry/Training_0.jpg").write_bytes(b"longer" * 1000)
    assert sources.fingerprint("fer", nothing) != first


def test_a_source_that_went_after_it_was_obtained(here: Path) -> None:
    as_zip(here / "fer.zip", folders())
    before = sources.fingerprint("fer.zip", here / "raw/receipt.json")
    obtain("fer2013", "fer.zip", here / "raw")
    (here / "fer.zip").unlink()
    assert sources.fingerprint("fer.zip", here / "raw/receipt.json") == before
    sources.check("fer2013", "fer.zip", here / "raw/receipt.json")
    with pytest.raises(UserError, match=r"no fer2\.zip"):  # the receipt of another file does not help
        sources.fingerprint("fer2.zip", here / "raw/receipt.json")


# --- sources: URLs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("https://example.org/fer.zip", "needs the hash"),
        ("https://example.org/fer.zip#sha256=abc", "64 hexadecimal digits"),
        ("https://example.org/fer.zip#crc32=" + "a" * 8, "needs the hash"),
        ("http://example.org/fer.zip#sha256=" + "a" * 64, "only https:// is"),
        ("ftp://example.org/fer.zip#md5=" + "a" * 32, "only https:// is"),
        ("file:///fer.zip#md5=" + "a" * 32, "only https:// is"),
        ("  ", "empty"),
    ],
)
def test_urls_that_are_refused(source: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        sources.parse(source)


def test_a_url_is_shown_without_its_secrets() -> None:
    url = f"https://me:word@example.org:8443/a/fer.zip?token=secret#sha256={'A' * 64}"
    assert sources.shown(url) == "https://example.org:8443/a/fer.zip"
    assert sources.fingerprint(url, Path("none")) == "sha256:" + "a" * 64
    with pytest.raises(UserError) as caught:
        sources.parse("https://me:word@example.org/fer.zip?token=secret")
    assert "secret" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_a_download_with_the_right_hash(served: tuple[str, str], here: Path) -> None:
    address, digest = served
    told: list[tuple[int, int | None]] = []
    source = f"{address}/a/fer.zip?token=secret#sha256={digest}"
    obtain("fer2013", source, here / "raw", progress=lambda done, total: told.append((done, total)))
    assert receipt(here / "raw")["source"] == f"{address}/a/fer.zip"
    assert receipt(here / "raw")["fingerprint"] == f"sha256:{digest}"
    assert "secret" not in (here / "raw/receipt.json").read_text()
    assert (len(Server.content), len(Server.content)) in told
    assert listed(here / "data/downloads") == [f"{digest[:12]}-fer.zip"]
    obtain("fer2013", source, here / "again")
    assert len(Server.asked) == 1, "what was downloaded is not downloaded again"


def test_a_download_by_md5(served: tuple[str, str], here: Path) -> None:
    digest = hashlib.md5(Server.content).hexdigest()
    obtain("fer2013", f"{served[0]}/fer.zip#md5={digest}", here / "raw")
    assert receipt(here / "raw")["source_sha256"] == served[1]


def test_a_download_with_another_hash_names_both(served: tuple[str, str], here: Path) -> None:
    with pytest.raises(UserError) as caught:
        obtain("fer2013", f"{served[0]}/fer.zip#sha256={'0' * 64}", here / "raw")
    assert "0" * 64 in str(caught.value)
    assert served[1] in str(caught.value)
    assert listed(here) == []
    assert len(Server.asked) == 1, "the same wrong file would come again"


@pytest.mark.parametrize(("path", "tries", "told"), [("cut", 3, "broke off"), ("busy", 3, "503"), ("gone", 1, "404")])
def test_a_download_that_fails(served: tuple[str, str], here: Path, path: str, tries: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        obtain("fer2013", f"{served[0]}/{path}/fer.zip#sha256={served[1]}", here / "raw")
    assert len(Server.asked) == tries
    assert listed(here) == []


def test_a_download_that_breaks_off_once(served: tuple[str, str], here: Path) -> None:
    obtain("fer2013", f"{served[0]}/once/fer.zip#sha256={served[1]}", here / "raw")
    assert len(Server.asked) == 2


# --- catalogue ------------------------------------------------------------------------------------------------


def test_an_unknown_data_set_names_the_known() -> None:
    with pytest.raises(UserError, match=r"'fer'.*Known: .*fer2013"):
        dataset("fer")


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_facts_fit_together(name: str) -> None:
    known = dataset(name)
    assert known.name == name
    assert set(known.counts) == set(known.splits)
    assert all(len(numbers) == len(known.classes) for numbers in known.counts.values())


def test_counts_of_fer2013() -> None:
    known = dataset("fer2013")
    assert {split: sum(numbers) for split, numbers in known.counts.items()} == {
        "Training": 28_709,
        "PublicTest": 3_589,
        "PrivateTest": 3_589,
    }
    assert known.classes.index("neutral") == 6, "alphabetical folders would put it at 4"


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys, refer.datasets.catalog, refer.datasets.sources as s; "
        "s.check('fer2013', sys.executable.rpartition('/')[0], __import__('pathlib').Path('none')); "
        "print(*{'numpy', 'pandas', 'pyarrow', 'PIL', 'pooch', 'requests', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
