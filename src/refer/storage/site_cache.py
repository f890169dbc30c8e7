"""DVC's site cache in a folder of one's own: DVC unpickles what it finds there, and puts it where anybody may write.

What DVC remembers of files (their times and hashes, the indexes of remotes) lies in databases of `diskcache`, which
holds values as pickles: whoever writes there has DVC run their code. By default that is below /var/tmp/dvc, a folder
that DVC makes writable for all.
"""

from __future__ import annotations

import os
from pathlib import Path

from refer.errors import UserError
from refer.files import private_folder

PLACE = "tmp/site"
"""Relative to .dvc/, not in git."""


def private_site_cache(base: str | Path = ".") -> Path | None:
    """Have DVC keep the site cache of this clone in .dvc/tmp/site, which this user alone may enter; return its path.

    The path is written into .dvc/config.local as it is here, for DVC takes a relative one from wherever it is called.
    DVC can write no setting with other letters than ASCII: of a clone whose path has some, the cache lies in the user's
    own, ~/.cache/refer/dvc.

    Returns:
        None where nothing is changed: DVC is not installed, `base` is in no DVC repository, DVC_SITE_CACHE_DIR, which
        goes before the setting, says where the cache lies, or both paths have other letters.

    Raises:
        UserError: .dvc/tmp/site is a link, or another user's; or .dvc/config.local cannot be read.
    """
    try:
        from dvc.config import Config, ConfigError
        from dvc.exceptions import NotDvcRepoError
        from dvc.repo import Repo
    except ImportError:
        return None
    try:
        folder = Path(Repo.find_dvc_dir(str(base))).absolute()
    except NotDvcRepoError:
        return None
    if os.environ.get("DVC_SITE_CACHE_DIR"):
        return None
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    place = next((each for each in (folder / PLACE, Path(cache, "refer/dvc")) if str(each).isascii()), None)
    if place is None:
        return None
    # DVC makes the folder `repo` writable for all where it is not there yet.
    for each in (place, place / "repo"):
        os.close(private_folder(each))
    try:
        settings = Config(str(folder))
        if settings.load_one("local").get("core", {}).get("site_cache_dir") != str(place):
            with settings.edit("local") as config:
                config.setdefault("core", {})["site_cache_dir"] = str(place)
    except ConfigError as error:
        raise UserError(f"{folder / 'config.local'}: {error}; correct it, or remove it.") from None
    return place
