"""The drawn stand-in for CK+: sequences that grow to their label's expression, with landmarks that fit the face."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refer.datasets.readers.ckplus import CKPLUS, read
from refer.datasets.standin import ckplus, faces
from refer.datasets.standin.common import shares
from refer.datasets.standin.geometry import landmarks, see
from refer.errors import UserError

SMALL = {"images": {"all": 20}, "subjects": 6, "seed": 1, "frames": (4, 5), "size": (72, 94)}
FRAME = re.compile(r"cohn-kanade-images/(S\d{3})/(\d{3})/\1_\2_(\d{8})\.png", re.IGNORECASE)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ckplus") / "ckplus.zip"
    ckplus.draw(out, **SMALL)
    return out


@pytest.fixture(scope="module")
def files(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def sequences(files: dict[str, bytes]) -> dict[tuple[str, str], list[int]]:
    """Return the numbers of the frames of each sequence."""
    found = defaultdict(list)
    for frame in filter(None, map(FRAME.fullmatch, files)):
        found[frame[1], frame[2]].append(int(frame[3]))
    return found


def points(content: bytes) -> np.ndarray:
    return np.array([[float(word) for word in line.split()] for line in content.decode().splitlines()])


def test_sequences_are_numbered_as_the_owners_do_it(files: dict[str, bytes]) -> None:
    found = sequences(files)
    assert files["README.txt"].startswith(b"drawn stand-in, no real person;")
    assert len(found) == 20
    assert {subject for subject, _ in found} == {"S005", "S010", "S015", "S020", "S025", "S030"}
    for numbers in found.values():
        assert numbers == list(range(1, len(numbers) + 1))
        assert 4 <= len(numbers) <= 5
    for name in filter(FRAME.fullmatch, files):
        with Image.open(io.BytesIO(files[name])) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "L", (94, 72))


def test_labels_stand_with_the_last_frame_in_the_owners_format(files: dict[str, bytes]) -> None:
    codes = []
    for name, content in files.items():
        if name.startswith("Emotion/") and not name.endswith("/"):
            assert re.fullmatch(rb"   [1-7]\.0000000e\+00\n", content)
            _, subject, take, file = name.split("/")
            assert int(file.split("_")[2]) == max(sequences(files)[subject, take])
            codes.append(int(float(content)))
    assert len(codes) == round(20 * 327 / 593)
    assert [codes.count(code) for code in range(1, 8)] == shares(len(codes), ckplus.LABELLED)
    assert any(name.startswith("Emotion/") and name.endswith("/") for name in files), "an empty folder of labels"


def test_the_amounts_at_full_size_are_the_real_ones() -> None:
    takes = ckplus.plan(593, 123, 0, True)
    found = Counter(take.label for take in takes)
    assert [found[code] for code in range(1, 8)] == [45, 18, 59, 25, 69, 28, 83]
    assert found[None] == 593 - 327
    assert len({take.subject for take in takes}) == 123
    twice = Counter((take.subject, take.label) for take in takes if take.label)
    assert max(twice.values()) == 1, "nobody has one label twice"


def test_the_reader_of_the_real_data_set_reads_every_layout(archive: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive) as raw:
        listing = read(raw)
    assert listing.problems == []
    assert Counter(row.level for row in listing.rows) == dict.fromkeys((0, 1, 2, 3), 11)
    assert listing.notes["sequences without a label"] == 9
    assert 0 < sum(row.box is None for row in listing.rows) < 22
    out = tmp_path / "crops.zip"
    ckplus.draw(out, **SMALL, layout="CK+48")
    with zipfile.ZipFile(out) as raw:
        crops = read(raw)
        assert CKPLUS.recognise(raw.namelist()) == "CK+48"
        with Image.open(io.BytesIO(raw.read(crops.rows[0].member))) as image:
            assert (image.mode, image.size) == ("L", (48, 48))
    key = {row.id: row.label for row in listing.rows if row.level}
    assert {row.id: row.label for row in crops.rows} == key


def test_the_mess_is_there_and_told(files: dict[str, bytes]) -> None:
    frames = [Path(name) for name in files if FRAME.fullmatch(name)]
    assert len({frame.parent for frame in frames if frame.name.startswith("s")}) == 1
    assert len({frame.parent for frame in frames if frame.suffix == ".PNG"}) == 1
    marked = {Path(name).parent for name in files if name.startswith("Landmarks/")}
    assert len(marked) == 19
    assert "cohn-kanade-images/.DS_Store" in files
    assert any(name.startswith("__MACOSX/cohn-kanade-images/S005/001/._S005") for name in files)


def test_without_mess_every_sequence_has_its_landmarks_and_its_owners_names() -> None:
    takes = ckplus.plan(40, 10, 3, False)
    assert all(take.landmarks and not take.case for take in takes)
    assert any(not take.landmarks for take in ckplus.plan(40, 10, 3, True))


def test_an_expression_grows_from_the_neutral_face_to_its_peak() -> None:
    takes = [take for take in ckplus.plan(20, 6, 1, False, (6, 9)) if take.label]
    for take in takes[:6]:
        frames = list(ckplus.film(take, 1, (64, 64)))
        strengths = [sum(value for value in f.expression.values()) for f in frames]
        assert strengths[0] == 0.0
        assert strengths == sorted(strengths)
        assert strengths[-3] > 0.6 * strengths[-1], "the last three frames show the label"
        assert strengths[-1] > 0.5
        assert not np.array_equal(frames[0].pixels, frames[-1].pixels)


def test_a_frame_does_not_depend_on_the_frames_before_it() -> None:
    take = ckplus.Take(subject=2, number=1, label=5, frames=7)
    whole = list(ckplus.film(take, 1, (64, 80)))
    for one, other in zip(whole[-3:], ckplus.film(take, 1, (64, 80), last=3), strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.landmarks, other.landmarks)


def test_landmarks_lie_where_their_names_say(files: dict[str, bytes]) -> None:
    names = [name for name in files if name.startswith("Landmarks/")]
    for name in names:
        marks = points(files[name])
        assert marks.shape == (68, 2)
        assert (marks > 0).all()
        assert (marks < (94, 72)).all()
        jaw, brows, nose, eyes, mouth = np.split(marks, (17, 27, 36, 48))  # as the 300-W scheme numbers them
        assert brows[:, 1].mean() < eyes[:, 1].mean() < nose[:, 1].mean() < mouth[:, 1].mean() < jaw[8, 1]
        for line in (jaw[[0, 4, 8, 12, 16]], brows, nose[4:], mouth[:7], mouth[12:17]):
            assert (np.diff(line[:, 0]) > 0).all(), "from left to right"
        assert (np.diff(nose[:4, 1]) > 0).all(), "down the bridge"
        assert eyes[:6, 0].max() < nose[0, 0] < eyes[6:, 0].min()


def test_landmarks_follow_the_face() -> None:
    who = faces.sample_identity(faces.generator(2))

    def marks(expression: faces.Expression, capture: faces.Capture = faces.STUDIO) -> np.ndarray:
        return landmarks(see(who, expression, capture))

    rest, smile = marks({}), marks({"AU12": 1.0})
    assert smile[54, 0] - smile[48, 0] > 1.1 * (rest[54, 0] - rest[48, 0])
    assert smile[[48, 54], 1].max() < rest[[48, 54], 1].min()
    dropped = marks({"AU27": 1.0, "AU25": 0.5})
    assert dropped[66, 1] - dropped[62, 1] > 5 * (rest[66, 1] - rest[62, 1])
    assert dropped[8, 1] > rest[8, 1]
    tilted = marks({}, faces.Capture(roll=20.0))
    slope = np.arctan2(*(tilted[42:48].mean(axis=0) - tilted[36:42].mean(axis=0))[::-1])
    assert np.degrees(slope) == pytest.approx(20.0, abs=2.0)


def test_equal_arguments_give_equal_files_in_every_kind_of_archive(files: dict[str, bytes], tmp_path: Path) -> None:
    ticks: list[tuple[int, int]] = []
    ckplus.draw(tmp_path / "out.tar.gz", **SMALL, progress=lambda done, total: ticks.append((done, total)))
    with tarfile.open(tmp_path / "out.tar.gz") as packed:
        again = {one.name: packed.extractfile(one).read() for one in packed if one.isfile()}  # type: ignore[union-attr]
        assert {one.name + "/" for one in packed if one.isdir()} == {name for name in files if name.endswith("/")}
    assert again == {name: content for name, content in files.items() if not name.endswith("/")}
    total = sum(map(len, sequences(files).values()))
    assert ticks == [(done, total) for done in range(1, total + 1)]
    assert ckplus.plan(20, 6, 1, True) != ckplus.plan(20, 6, 2, True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": {"all": 5}}, r"images of all: 5; expected at least 20"),
        ({"subjects": 21}, r"subjects: 21; expected 1 to 20"),
        ({"frames": (3, 6)}, r"frames: 3 to 6; expected at least 4"),
        ({"size": (640, 490)}, r"size: 640 x 490 pixels; expected height and width"),
    ],
)
def test_what_will_not_do_is_refused(changed: dict, message: str, tmp_path: Path) -> None:
    arguments = {"out": tmp_path / "out.zip"} | SMALL | changed
    with pytest.raises(UserError, match=message):
        ckplus.draw(arguments.pop("out"), **arguments)
    assert list(tmp_path.iterdir()) == []
