"""What DVC shows and compares: metrics of each cell, learning curves, confusions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from refer import files
from refer.evaluation.predictions import read_predictions
from refer.reporting.measures import write_confusions, write_curves, write_metrics
from refer.reporting.results import Results
from report_fixtures import make_preset, predictions_of, scored

CELL = "khalid2025.fer2013-standin.audited.full"


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_preset(tmp_path_factory.mktemp("measures"), images=120, protocols=("audited",))
    scored(folder)
    return folder


def test_metrics_are_means_over_seeds(preset: Path, tmp_path: Path) -> None:
    write_metrics(Results.read(preset / "results.parquet"), tmp_path)
    found = files.read_json(tmp_path / f"{CELL}.json")
    runs = [read_predictions(path) for path in predictions_of(preset) if "/full/" in str(path)]
    assert len(runs) == 2
    accuracies = [float((run.predicted == run.label)[run.of("private")].mean()) for run in runs]
    assert found["private"]["accuracy"] == pytest.approx(sum(accuracies) / 2, abs=1e-6)
    assert found["private"]["images"] == int(runs[0].of("private").sum())
    assert set(found) == {"private", "public"}


def test_there_is_a_metrics_file_a_cell(preset: Path, tmp_path: Path) -> None:
    write_metrics(Results.read(preset / "results.parquet"), tmp_path)
    methods = {path.parts[-3] for path in predictions_of(preset)}
    assert {path.name for path in tmp_path.iterdir()} == {CELL.replace("full", method) + ".json" for method in methods}


def test_confusions_count_every_image_that_is_scored_once_a_seed(preset: Path, tmp_path: Path) -> None:
    write_confusions(Results.read(preset / "results.parquet"), tmp_path)
    table = pd.read_csv(tmp_path / f"{CELL}.private.csv")
    runs = [read_predictions(path) for path in predictions_of(preset) if "/full/" in str(path)]
    assert table["images"].sum() == sum(int(run.of("private").sum()) for run in runs)
    right = table.loc[table["actual"] == table["predicted"], "images"].sum()
    assert right == sum(int((run.predicted == run.label)[run.of("private")].sum()) for run in runs)
    shares = table.groupby("actual")["share"].sum(min_count=1).dropna()
    assert shares.between(1 - 1e-4, 1 + 1e-4).all()


def test_curves_hold_every_epoch_of_every_run(preset: Path, tmp_path: Path) -> None:
    training = sorted(preset.rglob("training.csv"))
    write_curves(training, tmp_path)
    table = pd.read_csv(tmp_path / "khalid2025.fer2013-standin.audited.csv")
    told = pd.read_csv(preset / "runs/khalid2025/fer2013-standin/audited/full/seed1/training.csv")
    mine = table[(table["run"] == "full seed1") & (table["part"] == "public")]
    assert mine["epoch"].tolist() == told["epoch"].tolist()
    assert mine["accuracy"].tolist() == pytest.approx(told["public_accuracy"].tolist(), abs=1e-6)
    assert table["run"].nunique() == len(training)


def test_the_bytes_depend_on_nothing_but_the_numbers(preset: Path, tmp_path: Path) -> None:
    for name, order in (("one", 1), ("other", -1)):
        write_metrics(Results.read(preset / "results.parquet"), tmp_path / name)
        write_confusions(Results.read(preset / "results.parquet"), tmp_path / name)
        write_curves(sorted(preset.rglob("training.csv"))[::order], tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
