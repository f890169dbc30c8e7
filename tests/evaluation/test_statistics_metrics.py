"""Precision, recall and F1: what an image contributes, what their intervals cover, and verdicts on reported ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from refer.evaluation.averages import averages, pseudo_values
from refer.evaluation.crossed import shares
from refer.evaluation.intervals import metric_interval
from refer.evaluation.predictions import read_all
from refer.evaluation.reported import INCONCLUSIVE, NOT_REPRODUCED, REPRODUCED, against, claim, weight_of
from refer.evaluation.scores import metrics
from refer.papers import load_paper
from refer.reporting.figures.forest import draw_overview
from refer.reporting.summary import summary
from refer.reporting.tables.reported_results import claims_table
from refer.reporting.tables.verdicts import tally
from report_fixtures import make_paper, predictions_of, scored, written

NAMES = [
    f"{average}_{metric}"
    for average in ("macro", "weighted")
    for metric in ("precision", "recall", "f1", "f1_of_means")
]
FER2013 = np.array([0.13, 0.015, 0.145, 0.245, 0.165, 0.115, 0.185])


def of(metric: str, label: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> float:
    """Return a metric as the scores have it."""
    found = metrics(label, np.eye(classes)[predicted], [str(k) for k in range(classes)])
    return next(each.value for each in found if each.name == metric)


@given(st.integers(0, 2**31), st.integers(2, 7), st.integers(3, 60), st.sampled_from(NAMES))
def test_what_images_contribute_is_the_metric_in_the_mean(seed: int, classes: int, n: int, metric: str) -> None:
    label, predicted = np.random.default_rng(seed).integers(0, classes, (2, n))
    found = pseudo_values(metric, label, predicted, classes)
    assert found.mean() == pytest.approx(of(metric, label, predicted, classes), abs=1e-12)
    # The jackknife itself: an image more or less, one after another.
    without = np.array([of(metric, *np.delete([label, predicted], k, axis=1), classes) for k in range(n)])
    assert found - found.mean() == pytest.approx((n - 1) * (without.mean() - without), abs=1e-9)


@given(st.integers(0, 2**31))
def test_of_an_accuracy_they_are_right_and_wrong(seed: int) -> None:
    """Recall weighted by support is accuracy, so that its pseudo-values are known."""
    label, predicted = np.random.default_rng(seed).integers(0, 4, (2, 50))
    found = pseudo_values("weighted_recall", label, predicted, 4)
    assert found == pytest.approx((label == predicted).astype(float), abs=1e-9)
    assert weight_of(found[None], None) == pytest.approx(49 / 50, rel=1e-6)


def faces(
    rng: np.random.Generator, share: NDArray[np.float64], n: int, skill: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    """Return labels (n) and what seeds of different skill answer (seeds, n): some images are hard for all of them."""
    classes = len(share)
    label = rng.choice(classes, n, p=share / share.sum())
    alike, hard = rng.normal(0, 0.8, (n, classes)), rng.normal(0, 1, n)
    chance = alike + rng.normal(0, 0.6, (len(skill), n, classes))
    chance[:, np.arange(n), label] += skill[:, None] + hard
    return [label, chance.argmax(axis=-1)]


def expected(metric: str, share: NDArray[np.float64], skill: float) -> float:
    label, (predicted,) = faces(np.random.default_rng(9), share, 400_000, np.array([skill]))
    counts = np.bincount(label * len(share) + predicted, minlength=len(share) ** 2).reshape(len(share), -1)
    return float(averages(counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1))[metric])


@pytest.mark.parametrize(
    ("metric", "share", "n", "seeds"),
    [
        ("macro_precision", np.ones(5), 90, 1),
        ("macro_f1_of_means", FER2013, 2000, 1),
        ("macro_recall", FER2013, 1000, 3),
        ("macro_f1", np.ones(5), 90, 5),
        ("weighted_f1", FER2013, 400, 5),
    ],
)
def test_intervals_cover_95_percent(metric: str, share: NDArray[np.float64], n: int, seeds: int) -> None:
    rng, truth, covered = np.random.default_rng(3), expected(metric, share, 1.6), 0
    for _ in range(2000):
        label, answers = faces(rng, share, n, np.full(seeds, 1.6))
        low, high, method = metric_interval(
            np.stack([pseudo_values(metric, label, each, len(share)) for each in answers])
        )
        covered += low <= truth <= high
    assert method == ("jackknife" if seeds == 1 else "crossed")
    assert 0.94 <= covered / 2000 <= (0.96 if seeds != 3 else 0.97)


def test_an_image_of_a_rare_class_counts_for_less() -> None:
    label, answers = faces(np.random.default_rng(0), FER2013, 5000, np.array([1.6]))
    recall, accuracy = (pseudo_values(f"{how}_recall", label, answers[0], 7)[None] for how in ("macro", "weighted"))
    assert weight_of(recall, None) < 0.7 < 0.99 < weight_of(accuracy, None) < 1.01
    narrow, wide = (claim(60, 3589, weight=weight) for weight in (1.0, 0.5))
    assert wide.high - wide.low == pytest.approx(2**0.5 * (narrow.high - narrow.low), rel=0.01)
    assert wide.counts == (), "it is no count of images"


def test_the_rule_is_that_of_accuracies() -> None:
    label, answers = faces(np.random.default_rng(1), np.ones(7), 20_000, np.full(3, 1.6))
    values = np.stack([pseudo_values("macro_f1", label, each, 7) for each in answers])
    mean = 100 * float(values.mean())
    for stated, verdict in ((mean, REPRODUCED), (mean + 5, NOT_REPRODUCED), (mean + 1.9, NOT_REPRODUCED)):
        found = against(values, None, claim(stated, 20_000, weight=weight_of(values, None)))
        assert (found.verdict, found.test) == (verdict, "crossed")
        assert found.low < mean - stated < found.high
    few = against(values[:, :90], None, claim(100 * float(values[:, :90].mean()), 90, weight=0.5))
    assert few.verdict == INCONCLUSIVE
    assert few.images is not None
    assert 3000 < few.images < 30_000
    assert shares(values).mean == pytest.approx(values.mean())


@pytest.fixture(scope="module")
def ran(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods of feratt2019 on what says to be the real CK+, all folds, both protocols."""
    paper = load_paper(root / "papers/feratt2019.yaml")
    methods, folds = ("cls-real", "rep-real"), tuple(range(paper.folds["ckplus"]))
    folder = make_paper(
        tmp_path_factory.mktemp("ran"), paper, "ckplus", images=480, folds=folds, methods=methods, suffix=""
    )
    written(scored(folder, paper), "feratt2019.ckplus", folder, (".csv", ".md"))
    return folder


