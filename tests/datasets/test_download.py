"""Downloads from a server that breaks off, changes, redirects and fails as told."""

from __future__ import annotations

import hashlib
import os
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pooch
import pytest
import requests

from data_fixtures import listed
from http_fixtures import Served, serving
from refer.datasets.raw import download as module
from refer.datasets.raw.download import download
from refer.datasets.raw.source_types import Remote
from refer.errors import UserError

CONTENT = random.Random(0).randbytes(3_000_001)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
NAME = f"{SHA256[:12]}-set.zip"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(pooch.core.time, "sleep", lambda _: None)
    with serving(CONTENT) as served:
        yield served


def wanted(server: Served, path: str = "/a/set.zip", digest: str = SHA256) -> Remote:
    return Remote(server.address + path, "sha256", digest)


def fetched(server: Served, folder: Path) -> bytes:
    (path,) = download([wanted(server)], folder)
    assert path.name == NAME
    assert listed(folder) == [NAME], "nothing else is left"
    return path.read_bytes()


def test_a_download_comes_whole_and_only_once(server: Served, tmp_path: Path) -> None:
    assert fetched(server, tmp_path / "deep/downloads") == CONTENT
    assert fetched(server, tmp_path / "deep/downloads") == CONTENT
    assert len(server.asked) == 1
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "deep/downloads" / NAME).stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_download_that_was_damaged_on_the_disk_comes_again(server: Served, tmp_path: Path) -> None:
    fetched(server, tmp_path)
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    assert fetched(server, tmp_path) == CONTENT
    assert len(server.asked) == 2


