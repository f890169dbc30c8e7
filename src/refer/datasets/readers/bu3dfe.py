"""BU-3DFE: the frontal photographs of 100 people, each neutral and with six expressions of four strengths.

Yin, Wei, Sun, Wang and Rosato, A 3D facial expression database for facial behavior research, 2006. Of its files
only F0001_AN01WH_F2D.bmp (person, expression, level, ancestry) is read: a colour image of 512×512 pixels in
which the textured model stands before black. A row's id is that name without _F2D.
"""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from refer.datasets.model import Dataset, ImageRow, Listing, Problem, some
from refer.datasets.words import SUFFIX
from refer.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CODES = {code: label for label, code in enumerate(("AN", "DI", "FE", "HA", "SA", "SU", "NE"))}
PEOPLE = {"F": 56, "M": 44}

IMAGE = re.compile(rf"(?:.*/)?(?P<stem>[^/]*)_F2D\.{SUFFIX}", re.IGNORECASE)
STEM = re.compile(r"(?P<sex>[FM])(?P<number>\d{4})_(?P<code>[A-Z]{2})(?P<level>\d{2})(?P<ancestry>[A-Z]{2})")
LOOKED_FOR = "F0001/F0001_AN01WH_F2D.bmp and so on"

LAYOUT = "F2D"
SIDE = 128  # pixels of the small image in which the face is looked for
POINTS = 36  # of an outline
NEAREST = 0  # Pillow's; the background is even, so that single pixels tell enough
ALIKE = (6, 24)  # how far a colour may lie from the background's, in any channel: where that is even, and at most
MARGIN = 0.06  # around the face, as a share of its longer side


def recognise(names: Sequence[str]) -> str:
    """Return the layout of these member names, of which there is one.

    Raises:
        UserError: not one file has such a name.
    """
    if any((found := IMAGE.fullmatch(name)) and STEM.fullmatch(found["stem"].upper()) for name in names):
        return LAYOUT
    packed = [name for name in names if name.lower().endswith(".rar")]
    hint = f" Unpack {some(packed)} first (unrar x), and give the folder." if packed else ""
    raise UserError(
        f"This is no BU-3DFE: looked for {LOOKED_FOR} (any folder above, any case); "
        f"found {some(sorted(names)) or 'nothing'}.{hint}"
    )


def read(raw: zipfile.ZipFile) -> Listing:
    """List the frontal photographs; models, two-view textures and landmarks are not used."""
    names = raw.namelist()
    recognise(names)
    members: dict[str, list[str]] = defaultdict(list)
    unused = []
    for name in names:
        found = IMAGE.fullmatch(name)
        if found:
            members[found["stem"].upper()].append(name)
        else:
            unused.append(name)
    twice = [same for same in members.values() if len(same) > 1]
    if twice:
        raise UserError(f"BU-3DFE stands here more than once: {some(twice[0])}. Give the path of one of them.")
    rows: dict[tuple[str, int, int], list[ImageRow]] = defaultdict(list)
    problems = []
    for key, (member,) in members.items():
        row = _row(key, member)
        if isinstance(row, ImageRow):
            rows[row.subject or "", row.label, row.level or 0].append(row)
        else:
            problems.append(Problem("labels", key, row))
    for same in rows.values():
        if len(same) > 1:
            ids = " and ".join(sorted(row.id for row in same))
            problems += [Problem("labels", row.id, f"{ids} are one person, expression and level") for row in same]
    return Listing([same[0] for same in rows.values() if len(same) == 1], problems, unused)


def _row(key: str, member: str) -> ImageRow | str:
    """Return the row of one photograph, or what is wrong with its name."""
    found = STEM.fullmatch(key)
    if not found:
        return "its name is not like F0001_AN01WH_F2D"
    level, code = int(found["level"]), found["code"]
    if code not in CODES:
        return f"{code} is none of {', '.join(CODES)}"
    if level not in ((0,) if code == "NE" else (1, 2, 3, 4)):
        return f"{code} has no level {level:02d}"
    if not 1 <= int(found["number"]) <= PEOPLE[found["sex"]]:
        return f"{found['sex']}{found['number']} is none of the people F0001 to F0056 and M0001 to M0044"
    subject = found["sex"] + found["number"]
    return ImageRow(key, CODES[code], "all", subject, member, level=level)


