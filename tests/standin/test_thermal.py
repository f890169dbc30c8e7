"""Thermal pictures of drawn faces: warm where faces are, blind to colour and light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refer.datasets.standin import faces, thermal
from refer.datasets.standin.geometry import see
from refer.datasets.standin.thermal import Warmth, beside, false_colour, grey, radiate, sample_warmth

SIZE = 192
NEUTRAL: faces.Expression = {}
BARE = replace(faces.sample_identity(faces.generator(11)), glasses=False, beard="none", hair_style="crop")

Celsius = NDArray[np.float32]


def seen(
    who: faces.Identity = BARE,
    warmth: Warmth = Warmth(),  # noqa: B008
    expression: faces.Expression = NEUTRAL,
    capture: faces.Capture = faces.STUDIO,
    noise: float = 0.0,
) -> Celsius:
    return radiate(who, warmth, expression, capture, SIZE, faces.generator(0), noise=noise)


def at(field: Celsius, x: float, y: float) -> float:
    """Return the mean of the nine pixels around a place in image units."""
    column, row = int(x * SIZE), int(y * SIZE)
    return float(field[row - 1 : row + 2, column - 1 : column + 2].mean())


def place(x: float, y: float) -> tuple[float, float]:
    """Return where a place in face coordinates lies on a frontal picture."""
    shot = faces.STUDIO
    return shot.centre[0] + x * shot.scale, shot.centre[1] + y * shot.scale


def face(who: faces.Identity = BARE, expression: faces.Expression = NEUTRAL) -> Mapping[str, NDArray[np.float64]]:
    return see(who, expression, faces.STUDIO).curves


def test_it_is_a_field_of_plausible_temperatures() -> None:
    field = seen()
    assert field.shape == (SIZE, SIZE)
    assert field.dtype == np.float32
    assert 22.5 < field.min() < 23.5
    assert 35 < field.max() < 38


def test_warmth_sits_where_it_does_on_faces() -> None:
    found: dict[str, list[float]] = {}
    for person in range(24):
        who = replace(faces.sample_identity(faces.generator(3, person)), glasses=False, beard="none", hair_style="crop")
        field, curves = seen(who, sample_warmth(faces.generator(3, person, 1, 1))), face(who)
        places = {
            "inner corner": curves["upper lid.left"][-1],
            "outer corner": curves["upper lid.left"][0],
            "cornea": curves["iris.left"].mean(axis=0),
            "nose": curves["nose tip"][4] - (0, 0.02),
            "forehead": place(0, -0.65),
            "cheek": place(0.56, 0.42),
            "neck": place(0, 1.7),
            "hair": place(0, -1.28),
            "wall": (0.03, 0.1),
        }
        here = {name: at(field, *where) for name, where in places.items()}
        assert here["inner corner"] > here["forehead"] > here["cheek"] > here["nose"] > here["wall"] + 4
        assert here["forehead"] - 3 > here["hair"] > here["wall"] + 2
        assert here["inner corner"] > field.max() - 1
        for name, celsius in here.items():
            found.setdefault(name, []).append(celsius)
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    for name, below in {"forehead": 0.9, "cornea": 1.0, "outer corner": 1.5}.items():
        # As measured on twenty people (see `warmth`), to the half of what they differ by.
        assert mean["inner corner"] - mean[name] == pytest.approx(below, abs=0.4), name
    assert 0.4 < np.std(found["forehead"]) < 1.0
    assert np.std(found["nose"]) > np.std(found["forehead"])


def test_an_open_mouth_is_warm() -> None:
    shut, wide = seen(), seen(expression={"AU25": 0.8, "AU27": 1.0})
    curves = face(expression={"AU25": 0.8, "AU27": 1.0})
    x, y = (curves["mouth top"][8] + curves["mouth bottom"][8]) / 2
    assert at(wide, x, y) > at(shut, x, y) + 1.2
    assert at(wide, x, y) > at(wide, *place(0.56, 0.42)) + 1.2


def test_glasses_are_cold_and_hide_the_eyes() -> None:
    with_, without = seen(replace(BARE, glasses=True)), seen()
    x, y = face()["iris.left"].mean(axis=0)
    assert at(with_, x, y) < at(without, x, y) - 5
    wide = {"AU5": 1.0}
    # What little is left comes from the brow and the folds, beside the lenses.
    hidden = abs(at(seen(replace(BARE, glasses=True), expression=wide), x, y) - at(with_, x, y))
    assert hidden < 0.05 < abs(at(seen(expression=wide), x, y) - at(without, x, y))


@pytest.mark.parametrize("beard", ["stubble", "full"])
def test_a_beard_is_cooler_than_the_skin(beard: str) -> None:
    bearded, bare = seen(replace(BARE, beard=beard)), seen()
    x, y = place(0, 1.12)
    assert at(bearded, x, y) < at(bare, x, y) - 0.3
    assert at(bearded, *place(0, -0.65)) == pytest.approx(at(bare, *place(0, -0.65)), abs=1e-3)


colours = st.tuples(*3 * [st.floats(0, 255)])


@settings(max_examples=12, deadline=None)
@given(
    colours,
    colours,
    colours,
    colours,
    st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_colour_and_light_change_nothing(
    skin: faces.Capture, hair: tuple, iris: tuple, cloth: tuple, light: tuple, hard: float, seed: int
) -> None:
    rng = faces.generator(seed)
    who, shot, expression = faces.sample_identity(rng), faces.sample_capture(rng), faces.sample_expression("sad", rng)
    other = replace(who, skin=skin, hair=hair, iris=iris, cloth=cloth)
    lit = replace(
        shot,
        light=light,
        contrast_of_light=hard,
        background=skin,
        contrast=hard,
        brightness=40 * hard,
        noise=9 * hard,
    )
    one = radiate(who, Warmth(), expression, shot, 64, faces.generator(0))
    assert (radiate(other, Warmth(), expression, lit, 64, faces.generator(0)) == one).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(faces.PROTOTYPES)))
def test_anybody_in_any_pose_has_the_temperatures_of_a_living_person(seed: int, emotion: str) -> None:
    rng = faces.generator(seed)
    who, expression = faces.sample_identity(rng), faces.sample_expression(emotion, rng)
    shot = beside(faces.sample_capture(rng), rng)
    field = radiate(who, sample_warmth(rng), expression, shot, 64, rng)
    assert np.isfinite(field).all()
    assert 18 < field.min() < 29  # a face that fills the picture leaves no wall to see
    assert 33.5 < field.max() < 39


def test_a_person_has_an_own_pattern_that_stays() -> None:
    anna, ben = (sample_warmth(faces.generator(5, person)) for person in range(2))
    smile = {"AU12": 0.6}
    x, y = (slice(int(low * SIZE), int(high * SIZE)) for low, high in ((0.35, 0.65), (0.15, 0.38)))
    of_anna, smiling, of_ben = (
        field[y, x] for field in (seen(warmth=anna), seen(warmth=anna, expression=smile), seen(warmth=ben))
    )

    def pattern(field: Celsius) -> Celsius:
        return field - field.mean()

    assert np.abs(pattern(of_anna) - pattern(smiling)).mean() < 0.3 * np.abs(pattern(of_anna) - pattern(of_ben)).mean()


def test_noise_is_the_sensors_and_comes_from_the_generator() -> None:
    one, same = seen(noise=0.1), seen(noise=0.1)
    other = radiate(BARE, Warmth(), NEUTRAL, faces.STUDIO, SIZE, faces.generator(1), noise=0.1)
    assert (one == same).all()
    assert 0.04 < float((one - other).std()) / 2**0.5 < 0.16


def test_the_thermal_camera_stands_beside_the_other() -> None:
    shot = faces.STUDIO
    moved = [beside(shot, faces.generator(number)) for number in range(200)]
    shifts = np.array([(one.centre[0] - shot.centre[0], one.centre[1] - shot.centre[1]) for one in moved])
    assert np.abs(shifts).max() < 0.03
    assert 0.001 < np.abs(shifts.mean(axis=0)).max() < 0.012
    assert all(abs(one.scale / shot.scale - 1) < 0.04 for one in moved)
    assert beside(shot) == beside(shot)


@given(st.lists(st.floats(15, 45), min_size=2, max_size=30))
def test_a_warmer_element_is_never_darker(values: list[float]) -> None:
    field = np.sort(np.array(values, np.float32)).reshape(1, -1)
    assert (np.diff(grey(field).astype(int)) >= 0).all()
    colour = false_colour(field).astype(float) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(colour) > -1).all(), "inferno grows brighter all the way"


def test_renderings() -> None:
    field = seen()
    assert grey(field).shape == (SIZE, SIZE)
    assert false_colour(field).shape == (SIZE, SIZE, 3)
    assert grey(field).min() < 15
    assert grey(field).max() > 240
    assert grey(np.full((9, 9), 23.0, np.float32)).std() == 0


def test_pictures_are_half_as_sharp_as_they_are_large() -> None:
    assert thermal.COARSE == 2
    field = seen()
    rough = np.abs(np.diff(field[::2, ::2], axis=1)).max()
    assert np.abs(np.diff(field, axis=1)).max() < 0.9 * rough


def test_a_size_that_the_sensor_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match="size is 63; expected a multiple of 2"):
        radiate(BARE, Warmth(), NEUTRAL, faces.STUDIO, 63, faces.generator(0))
