"""The table and figure of sensitivity: what they count, in which order, and what they say of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.plan import Plan, load_plan
from refer.reporting.figures.sensitivity import draw_sensitivity
from refer.reporting.page import write_page
from refer.reporting.report import Report
from refer.reporting.run_set import read_records
from refer.reporting.score import Asked, score
from refer.reporting.tables.sensitivity import STATES
from report_fixtures import predictions_of, rewrite, runs_of, write_run, written, written_in

STANDIN = {"fer2013": {"subjects": 12}, "rafdb": {"subjects": 12}, "ckplus": {"subjects": 12}}
WANTED = {
    "khalid2025": {"ambiguities": ["heads", "grid", "epochs", "part"], "without": {"grid": {"6": "too fine"}}},
    "feratt2019": {"ambiguities": ["frames", "dim"]},
}


def planned(root: Path, seeds: Sequence[int] = (0,), folds: Sequence[int] = (0, 1), **changes: object) -> Plan:
    """Return a plan of two papers: one whose data set is divided into folds, one that overrules an option."""
    reproduce = {
        "khalid2025": {"methods": ["full", "self"], "override": {"recipe.epochs": 3}, "seeds": [*seeds]},
        "feratt2019": {"methods": ["cls-real", "rep-real"], "data": ["ckplus"], "folds": [*folds], "seeds": [*seeds]},
    }
    config = {"preset": "demo", "title": "t", "standin": STANDIN, "reproduce": reproduce, "sensitivity": WANTED}
    return load_plan(config | changes, base=root)


def filled(folder: Path, plan: Plan, images: int = 160) -> Path:
    """Write predictions of everything that is compared; more attention heads are better, another K is worse."""
    for number, run in enumerate(plan.sensitivity()):
        rng = np.random.default_rng(number)
        classes = list(DATASETS[run.dataset].classes)
        first = images * (run.fold or 0)
        ids = [f"{k:04d}" for k in range(first, first + images)]
        label, hard = np.arange(images) % len(classes), np.random.default_rng(5).normal(0, 1, images)
        logits = rng.normal(0, 0.9, (images, len(classes)))
        skill = 1.0 + hard + {"khalid2025+heads-8": 2.5, "khalid2025+grid-2": -0.4}.get(run.paper, 0.0)
        logits[np.arange(images), label] += skill
        some = slice(0, images // 2 if "frames" in run.paper else None)
        write_run(folder / "demo", paper=run.paper, dataset=run.dataset, data=run.data, protocol=run.protocol,
                  method=run.method, seed=run.seed, fold=run.fold, ids=ids[some], label=label[some],
                  part=np.array([run.evaluated[-1]] * len(ids[some])), kept=np.arange(images)[some] % 20 != 7,
                  logits=logits[some], classes=classes, epochs=3, rng=rng, skill=0.5,
                  network=run.network, recipe=run.as_dict()["recipe"])  # fmt: skip
    return folder / "demo"


def report_of(
    folder: Path, plan: Plan, predictions: list[Path] | None = None, runs: list[Path] | None = None
) -> Report:
    papers = {name: plan.papers[name] for name in plan.config.sensitivity}
    asked = Asked(papers, own=frozenset(), ranked=frozenset(), switches=plan.switches())
    runs = runs or runs_of(folder)
    results = score(asked, predictions or predictions_of(folder), runs, [folder / "results.parquet"])
    return Report(asked, results, read_records(runs))


def made(folder: Path, plan: Plan, **other: list[Path]) -> dict[str, Path]:
    return written(report_of(folder, plan, **other), "sensitivity", folder)


@pytest.fixture(scope="module")
def plan(root: Path) -> Plan:
    return planned(root)


@pytest.fixture(scope="module")
def folder(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("sensitivity"), plan)


@pytest.fixture(scope="module")
def faces(folder: Path, plan: Plan) -> dict[str, Path]:
    return made(folder, plan)


@pytest.fixture(scope="module")
def rows(faces: dict[str, Path]) -> pd.DataFrame:
    return pd.read_csv(faces[".csv"], keep_default_na=True, dtype={"option": str, "compared_with": str})


def right(folder: Path, paper: str, data: str, method: str) -> pd.Series:
    """Return by image whether the answer is right, all folds together."""
    found = []
    for path in sorted((folder / f"runs/{paper}/{data}/published/{method}").glob("seed0*/predictions.parquet")):
        frame = pd.read_parquet(path).set_index("id")
        frame = frame[frame.kept]
        found.append(pd.Series(frame.filter(like="p_").to_numpy().argmax(axis=1) == frame.label, index=frame.index))
    return pd.concat(found)


def test_a_swing_is_the_options_accuracy_minus_the_defaults(folder: Path, rows: pd.DataFrame) -> None:
    run = rows[rows.state == "run"]
    assert len(run) == 2 * 3 + 2 + 1
    for row in run.itertuples():
        before = right(folder, row.paper, row.data, row.method)
        after = right(folder, row.run, row.data, row.method)
        assert row.default == pytest.approx(100 * before.mean())
        assert row.mean == pytest.approx(100 * after.mean())
        assert row.difference == pytest.approx(100 * (after.mean() - before.mean()))
        assert row.low < row.difference < row.high
        assert (row.n, row.default_n) == (len(after), len(before))
        assert row.stand_in
        assert row.images == ("same" if set(before.index) == set(after.index) else "other images")


def test_p_is_mcnemars_and_holm_counts_all_tests(folder: Path, rows: pd.DataFrame) -> None:
    tested = rows[(rows.state == "run") & (rows.images == "same")]
    for row in tested[tested.paper == "khalid2025"].itertuples():
        before, after = (right(folder, name, row.data, row.method) for name in (row.paper, row.run))
        gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
        assert row.test == "mcnemar"
        assert row.p == pytest.approx(binomtest(gained, gained + lost).pvalue)
    order = tested.sort_values("p", kind="stable")
    wanted = np.maximum.accumulate(order.p * np.arange(len(order), 0, -1)).clip(upper=1)
    assert order.p_holm.to_numpy() == pytest.approx(wanted.to_numpy())
    assert rows[rows.images != "same"].p_holm.isna().all()


def test_what_matters_stands_first(rows: pd.DataFrame, faces: dict[str, Path]) -> None:
    run = rows[rows.state == "run"]
    largest = run.groupby("rank").difference.apply(lambda found: found.abs().max())
    assert largest.is_monotonic_decreasing
    assert run["rank"].is_monotonic_increasing
    first = run[run["rank"] == 1]
    assert set(first.what) == {"heads"}
    top = faces[".md"].read_text().splitlines()[6]
    assert re.match(r"\| khalid2025 +\| heads +\| 4 +\| 8 +\|", top), top
    best = first.loc[first.difference.idxmax()]
    assert f"**+{best.difference:.1f}**" in top
    assert "< 0.001" in top.replace("\\", "")


def test_what_was_not_run_is_listed_with_its_reason(rows: pd.DataFrame, faces: dict[str, Path]) -> None:
    missing = rows[rows.state != "run"].drop_duplicates(["paper", "what", "option", "reason"])
    found = {(row.what, row.option): (STATES[row.state], row.reason) for row in missing.itertuples()}
    assert found["epochs", "100"] == ("overruled", "override sets recipe.epochs = 3")
    assert found["part", "public"] == ("changes nothing", "changes nothing of it")
    assert found["grid", "6"] == ("left out", "too fine")
    assert found["dim", "32"] == ("changes nothing", "changes nothing of it"), "of cls-real; rep-real has it"
    assert missing.difference.isna().all()
    text = faces[".md"].read_text()
    assert "What was not run, and why" in text
    assert re.search(r"\| khalid2025 +\| epochs +\| 50 +\| none was run: overruled ", text)
    assert re.search(r"\| feratt2019 +\| dim +\| 64 +\| 32 +\| FERAtt\+Cls, real +\| changes nothing of it ", text)


def test_every_face_says_what_is_drawn_and_what_the_numbers_are(faces: dict[str, Path]) -> None:
    for suffix in (".md", ".tex", ".html"):
        text = faces[suffix].read_text()
        assert "Drawn stand-in data: these numbers say nothing about" in text, suffix
        assert "the two intervals are joined" in text
        assert "McNemar" in text
        assert "The largest of several differences is large by chance too" in text
    text = faces[".md"].read_text()
    assert "What this preset changes in papers/khalid2025.yaml, for all options: recipe.epochs = 3 (was: 50)." in text
    assert "other images" in text


def test_real_rows_stand_beside_drawn_ones(root: Path, tmp_path: Path) -> None:
    plan = planned(root, ckplus="ckplus.zip")
    text = made(filled(tmp_path, plan), plan)[".md"].read_text()
    assert "Drawn stand-in data in the rows marked (drawn): those numbers say nothing about FER2013" in text
    assert "FER2013 (drawn)" in text
    assert "CK+ (drawn)" not in text


def test_several_seeds_count_as_a_sample(root: Path, tmp_path: Path) -> None:
    plan = planned(root, seeds=(0, 1, 2), folds=(0,))
    faces = made(filled(tmp_path, plan), plan)
    rows = pd.read_csv(faces[".csv"])
    run = rows[rows.state == "run"]
    assert set(run.test.dropna()) == {"crossed"}
    assert set(run.seeds) == {3}
    assert run.mean_sd.notna().all()
    assert "of several seeds or folds interval and p count test images and seeds" in faces[".md"].read_text()
    row = run.iloc[0]
    assert f"{row['mean']:.1f} ± {row.mean_sd:.1f}" in faces[".md"].read_text()


def test_an_option_that_runs_in_part_is_marked(root: Path, tmp_path: Path) -> None:
    reproduce = {"tran2023": {"methods": ["resnet18"], "override": {"recipe.lr": 0.001}}}
    plan = planned(root, reproduce=reproduce, sensitivity={"tran2023": {"ambiguities": ["optimizer"]}})
    text = made(filled(tmp_path, plan), plan)[".md"].read_text()
    assert re.search(r"\| sgd \(a\) ", text)
    assert "- (a) In part only: override sets recipe.lr = 0.001." in text


def test_the_same_files_give_the_same_bytes_in_any_order(
    folder: Path, plan: Plan, faces: dict[str, Path], tmp_path: Path
) -> None:
    before = {suffix: path.read_bytes() for suffix, path in faces.items()}
    again = made(folder, plan, predictions=predictions_of(folder)[::-1], runs=runs_of(folder)[::-1])
    assert {suffix: path.read_bytes() for suffix, path in again.items()} == before
    pictures = [[tmp_path / f"{name}{suffix}" for suffix in (".svg", ".png")] for name in "ab"]
    for each in pictures:
        draw_sensitivity(report_of(folder, plan).frame("sensitivity"), each)
    for one, other in zip(*pictures, strict=True):
        assert one.read_bytes() == other.read_bytes()
    read = written_in(tmp_path / "a.svg")
    panels = [place for place, line in enumerate(read) if ", n = " in line]
    assert [read[place].partition(" on ")[0] for place in panels] == list(WANTED)
    options = [place for place, line in enumerate(read) if "→" in line]
    assert panels[0] < min(options)
    assert any(place > panels[1] for place in options), "a paper's name is read before its options"


def test_a_missing_or_foreign_run_is_named(root: Path, plan: Plan, folder: Path, tmp_path: Path) -> None:
    given = predictions_of(folder)
    lost = next(path for path in given if "heads-8" in str(path))
    with pytest.raises(UserError, match=r"runs/khalid2025\+heads-8/.*predictions were not given"):
        made(folder, plan, predictions=[path for path in given if path != lost])
    one = next(path for path in given if "dim-32" in str(path) and "fold1" in str(path))
    with pytest.raises(UserError, match=r"found the folds \(0,\), expected \(0, 1\)"):
        made(folder, plan, predictions=[path for path in given if path != one])
    copy = tmp_path / "demo"
    shutil.copytree(folder, copy)
    changed = next(path for path in predictions_of(copy) if "heads-8" in str(path))
    rewrite(changed, lambda _, meta: meta.update(checkpoint_sha256="0" * 64))
    with pytest.raises(UserError, match=r"heads-8.*of another checkpoint"):
        made(copy, plan)
    shutil.rmtree(copy)
    shutil.copytree(folder, copy)
    for path in predictions_of(copy):
        if "heads-8" in str(path):
            rewrite(path, lambda _, meta: meta.update(data_fingerprint="0" * 64))
    with pytest.raises(UserError, match=r"heads-8.*data_fingerprint is another than in .*/khalid2025/"):
        made(copy, plan)


def test_runs_that_are_not_compared_may_be_given_too(root: Path, folder: Path, faces: dict[str, Path]) -> None:
    fewer = planned(root, sensitivity={"khalid2025": {"ambiguities": ["heads"], "methods": ["full"]}})
    before = {suffix: path.read_bytes() for suffix, path in faces.items()}
    rows = pd.read_csv(made(folder, fewer)[".csv"])
    for suffix, path in faces.items():
        path.write_bytes(before[suffix])
    assert set(rows.what) == {"heads"}
    one_fold = planned(root, sensitivity={"feratt2019": {"ambiguities": ["frames"], "folds": [0]}})
    rows = pd.read_csv(made(folder, one_fold)[".csv"])
    for suffix, path in faces.items():
        path.write_bytes(before[suffix])
    assert set(rows.folds.dropna()) == {1}, "the paper's own runs may have more folds than are compared"


def test_nothing_to_run_gives_a_table_of_reasons(root: Path, folder: Path, tmp_path: Path) -> None:
    plan = planned(root, sensitivity={"khalid2025": {"ambiguities": ["part"]}})
    assert plan.sensitivity() == []
    report = report_of(shutil.copytree(folder, tmp_path / "demo"), plan)
    assert "none was run: changes nothing" in written(report, "sensitivity", tmp_path)[".md"].read_text()
    draw_sensitivity(report.frame("sensitivity"), [tmp_path / "empty.svg"])
    assert (tmp_path / "empty.svg").stat().st_size > 0


def test_variants_are_scored_beside_their_paper(folder: Path, plan: Plan) -> None:
    report_of(folder, plan)
    scores = pd.read_parquet(folder / "results.parquet")
    assert {"khalid2025", "khalid2025+heads-8"} <= set(scores[scores.scope == "run"].paper)


def test_the_page_shows_it_and_counts_papers_not_variants(folder: Path, plan: Plan) -> None:
    report, figure = report_of(folder, plan), folder / "sensitivity.svg"
    draw_sensitivity(report.frame("sensitivity"), [figure])
    write_page(folder / "report.html", title="t", report=report, audits=[], figures={"sensitivity": [figure]})
    page = (folder / "report.html").read_text()
    assert '<section id="sensitivity">' in page
    assert "the largest difference of each, in points of accuracy" in page
    assert re.search(r"<dt>Papers</dt><dd>(khalid2025, feratt2019|feratt2019, khalid2025)</dd>", page)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(faces: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(faces[".tex"], tmp_path / "sensitivity.tex")
    text = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{sensitivity}\end{document}"
    (tmp_path / "paper.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
