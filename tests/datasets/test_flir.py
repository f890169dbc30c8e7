from __future__ import annotations

import io
import math
import struct
import tracemalloc

import flyr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_fixtures import encoded, jpeg, noise, png
from refer.datasets.readers import flir
from refer.datasets.standin import radiometric

SHAPE = (30, 40)


def field(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Return temperatures of a warm spot before a cool wall, in °C."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    spot = 13 * np.exp(-((x - shape[1] / 2) ** 2 + (y - shape[0] / 2) ** 2) / 60)
    return (22 + spot + np.random.default_rng(seed).normal(0, 0.07, shape)).astype(np.float32)


def photo(size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """Return a picture whose red tells the column and whose green tells the row."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.stack((x, y, np.zeros_like(x)), axis=2).astype(np.uint8)


def packed(celsius: np.ndarray | None = None, **options: object) -> bytes:
    celsius = field() if celsius is None else celsius
    return radiometric.pack(celsius, jpeg(0), encoded(photo(), quality=95), **options)


def edited(content: bytes, kind: int, place: int, value: bytes) -> bytes:
    """Return a file of one chunk in which the record of this kind has `value` at `place`."""
    fff = content.index(b"FFF\0")
    for entry in range(fff + 64, fff + 64 + 16 * 32, 32):
        if int.from_bytes(content[entry : entry + 2], "big") == kind:
            start = fff + int.from_bytes(content[entry + 12 : entry + 16], "big") + place
            return content[:start] + value + content[start + len(value) :]
    raise AssertionError(f"no record {kind}")


def header(content: bytes, place: int, value: int) -> bytes:
    start = content.index(b"FFF\0") + place
    return content[:start] + struct.pack(">I", value) + content[start + 4 :]


def test_temperatures_survive_the_round_trip() -> None:
    wanted = field()
    found = flir.celsius(packed(wanted))
    assert found.dtype == np.float32
    assert found.shape == SHAPE
    assert np.abs(found - wanted).max() < 0.1
    assert np.abs(found - wanted).max() < 0.02, "half a count of the drawn camera"


def test_temperatures_that_png_cannot_pack_survive_too() -> None:
    wild = np.random.default_rng(0).uniform(-20, 150, SHAPE)
    assert b"\x89PNG" not in packed(wild).split(b"\xff\xd8\xff\xe0")[1]
    assert np.abs(flir.celsius(packed(wild)) - wild).max() < 0.1


def test_flyr_itself_reads_what_is_packed() -> None:
    content = packed(real_to_ir=1.5, offset=(4, -3))
    thermogram = flyr.unpack(io.BytesIO(content))
    assert np.abs(thermogram.celsius - flir.celsius(content)).max() < 1e-4
    assert thermogram.optical.shape == (120, 160, 3)
    assert (thermogram.pip_info.offset_x, thermogram.pip_info.offset_y) == (4, -3)


def test_the_calibration_follows_plancks_law() -> None:
    content = packed()
    for place, value in ((0x20, 1.0), (0x24, 0.0)):  # a black body right before the lens: no air, nothing reflected
        content = edited(content, flir.CAMERA, place, struct.pack("<f", value))
    r1, b, f, r2 = (radiometric.CALIBRATION[place] for place in (0x58, 0x5C, 0x60, 0x30C))
    counts = radiometric._counts(field()).astype(float)
    kelvin = b / np.log(r1 / (r2 * (counts + radiometric.PLANCK_O)) + f)
    assert np.abs(flir.celsius(content) - (kelvin - 273.15)).max() < 1e-3


def test_a_file_of_many_chunks_is_put_together() -> None:
    large = np.random.default_rng(0).integers(0, 256, (400, 500, 3), np.uint8)
    content = radiometric.pack(field(), jpeg(0), encoded(large, quality=95))
    assert content.count(b"FLIR\0") > 3
    assert np.abs(flir.celsius(content) - field()).max() < 0.1
    assert flir.picture(content, "embedded").size == (500, 375), "the thermal picture is 4:3"


def test_other_programs_see_the_preview() -> None:
    shown = Image.open(io.BytesIO(packed()))
    assert np.array_equal(np.asarray(shown), np.asarray(Image.open(io.BytesIO(jpeg(0)))))


def test_equal_pictures_give_equal_bytes() -> None:
    assert packed() == packed()


@pytest.mark.parametrize("celsius", [np.full(SHAPE, np.nan), np.full(SHAPE, 900.0), np.full(SHAPE, -200.0)])
def test_temperatures_that_no_camera_sees_are_not_packed(celsius: np.ndarray) -> None:
    with pytest.raises(ValueError, match="temperatures of"):
        packed(celsius)


def test_grey_is_linear_between_two_fixed_temperatures() -> None:
    low, high = flir.COLDEST, flir.WARMEST
    middle = (low + high) / 2
    columns = np.repeat(np.array([low - 5, low, middle, high, high + 5]), 4)
    shown = flir.picture(packed(np.tile(columns, (8, 1))), "temperature")
    assert shown.mode == "L"
    assert shown.size == (20, 8)
    row = np.asarray(shown)[0].astype(int).reshape(5, 4)
    assert row[0].tolist() == [0] * 4
    assert row[4].tolist() == [255] * 4
    assert np.abs(row[1] - 0).max() <= 1
    assert np.abs(row[2] - 127.5).max() <= 1.5
    assert np.abs(row[3] - 255).max() <= 1


def test_less_than_the_air_emits_is_no_temperature_and_black() -> None:
    counts = np.full(SHAPE, 2, "<u2")
    counts[:, 20:] = radiometric._counts(np.full((30, 20), 30.0))
    content = packed(np.random.default_rng(0).uniform(-20, 150, SHAPE))  # too wild for PNG: the counts lie open
    content = edited(content, flir.RAW, 32, counts.tobytes())
    assert np.isnan(flir.celsius(content)[:, :20]).all()
    shown = np.asarray(flir.picture(content, "temperature"))
    assert (shown[:, :20] == 0).all()
    assert (shown[:, 20:] > 100).all()


def test_the_photograph_is_whole_where_both_cameras_see_alike() -> None:
    shown = flir.picture(packed(), "embedded")
    assert shown.mode == "RGB"
    assert shown.size == (160, 120)


def test_the_photograph_is_cut_to_what_the_thermal_camera_saw() -> None:
    shown = flir.picture(packed(real_to_ir=2.0, offset=(10, -5)), "embedded")
    assert shown.size == (80, 60)
    pixels = np.asarray(shown).astype(int)
    assert abs(pixels[30, 0, 0] - (80 + 10 - 40)) <= 3, "the left edge"
    assert abs(pixels[0, 40, 1] - (60 - 5 - 30)) <= 3, "the upper edge"


@pytest.mark.parametrize("alignment", [{"real_to_ir": math.nan}, {"real_to_ir": 0.0}, {"real_to_ir": 1e30},
                                       {"real_to_ir": 2.0, "offset": (400, 0)}])  # fmt: skip
def test_an_alignment_that_cannot_be_leaves_the_photograph_whole(alignment: dict[str, object]) -> None:
    assert flir.picture(packed(**alignment), "embedded").size == (160, 120)


def test_an_embedded_png_is_luma_and_colour_differences() -> None:
    colours = np.zeros((120, 160, 3), np.uint8)
    colours[:] = (200, 30, 60)
    ycbcr = png(np.asarray(Image.fromarray(colours).convert("YCbCr")))
    content = radiometric.pack(field(), jpeg(0), encoded(photo()) + bytes(len(ycbcr)))
    shown = np.asarray(flir.picture(edited(content, flir.PHOTO, 32, ycbcr), "embedded")).astype(int)
    assert np.abs(shown - (200, 30, 60)).max() <= 2


def test_humidity_in_percent_is_taken_as_such() -> None:
    percent = edited(packed(), flir.CAMERA, 0x3C, struct.pack("<f", 50.0))
    assert np.abs(flir.celsius(percent) - flir.celsius(packed())).max() < 1e-4


def test_a_radiometric_file_is_told_by_its_head() -> None:
    content = packed()
    assert flir.is_radiometric(content)
    assert flir.is_radiometric(content[:2000])
    assert flir.has_photo(content[:2000])
    assert not flir.has_photo(content[:400]), "the directory is not all there"


def test_a_radiometric_file_without_a_photograph_is_told_too() -> None:
    content = packed()
    entry = content.index(b"FFF\0") + 64 + 2 * 32
    assert content[entry : entry + 2] == bytes((0, flir.PHOTO))
    without = content[:entry] + b"\0\0" + content[entry + 2 :]
    assert flir.is_radiometric(without)
    assert not flir.has_photo(without)
    with pytest.raises(ValueError, match="no photograph"):
        flir.picture(without, "embedded")
    assert flir.picture(without, "temperature").size == (40, 30)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"GIF89a", jpeg(0), png(noise(0)), b"\xff\xd8\xff\xe1\x00\x00",
                                     b"\xff" * 500, b"\xff\xd8" + b"\xff\xe1\x00\x09FLIR\0" + b"FFF\0"])  # fmt: skip
def test_other_files_are_not_radiometric(content: bytes) -> None:
    assert not flir.is_radiometric(content)
    assert not flir.has_photo(content)
    with pytest.raises(ValueError, match="no radiometric JPEG"):
        flir.picture(content, "temperature")


DAMAGED = {
    "more records than there can be": header(packed(), 0x1C, 1 << 31),
    "a directory behind the end": header(packed(), 0x18, 1 << 31),
    "an unknown version": header(packed(), 0x14, 7),
    "a wide image": edited(packed(), flir.RAW, 2, b"\xff\xff\xff\xff"),
    "no image": edited(packed(), flir.RAW, 2, b"\0\0\0\0"),
    "another size than its PNG": edited(packed(), flir.RAW, 2, struct.pack("<HH", 41, 30)),
    "no emissivity": edited(packed(), flir.CAMERA, 0x20, bytes(4)),
    "no Planck constant": edited(packed(), flir.CAMERA, 0x30C, bytes(4)),
    "infinite air": edited(packed(), flir.CAMERA, 0x2C, struct.pack("<f", math.inf)),
    "a broken PNG": edited(packed(), flir.RAW, 50, bytes(60)),
    "big-endian numbers": edited(packed(), flir.CAMERA, 0, b"\0\2"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_lies_are_refused_in_bounded_memory(content: bytes) -> None:
    assert flir.is_radiometric(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r".+"):
            flir.picture(content, "temperature")
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_photograph_that_states_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="photograph is"):
        flir.picture(edited(packed(), flir.PHOTO, 2, b"\xff\xff"), "embedded")


def test_a_photograph_in_a_format_that_starts_other_programs_is_not_opened() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        flir.picture(edited(packed(), flir.PHOTO, 32, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "embedded")


@pytest.mark.parametrize("view", ["temperature", "embedded"])
def test_a_file_that_is_cut_off_anywhere_is_refused(view: str) -> None:
    content = packed()
    for length in [*range(0, len(content) - 60, 211), len(content) - 60]:
        with pytest.raises(ValueError, match=r".+"):
            flir.picture(content[:length], view)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30), st.binary(min_size=1, max_size=6), st.sampled_from(("temperature", "embedded")))
def test_damage_gives_a_picture_or_a_value_error(place: int, damage: bytes, view: str) -> None:
    content = WHOLE
    place %= len(content)
    content = content[:place] + damage + content[place + len(damage) :]
    flir.is_radiometric(content[:4000])
    flir.has_photo(content[:4000])
    try:
        shown = flir.picture(content, view)
    except ValueError:
        return
    assert shown.width * shown.height <= flir.MAX_PHOTO


WHOLE = packed()
