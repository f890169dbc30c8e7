"""From a person and an expression to named curves, and from curves to their place in the image.

Face coordinates: the origin lies on the skin between the eyes, x runs to the right of the image, y down and
z towards the viewer; the unit is half the width of a middling face. Curves are drawn in x and y on a
frontal face; each has a `lift`, how far it stands in front of the skull's ellipsoid, which gives it the z
that turning the head needs. Sides are -1 (left of the image) and 1 (right).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refer.datasets.standin import hair
from refer.datasets.standin.captures import Capture
from refer.datasets.standin.curves import Knots, Lift, Points, curve, ellipse, mirrored, pairs
from refer.datasets.standin.expressions import Expression
from refer.datasets.standin.people import Identity

SIDES = ((-1, "left"), (1, "right"))
SKULL = (1.14, 1.62, 0.95)
"""Half axes of the skull's ellipsoid: x, y, z."""


@dataclass(frozen=True)
class Shape:
    """A frontal face: `curves` maps names to points (n, 2), `lifts` to their height above the skull.

    `marks` maps the name of a curve that is a line of the skin (a fold, a wrinkle) to its depth, 0 to 1.
    `relief` are soft lights and shadows, one row each: x, y, lift, radius in x, radius in y, darkness
    (negative where the skin catches light), blush.
    """

    curves: Mapping[str, Points]
    lifts: Mapping[str, Lift]
    marks: Mapping[str, float]
    relief: NDArray[np.float64]


@dataclass(frozen=True)
class Face:
    """A face as it is seen: `points` (n, 2) in image units (the side has length 1), and its soft shading.

    `spans` maps the name of a curve to its place in `points`. `relief` is as in `Shape`, but turned with the
    head, tilted and framed: x, y, radius in x, radius in y (in image units), darkness, blush.
    """

    points: Points
    spans: Mapping[str, slice]
    marks: Mapping[str, float]
    relief: NDArray[np.float64]

    def curve(self, name: str) -> Points:
        """Return the points (n, 2) of one curve; KeyError where this face has none of that name."""
        return self.points[self.spans[name]]


_ACROSS = np.linspace(-1.0, 1.0, 19)
"""From corner to corner of the mouth, left to right."""
_ARCH = np.maximum(0.0, 1.0 - _ACROSS**2)
_BOW = 1.0 - 0.3 * np.exp(-((_ACROSS / 0.2) ** 2))
_LID = np.linspace(-1.0, 1.0, 13)
"""From the inner corner of the eye to the outer one."""
_LID_ARCH = np.maximum(0.0, 1.0 - _LID**2) ** 0.75
_BROW = np.linspace(0.0, 1.0, 13)
"""From the inner end of the brow to the outer one."""
_BROW_TAPER = np.minimum(1.0, 0.55 + 2.2 * _BROW) * (1.0 - 0.85 * _BROW**2.5)


class _Sketch:
    """Collects the curves of one face."""

    def __init__(self, who: Identity, expression: Expression) -> None:
        self.who = who
        self.does = expression.strength
        self.curves: dict[str, Points] = {}
        self.lifts: dict[str, Lift] = {}
        self.marks: dict[str, float] = {}
        self.relief: list[tuple[float, ...]] = []
        does = expression.strength
        self.jaw_drop = 0.26 * does("AU26") + 0.42 * does("AU27")
        # The middle of the mouth and the chin of this face.
        self.mouth_y = 0.77 * who.face_length
        self.chin_y = 1.3 * who.face_length + 0.85 * self.jaw_drop - 0.03 * does("AU17")

    def add(self, name: str, points: Points, lift: Lift = 0.0) -> None:
        self.curves[name] = points
        self.lifts[name] = lift

    def mark(self, name: str, knots: Knots, depth: float, lift: float = 0.0) -> None:
        """Add a line of the skin, unless it is too shallow to be seen."""
        if depth > 0.08:
            self.add(name, curve(knots), lift)
            self.marks[name] = min(1.0, depth)

    def light(
        self, x: float, y: float, rx: float, ry: float, darkness: float, blush: float = 0.0, lift: float = 0.0
    ) -> None:
        """Add a soft light (negative darkness) or shadow."""
        self.relief.append((x, y, lift, rx, ry, darkness, blush))


