"""Departures from a paper's budget: what presets say that they change, read back from what ran."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from refer import yaml
from refer.evaluation.departures import Departure, departures
from refer.papers import load_paper
from refer.plan import Plan, load_plan
from refer.run import Run


def planned(root: Path, preset: str, **changes: Any) -> Plan:
    return load_plan(yaml.read(root / preset) | changes, preset, root)


def of(root: Path, run: Run, parents: tuple[Run, ...] = ()) -> list[Departure]:
    return departures(
        load_paper(root / f"papers/{run.paper}.yaml"), run.as_dict(), [each.as_dict() for each in parents]
    )


def test_a_paper_that_a_configuration_changes_knows_what_its_file_says(root: Path) -> None:
    path = root / "papers/khalid2025.yaml"
    filed = load_paper(path)
    changed = load_paper(path, {"backbone": "vgg13"}, {"recipe.epochs": 7})
    assert (changed.recipe.epochs, changed.network["backbone"]) == (7, "vgg13")
    assert changed.as_filed == filed == filed.as_filed
    assert filed.recipe.epochs == 50


def only(plan: Plan, paper: str, method: str) -> Run:
    return next(run for run in plan.runs(paper) if run.method == method)


def test_the_full_preset_departs_from_no_paper(root: Path) -> None:
    plan = planned(root, "presets/full.yaml")
    runs = {(run.paper, run.protocol, run.method): run for run in plan.runs() if not plan.switched(run)}
    assert {paper for paper, _, _ in runs} >= {"feratt2019", "khalid2025", "naseem2025", "tran2023"}
    for run in runs.values():
        assert of(root, run, tuple(plan.parents(run).values())) == []


def test_what_a_preset_overrides_is_found_in_what_ran(root: Path) -> None:
    # presets/fer2013.yaml: 6 epochs, compact-resnet8 in place of ResNet-18, from scratch, at 48 pixels, its own recipe.
    record = json.loads((root / "results/fer2013/runs/tran2023/fer2013/audited/resnet18/seed0/run.json").read_text())
    found = departures(load_paper(root / "papers/tran2023.yaml"), record)
    assert [each.what for each in found] == ["network", "weights", "epochs", "image size", "recipe"]
    assert found[:4] == [
        ("network", "resnet18", "compact-resnet8"),
        ("weights", "imagenet", "none"),
        ("epochs", "50", "6"),
        ("image size", "224", "48"),
    ]
    assert "batch_size = 48, lr = 0.0001" in found[4].paper
    assert "batch_size = 128, lr = 0.1" in found[4].run


def test_a_network_with_fewer_epochs_alone(root: Path) -> None:
    record = json.loads((root / "results/fer2013/runs/peers/fer2013/audited/compact/seed0/run.json").read_text())
    assert departures(load_paper(root / "papers/peers.yaml"), record) == [("epochs", "250", "48")]


def test_another_reading_of_the_paper_is_no_departure_and_a_small_network_is_one(root: Path) -> None:
    reproduce = {"khalid2025": {"data": ["fer2013"], "methods": ["full"]}}
    for option, expected in (("resnet18", []), ("vgg13", []), ("compact", [("network", "resnet18", "compact")])):
        plan = planned(
            root,
            "presets/full.yaml",
            reproduce=reproduce,
            ambiguity={"khalid2025": {"backbone": option}},
            sensitivity={},
        )
        assert of(root, only(plan, "khalid2025", "full")) == expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("recipe.epochs", 49, ("epochs", "50", "49")),
        ("recipe.augmentation.rotation", 25.0, ("recipe", "10.0", "25.0")),
        ("recipe.ema", 0.5, ("recipe", "0.0", "0.5")),
        ("network.dropout", 0.35, ("network", "0.2", "0.35")),
        ("recipe.image_size", 112, ("image size", "96", "112")),
    ],
)
def test_one_key_is_one_departure(root: Path, key: str, value: Any, expected: tuple[str, str, str]) -> None:
    reproduce = {"khalid2025": {"data": ["fer2013"], "methods": ["full"], "override": {key: value}}}
    plan = planned(root, "presets/full.yaml", reproduce=reproduce, sensitivity={}, ambiguity={})
    assert of(root, only(plan, "khalid2025", "full")) == [expected]


def test_what_the_networks_depart_in_that_a_method_begins_with_counts(root: Path) -> None:
    reproduce = {"tran2023": {"data": ["rafdb"], "methods": ["late-r18-r34"], "override": {}}}
    reproduce["tran2023"]["override"] = {"methods.resnet18.recipe": {"epochs": 7}}
    plan = planned(root, "presets/full.yaml", reproduce=reproduce, sensitivity={}, ambiguity={})
    run = only(plan, "tran2023", "late-r18-r34")
    assert of(root, run) == []
    assert of(root, run, tuple(plan.parents(run).values())) == [("epochs", "50", "7")]