def test_every_reported_number_gets_a_verdict(ran: Path, root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    table = ran / "tables/feratt2019.ckplus.csv"
    rows = pd.read_csv(table)
    mine = rows[rows.reported.notna()]
    assert [*mine.metric.unique()] == ["accuracy", "macro_precision", "macro_recall", "macro_f1_of_means"]
    assert mine[["low", "high", "difference_low", "p", "verdict", "test"]].notna().all(axis=None)
    assert (mine.difference_low < mine.difference).all()
    assert (mine.difference < mine.difference_high).all()
    assert (rows.metric != "accuracy").sum() == 2 * 2 * 3
    report = scored(ran, paper)
    found = report.verdicts
    counted = tally(found)
    assert sum(counted.values()) == len(paper.reported)
    assert counted["not run"] == len(paper.reported) - 2 * 4
    made = written(report, "verdicts", tmp_path, (".csv", ".md"))
    assert len(pd.read_csv(made[".csv"]).query("verdict != 'not run'")) == 2 * 2 * 4
    text = made[".md"].read_text()
    assert "| Measure " in text
    assert "| Macro F1 of means " in text
    assert "to be as uncertain as that of one of our runs on as many images" in text
    sentences = [each for kind in summary([paper], found).kinds for each in kind.sentences]
    assert any("on CK+: macro precision reported 83.64 %, here" in each for each in sentences)


def test_tables_of_the_paper_mark_every_cell(ran: Path, root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    printed = written(scored(ran, paper), "printed.feratt2019", tmp_path, (".md",))[".md"]
    rows = pd.read_csv(ran / "tables/feratt2019.ckplus.csv").set_index(["protocol", "method", "metric", "part"])
    row = rows.loc[("published", "rep-real", "macro_precision", "test")]
    mark = {"reproduced": " (r)", "not reproduced": " (n)"}.get(row.verdict, "")
    assert f"83.64 / {row['mean']:.1f}{mark} |" in printed.read_text()
    text = (ran / "tables/feratt2019.ckplus.md").read_text()
    assert re.search(rf"83.64 \| +{row['mean']:.1f} \| +{row.low:.1f}–{row.high:.1f} \|", text)
    assert "jackknife" not in text, "folds are the sample"
    heads = [column.title for column in claims_table(paper).heads]
    assert heads[:4] == ["Data", "Measure", "Method", "Reported"]


def test_the_overview_draws_every_measure(ran: Path, root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    out = tmp_path / "v.svg"
    found = scored(ran, paper).verdicts
    draw_overview([paper], found, [out])
    again = tmp_path / "again.svg"
    draw_overview([paper], found, [again])
    assert out.read_bytes() == again.read_bytes()


def test_predictions_give_the_scores_that_pseudo_values_average_to(ran: Path) -> None:
    run = read_all(predictions_of(ran))[0]
    counted = run.of("test")
    values = pseudo_values("macro_f1_of_means", run.label[counted], run.predicted[counted], len(run.classes))
    scores = pd.read_parquet(ran / "results.parquet")
    mine = scores[(scores.run == run.key.folder) & (scores.part == "test") & (scores.metric == "macro_f1_of_means")]
    assert mine.value.item() == pytest.approx(100 * values.mean())
