"""Drawn places outdoors. Each function fills an empty plate."""

from __future__ import annotations

import numpy as np

from refer.datasets.standin.people import mix
from refer.datasets.standin.scenery import Plate, hue, lit


def sky(plate: Plate, horizon: bool = True) -> None:
    """Sky with clouds, over hills, sea or a field."""
    rng = plate.rng
    top = (rng.uniform(50, 120), rng.uniform(110, 170), rng.uniform(190, 245))
    low = (rng.uniform(190, 255), rng.uniform(190, 235), rng.uniform(190, 240))
    if rng.random() < 0.3:
        top, low = (60.0, 60.0, 120.0), (255.0, rng.uniform(140, 190), rng.uniform(80, 130))
    share = np.clip(
        np.linspace(0, 1, plate.size, dtype=np.float32)[:, None] * 0.8
        + 0.9 * np.maximum(0, plate.cloud(4, 4, stretch=1.8) - rng.uniform(-0.1, 0.3)),
        0,
        1,
    )
    plate.blend(top, low, share)
    if not horizon:
        return
    far = mix(low, (90, 120, 130), 0.6)
    near = (rng.uniform(40, 120), rng.uniform(80, 140), rng.uniform(30, 80))
    height = rng.uniform(0.5, 0.75)
    for layer in range(int(rng.integers(2, 5))):
        plate.ridge(height + 0.11 * layer, 0.012 + 0.006 * layer, mix(far, near, layer / 3))
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(3, 14))):
            x, base = rng.uniform(0, 1), height + rng.uniform(0.15, 0.4)
            tall = rng.uniform(0.08, 0.3)
            plate.box((x - 0.008, base - tall / 2, x + 0.008, base), (70, 50, 36))
            plate.disc(x, base - tall, 0.35 * tall, 0.5 * tall, lit(near, rng.uniform(0.5, 0.9)))
    plate.grain = 1 + 0.12 * plate.cloud(24, 2)


def foliage(plate: Plate) -> None:
    """Leaves upon leaves, dark ones behind."""
    rng = plate.rng
    leaf = (rng.uniform(40, 150), rng.uniform(100, 180), rng.uniform(20, 90))
    if rng.random() < 0.2:
        leaf = (rng.uniform(180, 230), rng.uniform(90, 150), 40.0)
    plate.ramp(lit(leaf, 0.35), lit(leaf, 0.2), 0.4 * plate.cloud(4))
    long = rng.uniform(0.025, 0.09)
    outline = np.array([(-1, 0), (-0.4, 0.36), (0.3, 0.32), (1, 0), (0.3, -0.32), (-0.4, -0.36)])
    number = 230
    turn = rng.uniform(0, 2 * np.pi, number)
    size = long * rng.uniform(0.6, 1.4, number)
    x, y = outline[:, 0] * size[:, None], outline[:, 1] * size[:, None]
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    place = rng.uniform(-0.05, 1.05, (2, number, 1))
    leaves = np.stack((x * cos - y * sin + place[0], x * sin + y * cos + place[1]), axis=2)
    for depth, points in enumerate(leaves):
        plate.shape(points, lit(leaf, (0.35 + 0.8 * depth / number) * rng.uniform(0.75, 1.25)))
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(5, 25))):
            x0, y0 = rng.uniform(0, 1, 2)
            petal = hue(rng, rng.uniform(0.3, 0.8), 0.95)
            plate.disc(x0, y0, 0.4 * long, 0.4 * long, petal)
            plate.disc(x0, y0, 0.14 * long, 0.14 * long, (240, 210, 90))
    plate.blur = float(rng.choice([0.0, 0.006, 0.02]))


def street(plate: Plate) -> None:
    """Houses with windows, by day or at dusk."""
    rng = plate.rng
    dusk = rng.random() < 0.35
    sky = (rng.uniform(30, 80), 50.0, 100.0) if dusk else (rng.uniform(150, 220), 205.0, 235.0)
    plate.ramp(sky, lit(sky, 1.25))
    left = -rng.uniform(0, 0.15)
    while left < 1:
        width, top = rng.uniform(0.18, 0.45), rng.uniform(0.02, 0.4)
        wall = lit(hue(rng, rng.uniform(0.1, 0.45), rng.uniform(0.5, 0.9)), 0.35 if dusk else 1.0)
        plate.box((left, top, left + width, 1), wall)
        plate.box((left, top, left + width, top + 0.015), lit(wall, 0.7))
        columns, floors = int(rng.integers(2, 5)), int(rng.integers(4, 9))
        wide, high = width / columns, (0.95 - top) / floors
        for floor in range(floors):
            for column in range(columns):
                x, y = left + (column + 0.25) * wide, top + (floor + 0.3) * high
                bright = rng.random() < (0.5 if dusk else 0.15)
                pane = (250.0, 215.0, 130.0) if dusk and bright else lit((90, 110, 130), 1.7 if bright else 0.8)
                plate.box((x - 0.006, y - 0.006, x + wide / 2 + 0.006, y + 0.55 * high + 0.006), lit(wall, 1.2))
                plate.box((x, y, x + wide / 2, y + 0.55 * high), pane)
        left += width + (0.0 if rng.random() < 0.6 else rng.uniform(0, 0.08))
    plate.box((0, 0.93, 1, 1), (70, 70, 74))
    plate.blur = float(rng.choice([0.0, 0.004, 0.015]))
    plate.grain = 1 + 0.08 * plate.cloud(30, 1)


def lights(plate: Plate) -> None:
    """Lights far out of focus."""
    rng = plate.rng
    dark = hue(rng, 0.6, rng.uniform(0.08, 0.35))
    plate.blend(dark, hue(rng, 0.5, 0.5), np.clip(0.4 + plate.cloud(2, 2), 0, 1))
    for _ in range(int(rng.integers(15, 45))):
        radius = rng.uniform(0.015, 0.07)
        colour = mix(hue(rng, 0.6, 1.0), dark, rng.uniform(0.1, 0.7))
        plate.disc(rng.uniform(0, 1), rng.uniform(0, 1), radius, radius, colour)
    plate.blur = rng.uniform(0.006, 0.025)


def water(plate: Plate) -> None:
    """Waves up to a horizon or a shore."""
    rng = plate.rng
    sky(plate, horizon=False)
    height = rng.uniform(0.2, 0.5)
    deep = (rng.uniform(10, 60), rng.uniform(70, 130), rng.uniform(110, 170))
    plate.box((0, height, 1, 1), deep)
    if rng.random() < 0.5:
        plate.ridge(height - 0.02, 0.008, (70, 90, 70))
        plate.box((0, height, 1, 1), deep)
    for _ in range(150):
        near = rng.uniform(0, 1) ** 1.5
        x, y = rng.uniform(-0.1, 1), height + near * (1 - height)
        long = 0.02 + 0.12 * near
        plate.disc(x, y, long, 0.002 + 0.008 * near, mix(deep, (220, 235, 240), rng.uniform(0, 0.55)))
    if rng.random() < 0.4:
        plate.ridge(rng.uniform(0.8, 0.92), 0.01, (205, 185, 145))
    plate.grain = 1 + 0.1 * plate.cloud(20, 2, stretch=4)
