"""Figures: the counts in them, equal bytes for equal input, the stand-in mark, hostile names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from refer.errors import UserError
from refer.evaluation.folds import pooled
from refer.evaluation.predictions import read_all
from refer.papers import load_paper
from refer.reporting.figures import audit, curves, results, svg
from refer.reporting.results import Results
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
    scored(folder)
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
    results.draw_confusions(StubPaper(), predictions_of(folder), named["confusion"])
    curves.draw_curves(StubPaper(), runs_of(folder), training(folder), named["curves"])
    rows = Results.read(folder / "results.parquet").wide("method", "mean", "reported", "difference", metric="accuracy")
    results.draw_forest(StubPaper(), rows, named["forest"])
    audit.draw_classes(folder / "audit.json", named["classes"])
    audit.draw_audit(folder / "audit.json", named["audit"])
    return named


@contextmanager
def caught() -> Iterator[list[str]]:
    """Collect what is written in each figure that is saved as SVG."""
    found: list[str] = []
    save = svg.save

    def catch(figure: Figure, path: Path, title: str) -> None:
        save(figure, path, title)
        found.append(" ".join(written_in(path)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(svg, "save", catch)
        yield found


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
    counts = results.confusion(runs, "private")
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
    counts = results.confusion(
        [run for run in read_all(predictions_of(preset)) if run.key[2:4] == ("audited", "full")], "private"
    )
    rows = [[name, *(f"{count:,}" for count in row)] for name, row in zip(CLASSES, counts, strict=True)]
    start = lines["private"].index("Counts") + 1
    assert lines["private"][start : start + 7 * 8 + 9] == [*chain(*rows), *CLASSES, "predicted class", "true class"]
    table = Results.read(preset / "results.parquet").wide("method", "mean", metric="accuracy")
    forest = lines["forest"]
    labels = list(dict.fromkeys(row["label"] for row in table))
    places = [forest.index(label) for label in labels]
    assert places == sorted(places)
    for label, begin, end in zip(labels, places, [*places[1:], None], strict=True):
        mine = {f"{float(row['mean']):.1f}" for row in table if row["label"] == label}
        assert mine <= set(forest[begin:end]), "the numbers of a method follow its name"
    assert lines["classes"].index("Training, n = 28,709") < lines["classes"].index("3,995 (13.9 %)")


def test_drawings_weigh_what_they_show(preset: Path, written: dict[str, str]) -> None:
    for path in (preset / "figures").glob("*.svg"):
        text = path.read_text()
        drawn = sum(text.count(f"<{tag}") for tag in ("text", "path", "circle", "g ", "svg"))
        assert path.stat().st_size < 1500 + 100 * drawn, f"{path.name}: {drawn} elements"
        assert not re.search(r"\d\.\d{3}", re.sub(r">[^<]*<", "><", text)), "more digits than a printer shows"


def test_every_figure_says_that_the_data_is_drawn(written: dict[str, str]) -> None:
    for text in written.values():
        assert NOTICE in text
        assert "drawn stand-in for FER2013" in text


def test_real_data_carries_no_such_notice(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=40, protocols=("audited",), seeds=(0,), epochs=1)
    scored(folder)
    make_audit(folder / "audit.json", "fer2013")
    found = words(folder, tmp_path / "out", "fer2013")
    assert "rawn" not in "".join(found.values())
    assert "one seed" in found["confusion"]
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
    results.draw_confusions(paper, predictions_of(folder), [out])
    curves.draw_curves(paper, runs_of(folder), training(folder), [tmp_path / f"khalid2025.{DATA}.audited.svg"])
    assert "<script" not in out.read_text()


def test_a_name_that_says_nothing_is_refused(preset: Path, tmp_path: Path) -> None:
    draw = results.draw_confusions
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
    table = scored(folder, paper).rows("feratt2019.ckplus-standin")
    stem = "feratt2019.ckplus-standin.audited"
    with caught() as found:
        results.draw_confusions(paper, predictions_of(folder), [tmp_path / f"{stem}.rep-real.test.svg"])
        curves.draw_curves(paper, runs_of(folder), training(folder), [tmp_path / f"{stem}.svg"])
        results.draw_forest(paper, table, [tmp_path / "forest.svg"])
    matrix, lines, forest = found
    run = next(run for run in pooled(read_all(predictions_of(folder))) if run.key[2:4] == ("audited", "rep-real"))
    assert results.confusion([run], "test").sum() == sum(fold.of("test").sum() for fold in run.folds)
    assert f"n = {run.of('test').sum()} images, one seed, 6 folds pooled" in matrix
    assert "6 folds · lines: means over folds, bands: ± standard deviation" in lines
    assert "single runs, 6 folds of each pooled" in forest
    assert "line through a reported number: its standard deviation" in forest
    assert "90.3" in forest
    assert "83.64" not in forest, "a precision"


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
