"""What preparing did to the raw data is said: on the screen, in `refer datasets`, in the audit and the report."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from data_fixtures import as_zip, encoded, noise, png
from reader_fixtures import through
from refer.datasets import catalog
from refer.datasets.audit import audit
from refer.datasets.prepare import prepare
from refer.datasets.raw import inventory
from refer.datasets.raw.obtain import obtain
from refer.datasets.readers.rafdb import CLASSES
from refer.datasets.remarks import Remark, noted, remarks, tell
from refer.errors import UserError
from refer.reporting.tables.listings import write_audit

FILES = {
    **{
        f"{part}/{name}/{part}_{100 * number + k:05d}_aligned.png": png(noise(1000 * number + k, (100, 100)))
        for number, part in enumerate(("train", "test"))
        for k, name in enumerate((*CLASSES, *CLASSES))
        if name != "fear" or part == "train"
    },
    "train/happy/train_90001_aligned.png": b"no image",
    "train/happy/train_90002_aligned.png": png(noise(7, (50, 50))),
    "train/bored/train_90003_aligned.png": png(noise(8, (100, 100))),
    "readme.txt": b"hello",
    "__MACOSX/._x.png": b"dust",
}
"""RAF-DB with one of each: an image that is none, a small one, a class that is none, a class without test images."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    raw, out = folder / "raw/rafdb", folder / "prepared/rafdb"
    obtain("rafdb", str(as_zip(folder / "in.zip", FILES)), raw)
    prepare("rafdb", raw, out, tolerate=["counts", "labels", "unreadable", "sizes"], workers=1)
    audit("rafdb", out, folder / "audit/rafdb")
    return folder


SAID = (
    "left out: images without a clear label or split: 1 (train_90003: its folder 'bored' is none of",
    "left out: images that cannot be decoded: 1 (train_90001: it is none of",
    "resized: images of another size than the set: 1 (train_90002: 50x50 pixels instead of 100x100)",
    "tolerated: classes with another number of images than the owner states: 14 (train/surprise: 2 of 1,290",
    "converted: L to RGB: 27",
    "sizes of raw images: 2 (26 of 100x100, 1 of 50x50)",
    "files not read: 1 (readme.txt)",
    "files of macOS or Windows ignored: 1 (__MACOSX/._x.png)",
    "classes without an image: 1 (test/fear)",
)


