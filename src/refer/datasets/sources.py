"""Where raw data comes from: a path, or a URL with the hash of what it must give."""

from __future__ import annotations

import ipaddress
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from refer.errors import UserError
from refer.files import read_json

if TYPE_CHECKING:
    from refer.datasets.model import Progress

DOWNLOADS = Path("data/downloads")
HASHES = {"sha256": 64, "md5": 32}  # name: hexadecimal digits
TRIES = 3  # downloads are tried again after a network error, never after a wrong hash
WAIT = 2.0  # seconds before the second try
TIMEOUT = 30  # seconds without an answer


@dataclass(frozen=True)
class Local:
    """A folder or file of this machine, relative to the working directory unless absolute."""

    path: Path

    @property
    def shown(self) -> str:
        """The name alone: where a disk is mounted is nobody else's business."""
        return os.path.basename(os.path.abspath(self.path))  # noqa: PTH100, PTH119 (resolve would follow a link)


@dataclass(frozen=True)
class Remote:
    """A file behind a URL, and the hash that it must have."""

    url: str
    algorithm: str
    digest: str

    @property
    def shown(self) -> str:
        """The URL without user, password and query, which may hold secrets."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def parse(source: str) -> Local | Remote:
    """Return what a configured source string means.

    Raises:
        UserError: it is empty, a URL without a hash, or a URL that is not https (http only to this machine).
    """
    if not source.strip():
        raise UserError("The source of a data set is empty: write a path, or https://…#sha256=<hex>.")
    if "://" not in source:
        return Local(Path(source.strip()).expanduser())
    try:
        parts = urlsplit(source.strip())
    except ValueError as error:
        raise UserError(f"{source!r} is no URL ({error}): write a path, or https://…#sha256=<hex>.") from None
    remote = Remote(urlunsplit(parts._replace(fragment="")), *_hash(parts.fragment, source))
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(parts.hostname)):
        raise UserError(f"{remote.shown} is not fetched: only https:// is. Download it yourself and give its path.")
    return remote


def shown(source: str) -> str:
    """Return a source as a receipt may state it: a file's name, or a URL without its secrets."""
    return parse(source).shown


def check(dataset: str, source: str, receipt: Path) -> None:
    """Check early, before any job starts, that the source is there and of a known kind.

    A source that has gone since it was obtained is no error: `receipt` says that it was.

    Raises:
        UserError: what is wrong, and how to get the data set.
    """
    from refer.datasets import archive

    place = parse(source)
    if isinstance(place, Remote) or _obtained(place, receipt):
        return
    _existing(place, dataset)
    archive.kind(place.path)


def fingerprint(source: str, receipt: Path, dataset: str = "") -> str:
    """Return a short string that changes when the source does, cheap enough to ask while planning.

    A file gives "size-mtime_ns", a folder "count-size-mtime_ns" over its files, a URL its hash. Where the
    source has gone but `receipt` says that it was obtained, the fingerprint stored there. `dataset` (a name)
    only makes the error say how to get it.

    Raises:
        UserError: neither the source nor its receipt is there.
    """
    place = parse(source)
    if isinstance(place, Remote):
        return f"{place.algorithm}:{place.digest}"
    if stored := _obtained(place, receipt):
        return stored
    _existing(place, dataset)
    return _state(place.path)


def locate(dataset: str, source: str, downloads: Path = DOWNLOADS, progress: Progress | None = None) -> Path:
    """Return the local path of a source, downloading it into `downloads` first if it is a URL.

    Raises:
        UserError: the path does not exist, the download fails, or it has another hash than stated.
    """
    place = parse(source)
    if isinstance(place, Local):
        _existing(place, dataset)
        return place.path
    return _download(place, downloads, progress)


