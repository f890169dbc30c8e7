"""One image file to one array of uint8, with every conversion named.

| in the file                    | what is done                                                           |
|--------------------------------|------------------------------------------------------------------------|
| colour, palette, CMYK          | to grey by ITU-R 601 luma where grey is wanted                         |
| grey                           | repeated where colour is wanted                                        |
| transparency                   | ignored: the colour below it counts                                    |
| 16 bits                        | as they are up to 255, else the upper 8 or as `levels` says (deep.py)  |
| 1 bit                          | 0 and 255                                                              |
| EXIF orientation               | applied, before any box is cut out                                     |
| several frames                 | the first                                                              |
| FLIR's radiometric JPEG        | the temperatures or the embedded photograph, as the row says           |
| another size than wanted       | fit "exact": refused or, if tolerated, squashed; "squash": resized     |
|                                | whatever its sides; "square": its middle square is cut out first,      |
|                                | "cover": the largest part of the wanted proportions in its middle      |
| a box beyond the image         | its edge is repeated; a box that is mostly beyond it is a wrong size   |
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")  # Pillow knows more, some of which start other programs
MAX_PIXELS = 64 << 20  # a header may state any size: refused before memory is taken for it
MAX_BYTES = 256 << 20  # the same for the file itself
DRAFT_GAP = 2  # times the wanted size that a JPEG is decoded at least: what is drafted then differs at 53 dB
REDUCING_GAP = 2.0  # Pillow averages whole pixels first where four times the size is left: faster, and nearer by 1 dB
ORIENTATION = 0x0112  # the EXIF tag
SLIPS = (LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError)  # of Pillow's on damaged files: rare
BROKEN = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError, *SLIPS)
VIEWS = {"temperature": "temperatures", "embedded": "photograph"}
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels, where pixel 0 reaches from 0 to 1
Outline = tuple[tuple[float, float], ...]
Locate = Callable[[Image.Image], "tuple[Box, Outline | None] | None"]
"""Finds a face in an upright image: its box and outline, or None."""


class Recipe(NamedTuple):
    """What every image file of a data set becomes.

    `shape` is height, width and channels (1 is grey, 3 is RGB); `fit` as in Dataset; `resize` lets images of
    another size pass where `fit` is "exact"; `locate` looks for the face where a row brings no box; `levels` are the
    values of 16-bit images that become black and white.
    """

    shape: tuple[int, int, int]
    fit: Literal["exact", "squash", "square", "cover"] = "exact"
    resize: bool = False
    locate: Locate | None = None
    levels: tuple[float, float] | None = None

    @property
    def mode(self) -> str:
        """Pillow's name of the wanted colours."""
        return "L" if self.shape[2] == 1 else "RGB"


class Verdict(NamedTuple):
    """What became of one file: its conversion ("" for none), and what is wrong with it.

    `defect` is (kind, sentence), the kind "unreadable" or "sizes", or None. `size` is the width and height of
    the upright raw image, `outline` the face's polygon as x0, y0, x1, y1, … in pixels of the prepared image.
    """

    conversion: str
    defect: tuple[str, str] | None
    size: tuple[int, int] | None = None
    outline: tuple[float, ...] | None = None


class _Opened(NamedTuple):
    image: Image.Image  # upright, in the wanted mode or grey
    conversion: str
    size: tuple[int, int]  # of the upright raw image
    scale: int  # by how much the raw image was larger than `image`


def decode(
    content: bytes,
    recipe: Recipe,
    box: Box | None = None,
    outline: Outline | None = None,
    view: Literal["", "temperature", "embedded"] = "",
) -> tuple[np.ndarray | None, Verdict]:
    """Decode one image file to an array of `recipe.shape`, uint8; `box`, `outline` and `view` as in ImageRow.

    Never raises for bad content: what cannot be decoded has the defect "unreadable", what has another size
    the defect "sizes" (beside its resized pixels if `recipe.resize`).
    """
    try:
        opened = _view(content, recipe, view) if view else _open(content, recipe, box)
    except UnidentifiedImageError:
        what = f"it is none of {', '.join(FORMATS)}" if content else "it is empty"
        return None, Verdict("", ("unreadable", what))
    except BROKEN as error:
        return None, Verdict("", ("unreadable", str(error) or type(error).__name__))
    if recipe.locate and box is None and (found := recipe.locate(opened.image)):
        box, outline = found
    size = (recipe.shape[1], recipe.shape[0])
    if box is None and outline is None and opened.size == size:
        return _pixels(opened.image, recipe.shape), Verdict(opened.conversion, None, size)
    defect = _defect(opened.size, size, recipe.fit, box)
    if defect and not recipe.resize:
        return None, Verdict(opened.conversion, defect, opened.size)
    if defect and recipe.fit != "exact":
        box = outline = None  # the box belongs to another picture than this one
    frame = _frame(opened.size, size, "squash" if recipe.fit == "exact" else recipe.fit, box)
    pixels = _pixels(_cut(opened, frame, size), recipe.shape)
    placed = _placed(outline, frame, size) if outline else None
    return pixels, Verdict(opened.conversion, defect, opened.size, placed)


