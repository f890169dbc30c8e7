"""Images of 16 bits: scaled by a rule that is stated, or refused; and sets that show next to nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_fixtures import encoded, noise
from reader_fixtures import through
from refer.errors import UserError

NAMES = ("Angry", "Happy", "Neutral", "Sad", "Surprise")
LEVELS = {name: noise(seed, (224, 224)) for seed, name in enumerate(NAMES)}


def pairs(low: float, high: float, levels: dict[str, np.ndarray] = LEVELS) -> dict[str, bytes]:
    """Return a little VIRI whose infrared images of 16 bits run from `low` to `high`."""
    files = {}
    for name, grey in levels.items():
        deep = np.rint(low + grey / 255 * (high - low)).astype(np.uint16)
        files[f"VIRI/Visible/{name}/S01_1.png"] = encoded(noise(9, (224, 224, 3)), "PNG")
        files[f"VIRI/Thermal/{name}/S01_1.png"] = encoded(deep, "PNG")
    return files


def infrared(prepared: object, name: str) -> np.ndarray:
    return prepared[f"Thermal/{name}/S01_1.png"][:, :, 0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("low", "high", "done"), [(0, 255, "16 bits that hold 8 and L to RGB"), (0, 65535, "16 bits and L to RGB")]
)
def test_grey_levels_of_8_and_of_16_bits_are_read(tmp_path: Path, low: int, high: int, done: str) -> None:
    prepared = through(tmp_path, "viri", pairs(low, high), stand_in=False)
    assert prepared.about["conversions"] == {done: 5}
    for name in NAMES:
        assert (infrared(prepared, name) == LEVELS[name]).all()


@pytest.mark.parametrize(("low", "high"), [(51000, 52200), (1800, 4000), (0, 4095), (256, 900)])
def test_other_values_are_refused_unless_their_range_is_stated(tmp_path: Path, low: int, high: int) -> None:
    files = pairs(low, high)
    with pytest.raises(UserError, match=rf"5 images of 16 bits hold values from {low:,} to {high:,}.*\n.*grey_levels"):
        through(tmp_path, "viri", files, stand_in=False, tolerate=["counts", "sizes", "unreadable"])
    prepared = through(tmp_path, "viri", files, stand_in=False, grey_levels=(low, high))
    for name in NAMES:
        away = infrared(prepared, name).astype(int) - LEVELS[name]
        assert np.abs(away).max() <= 1, "values are whole numbers, of which a level has few"
    assert prepared.about["grey_levels"] == [low, high]
    narrow = through(tmp_path, "viri", files, grey_levels=(low + (high - low) / 2, high))
    assert (infrared(narrow, "Sad")[LEVELS["Sad"] < 127] == 0).all(), "what lies beyond is cut off"


def test_a_range_is_two_rising_numbers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"grey_levels: found \[4000, 1800\]"):
        through(tmp_path, "viri", pairs(1800, 4000), grey_levels=(4000, 1800))


def test_a_set_that_shows_next_to_nothing_stops(tmp_path: Path) -> None:
    dim = {name: np.uint8(20) + grey % 8 for name, grey in LEVELS.items()}  # a standard deviation of 2.3
    files = pairs(0, 255, dim)
    with pytest.raises(UserError, match=r"5 images have hardly any contrast \(a standard deviation below 3 of 255\)"):
        through(tmp_path, "viri", files, stand_in=False)
    prepared = through(tmp_path, "viri", files, stand_in=False, tolerate=["contrast"])
    assert len(prepared.about["tolerated"]["contrast"]) == 5
    clear = {name: np.uint8(20) + grey % 16 for name, grey in LEVELS.items()}  # of 4.6
    assert through(tmp_path, "viri", pairs(0, 255, clear), stand_in=False).about["images"] == 10


def test_a_few_blank_images_are_no_collapse(tmp_path: Path) -> None:
    files = {f"test/happy/PublicTest_{number}.png": encoded(noise(number), "PNG") for number in range(199)}
    files["test/happy/PublicTest_900.png"] = encoded(np.zeros((48, 48), np.uint8), "PNG")
    known = {"stand_in": False, "tolerate": ["counts"]}
    assert through(tmp_path, "fer2013", files, **known).about["images"] == 200  # type: ignore[arg-type]
    files |= {f"test/happy/PublicTest_90{number}.png": files["test/happy/PublicTest_900.png"] for number in (1, 2)}
    with pytest.raises(UserError, match="3 images have hardly any contrast"):
        through(tmp_path, "fer2013", files, **known)  # type: ignore[arg-type]
