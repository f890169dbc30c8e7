"""Scores against hand counts and scikit-learn's own report; predictions that cannot be trusted are named."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import read_all, read_predictions
from refer.evaluation.scores import calibration_error, metrics
from refer.papers import load_paper
from refer.reporting.score import Asked, score
from report_fixtures import CLASSES, StubPaper, make_paper, make_preset, predictions_of, rewrite


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_preset(tmp_path_factory.mktemp("scores"))


def scores_of(predictions: list[Path], out: Path, paper: object = None) -> pd.DataFrame:
    """Write the results table of some predictions and return its rows of single runs."""
    paper = paper or StubPaper()
    score(Asked({paper.id: paper}), predictions, [path.with_name("run.json") for path in predictions], [out])
    table = pd.read_parquet(out)
    return table[table.scope == "run"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A small preset that a test may break."""
    return make_preset(tmp_path, images=40, protocols=("audited",))


def test_accuracy_by_hand(preset: Path, tmp_path: Path) -> None:
    scores = scores_of(predictions_of(preset), tmp_path / "results.parquet")
    path = preset / "runs/khalid2025/fer2013-standin/audited/full/seed1/predictions.parquet"
    frame = pd.read_parquet(path)
    frame = frame[(frame.part == "private") & frame.kept]
    right = int((frame[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1) == frame.label).sum())
    row = scores[(scores.run == "runs/khalid2025/fer2013-standin/audited/full/seed1") & (scores.part == "private")]
    row = row[row.metric == "accuracy"].iloc[0]
    assert (row.correct, row.n) == (right, len(frame))
    assert row.value == pytest.approx(100 * right / len(frame))
    assert (row.preset, row.paper, row.dataset, row.data) == ("demo", "khalid2025", "fer2013", "fer2013-standin")
    assert bool(row.stand_in)
    assert row.n < 300  # the audited protocol leaves images out


def test_every_run_and_part_has_every_metric(preset: Path, tmp_path: Path) -> None:
    scores = scores_of(predictions_of(preset), tmp_path / "results.parquet")
    counts = scores.groupby(["run", "part"]).metric.nunique()
    assert len(counts) == 2 * 4 * 2 * 2
    assert set(counts) == {13 + 2 * len(CLASSES)}
    assert not scores.duplicated(["run", "part", "metric"]).any()


