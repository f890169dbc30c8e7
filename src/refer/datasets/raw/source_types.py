"""What a configured source string means: a path, a URL with its hash, a DVC pointer, a Kaggle data set."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from refer.datasets.model import Dataset, OwnersFile
from refer.datasets.raw.digests import DIGITS
from refer.errors import UserError

DOWNLOAD = "download"  # the source word for the files that Dataset.files pins
KAGGLE = re.compile(r"kaggle:(?P<handle>[\w.-]+/[\w.-]+/versions/[1-9]\d*)")
STATED = ("sha256", "md5")  # what a configuration may state of a URL


@dataclass(frozen=True)
class Local:
    """A folder or file of this machine, relative to the working directory unless absolute."""

    path: Path

    @property
    def shown(self) -> str:
        """The name alone: where a disk is mounted is nobody else's business."""
        return os.path.basename(os.path.abspath(self.path))  # noqa: PTH100, PTH119 (resolve would follow a link)

    @property
    def name(self) -> str:
        """What the folder or file is called."""
        return self.shown


@dataclass(frozen=True)
class Pointer(Local):
    """A .dvc file, which names a file or folder by its hash."""

    @property
    def name(self) -> str:
        """What the tracked file or folder is called."""
        return self.shown.removesuffix(".dvc")


@dataclass(frozen=True)
class Remote:
    """A file behind a URL, and the hash that it must have; `label` is its name where the URL does not tell it."""

    url: str
    algorithm: str
    digest: str
    label: str = ""

    @property
    def shown(self) -> str:
        """The URL without user, password and query, which may hold secrets."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def name(self) -> str:
        """What the file is called."""
        return self.label or unquote(urlsplit(self.url).path.rpartition("/")[2]) or "download"

    @property
    def pin(self) -> str:
        """The hash with its algorithm."""
        return f"{self.algorithm}:{self.digest}"


@dataclass(frozen=True)
class Kaggle:
    """A version of a data set on Kaggle: <owner>/<data set>/versions/<number>."""

    handle: str

    @property
    def shown(self) -> str:
        """The source as it was configured."""
        return f"kaggle:{self.handle}"

    @property
    def name(self) -> str:
        """What the data set is called."""
        return self.handle.split("/")[1]


SourceType = Local | Pointer | Remote | Kaggle


def parse(source: str) -> SourceType:
    """Return what a configured source string means.

    Raises:
        UserError: it is empty, a URL without a hash, a URL that is not https (http only to this machine), or
            a Kaggle data set without its version.
    """
    source = source.strip()
    if not source:
        raise UserError("The source of a data set is empty: write a path, or https://…#sha256=<hex>.")
    if source.startswith("kaggle:"):
        if not (found := KAGGLE.fullmatch(source)):
            raise UserError(f"{source!r}: expected kaggle:<owner>/<data set>/versions/<number>; the number pins it.")
        return Kaggle(found["handle"])
    if "://" not in source:
        path = Path(source).expanduser()
        return Pointer(path) if path.name.endswith(".dvc") and path.name != ".dvc" else Local(path)
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise UserError(f"{source!r} is no URL ({error}): write a path, or https://…#sha256=<hex>.") from None
    remote = Remote(urlunsplit(parts._replace(fragment="")), *_hash(parts.fragment, source))
    if not is_fetched(remote.url):
        raise UserError(f"{remote.shown} is not fetched: only https:// is. Download it yourself and give its path.")
    return remote


def owners(known: Dataset) -> list[Remote]:
    """Return the files that the owner publishes.

    Raises:
        UserError: this data set has none that can be fetched just so.
    """
    if not known.files:
        raise UserError(f"{known.title} has no files that can be had by `{DOWNLOAD}`.\n{known.how_to_get}")
    return [_owners(file) for file in known.files]


def is_fetched(url: str) -> bool:
    """Tell whether a URL may be asked for: https, or http where it does not leave this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname))


def _owners(file: OwnersFile) -> Remote:
    return Remote(file.url, "git", file.blob.lower(), file.name)


def _hash(fragment: str, source: str) -> tuple[str, str]:
    found = re.fullmatch(r"(\w+)=([0-9A-Fa-f]+)", fragment)
    if not found or found[1].lower() not in STATED or DIGITS[found[1].lower()] != len(found[2]):
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
