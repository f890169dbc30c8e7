"""CK+: sequences of frames from a neutral face to the peak of an expression, as their owners give them or as CK+48.

Lucey, Cohn, Kanade, Saragih, Ambadar and Matthews, The extended Cohn-Kanade dataset (CK+), 2010. Listed of each
labelled sequence are its first frame (neutral, level 0) and its last, last but one and last but two (levels 1, 2
and 3; the label is that of the last). A row's id is the owners' name of the frame, S005_001_00000011.
"""

from __future__ import annotations

import math
import operator
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from refer.datasets import words
from refer.datasets.model import Dataset, ImageRow, Listing, Problem, base_name, some
from refer.datasets.texts import encoding
from refer.errors import UserError

CLASSES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
LAST = 3  # frames at the end of a sequence that are listed

FRAME = r"(?P<stem>(?P<sequence>(?P<subject>S\d{3})_(?P<take>\d{3}))_(?P<frame>\d{8}))"
IMAGE = re.compile(rf"(?P<folders>(?:.*/)?){FRAME}\.{words.SUFFIX}", re.IGNORECASE)
LABEL = re.compile(rf"(?:.*/)?{FRAME}_emotion\.txt", re.IGNORECASE)
LANDMARKS = re.compile(rf"(?:.*/)?{FRAME}_landmarks\.txt", re.IGNORECASE)
TABLE = "ckextended.csv"
OFFICIAL, CROPS = "cohn-kanade-images", "CK+48"
LOOKED_FOR = (
    "cohn-kanade-images/S005/001/S005_001_00000011.png with Emotion/S005/001/S005_001_00000011_emotion.txt, "
    "or CK+48's anger/S010_004_00000017.png"
)

POINTS = 68
JAW = slice(0, 17)  # from ear to ear along the chin
BROWS = slice(17, 27)
FOREHEAD = 0.5  # its height as a share of that from chin to brows: a third of the face is above the brows
ARC = 9  # points of an outline above the ears
SQUARE = (0.8, 1.25)  # width / height of a crop; a frame of 640x490 or 640x480 pixels has 1.31 or more
MARGIN = 0.06  # around the outline, as a share of its longer side

Point = tuple[float, float]


def recognise(names: Sequence[str]) -> str:
    """Return the layout of these member names: "cohn-kanade-images" (the owners') or "CK+48" (48×48 crops).

    Raises:
        UserError: neither is there, both are, one lacks its labels, or it is the table without subjects.
    """
    labels = [name for name in names if LABEL.fullmatch(name)]
    frames = [found for name in names if (found := IMAGE.fullmatch(name))]
    crops = [found for found in frames if _emotion(found["folders"]) is not None]
    if labels and crops:
        raise UserError(
            f"CK+ stands here twice, with {labels[0]} and as {crops[0][0]}: give the path of one of them, so that no "
            "image is counted twice."
        )
    if labels and frames:
        return OFFICIAL
    if crops:
        return CROPS
    tables = [name for name in names if base_name(name) == TABLE]
    if tables:
        raise UserError(
            f"{tables[0]} is a copy of CK+ that says of no image whose face it is or which frame, so that no split "
            "can keep people apart: give the owners' archives or CK+48."
        )
    numbered = [found[0] for found in frames if re.search(r"(?:^|/)\d{1,2}/$", found["folders"])]
    if numbered and not labels:
        raise UserError(
            f"CK+ in numbered folders ({some(numbered, 2)}): several orders of its classes go about, and no picture "
            f"tells which this is. Look at some, and rename the folders to {', '.join(CLASSES)}."
        )
    missing = "their labels (Emotion_labels.zip)" if frames else "their frames (extended-cohn-kanade-images.zip)"
    part = f"a part without {missing}: put both into one folder" if frames or labels else some(sorted(names))
    raise UserError(f"This is no CK+: looked for {LOOKED_FOR} (any folder above, any case); found {part or 'nothing'}.")


def read(raw: zipfile.ZipFile) -> Listing:
    """Read whichever layout the raw archive has."""
    names = raw.namelist()
    return _read_crops(raw, names) if recognise(names) == CROPS else _read_official(raw, names)


def _sequences(names: Iterable[str]) -> dict[str, dict[int, str]]:
    """Return the members that are frames, by sequence and number."""
    sequences: dict[str, dict[int, str]] = defaultdict(dict)
    for found in filter(None, map(IMAGE.fullmatch, names)):
        same = sequences[found["sequence"].upper()].setdefault(int(found["frame"]), found[0])
        if same != found[0]:
            raise UserError(
                f"CK+ stands here more than once: {same} and {found[0]} are one frame. Give the path of one of them."
            )
    return sequences


