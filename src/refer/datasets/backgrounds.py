"""Photographs that faces are composed on, packed once: a folder or archive, or drawn scenes, to one array.

Any photographs will do; feratt2019 took COCO's. Which ones are taken depends on their names alone, so the same
collection gives the same array from a folder or an archive, on every machine.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from refer.datasets import words
from refer.datasets.model import ProgressCallback, some
from refer.datasets.raw import archive
from refer.errors import UserError
from refer.files import whole, write_json

if TYPE_CHECKING:
    import numpy as np

STAND_IN = "stand-in"
"""The source that is no path: drawn scenes."""
PIXELS = "backgrounds.npy"
SUMMARY = "backgrounds.json"
SIZE = 277
"""Pixels of a side at which feratt2019's crops of 148/640 are the 64 pixels that its network sees."""
LEAST = 8
"""Fewer photographs than this are no collection, and most likely the wrong folder."""
SUFFIXES = tuple(f".{suffix}" for suffix in words.SUFFIXES)
LICENCE = "its owners': the photographs are packed for training, and are not to be passed on with results"
HOW = (
    "Give a folder or archive of photographs as `backgrounds` (say COCO's val2017.zip, from https://cocodataset.org), "
    f"or write {STAND_IN!r} for drawn scenes."
)


def prepare_backgrounds(
    source: str,
    out_dir: Path,
    *,
    count: int,
    size: int | Sequence[int] = SIZE,
    seed: int = 0,
    progress: ProgressCallback | None = None,
) -> None:
    """Pack at most `count` photographs into `out_dir`/backgrounds.npy, and describe them in backgrounds.json.

    backgrounds.npy is N×height×width×3, uint8, sRGB: the middle of each photograph, as much of it as has these
    proportions, resized. Photographs come in the order of a hash of `seed` and their names, and the first `count`
    readable ones are taken.

    Args:
        source: "stand-in", or the path of a folder or archive with photographs at any depth.
        out_dir: folder for the two outputs; both are written, or neither.
        count: how many backgrounds are wanted; a smaller collection is taken whole.
        size: their side in pixels, or height and width; not higher than wide.
        seed: of the choice, or of the drawn scenes.
        progress: called with the photographs that are packed and their number.

    Raises:
        UserError: no such source, or less than `LEAST` readable photographs in it.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if count < LEAST or height < 16 or width < height:
        wanted = f"{count} of {height}x{width} pixels"
        raise UserError(
            f"backgrounds: {wanted} are wanted; expected at least {LEAST} of 16 pixels, not higher than wide."
        )
    pixels: Sequence[np.ndarray]
    facts: Mapping[str, Any]
    if source.strip() == STAND_IN:
        pixels, facts = _drawn(count, (height, width), seed, progress)
    else:
        place = Path(source.strip()).expanduser().absolute()
        if not source.strip() or not place.exists():
            raise UserError(f"backgrounds: there is no {source.strip() or 'source'}.\n{HOW}")
        pixels, facts = _photographs(place, count, (height, width), seed, progress)
    _write(out_dir, pixels, facts)


def _drawn(
    count: int, size: tuple[int, int], seed: int, progress: ProgressCallback | None
) -> tuple[list[np.ndarray], dict[str, Any]]:
    from refer.datasets.standin.scenes import draw_scenes

    height, width = size
    top = (width - height) // 2  # scenes are squares
    pixels = [scene[top : top + height] for scene in draw_scenes(count, width, seed)]
    if progress:
        progress(count, count)
    return pixels, {
        "source": STAND_IN,
        "drawn": True,
        "found": count,
        "unreadable": [],
        "seed": seed,
        "licence": "drawn by this project's own code, under its licence",
    }


def _photographs(
    place: Path, count: int, size: tuple[int, int], seed: int, progress: ProgressCallback | None
) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Return the chosen photographs' pixels, and what backgrounds.json says of them."""
    names = [member.name for member in archive.members(place) if _is_photograph(member.name)]
    names.sort(key=lambda name: (_rank(seed, name), name))
    waiting = names
    pixels: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    while waiting and len(pixels) < count:  # once more for as many as turned out to be unreadable
        tried, waiting = waiting[: count - len(pixels)], waiting[count - len(pixels) :]
        _read(place, tried, size, pixels, unreadable, (min(count, len(names)), progress))
    if len(pixels) < LEAST:
        broken = f" and {len(unreadable)} that cannot be read ({some(sorted(unreadable))})" if unreadable else ""
        raise UserError(
            f"backgrounds: {place.name} holds {len(pixels)} photographs ({', '.join(SUFFIXES)}){broken}; "
            f"expected at least {LEAST}.\n{HOW}"
        )
    taken = [name for name in names if name in pixels]
    facts = {
        "source": place.name,  # where a disk is mounted is nobody else's business
        "drawn": False,
        "found": len(names),
        "unreadable": [{"name": name, "what": unreadable[name]} for name in sorted(unreadable)],
        "seed": seed,
        "licence": LICENCE,
        "names_sha256": hashlib.sha256("\n".join(PurePosixPath(name).name for name in taken).encode()).hexdigest(),
    }
    return [pixels[name] for name in taken], facts


def _is_photograph(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not archive.is_dust(name)


def _rank(seed: int, name: str) -> bytes:
    """Return what photographs are ordered by: as good as random, and the same in a folder and in an archive of it."""
    return hashlib.sha256(f"{seed}:{PurePosixPath(name).name}".encode()).digest()


def _read(
    place: Path,
    names: Sequence[str],
    size: tuple[int, int],
    pixels: dict[str, np.ndarray],
    unreadable: dict[str, str],
    report: tuple[int, ProgressCallback | None],
) -> None:
    """Decode the photographs of these names into `pixels`, and say in `unreadable` what is wrong with the others."""
    from refer.datasets.decode import MAX_BYTES, Recipe, decode

    wanted, (total, progress) = set(names), report
    recipe = Recipe((*size, 3), fit="cover")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: MAX_PIXELS is stricter, and damaged EXIF data do not matter
        for member in archive.members(place):
            if member.name not in wanted:
                continue
            if member.size > MAX_BYTES:
                unreadable[member.name] = f"{member.size:,} bytes are no photograph"
                continue
            image, verdict = decode(b"".join(member.chunks), recipe)
            if image is None:
                unreadable[member.name] = verdict.defect[1] if verdict.defect else "no pixels"
                continue
            pixels[member.name] = image
            if progress:
                progress(len(pixels), total)


def _write(out_dir: Path, pixels: Sequence[np.ndarray], facts: Mapping[str, Any]) -> None:
    import numpy as np

    shape = pixels[0].shape
    digest = hashlib.sha256()
    with whole(out_dir / PIXELS) as temporary:
        with temporary.open("wb") as handle:  # one after the other: an array of all would take the memory twice
            header: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": (len(pixels), *shape)}
            np.lib.format.write_array_header_1_0(handle, header)
            for image in pixels:
                content = np.ascontiguousarray(image, np.uint8).data
                handle.write(content)
                digest.update(content)
        description = {"images": len(pixels), **facts, "shape": list(shape), "sha256": digest.hexdigest()}
        write_json(out_dir / SUMMARY, description)
