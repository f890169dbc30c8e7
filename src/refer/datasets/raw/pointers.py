"""Data that others keep: a DVC remote behind a .dvc file, and Kaggle. Both libraries are imported only when used."""

from __future__ import annotations

import importlib.util
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

from refer import yaml
from refer.datasets.raw.download import reason
from refer.datasets.raw.source_types import Kaggle, Pointer
from refer.errors import UserError

WAITS = (2.0, 5.0, 10.0, 20.0, 30.0)  # seconds between tries while another DVC process holds the repository


class Tracked(NamedTuple):
    """What a .dvc file says: the MD5 of a file, or of the list of a folder's files (ending in .dir), and its place."""

    md5: str
    path: Path


def tracked(pointer: Pointer) -> Tracked:
    """Read a .dvc file, as `dvc add` and `dvc import-url` write it.

    Raises:
        UserError: it is not there, no such file, or states no hash or several files.
    """
    content = yaml.read(pointer.path)
    outs = content.get("outs")
    if not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], dict):
        raise UserError(f"{pointer.shown} is no .dvc file with one `outs` entry: write it with `dvc add <archive>`.")
    md5, name = outs[0].get("md5"), outs[0].get("path")
    if not md5 or not name:
        raise UserError(f"{pointer.shown} states no md5 or no path of what it tracks: write it with `dvc add`.")
    return Tracked(str(md5), pointer.path.parent / str(content.get("wdir", ".")) / str(name))


def pull(pointer: Pointer) -> Path:
    """Return the tracked file or folder, after fetching it from the project's DVC remote if it is not there.

    Raises:
        UserError: what lies there is another state, there is no remote, or it does not give the data, or gives others.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.lock import LockError
    from dvc.repo import Repo

    path = tracked(pointer).path
    for wait in (*WAITS, None):
        try:
            with Repo(Repo.find_root(str(pointer.path.parent))) as repo:
                believing_bytes(repo)
                _bring(repo, pointer, path)
            return path
        except LockError:
            if wait is None:
                break
            time.sleep(wait)
        except NotDvcRepoError:
            raise UserError(
                f"{pointer.shown} lies in no DVC repository, so nobody knows where its data are: give the path of "
                "the data, or clone the repository whole."
            ) from None
    raise UserError(
        f"Another DVC process works in the repository of {pointer.shown} (perhaps `dvc repro`, which called this): "
        f"run `dvc pull {pointer.shown}` first, then start again."
    )


def believing_bytes(repo: Any) -> None:
    """Have an open DVC repository hash files and downloads by their bytes, whatever it remembers of their times."""
    from dvc.cachemgr import CacheManager
    from dvc_data.hashfile.state import StateNoop

    repo.state = StateNoop()
    repo.cache = CacheManager(repo)
    for remote in repo.config.get("remote", {}).values():
        remote["verify"] = True


def _bring(repo: Any, pointer: Pointer, path: Path) -> None:
    """Fetch the data, or check those that lie there; never write over them."""
    from dvc.exceptions import CheckoutError
    from dvc.lock import LockError

    target = str(pointer.path.absolute())
    if path.exists():
        if repo.status([target]):
            raise UserError(
                f"{path} is not what {pointer.shown} states: `dvc checkout --force {pointer.shown}` brings that back, "
                f"`dvc add {path.name}` states what lies there now."
            )
        return
    remotes = ", ".join(repo.config.get("remote", {})) or "none"
    try:
        repo.pull([target])
    except LockError:
        raise
    except Exception as error:  # of the remote's own library, too
        # DVC says no more than this, also where a remote cannot be reached.
        why = "not all of it is there, or it cannot be reached" if isinstance(error, CheckoutError) else _first(error)
        raise UserError(
            f"{pointer.shown} could not be pulled ({why}). Remotes of its repository: {remotes}.\n"
            "Ask whoever has the data to `dvc push`, add a remote with `dvc remote add`, or give the path of the data."
        ) from error
    if repo.status([target]):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise UserError(
            f"{pointer.shown}: what DVC's cache and its remotes ({remotes}) hold is not what its MD5 states. Remove "
            "the cache's copy (.dvc/cache), and ask whoever has the data to push them again; nothing was taken over."
        )


def kaggle(place: Kaggle) -> Path:
    """Return the folder of a data set from Kaggle, which kagglehub keeps in a cache of its own.

    Raises:
        UserError: kagglehub is not installed, or Kaggle does not give it.
    """
    check_kaggle(place)
    import kagglehub
    import requests

    try:
        return Path(kagglehub.dataset_download(place.handle))
    except Exception as error:  # what it raises has no common class
        offline = isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout)
        why = reason(error) if offline else _first(error)
        raise UserError(
            f"{place.shown} could not be downloaded ({why}): look whether this version exists and whether you are "
            f"logged in (kaggle.json or KAGGLE_API_TOKEN), or download it from {_page(place)} and give its path."
        ) from error


def check_kaggle(place: Kaggle) -> None:
    """Check that kagglehub is there.

    Raises:
        UserError: it is not; says how to get it.
    """
    if importlib.util.find_spec("kagglehub") is None:
        raise UserError(
            f"{place.shown} needs kagglehub, which is not installed: uv pip install --python .venv kagglehub; or "
            f"download it from {_page(place)} and give its path."
        )


def _page(place: Kaggle) -> str:
    return f"https://www.kaggle.com/datasets/{place.handle}"


def _first(error: Any) -> str:
    """Return the first line of an error, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__