def _emotion(folders: str) -> int | None:
    """Return the class that the innermost folder names, None where it names none."""
    return words.class_of(folders.rstrip("/").rpartition("/")[2], CLASSES)


def _above(folders: str) -> str:
    """Return the folder in which the innermost one lies."""
    return folders.rstrip("/").rpartition("/")[0].lower()


def _read_official(raw: zipfile.ZipFile, names: Sequence[str]) -> Listing:
    notes: Counter[str] = Counter()
    sequences = _sequences(names)
    labels, problems = _labels(raw, names, notes)
    landmarks = _landmarks(names)
    rows = []
    for sequence, (label, peak) in labels.items():
        frames = sequences.get(sequence, {})
        if peak not in frames:
            there = f"; the last one is {max(frames)}" if frames else ""
            problems.append(
                Problem("labels", sequence, f"its label is that of frame {peak}, which is not there{there}")
            )
            continue
        until = [frame for frame in sorted(frames) if frame <= peak]
        notes["sequences that go on after the labelled frame"] += peak != max(frames)
        notes["sequences with fewer than four frames"] += len(until) <= LAST
        notes["sequences in which a frame is missing"] += len(until) < peak - until[0] + 1
        for level, frame in _levels(until).items():
            id_ = f"{sequence}_{frame:08d}"
            row = ImageRow(id_, label if level else 0, "all", sequence[:4], frames[frame], level=level)
            rows.append(_with_landmarks(raw, row, landmarks.get(id_), notes))
    notes["sequences without a label"] = len(sequences.keys() - labels.keys() - {one.id for one in problems})
    used = {row.member for row in rows} | {name for name in names if LABEL.fullmatch(name) or LANDMARKS.fullmatch(name)}
    unused = [name for name in names if name not in used]
    return Listing(rows, problems, unused, notes={key: number for key, number in notes.items() if number})


def _levels(frames: Sequence[int]) -> dict[int, int]:
    """Return the listed frames by level, each once: the last is level 1 first of all, then the first is level 0."""
    levels = {1: frames[-1]}
    if len(frames) > 1:
        levels[0] = frames[0]
    for level in range(2, LAST + 1):
        frame = frames[-1] - level + 1  # by number: where one is missing, no other takes its place
        if frame in frames[1:]:
            levels[level] = frame
    return levels


def _labels(
    raw: zipfile.ZipFile, names: Sequence[str], notes: Counter[str]
) -> tuple[dict[str, tuple[int, int]], list[Problem]]:
    """Return label and labelled frame of each sequence that has one, and the labels that cannot be used."""
    given: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for found in filter(None, map(LABEL.fullmatch, names)):
        content = raw.read(found[0])
        words = content.decode(encoding(content), errors="replace").split()
        given[found["sequence"].upper()].update((int(found["frame"]), word) for word in words)
        notes["empty label files"] += not words
    labels: dict[str, tuple[int, int]] = {}
    problems = []
    for sequence, pairs in filter(operator.itemgetter(1), given.items()):
        codes = {_code(word) for _, word in pairs}
        if None in codes:
            said = next(word for _, word in sorted(pairs) if _code(word) is None)
            problems.append(Problem("labels", sequence, f"its label {said[:20]!r} is no code from 0 to 7"))
        elif len(codes) > 1:
            problems.append(Problem("labels", sequence, f"it has the labels {' and '.join(map(str, sorted(codes)))}"))  # type: ignore[type-var]
        else:
            labels[sequence] = (codes.pop() or 0, max(frame for frame, _ in pairs))
    return labels, problems


def _code(word: str) -> int | None:
    """Return a label such as 3.0000000e+00 as a class, None where it is none of 0..7."""
    try:
        value = float(word)
    except ValueError:
        return None
    return int(value) if value in range(len(CLASSES)) else None


def _landmarks(names: Iterable[str]) -> dict[str, str]:
    """Return the files of landmarks by the frame that they belong to."""
    return {found["stem"].upper(): found[0] for found in filter(None, map(LANDMARKS.fullmatch, names))}


def _with_landmarks(raw: zipfile.ZipFile, row: ImageRow, member: str | None, notes: Counter[str]) -> ImageRow:
    """Add the box and the outline of a face whose landmarks are known."""
    if member is None:
        notes["images without landmarks (their middle square is cut out)"] += 1
        return row
    points = _points(raw.read(member))
    if points is None:
        notes["landmark files that cannot be read (a middle square is cut out)"] += 1
        return row
    outline = _outline(points)
    return row._replace(box=_square(outline), outline=outline)


def _points(content: bytes) -> list[Point] | None:
    """Return the 68 landmarks (x, y) of a file, None where it holds something else."""
    try:
        values = [float(word) for word in content.decode("ascii").split()]
    except ValueError:
        return None
    if len(values) != 2 * POINTS or not all(map(math.isfinite, values)):
        return None
    return list(zip(values[::2], values[1::2], strict=True))


