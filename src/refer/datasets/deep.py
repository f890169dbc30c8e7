"""Images of 16 bits: what their values mean is seen from all of them, or stated.

A file of 16 bits may hold grey levels from 0 to 65,535, grey levels from 0 to 255, hundredths of a degree, or what a
sensor counted. The upper 8 bits show the first; of the others they leave black, or a few levels.

| values                                            | are taken as                                             |
|---------------------------------------------------|----------------------------------------------------------|
| stated by the configuration (`grey_levels`)       | linear from black to white, cut off beyond               |
| 0 to 255 at most, in one image                    | grey levels as they are                                  |
| of all others together more than half of 65,536   | the upper 8 bits                                         |
| anything else                                     | refused: the range is named                              |
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from refer.datasets.decode import BROKEN, DEEP, FORMATS, MAX_BYTES, MAX_PIXELS
from refer.datasets.model import ImageRow, some
from refer.errors import UserError

if TYPE_CHECKING:
    from refer.datasets.defects import Report

EIGHT = 255  # the highest value of 8 bits
HALF = 0x8000  # how far the values of full 16 bits reach at least
PNG = b"\x89PNG\r\n\x1a\n"
TIFF = (b"II*\0", b"MM\0*")
HEAD = 33  # bytes that hold a PNG's bit depth


def is_deep(head: bytes) -> bool:
    """Tell by the first HEAD bytes whether a file may hold 16 bits a value; a TIFF may, whatever it holds."""
    return (head.startswith(PNG) and head[24:25] == b"\x10") or head.startswith(TIFF)


def pixels_of_16_bits(
    archive: zipfile.ZipFile,
    rows: Sequence[ImageRow],
    stated: tuple[float, float] | None,
    report: Report,
    name: str,
) -> tuple[float, float] | None:
    """Look at the values of all 16-bit images, and return what becomes black and white; None: the upper 8 bits.

    Says in `report` that values have no clear meaning. `name` is the data set's, for the advice.

    Raises:
        UserError: `stated` is no range.
    """
    if stated is not None and not stated[0] < stated[1]:
        raise UserError(f"grey_levels: found {list(stated)}; expected the value of black and a higher one of white.")
    ranges: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.view or archive.getinfo(row.member).file_size > MAX_BYTES:
            continue
        with archive.open(row.member) as member:
            if not is_deep(member.read(HEAD)):
                continue
        if (found := _range(archive.read(row.member))) is not None and found[1] > EIGHT:
            ranges[row.id] = found
    if stated is not None or not ranges:
        return stated
    lowest, highest = min(low for low, _ in ranges.values()), max(high for _, high in ranges.values())
    if highest - lowest < HALF:
        report.depth = (
            f"{len(ranges):,} images of 16 bits hold values from {lowest:,} to {highest:,}, which are no grey levels "
            f"({some(list(ranges), 3)}).\nState which are black and white, `grey_levels: {{{name}: [black, white]}}`: "
            "of hundredths of a degree, [1800, 4000] shows 18 to 40 °C."
        )
    return None


def _range(content: bytes) -> tuple[int, int] | None:
    """Return the lowest and highest value of an image of 16 bits; None of any other, or one that is damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            if image.mode not in DEEP or image.width * image.height > MAX_PIXELS:
                return None
            values = np.asarray(image)
    except BROKEN:
        return None
    return int(values.min()), int(values.max())
