"""Much at once: memory grows with what must be kept, and by no more. (`benchmarks/load.py` has the large numbers.)"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from benchmark_fixtures import benchmark
from refer import yaml
from refer.datasets.prepare import prepare
from refer.datasets.raw.obtain import obtain
from refer.plan import load_plan
from refer.reporting.score import Asked, score

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def load() -> ModuleType:
    return benchmark("load")


def peak(work: Callable[[], object]) -> int:
    """Bytes that Python and NumPy held at once."""
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def test_a_prediction_that_is_scored_takes_little_more_than_its_probabilities(load: ModuleType, tmp_path: Path) -> None:
    few, many = (load.write_predictions(tmp_path / str(count), count, 20_000) for count in (3, 13))
    score(Asked({}), few, [], [tmp_path / "warm.parquet"])
    least = peak(lambda: score(Asked({}), few, [], [tmp_path / "few.parquet"]))
    most = peak(lambda: score(Asked({}), many, [], [tmp_path / "many.parquet"]))
    each = (most - least) / (10 * 20_000)
    assert each < 90, f"{each:.0f} bytes a prediction, of which 56 are seven probabilities"


def test_an_image_that_is_prepared_is_not_kept_in_memory(load: ModuleType, tmp_path: Path) -> None:
    peaks = []
    for count in (200, 1_200):
        load.write_images(tmp_path / f"{count}.zip", count)

        def work(count: int = count) -> None:
            obtain("fer2013", str(tmp_path / f"{count}.zip"), tmp_path / f"raw{count}", stand_in=True)
            prepare("fer2013", tmp_path / f"raw{count}", tmp_path / f"prepared{count}", workers=1)

        peaks.append(peak(work))
    each = (peaks[1] - peaks[0]) / 1_000
    assert each < 3_600, f"{each:.0f} bytes an image, names and hashes; its pixels would be 2,304 more"


def test_three_thousand_runs_are_planned_each_under_its_own_name(load: ModuleType) -> None:
    config = yaml.read(ROOT / "presets/full.yaml")
    each = len({run.path for run in load_plan(config, "full.yaml", ROOT).runs()})
    seeds = -(-3_000 * 5 // each)
    paths = [run.path for run in load_plan(load._seeded(config, seeds), "full.yaml", ROOT).runs()]
    assert len(paths) == len(set(paths)) >= 3_000
