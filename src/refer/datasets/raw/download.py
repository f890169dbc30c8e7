"""Files from the network: resumed where they broke off, and kept only with the hash that they must have.

Pooch puts a verified file into its place. What it calls for the bytes is `_Resuming`, for its own downloader
begins anew each time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.datasets.raw.digests import digest
from refer.datasets.raw.places import Remote
from refer.datasets.raw.room import room
from refer.datasets.raw.transport import Passing, ask, final, host, reason
from refer.errors import UserError
from refer.files import read_json, write_json

if TYPE_CHECKING:
    import requests

    from refer.datasets.model import Progress

WAITS = (2.0, 8.0, 30.0)  # seconds before each new try; so many may bring no new byte in a row
PATIENCE = 60.0  # seconds: the longest wait that a server may ask for
CHUNK = 1 << 16  # bytes written at once, and at most lost where a download breaks off
REPORT_EACH = 1 << 20  # bytes between two calls of `progress`


def download(wanted: Sequence[Remote], folder: Path, progress: Progress | None = None) -> list[Path]:
    """Return where the files lie in `folder`, after fetching those that are not there, one after the other.

    A download that broke off, in this process or an earlier one, goes on where it stopped if the server says
    that the file is still the same. What comes is refused unless it has the hash that it must have.

    Args:
        wanted: the files.
        folder: where they go, as <first 12 digits of the hash>-<name>.
        progress: called with the bytes done of all files, and their number where the servers state it.

    Raises:
        UserError: a server cannot be reached or refuses, a file has another hash, or there is no room.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # it would log the whole URL, secrets included
    targets = [folder / _file_name(remote) for remote in wanted]
    there = [_is_there(remote, target) for remote, target in zip(wanted, targets, strict=True)]
    missing = [remote for remote, found in zip(wanted, there, strict=True) if not found]
    with requests.Session() as session, room(folder):
        done = sum(target.stat().st_size for target, found in zip(targets, there, strict=True) if found)
        tally = _Tally(progress, done, _lengths(session, missing) if progress else None)
        for remote, target, found in zip(wanted, targets, there, strict=True):
            if not found:
                pooch.retrieve(
                    remote.url,
                    remote.pin if remote.algorithm != "git" else None,  # which pooch does not know
                    fname=target.name,
                    path=folder,
                    downloader=_Resuming(remote, target, session, tally, alone=len(missing) == 1),
                )
                tally.finish(target.stat().st_size)
    return targets


def _file_name(remote: Remote) -> str:
    return f"{remote.digest[:12]}-{re.sub(r'[^A-Za-z0-9._-]+', '_', remote.name)[-100:]}"


def _is_there(remote: Remote, target: Path) -> bool:
    """Tell whether the file is there from an earlier time; another file by its name is removed."""
    if target.is_file() and digest(target, remote.algorithm) == remote.digest:
        return True
    target.unlink(missing_ok=True)
    return False


class _Tally:
    """Tells how many bytes are done over all files, and of how many."""

    def __init__(self, progress: Progress | None, done: int, lengths: int | None) -> None:
        self.progress, self.done = progress, done
        self.total = None if lengths is None else done + lengths
        self.told = 0

    def expect(self, length: int) -> None:
        """Take the length of the only file that is fetched."""
        self.total = self.done + length

    def at(self, have: int) -> None:
        """Take the bytes of the file that is being fetched."""
        if self.progress and abs(self.done + have - self.told) >= REPORT_EACH:
            self._tell(self.done + have)

    def finish(self, length: int) -> None:
        """Take the length of a file that is fetched."""
        self.done += length
        self._tell(self.done)

    def _tell(self, done: int) -> None:
        if self.progress:
            self.told = done
            self.progress(done if self.total is None else min(done, self.total), self.total)


