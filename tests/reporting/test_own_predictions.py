"""`refer compare`: its numbers against scikit-learn, statsmodels and NumPy, and what stands in its files."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from own_fixtures import answers, write_list
from refer.cli import main
from refer.datasets.image_list import read_image_list
from refer.evaluation.own import Own, match, read_table
from refer.evaluation.predictions import read_predictions
from refer.evaluation.scores import calibration_error
from refer.reporting.comparisons import Answers
from refer.reporting.own import NETWORK, comparisons, confusions, measures, reliability
from release_fixtures import make_project
from report_fixtures import CLASSES

RUNS = "results/small/runs/khalid2025/fer2013/audited"


@pytest.fixture(scope="module")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released preset with a list of its images, and a file of predictions that another program made."""
    folder = tmp_path_factory.mktemp("project")
    make_project(root, folder, stand_in=False)
    write_list(folder / "results/small", folder / RUNS / "full/seed0/predictions.parquet")
    frame = answers(folder / RUNS / "full/seed0/predictions.parquet")
    rng = np.random.default_rng(8)
    columns = [f"p_{name}" for name in CLASSES]
    mixed = 0.5 * frame[columns].to_numpy() + 0.5 * rng.dirichlet(np.ones(7), len(frame))
    frame[columns] = mixed / mixed.sum(axis=1, keepdims=True)
    frame.to_csv(folder / "mine.csv", index=False)
    return folder


@pytest.fixture
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(project)
    yield project
    shutil.rmtree(project / "out", ignore_errors=True)


@pytest.fixture(scope="module")
def own(project: Path) -> Own:
    listed = read_image_list(project / "results/small/data/fer2013/images.parquet")
    return match(read_table(project / "mine.csv", listed.classes), listed)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def written(inside: Path, *more: str) -> Path:
    assert main(["compare", "mine.csv", "--preset", "small", "--out", "out", *more]) == 0
    return inside / "out"


def sets_of(own: Own) -> dict[str, np.ndarray]:
    return {"all": np.ones(len(own.at), bool), "duplicate-free": own.kept}


def test_the_two_sets_are_the_whole_test_set_and_what_the_released_predictions_keep(own: Own, project: Path) -> None:
    run = read_predictions(project / RUNS / "full/seed0/predictions.parquet")
    counts = {row["images"]: row["n"] for row in measures(own)}
    assert counts == {"all": int((run.part == "private").sum()), "duplicate-free": int(run.of("private").sum())}
    assert counts["duplicate-free"] < counts["all"]


def test_measures_are_those_of_scikit_learn_and_their_intervals_statsmodels(own: Own) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    found = {(row["images"], row["metric"]): row for row in measures(own)}
    for name, which in sets_of(own).items():
        label, predicted = own.label[which], own.predicted[which]
        expected = {
            "accuracy": theirs.accuracy_score(label, predicted),
            "macro_f1": theirs.f1_score(label, predicted, average="macro"),
            "balanced_accuracy": theirs.balanced_accuracy_score(label, predicted),
        }
        for metric, value in expected.items():
            row = found[name, metric]
            assert row["value"] == pytest.approx(100 * value)
            assert row["low"] < row["value"] < row["high"]
        right = int((label == predicted).sum())
        ends = proportion.proportion_confint(right, len(label), method="wilson")
        assert (found[name, "accuracy"]["low"], found[name, "accuracy"]["high"]) == pytest.approx(
            tuple(100 * end for end in ends)
        )
        assert found[name, "accuracy"]["correct"] == right


def test_confusions_are_those_of_scikit_learn(own: Own) -> None:
    theirs = pytest.importorskip("sklearn.metrics")
    rows = list(confusions(own))
    for name, which in sets_of(own).items():
        mine = [row for row in rows if row["images"] == name]
        expected = theirs.confusion_matrix(own.label[which], own.predicted[which], labels=range(7))
        assert [[row[f"as_{each}"] for each in CLASSES] for row in mine] == expected.tolist()
        recall = theirs.recall_score(own.label[which], own.predicted[which], average=None, labels=range(7))
        assert [row["recall"] for row in mine] == pytest.approx(list(100 * recall))


