"""What a configured source means, whether it is there, and by what it is known again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

from data_fixtures import as_folder, as_zip, folders, listed
from refer.datasets import catalog
from refer.datasets.model import OwnersFile
from refer.datasets.raw import pointers, sources
from refer.datasets.raw.obtain import obtain
from refer.datasets.raw.source_types import Kaggle, Local, Pointer, Remote, parse
from refer.errors import UserError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- paths ----------------------------------------------------------------------------------------------------


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


def test_a_missing_set_that_is_given_on_request_says_where_to_apply(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fer = catalog.dataset("fer2013")
    gated = type(fer)(
        **{
            **fer.__dict__,
            "title": "Gated",
            "access": "request",
            "home": "https://example.org/apply",
            "licence": "Research only, no passing on.",
            "how_to_get": "Put basic.zip into a folder.",
        }
    )
    monkeypatch.setitem(catalog.DATASETS, "gated", gated)
    as_folder(here / "data", {"basic/README.txt": b"x"})
    with pytest.raises(UserError) as caught:
        sources.check("gated", ["data/basic", "data/basic.zip"], here / "receipt.json")
    assert str(caught.value).splitlines() == [
        "Gated: there is no data/basic.zip (data holds basic).",
        "It is given on request: apply at https://example.org/apply",
        "Its terms: Research only, no passing on.",
        "Put basic.zip into a folder.",
    ]


def test_home_is_expanded(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    as_zip(here / "fer.zip", folders())
    (found,) = sources.locate("fer2013", "~/fer.zip", here / "receipt.json")
    assert found.path == here / "fer.zip"
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
    as_zip(here / "fer.zip", folders(2))
    assert sources.fingerprint("fer.zip", here / "raw/receipt.json") != before, "another one came in its place"
    with pytest.raises(UserError, match=r"no fer2\.zip"):  # the receipt of another file does not help
        sources.fingerprint("fer2.zip", here / "raw/receipt.json")


# --- lists ----------------------------------------------------------------------------------------------------


def halves(here: Path) -> list[str]:
    """FER2013 in two archives, by part."""
    for part in ("train", "test"):
        as_zip(here / f"{part}.zip", {name: content for name, content in folders().items() if name.startswith(part)})
    return ["train.zip", "test.zip"]


def test_a_list_is_known_again_whatever_its_order(here: Path) -> None:
    one, two = halves(here)
    nothing = here / "receipt.json"
    first = sources.fingerprint([one, two], nothing)
    assert first == sources.fingerprint((two, one), nothing)
    assert first != sources.fingerprint([one], nothing) != sources.fingerprint(one, nothing)
    os.utime(here / one, ns=(1, 1))
    assert sources.fingerprint([one, two], nothing) != first


def test_of_a_list_each_may_go_after_it_was_obtained(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = catalog.dataset("fer2013")
    monkeypatch.setitem(catalog.DATASETS, "any", type(known)(**{**known.__dict__, "recognise": lambda names: "any"}))
    both, receipt = halves(here), here / "raw/receipt.json"
    obtain("any", both, here / "raw")
    before = sources.fingerprint(both, receipt)
    (here / "train.zip").unlink()
    sources.check("any", both, receipt)
    assert sources.fingerprint(both, receipt) == before
    with pytest.raises(UserError, match=r"there is no train\.zip"):
        obtain("any", both, here / "raw")
    with pytest.raises(UserError, match=r"there is no other\.zip"):
        sources.check("any", ["other.zip", "test.zip"], receipt)
    with pytest.raises(UserError, match=r"there is no train\.zip"):
        sources.check("any", "train.zip", receipt)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ([], "empty"),
        (["a.zip", ""], "is empty"),
        (["a/x.zip", "b/x.zip"], r"names x\.zip twice"),
        (["download", "x.zip"], "a source by itself"),
        ("download", r"FER2013 has no files that can be had by `download`\.\nDownload fer2013"),
        (" download ", "no files that can be had"),
    ],
)
def test_lists_and_words_that_mean_nothing(here: Path, source: str | list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        sources.check("fer2013", source, here / "receipt.json")


# --- URLs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("https://example.org/fer.zip", "needs the hash"),
        ("https://example.org/fer.zip#sha256=abc", "64 hexadecimal digits"),
        ("https://example.org/fer.zip#crc32=" + "a" * 8, "needs the hash"),
        ("https://example.org/fer.zip#git=" + "a" * 40, "needs the hash"),
        ("http://example.org/fer.zip#sha256=" + "a" * 64, "only https:// is"),
        ("http://127.0.0.1.example.org/fer.zip#sha256=" + "a" * 64, "only https:// is"),
        ("ftp://example.org/fer.zip#md5=" + "a" * 32, "only https:// is"),
        ("file:///fer.zip#md5=" + "a" * 32, "only https:// is"),
        ("https://[broken/fer.zip#md5=" + "a" * 32, "no URL"),
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


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("a/fer.zip", Local, "fer.zip"),
        ("a/fer.zip.dvc", Pointer, "fer.zip"),
        ("fer/.dvc", Local, ".dvc"),
        ("./download", Local, "download"),
        (f"https://example.org/a%20b/fer%20x.zip?x=1#md5={'a' * 32}", Remote, "fer x.zip"),
        ("kaggle:msambare/fer2013/versions/1", Kaggle, "fer2013"),
    ],
)
def test_what_a_source_means(source: str, kind: type, name: str) -> None:
    place = sources.parse(source)
    assert type(place) is kind
    assert place.name == name


def test_the_owners_files_are_known_by_their_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    known = catalog.dataset("fer2013")
    files = [OwnersFile(f"{name}.zip", f"https://example.org/{name}", letter * 40) for name, letter in ("aA", "bB")]
    for name, listing in (("one", files), ("two", files[::-1]), ("other", files[:1])):
        monkeypatch.setitem(catalog.DATASETS, name, type(known)(**{**known.__dict__, "files": tuple(listing)}))
    first = sources.fingerprint("download", Path("none"), "one")
    assert first == sources.fingerprint("download", Path("none"), "two")
    assert first != sources.fingerprint("download", Path("none"), "other")
    assert [place.name for place in sources.parsed("download", "two")] == ["a.zip", "b.zip"]


# --- Kaggle ---------------------------------------------------------------------------------------------------

HANDLE = "kaggle:msambare/fer2013/versions/1"


@pytest.mark.parametrize("source", ["kaggle:msambare/fer2013", "kaggle:fer2013/versions/1", HANDLE[:-1] + "0"])
def test_a_kaggle_data_set_needs_its_version(source: str) -> None:
    with pytest.raises(UserError, match="the number pins it"):
        sources.parse(source)


def test_a_kaggle_data_set_without_kagglehub_says_how_to_get_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    monkeypatch.setattr(pointers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"pip install --python .venv kagglehub; .*kaggle\.com/datasets/msambare/fer2013"
    ):
        sources.check("fer2013", HANDLE, here / "receipt.json")


def test_a_kaggle_data_set_comes_through_kagglehub(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def dataset_download(handle: str) -> str:
        asked.append(handle)
        if "nobody" in handle:
            raise ConnectionError("404 Client Error.\n\nResource not found at URL: https://…")
        return str(as_folder(here / "cache/versions/1", folders()))

    fake = types.ModuleType("kagglehub")
    fake.dataset_download = dataset_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    monkeypatch.setattr(pointers.importlib.util, "find_spec", lambda name: fake)
    obtain("fer2013", HANDLE, here / "raw")
    assert asked == ["msambare/fer2013/versions/1"]
    assert sources.fingerprint(HANDLE, here / "none") == HANDLE
    with pytest.raises(UserError, match=r"kaggle:nobody/x/versions/2 could not be downloaded \(404 Client Error\)"):
        obtain("fer2013", "kaggle:nobody/x/versions/2", here / "other")


# --- DVC ------------------------------------------------------------------------------------------------------

POINTER = "outs:\n- md5: 764efa883dda1e11db47671c4a3bbd9e\n  size: 3\n  hash: md5\n  path: fer.zip\n"


def test_a_pointer_is_known_by_the_hash_that_it_states(here: Path) -> None:
    (here / "fer.zip.dvc").write_text(POINTER)
    assert sources.fingerprint("fer.zip.dvc", here / "none") == "md5:764efa883dda1e11db47671c4a3bbd9e"
    sources.check("fer2013", "fer.zip.dvc", here / "none")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("outs: []\n", "no .dvc file with one `outs` entry"),
        ("stages: {}\n", "no .dvc file"),
        ("outs:\n- path: fer.zip\n", "states no md5"),
        ("outs: [}\n", "not valid YAML"),
    ],
)
def test_what_is_no_pointer(here: Path, content: str, told: str) -> None:
    (here / "fer.zip.dvc").write_text(content)
    with pytest.raises(UserError, match=told):
        sources.check("fer2013", "fer.zip.dvc", here / "none")


def test_a_pointer_that_is_not_there(here: Path) -> None:
    with pytest.raises(UserError, match=r"FER2013: there is no fer\.zip\.dvc"):
        sources.check("fer2013", "fer.zip.dvc", here / "none")


def test_a_pointer_outside_any_repository(here: Path) -> None:
    (here / "fer.zip.dvc").write_text(POINTER)
    with pytest.raises(UserError, match="lies in no DVC repository"):
        obtain("fer2013", "fer.zip.dvc", here / "raw")


@pytest.fixture
def tracked(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose DVC tracks fer.zip and the folder fer, with a remote beside it that has both."""
    from dvc.repo import Repo

    monkeypatch.setattr(pointers, "WAITS", (0.0,))
    repository = here / "repository"
    repository.mkdir()
    subprocess.run(["git", "init", "--quiet", repository], check=True)
    with Repo.init(str(repository)) as repo:
        with repo.config.edit("repo") as config:
            config["remote"] = {"store": {"url": str(here / "store")}}
            config["core"] = {"remote": "store"}
        as_zip(repository / "fer.zip", folders())
        as_folder(repository / "fer", folders())
        monkeypatch.chdir(repository)
        repo.add(["fer.zip", "fer"])
    with Repo(str(repository)) as repo:
        repo.push()
    return repository


