"""Archives in, one zip with all their members out: deterministic, within limits, and safe to read ever after.

An archive inside a folder or an archive is opened, and its members stand below its name without the suffix;
what is inside that stays as it is. It stays shut where all that it holds stands beside it already, as it does
where somebody unpacked a download and kept it.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from refer.datasets.model import ProgressCallback, some
from refer.datasets.raw import archive
from refer.datasets.raw.digests import digests
from refer.datasets.words import is_image
from refer.errors import UserError

STORED = (".jpg", ".jpeg", ".png", ".webp", ".gz", ".xz", ".bz2", ".zip", ".7z")  # deflating them gains nothing
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time a zip can state: the same input gives the same bytes
POINTER = 1024  # bytes that a git-lfs pointer stays below
REPORT_EACH = 1 << 20  # bytes between two calls of `progress`


class Part(NamedTuple):
    """One archive, table or folder that was read."""

    name: str  # as it lies in the set; of a source, its own name
    kind: str
    bytes: int
    sha256: str
    blob: str | None  # git's id of the file, None of a folder


@dataclass
class Contents:
    """What a zip was made of."""

    hashes: dict[str, str] = field(default_factory=dict)  # member → sha256
    sizes: dict[str, int] = field(default_factory=dict)  # member → bytes
    dust: list[str] = field(default_factory=list)
    sources: list[Part] = field(default_factory=list)  # in the order given
    opened: list[Part] = field(default_factory=list)  # archives inside them that were opened, by name
    shut: list[str] = field(default_factory=list)  # and those that are members as they are
    pointers: list[str] = field(default_factory=list)  # of git-lfs, in the place of files

    def bytes(self, below: str = "") -> int:
        """Return the bytes of all members, or of those below a folder."""
        return sum(size for name, size in self.sizes.items() if name.startswith(below))

    def digest(self, below: str = "") -> str:
        """Return a hash of their names and contents that does not depend on their order."""
        lines = sorted(f"{digest}  {name}\n" for name, digest in self.hashes.items() if name.startswith(below))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _below(name: str) -> str:
    """Return the folder, with its slash, that the members of an archive go to.

    Parquet files are parts of one set (train-00000-of-00002.parquet): their images stand where the files lay.
    """
    return name[: name.rfind("/") + 1] if name.lower().endswith(".parquet") else f"{archive.stem(name)}/"


def repack(
    sources: Sequence[tuple[str, Path]],
    target: Path,
    recognised: Callable[[Sequence[str]], bool] | None,
    limits: archive.Limits = archive.LIMITS,
    progress: ProgressCallback | None = None,
) -> Contents:
    """Write every member of `sources` into the zip `target`, dust left out.

    Args:
        sources: for each, the folder that its members go below ("" for none) and its path.
        target: the zip; archives inside archives are copied beside it while they are read.
        recognised: whether these names are a data set. Where they are with archives inside left shut, and are
            not with them opened, they stay shut. None: they are opened in any case.
        limits: what all of it together may unpack to.
        progress: called with the bytes of the sources that are read and their number, then once more with
            those of the archives inside them.

    Raises:
        UserError: an archive is damaged or unsafe, or two members would have one name.
    """
    labels = [below for below, _ in sources]
    twice = [label for label in labels if labels.count(label) > 1]
    if twice:
        raise UserError(f"Two sources would both lie below {twice[0] or '.'}/: give each archive a name of its own.")
    total = sum(archive.extent(path) for _, path in sources)
    budget = archive.Budget(limits, total, target.parent)
    with zipfile.ZipFile(target, "w") as packed, tempfile.TemporaryDirectory(dir=target.parent) as aside:
        work = _Work(packed, Path(aside), budget, recognised, progress)
        work.begin(total)
        for below, path in sources:
            work.read_source(below, path)
        work.end()
        work.read_inner()
    if pointers := work.contents.pointers:
        raise UserError(
            f"{len(pointers):,} files are git-lfs pointers, which stand in their place ({some(pointers, 3)}). "
            "Get the files, in the repository: git lfs pull"
        )
    work.contents.sources += [_part(path, below, work.contents) for below, path in sources]
    return work.contents


def _part(path: Path, below: str, contents: Contents) -> Part:
    """Describe a source: a file by its own hashes, a folder by those of its members."""
    kind = archive.kind(path)
    if kind == "folder":
        below = f"{below}/" if below else ""
        return Part(path.name, kind, contents.bytes(below), contents.digest(below), None)
    return Part(path.name, kind, path.stat().st_size, *digests(path))


class _Work:
    """The zip that is being written, and what has been read so far.

    `inner` are the archives that were found, by name: a plain file of a folder, or a copy in the folder `aside`.
    """

    def __init__(
        self,
        packed: zipfile.ZipFile,
        aside: Path,
        budget: archive.Budget,
        recognised: Callable[[Sequence[str]], bool] | None,
        progress: ProgressCallback | None,
    ) -> None:
        self.packed, self.aside, self.budget, self.progress = packed, aside, budget, progress
        self.recognised = recognised
        self.contents = Contents()
        self.inner: dict[str, Path] = {}
        self.begin(0)

    def begin(self, total: int) -> None:
        """Count progress from nothing to `total` bytes."""
        self.base = self.reported = 0
        self.total = total

    def end(self) -> None:
        """Tell that all of it is done."""
        self.base = self.total
        self._report(0, always=True)

    def read_source(self, below: str, path: Path) -> None:
        """Write a source's plain members, and put the archives in it aside."""
        prefix = f"{below}/" if below else ""
        table = self.recognised is not None and self.recognised(
            [prefix + path.name]
        )  # a parquet file that is read whole
        for member in self._members(path, whole=table):
            name = prefix + member.name
            if table and member.name == path.name:
                self._write(name, member.size, member.chunks)
            elif archive.is_dust(member.name):
                self.contents.dust.append(name)
            elif archive.stem(name):
                self._put_aside(name, member)
            else:
                self._write(name, member.size, member.chunks)
            self._report(member.position)
        self.base += archive.extent(path)

    def read_inner(self) -> None:
        """Write what the archives inside hold, or these themselves where they stay shut."""
        if not self.inner:
            return
        opened = self._to_open()
        self.begin(sum(path.stat().st_size for path in self.inner.values()))
        for name, path in sorted(self.inner.items()):
            size = path.stat().st_size
            if name in opened:
                self._open(name, path)
            else:
                with path.open("rb") as stream:
                    self._write(name, size, iter(partial(stream.read, archive.CHUNK), b""))
                self.contents.shut.append(name)
            self.base += size
            self._report(0)
        self.end()

    def _to_open(self) -> set[str]:
        """Choose the archives to open, by the names and sizes of what they hold."""
        recognised = self.recognised
        budget = archive.Budget(self.budget.limits, self.budget.packed)
        inside: dict[str, list[str]] = {}
        unreadable: UserError | None = None
        for name, path in sorted(self.inner.items()):
            try:
                found = {member.name: member.size for member in self._members(path, budget, name)}
                sizes = {member: size for member, size in found.items() if not archive.is_dust(member)}
            except UserError as error:
                unreadable = unreadable or error
            else:
                if not self._stands_beside(name, sizes):
                    inside[name] = [_below(name) + member for member in sizes]
        shut = sorted([*self.contents.hashes, *self.inner])
        if recognised is None or not recognised(shut):
            if unreadable:
                raise unreadable
            return set(inside)
        left = self.inner.keys() - inside.keys()
        both = sorted({*self.contents.hashes, *left, *(name for names in inside.values() for name in names)})
        return set(inside) if recognised(both) else set()

    def _members(
        self, path: Path, budget: archive.Budget | None = None, name: str = "", *, whole: bool = False
    ) -> Iterator[archive.Member]:
        return archive.members(path, self.budget.limits, budget or self.budget, name, whole=whole)

    def _stands_beside(self, name: str, sizes: Mapping[str, int]) -> bool:
        """Tell whether all of an archive lies unpacked where it lies, or in a folder of its name."""
        there = self.contents.sizes
        return any(
            bool(sizes) and all(there.get(folder + member) == size for member, size in sizes.items())
            for folder in (name[: name.rfind("/") + 1], _below(name))
        )

    def _open(self, name: str, path: Path) -> None:
        below = _below(name)
        if not name.lower().endswith(".parquet") and any(written.startswith(below) for written in self.contents.hashes):
            raise UserError(f"{name} stands here twice, packed and unpacked (or packed twice): keep one of them.")
        for member in self._members(path, name=name):
            if archive.is_dust(member.name):
                self.contents.dust.append(below + member.name)
            else:
                self._write(below + member.name, member.size, member.chunks)
            self._report(member.position)
        self.contents.opened.append(Part(name, archive.kind(path, name), path.stat().st_size, *digests(path)))

    def _put_aside(self, name: str, member: archive.Member) -> None:
        """Remember an archive; one inside an archive is copied."""
        most = self.budget.limits.archives
        if len(self.inner) >= most:
            raise UserError(f"There are more than {most} archives in here ({name}): unpack them, give the folder.")
        path = member.path or self.aside / str(len(self.inner))
        if member.path is None:
            with path.open("wb") as copy:
                copy.writelines(member.chunks)
        self.inner[name] = path

    def _write(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        if size < POINTER and (is_image(name) or name.lower().endswith(".csv")):
            content = b"".join(chunks)
            if content.startswith(b"version https://git-lfs"):
                self.contents.pointers.append(name)
            chunks = iter((content,))
        if name in self.contents.hashes:
            raise UserError(f"{name} would stand here twice, once from an archive inside: keep one of them.")
        info = zipfile.ZipInfo(name, EPOCH)
        info.compress_type = zipfile.ZIP_STORED if name.lower().endswith(STORED) else zipfile.ZIP_DEFLATED
        info._compresslevel = 1  # type: ignore[attr-defined]  # text shrinks nearly as far as with 6, four times faster
        info.external_attr = 0o644 << 16
        info.file_size = size  # tells zipfile whether zip64 is needed
        digest = hashlib.sha256()
        with self.packed.open(info, "w") as target:
            for chunk in chunks:
                digest.update(chunk)
                target.write(chunk)
        self.contents.hashes[name] = digest.hexdigest()
        self.contents.sizes[name] = size

    def _report(self, position: int, *, always: bool = False) -> None:
        done = self.base + position
        if self.progress and (always or done - self.reported >= REPORT_EACH):
            self.reported = done
            self.progress(done, self.total)