def test_a_changed_file_is_refused_with_both_hashes_and_not_kept(server: Served, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(UserError) as caught:
        download([wanted(server)], tmp_path)
    assert f"expected sha256:{SHA256}" in str(caught.value)
    assert f"got {hashlib.sha256(server.content).hexdigest()}" in str(caught.value)
    assert listed(tmp_path) == []
    assert len(server.asked) == 1, "the same wrong file would come again"


def test_a_git_blob_id_verifies_a_download(server: Served, tmp_path: Path) -> None:
    remote = Remote(f"{server.address}/raw/x", "git", BLOB, "VIRI-Angry-Ir.zip")
    (path,) = download([remote], tmp_path)
    assert path.read_bytes() == CONTENT
    assert path.name == f"{BLOB[:12]}-VIRI-Angry-Ir.zip"
    download([remote], tmp_path)
    assert len(server.asked) == 1
    with pytest.raises(UserError, match=f"expected git:{'0' * 40}, got {BLOB}"):
        download([Remote(remote.url, "git", "0" * 40, "VIRI-Angry-Ir.zip")], tmp_path)
    assert listed(tmp_path) == [path.name]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_may_pass_is_tried_again(server: Served, tmp_path: Path, status: int) -> None:
    server.steps = [status, status]
    assert fetched(server, tmp_path) == CONTENT
    assert len(server.asked) == 3


def test_a_server_that_never_comes_back_is_named(server: Served, tmp_path: Path) -> None:
    server.steps = [503] * 10
    with pytest.raises(UserError, match=rf"127\.0\.0\.1:{server.server_port} did not deliver set.zip \(HTTP 503"):
        download([wanted(server)], tmp_path)
    assert len(server.asked) == 4
    assert listed(tmp_path) == []


def test_a_download_that_breaks_off_begins_anew(server: Served, tmp_path: Path) -> None:
    server.steps = ["cut", "cut"]
    assert fetched(server, tmp_path) == CONTENT
    assert [one.range for one in server.asked] == [None, None, None]


def test_a_dead_host_is_tried_again_and_then_named(server: Served, tmp_path: Path) -> None:
    server.server_close()
    with pytest.raises(UserError, match=rf"127\.0\.0\.1:{server.server_port} did not deliver .*no connection; 4 tries"):
        download([wanted(server)], tmp_path)


def test_a_line_that_always_breaks_at_the_same_byte_is_given_up(server: Served, tmp_path: Path) -> None:
    server.steps = ["cut"] * 20
    with pytest.raises(UserError, match="broke off; 4 tries"):
        download([wanted(server)], tmp_path)
    assert len(server.asked) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_refusal_is_final(server: Served, tmp_path: Path, status: int) -> None:
    server.steps = [status]
    with pytest.raises(UserError, match=rf"set\.zip could not be downloaded \(HTTP {status}"):
        download([wanted(server)], tmp_path)
    assert len(server.asked) == 1
    assert listed(tmp_path) == []


def test_a_part_of_unknown_length_is_no_file(server: Served, tmp_path: Path) -> None:
    server.steps = ["half"]
    with pytest.raises(UserError, match="another file than stated"):
        download([wanted(server)], tmp_path)
    assert listed(tmp_path) == []


def test_redirects_are_followed(server: Served, tmp_path: Path) -> None:
    server.steps = ["/b/set.zip", f"{server.address}/c/set.zip"]
    assert fetched(server, tmp_path) == CONTENT
    assert [one.path for one in server.asked] == [f"/{folder}/set.zip" for folder in "abc"]


def test_redirects_without_end(server: Served, tmp_path: Path) -> None:
    server.steps = ["/a/set.zip"] * 100
    with pytest.raises(UserError, match="too many redirects"):
        download([wanted(server)], tmp_path)


@pytest.mark.parametrize("target", ["http://example.org/x?token=secret", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_redirects_to_where_nothing_is_fetched_from(server: Served, tmp_path: Path, target: str) -> None:
    server.steps = [target]
    with pytest.raises(UserError, match="only https:// is fetched") as caught:
        download([wanted(server)], tmp_path)
    assert "secret" not in str(caught.value)
    assert len(server.asked) == 1


def test_a_redirect_to_what_is_no_url(server: Served, tmp_path: Path) -> None:
    server.steps = ["http://[broken"]
    with pytest.raises(UserError, match="is no URL"):
        download([wanted(server)], tmp_path)


@pytest.mark.parametrize(("location", "fine"), [("http://127.0.0.1/x", False), ("//other.org/y", True), ("/y", True)])
def test_https_never_leads_back_to_http(location: str, fine: bool) -> None:
    remote = Remote("https://example.org/x", "sha256", SHA256)
    answer = requests.Response()
    answer.status_code, answer.url, answer.headers["Location"] = 302, remote.url, location
    if fine:
        module._check_redirect(remote, answer)
    else:
        with pytest.raises(UserError, match="only https"):
            module._check_redirect(remote, answer)


def test_secrets_of_a_url_are_used_and_never_said(server: Served, tmp_path: Path) -> None:
    server.steps = [404]
    address = server.address.replace("http://", "http://me:word@")
    with pytest.raises(UserError) as caught:
        download([Remote(f"{address}/set.zip?token=secret", "sha256", SHA256)], tmp_path)
    assert server.asked[0].path == "/set.zip?token=secret"
    assert not {"secret", "word"} & set(str(caught.value).replace("?", " ").replace("=", " ").split())
    assert "me:word" not in str(caught.value)


def test_a_file_without_end_is_given_up(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refer.datasets.raw.download.LARGEST", 5 << 20)
    server.steps = ["endless"] * 9
    with pytest.raises(UserError, match="more than 5,242,880 bytes came, and no end"):
        download([wanted(server)], tmp_path)
    assert listed(tmp_path) == []
    assert len(server.asked) == 1


def test_a_download_leaves_room_on_the_disk(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refer.datasets.raw.download.SPARED", 1 << 60)
    server.steps = ["endless"]
    with pytest.raises(UserError, match=r"after 67 MB less than .* GB are left on the disk"):
        download([wanted(server)], tmp_path)
    assert listed(tmp_path) == []


def test_a_full_disk_leaves_nothing_half_under_a_final_name(server: Served, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(UserError, match="no room left"):
            download([wanted(server)], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert listed(tmp_path) == []
    assert fetched(server, tmp_path) == CONTENT


def test_progress_of_one_file(server: Served, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    download([wanted(server)], tmp_path, lambda done, total: told.append((done, total)))
    assert len(told) > 2
    assert told == sorted(told)
    assert {total for _, total in told} == {len(CONTENT)}
    assert told[-1][0] == len(CONTENT)
    assert [one.method for one in server.asked] == ["GET"]


def test_progress_of_several_files_is_told_file_by_file(server: Served, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    remotes = [wanted(server, f"/{name}.zip") for name in "abc"]
    download(remotes[:1], tmp_path)
    paths = download(remotes, tmp_path, lambda done, total: told.append((done, total)))
    assert [path.name for path in paths] == [f"{SHA256[:12]}-{name}.zip" for name in "abc"]
    assert told.count((len(CONTENT), len(CONTENT))) >= 2
    assert {total for _, total in told} == {len(CONTENT)}


def test_names_from_a_url_stay_in_the_folder(server: Served, tmp_path: Path) -> None:
    for path in ("/..%2F..%2Fevil.zip", "/", "/" + "ä" * 300):
        (found,) = download([wanted(server, path)], tmp_path)
        assert found.parent == tmp_path
    assert len(listed(tmp_path)) == 3
