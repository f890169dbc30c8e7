"""Drawn places indoors, and surfaces close by. Each function fills an empty plate."""

from __future__ import annotations

import numpy as np
from PIL import Image

from refer.datasets.standin.people import mix
from refer.datasets.standin.scenery import Plate, hue, ink, lit


def room(plate: Plate) -> None:
    """A wall, a floor, and what stands and hangs there."""
    rng = plate.rng
    wall, floor = hue(rng, rng.uniform(0.05, 0.35), rng.uniform(0.55, 0.95)), hue(rng, 0.35, rng.uniform(0.25, 0.6))
    edge = rng.uniform(0.62, 0.85)
    corner = rng.uniform(-0.3, 0.4)
    plate.ramp(wall, lit(wall, 0.88))
    plate.shape([(-0.1, -0.1), (corner, -0.1), (corner, edge), (-0.1, edge + 0.25)], lit(wall, 0.75))
    plate.shape([(-0.1, edge + 0.25), (corner, edge), (1.1, edge), (1.1, 1.1), (-0.1, 1.1)], floor)
    plate.box((max(0.0, corner), edge - 0.02, 1, edge), lit(wall, 1.12))
    if rng.random() < 0.7:
        _window(plate, rng.uniform(0.35, 0.75), rng.uniform(0.05, 0.15), rng.uniform(0.25, 0.4), rng.uniform(0.3, 0.45))
    for _ in range(int(rng.integers(1, 4))):
        _frame(plate, rng.uniform(0.05, 0.8), rng.uniform(0.08, 0.35))
    for _ in range(int(rng.integers(1, 3))):
        _furniture(plate, rng.uniform(-0.1, 0.8), edge + rng.uniform(0.02, 0.15))
    if rng.random() < 0.5:
        _lamp(plate, rng.uniform(0.1, 0.9), edge + 0.1)


def _window(plate: Plate, x: float, y: float, width: float, height: float) -> None:
    rng = plate.rng
    sky = (rng.uniform(190, 255), rng.uniform(215, 255), 255.0)
    frame = hue(rng, 0.1, rng.uniform(0.5, 1.0))
    plate.box((x - 0.02, y - 0.02, x + width + 0.02, y + height + 0.02), frame)
    plate.box((x, y, x + width, y + height), sky)
    hill = y + height * rng.uniform(0.5, 0.9)
    plate.box((x, hill, x + width, y + height), hue(rng, 0.4, 0.55))
    for part in range(1, int(rng.integers(2, 4))):
        plate.box((x + width * part / 3 - 0.008, y, x + width * part / 3 + 0.008, y + height), frame)
    plate.box((x, y + height / 2 - 0.008, x + width, y + height / 2 + 0.008), frame)
    if rng.random() < 0.6:
        curtain = hue(rng, rng.uniform(0.2, 0.7), rng.uniform(0.4, 0.9))
        for strip in range(7):
            for start in (x - 0.08, x + width - 0.06):
                left = start + 0.02 * strip
                plate.box((left, y - 0.05, left + 0.02, y + height + 0.12), lit(curtain, 0.8 + 0.25 * (strip % 2)))


def _frame(plate: Plate, x: float, y: float) -> None:
    rng = plate.rng
    width, height = rng.uniform(0.08, 0.22, 2)
    plate.box((x, y, x + width, y + height), hue(rng, 0.4, rng.uniform(0.15, 0.7)))
    plate.box((x + 0.014, y + 0.014, x + width - 0.014, y + height - 0.014), (235, 230, 220))
    for _ in range(4):
        left, top = x + rng.uniform(0.025, width * 0.6), y + rng.uniform(0.025, height * 0.6)
        plate.box((left, top, left + width * 0.3, top + height * 0.3), hue(rng, 0.6, rng.uniform(0.4, 0.9)))


def _furniture(plate: Plate, x: float, y: float) -> None:
    rng = plate.rng
    width, height = rng.uniform(0.25, 0.55), rng.uniform(0.15, 0.35)
    body = hue(rng, rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.75))
    plate.box((x, y - height, x + width, y + 0.05), body)
    plate.box((x, y - height, x + width, y - height + 0.025), lit(body, 1.3))
    if rng.random() < 0.5:
        cushion = width / 3
        for part in range(3):
            left = x + part * cushion
            plate.box((left + 0.01, y - 0.45 * height, left + cushion - 0.01, y - 0.05), lit(body, 1.15))
    else:
        for row in range(3):
            top = y - height + 0.035 + row * height / 3
            plate.box((x + 0.02, top, x + width - 0.02, top + height / 3 - 0.02), lit(body, 0.85))
            plate.disc(x + width / 2, top + height / 7, 0.01, 0.01, (220, 200, 140))
    plate.box((x, y + 0.05, x + width, y + 0.075), lit(body, 0.3))


def _lamp(plate: Plate, x: float, floor: float) -> None:
    glow = (255.0, plate.rng.uniform(215, 245), plate.rng.uniform(150, 215))
    plate.box((x - 0.008, 0.3, x + 0.008, floor), (60, 55, 50))
    plate.shape([(x - 0.06, 0.2), (x + 0.06, 0.2), (x + 0.11, 0.36), (x - 0.11, 0.36)], glow)


