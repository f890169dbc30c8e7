from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from data_fixtures import encoded, noise
from reader_fixtures import read, through, told
from refer.datasets.readers.bu3dfe import BU3DFE, CLASSES, locate
from refer.errors import UserError

NAME = "F0001/F0001_{}WH_F2D.bmp"
CODES = ("AN", "DI", "FE", "HA", "SA", "SU")
ONE = NAME.format("AN01")


def ellipse(
    size: int = 256, middle: tuple[float, float] = (0.5, 0.5), axes: tuple[float, float] = (0.25, 0.35)
) -> np.ndarray:
    """Return where a head is (size×size, bool)."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    return ((x - middle[0]) / axes[0]) ** 2 + ((y - middle[1]) / axes[1]) ** 2 < 1


def picture(head: np.ndarray, skin: float = 180, ground: float = 0) -> np.ndarray:
    """Return a head with dark eyes before a plain ground (H×W×3, uint8)."""
    grain = np.random.default_rng(0).integers(-4, 5, (*head.shape, 3))
    pixels = np.where(head[..., None], skin + grain, ground)
    rows, columns = np.flatnonzero(head.any(axis=1)), np.flatnonzero(head.any(axis=0))
    (y, height), (x, width) = ((some.mean(), len(some)) for some in (rows, columns))
    for eye in (-0.2, 0.2):
        left, top = int(x + (eye - 0.08) * width), int(y - 0.1 * height)
        pixels[top : top + height // 20 + 1, left : left + width // 6 + 1] = ground
    return pixels.clip(0, 255).astype(np.uint8)


def person(subject: str = "F0001", ancestry: str = "WH") -> dict[str, bytes]:
    """Return the names of all 25 photographs of one person, and of other files of hers."""
    codes = [f"{code}{level:02d}" for code in CODES for level in (1, 2, 3, 4)]
    names = [f"{subject}/{subject}_{code}{ancestry}" for code in ("NE00", *codes)]
    others = ("_RAW.wrl", "_F3D.wrl", "_F3D.bmp", "_F3D.bnd")
    return {name + suffix: b"" for name in names for suffix in ("_F2D.bmp", *others)}


def test_names_say_everything() -> None:
    listing = read(BU3DFE, person() | {f"BU_3DFE/{name}": b"" for name in person("M0044", "AE")})
    assert not listing.problems
    assert len(listing.rows) == 50
    assert len(listing.unused) == 200
    said = {(row.subject, CLASSES[row.label], row.level) for row in listing.rows}
    assert ("F0001", "neutral", 0) in said
    assert ("M0044", "surprise", 4) in said
    assert len(said) == 50
    assert {row.id for row in listing.rows} >= {"F0001_AN01WH", "M0044_NE00AE"}
    assert {(row.split, row.modality) for row in listing.rows} == {("all", "visible")}


def test_the_owners_counts_are_those_of_100_people() -> None:
    files = {}
    for sex, number in (("F", 56), ("M", 44)):
        for one in range(1, number + 1):
            files |= person(f"{sex}{one:04d}")
    rows = read(BU3DFE, files).rows
    assert len({row.subject for row in rows}) == 100
    assert tuple(sum(row.label == label for row in rows) for label in range(7)) == BU3DFE.counts["all"]


@settings(max_examples=15, deadline=None)
@given(st.permutations(sorted(person())), st.booleans())
def test_neither_order_nor_case_nor_leading_folder_matters(names: list[str], small: bool) -> None:
    files = {f"deep/{name.lower() if small else name}": b"" for name in names}
    found = read(BU3DFE, files).rows
    assert {row._replace(member="") for row in found} == {
        row._replace(member="") for row in read(BU3DFE, person()).rows
    }


@pytest.mark.parametrize(
    ("stem", "what"),
    [
        ("F0001_XX01WH", "XX is none of AN, DI"),
        ("F0001_NE01WH", "NE has no level 01"),
        ("F0001_AN00WH", "AN has no level 00"),
        ("F0001_AN05WH", "AN has no level 05"),
        ("F0057_AN01WH", "F0057 is none of the people F0001 to F0056 and M0001 to M0044"),
        ("M0045_AN01WH", "M0045 is none of the people"),
        ("F0000_AN01WH", "F0000 is none of the people"),
        ("COPY OF F0001_AN01WH", "its name is not like F0001_AN01WH_F2D"),
        ("Ä0001_AN01WH", "its name is not like"),
    ],
)
def test_names_that_cannot_be(stem: str, what: str) -> None:
    listing = read(BU3DFE, {ONE: b"", f"F0001/{stem}_F2D.bmp": b""})
    assert [row.id for row in listing.rows] == ["F0001_AN01WH"]
    assert told(listing)[stem].startswith(what)


def test_two_photographs_of_one_moment() -> None:
    listing = read(BU3DFE, {ONE: b"", ONE.replace("WH", "BL"): b"", NAME.format("AN02"): b""})
    assert [row.id for row in listing.rows] == ["F0001_AN02WH"]
    both = "F0001_AN01BL and F0001_AN01WH are one person, expression and level"
    assert told(listing) == {"F0001_AN01BL": both, "F0001_AN01WH": both}
    with pytest.raises(UserError, match=r"more than once: F0001/F0001_AN01WH_F2D.bmp, copy/F0001_AN01WH_F2D.bmp"):
        read(BU3DFE, {ONE: b"", "copy/F0001_AN01WH_F2D.bmp": b""})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "looked for F0001/F0001_AN01WH_F2D.bmp .*found nothing"),
        (["F0001/F0001_AN01WH_F3D.bmp"], "found F0001/F0001_AN01WH_F3D.bmp"),
        (["F0001.rar", "M0001.RAR"], r"Unpack F0001.rar, M0001.RAR first \(unrar x\)"),
    ],
)
def test_what_is_not_recognised_is_named(names: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        BU3DFE.recognise(names)


# --- the face in the pixels -------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.4, 0.6),
    st.floats(0.4, 0.6),
    st.floats(0.2, 0.3),
    st.floats(0.25, 0.36),
    st.sampled_from([64, 256, 500]),
)
def test_box_and_outline_of_a_head_before_black(x: float, y: float, a: float, b: float, size: int) -> None:
    head = ellipse(size, (x, y), (a, b))
    found = locate(Image.fromarray(picture(head)))
    assert found
    (left, top, right, bottom), outline = found
    pixel = max(size / 128, 1)
    assert right - left == pytest.approx(bottom - top)
    assert (left + right) / 2 == pytest.approx(x * size, abs=1.5 * pixel)
    assert (top + bottom) / 2 == pytest.approx(y * size, abs=1.5 * pixel)
    assert right - left == pytest.approx(2 * max(a, b) * size * 1.12, abs=4 * pixel)
    far = [((px / size - x) / a) ** 2 + ((py / size - y) / b) ** 2 for px, py in outline]
    assert len(outline) == 36
    assert np.abs(np.sqrt(far) - 1).max() * min(a, b) * size < 2 * pixel


@pytest.mark.parametrize(("skin", "ground"), [(30, 0), (180, 255), (60, 90), (220, 40)])
def test_dark_skin_and_other_grounds(skin: float, ground: float) -> None:
    found = locate(Image.fromarray(picture(ellipse(), skin, ground)))
    assert found
    assert found[0] == pytest.approx((28, 28, 228, 228), abs=4)


def test_a_neck_may_reach_the_lower_edge() -> None:
    head = ellipse()
    head[170:, 100:156] = True
    found = locate(Image.fromarray(picture(head)))
    assert found
    left, top, right, bottom = found[0]
    assert top < 38
    assert bottom > 256
    assert (left + right) / 2 == pytest.approx(128, abs=3)


@pytest.mark.parametrize(
    "pixels",
    [
        noise(1, (256, 256, 3)),
        np.zeros((256, 256, 3), np.uint8),
        np.full((2, 300, 3), 9, np.uint8),
        np.full((1, 1, 3), 9, np.uint8),
        picture(ellipse(axes=(0.05, 0.05))),
        picture(ellipse(middle=(0.3, 0.5), axes=(0.15, 0.2)) | ellipse(middle=(0.7, 0.5), axes=(0.15, 0.2))),
        picture(ellipse(axes=(0.7, 0.7))),
        np.linspace(0, 255, 256 * 256 * 3).reshape(256, 256, 3).astype(np.uint8),
    ],
    ids=["noise", "black", "a line", "one pixel", "a dot", "two heads", "no border", "a gradient"],
)
def test_where_no_face_can_be_told(pixels: np.ndarray) -> None:
    assert locate(Image.fromarray(pixels)) is None


def test_the_face_is_cut_out_and_outlined(tmp_path: Path) -> None:
    head = ellipse(256, (0.4, 0.55))
    files = {ONE: encoded(picture(head), "BMP"), NAME.format("NE00"): encoded(noise(1, (256, 320, 3)), "BMP")}
    prepared = through(tmp_path, "bu3dfe", files)
    outline, cut = prepared.outline("F0001_AN01WH"), prepared["F0001_AN01WH"]
    assert outline is not None
    assert np.abs((outline.min(axis=0) + outline.max(axis=0)) / 2 - 64).max() < 2
    assert outline[:, 1].max() - outline[:, 1].min() == pytest.approx(128 / 1.12, abs=3)
    y, x = np.nonzero(cut.max(axis=2) > 90)
    assert [x.min(), x.max() + 1] == pytest.approx([outline[:, 0].min(), outline[:, 0].max()], abs=2)
    assert [y.min(), y.max() + 1] == pytest.approx([outline[:, 1].min(), outline[:, 1].max()], abs=2)
    assert prepared.outline("F0001_NE00WH") is None
    square = noise(1, (256, 320, 3))[:, 32:288].reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(prepared["F0001_NE00WH"] - square).max() <= 1, "the middle square"
    assert prepared.about["outlines"] == 1
    assert prepared.about["levels"] == {"0": 1, "1": 1}
    assert prepared.index.loc["F0001_AN01WH", ["subject", "level", "class"]].tolist() == ["F0001", 1, "angry"]
    assert prepared.about["subjects"] == 1


def test_outlines_do_not_depend_on_the_number_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refer.datasets.pixels.TOGETHER", 2)
    files = {NAME.format(f"{code}01"): encoded(picture(ellipse(64), 90 + 9 * i), "BMP") for i, code in enumerate(CODES)}
    one, two = (through(tmp_path, "bu3dfe", files, workers=workers).about["fingerprint"] for workers in (1, 2))
    assert one == two
