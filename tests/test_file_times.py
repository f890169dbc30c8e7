"""Times that lie: files from the future, and contents that changed behind an old time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from refer.datasets.drawn import drawn_otherwise
from refer.datasets.standin import fer2013
from refer.storage.file_times import LARGE, remember, settle

YEAR = 365 * 86_400


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("data/prepared/a/images.npy", "results/p/runs/r/predictions.parquet", "results/p/tables/t.csv"):
        Path(name).parent.mkdir(parents=True)
        Path(name).write_text(name)
    Path("results/p/runs/r/run.json").write_text("{}")
    hour_ago(*Path().glob("**/*"))
    return tmp_path


RESULTS, RECORD = Path("results/p"), Path("record.json")
IMAGES, PREDICTIONS = Path("data/prepared/a/images.npy"), Path("results/p/runs/r/predictions.parquet")


def hour_ago(*paths: Path, ago: float = 3600.0) -> None:
    for path in paths:
        os.utime(path, (time.time() - ago, time.time() - ago))


def settled() -> list[str]:
    return settle(RESULTS, RECORD)


def is_new(path: Path) -> bool:
    return abs(path.stat().st_mtime - time.time()) < 60


def test_files_from_the_future_get_the_time_of_now_in_their_order(project: Path) -> None:
    hour_ago(IMAGES, ago=-YEAR)
    hour_ago(PREDICTIONS, ago=-YEAR - 5)
    hour_ago(Path("results/p/tables/t.csv"), ago=-YEAR - 9)
    said = settled()
    assert said == [f"{IMAGES} and 2 more files from the future: now they have the time of this start."]
    hour_ago(Path("results/p/runs"), ago=-YEAR)
    assert len(settled()) == 1
    assert is_new(Path("results/p/runs")), "a folder's time counts for Snakemake"
    times = [path.stat().st_mtime_ns for path in (IMAGES, PREDICTIONS, Path("results/p/tables/t.csv"))]
    assert times == sorted(set(times))
    assert times[-1] <= time.time_ns()
    assert not is_new(Path("results/p/runs/r/run.json"))
    assert settled() == []


def test_clocks_that_differ_by_seconds_are_left_alone(project: Path) -> None:
    hour_ago(IMAGES, ago=-20)
    assert settled() == []


@pytest.mark.parametrize("path", [IMAGES, PREDICTIONS])
@pytest.mark.parametrize("size", [10, LARGE + 5])
def test_a_content_that_changed_behind_its_time_gets_that_of_now(project: Path, path: Path, size: int) -> None:
    path.write_bytes(b"a" * size)
    hour_ago(path)
    settled()
    path.write_bytes(b"a" * (size - 1) + b"b")
    hour_ago(path, ago=7200)
    assert settled() == [f"{path} changed, which the time hid: what is made of it is made again."]
    assert is_new(path)
    assert settled() == []


def test_the_same_content_with_another_time_is_the_same(project: Path) -> None:
    settled()
    text = IMAGES.read_text()
    IMAGES.unlink()
    IMAGES.write_text(text)
    hour_ago(IMAGES, ago=9000)
    assert settled() == []
    assert not is_new(IMAGES)


def test_what_jobs_write_is_no_lie_whoever_was_killed_before_it_was_written_down(project: Path) -> None:
    settled()
    IMAGES.write_text("prepared again")  # and trained on, and then everything was killed
    before = IMAGES.stat().st_mtime_ns
    assert settled() == []
    assert IMAGES.stat().st_mtime_ns == before


def test_what_was_changed_before_the_next_start_is_found_too(project: Path) -> None:
    settled()
    PREDICTIONS.write_text("made by this run")
    remember(RESULTS, RECORD)
    PREDICTIONS.write_text("put there behind it")
    hour_ago(PREDICTIONS)
    assert len(settled()) == 1


def test_of_an_output_from_the_future_a_changed_input_is_newer(project: Path) -> None:
    hour_ago(Path("results/p/tables/t.csv"), ago=-YEAR)
    remember(RESULTS, RECORD)
    PREDICTIONS.write_text("changed at the right time")
    assert len(settled()) == 2
    assert PREDICTIONS.stat().st_mtime_ns > Path("results/p/tables/t.csv").stat().st_mtime_ns


def test_runs_that_came_with_their_data_are_not_trained_again(project: Path) -> None:
    settled()
    for path in (IMAGES, PREDICTIONS, Path("results/p/runs/r/run.json")):
        path.write_text("from another machine")
        hour_ago(path, ago=9000)
    settled()
    assert not is_new(IMAGES)
    assert is_new(PREDICTIONS)


def test_links_and_lost_records_harm_nothing(project: Path) -> None:
    (project / "away").mkdir()
    (project / "away/x").write_text("x")
    (project / "data/raw").symlink_to(project / "away", target_is_directory=True)
    RECORD.write_text("[no record")
    assert settled() == []
    RECORD.write_text('{"results/p/runs/r/predictions.parquet": "x", "data/prepared/a/images.npy": [1]}')
    assert settled() == []


def test_a_stand_in_is_known_by_how_it_was_drawn(tmp_path: Path) -> None:
    archive = tmp_path / "fer2013.tar.gz"
    how = {"images": {"Training": 60, "PublicTest": 30, "PrivateTest": 30}, "subjects": 20, "seed": 0}
    assert not drawn_otherwise(archive, how), "of an older version's nothing is known"
    fer2013.draw(archive, **how)
    assert not drawn_otherwise(archive, how)
    assert not drawn_otherwise(archive, {**how, "layout": "fer2013.csv"})
    others = {"images": {**how["images"], "Training": 61}, "subjects": 21, "seed": 1, "layout": "icml_face_data.csv"}
    for key, value in others.items():
        assert drawn_otherwise(archive, {**how, key: value}), key
    (tmp_path / ".fer2013.tar.gz.json").write_text("{")
    assert not drawn_otherwise(archive, how)
