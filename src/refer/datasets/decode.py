"""One image file to one array of uint8, with every conversion named.

| in the file                    | what is done                                               |
|--------------------------------|------------------------------------------------------------|
| colour, palette, CMYK          | to grey by ITU-R 601 luma where grey is wanted             |
| transparency                   | ignored: the colour below it counts                        |
| 16 bits                        | the upper 8 (Pillow's own conversion would clip at 255)    |
| 1 bit                          | 0 and 255                                                  |
| EXIF orientation               | applied                                                    |
| another size than wanted       | refused, or resized by area average (Pillow's BOX)         |
| several frames                 | the first                                                  |
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")  # Pillow knows more, some of which start other programs
MAX_PIXELS = 64 << 20  # a header may state any size: refused before memory is taken for it
MAX_BYTES = 256 << 20  # the same for the file itself
ORIENTATION = 0x0112  # the EXIF tag
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, struct.error, Image.DecompressionBombError)
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")


class Verdict(NamedTuple):
    """What became of one file: its conversion ("" for none), what is wrong with it, whether it has pixels.

    `defect` is (kind, sentence), the kind "unreadable" or "sizes", or None.
    """

    conversion: str
    defect: tuple[str, str] | None
    usable: bool


def decode(content: bytes, shape: tuple[int, int, int], resize: bool) -> tuple[np.ndarray | None, Verdict]:
    """Decode one image file to `shape`: height, width and channels (1 is grey, 3 is RGB), uint8.

    Never raises for bad content: what cannot be decoded has the defect "unreadable", what has another size
    the defect "sizes" (beside its resized pixels if `resize`).
    """
    try:
        image, conversion = _open(content, "L" if shape[2] == 1 else "RGB")
    except UnidentifiedImageError:
        what = f"it is none of {', '.join(FORMATS)}" if content else "it is empty"
        return None, Verdict("", ("unreadable", what), False)
    except BROKEN as error:
        return None, Verdict("", ("unreadable", str(error) or type(error).__name__), False)
    size = (shape[1], shape[0])
    if image.size == size:
        return np.asarray(image).reshape(shape), Verdict(conversion, None, True)
    defect = ("sizes", "{}x{} pixels instead of {}x{}".format(*image.size, *size))
    if not resize:
        return None, Verdict(conversion, defect, False)
    resized = image.resize(size, Image.Resampling.BOX)
    return np.asarray(resized).reshape(shape), Verdict(conversion, defect, True)


def decode_all(
    contents: Sequence[bytes], shape: tuple[int, int, int], resize: bool
) -> tuple[np.ndarray, list[Verdict]]:
    """Decode many files; return the pixels of the usable ones (n×H×W×C, uint8) and a verdict on each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: MAX_PIXELS is stricter, and damaged EXIF data do not matter
        decoded = [decode(content, shape, resize) for content in contents]
    good = [pixels for pixels, _ in decoded if pixels is not None]
    return np.stack(good) if good else np.empty((0, *shape), np.uint8), [verdict for _, verdict in decoded]


def _open(content: bytes, wanted: str) -> tuple[Image.Image, str]:
    """Return the image upright and in the wanted mode, and what that took ("" for nothing)."""
    image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width}x{image.height} pixels are no face image")
    image.load()
    steps = []
    if (image.info.get("exif") or image.format == "TIFF") and image.getexif().get(ORIENTATION, 1) != 1:
        steps.append("EXIF orientation")
        image = ImageOps.exif_transpose(image)
    if image.mode in DEEP:
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 0xFFFF:
            raise ValueError("more than 16 bits a pixel have no stated range")
        steps.append("16 bits")
        image = Image.fromarray((deep.astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels have no stated range")
    if image.mode != wanted:
        steps.append(f"{image.mode} to {wanted}")
        image = image.convert("RGB").convert(wanted) if image.mode not in ("L", "1") else image.convert(wanted)
    return image, " and ".join(steps)
