"""The ranking of all methods, and what single things are worth: order, differences, p values, and what they say."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from figure_fixtures import caught
from refer.evaluation.paired import Pair, paired_differences
from refer.plan import Plan, load_plan
from refer.reporting.figures.ranking import draw_ranking
from refer.reporting.report import Report
from report_fixtures import make_paper, predictions_of, rewrite, scored, written, written_in

METHODS = {
    "tran2023": ["resnet34", "late-r18-r34", "attention-r18-r34", "attention-no-local"],
    "feratt2019": ["baseline-real", "cls-real"],
}


def planned(root: Path) -> tuple[dict[str, object], Plan]:
    config: dict[str, object] = {
        "preset": "demo",
        "title": "A ranking",
        "reproduce": {name: {} for name in METHODS},
        "matrix": {"methods": METHODS, "data": ["rafdb"]},
        **dict.fromkeys(("fer2013", "viri", "nvie", "rafdb", "bu3dfe", "ckplus"), "stand-in"),
        "standin": {
            "rafdb": {"images": {"train": 60, "test": 60}, "subjects": 20},
            "bu3dfe": {"subjects": 20},
            "ckplus": {"images": {"all": 40}, "subjects": 20},
        },
    }
    return config, load_plan(config, base=root)


def filled(folder: Path, plan: Plan, seeds: tuple[int, ...]) -> Path:
    for name, methods in METHODS.items():
        make_paper(folder, plan.papers[name], "rafdb", images=400, seeds=seeds, methods=methods)
    return folder / "demo"


def made(folder: Path, plan: Plan) -> Report:
    report = scored(folder, *plan.papers.values())
    for name in ("ranking", "contrasts"):
        written(report, name, folder)
    return report


def answers(folder: Path, paper: str, method: str) -> dict[int, pd.Series]:
    """Return, for each seed, which answers on the kept test images are right, by image."""
    found = {}
    for path in sorted((folder / f"runs/{paper}/rafdb-standin/audited/{method}").glob("*/predictions.parquet")):
        frame = pd.read_parquet(path)
        frame = frame[(frame.part == "test") & frame.kept].set_index("id")
        right = frame.filter(like="p_").to_numpy().argmax(axis=1) == frame.label.to_numpy()
        found[int(path.parent.name.removeprefix("seed"))] = pd.Series(right, index=frame.index)
    return found


@pytest.fixture(scope="module")
def plan(root: Path) -> Plan:
    return planned(root)[1]


@pytest.fixture(scope="module")
def single(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = filled(tmp_path_factory.mktemp("single"), plan, (0,))
    made(folder, plan)
    return folder


def test_methods_stand_in_the_order_of_their_accuracy_with_exact_tests_against_the_best(single: Path) -> None:
    rows = pd.read_csv(single / "tables/ranking.csv")
    assert len(rows) == 6
    assert [*rows.place] == [1, 2, 3, 4, 5, 6]
    right = {(row.paper, row.method): answers(single, row.paper, row.method)[0] for row in rows.itertuples()}
    assert [*rows["mean"]] == pytest.approx(sorted((100 * each.mean() for each in right.values()), reverse=True))
    first = right[rows.paper[0], rows.method[0]]
    assert set(rows.compared_with.dropna()) == {f"{rows.paper[0]}.{rows.method[0]}"}
    p = []
    for row in rows[1:].itertuples():
        mine = right[row.paper, row.method]
        assert row.difference == pytest.approx(100 * (mine.mean() - first.mean()))
        assert row.difference_low < row.difference < row.difference_high
        gained, lost = int((mine & ~first).sum()), int((first & ~mine).sum())
        assert (row.p, row.test) == (pytest.approx(binomtest(gained, gained + lost).pvalue, abs=1e-9), "mcnemar")
        p.append(row.p)
    assert [*rows.p_holm[1:]] == pytest.approx(multipletests(p, method="holm")[1], abs=1e-9)
    assert rows.loc[0, ["difference", "p", "p_holm"]].isna().all()


def test_a_contrast_is_the_paired_difference_beside_what_the_paper_reports(single: Path) -> None:
    rows = pd.read_csv(single / "tables/contrasts.csv").set_index("what")
    local = rows.loc["local attention"]
    one, other = (answers(single, "tran2023", name)[0] for name in ("attention-no-local", "attention-r18-r34"))
    assert local.difference == pytest.approx(100 * (other.mean() - one.mean()))
    assert (local.method, local.compared_with) == ("attention-r18-r34", "attention-no-local")
    assert (local.reported, local.source) == (pytest.approx(90.95 - 90.48), "rafdb")
    assert "+0.47 (RAF-DB)" in (single / "tables/contrasts.md").read_text()
    assert "the MLP" not in rows.index, "the method without it was not run"
    assert {*rows.index} >= {
        "attention",
        "fusion attention beside late fusion",
        "late fusion beside its better network",
    }
    assert len(rows) == 4


def test_several_seeds_are_compared_seed_by_seed(root: Path, plan: Plan, tmp_path: Path) -> None:
    folder = filled(tmp_path, plan, (0, 1, 2))
    made(folder, plan)
    rows = pd.read_csv(folder / "tables/contrasts.csv").set_index("what")
    pair = [answers(folder, "tran2023", name) for name in ("attention-no-local", "attention-r18-r34")]
    expected = np.mean([pair[1][seed].mean() - pair[0][seed].mean() for seed in range(3)])
    found = rows.loc["local attention"]
    assert (found.difference, found.seeds, found.test) == (pytest.approx(100 * expected), 3, "moderated")
    # Seed beside seed: with others side by side the mean is the same, and the interval is not.
    pairs = []
    for row in rows.itertuples():
        one, other = (answers(folder, row.paper, name) for name in (row.compared_with, row.method))
        pairs.append(Pair(*(np.stack([each[seed] for seed in range(3)]) for each in (one, other))))
    methods = {*zip(rows.paper, rows.method, strict=True), *zip(rows.paper, rows.compared_with, strict=True)}
    ends = [(100 * each.low, 100 * each.high) for each in paired_differences(pairs, len(methods))]
    assert list(zip(rows.difference_low, rows.difference_high, strict=True)) == [pytest.approx(each) for each in ends]
    swapped = [pair._replace(other=pair.other[::-1]) for pair in pairs]
    assert 100 * paired_differences(swapped, len(methods))[0].low != pytest.approx(ends[0][0], rel=1e-6)
    assert "Of one seed" not in (folder / "tables/contrasts.md").read_text()
    ranked = pd.read_csv(folder / "tables/ranking.csv").set_index("method")
    means = [answers(folder, "tran2023", "resnet34")[seed].mean() for seed in range(3)]
    assert ranked.loc["resnet34"].sd == pytest.approx(100 * np.std(means, ddof=1))
    assert (
        f"{ranked.loc['resnet34']['mean']:.1f} ± {ranked.loc['resnet34'].sd:.1f}"
        in (folder / "tables/ranking.md").read_text()
    )


def run_with(folder: Path, plan: Plan, seeds: dict[str, tuple[int, ...]]) -> Path:
    for name, methods in METHODS.items():
        make_paper(folder, plan.papers[name], "rafdb", images=400, seeds=seeds[name], methods=methods)
    made(folder / "demo", plan)
    return folder / "demo/tables"


@pytest.mark.parametrize("scarce", [*METHODS, ""])
def test_fewer_seeds_in_common_than_an_accuracy_is_of_are_said(plan: Plan, tmp_path: Path, scarce: str) -> None:
    tables = run_with(tmp_path, plan, {name: (0,) if name == scarce else (0, 1, 2) for name in METHODS})
    text = (tables / "ranking.md").read_text(encoding="utf-8")
    assert ("shares with the best" in text) == bool(scarce)


def test_without_a_seed_in_common_nothing_is_compared_and_that_is_said(plan: Plan, tmp_path: Path) -> None:
    tables = run_with(tmp_path, plan, {"tran2023": (0,), "feratt2019": (1,)})
    report = made(tables.parent, plan)
    rows = pd.read_csv(tables / "ranking.csv")
    others = int((rows.paper != rows.paper[0]).sum())
    assert rows.difference.isna().sum() == 1 + others
    text = (tables / "ranking.md").read_text(encoding="utf-8")
    assert f"{others} methods with no seed in common with the best: not compared with it." in text
    with caught() as drawn:
        draw_ranking(report.frame("ranking"), [tmp_path / "ranking.svg"])
    assert "stroke: not compared" in drawn[0]


def test_methods_that_are_right_equally_often_share_a_place(plan: Plan, tmp_path: Path) -> None:
    folder = filled(tmp_path, plan, (0,))
    runs = folder / "runs/feratt2019/rafdb-standin/audited"
    copied = pd.read_parquet(runs / "baseline-real/seed0/predictions.parquet").filter(like="p_")
    rewrite(
        runs / "cls-real/seed0/predictions.parquet",
        lambda columns, _: columns.update({name: copied[name].to_numpy() for name in copied}),
    )
    made(folder, plan)
    rows = pd.read_csv(folder / "tables/ranking.csv").set_index("method")
    assert rows.place["cls-real"] == rows.place["baseline-real"]
    assert sorted(rows.place)[-1] <= 6


def test_all_are_ranked_on_the_images_that_all_were_tested_on(plan: Plan, tmp_path: Path) -> None:
    folder = filled(tmp_path, plan, (0,))
    for path in predictions_of(folder):
        if "/cls-real/" in str(path):
            rewrite(path, lambda c, _: c.update({name: values[::2] for name, values in c.items()}))
    made(folder, plan)
    rows = pd.read_csv(folder / "tables/ranking.csv").set_index("method")
    shared = answers(folder, "feratt2019", "cls-real")[0].index
    assert set(rows.n) == {len(shared)}
    late = answers(folder, "tran2023", "late-r18-r34")[0]
    assert len(late) > len(shared)
    assert rows["mean"]["late-r18-r34"] == pytest.approx(100 * late[shared].mean())


def test_tables_say_on_what_how_compared_and_what_was_changed(single: Path) -> None:
    text = (single / "tables/ranking.md").read_text()
    n = pd.read_csv(single / "tables/ranking.csv").n[0]
    assert f"Accuracy (%) on the {n} images of test that all methods were tested on" in text
    assert "adjusted by Holm for all 5 methods" in text
    assert "Drawn stand-in data: these numbers say nothing about RAF-DB" in text
    assert "Cost: 6 runs" in text
    assert "The best was found on these very images" in text
    assert "Cost: " in (single / "tables/contrasts.md").read_text()


def test_the_figure_names_every_method_and_is_the_same_each_time(single: Path, plan: Plan, tmp_path: Path) -> None:
    ranked = made(single, plan).frame("ranking")
    outputs = [tmp_path / f"ranking{suffix}" for suffix in (".svg", ".png")]
    with caught() as drawn:
        draw_ranking(ranked, outputs)
    n = pd.read_csv(single / "tables/ranking.csv").n[0]
    assert f"a drawn stand-in for RAF-DB, test, audited protocol, n = {n}" in drawn[0]
    read = written_in(outputs[0])
    for row in pd.read_csv(single / "tables/ranking.csv").itertuples():
        assert row.label in read
        assert f"{row.mean:.1f} [{row.low:.1f}, {row.high:.1f}]" in read
    before = [path.read_bytes() for path in outputs]
    draw_ranking(ranked, outputs)
    assert [path.read_bytes() for path in outputs] == before
    ElementTree.fromstring(before[0])


def test_nothing_to_rank_is_said(plan: Plan, tmp_path: Path) -> None:
    folder = make_paper(tmp_path, plan.papers["tran2023"], "rafdb", images=60, methods=["resnet34"])
    report = made(folder, plan)
    assert "No two methods were tested on the same images" in (folder / "tables/ranking.md").read_text()
    assert "No two methods that differ in one thing were run" in (folder / "tables/contrasts.md").read_text()
    draw_ranking(report.frame("ranking"), [tmp_path / "empty.svg"])
    ElementTree.fromstring((tmp_path / "empty.svg").read_bytes())
