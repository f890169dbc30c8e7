"""The table of methods and data sets: which cells it has, what they count, and what it says of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from refer.errors import UserError
from refer.plan import Plan, load_plan
from refer.reporting.report import Report
from refer.reporting.results import Results
from refer.reporting.run_set import read_records
from refer.reporting.score import Asked, score
from report_fixtures import make_paper, predictions_of, rewrite, runs_of, scored, written

METHODS = {"tran2023": ["resnet18", "late-r18-r34"], "feratt2019": ["baseline-real", "rep-synthetic"]}
STANDIN = {"rafdb": {"images": {"train": 60, "test": 60}, "subjects": 20}, "bu3dfe": {"subjects": 20}}
SUFFIXES = (".csv", ".md", ".tex", ".html")


def planned(root: Path, **changes: object) -> tuple[dict[str, object], Plan]:
    """Return a configuration with a matrix of two papers and two data sets, one of them real, and its plan."""
    config = {
        "preset": "demo",
        "title": "A matrix",
        "reproduce": {name: {} for name in METHODS},
        "matrix": {"methods": METHODS, "data": ["rafdb", "ckplus"]},
        **dict.fromkeys(("fer2013", "viri", "nvie", "rafdb", "bu3dfe"), "stand-in"),
        "ckplus": "ckplus.zip",
        "standin": STANDIN,
        **changes,
    }
    return config, load_plan(config, base=root)


def filled(folder: Path, plan: Plan, *, seeds: tuple[int, ...] = (0,), suffix: str = "") -> Path:
    """Write the runs of every paper of `plan` on both data sets; CK+ is real unless there is a `suffix`."""
    for name, methods in METHODS.items():
        paper = plan.papers[name]
        make_paper(folder, paper, "rafdb", images=120, seeds=seeds, methods=methods)
        make_paper(folder, paper, "ckplus", images=240, seeds=seeds, folds=(0, 1, 2), methods=methods, suffix=suffix)
    return folder / "demo"


def made(folder: Path, plan: Plan, name: str = "matrix") -> dict[str, Path]:
    return written(scored(folder, *plan.papers.values()), name, folder)


@pytest.fixture(scope="module")
def plan(root: Path) -> Plan:
    return planned(root)[1]


@pytest.fixture(scope="module")
def folder(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("matrix"), plan)


@pytest.fixture(scope="module")
def faces(folder: Path, plan: Plan) -> dict[str, Path]:
    return made(folder, plan)


def every(plan: Plan) -> set[str]:
    return {run.path for run in plan.runs()}


class Inputs(SimpleNamespace):
    """What Snakemake gives a script: attributes that can also be asked for."""

    def get(self, name: str, default: object = None) -> object:
        return getattr(self, name, default)


def hits(folder: Path, paper: str, data: str, method: str) -> list[np.ndarray]:
    """Return which answers on the kept test images are right, one array a run."""
    found = []
    for path in sorted((folder / f"runs/{paper}/{data}/audited/{method}").glob("*/predictions.parquet")):
        frame = pd.read_parquet(path)
        frame = frame[(frame.part == "test") & frame.kept]
        found.append(frame.filter(like="p_").to_numpy().argmax(axis=1) == frame.label.to_numpy())
    return found


def test_each_cell_is_the_audited_result_on_the_last_part(folder: Path, faces: dict[str, Path]) -> None:
    rows = pd.read_csv(faces[".csv"])
    assert [*rows.data] == ["rafdb-standin"] * 4 + ["ckplus"] * 4, "in the catalogue's order"
    assert set(rows.part) == {"test"}
    for row in rows.itertuples():
        runs = hits(folder, row.paper, row.data, row.method)
        answers = np.concatenate(runs)
        assert (row.mean, row.n) == (pytest.approx(100 * answers.mean()), len(answers))
        assert row.low < row.mean < row.high
        assert row.stand_in == (row.data == "rafdb-standin")
    divided = rows[rows.data == "ckplus"].iloc[0]
    spread = 100 * np.std([run.mean() for run in hits(folder, "tran2023", "ckplus", "resnet18")], ddof=1)
    assert (divided.sd, divided.sd_over, divided.seeds, divided.folds) == (pytest.approx(spread), "folds", 1, 3)
    assert rows[rows.data == "rafdb-standin"].sd.isna().all()


def test_the_baseline_names_the_commonest_class_of_the_test_images(folder: Path, faces: dict[str, Path]) -> None:
    rows = pd.read_csv(faces[".csv"])
    for data, paths in rows.groupby("data").groups.items():
        runs = (folder / f"runs/tran2023/{data}/audited/resnet18").glob("*/predictions.parquet")
        frame = pd.concat(pd.read_parquet(path) for path in runs)
        counts = frame[(frame.part == "test") & frame.kept].label.value_counts()
        assert [*rows.loc[paths].baseline] == pytest.approx([100 * counts.max() / counts.sum()] * 4)
    last = [line for line in faces[".md"].read_text().splitlines() if line.startswith("|")][-1]
    shown = [f"{rows[rows.data == data].baseline.iloc[0]:.1f}" for data in ("rafdb-standin", "ckplus")]
    assert re.findall(r"[^ |]+", last.split("Always the commonest class")[1]) == shown


def test_the_best_of_a_column_is_bold(faces: dict[str, Path]) -> None:
    rows = pd.read_csv(faces[".csv"])
    best = sum((group["mean"] == group["mean"].max()).sum() for _, group in rows.groupby("data"))
    assert faces[".html"].read_text().count('class="best"') == best
    assert "Bold: the highest mean of a column, which alone does not make it better" in faces[".md"].read_text()


def test_drawn_columns_are_marked_beside_real_ones(faces: dict[str, Path]) -> None:
    notice = "Drawn stand-in data in the columns marked (drawn): those numbers say nothing about RAF-DB"
    for suffix in (".md", ".tex", ".html"):
        text = faces[suffix].read_text()
        assert notice in text
        assert "RAF-DB (drawn), n = 114" in text
        assert "CK+, n = 57" in text
        assert "CK+ (drawn)" not in text


def test_notes_say_how_data_are_divided_and_what_sets_methods_apart(faces: dict[str, Path]) -> None:
    text = faces[".md"].read_text()
    assert "- CK+: train, val and test in 12 folds of other people (0, 1 and 2 run); tested on test, 3 of 60" in text
    assert re.search(r"- RAF-DB \(drawn\): train, val.* and test; tested on test, 6 of 120 images removed", text)
    assert re.search(r"\| PreActResNet18, real \(a\) ", text)
    assert "- (a) Starts without weights from elsewhere." in text
    assert re.search(r"\| Late fusion, ResNet18 \+ ResNet34 \(b\) ", text)
    assert "- (b) Goes on from networks of its paper that were trained here." in text
    assert re.search(r"\| FERAtt\+Rep\+Cls, synthetic \(c\) ", text)
    assert "- (c) Is tested on faces composed on backgrounds, not on the images as they are." in text
    assert "over the folds of a single seed (n − 1" in text
    assert "16 runs of 3 epochs (4 with nothing to train)" in text, "published runs are not counted"


def test_several_seeds_one_data_set_alone_and_a_method_that_was_not_run(root: Path, tmp_path: Path) -> None:
    plan = planned(root, ckplus="stand-in", standin=STANDIN | {"ckplus": {"images": {"all": 40}, "subjects": 20}})[1]
    tran, feratt = plan.papers["tran2023"], plan.papers["feratt2019"]
    make_paper(tmp_path, tran, "rafdb", seeds=(0, 1), methods=["resnet18"])
    folder = make_paper(tmp_path, feratt, "ckplus", images=240, folds=(0, 1), methods=["rep-real"])
    faces = made(folder, plan)
    text = faces[".md"].read_text()
    assert "Drawn stand-in data: these numbers say nothing about RAF-DB and CK+" in text
    assert "(drawn)" not in text, "where everything is drawn, the banner says so"
    assert re.search(r"\| ResNet18 +\| +\*\*\d+\.\d ± \d+\.\d\*\* \| +[\d.]+–[\d.]+ \| +– \| +– \|", text)
    assert re.search(r"\*\*\d+\.\d ± \d+\.\d\*\* \(a\) \|", text)
    assert "- (a) Standard deviation over the folds of a single seed, not over seeds." in text
    assert [*pd.read_csv(faces[".csv"]).sd_over] == ["seeds", "folds"]


def test_other_images_have_their_own_n(root: Path, plan: Plan, tmp_path: Path) -> None:
    folder = make_paper(tmp_path, plan.papers["tran2023"], "rafdb", images=60, methods=METHODS["tran2023"])
    for path in predictions_of(folder):
        if "/late-r18-r34/" in str(path):
            rewrite(path, lambda c, _: c.update({name: values[::2] for name, values in c.items()}))
    faces = made(folder, plan)
    text, rows = faces[".md"].read_text(), pd.read_csv(faces[".csv"]).set_index("method")
    assert "RAF-DB: n |" in text
    least = rows.n.min()
    assert least < rows.n.max()
    assert f"RAF-DB: not all methods were tested on the same images; all share {least} images." in text


def test_the_same_files_give_the_same_bytes_in_any_order(
    folder: Path, plan: Plan, faces: dict[str, Path], tmp_path: Path
) -> None:
    asked = Asked(plan.papers)
    results = score(asked, predictions_of(folder)[::-1], runs_of(folder)[::-1], [])
    again = written(Report(asked, results, read_records(runs_of(folder)[::-1])), "matrix", tmp_path)
    for suffix, path in again.items():
        assert path.read_bytes() == faces[suffix].read_bytes()


def test_without_audited_runs_there_is_no_table(plan: Plan) -> None:
    with pytest.raises(UserError, match="no run of the protocol 'audited' was given"):
        Report(Asked(plan.papers), Results([]), {}).tables("matrix")


def test_the_scripts_lend_papers_the_data_sets_of_others_and_write_all_of_it(
    root: Path, folder: Path, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("matrix", "ranking", "contrasts")
    tables = [str(tmp_path / f"tables/{name}{suffix}") for name in names for suffix in SUFFIXES]
    results = [str(tmp_path / f"results{suffix}") for suffix in (".parquet", ".csv")]
    drawn = {name: [str(tmp_path / f"figures/{name}.svg")] for name in ("verdicts", "ranking")}
    matrix = {"methods": METHODS, "data": ["rafdb", "ckplus"], "seeds": [0], "folds": [0, 1, 2]}
    config, asked = planned(root, matrix=matrix, precision="fp32")
    # A paper's own seeds on its own data were not written.
    runs = [
        path for path in runs_of(folder) if Path(path).parent.relative_to(folder / "runs").as_posix() in every(asked)
    ]
    given = {"papers": [str(root / f"papers/{name}.yaml") for name in METHODS], "runs": runs}
    scoring = {"predictions": [str(Path(path).with_name("predictions.parquet")) for path in runs], "training": []}
    monkeypatch.chdir(tmp_path)
    for name, inputs, outputs in (
        ("score", {**given, **scoring}, results),
        ("tables", {**given, "results": results[0]}, SimpleNamespace(tables=tables, **drawn, sensitivity=[])),
    ):
        snakemake = SimpleNamespace(
            input=Inputs(**inputs),
            output=outputs,
            params=SimpleNamespace(config=json.dumps(config), prepared=[]),
            log=[str(tmp_path / "log.txt")],
        )
        script = root / f"workflow/scripts/{name}.py"
        exec(compile(script.read_text(), str(script), "exec"), {"snakemake": snakemake})
    assert Path(tables[0]).read_bytes() == faces[".csv"].read_bytes()
    for name in names[1:]:  # two data sets, a block each, one of them drawn
        again = made(folder, planned(root)[1], name)
        for suffix, path in again.items():
            assert path.read_bytes() == (tmp_path / f"tables/{name}{suffix}").read_bytes()
    rows = pd.read_csv(tmp_path / "tables/ranking.csv")
    assert [*dict.fromkeys(rows.data)] == ["rafdb-standin", "ckplus"]
    assert (tmp_path / "figures/ranking.svg").stat().st_size > 1000


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(faces: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(faces[".tex"], tmp_path / "matrix.tex")
    text = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{matrix}\end{document}"
    (tmp_path / "paper.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