def shelf(plate: Plate) -> None:
    """Boards full of books and things."""
    rng = plate.rng
    wood = hue(rng, rng.uniform(0.1, 0.5), rng.uniform(0.2, 0.8))
    plate.ramp(lit(wood, 0.45), lit(wood, 0.3))
    boards = int(rng.integers(2, 6))
    height = 1.0 / boards
    palette = [hue(rng, rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.9)) for _ in range(9)]
    for board in range(boards):
        bottom = (board + 1) * height - 0.025
        x = rng.uniform(-0.05, 0.02)
        while x < 1.0:
            width, tall = rng.uniform(0.018, 0.06), height * rng.uniform(0.55, 0.85)
            colour = lit(palette[int(rng.integers(9))], rng.uniform(0.7, 1.15))
            if rng.random() < 0.07:
                plate.disc(x + 0.06, bottom - 0.08, 0.05, 0.08, colour)
                x += 0.13
                continue
            lean = 0.04 if rng.random() < 0.08 else 0.0
            top = bottom - tall
            plate.shape([(x + lean, top), (x + width + lean, top), (x + width, bottom), (x, bottom)], colour)
            plate.box((x + 0.004, top + 0.2 * tall, x + width - 0.004, top + 0.28 * tall), lit(colour, 1.5))
            x += width + (0.0 if rng.random() < 0.9 else rng.uniform(0.02, 0.15))
        plate.box((0, bottom, 1, bottom + 0.025), wood)
        plate.box((0, bottom + 0.025, 1, bottom + 0.04), lit(wood, 0.25))
    plate.blur = rng.uniform(0, 0.012)


def bricks(plate: Plate) -> None:
    """Bricks or tiles, each a little different."""
    rng = plate.rng
    tiles = rng.random() < 0.4
    stone = hue(rng, 0.2, rng.uniform(0.5, 0.95)) if tiles else (rng.uniform(120, 190), rng.uniform(70, 110), 70.0)
    rows = int(rng.integers(6, 16))
    high = 1.0 / rows
    wide = high * (1.0 if tiles else rng.uniform(2, 2.8))
    gap = 0.08 * high
    joint = lit(stone, 0.6) if tiles else (190.0, 182.0, 170.0)
    plate.box((0, 0, 1, 1), joint)
    for row in range(rows):
        offset = -(row % 2) * wide / 2 * (not tiles)
        for column in range(int(1 / wide) + 3):
            left, top = offset + column * wide, row * high
            shade = lit(stone, rng.uniform(0.78, 1.12))
            plate.box((left + gap, top + gap, left + wide - gap, top + high - gap), shade)
    plate.grain = 1 + 0.22 * plate.cloud(5) + 0.1 * plate.cloud(40, 1)


def planks(plate: Plate) -> None:
    """Boards of wood, upright or lying."""
    rng = plate.rng
    wood = (rng.uniform(110, 220), rng.uniform(80, 160), rng.uniform(50, 120))
    number = int(rng.integers(4, 10))
    for plank in range(number):
        plate.box((0, plank / number, 1, (plank + 1) / number), lit(wood, rng.uniform(0.75, 1.15)))
        plate.box((0, plank / number, 1, plank / number + 0.008), lit(wood, 0.35))
    plate.grain = 1 + 0.3 * plate.cloud(60, 2, stretch=20) + 0.15 * plate.cloud(6)
    if rng.random() < 0.5:
        plate.image = plate.image.transpose(Image.Transpose.ROTATE_90)
        plate.grain = plate.grain.T


def cloth(plate: Plate) -> None:
    """A woven or printed cloth with folds."""
    rng = plate.rng
    ground = hue(rng, rng.uniform(0.2, 0.7), rng.uniform(0.35, 0.9))
    plate.box((0, 0, 1, 1), ground)
    step = rng.uniform(0.06, 0.2)
    bands = [(hue(rng, 0.6, rng.uniform(0.3, 1.0)), rng.uniform(0.1, 0.45)) for _ in range(3)]
    print_ = int(rng.integers(3))
    for number in range(int(1 / step) + 2):
        colour, width = bands[number % 3]
        x = number * step
        if print_ < 2:
            plate.box((x, 0, x + width * step, 1), colour)
        if print_ == 1:
            for other in range(int(1 / step) + 2):
                plate.box((x, other * step, x + step, other * step + 0.25 * step), mix(colour, ground, 0.5))
        if print_ == 2:
            for other in range(int(1 / step) + 2):
                plate.disc(x, (other + 0.5 * (number % 2)) * step, 0.25 * step, 0.25 * step, colour)
    plate.image = plate.image.rotate(rng.uniform(-40, 40), Image.Resampling.BILINEAR, fillcolor=ink(ground))
    plate.grain = 1 + 0.4 * plate.cloud(3, 2, stretch=0.4) + 0.05 * plate.cloud(80, 1)


def plaster(plate: Plate) -> None:
    """A wall in the light of a window: gradients and a shadow's edge."""
    rng = plate.rng
    wall = hue(rng, rng.uniform(0.02, 0.4), rng.uniform(0.45, 0.98))
    plate.blend(wall, lit(wall, rng.uniform(0.4, 0.75)), np.clip(0.5 + 0.9 * plate.cloud(2, 2), 0, 1))
    x, slope, wide = rng.uniform(-0.2, 0.7), rng.uniform(-0.5, 0.5), rng.uniform(0.2, 0.6)
    if rng.random() < 0.7:
        plate.shape([(x, 0), (x + wide, 0), (x + wide + slope, 1), (x + slope, 1)], lit(wall, 1.15))
    if rng.random() < 0.5:
        plate.box((0, rng.uniform(0.7, 0.85), 1, 1), lit(hue(rng, 0.3, 0.5), 0.9))
    plate.grain = 1 + 0.06 * plate.cloud(50, 2)
    plate.blur = rng.uniform(0, 0.015)