def forget(repository: Path) -> None:
    """Leave only the pointers, as in a fresh clone."""
    shutil.rmtree(repository / ".dvc/cache", ignore_errors=True)
    shutil.rmtree(repository / "fer", ignore_errors=True)
    (repository / "fer.zip").unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
def test_tracked_data_are_taken_or_pulled(tracked: Path, here: Path) -> None:
    shutil.move(here / "store", here / "away")
    obtain("fer2013", "fer.zip.dvc", here / "beside")  # what lies there needs no remote
    shutil.move(here / "away", here / "store")
    for name in ("fer.zip.dvc", "fer.dvc"):
        forget(tracked)
        obtain("fer2013", name, here / name)
        assert (here / name / "files.zip").stat().st_size == (here / "beside/files.zip").stat().st_size
    part = (here / "fer.zip.dvc/receipt.json").read_text()
    assert '"verified": "verified"' in part
    assert '"source": "fer.zip.dvc"' in part


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
def test_tracked_data_that_do_not_come(tracked: Path, here: Path) -> None:
    (tracked / "fer.zip").write_bytes(b"changed")
    with pytest.raises(UserError, match=r"fer\.zip is not what fer\.zip\.dvc states: `dvc checkout"):
        obtain("fer2013", "fer.zip.dvc", here / "raw")
    assert (tracked / "fer.zip").read_bytes() == b"changed", "what somebody changed is not thrown away"
    forget(tracked)
    shutil.rmtree(here / "store")
    with pytest.raises(UserError, match=r"not all of it is there.*Remotes of its repository: store\."):
        obtain("fer2013", "fer.zip.dvc", here / "raw")
    (tracked / ".dvc/config").write_text("")
    with pytest.raises(UserError, match=r"Remotes of its repository: none\.\n.*dvc remote add"):
        obtain("fer2013", "fer.dvc", here / "raw")
    (tracked / ".dvc/config").write_text("[core]\n    remote = store\n['remote \"store\"']\n    url = s3://bucket/x\n")
    with pytest.raises(UserError, match=r"requires 'dvc-s3'"):
        obtain("fer2013", "fer.dvc", here / "raw")
    assert listed(here / "raw") == []