def shape(who: Identity, expression: Expression) -> Shape:
    """Return the frontal face of the person `who` with this expression."""
    sketch = _Sketch(who, expression)
    _head(sketch)
    for side, name in SIDES:
        _eye(sketch, side, name)
        _brow(sketch, side, name)
        _cheek(sketch, side, name)
    _forehead(sketch)
    _nose(sketch)
    _mouth(sketch)
    _chin(sketch)
    _dress(sketch)
    return Shape(sketch.curves, sketch.lifts, sketch.marks, np.array(sketch.relief))


def head_outline(who: Identity, chin_y: float) -> Knots:
    """Return the right half of the head's outline, from the top of the skull to the chin."""
    wide, jaw = who.face_width, who.jaw_width
    drop = chin_y - 1.3
    return [
        (0.0, -1.4),
        (0.56 * wide, -1.27),
        (0.92 * wide, -0.85),
        (1.0 * wide, -0.25),
        (0.955 * wide, 0.3),
        (0.8 * jaw, 0.84 + 0.7 * drop),
        (0.42 * who.chin_width, 1.2 + drop),
        (0.0, chin_y),
    ]


def _head(sketch: _Sketch) -> None:
    who, chin = sketch.who, sketch.chin_y
    sketch.add("head", curve(mirrored(head_outline(who, chin)), closed=True, steps=3), -0.28)
    neck = 0.58 * who.jaw_width
    sketch.add("neck", np.array([(-neck, 0.6), (neck, 0.6), (neck + 0.08, 2.3), (-neck - 0.08, 2.3)]), -0.75)
    sketch.add(
        "cloth",
        curve([(-2.6, 3.2), (-2.1, 1.95), (-0.72, 1.56), (0.0, 1.8), (0.72, 1.56), (2.1, 1.95), (2.6, 3.2)]),
        -0.75,
    )
    for side, name in SIDES:
        if who.hair_style in hair.COVERS_EARS:
            continue
        x = side * who.face_width
        ear = [(x, -0.22), (x + side * 0.11, -0.23), (x + side * 0.12, 0.0), (x + side * 0.07, 0.27)]
        sketch.add(f"ear.{name}", curve([*ear, (x - side * 0.06, 0.32)], closed=True), -0.65)
        inner = [(x + side * 0.03, -0.13), (x + side * 0.08, -0.11), (x + side * 0.06, 0.12)]
        sketch.mark(f"ear fold.{name}", inner, 0.5, -0.62)
    # The side of the face turns away, the forehead and the cheekbones catch light.
    sketch.light(0.0, -0.75, 0.55, 0.3, -0.1)
    sketch.light(0.0, chin + 0.3, 0.75, 0.26, 0.5, lift=-0.75)


def _eye(sketch: _Sketch, side: int, name: str) -> None:
    who, does = sketch.who, sketch.does
    half = 0.225 * who.eye_size
    x, y = side * 0.43 * who.eye_spacing, 0.0
    shut = 1.0 - does("AU43")
    narrowed = 1.0 - 0.3 * does("AU7") - 0.16 * does("AU6") - 0.25 * does("AU9") - 0.08 * does("AU4")
    upper = 0.112 * who.eye_height * who.eye_size * (narrowed + 0.72 * does("AU5")) * shut
    raised = 1.0 - 0.45 * does("AU7") - 0.5 * does("AU6") - 0.35 * does("AU9") + 0.12 * does("AU5")
    lower = 0.085 * who.eye_height * who.eye_size * max(0.25, raised) * (0.35 + 0.65 * shut)
    y += 0.07 * (1.0 - shut)
    # Sorrow pulls the inner part of the lid up, anger down.
    slant = 0.3 * does("AU1") * (1 - 0.6 * does("AU2")) - 0.28 * does("AU4") * (1 - does("AU1"))
    across = x + side * half * _LID
    tilt = y - who.eye_tilt * _LID
    top = tilt - max(upper, 0.004) * _LID_ARCH * (1.0 - slant * _LID)
    bottom = tilt + lower * _LID_ARCH * (1.0 + 0.15 * _LID)
    lids = pairs(across, top), pairs(across, bottom)
    sketch.add(f"upper lid.{name}", lids[0], 0.02)
    sketch.add(f"lower lid.{name}", lids[1], 0.02)
    sketch.add(f"eye.{name}", np.concatenate((lids[0], lids[1][::-1])), 0.02)
    # What of the iris the lids hide is painted over with skin, up to the socket's arches.
    reach = 0.2 * who.eye_size * _LID_ARCH**0.5
    sketch.add(f"upper socket.{name}", pairs(across, tilt - reach), 0.02)
    sketch.add(f"lower socket.{name}", pairs(across, tilt + 0.9 * reach), 0.02)
    fold = top - (0.055 + 0.02 * (1 - shut)) * who.eye_height * _LID_ARCH**0.6
    sketch.add(f"lid fold.{name}", pairs(across, fold), 0.02)
    sketch.marks[f"lid fold.{name}"] = 0.45
    radius = 0.118 * who.eye_size
    sketch.add(f"iris.{name}", ellipse(x, -0.012, radius, radius), 0.02)
    pouch = lower + 0.06 - 0.02 * does("AU6")
    depth = 0.16 + 0.4 * who.age + 0.5 * does("AU6") + 0.3 * does("AU7")
    arc = [(x - side * half * 0.9, y + 0.05), (x, y + pouch + 0.05), (x + side * half * 0.95, y + pouch * 0.5)]
    sketch.mark(f"pouch.{name}", arc, 0.55 * depth, 0.02)
    for number, rise in enumerate((-0.07, 0.0, 0.07)):
        feet = 0.4 * does("AU6") + 0.3 * (who.age - 0.45) + 0.1 * does("AU7")
        start = (x + side * (half + 0.07), y + 0.4 * rise)
        end = (x + side * (half + 0.2), y + 0.02 + 1.5 * rise)
        middle = (x + side * (half + 0.14), y + 0.95 * rise)
        sketch.mark(f"crow's foot {number}.{name}", [start, middle, end], 0.7 * feet)
    # The socket lies in shadow, more so when the brow comes down.
    sketch.light(x - side * 0.12, y - 0.13, 0.2, 0.11, 0.2 + 0.16 * does("AU4"))
    sketch.light(x, y + 0.02, 0.3, 0.16, 0.07)