def test_bytes_do_not_depend_on_the_order_of_the_inputs(preset: Path, tmp_path: Path) -> None:
    paths = predictions_of(preset)
    scores_of(paths, tmp_path / "a.parquet")
    random.Random(3).shuffle(paths)
    scores_of(paths, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_rows_in_another_order_score_the_same(own: Path, tmp_path: Path) -> None:
    scores_of(predictions_of(own), tmp_path / "a.parquet")
    rewrite(predictions_of(own)[0], lambda columns, _: columns.update({k: v[::-1] for k, v in columns.items()}))
    scores_of(predictions_of(own), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_metrics_of_a_worked_example() -> None:
    # true a a a b b c; predicted a a b b a c: recalls 2/3 1/2 1, precisions 2/3 1/2 1.
    label = np.array([0, 0, 0, 1, 1, 2])
    chance = np.eye(3)[[0, 0, 1, 1, 0, 2]] * 0.7 + 0.1
    found = {metric.name: metric for metric in metrics(label, chance, ["a", "b", "c"])}
    assert found["accuracy"][1:] == (pytest.approx(4 / 6), 6, 4)
    assert found["balanced_accuracy"].value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found["macro_f1"].value == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found["weighted_recall"].value == pytest.approx(4 / 6)
    assert found["macro_f1_of_means"].value == pytest.approx(13 / 18)  # both means are 13/18
    assert found["recall:b"][1:] == (0.5, 2, 1)
    assert found["precision:a"][1:] == (pytest.approx(2 / 3), 3, 2)
    assert found["ece"].value == pytest.approx(abs(4 / 6 - 0.8))
    assert found["brier"].value == pytest.approx((4 * (0.2**2 + 2 * 0.1**2) + 2 * (0.9**2 + 0.8**2 + 0.1**2)) / 6)
    assert found["log_loss"].value == pytest.approx(-(4 * np.log(0.8) + 2 * np.log(0.1)) / 6)


def test_two_numbers_go_by_the_name_of_macro_f1() -> None:
    # true a a a b b b b b; predicted a b b a b b b b: precisions 1/2 2/3, recalls 1/3 4/5, F1s 2/5 8/11.
    label = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    chance = np.eye(2)[[0, 1, 1, 0, 1, 1, 1, 1]]
    found = {metric.name: metric.value for metric in metrics(label, chance, ["a", "b"])}
    precision, recall = (1 / 2 + 2 / 3) / 2, (1 / 3 + 4 / 5) / 2
    assert found["macro_f1"] == pytest.approx((2 / 5 + 8 / 11) / 2)
    assert found["macro_f1_of_means"] == pytest.approx(2 * precision * recall / (precision + recall))
    weighted = (3 / 8 * 1 / 2 + 5 / 8 * 2 / 3, 3 / 8 * 1 / 3 + 5 / 8 * 4 / 5)
    assert found["weighted_f1_of_means"] == pytest.approx(2 * weighted[0] * weighted[1] / sum(weighted))
    wrong = {metric.name: metric.value for metric in metrics(label, np.eye(2)[1 - label], ["a", "b"])}
    assert wrong["macro_f1_of_means"] == 0


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_averages_are_those_of_scikit_learn(average: str) -> None:
    theirs_of = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(5)
    label, chance = rng.integers(0, 5, 90), rng.dirichlet(np.ones(6), 90)
    found = {metric.name: metric.value for metric in metrics(label, chance, list("abcdef"))}
    theirs = theirs_of.precision_recall_fscore_support(
        label, chance.argmax(axis=1), labels=range(5), average=average, zero_division=0.0
    )
    ours = [found[f"{average}_{name}"] for name in ("precision", "recall", "f1")]
    assert ours == list(theirs[:3])
    assert found["log_loss"] == theirs_of.log_loss(label, chance, labels=range(6))


def test_absent_and_never_predicted_classes() -> None:
    label = np.array([0, 0, 1])
    chance = np.eye(4)[[0, 2, 0]]
    found = {metric.name: metric for metric in metrics(label, chance, ["a", "b", "gone", "unused"])}
    assert np.isnan(found["recall:gone"].value)
    assert found["recall:gone"].n == 0
    assert found["precision:unused"][1:] == (0.0, 0, 0)
    assert found["balanced_accuracy"].value == pytest.approx(0.25)  # over the two classes that have images
    assert np.isfinite(found["macro_f1"].value)


def test_calibration_error_of_known_gaps() -> None:
    # Ten answers at 0.95 of which 8 are right, ten at 0.55 of which 6 are right.
    top = np.repeat([0.95, 0.55], 10)
    label = np.array([0] * 8 + [1] * 2 + [0] * 6 + [1] * 4)
    assert calibration_error(label, np.column_stack([top, 1 - top])) == pytest.approx((0.15 + 0.05) / 2)
    assert calibration_error(np.zeros(3, dtype=int), np.eye(2)[[0, 0, 0]]) == 0


def set_probability(value: float) -> Callable[[dict, dict], None]:
    def change(columns: dict, _: dict) -> None:
        columns["p_happy"][7] = value

    return change


def duplicate(columns: dict, _: dict) -> None:
    columns["id"][8] = columns["id"][7]


def bad_label(columns: dict, _: dict) -> None:
    columns["label"][7] = 7


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (set_probability(float("nan")), "row 7 .*not finite"),
        (set_probability(1.5), "row 7 .*expected 0..1"),
        (set_probability(-0.1), "row 7 .*expected 0..1"),
        (bad_label, "row 7 .*label 7, expected 0..6"),
        (duplicate, "row 8 .*stands twice in part 'public'"),
        (lambda c, _: c["p_happy"].__setitem__(7, None), "row 7: column 'p_happy' is empty"),
        (lambda c, _: c.pop("p_sad"), "p_sad"),
        (lambda c, _: c.pop("kept"), "kept"),
        (lambda _, meta: meta.pop("seed"), "metadata: seed: missing"),
        (lambda _, meta: meta.update(seed=5), "by its own account .*seed5"),
    ],
)
def test_a_file_that_cannot_be_right_is_named(own: Path, change: Callable[[dict, dict], None], what: str) -> None:
    path = predictions_of(own)[3]
    rewrite(path, change)
    with pytest.raises(UserError, match=what) as error:
        read_predictions(path)
    assert str(path) in str(error.value)


