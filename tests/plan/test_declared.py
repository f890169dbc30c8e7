"""A configuration's own data sets in a plan: who runs on them, by which parts, and what a declaration may not say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refer import cli
from refer.datasets import catalog
from refer.errors import UserError
from refer.plan import Plan, load_plan

FOLDER = {"kind": "folder", "classes": ["angry", "happy"], "size": 32, "splits": ["train", "val", "test"]}
CAMERAS = {"visible": "vis", "infrared": "ir"}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    catalog.add({})


def planned(root: Path, facts: dict[str, Any] | None = None, **more: Any) -> Plan:
    config = {
        "preset": "x",
        "title": "x",
        "mine": "somewhere",
        "datasets": {"mine": FOLDER | (facts or {})},
        "reproduce": {"peers": {"data": ["mine"], "methods": ["compact"]}},
    }
    return load_plan({**config, **more}, "here.yaml", root)


def test_a_method_of_any_paper_runs_on_it_as_it_is_filed(root: Path) -> None:
    plan = planned(root)
    assert [run.path for run in plan.runs()] == [
        f"peers/mine/{protocol}/compact/seed0" for protocol in ("published", "audited")
    ]
    run = next(plan.runs())
    assert (run.select, run.evaluated, run.stand_in) == ("val", ("val", "test"), False)
    assert plan.datasets() == ["mine"]
    assert plan.source("mine") == "somewhere"
    assert plan.papers["peers"].departures == {}, "another data set changes nothing of the method"
    assert dict(plan.division("peers", "mine", "audited")["scheme"])["parts"] == {
        "train": "train", "val": "val", "test": "test",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "select", "evaluated"),
    [
        ({"splits": ["train", "test"]}, "last", ("test",)),
        ({"splits": ["all"], "divide": {"test": "test", "shares": {"train": 0.6, "dev": 0.2, "test": 0.2}}},
         "dev", ("dev", "test")),
        ({"splits": ["all"], "divide": {"test": "test", "folds": {"count": 5}}}, "val", ("val", "test")),
        ({"splits": ["train", "test"], "divide": {
            "test": "test", "parts": {"train": "train", "test": "test"}, "validation": {"part": "val", "share": 0.1}}},
         "val", ("val", "test")),
        ({"divide": {"test": "test", "parts": {"train": "train", "val": "val", "test": "test"},
                     "select": {"audited": "last"}}}, "last", ("val", "test")),
    ],
)  # fmt: skip
def test_the_part_between_chooses_the_epoch(root: Path, facts: dict, select: str, evaluated: tuple[str, ...]) -> None:
    run = next(run for run in planned(root, facts).runs() if run.protocol == "audited")
    assert (run.select, run.evaluated) == (select, evaluated)


def test_every_method_that_fits_runs_in_the_matrix(root: Path) -> None:
    reproduce = {name: {"data": []} for name in ("peers", "khalid2025", "naseem2025", "tran2023")}
    of_one, of_two = (
        {
            (run.paper, run.method)
            for run in planned(root, facts, reproduce=reproduce, matrix={"data": ["mine"]}).matrix()
        }
        for facts in ({}, {"modalities": CAMERAS})
    )
    assert {paper for paper, _ in of_one} == {"peers", "khalid2025", "naseem2025", "tran2023"}
    assert of_two - of_one >= {("naseem2025", "infrared"), ("naseem2025", "fused")}
    assert of_one < of_two


def test_switched_options_run_on_it_too(root: Path) -> None:
    plan = planned(root, sensitivity={"peers": {"ambiguities": ["loss"], "protocols": ["audited"]}})
    assert any(run.paper == "peers+loss-neither" and run.dataset == "mine" for run in plan.runs())


def test_only_what_is_named_runs_on_it(root: Path) -> None:
    plan = planned(root, reproduce={"peers": {"methods": ["compact"]}}, fer2013="somewhere.csv", data=["mine"])
    assert {run.dataset for run in plan.runs()} == {"fer2013"}
    assert plan.datasets() == ["fer2013", "mine"], "it is audited all the same"


def test_a_plan_survives_the_way_to_a_job(root: Path) -> None:
    plan = planned(root, {"title": "My faces"})
    catalog.add({})
    again = load_plan(json.loads(json.dumps(plan.config.model_dump(mode="json"))), "there.yaml", root)
    assert [run.as_dict() for run in again.runs()] == [run.as_dict() for run in plan.runs()]
    assert catalog.dataset("mine").title == "My faces"


def test_another_configuration_does_not_know_it(root: Path) -> None:
    planned(root)
    with pytest.raises(UserError, match="no key 'mine'"):
        planned(root, datasets={"yours": FOLDER})
    assert "mine" in catalog.DATASETS, "a configuration that was refused declares nothing"
    planned(root, datasets={"yours": FOLDER, "mine": FOLDER})
    assert [name for name in catalog.DATASETS if name not in catalog.READ] == ["yours", "mine"]


def test_the_data_sets_of_readers_are_what_they_were(root: Path) -> None:
    before = dict(catalog.READ)
    planned(root)
    assert dict(list(catalog.DATASETS.items())[: len(before)]) == before


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"kind": "zip"}, ["datasets.mine.kind: found 'zip'", "'folder' or 'table'"]),
        ({"clases": ["a"]}, ["datasets.mine.clases: no key 'clases'", "Did you mean 'classes'?"]),
        ({"classes": ["happy"]}, ["datasets.mine.classes: found 1; expected 2 to 127 classes"]),
        ({"classes": ["happy", "joy"]}, ["happy and joy are both called 'happy'"]),
        ({"classes": {"a": [1, 2], "b": 2}}, ["a and b are both called '2'"]),
        ({"classes": ["a\nb", "c"]}, ["expected a printable name"]),
        ({"size": 4}, ["datasets.mine.size", "greater than or equal to 8"]),
        ({"splits": {"train": "a", "test": "A"}}, ["datasets.mine.splits: two splits are called the same"]),
        ({"columns": {"label": "y"}}, ["columns is nothing for `kind: folder`"]),
        ({"kind": "table", "pair": "(?P<pair>x)"}, ["pair is nothing for `kind: table`"]),
        ({"kind": "table", "modalities": CAMERAS}, ["need columns.modality and columns.pair"]),
        ({"pair": "(?P<pair>x)"}, ["pair joins two modalities"]),
        ({"class_pattern": "(x"}, ["The class pattern '(x' is no regular expression"]),
        ({"class_pattern": "x"}, ["has no group named class", "(?P<class>"]),
        ({"modalities": {"thermal": "ir"}}, ["datasets.mine.modalities", "'visible' or 'infrared'"]),
        ({"divide": {"test": "test", "parts": {"train": "train", "test": "tets"}}},
         ["divide.parts.test: found 'tets', expected one of train, val, test"]),
        ({"divide": {"test": "test", "shares": {"train": 0.9, "test": 0.2}}}, ["shares must sum to 1"]),
        ({"splits": ["all"]}, ["here.yaml: datasets.mine.divide: missing", "shares: {train: 0.7"]),
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_a_line(root: Path, facts: dict, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        planned(root, facts)
    assert all(word in str(caught.value) for word in words), caught.value
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fer2013", "fer2013 is a data set that is known already"),
        ("device", "device is a key of this file"),
        ("my-set", "String should match pattern"),
    ],
)
def test_a_name_is_its_own(root: Path, name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        planned(root, datasets={name: FOLDER})


def test_without_a_place_it_is_refused_for_it_has_no_stand_in(root: Path) -> None:
    with pytest.raises(UserError, match=r"here\.yaml: mine: it has no stand-in; say where it lies\. It is your own"):
        planned(root, mine="stand-in")


def test_it_is_listed_with_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.yaml").write_text(
        "mine: /data/faces.zip\n"
        "datasets: {mine: {kind: folder, title: My faces, classes: [sad, glad], size: [40, 32]}}\n"
    )
    assert cli.main(["datasets", "mine", "--json", "--configfile", str(tmp_path / "c.yaml")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["title"], told["source"], told["classes"]) == ("My faces", "faces.zip", ["sad", "glad"])
    assert told["shape"] == [40, 32, 3]
    assert cli.main(["datasets", "--configfile", str(tmp_path / "c.yaml")]) == 0
    assert "My faces (mine)" in capsys.readouterr().out