def _brow(sketch: _Sketch, side: int, name: str) -> None:
    who, does = sketch.who, sketch.does
    base = -0.29 * who.brow_height - 0.02
    up1, up2, down = does("AU1"), does("AU2"), does("AU4")
    inner_y = base - 0.19 * up1 - 0.04 * up2 + 0.15 * down * (1 - 0.5 * up1) + 0.06 * does("AU9")
    middle_y = base - 0.055 - 0.06 * up1 - 0.15 * up2 + 0.1 * down + 0.04 * does("AU9") + 0.02 * does("AU6")
    outer_y = base + 0.05 + 0.01 * up1 - 0.19 * up2 + 0.05 * down
    inner_x = 0.2 - 0.055 * down - 0.02 * does("AU9")
    spacing = who.eye_spacing
    spine = curve(
        [
            (side * inner_x * spacing, inner_y),
            (side * 0.38 * spacing, 0.55 * middle_y + 0.45 * inner_y - 0.012),
            (side * 0.56 * spacing, middle_y),
            (side * 0.75 * spacing, outer_y),
        ]
    )
    hairs = pairs(0.0, 0.042 * who.brow_thickness * _BROW_TAPER)
    sketch.add(f"brow.{name}", np.concatenate((spine - hairs, (spine + hairs)[::-1])), 0.08)
    sketch.add(f"brow spine.{name}", spine, 0.08)
    frown = 0.85 * down + 0.35 * does("AU9") + 0.25 * (who.age - 0.5)
    x = side * 0.085
    sketch.mark(f"frown.{name}", [(x, inner_y - 0.1), (x * 0.85, inner_y), (x * 1.1, inner_y + 0.1)], frown, 0.1)
    sketch.light(side * 0.5, middle_y + 0.02, 0.3, 0.06, -0.07)
    sketch.light(side * 0.13, inner_y + 0.06, 0.1, 0.1, 0.24 * down + 0.06)


def _forehead(sketch: _Sketch) -> None:
    who, does = sketch.who, sketch.does
    up1, up2 = does("AU1"), does("AU2")
    rest = 0.3 * max(0.0, who.age - 0.45)
    for number, y in enumerate((-0.62, -0.75, -0.88)):
        height = y * who.brow_height
        raised = -0.03 * up1
        whole = rest + 0.75 * up2 * (1 - 0.2 * number) + 0.1 * up1
        wide = [(-0.5, height + 0.03), (-0.2, height + raised), (0.2, height + raised), (0.5, height + 0.03)]
        sketch.mark(f"forehead {number}", wide, whole, 0.05)
        centre = [(-0.2, height + 0.05), (0.0, height + 0.02), (0.2, height + 0.05)]
        sketch.mark(f"forehead middle {number}", centre, 0.7 * up1 * (1 - 0.7 * up2), 0.05)


