"""FLIR radiometric JPEGs: ordinary JPEGs that also carry what the sensor measured, and often the photograph.

Both lie in APP1 segments that begin with FLIR and a zero, cut into chunks which together are one file in FLIR's FFF
format: a header, a directory of records, the records. What is known of it was found out by P. Harvey and others
and stands in ExifTool (lib/Image/ExifTool/FLIR.pm). Temperatures are computed by flyr, from the sensor's counts
and the calibration in the file. The records are taken apart here, since `flyr.unpack` lets a file state any
size and any image format, and swaps the bytes of each pixel in Python.

Pictures are as the sensor lies; no orientation is applied, for the one in the EXIF data is the preview's.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

HEAD = 64 << 10  # bytes from which to tell whether a file is radiometric
COLDEST, WARMEST = 18.0, 40.0
"""The temperatures, in °C, that are black and white in the picture.

The same for every picture, so that a grey level means one temperature. From a cool room's wall to above any
fever: skin of the face lies between 25 (a cold nose) and 37. One level is 0.09 °C, about what the sensors of
handheld cameras can tell apart (0.05 to 0.1), so that eight bits lose next to nothing.
"""

MAX_THERMAL = 4 << 20  # pixels: the largest sensors have 0.8 million, FLIR's UltraMax makes 3.1 of them
MAX_PHOTO = 32 << 20  # the largest camera beside one has 13 million
MAX_RECORDS = 1024

SIGNATURE = b"FLIR\0"
START, APP1, END = 0xD8, 0xE1, (0xD9, 0xDA)  # JPEG markers; from the last two on comes the preview itself
RAW, PHOTO, CAMERA, ALIGNMENT = 1, 14, 32, 42  # types of records
ENTRY = BODY = 32  # bytes of a directory entry, and of what precedes the image in a record
CALIBRATION = (784, 832)  # bytes that hold what temperatures take, and that flyr reads
PNG = b"\x89PNG\r\n\x1a\n"


class Record(NamedTuple):
    """Where a record lies in the FFF data."""

    start: int
    end: int


def is_radiometric(head: bytes) -> bool:
    """Tell by the first HEAD bytes of a file whether it is a radiometric JPEG."""
    return any(True for _ in _chunks(head))


def has_photo(head: bytes) -> bool:
    """Tell by the first HEAD bytes of a radiometric JPEG whether it carries a photograph."""
    first = next((data for number, _, data in _chunks(head) if number == 0), b"")
    try:
        return PHOTO in _directory(first)
    except ValueError:
        return False


def celsius(content: bytes) -> NDArray[np.float32]:
    """Return the temperatures (height, width) in °C; NaN where less was measured than what air and walls emit.

    Raises:
        ValueError: the file is no radiometric JPEG, damaged, cut off, or larger than any sensor.
    """
    import numpy as np
    from flyr.thermogram import FlyrThermogram

    with _explained():
        fff, records = _unpacked(content)
        calibration = _calibration(fff, _record(records, CAMERA, "calibration"))
        with np.errstate(all="ignore"):
            kelvin = FlyrThermogram(_counts(fff, _record(records, RAW, "thermal image")), calibration).kelvin
        if not np.isfinite(kelvin).any():
            raise ValueError("its calibration gives no temperatures")
        return (kelvin - 273.15).astype(np.float32)


def picture(content: bytes, view: Literal["temperature", "embedded"]) -> Image.Image:
    """Return one of the two pictures that a radiometric JPEG carries.

    "temperature" is grey ("L"), linear from COLDEST (0) to WARMEST (255) and clipped. "embedded" is the
    photograph ("RGB"), cut to what the thermal camera saw: the two lenses see unequally far, and the file says
    by how much and where (the numbers that FLIR's own picture-in-picture uses). They hold for the distance that
    the camera was set to; nearer or farther, the lenses being a few centimetres apart, the two pictures remain
    shifted against each other. Where the file does not say, or says what cannot be, it is the whole photograph.

    Raises:
        ValueError: as `celsius`, or there is no photograph in the file.
    """
    if view == "embedded":
        with _explained():
            fff, records = _unpacked(content)
            photo = _photo(fff, _record(records, PHOTO, "photograph"))
            return photo.crop(_field(fff, records, photo.size))
    import numpy as np
    from PIL import Image

    levels = (celsius(content) - COLDEST) * (255 / (WARMEST - COLDEST))
    return Image.fromarray(np.rint(np.clip(np.nan_to_num(levels, nan=0.0), 0, 255)).astype(np.uint8))


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what flyr and Pillow raise about damaged data, which may be anything, into a ValueError."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"its FLIR data cannot be read ({type(error).__name__}: {error})") from error


def _chunks(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, last number and data of each FLIR chunk, also of a file that is cut off."""
    if content[:2] != bytes((0xFF, START)):
        return
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF and content[position + 1] not in END:
        if content[position + 1] == 0xFF:  # padding
            position += 1
            continue
        length = int.from_bytes(content[position + 2 : position + 4], "big")
        payload = content[position + 4 : position + 2 + length]
        if content[position + 1] == APP1 and payload.startswith(SIGNATURE) and len(payload) >= 8:
            yield payload[6], payload[7], payload[8:]
        position += 2 + max(length, 2)


def _unpacked(content: bytes) -> tuple[bytes, dict[int, Record]]:
    """Return the FFF data and where its records lie; refuse a file that is not whole."""
    from PIL import Image

    chunks = list(_chunks(content))
    if not chunks:
        raise ValueError("it is no radiometric JPEG")
    numbers = sorted(number for number, _, _ in chunks)
    if numbers != list(range(len(chunks))) or {last for _, last, _ in chunks} != {len(chunks) - 1}:
        raise ValueError("a part of its FLIR data is missing or there twice")
    fff = b"".join(data for _, _, data in sorted(chunks))
    records = {kind: one for kind, one in _directory(fff).items() if one.end <= len(fff)}
    preview = Image.open(io.BytesIO(content), formats=("JPEG",))
    _check_size(preview.size, MAX_PHOTO)
    preview.draft("L", (1, 1))  # an eighth: all of the file is read, little is computed
    preview.load()  # refuses what is cut off, even where the FLIR data came through: the archive is damaged
    return fff, records


def _directory(fff: bytes) -> dict[int, Record]:
    """Return the records that the directory names; they may end behind the data."""
    version, start, number = (int.from_bytes(fff[place : place + 4], "big") for place in (0x14, 0x18, 0x1C))
    if fff[:4] not in (b"FFF\0", b"AFF\0") or not 100 <= version < 200:
        raise ValueError("its FLIR data have an unknown header")
    if number > MAX_RECORDS or start + number * ENTRY > len(fff):
        raise ValueError(f"the directory of its FLIR data, of {number} records, is not all there")
    records = {}
    for entry in range(start, start + number * ENTRY, ENTRY):
        kind, offset, length = (
            int.from_bytes(fff[entry + place : entry + place + size], "big")
            for place, size in ((0, 2), (0x0C, 4), (0x10, 4))
        )
        if kind:
            records[kind] = Record(offset, offset + length)
    return records


def _record(records: dict[int, Record], kind: int, what: str) -> Record:
    if kind not in records:
        raise ValueError(f"it holds no {what}, or not all of it")
    return records[kind]


def _calibration(fff: bytes, record: Record) -> dict[str, float]:
    from flyr.thermal import parse_camera_info

    part = fff[record.start : record.end]
    if len(part) < CALIBRATION[0] or part[0] == 0:  # 2 or 3 comes first, the low byte before the high one
        raise ValueError("its calibration is cut off or in another byte order")
    said: dict[str, float] = parse_camera_info(io.BytesIO(part.ljust(CALIBRATION[1], b"\0")), (0, CAMERA, 0, len(part)))
    if said["relative_humidity"] > 2:
        said["relative_humidity"] /= 100  # some files state percent
    return said


def _size(fff: bytes, record: Record) -> tuple[int, int, Literal["big", "little"]]:
    """Return the width and height that an image record states, and its byte order."""
    order: Literal["big", "little"] = "little" if fff[record.start] else "big"  # the first number is 2 or 3
    width, height = (int.from_bytes(fff[record.start + place : record.start + place + 2], order) for place in (2, 4))
    return width, height, order


def _check_size(size: tuple[int, int], limit: int) -> None:
    if not 0 < size[0] * size[1] <= limit:
        raise ValueError(f"it states an image of {size[0]}x{size[1]} pixels")


def _counts(fff: bytes, record: Record) -> NDArray[np.uint16]:
    """Return what the sensor counted (height, width)."""
    import numpy as np
    from PIL import Image

    width, height, order = _size(fff, record)
    _check_size((width, height), MAX_THERMAL)
    body = fff[record.start + BODY : record.end]
    if not body.startswith(PNG):
        if len(body) < 2 * width * height:
            raise ValueError("its thermal image is cut off")
        counts = np.frombuffer(body, "<u2" if order == "little" else ">u2", width * height)
        return counts.reshape(height, width).astype(np.uint16)
    image = Image.open(io.BytesIO(body), formats=("PNG",))
    if image.size != (width, height) or not image.mode.startswith("I"):
        raise ValueError(f"its thermal image is {image.size} {image.mode}, not {width}x{height} of 16 bits")
    return np.asarray(image).astype(np.uint16).byteswap()  # FLIR writes the two bytes the wrong way round


def _photo(fff: bytes, record: Record) -> Image.Image:
    from PIL import Image

    image: Image.Image = Image.open(io.BytesIO(fff[record.start + BODY : record.end]), formats=("JPEG", "PNG"))
    _check_size(image.size, MAX_PHOTO)
    if image.size != _size(fff, record)[:2]:
        raise ValueError(f"its photograph is {image.size}, not what its record states")
    if image.format == "PNG" and image.mode == "RGB":  # luma and two colour differences, ExifTool says
        return Image.merge("YCbCr", image.split()).convert("RGB")
    return image.convert("RGB")


def _field(fff: bytes, records: dict[int, Record], photo: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the part of the photograph that the thermal camera saw: left, top, right, bottom."""
    from flyr.picture_in_picture import parse_pip_info

    whole = (0, 0, *photo)
    if ALIGNMENT not in records or RAW not in records:
        return whole
    part = fff[records[ALIGNMENT].start : records[ALIGNMENT].end].ljust(16, b"\0")
    said = parse_pip_info(io.BytesIO(part), (0, ALIGNMENT, 0, len(part)))
    width, height, _ = _size(fff, records[RAW])
    if not (math.isfinite(said.real_to_ir) and 0.2 <= said.real_to_ir <= 10 and width and height):
        return whole
    across = photo[0] / said.real_to_ir
    down = across * height / width
    left = round((photo[0] - across) / 2 + said.offset_x)
    top = round((photo[1] - down) / 2 + said.offset_y)
    right, bottom = left + round(across), top + round(down)
    box = (max(0, left), max(0, top), min(photo[0], right), min(photo[1], bottom))
    seen = max(0, box[2] - box[0]) * max(0, box[3] - box[1])
    return box if 0 < across * down <= 4 * seen else whole