def test_probabilities_that_do_not_sum_to_one(own: Path) -> None:
    path = predictions_of(own)[0]

    def change(columns: dict, _: dict) -> None:
        for name in CLASSES:
            columns[f"p_{name}"][12] *= 0.9

    rewrite(path, change)
    with pytest.raises(UserError, match=r"row 12 .*sum to 0\.9, expected 1"):
        read_predictions(path)


def drop_last(columns: dict, _: dict) -> None:
    for values in columns.values():
        values.pop()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (drop_last, "test/private/00079.jpg.* is missing"),
        (lambda c, _: c["id"].__setitem__(0, "test/public/99999.jpg"), "test/public/00000.jpg.* is missing"),
        (lambda c, _: c["label"].__setitem__(3, (c["label"][3] + 1) % 7), "another 'label'"),
        (lambda c, _: c["kept"].__setitem__(3, not c["kept"][3]), "another 'kept'"),
        (lambda _, meta: meta.update(data_fingerprint="0"), "data_fingerprint is '0'"),
        (lambda _, meta: meta.update(preset="other"), "preset is 'other'"),
    ],
)
def test_runs_that_cannot_be_compared_are_named(own: Path, change: Callable[[dict, dict], None], what: str) -> None:
    path = predictions_of(own)[5]
    rewrite(path, change)
    with pytest.raises(UserError, match=what) as error:
        read_all(predictions_of(own))
    assert str(path) in str(error.value)


def test_missing_foreign_and_repeated_files(own: Path, tmp_path: Path) -> None:
    paths = predictions_of(own)
    with pytest.raises(UserError, match="no such file"):
        read_predictions(own / "runs/absent/predictions.parquet")
    with pytest.raises(UserError, match="No prediction files"):
        read_all([])
    with pytest.raises(UserError, match="given twice"):
        read_all([*paths, paths[0]])
    paths[0].write_text("not parquet")
    with pytest.raises(UserError, match="not a whole table in Parquet"):
        read_predictions(paths[0])
    pd.DataFrame({"id": ["a"]}).to_parquet(paths[0])
    with pytest.raises(UserError, match="no 'refer' metadata"):
        read_predictions(paths[0])
    moved = tmp_path / "elsewhere" / "predictions.parquet"
    moved.parent.mkdir()
    shutil.copy(paths[1], moved)
    with pytest.raises(UserError, match="moved or copied"):
        read_predictions(moved)


def test_a_part_of_which_nothing_is_kept(own: Path, tmp_path: Path) -> None:
    for path in predictions_of(own):
        rewrite(path, lambda columns, _: columns.update(kept=[part != "public" for part in columns["part"]]))
    with pytest.raises(UserError, match="no row of part 'public' is kept"):
        scores_of(predictions_of(own), tmp_path / "results.parquet")
    assert not (tmp_path / "results.parquet").exists()


@pytest.fixture
def divided(root: Path, tmp_path: Path) -> Path:
    """Two methods of feratt2019 on three folds, under both protocols."""
    paper = load_paper(root / "papers/feratt2019.yaml")
    methods = ("baseline-real", "rep-real")
    return make_paper(tmp_path, paper, "ckplus", images=240, folds=(0, 1, 2), methods=methods)


def fold_files(folder: Path, protocol: str = "audited") -> list[Path]:
    return [path for path in predictions_of(folder) if f"/{protocol}/rep-real/" in str(path)]