def cut_out(image: Image.Image, recipe: Recipe, box: Box | None = None) -> np.ndarray:
    """Return an upright image, or a box of it, as `decode` makes them of a file: `recipe.shape`, uint8."""
    opened = _Opened(_converted(image, recipe.mode), "", image.size, 1)
    size = (recipe.shape[1], recipe.shape[0])
    if box is None and image.size == size:
        return _pixels(opened.image, recipe.shape)
    frame = _frame(image.size, size, "squash" if recipe.fit == "exact" else recipe.fit, box)
    return _pixels(_cut(opened, frame, size), recipe.shape)


def _open(content: bytes, recipe: Recipe, box: Box | None) -> _Opened:
    """Return the image upright and in the wanted mode, and what that took."""
    image: Image.Image = Image.open(io.BytesIO(content), formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width}x{image.height} pixels are no face image")
    turned = (image.info.get("exif") or image.format == "TIFF") and image.getexif().get(ORIENTATION, 1) != 1
    size, scale = image.size, 1
    if image.format == "JPEG" and recipe.fit != "exact" and not turned and not recipe.locate:
        scale = _draft(image, recipe, box)
    image.load()
    steps = []
    if turned:
        steps.append("EXIF orientation")
        image = ImageOps.exif_transpose(image)
        size = image.size
    if image.mode in DEEP:
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 0xFFFF:
            raise ValueError("more than 16 bits a pixel have no stated range")
        how, values = _eight(deep, recipe.levels)
        steps.append(how)
        image = Image.fromarray(values)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no stated range")
    if image.mode != recipe.mode:
        steps.append(f"{image.mode} to {recipe.mode}")
    return _Opened(_converted(image, recipe.mode), " and ".join(steps), size, scale)


def _eight(deep: np.ndarray, levels: tuple[float, float] | None) -> tuple[str, np.ndarray]:
    """Return values of 16 bits as grey levels (uint8), and what was done; refer.datasets.deep says why."""
    if levels is not None:
        black, white = levels
        scaled = (deep.astype(np.float64) - black) * (255 / (white - black))
        return f"16 bits from {black:g} to {white:g}", np.rint(scaled.clip(0, 255)).astype(np.uint8)
    if deep.max() <= 255:
        return "16 bits that hold 8", deep.astype(np.uint8)
    return "16 bits", (deep.astype(np.uint16) >> 8).astype(np.uint8)


def _converted(image: Image.Image, wanted: str) -> Image.Image:
    if image.mode in ("L", wanted):
        return image  # grey is repeated at the very end, when it is small
    return image.convert("L") if image.mode == "1" else image.convert("RGB").convert(wanted)


def _draft(image: Image.Image, recipe: Recipe, box: Box | None) -> int:
    """Let a JPEG be decoded at a half, a quarter or an eighth where that is still large; return 2, 4, 8 or 1."""
    left, top, right, bottom = _frame(image.size, (recipe.shape[1], recipe.shape[0]), recipe.fit, box)
    spare = min((right - left) / recipe.shape[1], (bottom - top) / recipe.shape[0]) / DRAFT_GAP
    if spare < 2:
        return 1
    width, before = image.width, image.size
    image.draft(None, (math.ceil(image.width / spare), math.ceil(image.height / spare)))
    return 1 if image.size == before else round(width / image.width)


def _view(content: bytes, recipe: Recipe, view: Literal["temperature", "embedded"]) -> _Opened:
    from refer.datasets.readers.flir import picture

    image = picture(content, view)
    return _Opened(_converted(image, recipe.mode), f"{VIEWS[view]} of a radiometric JPEG", image.size, 1)