def test_the_calibration_error_is_what_the_bins_of_the_diagram_give(own: Own) -> None:
    assert own.probabilities is not None
    rows = list(reliability(own))
    for name, which in sets_of(own).items():
        mine = [row for row in rows if row["images"] == name]
        top, hit = own.probabilities[which].max(axis=1), own.hits[which]
        by_hand = 0.0
        for row in mine:
            inside = (100 * top >= row["from"]) & (100 * top < row["to"])
            assert row["n"] == inside.sum()
            assert row["confidence"] == pytest.approx(100 * top[inside].mean())
            assert row["accuracy"] == pytest.approx(100 * hit[inside].mean())
            by_hand += inside.mean() * abs(hit[inside].mean() - top[inside].mean())
        error = next(row["value"] for row in measures(own) if row["metric"] == "ece" and row["images"] == name)
        assert error == pytest.approx(100 * by_hand)
        assert error == pytest.approx(100 * calibration_error(own.label[which], own.probabilities[which]))


def test_one_seed_is_compared_as_statsmodels_does(inside: Path, own: Own) -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    multiple = pytest.importorskip("statsmodels.stats.multitest")
    for method in ("full", "backbone"):
        (inside / RUNS / method / "seed1").rename(inside / f"{method}.away")
    try:
        rows = {row["method"]: row for row in table(written(inside) / "compared.csv") if row["paper"] != "own"}
    finally:
        for method in ("full", "backbone"):
            (inside / f"{method}.away").rename(inside / RUNS / method / "seed1")
    expected = {}
    for method in ("full", "backbone"):
        run = read_predictions(inside / RUNS / method / "seed0/predictions.parquet")
        of = run.of("private")
        right = dict(zip(run.ids[of].tolist(), (run.predicted == run.label)[of].tolist(), strict=True))
        mine = dict(zip(own.ids[own.kept].tolist(), own.hits[own.kept].tolist(), strict=True))
        assert right.keys() == mine.keys()
        one, other = (np.array([each[name] for name in right]) for each in (mine, right))
        counts = pd.crosstab(pd.Categorical(one, [True, False]), pd.Categorical(other, [True, False]), dropna=False)
        expected[method] = tables.mcnemar(counts.to_numpy(), exact=True).pvalue
        assert float(rows[method]["difference"]) == pytest.approx(100 * (one.mean() - other.mean()))
        assert float(rows[method]["mean"]) == pytest.approx(100 * other.mean())
        assert rows[method]["test"] == "mcnemar"
        assert float(rows[method]["p"]) == pytest.approx(expected[method])
    adjusted = multiple.multipletests(list(expected.values()), method="holm")[1]
    assert [float(rows[method]["p_holm"]) for method in expected] == pytest.approx(list(adjusted))


def test_several_seeds_are_all_compared(inside: Path, own: Own) -> None:
    rows = {row["method"]: row for row in table(written(inside) / "compared.csv")}
    for method in ("full", "backbone"):
        accuracies = []
        for seed in (0, 1):
            run = read_predictions(inside / RUNS / method / f"seed{seed}/predictions.parquet")
            accuracies.append((run.predicted == run.label)[run.of("private")].mean())
        row = rows[method]
        assert float(row["mean"]) == pytest.approx(100 * np.mean(accuracies))
        assert float(row["sd"]) == pytest.approx(100 * np.std(accuracies, ddof=1))
        assert float(row["difference"]) == pytest.approx(100 * (own.hits[own.kept].mean() - np.mean(accuracies)))
        assert (row["seeds"], row["about"]) == ("2", NETWORK)
    assert float(rows[""]["mean"]) == pytest.approx(100 * own.hits[own.kept].mean())


