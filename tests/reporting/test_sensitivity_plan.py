"""What a sensitivity preset runs: only what an option changes, beside the default's own runs."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refer import yaml
from refer.errors import UserError
from refer.plan import Plan, load_plan
from refer.switches import Switch
from refer.variants import variant_id

STANDIN = {name: {"subjects": 12} for name in ("fer2013", "viri", "rafdb", "ckplus", "bu3dfe")}


def planned(root: Path, paper: str, wanted: Mapping[str, Any] | None = None, **changes: Any) -> Plan:
    """Return the plan of one paper with its sensitivity; `changes` go to `reproduce` or, by their name, elsewhere."""
    elsewhere = {key: changes.pop(key) for key in ("ambiguity", "matrix") if key in changes}
    config = {"preset": "t", "title": "t", "standin": STANDIN, "reproduce": {paper: changes},
              "sensitivity": {paper: dict(wanted or {})}, **elsewhere}  # fmt: skip
    return load_plan(config, base=root)


def of(plan: Plan, ambiguity: str, option: str, method: str) -> Switch:
    found = [each for each in plan.switches()
             if (each.ambiguity, each.option, each.method) == (ambiguity, option, method)]  # fmt: skip
    assert len(found) == 1
    return found[0]


def paths(plan: Plan) -> set[str]:
    return {run.path for run in plan.runs()}


@pytest.fixture(scope="module")
def preset(root: Path) -> Plan:
    return load_plan(yaml.read(root / "presets/sensitivity.yaml"), "presets/sensitivity.yaml", root)


@pytest.fixture(scope="module")
def tran(root: Path) -> Plan:
    return planned(root, "tran2023", methods=["attention-r18-r34"], protocols=["published"])


def test_the_preset_asks_for_every_option_of_every_ambiguity(preset: Plan) -> None:
    asked = {(each.paper, each.ambiguity, each.option) for each in preset.switches()}
    known = {
        (name, ambiguity, option)
        for name, paper in preset.papers.items()
        for ambiguity, entry in paper.ambiguities.items()
        for option in entry.options
        if option != entry.choice
    }
    assert set(preset.papers) == {"feratt2019", "khalid2025", "naseem2025", "tran2023"}
    assert asked == known
    run = {(each.paper, each.ambiguity) for each in preset.switches() if each.state == "run"}
    told = {(each.paper, each.ambiguity) for each in preset.switches() if each.state == "left out"}  # with a reason
    never = {question[:2] for question in known} - run - told
    assert len(never) <= 6, f"overrides leave too many options out: {never}"


def test_no_run_is_made_twice_and_none_without_what_it_begins_with(preset: Plan) -> None:
    runs = list(preset.runs())
    made = [run.path for run in runs]
    assert len(set(made)) == len(made)
    for number, run in enumerate(runs):
        for parent in preset.parents(run).values():
            assert parent.path in made[:number], f"{run.path} needs {parent.path}"
    contents = [
        str(preset._content(run.paper, run.dataset, run.protocol, run.method) | {"fold": run.fold}) for run in runs
    ]
    changed = [text for run, text in zip(runs, contents, strict=True) if preset.switched(run)]
    plain = {text for run, text in zip(runs, contents, strict=True) if not preset.switched(run)}
    assert not plain & set(changed), "a variant's run is the default's"


def test_every_comparison_has_both_its_runs(preset: Plan) -> None:
    made = paths(preset)
    assert {run.path for run in preset.sensitivity()} <= made
    for each in preset.switches():
        if each.state == "run":
            for name in (each.paper, each.variant):
                run = preset.run(name, each.dataset, each.protocol, each.method, each.seeds[0], each.folds[0])
                assert run.path in made


def test_a_fusion_head_starts_from_the_backbones_that_are_there(tran: Plan) -> None:
    assert of(tran, "tokens", "channels", "attention-r18-r34").state == "run"
    variant = "tran2023+tokens-channels"
    run = tran.run(variant, "rafdb", "published", "attention-r18-r34", 0)
    assert run.network["tokens"] == "channels"
    parents = tran.parents(run)
    assert {branch: parent.path for branch, parent in parents.items()} == {
        "first": "tran2023/rafdb-standin/published/resnet18/seed0",
        "second": "tran2023/rafdb-standin/published/resnet34/seed0",
    }
    assert [path for path in paths(tran) if path.startswith(f"{variant}/")] == [run.path]


def test_what_reaches_the_backbones_trains_them_anew(tran: Plan) -> None:
    mine = sorted(path.split("/")[3] for path in paths(tran) if path.startswith("tran2023+optimizer-sgd/"))
    assert mine == ["attention-r18-r34", "resnet18", "resnet34"]
    parents = tran.parents(tran.run("tran2023+optimizer-sgd", "rafdb", "published", "attention-r18-r34", 0))
    assert {parent.paper for parent in parents.values()} == {"tran2023+optimizer-sgd"}
    assert {parent.recipe.optimizer for parent in parents.values()} == {"sgd"}


def test_an_option_reaches_a_method_through_what_it_begins_with(root: Path) -> None:
    plan = planned(root, "naseem2025", data=["viri"], methods=["fused"], protocols=["published"])
    assert of(plan, "schedule", "constant", "fused").state == "run", "its infrared branch is trained otherwise"
    both = plan.run("naseem2025+branches-both", "viri", "published", "fused", 0)
    assert {parent.path for parent in plan.parents(both).values()} == {
        "naseem2025/viri-standin/published/visible/seed0",
        "naseem2025/viri-standin/published/infrared/seed0",
    }
    assert "naseem2025/viri-standin/published/visible/seed0" in paths(plan), "only the option needs it"


def test_an_option_that_changes_nothing_is_said_and_not_run(tran: Plan) -> None:
    switch = of(tran, "late", "max", "attention-r18-r34")
    assert (switch.state, switch.reason) == ("same", "changes nothing of it")
    assert not [path for path in paths(tran) if path.startswith("tran2023+late-max/")]


def test_what_overrules_an_option_is_named(root: Path) -> None:
    demo = copy.deepcopy(yaml.read(root / "config.yaml")) | {"sensitivity": {"khalid2025": {}, "tran2023": {}}}
    demo["sensitivity"]["tran2023"] = {"protocols": ["audited"], "methods": ["attention-r18-r34"]}
    demo["sensitivity"]["khalid2025"] = {"methods": ["full"]}
    plan = load_plan(demo, base=root)
    epochs = of(plan, "epochs", "100", "full")
    length = demo["reproduce"]["khalid2025"]["override"]["recipe.epochs"]
    assert (epochs.state, epochs.reason) == ("overruled", f"override sets recipe.epochs = {length}")
    weights = of(plan, "weights", "none", "full")
    assert (weights.state, weights.reason) == ("overruled", "another choice sets network.weights = none")
    tokens = of(plan, "tokens", "positions", "attention-r18-r34")
    sets = "the audited protocol sets methods.attention-r18-r34.network.tokens = channels"
    assert (tokens.state, tokens.reason) == ("overruled", sets)
    sgd = of(plan, "optimizer", "sgd", "attention-r18-r34")
    rate = demo["reproduce"]["tran2023"]["override"]["recipe.lr"]
    assert (sgd.state, sgd.reason) == ("run", f"override sets recipe.lr = {rate}"), "in part only"


def test_an_override_of_another_method_overrules_nothing(root: Path) -> None:
    override = {"methods.attention-v13-r34.network.tokens": "channels"}
    plan = planned(root, "tran2023", methods=["attention-r18-r34"], override=override)
    switch = of(plan, "tokens", "positions", "attention-r18-r34")
    assert (switch.state, switch.reason) == ("run", "")


def test_a_shorter_list_is_another_value(root: Path) -> None:
    plan = planned(root, "feratt2019", {"ambiguities": ["frames"]}, data=["ckplus"], methods=["cls-synthetic"],
                   folds=[0], override={"data.ckplus.levels": [0, 1, 2, 3]})  # fmt: skip
    switch = of(plan, "frames", "last", "cls-synthetic")
    assert (switch.state, switch.reason) == ("overruled", "override sets data.ckplus.levels = [0, 1, 2, 3]")


def test_choices_that_exclude_an_option_and_reasons_that_are_given(root: Path) -> None:
    plan = planned(root, "khalid2025", {"without": {"heads": {8: "too slow"}}}, methods=["full"],
                   ambiguity={"khalid2025": {"backbone": "compact", "weights": "none"}})  # fmt: skip
    weights = of(plan, "weights", "imagenet", "full")
    assert weights.state == "contradicts"
    assert "backbone=compact contradicts another choice, which sets network.weights = imagenet" in weights.reason
    assert (of(plan, "heads", "8", "full").state, of(plan, "heads", "8", "full").reason) == ("left out", "too slow")
    assert of(plan, "heads", "1", "full").state == "run"
    assert not {path for path in paths(plan) if "heads-8" in path or "weights" in path}


def test_a_split_is_made_anew_only_where_the_option_divides_otherwise(tran: Plan, root: Path) -> None:
    assert tran.divider("tran2023+tokens-channels", "rafdb", "published") == "tran2023"
    carved = "tran2023+selection-best-on-validation"
    assert tran.divider(carved, "rafdb", "published") == carved, "a validation part is carved out of training"
    assert tran.divider("tran2023+selection-last", "rafdb", "published") == "tran2023"
    feratt = planned(root, "feratt2019", {"ambiguities": ["frames"]}, methods=["baseline-real"], folds=[0])
    assert feratt.divider("feratt2019+frames-last", "ckplus", "published") == "feratt2019+frames-last"
    assert feratt.divider("feratt2019+frames-last", "bu3dfe", "published") == "feratt2019"
    assert {each.dataset: each.state for each in feratt.switches()} == {"ckplus": "run", "bu3dfe": "same"}


def test_the_defaults_runs_come_along(root: Path) -> None:
    plan = planned(root, "tran2023", {"methods": ["attention-r18-r34"], "ambiguities": ["mlp"], "seeds": [3]},
                   methods=["resnet18"], protocols=["audited"])  # fmt: skip
    assert paths(plan) == {
        "tran2023/rafdb-standin/audited/resnet18/seed0",
        *(f"tran2023/rafdb-standin/published/{name}/seed3" for name in ("resnet18", "resnet34", "attention-r18-r34")),
        "tran2023+mlp-256/rafdb-standin/published/attention-r18-r34/seed3",
        "tran2023+mlp-1024/rafdb-standin/published/attention-r18-r34/seed3",
    }


def test_the_papers_own_table_keeps_its_folds(root: Path) -> None:
    plan = planned(root, "feratt2019", {"methods": ["rep-synthetic"], "ambiguities": ["dim"], "folds": [1]},
                   data=["ckplus"], methods=["cls-synthetic"], protocols=["published"], folds=[0, 1])  # fmt: skip
    folds: dict[tuple[str, str], set[int | None]] = {}
    for run in plan.runs():
        folds.setdefault((run.paper, run.method), set()).add(run.fold)
    assert folds == {
        ("feratt2019", "cls-synthetic"): {0, 1},
        ("feratt2019", "rep-synthetic"): {0, 1},
        ("feratt2019+dim-32", "rep-synthetic"): {1},
    }
    assert {run.fold for run in plan.sensitivity()} == {1}


def test_variants_stay_out_of_everything_else(preset: Plan) -> None:
    assert not [run for run in preset.examples() if preset.switched(run)]
    assert not [run for run in preset.explained() if preset.switched(run)]
    assert not [paper for _, paper, _ in preset.splits() if "+" in paper]
    assert not [name for name in preset.papers if "+" in name]
    assert not [run for name in preset.papers for run in preset.runs(name) if preset.switched(run)]


def test_seeds_and_cells_are_those_of_the_paper_unless_it_says_otherwise(root: Path) -> None:
    plan = planned(root, "khalid2025", {"ambiguities": ["heads"]}, methods=["self"], seeds=[1, 2],
                   protocols=["published", "audited"])  # fmt: skip
    assert {(each.method, each.protocol, each.seeds) for each in plan.switches()} == {("self", "published", (1, 2))}


def test_each_question_may_be_asked_of_other_methods(root: Path) -> None:
    where = {"late": {"methods": ["late-r18-r34"]}}
    plan = planned(root, "tran2023", {"ambiguities": ["late", "tokens"], "where": where}, methods=["attention-r18-r34"],
                   protocols=["published"])  # fmt: skip
    asked = {(each.ambiguity, each.method) for each in plan.switches()}
    assert asked == {("late", "late-r18-r34"), ("tokens", "attention-r18-r34")}
    assert "tran2023/rafdb-standin/published/late-r18-r34/seed0" in paths(plan)


def test_a_method_that_tests_anothers_network_goes_with_it(root: Path) -> None:
    plan = planned(root, "feratt2019", {"ambiguities": ["dim", "real"]}, data=["ckplus"], methods=["rep-real"],
                   protocols=["published"], folds=[0])  # fmt: skip
    assert of(plan, "dim", "32", "rep-real").state == "run"
    assert of(plan, "real", "real", "rep-real").state == "run"
    mine = {path for path in paths(plan) if path.startswith("feratt2019+")}
    assert mine == {
        "feratt2019+dim-32/ckplus-standin/published/rep-synthetic/seed0-fold0",
        "feratt2019+dim-32/ckplus-standin/published/rep-real/seed0-fold0",
        "feratt2019+real-real/ckplus-standin/published/rep-real/seed0-fold0",
    }


def test_a_variant_knows_its_paper(tran: Plan) -> None:
    assert tran.origin("tran2023+saturation-0_1") == "tran2023"
    assert tran.choices("tran2023+saturation-0_1") == {"saturation": "0.1"}
    assert tran.paper("tran2023+saturation-0_1").recipe.augmentation.desaturate == 0.1


@given(st.text(max_size=20))
def test_an_id_may_stand_in_a_path(option: str) -> None:
    assert re.fullmatch(r"[a-z0-9_-]+(\+[a-z0-9_-]+)?", variant_id("tran2023", "saturation", option))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"tran2032": {}}, ["sensitivity: no paper 'tran2032'", "Did you mean 'tran2023'?"]),
        ({"tran2023": {"ambiguitys": []}}, ["sensitivity.tran2023.ambiguitys", "Did you mean 'ambiguities'?"]),
        ({"tran2023": {"ambiguities": ["token"]}}, ["tran2023.ambiguities: tran2023 has no 'token'", "'tokens'"]),
        ({"tran2023": {"ambiguities": []}}, ["ambiguities", "the list is empty"]),
        ({"tran2023": {"methods": ["resnet"]}}, ["tran2023.methods: tran2023 has no 'resnet'"]),
        ({"tran2023": {"data": ["fer2013"]}}, ["tran2023.data: tran2023 has no 'fer2013'", "Known: rafdb"]),
        ({"tran2023": {"protocols": ["secret"]}}, ["protocols.0", "'secret'"]),
        ({"tran2023": {"without": {"weights": {"none": "x"}}}}, ["without: tran2023 has no 'weights'"]),
        ({"tran2023": {"without": {"tokens": {"pixels": "x"}}}}, ["without.tokens: no option 'pixels'"]),
        ({"tran2023": {"without": {"tokens": {"positions": ""}}}}, ["without.tokens.positions"]),
        ({"tran2023": {"where": {"tocens": {}}}}, ["where: tran2023 has no 'tocens'", "Did you mean 'tokens'?"]),
        ({"tran2023": {"where": {"late": {"methods": ["late"]}}}}, ["where.late.methods: tran2023 has no 'late'"]),
        ({"tran2023": {"where": {"late": {"data": ["viri"]}}}}, ["where.late.data: tran2023 has no 'viri'"]),
        ({"tran2023": {"seeds": [0, 0]}}, ["only once"]),
        ({"tran2023": {"folds": [5]}}, ["tran2023.folds: found 5", "[0]"]),
        ({"tran2023": 3}, ["sensitivity.tran2023: found 3", "dictionary"]),
    ],
)
def test_what_is_wrong_is_named(root: Path, section: object, words: list[str]) -> None:
    config = {"preset": "t", "title": "t", "standin": STANDIN, "reproduce": {"tran2023": {"folds": [0]}},
              "sensitivity": section}  # fmt: skip
    with pytest.raises(UserError) as caught:
        load_plan(config, "my.yaml", root)
    message = str(caught.value)
    assert all(word in message for word in ["my.yaml", *words]), message
    assert len(message.splitlines()) <= 3


def test_an_option_that_makes_no_paper_says_how_to_leave_it_out(root: Path, tmp_path: Path) -> None:
    text = (root / "papers/khalid2025.yaml").read_text(encoding="utf-8")
    (tmp_path / "papers").mkdir()
    broken = text.replace("8: {network.heads: 8}", "8: {network.heads: eight}")
    (tmp_path / "papers/khalid2025.yaml").write_text(broken, encoding="utf-8")
    with pytest.raises(UserError, match=r"(?s)network\.heads.*'eight'.*heads=8; leave it out under sensitivity"):
        planned(tmp_path, "khalid2025")


def test_two_options_of_one_name_are_refused(root: Path, tmp_path: Path) -> None:
    text = (root / "papers/tran2023.yaml").read_text(encoding="utf-8")
    (tmp_path / "papers").mkdir()
    old = "      0.1: {recipe.augmentation.desaturate: 0.1}\n"
    assert old in text
    (tmp_path / "papers/tran2023.yaml").write_text(
        text.replace(old, f"{old}      0_1x: {{recipe.augmentation.desaturate: 0.2}}\n".replace("0_1x", "'0+1'")),
        encoding="utf-8",
    )
    with pytest.raises(UserError, match=r"saturation=0\.1 and saturation=0\+1 would both be called"):
        planned(tmp_path, "tran2023")