def _cheek(sketch: _Sketch, side: int, name: str) -> None:
    who, does = sketch.who, sketch.does
    pull, lift, sneer = does("AU12", side), does("AU6"), does("AU10", side)
    depth = 0.12 + 0.3 * who.age + 0.5 * pull + 0.45 * sneer + 0.4 * does("AU9") + 0.15 * does("AU15")
    top = (side * (0.215 * who.nose_width + 0.03 * pull), 0.36 - 0.05 * does("AU9") - 0.04 * sneer)
    bend = (side * (0.36 + 0.07 * pull + 0.03 * sneer), sketch.mouth_y - 0.24)
    end = (side * (0.45 + 0.12 * pull), sketch.mouth_y - 0.02 - 0.04 * pull + 0.05 * does("AU15"))
    sketch.mark(f"cheek fold.{name}", [top, bend, end], 0.85 * depth, 0.06)
    full = 0.6 * lift + 0.4 * pull
    sketch.light(side * 0.55, 0.36 - 0.08 * full, 0.24, 0.17, -0.1 - 0.14 * full, 0.32 + 0.15 * full)
    sketch.light(side * 0.68, 0.68 + 0.1 * sketch.jaw_drop, 0.2, 0.26, 0.13 + 0.16 * sketch.jaw_drop)
    sketch.light(side * 0.98, 0.3, 0.16, 0.75, 0.22)
    sketch.light(bend[0] + side * 0.04, bend[1] - 0.02, 0.07, 0.1, 0.22 * depth)
    dimple = 0.75 * does("AU14", side) + 0.12 * pull
    corner = _corner(sketch, side)
    x, y = corner[0] + side * 0.06, corner[1]
    sketch.mark(f"dimple.{name}", [(x, y - 0.1), (x + side * 0.04, y), (x, y + 0.1)], dimple, 0.06)
    sketch.light(x + side * 0.02, y, 0.07, 0.09, 0.35 * does("AU14", side))


def _nose(sketch: _Sketch) -> None:
    who, does = sketch.who, sketch.does
    wrinkle = does("AU9")
    sneer = max(does("AU10", -1), does("AU10", 1))
    length = 0.43 * who.nose_length
    up = 0.055 * wrinkle + 0.02 * sneer
    wide = 0.17 * who.nose_width * (1.0 + 0.12 * wrinkle + 0.06 * sneer)
    for side, name in SIDES:
        wing = [(side * wide * 0.8, length - 0.13 - up), (side * wide * 1.08, length - 0.04 - up)]
        wing += [(side * wide * 0.95, length + 0.05 - up), (side * wide * 0.62, length + 0.055 - up)]
        sketch.add(f"nose wing.{name}", curve(wing), 0.12)
        sketch.marks[f"nose wing.{name}"] = 0.62
        hole = ellipse(side * wide * 0.46, length + 0.045 - 0.6 * up, wide * 0.27, 0.026, 12)
        sketch.add(f"nostril.{name}", hole, 0.2)
        for number, y in enumerate((0.03, 0.1, 0.17)):
            start, end = (side * 0.03, y - 0.02), (side * 0.15, y - 0.06)
            sketch.mark(f"nose wrinkle {number}.{name}", [start, end], 0.85 * wrinkle, 0.2)
        sketch.light(side * 0.13, 0.12, 0.06, 0.24, 0.09 + 0.12 * wrinkle, lift=0.1)
        sketch.light(side * wide * 1.05, length - 0.02, 0.05, 0.08, 0.1, lift=0.1)
    tip = [(-wide * 0.42, length + 0.03 - up), (0.0, length + 0.085 - up), (wide * 0.42, length + 0.03 - up)]
    sketch.add("nose tip", curve(tip), 0.3)
    sketch.marks["nose tip"] = 0.4
    sketch.light(0.0, 0.08, 0.055, 0.22, -0.2, lift=0.22)
    sketch.light(0.0, length - 0.04 - up, 0.09, 0.08, -0.26, 0.12, lift=0.36)
    sketch.light(0.0, length + 0.12 - up, 0.2, 0.06, 0.34, lift=0.1)


