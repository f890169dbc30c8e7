"""Figures: the counts in them, equal bytes for equal input, the stand-in mark, hostile names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from figure_fixtures import arrows_of, caught, dots_of, drawn, texts_of
from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import read_all
from refer.papers import load_paper
from refer.reporting.figures import audit, confusion, curves, forest
from refer.reporting.figures.canvas import WORDS
from refer.reporting.figures.intervals import REACH, dots, limits
from refer.reporting.figures.pairs import draw_pairs
from refer.reporting.figures.ranking import _budgets, draw_ranking
from refer.reporting.figures.sensitivity import draw_sensitivity
from report_fixtures import (
    CLASSES,
    METHODS,
    StubMethod,
    StubPaper,
    make_audit,
    make_paper,
    make_preset,
    predictions_of,
    runs_of,
    scored,
    written_in,
)

DATA = "fer2013-standin"
NOTICE = "Drawn stand-in data: these numbers say nothing about FER2013"


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_preset(tmp_path_factory.mktemp("figures"), images=60)
    scored(folder).frame(f"khalid2025.{DATA}").to_csv(folder / "table.csv", index=False)
    make_audit(folder / "audit.json")
    return folder


def training(folder: Path) -> list[Path]:
    return [path.with_name("training.csv") for path in runs_of(folder)]


def draw_all(folder: Path, out: Path, data: str = DATA) -> dict[str, list[Path]]:
    """Draw one of each kind, as .svg and .png; return the files."""
    stem = f"khalid2025.{data}"
    names = {
        "confusion": f"{stem}.audited.full.private",
        "curves": f"{stem}.audited",
        "forest": "forest",
        "classes": "classes",
        "audit": "audit",
    }
    named = {kind: [out / f"{name}.svg", out / f"{name}.png"] for kind, name in names.items()}
    confusion.draw_confusions(StubPaper(), predictions_of(folder), named["confusion"])
    curves.draw_curves(StubPaper(), runs_of(folder), training(folder), named["curves"])
    forest.draw_forest(StubPaper(), folder / "table.csv", named["forest"])
    audit.draw_classes(folder / "audit.json", named["classes"])
    audit.draw_audit(folder / "audit.json", named["audit"])
    return named


def words(folder: Path, out: Path, data: str = DATA) -> dict[str, str]:
    """Draw all; return what is written in each figure."""
    with caught() as found:
        kinds = draw_all(folder, out, data)
    return dict(zip(kinds, found, strict=True))


@pytest.fixture(scope="module")
def written(preset: Path) -> dict[str, str]:
    return words(preset, preset / "figures")


def test_confusion_counts_every_kept_image_once_a_seed(preset: Path) -> None:
    runs = [run for run in read_all(predictions_of(preset)) if run.key[2:4] == ("audited", "full")]
    counts = confusion.confusion(runs, "private")
    assert counts.sum() == sum(run.of("private").sum() for run in runs)
    expected = np.zeros_like(counts)
    for run in runs:
        for label, chance, part, kept in zip(run.label, run.probabilities, run.part, run.kept, strict=True):
            if part == "private" and kept:
                expected[label, chance.argmax()] += 1
    assert (counts == expected).all()


def test_equal_input_gives_equal_bytes(preset: Path, written: dict[str, str], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Matplotlib only warns where labels leave no room for the drawing
        drawn = draw_all(preset, tmp_path)
    for paths in drawn.values():
        for path in paths:
            assert path.read_bytes() == (preset / "figures" / path.name).read_bytes(), path.name
            assert path.stat().st_size > 3000


def test_another_process_gives_the_same_bytes(preset: Path, written: dict[str, str], tmp_path: Path) -> None:
    code = "import sys, test_figures; from pathlib import Path; test_figures.draw_all(*map(Path, sys.argv[1:]))"
    command = [sys.executable, "-c", code, str(preset), str(tmp_path)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)})
    drawn = sorted(tmp_path.iterdir())
    assert len(drawn) == 10
    for path in drawn:
        assert path.read_bytes() == (preset / "figures" / path.name).read_bytes(), path.name


def test_words_are_read_in_order(preset: Path, written: dict[str, str]) -> None:
    lines = {path.stem.split(".")[-1]: written_in(path) for path in (preset / "figures").glob("*.svg")}
    assert len(lines) == len(written) == 5
    for read in lines.values():
        assert read[-1] == NOTICE
    counts = confusion.confusion(
        [run for run in read_all(predictions_of(preset)) if run.key[2:4] == ("audited", "full")], "private"
    )
    numbers = [f"{count:,}" for count in chain(*counts)]
    read = lines["private"]
    start = next(place for place in range(len(read)) if read[place : place + len(numbers)] == numbers)
    assert read.index("Counts, summed over 2 seeds") < start
    assert lines["classes"].index("Training, n = 28,709") < lines["classes"].index("3,995 (13.9 %)")


def test_drawings_are_small(preset: Path, written: dict[str, str]) -> None:
    for path in (preset / "figures").glob("*.svg"):
        text = path.read_text()
        assert path.stat().st_size < 40_000, path.name
        assert not re.search(r"\d\.\d{3}", re.sub(r">[^<]*<", "><", text)), "more digits than a printer shows"


def test_every_figure_says_that_the_data_is_drawn(written: dict[str, str]) -> None:
    for text in written.values():
        assert NOTICE in text
        assert "drawn stand-in for FER2013" in text


def test_real_data_carries_no_such_notice(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=40, protocols=("audited",), seeds=(0,), epochs=1)
    scored(folder).frame("khalid2025.fer2013").to_csv(folder / "table.csv", index=False)
    make_audit(folder / "audit.json", "fer2013")
    found = words(folder, tmp_path / "out", "fer2013")
    assert "rawn" not in "".join(found.values())
    assert "one seed" in found["confusion"]
    assert "summed" not in found["confusion"]
    assert "Wilson" in found["forest"]


def test_figures_say_n_seeds_and_protocol(preset: Path, written: dict[str, str]) -> None:
    n = read_all(predictions_of(preset))[0].of("private").sum()
    assert f"audited protocol · n = {n} images, summed over 2 seeds" in written["confusion"]
    assert "best accuracy on public" in written["curves"]
    assert "83.0*" in written["forest"]
    assert "n = 35,887" in written["classes"]
    assert all(name in written["classes"] for name in CLASSES)
    assert "7,215 (25.1 %)" in written["classes"]
    assert "288" in written["audit"]


def test_hostile_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    classes = ["<script>", "a_b&c%", r"$\frac{1}{", "äöü", "x" * 40, "s", "n"]
    folder = make_preset(tmp_path, images=60, classes=classes, protocols=("audited",))
    paper = StubPaper(methods={key: StubMethod(f"<b>{key}</b> $x_ & 100 %") for key in METHODS})
    out = tmp_path / f"khalid2025.{DATA}.audited.full.public.svg"
    confusion.draw_confusions(paper, predictions_of(folder), [out])
    curves.draw_curves(paper, runs_of(folder), training(folder), [tmp_path / f"khalid2025.{DATA}.audited.svg"])
    assert "<script" not in out.read_text()


def test_a_name_that_says_nothing_is_refused(preset: Path, tmp_path: Path) -> None:
    draw = confusion.draw_confusions
    with pytest.raises(UserError, match="expected 5 names joined by dots"):
        draw(StubPaper(), predictions_of(preset), [tmp_path / "confusion.svg"])
    with pytest.raises(UserError, match="no predictions of 'other'"):
        draw(StubPaper(), predictions_of(preset), [tmp_path / f"khalid2025.{DATA}.audited.other.private.svg"])
    with pytest.raises(UserError, match=r"no run.json"):
        curves.draw_curves(StubPaper(), [], [], [tmp_path / f"khalid2025.{DATA}.audited.svg"])
    with pytest.raises(UserError, match=r"training.csv: missing"):
        curves.draw_curves(StubPaper(), runs_of(preset), [], [tmp_path / f"khalid2025.{DATA}.audited.svg"])
    assert list(tmp_path.iterdir()) == []


def test_folds_are_counted_together_and_drawn_as_bands(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    methods = ("baseline-real", "rep-real")
    folder = make_paper(tmp_path, paper, "ckplus", images=240, folds=tuple(range(6)), methods=methods)
    table = scored(folder, paper).frame("feratt2019.ckplus-standin")
    stem = "feratt2019.ckplus-standin.audited"
    with caught() as found:
        confusion.draw_confusions(paper, predictions_of(folder), [tmp_path / f"{stem}.rep-real.test.svg"])
        curves.draw_curves(paper, runs_of(folder), training(folder), [tmp_path / f"{stem}.svg"])
        forest.draw_forest(paper, table, [tmp_path / "forest.svg"])
    matrix, lines, results = found
    run = next(run for run in pooled(read_all(predictions_of(folder))) if run.key[2:4] == ("audited", "rep-real"))
    assert confusion.confusion([run], "test").sum() == sum(fold.of("test").sum() for fold in run.folds)
    assert f"n = {run.of('test').sum()} images, one seed, 6 folds pooled" in matrix
    assert "6 folds · lines: means over folds, bands: ± standard deviation" in lines
    assert "single runs, 6 folds of each pooled" in results
    assert "line through a reported number: its standard deviation" in results
    assert "90.3 reported" in results
    assert "83.64" not in results, "a precision"


def test_more_methods_than_colours_and_some_with_nothing_to_train(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/tran2023.yaml")
    folder = make_paper(tmp_path, paper, "rafdb", images=20)
    stem = "tran2023.rafdb-standin.published"
    with caught() as found:
        curves.draw_curves(paper, runs_of(folder), training(folder), [tmp_path / f"{stem}.svg"])
        late = [path for path in runs_of(folder) if "/late-" in str(path)]
        curves.draw_curves(paper, late, [path.with_name("training.csv") for path in late], [tmp_path / f"{stem}.svg"])
    assert "Late fusion" not in found[0]
    for method, each in paper.methods.items():
        assert (each.label in found[0]) is not method.startswith("late")
    assert "nothing to train" in found[1]


@pytest.mark.parametrize("wanted", [[0.5, 0.5, 0.5], [0.9, 0.1, 0.92], [1.0, 1.0], [0.3]])
def test_labels_are_moved_apart(wanted: list[float]) -> None:
    places = curves.apart(wanted, 0.1)
    ordered = sorted(places)
    assert all(b - a > 0.0999 for a, b in pairwise(ordered))
    assert max(places) <= 1 + 1e-9
    assert [places[k] for k in np.argsort(wanted, kind="stable")] == ordered


# What stands in a figure is read back from Matplotlib and compared with the numbers that it was given.


def estimates(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"mean": [50.0, 60.0, 40.0], "low": [48.0, 58.0, 0.0], "high": [52.0, 62.0, 78.0], **columns})


def test_an_axis_is_near_the_data_and_an_interval_that_leaves_it_ends_in_an_arrow() -> None:
    left, right = limits(estimates())
    assert 40 - REACH - 3 < left < 40 - REACH
    assert 62 < right < 65
    assert limits(estimates(), 83)[1] > 83, "what a paper reports is on the axis"
    axes = Figure().subplots()
    axes.set_xlim(left, right)
    dots(axes, [0, 1, 2], estimates(), "black", filled=[True, False, True])
    assert dots_of(axes) == [(50, 0, True), (60, 1, False), (40, 2, True)]
    (segments,) = [each.get_segments() for each in axes.collections]
    assert np.allclose([ends[:, 0] for ends in segments], [[48, 52], [58, 62], [left, right]])
    assert [(arrow.get_xdata().tolist(), arrow.get_ydata().tolist()) for arrow in arrows_of(axes)] == [
        ([left], [2]),
        ([right], [2]),
    ]


def test_a_forest_shows_every_number_of_its_table_and_the_reported_one(preset: Path, tmp_path: Path) -> None:
    table = pd.read_csv(preset / "table.csv")
    table = table[table["metric"] == "accuracy"]
    with drawn() as found:
        forest.draw_forest(StubPaper(), preset / "table.csv", [tmp_path / "f.svg"])
    for axes, part in zip(found[0].axes, ("public", "private"), strict=True):
        mine = table[table["part"] == part]
        shown = sorted(x for x, _, _ in dots_of(axes))
        assert shown == pytest.approx(sorted([*mine["mean"], 83.0])), "the paper reports one number"
        said = [f"{row['mean']:.1f} [{row['low']:.1f}, {row['high']:.1f}]" for _, row in mine.iterrows()]
        assert sorted(texts_of(axes)) == sorted([*said, "83.0* reported"])
        labels = {text.get_position()[1]: text.get_text() for text in axes.get_yticklabels()}
        if labels:
            (row,) = [y for x, y, _ in dots_of(axes) if x == 83]
            nearest = min(labels, key=lambda y: abs(y - row))
            assert labels[nearest] == METHODS["full"]


def ranked() -> pd.DataFrame:
    common = {"data": "fer2013", "dataset": "fer2013", "stand_in": False, "protocol": "audited", "split": "PrivateTest",
              "n": 2749}  # fmt: skip
    rows = [("a", "a1", 65.0, 1, np.nan, 1), ("b", "b1", 60.0, 2, 0.001, 3), ("a", "a2", 58.0, 3, 0.2, 1),
            ("b", "b2", 40.0, 4, np.nan, 3)]  # fmt: skip
    return pd.DataFrame([{**common, "paper": paper, "method": method, "label": method.upper(), "mean": mean,
                          "low": mean - 2, "high": mean + 2, "place": place, "p_holm": p, "seeds": seeds}
                         for paper, method, mean, place, p, seeds in rows])  # fmt: skip


def test_a_ranking_is_sorted_within_papers_and_says_seeds_and_budget(tmp_path: Path) -> None:
    with drawn() as found, caught() as said:
        draw_ranking(ranked(), [tmp_path / "r.svg"])
    (axes,) = found[0].axes
    labels = {text.get_position()[1]: text.get_text() for text in axes.get_yticklabels()}
    assert list(labels.values()) == ["a", "A1", "A2", "b", "B1", "B2"]
    assert {labels[y]: (x, full) for x, y, full in dots_of(axes)} == {
        "A1": (65, True), "A2": (58, True), "B1": (60, False), "B2": (40, True)}  # fmt: skip
    assert [line.get_marker() for line in axes.lines if 40 in line.get_xdata()] == ["|"], "not compared with the best"
    assert "stroke: not compared" in said[0]
    assert axes.get_xlim()[0] > 30
    seeds = {labels[text.xy[1]]: text.get_text() for text in axes.texts if text.get_text() in "13"}
    assert seeds == {"A1": "1", "A2": "1", "B1": "3", "B2": "3"}


def test_a_ranking_tells_the_budgets_that_differ(preset: Path, tmp_path: Path) -> None:
    rows = [{"paper": "khalid2025", "data": DATA, "dataset": "fer2013", "stand_in": True, "protocol": "audited",
             "split": "PrivateTest", "n": 60, "method": method, "label": label, "mean": 50.0, "low": 48.0, "high": 52.0,
             "place": place, "p_holm": 1.0, "seeds": 2}
            for place, (method, label) in enumerate(METHODS.items(), 1)]  # fmt: skip
    with caught() as found:
        draw_ranking(pd.DataFrame(rows), [tmp_path / "r.svg"], runs_of(preset))
    assert "epochs: 8, " in found[0], "all methods trained as long, so the title says it"
    assert "weights: 1.23 M" in found[0]


def test_epochs_of_runs_that_others_begin_with_count_as_well(preset: Path, tmp_path: Path) -> None:
    shutil.copytree(preset / "runs", tmp_path / "demo/runs")
    for path in runs_of(tmp_path / "demo"):
        record = json.loads(path.read_text())
        if record["method"] == "full":
            record |= {"epochs": 3, "starts_from": {"first": "backbone"}}
        if record["method"] == "self":
            record |= {"epochs": 0, "tests": "region"}
        path.write_text(json.dumps(record))
    found = _budgets(runs_of(tmp_path / "demo")).query("protocol == 'audited'").set_index("method")["epochs"]
    assert found.to_dict() == {"backbone": "8", "region": "8", "self": "8", "full": "8 + 3"}


def compared() -> pd.DataFrame:
    rows = [("full", "region", 2.0, 0.5, 3.5, 0.03), ("backbone", "full", -3.0, -5.0, -1.0, 0.2)]
    return pd.DataFrame([{"data": "fer2013", "protocol": "audited", "part": "private", "method": method,
                          "compared_with": less, "difference": difference, "difference_low": low,
                          "difference_high": high, "p_holm": p, "test": "mcnemar", "n": 100, "seeds": 1}
                         for method, less, difference, low, high, p in rows])  # fmt: skip


def test_a_pair_is_the_row_less_the_column_with_its_interval_and_coloured_if_significant(tmp_path: Path) -> None:
    with drawn() as found:
        draw_pairs(StubPaper(), compared(), [tmp_path / "khalid2025.fer2013.audited.svg"])
    (axes,) = found[0].axes
    # The paper's order: backbone (1), region (2), full (3).
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "VGG backbone (1)", "+ region attention (2)", "Full framework (3)"]  # fmt: skip
    cells = {(text.get_position()[1] - 0.5, text.get_position()[0] - 0.5): text.get_text() for text in axes.texts}
    assert {place: text for place, text in cells.items() if text} == {
        (2, 1): "+2.0\n[+0.5, +3.5]",
        (2, 0): "+3.0\n[+1.0, +5.0]",
    }
    shown = axes.collections[0].get_array().reshape(3, 2)
    assert shown[2].tolist() == [0, 2], "only what is significant is coloured"


def test_sensitivity_shows_every_option_and_marks_other_images(tmp_path: Path) -> None:
    common = {"paper": "p", "dataset": "fer2013", "data": "fer2013", "stand_in": False, "protocol": "audited",
              "label": "M", "n": 120}  # fmt: skip
    rows = [{**common, "what": "heads", "compared_with": "4", "option": "8", "difference": 2.0, "low": 1.0, "high": 3.0,
             "images": "same"},
            {**common, "what": "grid", "compared_with": "3", "option": "6", "difference": -1.0, "low": -2.0,
             "high": 0.5, "images": "other"},
            {**common, "what": "dim", "compared_with": "3", "option": "6", "difference": np.nan}]  # fmt: skip
    with drawn() as found:
        draw_sensitivity(pd.DataFrame(rows), [tmp_path / "s.svg"])
    (axes,) = found[0].axes
    labels = {text.get_position()[1]: text.get_text() for text in axes.get_yticklabels()}
    assert {labels[y]: (x, full) for x, y, full in dots_of(axes)} == {
        "heads: 4 → 8": (2, True), "grid: 3 → 6": (-1, False)}  # fmt: skip
    assert "−1.0 [−2.0, +0.5]" in texts_of(axes)


def test_curves_are_means_over_seeds_with_a_ring_at_the_tested_epoch(preset: Path, tmp_path: Path) -> None:
    with drawn() as found:
        curves.draw_curves(
            StubPaper(), runs_of(preset), training(preset), [tmp_path / f"khalid2025.{DATA}.audited.svg"]
        )
    losses, watched = found[0].axes[0], found[0].axes[3]
    assert losses.get_yscale() == "log"
    runs = sorted((preset / f"runs/khalid2025/{DATA}/audited/full").glob("seed*/training.csv"))
    every = [pd.read_csv(path) for path in runs]
    thick = [line for line in watched.lines if line.get_linewidth() == 1.5]
    assert len(thick) == len(METHODS)
    mean = sum(100 * each["public_accuracy"] for each in every) / 2
    (line,) = [each for each in thick if np.allclose(each.get_ydata(), mean)]
    (ring,) = [
        each for each in watched.lines if each.get_linestyle() == "None" and each.get_color() == line.get_color()
    ]
    best = [each["public_accuracy"].idxmax() for each in every]
    assert ring.get_xdata().tolist() == [each["epoch"][at] for each, at in zip(every, best, strict=True)]
    assert np.allclose(
        ring.get_ydata(), [100 * each["public_accuracy"][at] for each, at in zip(every, best, strict=True)]
    )
    assert {text.get_text(): text.get_color() for text in watched.texts}[METHODS["full"]] == WORDS[line.get_color()]


def test_a_confusion_shows_the_class_mix_before_and_after_the_audit(preset: Path, tmp_path: Path) -> None:
    with drawn() as found:
        confusion.draw_confusions(
            StubPaper(), predictions_of(preset), [tmp_path / f"khalid2025.{DATA}.audited.full.private.svg"]
        )
    _, rates, mix = found[0].axes
    run = next(run for run in read_all(predictions_of(preset)) if run.key[2:4] == ("audited", "full"))
    labels = run.label[[part == "private" for part in run.part]]
    kept = run.label[[part == "private" and kept for part, kept in zip(run.part, run.kept, strict=True)]]
    assert [bar.get_width() for bar in mix.patches] == pytest.approx([100 * (kept == k).mean() for k in range(7)])
    (before,) = mix.lines
    assert before.get_xdata() == pytest.approx([100 * (labels == k).mean() for k in range(7)])
    assert texts_of(mix) == [f"{(kept == k).sum()} of {(labels == k).sum()}" for k in range(7)]
    shown = rates.collections[0].get_array().reshape(7, 7)
    assert [row.sum() for row in shown] == pytest.approx([100 * (k in kept) for k in range(7)])