def test_folds_of_a_seed_are_scored_alone_and_together(divided: Path, root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    scores = scores_of(predictions_of(divided)[::-1], tmp_path / "results.parquet", paper)
    accuracy = scores[(scores.metric == "accuracy") & (scores.part == "test") & (scores.protocol == "audited")]
    mine = accuracy[accuracy.method == "rep-real"]
    assert [*mine.fold.fillna(-1)] == [-1, 0, 1, 2]
    assert [*mine.folds.fillna(-1)] == [3, -1, -1, -1]
    whole, folds = mine.iloc[0], mine.iloc[1:]
    assert (whole.n, whole.correct) == (folds.n.sum(), folds.correct.sum())
    assert whole.value == pytest.approx(100 * folds.correct.sum() / folds.n.sum())
    assert whole.run == "runs/feratt2019/ckplus-standin/audited/rep-real/seed0"
    right = 0
    for path in fold_files(divided):
        frame = pd.read_parquet(path)
        frame = frame[(frame.part == "test") & frame.kept]
        right += (frame.filter(like="p_").to_numpy().argmax(axis=1) == frame.label).sum()
    assert whole.correct == right


def test_pooled_folds_hold_every_image_once(divided: Path) -> None:
    runs = read_all(predictions_of(divided))
    together = pooled(runs)
    assert len(runs) == 12
    assert [run.key.fold for run in together] == [None] * 4
    for run in together:
        assert [fold.key.fold for fold in run.folds] == [0, 1, 2]
        for part in run.parts:
            ids = run.ids[run.part == part].tolist()
            assert ids == sorted(set(ids))
            assert len(ids) == 60  # three of twelve folds of 240 images
    assert all(again is run for again, run in zip(pooled(together), together, strict=True))


def test_a_fold_of_which_nobody_is_kept_is_counted_with_the_others(divided: Path, root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    paths = fold_files(divided)
    others = [path for path in predictions_of(divided) if path not in paths and "/audited/" in str(path)]
    for path in others:
        path.unlink()
    rewrite(paths[0], lambda columns, _: columns.update(kept=[part != "test" for part in columns["part"]]))
    scores = scores_of(paths, tmp_path / "results.parquet", paper)
    assert set(scores[scores.part == "test"].fold.dropna()) == {1, 2}
    for path in paths:
        rewrite(path, lambda columns, _: columns.update(kept=[part != "test" for part in columns["part"]]))
    with pytest.raises(UserError, match="no row of part 'test' is kept"):
        scores_of(paths, tmp_path / "results.parquet", paper)


def test_folds_that_do_not_fit_together_are_named(divided: Path) -> None:
    paths = fold_files(divided)
    kept = paths[1].read_bytes()
    with pytest.raises(UserError, match=r"rep-real/seed0-fold1: fold 1 is missing, but .*baseline-real/seed0-fold1"):
        read_all([path for path in predictions_of(divided) if path != paths[1]])

    def from_fold_0(columns: dict, _: dict) -> None:
        columns["id"][columns["part"].index("test")] = "all/00003.png"
        columns["label"][columns["part"].index("test")] = labels["all/00003.png"]

    first = pd.read_parquet(paths[0])
    labels = dict(zip(first.id, first.label, strict=True))
    rewrite(paths[1], from_fold_0)
    with pytest.raises(UserError, match=r"fold1.*'all/00003.png' of part 'test' is predicted in two folds.*fold0"):
        pooled(read_all(paths))
    paths[1].write_bytes(kept)
    whole = paths[1].parent.with_name("seed0")
    paths[1].parent.rename(whole)
    rewrite(whole / "predictions.parquet", lambda _, meta: meta.update(fold=None))
    with pytest.raises(UserError, match=r"seed0/predictions.parquet: not divided into folds, but .*fold0.* is"):
        read_all(predictions_of(divided))


def test_methods_may_see_other_images_but_seeds_may_not(own: Path) -> None:
    def unpaired(columns: dict, _: dict) -> None:
        columns["id"] = [f"other/{name}" if k % 9 == 0 else name for k, name in enumerate(columns["id"])]

    backbone = [path for path in predictions_of(own) if "/backbone/" in str(path)]
    for path in backbone:
        rewrite(path, unpaired)
    assert len(read_all(predictions_of(own))) == 8

    def relabel(columns: dict, _: dict) -> None:
        columns["label"][1] = (columns["label"][1] + 1) % 7

    for path in backbone:
        rewrite(path, relabel)
    with pytest.raises(UserError, match=r"'test/public/00001.jpg' has another 'label' than in .*backbone/seed0"):
        read_all(predictions_of(own))


def test_nothing_right_of_the_predictions_imports_torch() -> None:
    modules = ["evaluation.scores", "evaluation.intervals", "reporting.score", "reporting.page"]
    code = (
        f"import sys, json; import {', '.join(f'refer.{name}' for name in modules)};"
        "print(json.dumps([name for name in ('torch', 'matplotlib', 'pandas', 'sklearn') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