def locate(image: Image.Image) -> tuple[tuple[float, float, float, float], tuple[tuple[float, float], ...]] | None:
    """Find the face before a plain background: a square box around it and its outline, in pixels of the image.

    Returns None where the border has no one colour, or where what differs from it is no single large piece.
    """
    import numpy as np

    width, height = image.size
    scale = max(1.0, min(width, height) / SIDE)
    small = image.resize((round(width / scale), round(height / scale)), NEAREST)
    face = _foreground([np.asarray(band, np.int16) for band in small.split()])
    if face is None:
        return None
    rows, columns = np.flatnonzero(face.any(axis=1)), np.flatnonzero(face.any(axis=0))
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    side = float(max(right - left, bottom - top)) * (1 + 2 * MARGIN)
    x, y = float(left + right - side) / 2, float(top + bottom - side) / 2
    across, down = width / small.width, height / small.height
    box = (x * across, y * down, (x + side) * across, (y + side) * down)
    return box, tuple((float(x) * across, float(y) * down) for x, y in _outline(face))


def _foreground(bands: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the one large piece (H×W, bool) that has not the border's colour, with its holes; None without one."""
    import numpy as np
    from scipy import ndimage

    away = np.zeros_like(bands[0])
    for band in bands:
        np.maximum(away, np.abs(band - np.int16(np.median(_border(band)))), out=away)
    border = _border(away)
    alike = min(ALIKE[0] + 3 * float(np.median(border)), ALIKE[1])  # dark hair and skin are near to black
    if np.mean(border <= alike) < 0.75:  # a neck may reach the lower edge
        return None
    pieces, _ = ndimage.label(away > alike)
    areas = np.bincount(pieces.ravel())[1:]
    if not areas.size or not 0.08 < areas.max() / pieces.size < 0.9 or areas.max() < 0.8 * areas.sum():
        return None
    face: np.ndarray = pieces == 1 + areas.argmax()
    return face


def _border(values: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def _outline(face: np.ndarray) -> np.ndarray:
    """Return the polygon (POINTS×2, x and y) of a piece: in each direction from its middle its farthest pixel."""
    import numpy as np

    inner = np.zeros_like(face)
    inner[1:-1, 1:-1] = face[1:-1, :-2] & face[1:-1, 2:] & face[:-2, 1:-1] & face[2:, 1:-1]
    y, x = (part + 0.5 for part in np.nonzero(face & ~inner))
    middle = np.array([(face.sum(axis=0) @ np.arange(face.shape[1])), face.sum(axis=1) @ np.arange(face.shape[0])])
    middle = middle / face.sum() + 0.5
    angle = np.arctan2(y - middle[1], x - middle[0])
    sector = np.round(angle / (2 * np.pi) * POINTS).astype(int) % POINTS
    farthest = np.zeros(POINTS)
    np.maximum.at(farthest, sector, np.hypot(y - middle[1], x - middle[0]))
    directions = 2 * np.pi * np.arange(POINTS) / POINTS
    return middle + farthest[:, None] * np.stack([np.cos(directions), np.sin(directions)], axis=1)


BU3DFE = Dataset(
    name="bu3dfe",
    title="BU-3DFE",
    classes=CLASSES,
    splits=("all",),
    modalities=("visible",),
    size=(128, 128),
    channels=3,
    counts={"all": (400, 400, 400, 400, 400, 400, 100)},
    licence="For research, on request from Binghamton University, under the terms of its agreement (see `home`); not "
    "to be passed on.",
    home="https://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html",
    how_to_get="Ask Lijun Yin (Binghamton University) for it, as `home` says. Unpack the .rar of each person (unrar "
    "x), so that F0001/F0001_AN01WH_F2D.bmp and so on lie in one folder, and write its place into the configuration "
    "as `bu3dfe: <path>`. Only the *_F2D.bmp are read.",
    recognise=recognise,
    read=read,
    fit="square",
    access="request",
    levels="0 is neutral, 1 to 4 are the strengths of the expression",
    layouts=(LAYOUT,),
    stand_in="bu3dfe",
    locate=locate,
)