def _outline(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the polygon around a face: its jaw line, closed by half an ellipse over the forehead."""
    jaw = points[JAW]
    chin, brows = jaw[len(jaw) // 2], _middle(points[BROWS])
    top = (brows[0] + FOREHEAD * (brows[0] - chin[0]), brows[1] + FOREHEAD * (brows[1] - chin[1]))
    middle = _middle((jaw[0], jaw[-1]))
    arc = [_on_ellipse(middle, jaw[-1], top, math.pi * step / (ARC + 1)) for step in range(1, ARC + 1)]
    return (*jaw, *arc)


def _on_ellipse(middle: Point, ear: Point, top: Point, turn: float) -> Point:
    """Return a point of the ellipse around `middle` through `ear` (turn 0) and `top` (a quarter turn)."""
    x, y = (m + math.cos(turn) * (e - m) + math.sin(turn) * (t - m) for m, e, t in zip(middle, ear, top, strict=True))
    return x, y


def _middle(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


def _square(outline: Sequence[Point]) -> tuple[float, float, float, float]:
    """Return the square box around an outline, with a margin."""
    (left, right), (top, bottom) = ((min(values), max(values)) for values in zip(*outline, strict=True))
    half = max(right - left, bottom - top) * (0.5 + MARGIN)
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - half, y - half, x + half, y + half


def _read_crops(raw: zipfile.ZipFile, names: Sequence[str]) -> Listing:
    """Read CK+48: of each sequence its last frames, in the folder of its emotion.

    Landmarks beside them say that these are whole frames: the faces are cut out by them.
    """
    landmarks = _landmarks(names)
    notes: Counter[str] = Counter()
    frames = {name: found for name in names if (found := IMAGE.fullmatch(name))}
    emotions = {name: _emotion(found["folders"]) for name, found in frames.items()}
    members = [name for name, emotion in emotions.items() if emotion is not None]
    rows: list[ImageRow] = []
    beside = {_above(frames[name]["folders"]) for name in members}
    problems = [
        Problem("labels", name, f"its folder is none of {', '.join(CLASSES)}")
        for name, found in frames.items()
        if emotions[name] is None and _above(found["folders"]) in beside
    ]
    for sequence, shot in _sequences(members).items():
        labels = {emotions[member] for member in shot.values()} - {0}
        if len(labels) > 1:
            said = " and ".join(CLASSES[label] for label in sorted(filter(None, labels)))
            problems += [Problem("labels", f"{sequence}_{frame:08d}", f"{sequence} is {said}") for frame in shot]
            continue
        peaks = sorted((frame for frame, member in shot.items() if emotions[member]), reverse=True)
        levels = {frame: 0 for frame in shot if frame not in peaks}
        levels |= {frame: level for level, frame in enumerate(peaks[:LAST], 1)}
        for frame, level in levels.items():
            member = shot[frame]
            label = emotions[member] or 0
            row = ImageRow(f"{sequence}_{frame:08d}", label, "all", sequence[:4], member, level=level)
            rows.append(_with_landmarks(raw, row, landmarks.get(row.id), notes) if landmarks else row)
    used = {row.member for row in rows} | set(landmarks.values())
    unused = [name for name in names if name not in used]
    if not landmarks:
        notes["crops of 48×48 pixels that are enlarged"] = len(rows)
    return Listing(rows, problems, unused, notes=notes)


CKPLUS = Dataset(
    name="ckplus",
    title="CK+",
    classes=CLASSES,
    splits=("all",),
    modalities=("visible",),
    size=(128, 128),
    channels=1,
    counts={"all": (None, 45, 18, 59, 25, 69, 28, 83)},
    licence="For non-commercial research, by agreement with its owners (University of Pittsburgh); not to be passed "
    "on. Whose faces may be published, the agreement says.",
    home="https://www.jeffcohn.net/Resources/",
    how_to_get="Ask at https://ckplus.jeffcohn.net (see `home`), as a member of a faculty or a research scientist. Put "
    "extended-cohn-kanade-images.zip, Emotion_labels.zip and, for crops of the faces, Landmarks.zip into one folder, "
    "and write its place into the configuration as `ckplus: <path>`.",
    recognise=recognise,
    read=read,
    counted=lambda row: row.level == 1,
    fit="square",
    access="request",
    levels="0 is the first frame (neutral), 1 the last, 2 the last but one, 3 the last but two",
    layouts=(OFFICIAL, CROPS),
    crops={CROPS: SQUARE},
    stand_in="ckplus",
    frames=1 + LAST,
    apex=1,
)