def _corner(sketch: _Sketch, side: int) -> tuple[float, float]:
    """Return where the corner of the mouth lies."""
    who, does = sketch.who, sketch.does
    rest = who.smile_at_rest
    smile, frown = does("AU12", side) + max(0.0, rest), does("AU15") + max(0.0, -rest)
    dimpler = does("AU14", side)
    width = 0.37 * who.mouth_width + 0.13 * smile + 0.1 * does("AU20") + 0.05 * dimpler - 0.02 * frown
    width -= 0.055 * does("AU23") + 0.015 * does("AU24") + 0.03 * does("AU26") + 0.09 * does("AU27")
    height = sketch.mouth_y - 0.17 * smile + 0.14 * frown - 0.05 * dimpler + 0.03 * does("AU20")
    height += 0.42 * sketch.jaw_drop * (1 - 0.6 * min(1.0, smile))
    return side * width, height


def _mouth(sketch: _Sketch) -> None:
    who, does = sketch.who, sketch.does
    (left_x, left_y), (right_x, right_y) = _corner(sketch, -1), _corner(sketch, 1)
    x = 0.5 * (left_x + right_x) + 0.5 * (right_x - left_x) * _ACROSS
    corners = 0.5 * (left_y + right_y) + 0.5 * (right_y - left_y) * _ACROSS
    smile = 0.5 * (does("AU12", -1) + does("AU12", 1))
    frown = does("AU15")
    middle = sketch.mouth_y + 0.015 * smile - 0.035 * does("AU17") - 0.02 * frown + 0.12 * sketch.jaw_drop
    line = middle + (corners - middle) * np.abs(_ACROSS) ** 1.7
    sneer = np.where(_ACROSS < 0, does("AU10", -1), does("AU10", 1)) * np.minimum(1.0, 0.45 + np.abs(_ACROSS))
    parted = does("AU25")
    above = (0.03 * parted + 0.1 * sketch.jaw_drop + 0.03 * does("AU5") * parted) * _ARCH**0.7
    above = above + (0.085 * sneer * parted + 0.05 * does("AU9") * parted) * _ARCH**0.5
    below = (0.05 * parted * (1 + 0.9 * smile) + 1.0 * sketch.jaw_drop) * _ARCH ** (0.62 - 0.1 * frown)
    below = below + (0.09 * does("AU16") * (0.3 + 0.7 * parted) + 0.02 * does("AU20") * parted) * _ARCH**0.4
    thin = 1.0 - 0.45 * does("AU23") - 0.62 * does("AU24") - 0.28 * smile - 0.2 * does("AU20")
    thin = max(0.2, thin) * who.lip_fullness
    upper_thickness = 0.085 * thin * _ARCH**0.8 * _BOW
    lower_thickness = (0.11 * thin + 0.03 * does("AU17")) * _ARCH**0.7
    pushed = 0.045 * sneer + 0.025 * does("AU9")
    inner_top, inner_bottom = line - above, line + below
    outlines = {
        "upper lip top": inner_top - upper_thickness - (0.4 * pushed * _ARCH**0.5),
        "mouth top": inner_top - (0.15 * pushed * _ARCH),
        "mouth bottom": np.maximum(inner_bottom, inner_top),
        "lower lip bottom": np.maximum(inner_bottom, inner_top) + lower_thickness,
    }
    for name, y in outlines.items():
        sketch.add(name, pairs(x, y), 0.08)
    top, bottom = outlines["mouth top"], outlines["mouth bottom"]
    gap = bottom - top
    upper_teeth = np.minimum(bottom, top + np.minimum(0.115, 0.25 * gap + 0.05) * _ARCH**0.3)
    lower_show = 0.075 * max(does("AU16"), 0.6 * does("AU20"), 0.35 * does("AU26"))
    lower_teeth = np.maximum(upper_teeth, bottom - lower_show * _ARCH)
    tongue = np.maximum(upper_teeth, bottom - (0.32 * gap) * _ARCH)
    inside = {"upper teeth bottom": upper_teeth, "lower teeth top": lower_teeth, "tongue top": tongue}
    for name, y in inside.items():
        sketch.add(name, pairs(x, y), 0.02)
    lowest = float(outlines["lower lip bottom"][9])
    sketch.light(0.0, lowest + 0.055, 0.22, 0.05, 0.26, lift=0.05)
    sketch.light(0.0, lowest - 0.045, 0.14, 0.03, -0.14, lift=0.1)
    sketch.light(0.0, float(outlines["upper lip top"][9]) - 0.07, 0.05, 0.06, 0.1, lift=0.08)
    for side, name in SIDES:
        corner_x, corner_y = _corner(sketch, side)
        deep = 0.14 + 0.1 * frown + 0.12 * smile
        sketch.light(corner_x, corner_y, 0.06, 0.05, deep, lift=0.04)
        down = [(corner_x, corner_y + 0.02), (corner_x + side * 0.03, corner_y + 0.1)]
        end = (corner_x + side * 0.02, corner_y + 0.2)
        sketch.mark(f"corner fold.{name}", [*down, end], 0.6 * frown + 0.25 * max(0.0, who.age - 0.5))


