"""What differs, what a protocol is worth, and the paper's own layout: from made-up runs, each checked by hand."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from refer.errors import UserError
from refer.evaluation.paired import holm, mcnemar
from refer.evaluation.predictions import read_all
from refer.papers import load_paper
from refer.reporting.figures.confusion import draw_confusions, reported_confusion
from refer.reporting.figures.forest import draw_overview
from refer.reporting.figures.pairs import draw_pairs
from refer.reporting.results import Results
from refer.reporting.summary import summary
from refer.reporting.tables.printed import printed_tables
from refer.reporting.tables.verdicts import tally
from refer.reporting.tables.write import write_tables
from refer.spec import Paper
from report_fixtures import (
    StubPaper,
    make_paper,
    make_preset,
    predictions_of,
    rewrite,
    runs_of,
    scored,
    written,
    written_in,
)

FACES = (".csv", ".md", ".tex", ".html")


def told(folder: Path, paper: Paper | StubPaper, data: str) -> Path:
    """Score a preset and write every table of a paper on a data set; return their folder."""
    report = scored(folder, paper)
    for kind in ("", "metrics.", "pairs.", "protocols."):
        written(report, f"{kind}{paper.id}.{data}", folder)
    return folder / "tables"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """khalid2025 on what says to be the real FER2013: both protocols, two seeds."""
    folder = make_preset(tmp_path_factory.mktemp("real"), data="fer2013", images=120)
    told(folder, StubPaper(), "fer2013")
    return folder


def hits(folder: Path, protocol: str, method: str, seed: int, part: str = "private") -> pd.DataFrame:
    frame = pd.read_parquet(folder / f"runs/khalid2025/fer2013/{protocol}/{method}/seed{seed}/predictions.parquet")
    frame["hit"] = frame.filter(like="p_").to_numpy().argmax(axis=1) == frame.label
    return frame[frame.part == part]


def test_every_two_methods_are_compared_and_adjusted(real: Path) -> None:
    rows = pd.read_csv(real / "tables/pairs.khalid2025.fer2013.csv")
    assert len(rows) == 2 * 2 * 6  # protocols, parts, pairs of four methods
    mine = rows[(rows.protocol == "audited") & (rows.part == "private")]
    row = mine[(mine.method == "self") & (mine.compared_with == "full")].iloc[0]
    means = {
        m: np.mean([(f := hits(real, "audited", m, s)).hit[f.kept].mean() for s in (0, 1)]) for m in ("self", "full")
    }
    assert row.difference == pytest.approx(100 * (means["self"] - means["full"]))
    assert row.difference_low < row.difference < row.difference_high
    assert [*mine.p_holm] == pytest.approx(holm([*mine.p]))
    assert set(mine[mine.p_holm_reference.notna()].compared_with) == {"full"}, (
        "the one for which the paper reports most"
    )
    assert [*mine[mine.p_holm_reference.notna()].p_holm_reference] == pytest.approx(
        holm([*mine[mine.p_holm_reference.notna()].p])
    )
    assert set(rows.test) <= {"crossed", "moderated"}
    text = (real / "tables/pairs.khalid2025.fer2013.md").read_text()
    assert "every method less “Full framework”" in text
    assert "adjusted for the comparisons of a protocol and split (3)" in text


def test_single_runs_are_compared_by_mcnemar(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=120, seeds=(3,), protocols=("published",))
    rows = pd.read_csv(told(folder, StubPaper(), "fer2013") / "pairs.khalid2025.fer2013.csv")
    row = rows[(rows.part == "private") & (rows.method == "backbone") & (rows.compared_with == "full")].iloc[0]
    one, other = (hits(folder, "published", method, 3).hit.to_numpy() for method in ("full", "backbone"))
    assert (row.p, row.test, row.seeds) == (pytest.approx(mcnemar(one, other)), "mcnemar", 1)


def test_methods_on_other_images_are_compared_on_those_they_share(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=40, protocols=("published",))
    for path in predictions_of(folder):
        if "/self/" in str(path):
            keep = [k for k in range(80) if k % 4]
            rewrite(path, lambda c, _, keep=keep: c.update({name: [v[k] for k in keep] for name, v in c.items()}))
    rows = pd.read_csv(told(folder, StubPaper(), "fer2013") / "pairs.khalid2025.fer2013.csv")
    assert set(rows[(rows.method == "self") | (rows.compared_with == "self")].n) == {30}
    assert set(rows[(rows.method == "region") & (rows.compared_with == "full")].n) == {40}


def test_what_removed_images_add_is_that_of_the_same_networks(real: Path) -> None:
    rows = pd.read_csv(real / "tables/protocols.khalid2025.fer2013.csv")
    row = rows[(rows.scope == "removed images") & (rows.protocol == "published") & (rows.method == "full")]
    row = row[row.part == "private"].iloc[0]
    kept = hits(real, "audited", "full", 0).set_index("id").kept
    runs = [hits(real, "published", "full", seed).set_index("id") for seed in (0, 1)]
    every, some, others = (
        100 * np.mean([run.hit[which.loc[run.index]].mean() for run in runs]) for which in (kept | True, kept, ~kept)
    )
    assert (row["all"], row.kept, row.removed, row.difference) == pytest.approx((every, some, others, every - some))
    assert (row.n, row.removed_n) == (120, (~kept).sum())
    assert row.difference_low < row.difference < row.difference_high


def test_published_less_audited_is_the_sum_of_its_parts(real: Path) -> None:
    rows = pd.read_csv(real / "tables/protocols.khalid2025.fer2013.csv")
    rows = rows[rows.scope == "protocol"]
    assert len(rows) == 4 * 2
    assert (rows.published - rows.audited - rows.images - rows.rest).abs().max() < 1e-9
    assert ((rows.rest_low <= rows.rest + 1.5) & (rows.rest - 1.5 <= rows.rest_high)).all()
    assert rows.epoch.isna().all(), "these runs learnt differently"


def test_published_less_audited_is_of_the_seeds_that_both_have(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=120)
    for path in folder.glob("runs/*/*/published/full/seed1/*"):
        path.unlink()
    rows = pd.read_csv(told(folder, StubPaper(), "fer2013") / "protocols.khalid2025.fer2013.csv")
    assert set(zip(rows[rows.method == "full"].scope, rows[rows.method == "full"].protocol.fillna(""),
                   rows[rows.method == "full"].seeds, strict=True)) == {
        ("removed images", "published", 1), ("removed images", "audited", 2), ("protocol", "", 1)}  # fmt: skip
    row = rows[(rows.scope == "protocol") & (rows.method == "full") & (rows.part == "private")].iloc[0]
    published, audited = (hits(folder, protocol, "full", 0) for protocol in ("published", "audited"))
    assert row.published == pytest.approx(100 * published.hit.mean())
    assert row.audited == pytest.approx(100 * audited.hit[audited.kept].mean())
    assert row.published - row.audited - row.images == pytest.approx(row.rest)


def test_protocols_without_a_seed_in_common_are_not_compared_and_the_reason_is_said(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=60)
    for path in folder.glob("runs/*/*/*/*/*/*"):
        if ("/published/" in str(path)) == ("/seed1/" in str(path)):
            path.unlink()
    tables = told(folder, StubPaper(), "fer2013")
    rows = pd.read_csv(tables / "protocols.khalid2025.fer2013.csv")
    assert (rows[rows.scope == "protocol"].seeds == 0).all()
    text = (tables / "protocols.khalid2025.fer2013.md").read_text()
    assert "none ran under both protocols" in text
    assert "divides the data differently" not in text


def test_a_few_removed_images_that_are_all_right_are_not_certain(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=100, seeds=(0,), protocols=("audited",))
    kept = np.arange(200) % 100 > 0

    def few(columns: dict[str, Any], _: dict[str, str]) -> None:
        columns["kept"] = kept
        label = np.asarray(columns["label"])[~kept]
        for place, name in enumerate(each for each in columns if each.startswith("p_")):
            columns[name] = np.where(kept, columns[name], 0.0)
            columns[name][~kept] = label == place

    for path in predictions_of(folder):
        rewrite(path, few)
    rows = pd.read_csv(told(folder, StubPaper(), "fer2013") / "protocols.khalid2025.fer2013.csv")
    rows = rows[rows.scope == "removed images"]
    assert (rows.removed_n == 1).all()
    assert (rows.removed == 100).all()
    assert np.isfinite(rows[["difference_low", "difference_high"]]).all(axis=None)
    assert (rows.difference_low < 0).all()


def test_a_rule_of_the_epoch_is_told_with_the_methods_that_follow_it(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=40)
    for path in runs_of(folder):
        if "/audited/self/" in str(path):
            record = json.loads(path.read_text())
            path.write_text(json.dumps(record | {"selection": "lowest loss on public"}))
        if "/audited/full/" in str(path):  # tests another method's network, and has its rule
            record = json.loads(path.read_text())
            path.write_text(json.dumps(record | {"tests": "self", "epochs": 0}))
    text = (told(folder, StubPaper(), "fer2013") / "protocols.khalid2025.fer2013.md").read_text()
    told_in_words = (
        "best accuracy on public (“VGG backbone” and “+ region attention”), lowest loss on public (all others that are "
        "trained)"
    )
    assert f"audited: {told_in_words}" in text


def test_the_choice_of_the_epoch_is_told_where_both_learnt_the_same(tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=60, seeds=(0,), epochs=3)
    for protocol, part, values, best in (
        ("published", "private", (0.50, 0.61, 0.57), 2),
        ("audited", "public", (0.50, 0.52, 0.58), 3),
    ):
        for path in runs_of(folder):
            if f"/{protocol}/full/" in str(path):
                rows = [f"{epoch},1.0,0.5,1.0,{value}" for epoch, value in enumerate(values, 1)]
                head = f"epoch,train_loss,train_accuracy,{part}_loss,{part}_accuracy"
                path.with_name("training.csv").write_text("\n".join([head, *rows]) + "\n")
                path.write_text(re.sub(r'"selected_epoch": \d+', f'"selected_epoch": {best}', path.read_text()))
    rows = pd.read_csv(told(folder, StubPaper(), "fer2013") / "protocols.khalid2025.fer2013.csv")
    row = rows[(rows.scope == "protocol") & (rows.method == "full") & (rows.part == "private")].iloc[0]
    assert row.epoch == pytest.approx(61 - 57)
    # A method that tests another's network looks at each part once, and chooses nothing.
    for path in runs_of(folder):
        if "/full/" in str(path):
            part = "private" if "/published/" in str(path) else "public"
            path.with_name("training.csv").write_text(f"epoch,{part}_loss,{part}_accuracy\n0,1.0,0.6\n")
            path.write_text(re.sub(r'"selected_epoch": \d+', '"selected_epoch": 0', path.read_text()))
    rows = pd.read_csv(told(folder, StubPaper(), "fer2013") / "protocols.khalid2025.fer2013.csv")
    assert rows[(rows.scope == "protocol") & (rows.method == "full")].epoch.isna().all()


def test_another_division_is_said_and_one_protocol_alone_too(root: Path, tmp_path: Path) -> None:
    folder = make_preset(tmp_path, data="fer2013", images=40)
    for path in predictions_of(folder):
        if "/audited/" in str(path):
            rewrite(path, lambda columns, _: columns.update(id=[f"other/{name}" for name in columns["id"]]))
    text = (told(folder, StubPaper(), "fer2013") / "protocols.khalid2025.fer2013.md").read_text()
    assert "divides the data differently" in text
    for path in [*folder.glob("runs/**/predictions.parquet")]:
        if "/audited/" in str(path):
            path.unlink()
            path.with_name("run.json").unlink()
    text = (told(folder, StubPaper(), "fer2013") / "protocols.khalid2025.fer2013.md").read_text()
    assert "Only the published protocol was run" in text


def test_every_metric_is_in_the_table_and_in_full_in_the_csv(real: Path) -> None:
    rows = pd.read_csv(real / "tables/metrics.khalid2025.fer2013.csv")
    table = pd.read_parquet(real / "results.parquet")
    scores = table[table.scope == "run"]
    for metric in ("macro_precision", "weighted_f1", "ece", "brier", "recall:happy"):
        mine = rows[(rows.metric == metric) & (rows.protocol == "audited") & (rows.method == "full")]
        values = scores[(scores.metric == metric) & scores.run.str.contains("audited/full")]
        for part, value in mine.set_index("part")["mean"].items():
            assert value == pytest.approx(values[values.part == part].value.mean())
    text = (real / "tables/metrics.khalid2025.fer2013.md").read_text()
    assert "ECE: expected calibration error over 15 equal-width bins" in text
    assert "recall of each class" in text


def test_verdicts_count_each_reported_number_once(real: Path, tmp_path: Path) -> None:
    report = scored(real)
    found = report.verdicts
    assert len(found) == 2 * 2
    assert tally(found) == {"not reproduced": 1}
    made = written(report, "verdicts", tmp_path)
    rows = pd.read_csv(made[".csv"])
    assert (rows.verdict == "not reproduced").all()
    assert (rows.difference_high < 0).all()
    text = made[".md"].read_text()
    assert "reproduced, if the 90 % interval of the difference lies within ± 2 points" in text
    assert "Where a paper does not say n, that of the whole split tested here is taken for it." in text
    kinds = {kind.key: kind for kind in summary([StubPaper()], found).kinds}
    assert {key: kind.count for key, kind in kinds.items() if kind.count} == {"not-reproduced": 1}
    (sentence,) = kinds["not-reproduced"].sentences
    assert "reported 83.0 %, here" in sentence
    assert "PrivateTest, published protocol, n = 120, 2 seeds" in sentence


def test_drawn_data_and_what_was_not_run_get_no_verdict(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/naseem2025.yaml")
    folder = make_paper(tmp_path, paper, "viri", methods=("visible", "fused"))
    out = told(folder, paper, "viri-standin")
    rows = pd.read_csv(out / "naseem2025.viri-standin.csv")
    assert set(rows.verdict.dropna()) == {"stand-in"}
    assert rows[["p", "difference_low", "images_to_tell"]].isna().all(axis=None)
    found = scored(folder, paper).verdicts
    assert tally(found) == {"stand-in": 2, "not run": 2}
    shown = summary([paper], found)
    assert {kind.key: kind.count for kind in shown.kinds} == {"stand-in": 2, "not-run": 2}
    assert "90 images cannot tell them apart" in shown.untold[0]


def test_without_a_reported_number_that_was_run_there_is_nothing_to_draw(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/peers.yaml")
    found = scored(make_paper(tmp_path, paper, "fer2013", methods=("compact",), suffix=""), paper).verdicts
    assert tally(found) == {"not run": 2}
    shown = summary([paper], found)
    assert not shown.ran
    assert shown.result == "None of 2 reported numbers was run: what is compared here are methods."


def test_the_papers_layout_holds_reported_and_reproduced(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/tran2023.yaml")
    folder = make_paper(tmp_path, paper, "rafdb", methods=("resnet18", "attention-r18-r34"), suffix="")
    out = told(folder, paper, "rafdb")
    printed = written(scored(folder, paper), "printed.tran2023", tmp_path, FACES[1:])
    rows = pd.read_csv(out / "tran2023.rafdb.csv").set_index(["protocol", "method", "part"])
    text = printed[".md"].read_text()
    for protocol in ("published", "audited"):
        own = text.split(f"tran2023, Table 2, reported and reproduced ({protocol} protocol)")[1].split("**")[1]
        mean = rows.loc[(protocol, "attention-r18-r34", "test")]["mean"]
        assert re.search(rf"\| Fusion attention \| ResNet18 \| ResNet34 \| 90.95 / {mean:.1f}( \([nr]\))? +\|", own)
        assert re.search(r"\n\| +\| VGG13 +\| ResNet34 \| +90.92 / – +\|", own)
    assert printed[".html"].read_text().count("<table>") == 4


def test_nothing_run_is_still_the_papers_table(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    write_tables(printed_tables(paper, Results([])), [tmp_path / "p.md"])
    text = (tmp_path / "p.md").read_text()
    assert "reported (nothing of it was run)" in text
    assert text.count(" / –") == 48


def test_a_paper_without_a_layout_gets_a_plain_one(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/peers.yaml")
    assert not paper.layout
    outputs = [tmp_path / f"p{suffix}" for suffix in (".md", ".tex", ".html")]
    write_tables(printed_tables(paper, Results([])), outputs)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in outputs[0].read_text().splitlines()]
    head = rows.index(["Method", "FER2013, PrivateTest, accuracy", "FER2013, PublicTest, accuracy"])
    assert rows[head + 2] == ["ResNet-18, 3x3 stem, ten crops", "72.97 / –", "73.70 / –"], "two repositories, two parts"
    silent = paper.model_copy(update={"reported": []})
    write_tables(printed_tables(silent, Results([])), outputs)
    assert outputs[0].read_text().count("– / –") == len(paper.methods), "who reports nothing has methods"


def test_a_layout_that_does_not_fit_is_refused(root: Path, tmp_path: Path) -> None:
    text = (root / "papers/tran2023.yaml").read_text()
    for before, after, what in (
        (
            "ResNet18, ResNet34], methods: [late-r18-r34]",
            "ResNet18, ResNet34], methods: [late-r18]",
            "no method 'late-r18'",
        ),
        ("title: [Late, ResNet18, ResNet34]", "title: [Late, ResNet18]", "has 2 words, expected one for each of"),
        ("[resnet18, resnet34, vgg11, vgg13]", "[resnet18, resnet34]", "has 2 methods, expected one for each of the 4"),
    ):
        assert before in text
        (tmp_path / "tran2023.yaml").write_text(text.replace(before, after))
        with pytest.raises(UserError, match=re.escape(what)):
            load_paper(tmp_path / "tran2023.yaml")


def test_the_reported_confusion_matrix_is_that_of_the_paper(root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/naseem2025.yaml")
    folder = make_paper(tmp_path, paper, "viri", methods=("visible", "fused"))
    runs = {run.key.method: run for run in read_all(predictions_of(folder))}
    found = reported_confusion(paper, runs["visible"], "test")
    assert found is not None
    counts, source = found
    assert (counts.trace(), counts.sum(), source) == (74, 90, "authors' notebook")
    sad = runs["visible"].classes.index("sad")
    assert counts[sad, sad] == 10
    assert reported_confusion(paper, runs["fused"], "test") is None
    out = [tmp_path / f"naseem2025.viri-standin.published.{method}.test.png" for method in ("visible", "fused")]
    draw_confusions(paper, predictions_of(folder), out)
    assert out[0].stat().st_size > 1.4 * out[1].stat().st_size, "two rows of matrices"


def test_maps_and_overview_repeat_themselves(real: Path, tmp_path: Path) -> None:
    report = scored(real)
    for folder in (tmp_path / "a", tmp_path / "b"):
        names = [folder / f"khalid2025.fer2013.audited{suffix}" for suffix in (".svg", ".png")]
        draw_pairs(StubPaper(), report.frame("pairs.khalid2025.fer2013"), names)
        draw_overview([StubPaper()], report.verdicts, [folder / "v.svg", folder / "v.png"])
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
        assert path.stat().st_size > 2000
    pairs, overview = (written_in(tmp_path / f"a/{name}.svg") for name in ("khalid2025.fer2013.audited", "v"))
    with (real / "tables/pairs.khalid2025.fer2013.csv").open(newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["protocol"] == "audited" and row["part"] == "private"]
    labels = [each.label for each in StubPaper().methods.values()]
    assert [word for word in pairs if word[:-4] in labels] == [f"{name} ({k})" for k, name in enumerate(labels, 1)]
    for each in rows:
        assert any(f"{abs(float(each['difference'])):.1f}" in word for word in pairs)
        assert any(f"{abs(float(each['difference_low'])):.1f}" in word and word.startswith("[") for word in pairs)
    heading = overview.index("khalid2025 · FER2013")
    assert overview[heading + 1] in labels


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_every_new_table_compiles(real: Path, root: Path, tmp_path: Path) -> None:
    paper = load_paper(root / "papers/feratt2019.yaml")
    write_tables(printed_tables(paper, Results([])), [tmp_path / "printed.tex"])
    scored(real).write([tmp_path / "verdicts.tex"])
    for path in (real / "tables").glob("*.tex"):
        shutil.copy(path, tmp_path / f"{path.name.split('.')[0]}.tex")
    names = sorted(path.stem for path in tmp_path.glob("*.tex"))
    assert {"metrics", "pairs", "protocols", "printed", "verdicts"} <= set(names)
    inputs = "\n".join(rf"\input{{{name}}}\clearpage" for name in names)
    document = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{inputs}\end{{document}}"
    (tmp_path / "all.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-1500:]
