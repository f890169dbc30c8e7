"""Backgrounds: which photographs are taken, what is said of unreadable ones, and the figure of faces on them."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refer.datasets.backgrounds import LEAST, prepare_backgrounds
from refer.errors import UserError
from refer.files import read_json
from refer.reporting.figures.composed import draw_composed
from report_fixtures import written_in

NAMES = [f"{'deep/' * (number % 3)}photo {number}.{('jpg', 'PNG', 'jpeg')[number % 3]}" for number in range(14)]


def photograph(number: int) -> bytes:
    """A wide or tall picture: its middle square of the colour (10 * number, 100, 200), red on both sides."""
    wide = number % 2 == 0
    pixels = np.zeros((40, 90, 3), np.uint8)
    pixels[...] = (255, 0, 0)
    pixels[:, 25:65] = (10 * number, 100, 200)
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels if wide else pixels.swapaxes(0, 1))
    picture.save(buffer, format="PNG")  # Pillow goes by the content, not by the suffix
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    for number in np.random.default_rng(0).permutation(14):
        path = place / NAMES[number]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photograph(int(number)))
    (place / "notes.txt").write_text("no photograph")
    (place / "._photo 3.jpg").write_bytes(b"left by macOS")
    return place


def prepared(source: Path | str, out: Path, **options: int | list[int]) -> tuple[np.ndarray, dict[str, object]]:
    prepare_backgrounds(str(source), out, **{"count": 10, "size": 20, **options})
    return np.load(out / "backgrounds.npy"), read_json(out / "backgrounds.json")


def test_wide_backgrounds_are_the_largest_middle_part_of_these_proportions(tmp_path: Path) -> None:
    # Of 640x480 that covers 1024x640 so much is seen: its whole width, and 640/768 of its height; of a portrait of
    # 480x640 its whole width, and 640/1365.3 of its height.
    for name, (height, width), share in (("across", (480, 640), 640 / 768), ("upright", (640, 480), 640 / 1365.33)):
        place = tmp_path / name
        place.mkdir()
        r, c = np.mgrid[:height, :width]
        picture = np.stack((255 * r / height, 255 * c / width, 0 * r), axis=2).astype(np.uint8)
        for number in range(LEAST):
            Image.fromarray(picture).save(place / f"{number}.png")
        pixels, facts = prepared(place, tmp_path / f"{name}-out", size=[64, 102])
        assert pixels.shape == (LEAST, 64, 102, 3)
        assert facts["shape"] == [64, 102, 3]
        seen = pixels[0].astype(float) / 255
        assert seen[-1, :, 0].mean() - seen[0, :, 0].mean() == pytest.approx(share * 63 / 64, abs=0.015)
        assert seen[..., 0].mean() == pytest.approx(0.5, abs=0.01)
        assert seen[:, -1, 1].mean() - seen[:, 0, 1].mean() == pytest.approx(101 / 102, abs=0.015)


def test_wide_scenes_are_the_middle_of_drawn_squares(tmp_path: Path) -> None:
    wide, _ = prepared("stand-in", tmp_path / "w", size=[40, 64], count=8)
    square, _ = prepared("stand-in", tmp_path / "s", size=64, count=8)
    assert np.array_equal(wide, square[:, 12:52])
    with pytest.raises(UserError, match="not higher than wide"):
        prepared("stand-in", tmp_path / "h", size=[64, 40], count=8)


def test_the_middle_squares_of_the_chosen_photographs_are_packed(folder: Path, tmp_path: Path) -> None:
    pixels, facts = prepared(folder, tmp_path / "out")
    assert pixels.shape == (10, 20, 20, 3)
    assert pixels.dtype == np.uint8
    colours = pixels.reshape(10, -1, 3)
    assert (colours == colours[:, :1]).all()  # nothing red at the sides
    assert (colours[:, 0, 1:] == [100, 200]).all()
    assert len(set(colours[:, 0, 0].tolist())) == 10
    assert colours[:, 0, 0].tolist() != sorted(colours[:, 0, 0].tolist())
    assert facts["images"] == 10
    assert facts["found"] == 14
    assert facts["source"] == "photos"
    assert facts["drawn"] is False
    assert facts["sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert "not to be passed on" in str(facts["licence"])


def test_folder_zip_and_tar_give_the_same_whatever_their_order(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as packed:
        for name in sorted(NAMES, reverse=True):
            packed.write(folder / name, f"around/{name}")
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as packed:
        for name in np.random.default_rng(1).permutation(NAMES):
            packed.add(folder / str(name), str(name))
    first, facts = prepared(folder, tmp_path / "a")
    for number, source in enumerate(("photos.zip", "photos.tar.gz")):
        pixels, other = prepared(tmp_path / source, tmp_path / f"b{number}")
        assert (pixels == first).all()
        assert {**other, "source": ""} == {**facts, "source": ""}


def test_another_seed_takes_others_and_a_smaller_count_the_first_of_them(folder: Path, tmp_path: Path) -> None:
    first, _ = prepared(folder, tmp_path / "a")
    other, _ = prepared(folder, tmp_path / "b", seed=1)
    fewer, _ = prepared(folder, tmp_path / "c", count=8)
    every, facts = prepared(folder, tmp_path / "d", count=1000)
    assert (first != other).any()
    assert (first[:8] == fewer).all()
    assert len(every) == facts["images"] == 14


def test_photographs_that_cannot_be_read_are_named_and_others_take_their_place(folder: Path, tmp_path: Path) -> None:
    whole, _ = prepared(folder, tmp_path / "a", count=14)
    for number in (2, 5, 11):
        (folder / NAMES[number]).write_bytes(photograph(number)[:60] if number else b"")
    pixels, facts = prepared(folder, tmp_path / "b")
    kept = [image for image in whole if image[0, 0, 0] not in (20, 50, 110)]
    assert (pixels == np.stack(kept)[:10]).all()
    unreadable = {entry["name"] for entry in facts["unreadable"]}  # type: ignore[attr-defined]
    assert unreadable
    assert unreadable <= {NAMES[2], NAMES[5], NAMES[11]}
    assert all(entry["what"] for entry in facts["unreadable"])  # type: ignore[attr-defined]
    _, facts = prepared(folder, tmp_path / "c", count=14)
    assert {entry["name"] for entry in facts["unreadable"]} == {NAMES[2], NAMES[5], NAMES[11]}  # type: ignore[attr-defined]


def test_too_few_photographs_no_folder_and_too_small_a_wish_are_explained(folder: Path, tmp_path: Path) -> None:
    for number in range(14 - LEAST + 1):
        (folder / NAMES[number]).write_bytes(b"GIF89a")
    with pytest.raises(UserError, match=r"holds 7 photographs .* and 7 that cannot be read \(.*\); expected .* 8"):
        prepared(folder, tmp_path / "out")
    with pytest.raises(UserError, match="there is no"):
        prepared(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(UserError, match="expected at least 8 of 16 pixels"):
        prepared(folder, tmp_path / "out", count=2)
    assert not (tmp_path / "out" / "backgrounds.npy").exists()
    assert not (tmp_path / "out" / "backgrounds.json").exists()


def test_progress_counts_the_photographs(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    prepare_backgrounds(str(folder), tmp_path, count=10, size=20, progress=lambda *counts: seen.append(counts))
    assert seen == [(number, 10) for number in range(1, 11)]


def test_drawn_scenes_are_a_source_and_say_so(tmp_path: Path) -> None:
    pixels, facts = prepared("stand-in", tmp_path / "a", count=8, size=48)
    again, _ = prepared("stand-in", tmp_path / "b", count=8, size=48)
    assert pixels.shape == (8, 48, 48, 3)
    assert (pixels == again).all()
    assert len({image.tobytes() for image in pixels}) == 8
    assert facts["drawn"] is True
    assert "drawn by this project" in str(facts["licence"])


def test_preparing_needs_no_torch() -> None:
    code = (
        "import sys, refer.datasets.backgrounds, refer.datasets.outlines, refer.training.composition; "
        "print('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "False"


def test_the_figure_shows_drawn_faces_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (1, 3, 8, 8), dtype=np.uint8)
    large = rng.integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    arrays = (large, large[..., 0], small, small)
    classes = ["happy", "sad", "$fear"]
    for name in ("a", "b"):
        outputs = [tmp_path / f"{name}.svg", tmp_path / f"{name}.png"]
        draw_composed(*arrays, classes, outputs, dataset="ckplus-standin", stand_in=True)
    for suffix in ("svg", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    read = written_in(tmp_path / "a.svg")
    assert [word for word in read if word in classes] == classes
    assert read.index("cut-out") < read.index("mask") < read.index("(draw 1)")
    with pytest.raises(UserError, match="drawn faces only"):
        draw_composed(*arrays, classes, [tmp_path / "c.png"], dataset="ckplus", stand_in=False)
    assert not (tmp_path / "c.png").exists()
