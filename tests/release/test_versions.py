"""feratt2019's two versions of the authors' code, the ambiguities that follow them, and what recipes leave out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from refer import yaml
from refer.errors import UserError
from refer.files import read_json
from refer.papers import ContradictionError, load_paper, merged, resolved_paper
from refer.plan import load_plan
from refer.recipe import Recipe

APRIL = {"brightness": 0.25, "contrast": 0.25, "gamma": 0.25, "exposed": 0.75, "noise": 0.05, "through": 0.0}
HEAD = {"brightness": 0.0, "contrast": 0.0, "gamma": 0.0, "noise": 0.005, "through": 0.75}
BOTH = {"clahe": 0.25, "blur": 0.25, "lift": 0.2, "erode": 3.0, "light": "lightness"}
FACTS: dict[str, dict[str, Any]] = {
    "cvprw": {"draws": 50_000, "attention": 10.0, "sigma": 1.0, "mixed": "none", "maps": 1, "compose": APRIL},
    "head": {"draws": 288_000, "attention": 5.0, "sigma": 0.5, "mixed": "agreeing", "maps": 0, "compose": HEAD},
}
"""What FACTS.md says of the authors' code of April 2019 and of its head."""


@pytest.fixture
def paper(root: Path) -> Path:
    return root / "papers/feratt2019.yaml"


def recipe(path: Path, method: str, choices: dict[str, str] | None = None) -> Recipe:
    spec = load_paper(path, choices)
    return Recipe.model_validate(merged(spec.recipe.model_dump(mode="json"), spec.methods[method].recipe))


@pytest.mark.parametrize("version", FACTS)
@pytest.mark.parametrize("method", ["rep-synthetic", "rep-real"])
def test_a_version_sets_all_that_the_code_of_its_time_has(paper: Path, version: str, method: str) -> None:
    facts, spec, found = (
        FACTS[version],
        load_paper(paper, {"version": version}),
        recipe(paper, method, {"version": version}),
    )
    assert (found.optimizer, found.amsgrad, found.weight_decay, found.balanced) == ("adam", True, 0.0, True)
    assert (found.draws, found.attention_coefficient, found.sigma) == (
        facts["draws"],
        facts["attention"],
        facts["sigma"],
    )
    assert found.mixed_labels == facts["mixed"]
    assert spec.methods[method].network["maps"] == facts["maps"]
    assert found.compose is not None
    assert {**vars(found.compose), **facts["compose"], **BOTH} == vars(found.compose)
    assert not spec.overruled


def test_the_version_of_the_papers_time_is_the_choice(paper: Path) -> None:
    spec = load_paper(paper)
    assert spec.ambiguities["version"].choice == "cvprw"
    assert recipe(paper, "rep-synthetic") == recipe(paper, "rep-synthetic", {"version": "cvprw"})
    steps = spec.recipe.epochs * (spec.recipe.draws or 0) // spec.recipe.batch_size
    assert steps == 15_000, "as FACTS.md counts them"


@pytest.mark.parametrize(
    ("name", "option", "key", "value"),
    [
        ("maps", "classes", "network.maps", 0),
        ("sigma", "0.5", "sigma", 0.5),
        ("attention", "5", "attention_coefficient", 5.0),
        ("mixed", "agreeing", "mixed_labels", "agreeing"),
        ("mixed", "shares", "mixed_labels", "shares"),
        ("draws", "one-of-each-face", "draws", None),
        ("balance", "as-there-are", "balanced", False),
        ("optimizer", "adam", "amsgrad", False),
        ("decay", "as-said", "weight_decay", 5e-4),
        ("light", "mean", "compose.light", "mean"),
        ("exposure", "none", "compose.gamma", 0.0),
    ],
)
@pytest.mark.parametrize("version", ["", "cvprw", "head"])
def test_one_key_may_be_switched_by_itself(
    paper: Path, version: str, name: str, option: str, key: str, value: object
) -> None:
    base = {"version": version} if version else {}
    first, second = (recipe(paper, "rep-synthetic", {**base, **more}).as_dict() for more in ({}, {name: option}))
    spec = load_paper(paper, {**base, name: option})
    if key.startswith("network."):
        assert spec.methods["rep-synthetic"].network["maps"] == value
        assert first == second
        return
    found: Any = recipe(paper, "rep-synthetic", {**base, name: option})
    for step in key.split("."):
        found = getattr(found, step)
    assert found == value
    outer = key.split(".")[0]
    others = ({key: each[key] for key in each if key != outer} for each in (first, second))
    assert next(others) == next(others)