def test_where_a_network_is_as_good_as_a_method_few_differences_are_found(own: Own) -> None:
    """Networks of a method differ by chance, images too: of 400 true hypotheses about 1 in 20 may be rejected."""
    rng = np.random.default_rng(11)
    images, found = len(own.ids[own.kept]), 0
    for _ in range(400):
        chance = rng.beta(3, 2, images)
        skill = rng.normal(0, 0.03, (3, 1))
        hits = rng.random((3, images)) < np.clip(chance + skill, 0, 1)
        stub: Any = SimpleNamespace(
            name="paper.method", answers=Answers([0, 1, 2], own.ids[own.kept], hits, None),
            about=lambda: {"paper": "paper", "method": "method", "label": "Method"},
        )  # fmt: skip
        mine: Any = SimpleNamespace(kept=own.kept, ids=own.ids, hits=np.zeros(len(own.ids), bool))
        mine.hits[own.kept] = rng.random(images) < chance
        rows, _ = comparisons(mine, [stub], "mine")
        found += next(row["p"] for row in rows if row["paper"] == "paper") < 0.05
    assert 0 < found <= 32


def test_files_and_terminal_say_the_same(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = written(inside, "--name", "My network")
    said = capsys.readouterr().out
    names = {f"{name}{end}" for name in ("measures", "confusion", "compared", "reliability")
             for end in (".csv", ".md", ".html")} | {"reliability.svg", "reliability.png"}  # fmt: skip
    assert {path.name for path in out.iterdir()} == names
    accuracy = table(out / "measures.csv")[0]
    assert f"{float(accuracy['value']):.2f}" in said
    assert f"{float(accuracy['value']):.2f}" in (out / "measures.md").read_text(encoding="utf-8")
    assert "My network on FER2013, 120 images of PrivateTest" in said
    for name in ("measures.md", "measures.html"):
        assert "One file is one network" in (out / name).read_text(encoding="utf-8")


def test_a_file_of_classes_has_no_calibration(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(inside / "mine.csv")
    top = frame[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1)
    pd.DataFrame({"image": frame["image"], "class": [CLASSES[k] for k in top]}).to_csv("classes.csv", index=False)
    probabilities = {(row["images"], row["metric"]): row for row in table(written(inside) / "measures.csv")}
    shutil.rmtree(inside / "out")
    assert main(["compare", "classes.csv", "--preset", "small", "--data", "fer2013", "--out", "out"]) == 0
    classes = {(row["images"], row["metric"]): row for row in table(inside / "out/measures.csv")}
    assert not list((inside / "out").glob("reliability*"))
    assert "ECE" not in capsys.readouterr().out.rpartition("classes on FER2013")[2]
    assert probabilities.keys() - classes.keys() == {("all", "ece"), ("duplicate-free", "ece")}
    assert all(row == probabilities[key] for key, row in classes.items())


def test_part_of_the_images_is_compared_if_that_is_asked_for(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pd.read_csv("mine.csv").iloc[:50].to_csv("part.csv", index=False)
    assert main(["compare", "part.csv", "--preset", "small"]) == 1
    assert "70 of 120 images of PrivateTest have no prediction" in capsys.readouterr().err
    assert main(["compare", "part.csv", "--preset", "small", "--partial"]) == 0
    assert "50 of 120 images of PrivateTest" in capsys.readouterr().out


def test_without_a_duplicate_free_image_nothing_is_compared(
    inside: Path, own: Own, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv("mine.csv")
    frame[frame["image"].isin(own.ids[~own.kept])].to_csv("part.csv", index=False)
    assert main(["compare", "part.csv", "--preset", "small", "--partial", "--out", "out"]) == 0
    assert "No released method has images in common with the file" in capsys.readouterr().out
    assert {row["images"] for row in table(inside / "out/measures.csv")} == {"all"}
    assert table(inside / "out/compared.csv") == []


def test_what_is_not_there_is_said_in_a_line(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = inside / "results/small/data/fer2013/images.parquet"
    wrong = [
        (["mine.csv", "--preset", "big"], "no preset 'big'"),
        (["mine.csv", "--preset", "small", "--data", "rafdb"], "no data set 'rafdb'"),
        (["mine.csv", "--preset", "small", "--rename", "glad"], "expected THEIRS=OURS"),
        (["none.csv", "--preset", "small"], "none.csv: no such file"),
    ]
    for words, said in wrong:
        assert main(["compare", *words]) == 1
        assert said in capsys.readouterr().err
    listed.rename(listed.with_name("away"))
    try:
        assert main(["compare", "mine.csv", "--preset", "small"]) == 1
        assert "expected the list of the data set's images" in capsys.readouterr().err
    finally:
        listed.with_name("away").rename(listed)