class _Resuming:
    """What pooch calls for the bytes of a file.

    They gather in <name>.part; <name>.part.json says which state of which file they are the beginning of, by
    the ETag or the time that the server gave. Without either, a download that broke off begins anew.
    """

    def __init__(self, remote: Remote, target: Path, session: requests.Session, tally: _Tally, alone: bool) -> None:
        self.remote, self.session, self.tally, self.alone = remote, session, tally, alone
        self.part = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Fetch the file, verify it, and put it at `output_file`."""
        for last in (False, True):
            resumed = self._patiently()
            found = digest(self.part, self.remote.algorithm)
            if found == self.remote.digest:
                break
            self._discard()
            if last or not resumed:  # otherwise the kept part may be to blame: once more, from the beginning
                raise UserError(
                    f"{self.remote.shown} is another file than stated: expected {self.remote.pin}, got {found}. "
                    "If its owner changed it, look what changed, and correct the hash; otherwise try again."
                )
        self.part.replace(output_file)
        self.note.unlink(missing_ok=True)

    def _patiently(self) -> bool:
        """Fetch until all is there, trying again as long as there is hope; tell whether it began with a kept part."""
        tries, furthest, resumed = 0, self._have(), False
        while True:
            try:
                return self._fetch() or resumed
            except Passing as problem:
                have = self._have()
                tries = 1 if have > furthest else tries + 1
                furthest, resumed = max(have, furthest), resumed or have > 0
                if tries > len(WAITS):
                    kept = f" {have:,} bytes are kept, and not asked for again." if have else ""
                    if not have:
                        self._discard()
                    raise UserError(
                        f"{problem.host} did not deliver {self.remote.name} ({problem.reason}; {tries} tries): try "
                        f"again later, or download it yourself and give its path.{kept}"
                    ) from None
                time.sleep(min(max(WAITS[tries - 1], problem.wait), PATIENCE))

    def _fetch(self) -> bool:
        """Ask once for what is missing; tell whether that was only a part."""
        have, state = self._have(), self._state()
        headers = {"Range": f"bytes={have}-", "If-Range": state} if have else {}
        with ask(self.session, "GET", self.remote, headers) as response:
            if response.status_code == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
                return True  # all was there, only not verified
            if have and not _continues(response, have, state):
                have = 0
                if response.status_code != 200:
                    self._discard()
                    return self._fetch()
            if not have:
                if response.status_code != 200:
                    raise final(self.remote, response.url, f"HTTP {response.status_code} to a plain request")
                self._begin(response)
            length = "" if "Content-Encoding" in response.headers else response.headers.get("Content-Length", "")
            if self.alone and length.isdecimal():
                self.tally.expect(have + int(length))
            self._take(response, "ab" if have else "wb")
            if length.isdecimal() and self._have(kept=False) < have + int(length):
                raise Passing(host(response.url), "the connection broke off")
        return have > 0

    def _begin(self, response: requests.Response) -> None:
        """Note which state of the file is coming, so that another process can go on with it."""
        self._discard()
        tag = response.headers.get("ETag", "")
        state = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
        if state and not response.headers.get("Content-Encoding"):
            write_json(self.note, {"url": self.remote.shown, "pin": self.remote.pin, "state": state})

    def _take(self, response: requests.Response, mode: str) -> None:
        import requests

        with self.part.open(mode) as handle:
            try:
                for chunk in response.iter_content(CHUNK):
                    handle.write(chunk)
                    self.tally.at(handle.tell())
            except requests.exceptions.RequestException as error:
                raise Passing(host(response.url), reason(error)) from error

    def _have(self, *, kept: bool = True) -> int:
        """Return the bytes that are there; with `kept`, those that a download can go on from."""
        return self.part.stat().st_size if self.part.is_file() and (self._state() or not kept) else 0

    def _state(self) -> str:
        """Return the ETag or the time that belongs to the part, "" where there is none of this very file."""
        try:
            note = read_json(self.note)
            same = (note["url"], note["pin"]) == (self.remote.shown, self.remote.pin)
            return str(note["state"]) if same else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _continues(response: requests.Response, have: int, state: str) -> bool:
    """Tell whether the answer goes on from byte `have` of the same state of the file."""
    begins = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    same = response.headers.get("ETag", state) == state or not state.startswith('"')
    return response.status_code == 206 and begins is not None and int(begins[1]) == have and same


def _lengths(session: requests.Session, wanted: Sequence[Remote]) -> int | None:
    """Return the bytes of all files, None where a server does not state them. A single one says so when it comes."""
    if len(wanted) < 2:
        return None
    total = 0
    for remote in wanted:
        try:
            with ask(session, "HEAD", remote, {}) as response:
                total += int(response.headers["Content-Length"])
        except (UserError, Passing, KeyError, ValueError):
            return None
    return total