def turned(path: Path) -> None:
    """Turn a bit of a file, and leave its size, its time and its rights."""
    about, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(about.st_mode)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
@pytest.mark.parametrize(("name", "there"), [("fer.zip", False), ("fer", False), ("fer.zip", True)])
def test_other_bytes_than_the_md5_states_are_never_taken(tracked: Path, here: Path, name: str, there: bool) -> None:
    content = here / "store/files/md5" if not there else tracked
    if there:
        pointers.pull(parse("fer.zip.dvc"))  # DVC knows the file's time from here on
        turned(content / name)
        told = "is not what fer.zip.dvc states"
    else:
        forget(tracked)
        archive = pointers.tracked(parse("fer.zip.dvc")).md5
        stored = [path for path in content.rglob("*") if path.is_file()]
        of_name = [path for path in stored if (path.name == archive[2:]) == (name == "fer.zip")]
        turned(max(of_name, key=lambda path: path.stat().st_size))
        told = f"{name}.dvc"
    with pytest.raises(UserError, match=re.escape(told)) as caught:
        obtain("fer2013", f"{name}.dvc", here / "raw")
    assert len(str(caught.value).splitlines()) <= 2
    assert listed(here / "raw") == []
    assert there or not (tracked / name).is_file()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
def test_a_cache_of_other_bytes_is_not_believed(tracked: Path, here: Path) -> None:
    shutil.rmtree(here / "store")
    (tracked / "fer.zip").unlink()
    stated = pointers.tracked(parse("fer.zip.dvc")).md5
    turned(tracked / ".dvc/cache/files/md5" / stated[:2] / stated[2:])
    with pytest.raises(UserError, match=r"is not what its MD5 states|not all of it is there"):
        obtain("fer2013", "fer.zip.dvc", here / "raw")
    assert not (tracked / "fer.zip").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
def test_a_repository_in_which_another_dvc_works(tracked: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.lock import LockError
    from dvc.repo import Repo

    tries: list[object] = []

    def busy(*_: object) -> None:
        tries.append(1)
        raise LockError("Unable to acquire lock.")

    forget(tracked)
    monkeypatch.setattr(Repo, "pull", busy)
    with pytest.raises(UserError, match=r"Another DVC process.*`dvc pull fer\.dvc` first"):
        obtain("fer2013", "fer.dvc", here / "raw")
    assert len(tries) == 2


# --- planning -------------------------------------------------------------------------------------------------


def test_planning_imports_nothing_heavy(here: Path) -> None:
    (here / "other.zip.dvc").write_text(POINTER)
    as_zip(here / "fer.zip", folders())
    code = (
        "import sys, pathlib, refer.datasets.catalog, refer.datasets.raw.sources as s\n"
        "for source in ('fer.zip', ['fer.zip', 'other.zip.dvc']):\n"
        "    s.check('fer2013', source, pathlib.Path('none'))\n"
        "    s.fingerprint(source, pathlib.Path('none'))\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'PIL', 'pooch', 'requests', 'torch', 'py7zr', 'dvc', 'kagglehub'}\n"
        "print(*heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
