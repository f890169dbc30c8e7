from __future__ import annotations

import io
import sys
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from PIL.JpegImagePlugin import JpegImageFile

from data_fixtures import encoded, noise, png
from refer.datasets.decode import Box, Recipe, decode

GREY = Recipe((40, 30, 1), "exact")


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a colour picture with soft and sharp parts (H×W×3, uint8)."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (9 + band)) * np.cos(y / (13 - band)) * 60 for band in range(3)]
    pixels = 120 + np.stack(waves, axis=2) + 50 * ((x // 40 + y // 40) % 2)[..., None]
    return (pixels + np.random.default_rng(seed).normal(0, 3, pixels.shape)).clip(0, 255).astype(np.uint8)


def area(pixels: np.ndarray, frame: Box, size: tuple[int, int]) -> np.ndarray:
    """Return the exact average over each wanted pixel's area (float)."""

    def weights(length: int, low: float, high: float, number: int) -> np.ndarray:
        edges = np.linspace(low, high, number + 1)
        places = np.arange(length)
        lower, upper = edges[:-1, None], edges[1:, None]
        share = np.clip(np.minimum(places + 1, upper) - np.maximum(places, lower), 0, None)
        return share / share.sum(axis=1, keepdims=True)

    left, top, right, bottom = frame
    down = weights(pixels.shape[0], top, bottom, size[1])
    across = weights(pixels.shape[1], left, right, size[0])
    lines = np.tensordot(down, pixels.astype(float), 1)  # one axis after the other: einsum would do both at once
    return np.stack([lines[:, :, band] @ across.T for band in range(pixels.shape[2])], axis=2)


def made(content: bytes, recipe: Recipe, box: Box | None = None, **options: Any) -> np.ndarray:
    pixels, verdict = decode(content, recipe, box, **options)
    assert pixels is not None, verdict
    assert pixels.shape == recipe.shape
    assert pixels.dtype == np.uint8
    return pixels


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


# --- boxes ------------------------------------------------------------------------------------------------------


@given(st.integers(0, 70), st.integers(0, 60))
def test_a_box_of_the_stored_size_is_cut_out_as_it_is(left: int, top: int) -> None:
    pixels = noise(1, (100, 100))
    cut = made(png(pixels), GREY, (left, top, left + 30, top + 40))
    assert (cut[:, :, 0] == pixels[top : top + 40, left : left + 30]).all()


@settings(deadline=None)
@given(st.integers(-29, 99), st.integers(-39, 99), st.sampled_from([1, 3]))
def test_beyond_the_image_its_edge_is_repeated(left: int, top: int, bands: int) -> None:
    pixels = noise(1, (100, 100, 3)) if bands == 3 else noise(1, (100, 100))
    box = (left, top, left + 30, top + 40)
    inside = (min(100, left + 30) - max(0, left)) * (min(100, top + 40) - max(0, top))
    pixels_, verdict = decode(png(pixels), Recipe((40, 30, bands)), box)
    if inside < 30 * 40 / 2:
        assert pixels_ is None
        assert verdict.defect
        assert verdict.defect[0] == "sizes"
        assert "does not lie in its 100x100 pixels" in verdict.defect[1]
    else:
        wide = np.pad(pixels, ((50, 50), (50, 50), (0, 0))[: pixels.ndim], mode="edge")
        assert pixels_ is not None
        assert (pixels_.squeeze() == wide[top + 50 : top + 90, left + 50 : left + 80]).all()


def test_an_edge_that_is_outside_by_rounding_alone_is_the_images_edge() -> None:
    pixels = noise(1, (40, 40, 3))
    recipe = Recipe((16, 16, 3), "squash")
    exact = made(png(pixels), recipe, (0.0, 0.0, 33.0, 33.0))
    nearly = made(png(pixels), recipe, (-1e-9, -1e-9, 33.0, 33.0))
    assert np.abs(exact.astype(int) - nearly.astype(int)).max() <= 1


def test_a_box_on_another_picture_than_its_own_is_left_out_if_tolerated() -> None:
    content, square = png(noise(1, (64, 64))), Recipe((32, 32, 1), "square", resize=True)
    pixels, verdict = decode(content, square, (90, 90, 120, 120), ((91, 91), (119, 91), (100, 119)))
    assert pixels is not None
    assert (pixels == made(content, square)).all()
    assert verdict.outline is None
    assert verdict.defect


@pytest.mark.parametrize("box", [(5, 5, 5, 20), (20, 5, 5, 20), (-1e9, -1e9, 1e9, 1e9)])
def test_boxes_that_are_none(box: Box) -> None:
    pixels, verdict = decode(png(noise(1)), Recipe((32, 32, 1), "square"), box)
    assert pixels is None
    assert verdict.defect
    assert verdict.defect[0] == "sizes"


def test_a_box_of_another_size_is_a_defect_where_the_fit_is_exact() -> None:
    _, verdict = decode(png(noise(1, (100, 100))), GREY, (0, 0, 60, 80))
    assert verdict.defect == ("sizes", "60x80 pixels instead of 30x40")


# --- fits -------------------------------------------------------------------------------------------------------


def test_the_middle_square_of_an_image_and_of_a_box() -> None:
    pixels = noise(1, (64, 101))
    square = Recipe((32, 32, 1), "square")
    halved = pixels[:, 18:82].reshape(32, 2, 32, 2).mean(axis=(1, 3))
    assert np.abs(made(png(pixels), square)[:, :, 0] - halved).max() <= 0.5
    tall = (10, 0, 42, 64)
    assert (made(png(pixels), square, tall)[:, :, 0] == pixels[16:48, 10:42]).all()


@pytest.mark.parametrize("size", [(224, 448), (448, 224), (672, 224)])
def test_whole_factors_average_exactly(size: tuple[int, int]) -> None:
    pixels = smooth(*size)
    small = made(png(pixels), Recipe((224, 224, 3), "squash"))
    assert np.abs(small - area(pixels, (0, 0, size[1], size[0]), (224, 224))).max() < 0.7


@pytest.mark.parametrize("size", [(480, 640), (240, 320), (300, 1000), (250, 230), (100, 900)])
def test_squashing_comes_near_to_the_average_over_the_area(size: tuple[int, int]) -> None:
    pixels = smooth(*size)
    small = made(png(pixels), Recipe((224, 224, 3), "squash"))
    assert psnr(small, area(pixels, (0, 0, size[1], size[0]), (224, 224))) > 31


def test_enlarging_is_smooth_and_keeps_its_place() -> None:
    y, x = np.mgrid[:48, :48]
    large = made(png((4 * x + y).astype(np.uint8)), Recipe((128, 128, 1), "squash"))[:, :, 0].astype(float)
    expected = 4 * ((np.arange(128) + 0.5) * 48 / 128 - 0.5)[None] + ((np.arange(128) + 0.5) * 48 / 128 - 0.5)[:, None]
    assert np.abs(large - expected)[4:-4, 4:-4].max() < 1


def test_one_side_may_shrink_while_the_other_grows() -> None:
    pixels = np.repeat(np.repeat(noise(1, (8, 8)), 40, axis=1), 2, axis=0)  # 16 high, 320 wide
    small = made(png(pixels), Recipe((64, 160, 1), "squash"))
    assert np.corrcoef(small[2::8, 10::20, 0].ravel(), noise(1, (8, 8)).ravel())[0, 1] > 0.95


def test_another_size_is_a_defect_only_where_the_fit_is_exact() -> None:
    content = png(noise(1, (60, 80)))
    assert decode(content, Recipe((32, 32, 1)))[1].defect == ("sizes", "80x60 pixels instead of 32x32")
    assert decode(content, Recipe((32, 32, 1), "squash"))[1].defect is None
    assert decode(content, Recipe((32, 32, 1), "square"))[1].defect is None
    pixels, verdict = decode(content, Recipe((32, 32, 1), resize=True))
    assert pixels is not None
    assert verdict.defect
    assert (pixels == made(content, Recipe((32, 32, 1), "squash"))).all()


# --- outlines ---------------------------------------------------------------------------------------------------


@given(
    st.floats(0, 200),
    st.floats(0, 200),
    st.floats(20, 100),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3),
)
def test_an_outline_goes_where_its_pixels_go(
    left: float, top: float, side: float, shares: list[tuple[float, float]]
) -> None:
    box = (left, top, left + side, top + side)
    outline = tuple((left + x * side, top + y * side) for x, y in shares)
    _, verdict = decode(png(np.zeros((400, 400), np.uint8)), Recipe((128, 128, 1), "square"), box, outline)
    assert verdict.outline is not None
    assert np.reshape(verdict.outline, (-1, 2)) == pytest.approx(128 * np.array(shares), abs=0.006)


def test_a_dot_and_its_outline_stay_together() -> None:
    pixels = np.zeros((300, 400), np.uint8)
    pixels[120:140, 250:270] = 255
    corners = ((250, 120), (270, 120), (270, 140), (250, 140))
    small, verdict = decode(png(pixels), Recipe((128, 128, 1), "square"), (201.3, 77.7, 333.3, 209.7), corners)
    assert small is not None
    assert verdict.outline is not None
    y, x = np.nonzero(small[:, :, 0] > 127)
    assert [x.min(), y.min(), x.max() + 1, y.max() + 1] == pytest.approx(
        [*np.reshape(verdict.outline, (-1, 2)).min(axis=0), *np.reshape(verdict.outline, (-1, 2)).max(axis=0)], abs=0.6
    )


# --- orientation, drafts, views ---------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_a_box_holds_for_the_upright_picture(form: str, orientation: int) -> None:
    upright = smooth(96, 128)
    back = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
        6: np.rot90(upright), 7: np.rot90(upright.transpose(1, 0, 2), 2), 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(
        np.ascontiguousarray(back), form, exif=exif, **({"quality": 98, "subsampling": 0} if form == "JPEG" else {})
    )
    box = (60, 10, 100, 50)
    pixels, verdict = decode(content, Recipe((40, 40, 3)), box, ((60, 10), (100, 10), (80, 50)))
    assert pixels is not None
    assert verdict.size == (128, 96)
    assert verdict.conversion == ("" if orientation == 1 else "EXIF orientation")
    assert np.abs(pixels.astype(int) - upright[10:50, 60:100]).mean() < (2 if form == "JPEG" else 0.01)
    assert verdict.outline == (0, 0, 40, 0, 20, 40)


@pytest.mark.parametrize("size", [(960, 1280), (1000, 1333), (1201, 1703)])
def test_large_jpegs_are_decoded_small_without_visible_loss(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = Image.fromarray(smooth(*size)).filter(ImageFilter.GaussianBlur(1))
    content, recipe = encoded(np.asarray(photograph), "JPEG", quality=90), Recipe((224, 224, 3), "squash")
    drafted: list[tuple[int, int]] = []
    original = JpegImageFile.draft

    def recorded(image: JpegImageFile, mode: None, wanted: tuple[int, int]) -> Any:
        answer = original(image, mode, wanted)
        drafted.append(image.size)
        return answer

    monkeypatch.setattr(JpegImageFile, "draft", recorded)
    small = made(content, recipe)
    assert drafted
    assert drafted[0][0] * 2 <= size[1] + 1
    assert drafted[0][1] >= 2 * 224
    monkeypatch.setattr("refer.datasets.decode.DRAFT_GAP", 1e9)
    whole = made(content, recipe)
    print(f"{size}: {psnr(small, whole):.1f} dB, {np.abs(small.astype(int) - whole).mean():.2f} of 255")
    assert psnr(small, whole) > 38
    assert np.abs(small.astype(int) - whole).mean() < 1.5


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_box_of_a_large_jpeg(orientation: int) -> None:
    pixels = smooth(1001, 1403)
    outline = ((300.5, 200.5), (1000.5, 200.5), (650, 900.5))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(np.rot90(pixels, {1: 0, 3: 2, 6: 1}[orientation]))
    small, verdict = decode(
        encoded(stored, "JPEG", quality=95, exif=exif),
        Recipe((128, 128, 3), "square"),
        (300.5, 200.5, 1000.5, 900.5),
        outline,
    )
    assert small is not None
    assert verdict.size == (1403, 1001)
    assert psnr(small, area(pixels, (300.5, 200.5, 1000.5, 900.5), (128, 128))) > 30
    assert verdict.outline == (0, 0, 128, 0, 63.91, 128)


@pytest.fixture
def flir(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put something in the place of the reader of FLIR's files."""

    def picture(content: bytes, view: str) -> Image.Image:
        if content == b"broken":
            raise ValueError("no thermal image inside")
        return Image.new("L", (320, 240), 77) if view == "temperature" else Image.new("RGB", (640, 480), (9, 99, 199))

    module = types.ModuleType("refer.datasets.readers.flir")
    module.picture = picture  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "refer.datasets.readers.flir", module)


@pytest.mark.usefixtures("flir")
def test_views_of_a_radiometric_jpeg() -> None:
    recipe = Recipe((224, 224, 3), "squash")
    assert (made(b"any", recipe, view="temperature") == 77).all()
    assert (made(b"any", recipe, view="embedded") == [9, 99, 199]).all()
    grey = decode(b"any", Recipe((224, 224, 1), "squash"), view="embedded")
    assert grey[0] is not None
    assert grey[1].conversion == "photograph of a radiometric JPEG"
    assert grey[1].size == (640, 480)
    pixels, verdict = decode(b"broken", recipe, view="temperature")
    assert pixels is None
    assert verdict.defect == ("unreadable", "no thermal image inside")


def test_a_face_is_looked_for_only_where_there_is_no_box() -> None:
    asked: list[tuple[str, tuple[int, int]]] = []

    def locate(image: Image.Image) -> tuple[Box, None] | None:
        asked.append((image.mode, image.size))
        return ((10, 10, 74, 74), None) if len(asked) == 1 else None

    pixels = noise(1, (100, 120, 3))
    recipe = Recipe((64, 64, 3), "square", locate=locate)
    assert (made(encoded(pixels, "BMP"), recipe) == pixels[10:74, 10:74]).all()
    assert (made(encoded(pixels, "BMP"), recipe, (20, 30, 84, 94)) == pixels[30:94, 20:84]).all()
    assert len(asked) == 1
    middle = made(encoded(pixels, "BMP"), recipe)
    assert (middle == made(encoded(pixels, "BMP"), recipe._replace(locate=None))).all()
    assert asked == [("RGB", (120, 100))] * 2


# --- what is in files -------------------------------------------------------------------------------------------


MODES = {
    "1": lambda grey: grey.convert("1", dither=Image.Dither.NONE),
    "L": lambda grey: grey,
    "P": lambda grey: grey.convert("P"),
    "LA": lambda grey: grey.convert("LA"),
    "RGB": lambda grey: grey.convert("RGB"),
    "RGBA": lambda grey: Image.merge("RGBA", (grey, grey, grey, grey)),
    "CMYK": lambda grey: grey.convert("RGB").convert("CMYK"),
    "YCbCr": lambda grey: grey.convert("RGB").convert("YCbCr"),
    "I;16": lambda grey: Image.fromarray(np.asarray(grey).astype(np.uint16) << 8),
}


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_the_wanted_one(mode: str, bands: int) -> None:
    grey = Image.fromarray(smooth(32, 32)).convert("L")
    content = encoded_image(MODES[mode](grey), "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")
    pixels, verdict = decode(content, Recipe((32, 32, bands)))
    assert pixels is not None
    assert pixels.shape == (32, 32, bands)
    assert (pixels == pixels[:, :, :1]).all()
    expected = np.where(np.asarray(grey) > 127, 255, 0) if mode == "1" else np.asarray(grey)
    assert np.abs(pixels[:, :, 0] - expected.astype(int)).max() <= 1
    assert bool(verdict.conversion) == (mode != {1: "L", 3: "RGB"}[bands])


def encoded_image(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore")  # Pillow's, which `prepare` silences
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["JPEG", "PNG", "BMP", "TIFF", "WEBP"]))
def test_damaged_files_never_raise(rubbish: bytes, at: int, form: str) -> None:
    content = encoded(smooth(20, 30), form)
    damaged = content[:at] + rubbish + content[at + len(rubbish) :]
    for recipe in (Recipe((20, 30, 3)), Recipe((16, 16, 1), "square")):
        pixels, verdict = decode(damaged, recipe)
        assert pixels is not None or verdict.defect