def test_all_that_was_done_is_on_the_screen_with_numbers_and_first_names(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(data / "prepared/rafdb/prepare.json")
    lines = capsys.readouterr().out.splitlines()
    assert all(any(line.startswith(f"note: {said}") for line in lines) for said in SAID), lines


def test_all_of_it_is_in_refer_datasets(data: Path) -> None:
    console = Console(file=io.StringIO(), width=400, highlight=False)
    inventory.show([inventory.describe(catalog.dataset("rafdb"), data=data)], console)
    text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert all(said in text for said in SAID)


def test_all_of_it_is_in_the_audit_and_the_reports_table(data: Path, tmp_path: Path) -> None:
    write_audit(data / "audit/rafdb/audit.json", [tmp_path / "audit.csv", tmp_path / "audit.md"])
    table = pd.read_csv(tmp_path / "audit.csv").set_index("finding")["count"]
    text = (tmp_path / "audit.md").read_text()
    assert table["left out: images that cannot be decoded"] == 1
    assert table["classes without an image"] == 1
    assert "Classes without an image: test/fear." in text
    assert "Raw data: files not read" in text


def test_drawn_data_are_told_in_the_log_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prepare.json").write_text(json.dumps({"stand_in": True, "conversions": {"L to RGB": 3}, "notes": {}}))
    tell(tmp_path / "prepare.json")
    assert capsys.readouterr().out == "converted: L to RGB: 3\n"


def test_a_summary_of_an_older_version_says_what_it_knows() -> None:
    assert remarks({}) == noted({}) == []
    assert remarks({"unused_files": 9, "unused_examples": ["a", "b", "c", "d"]}) == [
        Remark("files not read", 9, "a, b, c and 6 more")
    ]


def test_an_unpaired_modality_is_told_with_its_total() -> None:
    counts = {"all": {"happy": {"found": 72, "known": None}}}
    about = {
        "modalities": {"visible": counts, "infrared": counts},
        "notes": {"visible images without an infrared one": 60},
    }
    assert [str(one) for one in noted(about)] == ["visible images without an infrared one, of 72: 60"]


def crops(size: tuple[int, int]) -> dict[str, bytes]:
    names = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    return {
        f"CK+48/{name}/S{10 + k:03d}_001_{frame:08d}.png": encoded(noise(100 * k + frame, size), "PNG")
        for k, name in enumerate(names)
        for frame in (7, 8, 9)
    }


LANDMARKS = "\n".join(
    f"{x:.4e} {y:.4e}"
    for x, y in [(320 + 90 * np.cos(t), 240 + 120 * np.sin(t)) for t in np.linspace(np.pi, 0, 17)]
    + [(280.0 + 10 * k, 180.0) for k in range(10)]
    + [(320.0, 240.0)] * 41
).encode()
"""68 points: a jaw around (320, 240), brows 60 pixels above that."""


def test_whole_frames_are_no_crops_of_faces_whatever_their_folders_are_called(tmp_path: Path) -> None:
    everything = ["counts", "labels", "unreadable", "sizes", "contrast"]
    with pytest.raises(UserError, match=r"21 of 21 pictures are whole frames by their sides: 21 of 640x490 pixels.*\n"):
        through(tmp_path, "ckplus", crops((490, 640)), tolerate=everything)
    assert through(tmp_path, "ckplus", crops((48, 48))).about["images"] == 21


def test_landmarks_beside_whole_frames_cut_the_faces_out(tmp_path: Path) -> None:
    frames = crops((490, 640))
    beside = {name[6:].replace(".png", "_landmarks.txt"): LANDMARKS for name in frames}
    found = through(tmp_path, "ckplus", frames | beside)
    assert found.about["outlines"] == 21
    assert found.about["unused_files"] == 0
    few = dict(list(beside.items())[:5])
    with pytest.raises(UserError, match=r"16 of 16 pictures are whole frames"):
        through(tmp_path, "ckplus", frames | few)


def test_landmarks_of_whole_frames_beside_crops_are_a_contradiction(tmp_path: Path) -> None:
    small = crops((48, 48))
    beside = {name.replace(".png", "_landmarks.txt"): LANDMARKS for name in small}
    with pytest.raises(UserError, match=r"21 images have another size .*does not lie in its 48x48 pixels"):
        through(tmp_path, "ckplus", small | beside)


def test_sizes_that_are_tolerated_make_no_faces_of_photographs(tmp_path: Path) -> None:
    wide = {name: png(noise(1, (60, 100))) if name.endswith("png") else data for name, data in list(FILES.items())[:20]}
    with pytest.raises(UserError, match=r"20 of 20 pictures are whole frames by their sides: 20 of 100x60"):
        through(tmp_path, "rafdb", wide, tolerate=["sizes"])
    many = {name: png(noise(1, (90 + k, 90 + k))) for k, name in enumerate(list(FILES)[:20])}
    with pytest.raises(UserError, match=r"pictures of 20 sizes .*as whole photographs have"):
        through(tmp_path, "rafdb", many, tolerate=["sizes"])


def test_a_split_of_the_users_that_is_ignored_is_counted(tmp_path: Path) -> None:
    files = {name.replace("CK+48/", "CK+48/train/" if k % 3 else "CK+48/test/"): content
             for k, (name, content) in enumerate(crops((48, 48)).items())}  # fmt: skip
    notes = through(tmp_path, "ckplus", files).about["notes"]
    (what,) = [what for what in notes if "train, validation or test" in what]
    assert notes[what] == 21
