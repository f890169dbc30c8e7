"""Tables: the numbers, their faces, what is escaped, and what is refused."""

from __future__ import annotations

import csv
import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from refer.errors import UserError
from refer.evaluation.intervals import wilson
from refer.papers import load_paper
from refer.reporting.names import as_run
from refer.reporting.report import Report
from refer.reporting.results import Results
from refer.reporting.run_set import read_records
from refer.reporting.score import Asked, check_results, score
from refer.reporting.tables import listings, table
from refer.reporting.tables.changes import changes
from refer.reporting.tables.latex import latex
from refer.reporting.tables.notes import cost, duration
from refer.reporting.tables.write import write_tables
from refer.spec import Averages
from report_fixtures import (
    CLASSES,
    METHODS,
    StubMethod,
    StubPaper,
    StubReported,
    make_audit,
    make_paper,
    make_preset,
    predictions_of,
    rewrite,
    runs_of,
    scored,
    written,
)

DATA = "fer2013-standin"
NOTICE = "Drawn stand-in data: these numbers say nothing about FER2013"
HOSTILE = r"<script>alert(1)</script> a_b&c% $x^2$ {z} #1 ~ \end{table} | *w* `q` [l](u)"


def compared(folder: Path, paper: StubPaper | None = None, data: str = DATA) -> dict[str, Path]:
    """Score and compare a preset; return the table's files by suffix."""
    paper = paper or StubPaper()
    return written(scored(folder, paper), f"{paper.id}.{data}", folder)


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_preset(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def faces(preset: Path) -> dict[str, Path]:
    return compared(preset)


def test_csv_holds_the_numbers_in_full(preset: Path, faces: dict[str, Path]) -> None:
    rows = pd.read_csv(faces[".csv"])
    assert len(rows) == 2 * 4 * 2  # protocols, methods, parts
    row = rows[(rows.protocol == "audited") & (rows.method == "full") & (rows.part == "private")].iloc[0]
    accuracies = []
    for seed in (0, 1):
        path = preset / f"runs/khalid2025/{DATA}/audited/full/seed{seed}/predictions.parquet"
        frame = pd.read_parquet(path)
        frame = frame[(frame.part == "private") & frame.kept]
        right = frame[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1) == frame.label
        accuracies.append(100 * right.mean())
    assert row["mean"] == pytest.approx(np.mean(accuracies))
    assert row.sd == pytest.approx(np.std(accuracies, ddof=1))
    assert row.low < row["mean"] < row.high
    assert row.difference == pytest.approx(np.mean(accuracies) - 83)
    assert (row.n + row.removed, row.seeds, row.seed_list) == (300, 2, "0 1")
    assert (row.reported, row.reported_part, row.interval_method) == (83, "not stated", "crossed")
    assert bool(row.stand_in)
    assert rows[rows.method == "self"].difference.isna().all()


def test_best_is_marked_once_per_protocol_and_part(faces: dict[str, Path]) -> None:
    rows = pd.read_csv(faces[".csv"])
    best = rows[rows.best]
    assert len(best) == 4
    for row in best.itertuples():
        same = rows[(rows.protocol == row.protocol) & (rows.part == row.part)]
        assert row.mean == same["mean"].max()
    assert faces[".md"].read_text().count("**") - 4 == 2 * 4  # title and notice are bold, too
    assert faces[".tex"].read_text().count(r"\textbf{") - 1 == 4
    assert faces[".html"].read_text().count('class="best"') == 4


def test_every_face_says_that_the_data_is_drawn(faces: dict[str, Path]) -> None:
    assert faces[".html"].read_text().count(NOTICE) >= 2
    assert r"\caption{" in faces[".tex"].read_text()
    caption = next(line for line in faces[".tex"].read_text().splitlines() if line.startswith(r"\caption"))
    assert NOTICE in caption
    assert rf"\multicolumn{{15}}{{c}}{{\textbf{{{NOTICE}}}}}" in faces[".tex"].read_text()
    assert NOTICE in faces[".md"].read_text()
    assert "| Method (drawn data)" in faces[".md"].read_text()
    assert set(pd.read_csv(faces[".csv"]).stand_in) == {True}


def test_real_data_carries_no_such_notice(tmp_path: Path) -> None:
    faces = compared(make_preset(tmp_path, data="fer2013", images=60), data="fer2013")
    for path in faces.values():
        assert "rawn" not in path.read_text()


def test_footnotes_say_what_the_numbers_are(faces: dict[str, Path]) -> None:
    text = faces[".md"].read_text()
    assert "83.0 (a)" in text
    assert "(a) The paper does not say on which split" in text
    assert "for several seeds, the crossed interval, of which test images and seeds are both samples" in text
    assert "it is not of drawn data, and says “stand-in”" in text
    assert "for a single run" not in text
    assert "published: every image as released. Epoch tested: best accuracy on public" in text
    assert re.search(r"audited: .*Removed: \d+ of 300 images of PublicTest, \d+ of 300 images of PrivateTest", text)
    assert "16 runs of 8 epochs: 1 h 27 min of training" in text


def test_one_seed_has_no_spread_and_wilson(tmp_path: Path) -> None:
    faces = compared(make_preset(tmp_path, images=80, seeds=(4,)))
    assert "±" not in faces[".md"].read_text().split("Accuracy: mean")[0], "neither ± 0 nor ± nothing"
    assert "for a single run, Wilson's, which counts" in faces[".md"].read_text()
    rows = pd.read_csv(faces[".csv"])
    assert rows.sd.isna().all()
    row = rows.iloc[0]
    low, high, _ = wilson(round(row["mean"] * row.n / 100), row.n)
    assert (row.low, row.high) == pytest.approx((100 * low, 100 * high))


def test_markdown_lines_up_when_read_raw(faces: dict[str, Path]) -> None:
    lines = [line for line in faces[".md"].read_text().splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 8
    bars = [[place for place, character in enumerate(line) if character == "|"] for line in lines]
    assert all(places == bars[0] for places in bars)


def test_equal_input_gives_equal_bytes(preset: Path, faces: dict[str, Path], tmp_path: Path) -> None:
    outputs = [tmp_path / path.name for path in faces.values()]
    results = score(Asked({"khalid2025": StubPaper()}), predictions_of(preset)[::-1], runs_of(preset)[::-1], [])
    Report(Asked({"khalid2025": StubPaper()}), results, read_records(runs_of(preset)[::-1])).write(outputs)
    for again, before in zip(outputs, faces.values(), strict=True):
        assert again.read_bytes() == before.read_bytes()


def test_a_part_that_the_paper_names_is_kept_apart(preset: Path) -> None:
    claims = [
        StubReported("full", "fer2013", "accuracy", 83.0, part="private", n=3589),
        StubReported("region", "fer2013", "accuracy", 70.25),
        StubReported("region", "fer2013", "f1", 12.0),
        StubReported("region", "other", "accuracy", 13.0),
    ]
    faces = compared(preset, StubPaper(reported=claims))
    rows = pd.read_csv(faces[".csv"])
    rows = rows[rows.metric == "accuracy"].set_index(["protocol", "method", "part"])
    assert np.isnan(rows.loc["audited", "full", "public"].difference)
    assert rows.loc["audited", "full", "private"].reported_part == "private"
    assert rows.loc["audited", "region", "public"].reported == 70.25
    assert "83.0 (PrivateTest)" in faces[".md"].read_text()
    assert "n = 3,589" in faces[".md"].read_text()
    compared(preset)


def test_a_paper_without_reported_numbers(preset: Path) -> None:
    faces = compared(preset, StubPaper(reported=[]))
    assert "reports no accuracy on this data set" in faces[".md"].read_text()
    assert pd.read_csv(faces[".csv"]).difference.isna().all()
    compared(preset)


class Balanced(HTMLParser):
    """Collects text; raises where a tag closes that is not open."""

    void = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_paper() -> StubPaper:
    methods = {key: StubMethod(f"{HOSTILE} {key}") for key in METHODS}
    claim = StubReported("full", "fer2013", "accuracy", 83.0, source=HOSTILE, note=HOSTILE)
    return StubPaper(citation=HOSTILE, methods=methods, reported=[claim])


def test_text_is_escaped_in_html(preset: Path) -> None:
    text = compared(preset, hostile_paper())[".html"].read_text()
    compared(preset)
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "script" not in parser.seen
    assert html.unescape(HOSTILE) in parser.text
    assert "http" not in re.sub(r"doi\S+", "", text)


def test_text_is_escaped_in_markdown(preset: Path) -> None:
    text = compared(preset, hostile_paper())[".md"].read_text()
    compared(preset)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert r"\<script\>" in text
    assert r"\*w\*" in text


def test_text_is_escaped_in_latex(preset: Path) -> None:
    text = compared(preset, hostile_paper())[".tex"].read_text()
    compared(preset)
    assert r"\textless{}script\textgreater{}" in text
    assert r"a\_b\&c\%" in text
    assert r"\textbackslash{}end\{table\}" in text
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    rows = [line for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {14}
    for name in ("table*", "tabular", "minipage"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(preset: Path, tmp_path: Path) -> None:
    faces = compared(preset, hostile_paper())
    compared(preset)
    listings.write_audit(make_audit(tmp_path / "audit.json"), [tmp_path / "audit.tex"])
    write_tables([listings.ambiguity_table(StubPaper())], [tmp_path / "ambiguities.tex"])
    scored(preset).write([tmp_path / "runs.tex"])
    shutil.copy(faces[".tex"], tmp_path / "comparison.tex")
    row = {"label": table.Cell(f"Method {HOSTILE}", mark="a, b"), "mean": "80.0 ± 1.0"}
    columns = [table.Column("label", "Method"), table.Column("mean", "Accuracy", group="test", right=True)]
    rows = [{**row, "block": number // 20} for number in range(40)]
    long = table.Table("long", "Long", columns, rows, [table.Note("note", "a")], block=["block"])
    write_tables([long, long], [tmp_path / "long.tex"])
    inputs = "\n".join(rf"\input{{{name}}}" for name in ("comparison", "audit", "ambiguities", "runs", "long"))
    document = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "paper.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_unknown_letters_become_plain_ones_in_latex() -> None:
    one = table.Table("t", "Ünïcödé ≈ 表 ± −", [table.Column("a", "A")], [{"a": "x"}])
    text = latex(one)
    assert r"Ünïcödé ? ? $\pm$ $-$" in text


@pytest.mark.parametrize(
    ("value", "shown"), [(1.25, "+1.2"), (-39.04, "−39.0"), (0.04, "0.0"), (-0.04, "0.0"), (None, "–")]
)
def test_signs(value: float | None, shown: str) -> None:
    assert table.signed(value) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(12.4, "12 s"), (600, "10 min"), (6480, "1 h 48 min")])
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_what_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, images=40, protocols=("audited",))

    def run(paper: object = None, runs: list[Path] | None = None) -> Results:
        wanted = Asked({"khalid2025": paper or StubPaper()})
        return score(wanted, predictions_of(folder), runs or runs_of(folder), [])

    found = run()
    check_results(found, predictions_of(folder), "results.parquet")
    with pytest.raises(UserError, match=r"run.json of this run was not given"):
        run(runs=runs_of(folder)[1:])
    with pytest.raises(UserError, match=r"run.json: no such file"):
        run(runs=[*runs_of(folder), folder / f"runs/khalid2025/{DATA}/audited/full/seed9/run.json"])
    with pytest.raises(UserError, match=r"no method 'backbone'; known: full"):
        run(StubPaper(methods={"full": StubMethod("Full")}))
    with pytest.raises(UserError, match=r"results.parquet: no such file"):
        Results.read(tmp_path / "results.parquet")
    pq.write_table(pa.table({"scope": ["run"]}), tmp_path / "results.parquet")
    with pytest.raises(UserError, match="another version of refer; delete it and score again"):
        Results.read(tmp_path / "results.parquet")
    path = predictions_of(folder)[0]
    kept = path.read_bytes()
    rewrite(path, lambda _, meta: meta.update(checkpoint_sha256="f" * 64))
    with pytest.raises(UserError, match="made with the checkpoint ffffffffffff"):
        run()
    path.write_bytes(kept)

    def swap(columns: dict, _: dict) -> None:
        columns["p_angry"], columns["p_happy"] = columns["p_happy"], columns["p_angry"]

    rewrite(path, swap)
    with pytest.raises(UserError, match="the results table is not of these predictions"):
        check_results(found, predictions_of(folder), "results.parquet")


def test_audit_table(tmp_path: Path) -> None:
    outputs = [tmp_path / f"audit{suffix}" for suffix in (".csv", ".md", ".html")]
    listings.write_audit(make_audit(tmp_path / "audit.json"), outputs)
    rows = pd.read_csv(outputs[0]).set_index(["finding", "split", "other_split"], drop=False)
    count = rows["count"].sort_index()
    assert count["images that also stand in the other split", "PrivateTest", "Training"] == 288
    assert count["class disgust", "PrivateTest"].item() == 55
    assert count["blank images", "Training"].item() == 11
    text = outputs[1].read_text()
    assert re.search(r"Images of PrivateTest that also stand in Training +\| +288 \| +3,589 \| +8\.0 \|", text)
    assert re.search(r"Blank images in Training +\| +11 \| +28,709 \| < 0\.1 \|".replace("< ", r"\\< "), text)
    assert NOTICE in text
    assert NOTICE in outputs[2].read_text()


def test_audit_that_is_absent_or_not_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        listings.write_audit(tmp_path / "audit.json", [])
    (tmp_path / "audit.json").write_text('{"dataset": "fer2013", "stand_in": true}')
    with pytest.raises(UserError, match=r"images: missing"):
        listings.write_audit(tmp_path / "audit.json", [])


def test_ambiguities_and_runs(preset: Path, tmp_path: Path) -> None:
    write_tables([listings.ambiguity_table(StubPaper())], [tmp_path / "a.csv", tmp_path / "a.md"])
    with (tmp_path / "a.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["ambiguity"] for row in rows] == ["split", "backbone"]
    assert (rows[1]["choice"], rows[1]["alternatives"]) == ("vggs", "resnet18")
    assert "Which backbone is fine-tuned?" in (tmp_path / "a.md").read_text()
    scored(preset).write([tmp_path / "runs.csv", tmp_path / "runs.html"])
    runs = pd.read_csv(tmp_path / "runs.csv")
    assert len(runs) == 16
    assert runs.checkpoint_sha256.str.fullmatch("[0-9a-f]{64}").all()
    assert set(runs.git_commit) == {"0123456789abcdef0123456789abcdef01234567"}
    assert {"seconds", "images_per_s", "selected_epoch", "data_fingerprint", "torch_version"} <= set(runs.columns)
    assert NOTICE in (tmp_path / "runs.html").read_text()


@pytest.fixture(scope="module")
def divided(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods of feratt2019 on three folds of CK+, two seeds, under both protocols."""
    paper = load_paper(root / "papers/feratt2019.yaml")
    methods = ("rep-synthetic", "rep-real")
    folder = tmp_path_factory.mktemp("divided")
    return make_paper(folder, paper, "ckplus", images=240, seeds=(0, 1), folds=(0, 1, 2), methods=methods)


def test_folds_are_pooled_and_their_spread_is_shown(divided: Path, root: Path) -> None:
    faces = compared(divided, load_paper(root / "papers/feratt2019.yaml"), "ckplus-standin")
    rows = pd.read_csv(faces[".csv"])
    row = rows[(rows.protocol == "audited") & (rows.method == "rep-real") & (rows.part == "test")].iloc[0]
    assert (row.metric, row.seeds, row.folds, row.fold_list, row.interval_method) == (
        "accuracy", 2, 3, "0 1 2", "crossed",
    )  # fmt: skip
    hits = {}
    for seed in (0, 1):
        for fold in (0, 1, 2):
            path = divided / f"runs/feratt2019/ckplus-standin/audited/rep-real/seed{seed}-fold{fold}"
            frame = pd.read_parquet(path / "predictions.parquet")
            frame = frame[(frame.part == "test") & frame.kept]
            hits[seed, fold] = frame.filter(like="p_").to_numpy().argmax(axis=1) == frame.label
    pooled = [100 * np.concatenate([hits[seed, fold] for fold in range(3)]).mean() for seed in (0, 1)]
    folds = [100 * np.mean([hits[seed, fold].mean() for seed in (0, 1)]) for fold in range(3)]
    assert (row["mean"], row.sd) == pytest.approx((np.mean(pooled), np.std(pooled, ddof=1)))
    assert (row.fold_mean, row.fold_mean_sd) == pytest.approx((np.mean(folds), np.std(folds, ddof=1)))
    assert row.n == sum(len(hits[0, fold]) for fold in range(3))
    assert (row.reported, row.reported_sd) == (90.3, 1.36)
    text = faces[".md"].read_text()
    assert f"{row.fold_mean:.1f} ± {row.fold_mean_sd:.1f}" in text
    assert "90.30 ± 1.36" in text
    assert "3 of 12 (0, 1 and 2) were run" in text
    assert "for folds, the crossed interval of which the folds (other people, other networks) and the seeds" in text
    assert not rows[(rows.protocol == "published")].part.eq("val").any()
    assert re.search(r"\| FERAtt\+Rep\+Cls, real \(b\) +\| published \| +\d \|( +2 \| +3 \|)( +– \|){4} +90.3", text)


def test_every_reported_metric_stands_beside_ours_of_the_same_definition(divided: Path, root: Path) -> None:
    faces = compared(divided, load_paper(root / "papers/feratt2019.yaml"), "ckplus-standin")
    rows = pd.read_csv(faces[".csv"])
    mine = rows[(rows.protocol == "published") & (rows.method == "rep-real")].set_index("metric")
    assert [*mine.index] == ["accuracy", "macro_precision", "macro_recall", "macro_f1_of_means"]
    assert [*mine.reported] == [90.3, 83.64, 84.9, 84.25]
    table = pd.read_parquet(divided / "results.parquet")
    runs = table[(table.scope == "run") & table.run.fillna("").str.contains("published/rep-real")]
    for metric in mine.index:
        values = runs[(runs.part == "test") & (runs.metric == metric) & runs.fold.isna()].value
        assert mine.loc[metric, "mean"] == pytest.approx(values.mean())
        assert mine.loc[metric].difference == pytest.approx(mine.loc[metric, "mean"] - mine.loc[metric].reported)
    assert (mine.low < mine["mean"]).all()
    assert (mine["mean"] < mine.high).all()
    assert [*mine.verdict] == ["stand-in"] * 4
    text = faces[".md"].read_text()
    assert "**feratt2019: precision, recall and F1 (%) on CK+, test, reported and reproduced**" in text
    assert re.search(r"\| FERAtt\+Rep\+Cls, real +\| published +\| Macro F1 of means +\| +84.25 \|", text)
    assert "F1 the harmonic mean of these two means" in text
    assert faces[".html"].read_text().count("<table>") == faces[".tex"].read_text().count(r"\begin{table*}") == 2


def test_the_numbers_of_feratt2019_agree_with_the_definition_in_its_file(root: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    found = {(claim.method, claim.dataset, claim.metric): claim.value for claim in paper.reported}
    assert paper.metrics == Averages(average="macro", f1="of-means")
    for (method, dataset, metric), f1 in found.items():
        if metric == "f1":
            precision, recall = (found[method, dataset, name] for name in ("precision", "recall"))
            # Means over folds of harmonic means, so a little less than the harmonic mean of the means.
            assert f1 == pytest.approx(2 * precision * recall / (precision + recall), abs=0.03)


@pytest.mark.parametrize(
    ("averages", "name"),
    [
        (Averages(), "macro_f1"),
        (Averages(average="weighted"), "weighted_f1"),
        (Averages(average="weighted", f1="of-means"), "weighted_f1_of_means"),
    ],
)
def test_a_reported_f1_is_that_of_the_papers_definition(preset: Path, averages: Averages, name: str) -> None:
    claims = [StubReported("full", "fer2013", "f1", 81.0, part="private")]
    faces = compared(preset, StubPaper(reported=claims, metrics=averages))
    rows, text = pd.read_csv(faces[".csv"]), faces[".md"].read_text()
    compared(preset)
    further = rows[rows.metric != "accuracy"]
    assert set(further.metric) == {name}
    assert [*further.protocol] == ["published", "audited"]
    assert "The paper reports no accuracy of the methods that were run" in text


def test_letters_say_what_a_row_rests_on(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/tran2023.yaml", override={"network.weights": "none"})
    methods = ("resnet18", "resnet34", "late-r18-r34", "attention-r18-r34", "attention-no-self")
    faces = compared(make_paper(tmp_path, paper, "rafdb", methods=methods), paper, "rafdb-standin")
    text = faces[".md"].read_text()
    assert "(a) Goes on from the trained “ResNet18” and “ResNet34” of the same seed." in text
    assert "(b) Has nothing to train." in text
    batches = "in its batch, 48 at a time, in the order of the data set's index."
    assert f"(c) Predicts an image with the help of the other test images {batches}" in text
    assert "- Every method starts from scratch, where the paper's file says imagenet." in text
    marks = dict(re.findall(r"^\| (.*?)(?: \(([a-z, ]+)\))? +\| audited", text, re.MULTILINE))
    assert marks == {
        "ResNet18": "",
        "ResNet34": "",
        "Late fusion, ResNet18 + ResNet34": "a, b",
        "Fusion attention, ResNet18 + ResNet34": "a",
        "Fusion attention, without self-attention": "a",
    }
    assert "Fusion attention, ResNet18 + ResNet34 (a, c) " in text, "published: over the batch"
    assert "10 runs of 3 epochs (2 with nothing to train)" in text
    assert "718 images/s in the median" in text
    assert "Epoch tested: best accuracy on test, which inflates test" in text
    write_tables([listings.runs_table(list(read_records(runs_of(tmp_path)).values()))], [tmp_path / "runs.md"])
    assert re.search(r"late-r18-r34 +\|.*\| +– \| +0 \| +– \|", (tmp_path / "runs.md").read_text())


def test_composed_images_and_own_weights_are_said(divided: Path, root: Path) -> None:
    override = {"methods.rep-*.network.weights": "none"}
    paper = load_paper(root / "papers/feratt2019.yaml", override=override)
    text = compared(divided, paper, "ckplus-standin")[".md"].read_text()
    assert "(a) Learns from faces composed on backgrounds, is tested on such." in text
    assert "(b) Learns from faces composed on backgrounds, is tested on the images as they are." in text
    assert "starts from" not in text, "run.json says imagenet, as the paper's file does"
    for path in divided.rglob("rep-real/*/run.json"):
        path.write_text(path.read_text().replace('"initial_weights": "imagenet"', '"initial_weights": "none (x)"'))
    text = compared(divided, paper, "ckplus-standin")[".md"].read_text()
    assert "(c) Starts from scratch, where the paper's file says imagenet." in text
    assert "FERAtt+Rep+Cls, real (b, c)" in text


def test_speed_is_that_of_runs_that_learn(preset: Path) -> None:
    learns = {"epochs": 3, "images_per_s": 100.0, "seconds": 60, "device_name": "x", "device": "cpu"}
    quick = {**learns, "epochs": 0, "images_per_s": 1e9}
    assert cost([learns, quick, quick]) == (
        "3 runs of 3 epochs (2 with nothing to train): 3 min of training in all, 100 images/s in the median, "
        "on x (cpu, fp32)"
    )
    assert cost([quick]) == "1 run (1 with nothing to train): 60 s of training in all, on x (cpu, fp32)"


def test_methods_on_other_images_have_their_own_n(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, images=40, protocols=("published",))
    for path in predictions_of(folder):
        if "/full/" in str(path):
            keep = [k for k in range(80) if k % 4]
            rewrite(path, lambda c, _, keep=keep: c.update({name: [v[k] for k in keep] for name, v in c.items()}))
    faces = compared(folder)
    rows = pd.read_csv(faces[".csv"]).set_index(["method", "part"])
    assert (rows.loc["full", "private"].n, rows.loc["self", "private"].n) == (30, 40)
    text = faces[".md"].read_text()
    assert "PrivateTest, published: not all methods were tested on the same images" in text
    assert "30 images of which all methods share" in text


def test_runs_list_every_fold(divided: Path, tmp_path: Path) -> None:
    records = read_records(runs_of(divided)[::-1])
    write_tables([listings.runs_table(list(records.values()))], [tmp_path / "runs.csv", tmp_path / "runs.md"])
    runs = pd.read_csv(tmp_path / "runs.csv")
    assert len(runs) == 24
    assert [*runs.fold[:6]] == [0, 1, 2, 0, 1, 2]
    assert "| Seed | Fold |" in (tmp_path / "runs.md").read_text()


def test_a_long_table_becomes_a_float_per_block_in_latex() -> None:
    rows = [{"a": k, "block": k // 20} for k in range(40)]
    long = table.Table("t", "Long", [table.Column("a", "A")], rows, [table.Note("all")], block=["block"])
    text = latex(long)
    assert text.count(r"\begin{table*}") == 2
    assert r"\caption{Long (1 of 2).}" in text
    assert r"\label{tab:t.2}" in text
    assert text.count(r"all\par") == 1
    assert text.index(r"all\par") > text.index("(2 of 2)")


@pytest.mark.parametrize(("value", "shown"), [(83.0, "83.0"), (86.35, "86.35"), (90.95, "90.95"), (86.4, "86.4")])
def test_reported_numbers_are_shown_as_printed(value: float, shown: str) -> None:
    assert table.stated(value) == shown


def test_the_projects_own_paper_files_fit(root: Path, tmp_path: Path) -> None:
    for path in sorted((root / "papers").glob("*.yaml")):
        paper = load_paper(path)
        write_tables([listings.ambiguity_table(paper)], [tmp_path / f"{paper.id}.md"])
        if paper.id == "khalid2025":
            folder = make_paper(tmp_path, paper, "fer2013")
            assert "83.0 (a)" in compared(folder, paper)[".md"].read_text()


def test_departures_are_counted_and_listed(root: Path, tmp_path: Path) -> None:
    changed = {"recipe.epochs": 7, "recipe.lr": 0.0123}
    paper = load_paper(root / "papers/khalid2025.yaml", override=changed)
    folder = make_paper(tmp_path, paper, "fer2013", methods=("full",), suffix="")
    faces = compared(folder, paper, "fer2013")
    rows = pd.read_csv(faces[".csv"])
    assert set(rows.departures) == {2}
    assert set(rows.verdict) == {"not tested at the paper's budget"}
    assert re.search(r"Here: epochs \(\d+ → 7\); recipe \([\d.]+ → 0.0123\)\.", faces[".md"].read_text())
    table = pd.read_parquet(folder / "results.parquet")
    found = table[table.scope == "departure"]
    assert {*zip(found.protocol, found.what, found.reason, strict=True)} == {
        (protocol, what, run) for protocol in ("published", "audited") for what, run in
        (("epochs", "7"), ("recipe", "0.0123"))
    }  # fmt: skip


def test_a_method_is_named_by_the_network_that_ran(root: Path) -> None:
    changed = {"methods.resnet18.network.backbone": "compact", "methods.late-r18-r34.network.first": "compact",
               "methods.attention-no-mlp.network.second": "compact"}  # fmt: skip
    paper = load_paper(root / "papers/tran2023.yaml", override=changed)
    assert as_run(paper, "resnet18") == "compact in place of ResNet18"
    assert as_run(paper, "late-r18-r34") == "Late fusion, compact + ResNet34 in place of ResNet18"
    assert as_run(paper, "attention-no-mlp") == "Fusion attention, without the MLP (compact in place of resnet34)"
    assert as_run(paper, "vgg11") == "VGG11"


def test_what_methods_share_is_said_once() -> None:
    methods = dict.fromkeys(["resnet18", "vgg11", "late-a", "late-b", "late", "early-a", "early-b"])
    changed = {"recipe.epochs": "6 (was: 50)", "methods.vgg11.network.backbone": "compact (was: vgg11)"}
    for name in ("late-a", "late-b", "early-a", "early-b"):
        changed |= {f"methods.{name}.recipe.epochs": "4", f"methods.{name}.recipe.lr": "0.02"}
    changed["methods.early-a.network.first"] = "compact"
    paper: Any = SimpleNamespace(methods=methods, departures=changed)
    assert changes(paper) == (
        "recipe.epochs = 6 (was: 50), methods.vgg11.network.backbone = compact (was: vgg11), "
        # `late` is of that family, but was left as it is.
        "methods.{late-a, late-b, early-*}.{recipe.epochs = 4, recipe.lr = 0.02}, "
        "methods.early-a.network.first = compact"
    )
    paper.departures = {f"methods.{name}.recipe.lr": "1" for name in methods}
    assert changes(paper) == "methods.*.recipe.lr = 1"
