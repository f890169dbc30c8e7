"""A radiometric JPEG as a FLIR camera writes one, from temperatures and two pictures that were drawn.

How such a file is built, `refer.datasets.readers.flir` says, which reads it. The calibration is one that goes about as
an example for a hand-held camera; the sensor's counts are found on flyr's own curve of temperatures, so that what is
written here and what is read there cannot differ by more than a count, 0.005 °C at the temperature of skin.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refer.datasets.readers.flir import ALIGNMENT, APP1, BODY, CAMERA, ENTRY, PHOTO, RAW, SIGNATURE

CHUNK = 0xFFFF - 2 - len(SIGNATURE) - 3  # bytes that fit into one APP1 segment
ENTRIES = 16  # of the directory; most are free, as in a camera's files
MOST = 256 * CHUNK  # bytes, for a chunk's number is one byte
RAW_PNG, RAW_LITTLE = 3, 2  # subtypes of the raw record
MODEL = b"ReFER stand-in"

CALIBRATION = {  # offset in the camera record → value; kelvins, metres, parts of 1
    # Emissivity of skin, distance, what the skin reflects, the air, a window before the lens, which lets all through,
    0x20: 0.98, 0x24: 1.0, 0x28: 295.15, 0x2C: 295.15, 0x30: 295.15, 0x34: 1.0,
    # humidity, Planck's R1, B, F and R2,
    0x3C: 0.5, 0x58: 21106.77, 0x5C: 1501.0, 0x60: 1.0, 0x30C: 0.012545258,
    # how the air dims (alpha 1 and 2, beta 1 and 2, x), and the camera's range.
    0x70: 0.006569, 0x74: 0.01262, 0x78: -0.002276, 0x7C: -0.00667, 0x80: 1.9, 0x90: 423.15, 0x94: 253.15,
}  # fmt: skip
PLANCK_O = -7340


def pack(
    celsius: NDArray[np.floating],
    preview: bytes,
    embedded: bytes,
    *,
    real_to_ir: float = 1.0,
    offset: tuple[int, int] = (0, 0),
) -> bytes:
    """Return a radiometric JPEG: of temperatures (height, width) in °C, a JPEG to show, and a photograph as JPEG.

    `real_to_ir` is how many times as much as the thermal picture the photograph shows along its width, `offset` where
    in the photograph the thermal picture's middle lies, in pixels from its middle, x to the right and y downwards.
    Raises ValueError where a temperature is out of the camera's range (about -20 to 150), where `preview` or `embedded`
    is no JPEG, or where the three together are too large for the format (16 MB).
    """
    records = [
        (RAW, *_raw(celsius)),
        (CAMERA, 1, _camera(celsius.shape)),
        (PHOTO, 1, _image(3, *_jpeg_size(embedded), embedded)),
        (ALIGNMENT, 1, struct.pack("<f6h", real_to_ir, *offset, 0, celsius.shape[1] - 1, 0, celsius.shape[0] - 1)),
    ]
    _jpeg_size(preview)
    fff = _fff(records)
    if len(fff) > MOST:
        raise ValueError(f"{len(fff):,} bytes of FLIR data; the format holds {MOST:,}")
    parts = [fff[start : start + CHUNK] for start in range(0, len(fff), CHUNK)]
    segments = [
        b"\xff" + bytes((APP1,)) + struct.pack(">H", 2 + len(SIGNATURE) + 3 + len(part))
        + SIGNATURE + bytes((1, number, len(parts) - 1)) + part
        for number, part in enumerate(parts)
    ]  # fmt: skip
    start = _behind_jfif(preview)
    return preview[:start] + b"".join(segments) + preview[start:]


def _fff(records: list[tuple[int, int, bytes]]) -> bytes:
    """Return header, directory and records (type, subtype, content) as one file in FLIR's format."""
    header = struct.pack(">4s16sIIII24xI", b"FFF\0", MODEL, 101, 64, ENTRIES, len(records) + 1, 0)
    place = len(header) + ENTRIES * ENTRY
    directory, body = b"", b""
    for number, (kind, subtype, content) in enumerate(records, 1):
        directory += struct.pack(">HHIIIIIII", kind, subtype, 100, number, place + len(body), len(content), 0, 0, 0)
        body += content
    return header + directory.ljust(ENTRIES * ENTRY, b"\0") + body


def _image(order: int, width: int, height: int, content: bytes) -> bytes:
    """Return an image record; `order` is the number by which a reader tells the byte order."""
    return struct.pack("<3H", order, width, height).ljust(BODY, b"\0") + content


def _raw(celsius: NDArray[np.floating]) -> tuple[int, bytes]:
    """Return the subtype and content of the raw record: PNG, or plain where PNG would be larger."""
    height, width = celsius.shape
    counts = _counts(celsius)
    packed = io.BytesIO()
    Image.fromarray(counts.byteswap()).save(packed, "PNG")
    if packed.tell() < counts.nbytes:
        return RAW_PNG, _image(2, width, height, packed.getvalue())
    return RAW_LITTLE, _image(2, width, height, counts.astype("<u2").tobytes())


def _counts(celsius: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Return what the sensor counts (height, width) at these temperatures."""
    curve = _curve()
    if not (curve[0] <= celsius.min() and celsius.max() <= curve[-1]):  # false for NaN too
        raise ValueError(f"temperatures of {celsius.min()} to {celsius.max()} °C; the camera sees -20 to 150")
    first = 65536 - len(curve)
    nearest = np.interp(celsius, curve, np.arange(first, 65536, dtype=np.float64))
    return np.rint(nearest).astype(np.uint16)


@lru_cache(maxsize=1)
def _curve() -> NDArray[np.float64]:
    """Return the temperatures of the highest counts, up to 65535, in °C: from where they begin to be numbers."""
    from flyr.thermal import parse_camera_info
    from flyr.thermogram import FlyrThermogram

    record = _camera((1, 1))
    calibration = parse_camera_info(io.BytesIO(record), (0, CAMERA, 0, len(record)))
    every = np.arange(65536, dtype=np.uint16)[None]
    with np.errstate(all="ignore"):
        curve: NDArray[np.float64] = FlyrThermogram(every, calibration).celsius[0]
    return curve[np.flatnonzero(~(curve > -60))[-1] + 1 :] if not (curve > -60).all() else curve


def _camera(shape: tuple[int, ...]) -> bytes:
    record = bytearray(1024)
    struct.pack_into("<3H", record, 0, 2, shape[1], shape[0])
    for place, value in CALIBRATION.items():
        struct.pack_into("<f", record, place, value)
    struct.pack_into("<i", record, 0x308, PLANCK_O)
    record[0xD4 : 0xD4 + len(MODEL)] = MODEL
    return bytes(record)


def _jpeg_size(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:  # UnidentifiedImageError, which is an OSError
        return image.size


def _behind_jfif(preview: bytes) -> int:
    """Return where the FLIR segments go: a JFIF segment comes first in any file."""
    return 4 + int.from_bytes(preview[4:6], "big") if preview[2:4] == b"\xff\xe0" else 2