def test_choices_that_contradict_each_other_are_still_refused(root: Path) -> None:
    path = root / "papers/khalid2025.yaml"
    raw = yaml.read(path)
    clashing = {"question": "?", "reason": "none", "choice": "a", "options": {"a": {"recipe.optimizer": "adam"}}}
    raw["ambiguities"]["again"] = clashing
    with pytest.raises(ContradictionError, match="optimizer=sgd contradicts another choice"):
        resolved_paper(raw, path, {"optimizer": "sgd", "again": "a"})
    raw["ambiguities"]["again"] = {**clashing, "follows": "optimizer"}
    assert resolved_paper(raw, path, {"optimizer": "sgd", "again": "a"}).recipe.optimizer == "adam"
    raw["ambiguities"]["again"] = {**clashing, "follows": "optimiser"}
    with pytest.raises(UserError, match=r"again follows the ambiguity 'optimiser'. Did you mean 'optimizer'"):
        resolved_paper(raw, path)


def test_a_recipe_that_uses_nothing_new_is_what_it_was() -> None:
    plain = Recipe(epochs=1, batch_size=2, image_size=32, optimizer="adam", lr=0.1, compose={"size": 32})  # type: ignore[arg-type]
    told = plain.as_dict()
    assert not {"amsgrad", "balanced", "sigma", "attention_coefficient"} & told.keys()
    assert set(told["compose"]) == {
        "size", "pad", "flip", "angle", "translation", "factor", "warp", "warping", "stretch", "crop", "light",
        "light_limits", "light_range", "brightness", "contrast", "gamma",
    }  # fmt: skip
    assert told["mixed_labels"] == "shares", "as the first released results have it of every recipe"
    assert Recipe.from_dict(told, "it") == plain
    changed = {"structure": True, "mixed_labels": "agreeing", "amsgrad": True, "balanced": True, "sigma": 1.0}
    used = plain.model_copy(update=changed)
    told = used.as_dict()
    assert (told["mixed_labels"], told["amsgrad"], told["balanced"], told["sigma"]) == ("agreeing", True, True, 1.0)
    assert Recipe.from_dict(told, "it") == used


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"optimizer": "sgd", "amsgrad": True}, "amsgrad is a variant of adam and adamw"),
        ({"balanced": True, "augmentation": {"copies": "fixed"}}, "leave out balanced or augmentation.copies"),
        ({"compose": {"through": 0.05}}, "through is 0.05; expected 0, or 8 pixels"),
        ({"compose": {"blur": 2}}, "compose.blur"),
        ({"sigma": 0.0}, "greater than 0"),
    ],
)
def test_recipes_that_cannot_be_are_refused(change: dict[str, Any], words: str) -> None:
    base = {"epochs": 1, "batch_size": 2, "image_size": 32, "optimizer": "adam", "lr": 0.1}
    with pytest.raises(ValueError, match=words):
        Recipe.model_validate({**base, **change})


def test_released_runs_are_what_the_preset_asks_for(root: Path) -> None:
    raw = yaml.read(root / "presets/fer2013.yaml")
    plan = load_plan(raw, "presets/fer2013.yaml", root)
    found = 0
    for run in plan.runs("feratt2019"):
        record = read_json(root / "results/fer2013/runs" / run.path / "run.json")
        assert record["recipe"] == run.as_dict()["recipe"]
        assert record["network"] == run.as_dict()["network"]
        found += 1
    assert found == 18
