"""Near duplicates: made copies are found, other pictures are not, in whatever order and size they come."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from prepared_fixtures import brightened, cropped, jpeg, picture, squeezed
from refer.datasets.near import VIEWS, Pairs, near_between, near_duplicates, thumbnails

MANY = 60
COPIES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "compressed": (lambda p: jpeg(p, 30), "as it is"),
    "brightened": (lambda p: brightened(p, 25), "as it is"),
    "darkened": (lambda p: brightened(p, -30), "as it is"),
    "of less contrast": (lambda p: brightened(p, 40, 0.6), "as it is"),
    "moved": (lambda p: np.roll(p, 1, axis=1), "as it is"),
    "cropped at the edges": (lambda p: cropped(p, 1, 1, 1, 1), "as it is"),
    # By 2 of 48 at each edge the scale is 44/48 = .917; 1 of 48 leaves .958, which is "as it is".
    "cropped by two": (lambda p: cropped(p, 2, 2, 2, 2), "cropped"),
    "cropped to four fifths": (lambda p: cropped(p, 4.8, 4.8, 4.8, 4.8), "cropped"),
    "cropped to a corner": (lambda p: cropped(p, 0, 9.6, 9.6, 0), "cropped"),
    "turned to the left": (lambda p: turned(p, 10), "turned"),
    "turned to the right": (lambda p: turned(p, -17), "turned"),
    "turned as far as is looked for": (lambda p: turned(p, 29), "turned"),
    "cropped by three": (lambda p: cropped(p, 3, 3, 3, 3), "cropped"),
    "cropped on one side": (lambda p: cropped(p, 2, 0, 0, 0), "as it is"),
    "mirrored": (lambda p: p[:, ::-1], "mirrored"),
    "mirrored and turned": (lambda p: turned(p[:, ::-1], 14), "mirrored"),
    "mirrored and compressed": (lambda p: jpeg(np.ascontiguousarray(p[:, ::-1]), 40), "mirrored"),
}


def turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    """Turn an image; what comes in from outside is black."""
    return np.asarray(squeezed(pixels).rotate(degrees, Image.Resampling.BICUBIC)).reshape(pixels.shape)


def others(count: int = MANY, size: int = 48, channels: int = 1) -> np.ndarray:
    return np.stack([picture(seed, size, channels) for seed in range(count)])


def as_set(pairs: Pairs) -> set[tuple[int, int]]:
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def test_different_pictures_are_no_near_duplicates() -> None:
    images = others(300)
    assert len(near_duplicates(images, range(300)).first) == 0


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_nothing_else(kind: str) -> None:
    change, view = COPIES[kind]
    images = others()
    copied = np.concatenate([images, np.stack([change(image) for image in images[:20]])])
    pairs = near_duplicates(copied, range(len(copied)))
    own = {(number, MANY + number) for number in range(20)}
    print(kind, len(as_set(pairs) & own), "of 20,", len(as_set(pairs) - own), "others")
    assert as_set(pairs) <= own
    assert len(as_set(pairs)) >= 19
    views = [VIEWS[number] for number in pairs.view]
    assert views.count(view) > len(views) / 2
    assert (pairs.correlation > 0.85).all()
    assert (pairs.distance < 0.4).all()


def test_two_sets_are_compared_by_the_names_of_their_rows() -> None:
    images = others(30)
    equalised = np.asarray(ImageOps.equalize(squeezed(images[12])))[..., None]
    second = np.stack([picture(200), jpeg(images[7], 30), equalised, images[20][:, ::-1], turned(images[3], 20)])
    assert as_set(near_between(images, range(5, 30), second, range(5))) == {(7, 1), (12, 2)}
    assert as_set(near_between(images, [8, 12], second, [0, 2])) == {(12, 2)}
    everything = near_between(images, range(30), second, range(5), views=True)
    assert as_set(everything) == {(3, 4), (7, 1), (12, 2), (20, 3)}
    views = dict(zip(everything.first.tolist(), (VIEWS[view] for view in everything.view), strict=True))
    assert views == {3: "turned", 7: "as it is", 12: "as it is", 20: "mirrored"}


@pytest.mark.parametrize("small", ["first", "second"])
def test_a_crop_is_found_whichever_set_it_stands_in(small: str) -> None:
    images = others(30)
    crops = np.stack([cropped(images[4], 9, 0, 0, 9), picture(300)])
    sets = (images, range(30), crops, range(2)) if small == "second" else (crops, range(2), images, range(30))
    assert as_set(near_between(*sets, views=True)) == {(4, 0) if small == "second" else (0, 4)}


@pytest.mark.parametrize(("size", "channels"), [(48, 1), (100, 3), (128, 1), (224, 3)])
def test_sizes_and_colours(size: int, channels: int) -> None:
    images = others(24, size, channels)
    copied = np.concatenate([images, [jpeg(image, 30) for image in images[:6]], [images[6][:, ::-1]]])
    pairs = near_duplicates(copied, range(len(copied)))
    assert as_set(pairs) == {*((number, 24 + number) for number in range(6)), (6, 30)}
    assert thumbnails(images, np.arange(24)).shape == (24, 48, 48)


def test_only_the_rows_that_are_asked_for_and_their_numbers() -> None:
    images = others(30)
    images[[3, 8, 20]] = [brightened(images[4], 10), brightened(images[4], 20), brightened(images[4], 30)]
    assert as_set(near_duplicates(images, range(30))) == {(3, 4), (3, 8), (3, 20), (4, 8), (4, 20), (8, 20)}
    assert as_set(near_duplicates(images, [20, 5, 4, 6])) == {(4, 20)}


@pytest.mark.parametrize("rows", [[], [2]])
def test_too_few_to_compare(rows: list[int]) -> None:
    pairs = near_duplicates(others(3), rows)
    assert [len(column) for column in pairs] == [0] * len(Pairs._fields)


def test_two_pictures_alone_can_be_told() -> None:
    one = picture(1)
    assert as_set(near_duplicates(np.stack([one, brightened(one, 12)]), [0, 1])) == {(0, 1)}
    assert as_set(near_duplicates(np.stack([one, picture(2)]), [0, 1])) == set()


def test_stripes_and_flat_parts_do_no_harm() -> None:
    stripes = np.zeros((48, 48, 1), np.uint8)
    stripes[::4] = 200
    half = np.zeros((48, 48, 1), np.uint8)
    half[:, 24:] = 255
    images = np.concatenate([others(20), [stripes, half, brightened(half, 5)]])
    assert as_set(near_duplicates(images, range(23))) == {(21, 22)}


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(24)))
def test_the_order_of_images_does_not_matter(order: list[int]) -> None:
    images = others(24)
    for number in range(4):
        images[20 + number] = cropped(images[number], number, 1, 1, number)
    straight = as_set(near_duplicates(images, range(24)))
    assert len(straight) >= 3
    mixed = as_set(near_duplicates(images[order], range(24)))
    assert {tuple(sorted((order[a], order[b]))) for a, b in mixed} == straight