def _chin(sketch: _Sketch) -> None:
    push, chin = sketch.does("AU17"), sketch.chin_y
    sketch.light(0.0, chin - 0.16, 0.2, 0.11, -0.1 - 0.12 * push)
    top = chin - 0.24
    sketch.mark("chin fold", [(-0.16, top + 0.03), (0.0, top - 0.02), (0.16, top + 0.03)], 0.75 * push, 0.05)
    for side, name in SIDES:
        spot = [(side * 0.06, chin - 0.16), (side * 0.09, chin - 0.1)]
        sketch.mark(f"chin dimple.{name}", spot, 0.55 * push, 0.05)


def _dress(sketch: _Sketch) -> None:
    """Add what grows or is worn: hair, beard, glasses."""
    who, head = sketch.who, sketch.curves["head"]
    below = head[head[:, 1] > 0.35]
    jaw = below[np.argsort(-below[:, 0], kind="stable")]
    worn = hair.hair(who) | hair.beard(who, jaw, sketch.curves["upper lip top"]) | hair.glasses(who)
    for name, (points, lift) in worn.items():
        sketch.add(name, points, lift)


def see(face: Shape, capture: Capture) -> Face:
    """Turn the head, project it (parallel to the line of sight) and frame it as the capture says."""
    spans, start = {}, 0
    for name, points in face.curves.items():
        spans[name] = slice(start, start + len(points))
        start += len(points)
    frontal = np.concatenate((*face.curves.values(), face.relief[:, :2]))
    lifts = np.empty(len(frontal))
    for name, span in spans.items():
        lifts[span] = face.lifts[name]
    lifts[start:] = face.relief[:, 2]
    placed = place(turn(frontal, lifts, capture), capture)
    relief = np.empty((len(face.relief), 6))
    relief[:, :2] = placed[start:]
    relief[:, 2:4] = _tilted(face.relief[:, 3:5], capture)
    relief[:, 4:] = face.relief[:, 5:]
    return Face(placed[:start], spans, face.marks, relief)


def turn(points: Points, lifts: Points, capture: Capture) -> Points:
    """Turn frontal points (n, 2) with their lifts (n,) by yaw and pitch; returns (n, 2) in face units."""
    x, y = points[:, 0], points[:, 1]
    a, b, c = SKULL
    z = c * np.sqrt(np.maximum(0.0, 1.0 - (x / a) ** 2 - (y / b) ** 2)) + lifts
    yaw, pitch = math.radians(capture.yaw), math.radians(capture.pitch)
    ahead = z * math.cos(yaw) - x * math.sin(yaw)
    # The axis of the neck lies behind the origin; taking 0.6 off keeps the middle of the face in place.
    across = x * math.cos(yaw) + (z - 0.6) * math.sin(yaw)
    return pairs(across, y * math.cos(pitch) + (ahead - 0.6) * math.sin(pitch))


def place(points: Points, capture: Capture) -> Points:
    """Tilt, scale and shift points (n, 2) in face units to image units (the side has length 1)."""
    roll = math.radians(capture.roll)
    cos, sin = capture.scale * math.cos(roll), capture.scale * math.sin(roll)
    x, y = points[:, 0], points[:, 1]
    return pairs(x * cos - y * sin + capture.centre[0], x * sin + y * cos + capture.centre[1])


def _tilted(radii: Points, capture: Capture) -> Points:
    """Return the half extents (n, 2), along the image's axes, of ellipses (n, 2) tilted with the head."""
    roll = math.radians(capture.roll)
    cos2, sin2 = math.cos(roll) ** 2, math.sin(roll) ** 2
    square = radii * radii
    return capture.scale * np.sqrt(square * cos2 + square[:, ::-1] * sin2)