def _hash(fragment: str, source: str) -> tuple[str, str]:
    found = re.fullmatch(r"(\w+)=([0-9A-Fa-f]+)", fragment)
    if not found or HASHES.get(found[1].lower()) != len(found[2]):
        bare = Remote(source.partition("#")[0], "", "").shown
        raise UserError(
            f"{bare} needs the hash of the file, so that what comes is what was meant: "
            "write <URL>#sha256=<64 hexadecimal digits> (or #md5=<32>)."
        )
    return found[1].lower(), found[2].lower()


def _is_this_machine(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _obtained(place: Local, receipt: Path) -> str:
    """Return the stored fingerprint of a source that has gone since, "" where that does not apply."""
    if place.path.exists() or not receipt.is_file():
        return ""
    stored = read_json(receipt)
    # A receipt of another file says nothing about this one: a slip in the path must not go unseen.
    return str(stored["fingerprint"]) if stored.get("source") == place.shown else ""


def _existing(place: Local, dataset: str) -> None:
    from refer.datasets import catalog

    if place.path.exists():
        return
    known = catalog.dataset(dataset) if dataset else None
    advice = known.how_to_get if known else "Correct the path in the configuration."
    raise UserError(
        f"{known.title if known else 'Raw data'}: there is no {place.path} ({_instead(place.path)}).\n{advice}"
    )


def _instead(path: Path) -> str:
    """Say what stands where `path` was looked for."""
    from refer.datasets.model import some

    folder = next((parent for parent in path.parents if parent.is_dir()), Path())
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return f"{folder} holds {some(names)}" if names else f"{folder} is empty"


def _state(path: Path) -> str:
    if path.is_file():
        state = path.stat()
        return f"{state.st_size}-{state.st_mtime_ns}"
    count = total = latest = 0
    for folder, _, names in os.walk(path):
        for name in names:
            state = os.lstat(os.path.join(folder, name))  # noqa: PTH118 (twice as fast for 36,000 files)
            count, total, latest = count + 1, total + state.st_size, max(latest, state.st_mtime_ns)
    return f"{count}-{total}-{latest}"


class _Bar:
    """What pooch takes for a progress bar."""

    def __init__(self, report: Progress) -> None:
        self.report, self.total, self.done = report, 0, 0

    def update(self, amount: int) -> None:
        self.done += amount
        self.report(min(self.done, self.total or self.done), self.total or None)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass


def _download(remote: Remote, downloads: Path, progress: Progress | None) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # it would log the whole URL, secrets included
    base = unquote(urlsplit(remote.url).path.rpartition("/")[2])
    name = f"{remote.digest[:12]}-{re.sub(r'[^A-Za-z0-9._-]+', '_', base) or 'download'}"
    known = f"{remote.algorithm}:{remote.digest}"
    for attempt in range(1, TRIES + 1):
        bar: Any = _Bar(progress) if progress else False
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 18, timeout=TIMEOUT)
        try:
            return Path(pooch.retrieve(remote.url, known, fname=name, path=downloads, downloader=downloader))
        except requests.exceptions.RequestException as error:
            if attempt == TRIES or _is_final(error):
                raise UserError(
                    f"{remote.shown} could not be downloaded ({_reason(error)}): try again, or download it yourself "
                    "and give its path."
                ) from None
            time.sleep(WAIT * attempt)
        except ValueError as error:
            found = re.search(r"got (\w+)", str(error))
            raise UserError(
                f"{remote.shown} is another file than stated: expected {known}, got {found[1] if found else error}. "
                "Correct the hash in the configuration if the owner changed the file; otherwise try again."
            ) from None
    raise AssertionError("unreachable")


def _is_final(error: Any) -> bool:
    """Tell whether asking again is pointless: the server knows the request and refuses it."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    return 400 <= status < 500 and status not in (408, 429)


def _reason(error: Any) -> str:
    """Describe a network error without the URL that requests puts into it."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code} {response.reason}"
    name = type(error).__name__
    return {"ChunkedEncodingError": "the connection broke off", "ConnectionError": "no connection"}.get(name, name)
