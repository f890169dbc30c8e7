"""Files from the network, fetched by pooch and kept only with the hash that they must have."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from refer.datasets.raw.digests import digest
from refer.datasets.raw.source_types import Remote, is_fetched
from refer.errors import UserError
from refer.files import room

if TYPE_CHECKING:
    import requests

    from refer.datasets.model import ProgressCallback

TRIES = 4
TIMEOUT = 30  # seconds without an answer
CHUNK = 1 << 20  # bytes between two calls of `progress`
LARGEST = 256 << 30  # bytes of a file whose length the server does not state, as much as a data set may unpack to
SPARED = 1 << 30  # bytes that a download leaves on the disk
LOOK = 64 * CHUNK  # bytes between two looks at how many are left
PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP states that another try may not meet


def download(wanted: Sequence[Remote], folder: Path, progress: ProgressCallback | None = None) -> list[Path]:
    """Return where the files lie in `folder`, after fetching those that are not there, one after the other.

    What comes is refused unless it has the hash that it must have. A download that breaks off begins anew.

    Args:
        wanted: the files.
        folder: where they go, as <first 12 digits of the hash>-<name>.
        progress: called with the bytes done of the file that is being fetched, and their number if it is stated.

    Raises:
        UserError: a server cannot be reached or refuses, a file has another hash, or there is no room.
    """
    targets = [folder / _file_name(remote) for remote in wanted]
    with room(folder):
        for remote, target in zip(wanted, targets, strict=True):
            if target.is_file() and digest(target, remote.algorithm) == remote.digest:
                continue
            target.unlink(missing_ok=True)
            _fetch(remote, target, progress)
    return targets


def _file_name(remote: Remote) -> str:
    return f"{remote.digest[:12]}-{re.sub(r'[^A-Za-z0-9._-]+', '_', remote.name)[-100:]}"


def _fetch(remote: Remote, target: Path, progress: ProgressCallback | None) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("CRITICAL")  # it would log the whole URL, secrets included
    if not is_fetched(remote.url):
        raise _final(remote, remote.url, "only https:// is fetched")
    files = pooch.create(
        target.parent,
        base_url="",
        registry={target.name: None},  # the hash may be git's, which pooch does not know: _verified compares it
        urls={target.name: remote.url},
        retry_if_failed=TRIES - 1,
    )
    try:
        files.fetch(target.name, downloader=_verified(remote, progress))
    except requests.exceptions.RequestException as error:
        raise UserError(
            f"{_host(remote.url)} did not deliver {remote.name} ({reason(error)}; {TRIES} tries): try again later, or "
            "download it yourself and give its path."
        ) from None
    # pooch's temporary file is its owner's alone.
    target.chmod(target.parent.stat().st_mode & 0o666)


def _verified(remote: Remote, progress: ProgressCallback | None) -> Callable[..., None]:
    """Return what pooch calls for the bytes of a file; a UserError of it ends the tries, requests' errors do not."""
    import pooch
    import requests

    lasting = (
        requests.exceptions.SSLError,
        requests.exceptions.TooManyRedirects,
        requests.exceptions.InvalidURL,
        requests.exceptions.InvalidSchema,
    )

    def fetch(url: str, output: str, keeper: Any) -> None:
        get = pooch.HTTPDownloader(
            progressbar=_Bar(remote, Path(output).parent, progress),
            chunk_size=CHUNK,
            timeout=TIMEOUT,
            headers={"Accept-Encoding": "identity"},
            hooks={"response": lambda response, **_: _check_redirect(remote, response)},
        )
        try:
            get(url, output, keeper)
        except lasting as error:
            raise _final(remote, url, reason(error)) from None
        except requests.exceptions.HTTPError as error:
            if error.response is None or error.response.status_code in PASSING:
                raise
            raise _final(remote, error.response.url, reason(error)) from None
        found = digest(Path(output), remote.algorithm)
        if found != remote.digest:
            raise UserError(
                f"{remote.shown} is another file than stated: expected {remote.pin}, got {found}. "
                "If its owner changed it, look what changed, and correct the hash; otherwise try again."
            )

    return fetch


class _Bar:
    """What pooch tells how far it is; it sets `total` to 0 where the server does not state the length."""

    total = 0

    def __init__(self, remote: Remote, folder: Path, progress: ProgressCallback | None) -> None:
        self._remote, self._folder, self._progress, self._done = remote, folder, progress, 0

    def update(self, size: int) -> None:
        """Take `size` more bytes.

        Raises:
            UserError: they are more than the server stated or than any data set, or the disk is nearly full.
        """
        self._done += size
        most = self.total or LARGEST
        if self._done > most + CHUNK:  # pooch tells whole chunks
            raise _final(self._remote, self._remote.url, f"more than {most:,} bytes came, and no end")
        if self._done % LOOK == 0 and shutil.disk_usage(self._folder).free < SPARED:
            raise UserError(f"{self._remote.shown}: after {self._done / 1e6:,.0f} MB less than {SPARED / 1e9:.1f} GB "
                            f"are left on the disk of {self._folder}. Free some, then start again.")  # fmt: skip
        if self.total and self._progress:
            self._progress(min(self._done, self.total), self.total)

    def reset(self) -> None:
        """Begin anew; pooch then tells the whole length."""
        self._done = 0

    def close(self) -> None:
        """Nothing is left to be done."""


def _check_redirect(remote: Remote, response: requests.Response) -> None:
    """Raise UserError where an answer leads to where nothing is fetched from."""
    if not response.is_redirect:
        return
    try:
        target = urljoin(response.url, response.headers["Location"])
        fetched = is_fetched(target) and not (response.url.startswith("https:") and not target.startswith("https:"))
    except ValueError:
        raise _final(remote, response.url, "it redirects to what is no URL") from None
    if not fetched:
        where = Remote(target, "", "").shown or "nowhere"
        raise _final(remote, response.url, f"it redirects to {where}, and only https:// is fetched")


def _final(remote: Remote, url: str, why: str) -> UserError:
    """Return the sentence about a file that another try would not bring either; `url` is who said so."""
    by = "" if _host(url) == remote.host else f" by {_host(url)}"
    return UserError(
        f"{remote.shown} could not be downloaded ({why}{by}): correct the source, or download it yourself and "
        "give its path."
    )


def _host(url: str) -> str:
    """Return the server that a URL names, without user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def reason(error: Exception) -> str:
    """Describe a network error without the URL that requests puts into it."""
    response = getattr(error, "response", None)
    if type(error).__name__ == "HTTPError" and response is not None:
        return f"HTTP {response.status_code} {response.reason}".strip()
    name = type(error).__name__
    known = {
        "ChunkedEncodingError": "the connection broke off",
        "ConnectionError": "no connection",
        "ConnectTimeout": "no answer",
        "InvalidSchema": "it redirects to where nothing is fetched from",
        "InvalidURL": "it is no URL",
        "ReadTimeout": "no answer",
        "SSLError": "its certificate is not trusted",
        "TooManyRedirects": "too many redirects",
    }
    return known.get(name, name)