def _defect(have: tuple[int, int], want: tuple[int, int], fit: str, box: Box | None) -> tuple[str, str] | None:
    """Tell what is wrong with the size of an image, or with its box."""
    if box is not None:
        left, top, right, bottom = box
        width = min(right, have[0]) - max(left, 0)
        height = min(bottom, have[1]) - max(top, 0)
        if width <= 0 or height <= 0 or 2 * width * height < (right - left) * (bottom - top):
            placed = ", ".join(f"{edge:.0f}" for edge in box)
            return ("sizes", f"its face box ({placed}) does not lie in its {have[0]}x{have[1]} pixels")
        have = (round(right) - round(left), round(bottom) - round(top))
    if fit == "exact" and have != want:
        return ("sizes", "{}x{} pixels instead of {}x{}".format(*have, *want))
    return None


def _frame(have: tuple[int, int], want: tuple[int, int], fit: str, box: Box | None) -> Box:
    """Return the part of an upright raw image that becomes the prepared one."""
    left, top, right, bottom = box or (0, 0, *have)
    if fit in ("square", "cover"):
        aspect = want[0] / want[1] if fit == "cover" else 1.0
        high = min((right - left) / aspect, bottom - top)
        wide = high * aspect
        left, top = left + (right - left - wide) / 2, top + (bottom - top - high) / 2
        if box is None:
            left, top = float(math.floor(left)), float(math.floor(top))  # whole pixels, which resize exactly
        right, bottom = left + wide, top + high
    return left, top, right, bottom


def _cut(opened: _Opened, frame: Box, size: tuple[int, int]) -> Image.Image:
    """Cut `frame` out of an image and resize it; beyond the image its edge is repeated."""
    image = opened.image
    left, top, right, bottom = (edge / opened.scale for edge in frame)
    beyond = (-left, -top, right - image.width, bottom - image.height)
    if max(beyond) > 1e-6:
        widths = [max(0, math.ceil(pixels)) for pixels in beyond]
        across = ((widths[1], widths[3]), (widths[0], widths[2])) + ((0, 0),) * (len(image.getbands()) > 1)
        image = Image.fromarray(np.pad(np.asarray(image), across, mode="edge"))
        left, top, right, bottom = left + widths[0], top + widths[1], right + widths[0], bottom + widths[1]
    # An edge that is less than 1e-6 pixels outside is rounding; the size of a draft is rounded too.
    left, top = max(left, 0.0), max(top, 0.0)
    right, bottom = min(right, image.width), min(bottom, image.height)
    return _resized(image, (left, top, right, bottom), size)


def _resized(image: Image.Image, frame: Box, size: tuple[int, int]) -> Image.Image:
    left, top, right, bottom = frame
    across, down = (right - left) / size[0], (bottom - top) / size[1]
    if all(value == int(value) for value in (*frame, across, down)):
        return image.reduce((int(across), int(down)), (int(left), int(top), int(right), int(bottom)))
    if _filter(across) == _filter(down):
        return image.resize(size, _filter(across), frame, REDUCING_GAP)
    narrow = image.resize((size[0], image.height), _filter(across), (left, 0, right, image.height), REDUCING_GAP)
    return narrow.resize(size, _filter(down), (0, top, size[0], bottom), REDUCING_GAP)


def _filter(shrink: float) -> Image.Resampling:
    """Return Pillow's filter that comes nearest to the average over the exact area, for this ratio of sizes.

    Against that average, on faces shrunk 1.2, 1.5, 2.4 and 4.8 times, Pillow's BOX, which takes whole pixels only,
    lies at 27, 26, 32 and 35 dB, HAMMING at 35, 38, 43 and 39, BILINEAR at 41, 34, 33 and 30.
    """
    if shrink < 1:
        return Image.Resampling.BICUBIC
    return Image.Resampling.BILINEAR if shrink < 1.35 else Image.Resampling.HAMMING


def _pixels(image: Image.Image, shape: tuple[int, int, int]) -> np.ndarray:
    bands = len(image.getbands())
    pixels = np.frombuffer(image.tobytes(), np.uint8).reshape(shape[0], shape[1], bands)
    return pixels if bands == shape[2] else np.repeat(pixels, shape[2], axis=2)


def _placed(outline: Outline, frame: Box, size: tuple[int, int]) -> tuple[float, ...]:
    """Return an outline in pixels of the prepared image, to a hundredth, so that it is the same on every machine."""
    left, top, right, bottom = frame
    across, down = size[0] / (right - left), size[1] / (bottom - top)
    return tuple(round(value, 2) for x, y in outline for value in ((x - left) * across, (y - top) * down))
