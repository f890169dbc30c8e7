"""DVC unpickles its site cache: it lies where this user alone may write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from refer.errors import UserError
from refer.storage.site_cache import private_site_cache

pytest.importorskip("dvc")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from dvc.repo import Repo

    for name in ("GLOBAL_CONFIG_DIR", "SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(f"DVC_{name}", str(tmp_path / "none"))
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    monkeypatch.setattr("dvc.dirs.site_cache_dir", lambda given=None: given or str(tmp_path / "for-all"))
    folder = tmp_path / "repository"
    folder.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    Repo.init(str(folder)).close()
    return folder


def test_what_dvc_remembers_lies_in_the_clone_and_is_its_users_alone(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc.repo import Repo

    below = repository / "a/folder"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)  # where DVC would take a relative path from
    place = private_site_cache()
    assert place == repository / ".dvc/tmp/site"
    (repository / "image").write_text("pixels")
    with Repo(str(repository)) as repo:
        repo.add(str(repository / "image"))
        assert Path(repo.site_cache_dir).is_relative_to(place)
    assert list(place.rglob("cache.db")), "DVC keeps its databases there"
    assert [path for path in (place, place / "repo") if path.stat().st_mode & 0o077] == []
    written = (repository / ".dvc/config.local").read_bytes()
    assert private_site_cache(below) == place
    assert (repository / ".dvc/config.local").read_bytes() == written
    status = subprocess.run(["git", "status", "--short"], cwd=repository, capture_output=True, text=True, check=True)
    assert "site" not in status.stdout, "git does not take it"


def test_a_site_cache_that_leads_elsewhere_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / ".dvc/tmp").mkdir(exist_ok=True)
    (repository / ".dvc/tmp/site").symlink_to(tmp_path)
    with pytest.raises(UserError, match="site: found a link or no folder, expected a folder of your own"):
        private_site_cache(repository)
    assert not (repository / ".dvc/config.local").exists()


def test_a_clone_whose_path_dvc_cannot_write_has_its_site_cache_with_the_user(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc.config import Config

    clone = repository.rename(tmp_path / "a clöne")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = private_site_cache(clone)
    assert place == tmp_path / "cache/refer/dvc"
    assert place.stat().st_mode & 0o077 == 0
    with Config(str(clone / ".dvc")).edit("local") as config:
        assert config["core"]["site_cache_dir"] == str(place)
        config["core"]["remote"] = "store"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cäche"))
    assert private_site_cache(clone) is None
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert private_site_cache(clone) is None


def test_without_a_repository_nothing_is_written(tmp_path: Path) -> None:
    assert private_site_cache(tmp_path) is None
    assert not list(tmp_path.iterdir())
