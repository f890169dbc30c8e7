"""Papers and configurations: what is right is read, what is wrong is named in a line or two, quickly."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml as yaml_library
from hypothesis import given, settings
from hypothesis import strategies as st

from refer import configuration, papers, plan, yaml
from refer.commands import schema
from refer.datasets.catalog import DATASETS
from refer.errors import UserError


@pytest.fixture
def config(root: Path) -> dict:
    return yaml.read(root / "config.yaml")


@pytest.mark.parametrize("name", ["config.yaml", *(f"presets/{p.name}" for p in Path("presets").glob("*.yaml"))])
def test_shipped_configurations_are_right(root: Path, name: str) -> None:
    made = plan.load_plan(yaml.read(root / name), name, root)
    runs = list(made.runs())
    assert runs
    assert len({run.path for run in runs}) == len(runs)


def test_every_option_of_every_ambiguity_gives_a_valid_paper(root: Path) -> None:
    for path in (root / "papers").glob("*.yaml"):
        paper = papers.load_paper(path)
        for name, ambiguity in paper.ambiguities.items():
            for option in ambiguity.options:
                chosen = papers.load_paper(path, {name: option})
                assert chosen.ambiguities[name].choice == option


def test_an_ambiguity_switches_what_it_says(root: Path) -> None:
    path = root / "papers/khalid2025.yaml"
    default, switched = papers.load_paper(path), papers.load_paper(path, {"optimizer": "sgd", "backbone": "vgg13"})
    assert (default.recipe.optimizer, default.network["backbone"]) == ("adam", "resnet18")
    assert (switched.recipe.optimizer, switched.recipe.lr, switched.network["backbone"]) == ("sgd", 0.01, "vgg13")


def test_dotted_keys_reach_their_section(root: Path, config: dict) -> None:
    # The second form is that of `--config`, whose lists arrive as text.
    config |= {"ambiguity.khalid2025.heads": 8, "reproduce__khalid2025__seeds": ["5"]}
    runs = list(plan.load_plan(config, base=root).runs("khalid2025"))
    assert {run.seed for run in runs} == {5}
    assert {run.network["heads"] for run in runs} == {8}
    epochs = config["reproduce"]["khalid2025"]["override"]["recipe.epochs"]
    assert {run.recipe.epochs for run in runs} == {epochs}, "the section's other keys stay"


def test_a_run_survives_the_way_through_json(root: Path, config: dict) -> None:
    for run in plan.load_plan(config, base=root).runs():
        assert plan.Run.from_dict(json.loads(json.dumps(run.as_dict()))) == run


def test_drawn_and_real_data_never_share_a_path(root: Path, config: dict) -> None:
    drawn = {run.path for run in plan.load_plan(config, base=root).runs()}
    sources = dict.fromkeys(DATASETS, "somewhere.zip")
    real = {run.path for run in plan.load_plan(config | sources, base=root).runs()}
    assert not drawn & real


def test_a_protocol_may_have_fewer_methods(root: Path, config: dict) -> None:
    config = changed(config, "reproduce.khalid2025.protocols", {"published": ["full"], "audited": "all"})
    runs = list(plan.load_plan(config, base=root).runs("khalid2025"))
    wanted = config["reproduce"]["khalid2025"].get("methods", "all")
    every = set(plan.load_plan(config, base=root).papers["khalid2025"].methods) if wanted == "all" else set(wanted)
    assert {run.method for run in runs if run.protocol == "audited"} == every
    assert {run.method for run in runs if run.protocol == "published"} == {"full"} < every


def changed(config: dict, dotted: str, value: object) -> dict:
    result = copy.deepcopy(config)
    *parents, last = dotted.split(".")
    section = result
    for parent in parents:
        section = section[parent]
    section[last] = value
    return result


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("str", 1, ["config.yaml: str: no key 'str'"]),
        ("a\nb", 1, ["config.yaml: 'a\\nb': no key 'a\\nb'"]),
        ("list[int]", 1, ["config.yaml: list[int]: no key 'list[int]'"]),
        ("sedes", [1], ["config.yaml: sedes", "no key 'sedes'", "Known"]),
        ("preset", "../up", ["config.yaml: preset", "'../up'"]),
        ("preset", 3, ["preset", "found 3", "expected text"]),
        ("fer2013", None, ["config.yaml: fer2013: found None (nothing), expected text or a list."]),
        ("reproduce.khalid2025.seed", [1], ["reproduce.khalid2025.seed", "Did you mean 'seeds'?"]),
        ("reproduce.khalid2025.seeds", ["one"], ["reproduce.khalid2025.seeds.0", "'one'", "a whole number"]),
        ("reproduce.khalid2025.seeds", [], ["reproduce.khalid2025.seeds"]),
        ("reproduce.khalid2025.seeds", [1, 1], ["only once"]),
        ("reproduce.khalid2025.methods", ["ful"], ["'ful'", "Did you mean 'full'?", "Known: full, region"]),
        ("reproduce.khalid2025.data", ["rafdb"], ["'rafdb'", "Known: fer2013"]),
        ("reproduce.khalid2025.protocols", ["secret"], ["khalid2025.protocols.0: found 'secret' (text)"]),
        (
            "reproduce.khalid2025.protocols",
            "audited",
            ["protocols: found 'audited' (text), expected a list or a section."],
        ),
        (
            "reproduce.khalid2025.protocols",
            {"secret": "all"},
            ["protocols.secret: found 'secret' (text), expected 'pub"],
        ),
        ("reproduce.khalid2025.protocols", {"audited": "full"}, ["protocols.audited: ", "expected a list or 'all'."]),
        ("reproduce.khalid2025.protocols", {"audited": ["ful"]}, ["protocols.audited: ", "Did you mean 'full'?"]),
        ("reproduce.khalid2025.protocols", {"audited": ["full", "full"]}, ["protocols", "only once"]),
        ("reproduce", {"khalid2024": {}}, ["'khalid2024'", "Did you mean 'khalid2025'?"]),
        ("ambiguity", {"khalid2025": {"backbon": "vgg13"}}, ["'backbon'", "Did you mean 'backbone'?"]),
        ("ambiguity", {"khalid2025": {"backbone": "vgg"}}, ["'vgg'", "Did you mean 'vgg13'?"]),
        ("reproduce.khalid2025.override", {"recipe.epoch": 3}, ["recipe.epoch", "Did you mean 'epochs'?"]),
        ("reproduce.khalid2025.override", {"recipe.epochs": "3"}, ["recipe.epochs", "'3'", "a whole number"]),
        ("reproduce.khalid2025.override", {"recipes.epochs": 3}, ["'recipes'", "Did you mean 'recipe'?"]),
        ("reproduce.khalid2025.override", {"network.head": 3}, ["'head'", "Did you mean 'heads'?"]),
        ("reproduce.khalid2025.override", {"network.heads": "four"}, ["network.heads", "'four'"]),
        ("reproduce.khalid2025.override", {"network.name": "nat"}, ["network.name", "'nat'"]),
        ("standin", {}, ["standin.fer2013"]),
    ],
)
def test_what_is_wrong_is_named(root: Path, config: dict, key: str, value: object, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        plan.load_plan(changed(config, key, value), "config.yaml", root)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert len(message.splitlines()) <= 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2\n", ["file.yaml:2", "twice"]),
        ("a: [1\nb: 2\n", ["file.yaml:", "not valid YAML"]),
        ("- 1\n", ["a mapping", "list"]),
        ("a: !!python/object/apply:os.system [true]\n", ["not valid YAML"]),
    ],
)
def test_broken_yaml_names_its_line(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        yaml.read(path)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_reported_number_must_name_a_method(root: Path, tmp_path: Path) -> None:
    text = (root / "papers/khalid2025.yaml").read_text().replace("- method: full", "- method: fulll")
    (tmp_path / "khalid2025.yaml").write_text(text)
    with pytest.raises(UserError, match=r"reported\.0 names the method 'fulll'.*Did you mean 'full'"):
        papers.load_paper(tmp_path / "khalid2025.yaml")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)  # a value that changes nothing has four papers read
@given(st.sampled_from(list(configuration.Config.model_fields)), json_values)
def test_no_value_of_any_key_ends_in_a_traceback(key: str, value: object) -> None:
    root = Path(__file__).resolve().parents[2]
    config = yaml.read(root / "config.yaml") | {key: value}
    try:
        plan.load_plan(config, "config.yaml", root)
    except UserError as error:
        message = str(error)
    else:
        message = "fine"
    assert message


def test_schemas_are_those_of_the_code(root: Path) -> None:
    for name in schema.NAMES:
        written = (root / f"workflow/schemas/{name}.schema.json").read_text(encoding="utf-8")
        assert written == schema.schema_text(name), "run `refer schema`"


FILES = ("config.yaml", ".test/config.yaml", "papers/*.yaml", "presets/*.yaml")


def test_editors_find_the_schema_of_every_file_and_nothing_wrong_in_it(root: Path) -> None:
    """The line is what the YAML language server reads, the one of VS Code, Neovim and others."""
    for path in (path for pattern in FILES for path in sorted(root.glob(pattern))):
        line = path.read_text(encoding="utf-8").partition("\n")[0]
        known = path.parent / line.removeprefix("# yaml-language-server: $schema=")
        assert known.name == f"{'paper' if path.parent.name == 'papers' else 'config'}.schema.json", path
        jsonschema.validate(yaml.read(path), json.loads(known.read_text(encoding="utf-8")))


def test_planning_needs_neither_torch_nor_pandas() -> None:
    code = (
        "import sys; from refer import workflow, plan; from refer.datasets import catalog; "
        "from refer.datasets.raw import sources; "
        "heavy = {'torch', 'pandas', 'pyarrow', 'PIL', 'matplotlib', 'scipy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_star_in_a_key_reaches_every_method_so_named(root: Path) -> None:
    paper = papers.load_paper(root / "papers/tran2023.yaml", {"late": "max"})
    late = [method for name, method in paper.methods.items() if name.startswith("late-")]
    assert len(late) == 4
    assert {method.network["rule"] for method in late} == {"max"}
    with pytest.raises(UserError, match=r"nothing is named lata-\*"):
        papers.load_paper(root / "papers/tran2023.yaml", override={"methods.lata-*.network.rule": "max"})


def test_a_protocol_may_change_the_paper(root: Path) -> None:
    paper = papers.load_paper(root / "papers/naseem2025.yaml")
    assert paper.under("published").recipe.loss == "softmax"
    assert paper.under("audited").recipe.loss == "logits"
    both = papers.load_paper(root / "papers/naseem2025.yaml", override={"recipe.loss": "softmax"})
    assert both.under("audited").recipe.loss == "softmax", "a configuration has the last word"


@pytest.mark.parametrize("name", ["feratt2019", "khalid2025", "naseem2025", "tran2023"])
def test_every_option_of_every_ambiguity_can_be_switched_on(root: Path, name: str) -> None:
    path = root / f"papers/{name}.yaml"
    for ambiguity, entry in papers.load_paper(path).ambiguities.items():
        for option in entry.options:
            paper = papers.load_paper(path, {ambiguity: option})
            assert paper.ambiguities[ambiguity].choice == option
            assert ambiguity not in paper.overruled


def test_the_matrix_lends_papers_the_data_sets_that_they_lack(root: Path, config: dict) -> None:
    few = {"khalid2025": ["full"], "naseem2025": ["fused"], "tran2023": ["late-r18-r34"]}
    asked = config | {"matrix": {"methods": few, "data": ["fer2013", "viri", "rafdb", "bu3dfe"], "folds": [0]}}
    found = {(run.dataset, run.method): run for run in plan.load_plan(asked, base=root).matrix()}
    assert found["viri", "full"].select == "val"
    assert found["viri", "full"].evaluated == ("val", "test")
    assert found["bu3dfe", "full"].fold == 0
    assert ("fer2013", "fused") not in found, "there is no infrared picture of FER2013"
    assert ("fer2013", "resnet34") in found, "late fusion begins with it"
    assert {run.protocol for run in found.values()} == {"audited"}
    only = plan.load_plan(config, base=root)
    assert {run.dataset for run in only.runs("khalid2025")} == {"fer2013"}


def test_papers_of_the_matrix_have_seeds_of_their_own(root: Path, config: dict) -> None:
    few = {"khalid2025": ["full"], "tran2023": ["late-r18-r34"]}
    matrix = {"methods": few, "data": ["fer2013"], "seeds": {"tran2023": [0, 1, 2]}}
    seeds: dict[str, set[int]] = {}
    for run in plan.load_plan(config | {"matrix": matrix}, base=root).matrix():
        seeds.setdefault(run.method, set()).add(run.seed)
    # What late fusion begins with is trained as often.
    assert seeds == {"full": {0}, **{name: {0, 1, 2} for name in ("late-r18-r34", "resnet18", "resnet34")}}
    for wrong, said in (({"tran2024": [0]}, "matrix.seeds: no paper 'tran2024'"), ({"tran2023": []}, "matrix.seeds")):
        with pytest.raises(UserError, match=said):
            plan.load_plan(config | {"matrix": matrix | {"seeds": wrong}}, base=root)


def test_a_network_reads_images_as_those_that_it_begins_with(root: Path, config: dict) -> None:
    reproduce = {"tran2023": {"methods": ["late-r18-r34"], "override": {"methods.late-*.network.weights": "none"}}}
    with pytest.raises(
        UserError, match=r"late-r18-r34.*found 'none', but resnet\d+, whose network it needs, has 'imag"
    ):
        plan.load_plan(config | {"reproduce": reproduce, "ambiguity": {}}, base=root).runs("tran2023")


def test_each_protocol_may_have_seeds_of_its_own(root: Path, config: dict) -> None:
    config["reproduce"]["khalid2025"] |= {"seeds": {"audited": [0, 2]}, "protocols": ["published", "audited"]}
    runs = plan.load_plan(config, base=root).runs("khalid2025")
    assert {(run.protocol, run.seed) for run in runs} == {("published", 0), ("audited", 0), ("audited", 2)}
    config["reproduce"]["khalid2025"]["seeds"] = {"audited": [0, 0]}
    with pytest.raises(UserError, match="only once"):
        plan.load_plan(config, base=root)


def test_a_network_that_begins_with_others_brings_them(root: Path, config: dict) -> None:
    config["reproduce"]["naseem2025"]["methods"] = ["fused"]
    del config["ambiguity"]["naseem2025"]
    methods = {run.method for run in plan.load_plan(config, base=root).runs("naseem2025")}
    assert methods == {"fused", "infrared"}


TEST_SETS = {
    "feratt2019": {"bu3dfe": "test", "ckplus": "test"},
    "khalid2025": {"fer2013": "private"},
    "naseem2025": {"viri": "test", "nvie": "test"},
    "peers": {"fer2013": "private"},
    "tran2023": {"rafdb": "test"},
}


@pytest.mark.parametrize("name", sorted(TEST_SETS))
@pytest.mark.parametrize("turned", [False, True], ids=["sorted", "reversed"])
def test_the_order_of_keys_does_not_choose_the_test_set(root: Path, tmp_path: Path, name: str, turned: bool) -> None:
    def reordered(value: object) -> object:
        if isinstance(value, dict):
            return {key: reordered(value[key]) for key in sorted(value, key=str, reverse=turned)}
        return [reordered(each) for each in value] if isinstance(value, list) else value

    path = root / f"papers/{name}.yaml"
    (tmp_path / path.name).write_text(yaml_library.safe_dump(reordered(yaml.read(path)), sort_keys=False), "utf-8")
    as_filed, other = papers.load_paper(path), papers.load_paper(tmp_path / path.name)
    assert as_filed.test_sets == other.test_sets == TEST_SETS[name]
    for dataset, use in other.data.items():
        for key in other.protocols:
            parts = use.evaluated(other.protocol(key, dataset))
            assert parts[-1] == TEST_SETS[name][dataset]
            assert parts == as_filed.data[dataset].evaluated(as_filed.protocol(key, dataset))
            # Shares are drawn, and an audit looks at earlier parts, in the order of the scheme.
            schemes = [paper.data[dataset].scheme(paper.protocol(key, dataset)) for paper in (as_filed, other)]
            assert json.dumps(schemes[0].as_dict()) == json.dumps(schemes[1].as_dict())


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ({"parts": {"train": "Training", "public": "PublicTest"}}, "data.fer2013.test"),
        ({"parts": {"train": "Training", "public": "PublicTest"}, "test": "privat"}, "test names the part 'privat'"),
        ({"parts": {"train": "Training", "public": "PublicTest"}, "test": "train"}, "test names the part 'train'"),
        ({"folds": {"count": 3}, "test": "val"}, "test names the part 'val'"),
    ],
)
def test_a_data_set_without_a_test_set_is_refused(root: Path, tmp_path: Path, use: dict, said: str) -> None:
    content = yaml.read(root / "papers/khalid2025.yaml") | {"data": {"fer2013": use}}
    (tmp_path / "khalid2025.yaml").write_text(yaml_library.safe_dump(content), "utf-8")
    with pytest.raises(UserError) as refused:
        papers.load_paper(tmp_path / "khalid2025.yaml")
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reproduce.khalid2025.methods": []}, "nothing would run"),
        ({"reproduce.khalid2025.protocols": []}, "nothing would run"),
        ({"reproduce.khalid2025.protocols": {"audited": []}}, "nothing would run"),
        ({"reproduce.khalid2025.data": []}, "reproduce.khalid2025.data: it is empty and there is no matrix"),
        ({"reproduce.feratt2019.folds": []}, "nothing would run"),
        ({"reproduce.feratt2019.folds": [3, 99]}, "reproduce.feratt2019.folds: found 99, but feratt2019 divides"),
        ({"matrix": {"folds": [99]}}, "matrix.folds: found 99"),
        ({"matrix": {"methods": {}}}, "nothing would run"),
        ({"sensitivity": {"feratt2019": {"folds": [99]}}}, "sensitivity.feratt2019.folds: found 99"),
    ],
)
def test_nothing_that_was_asked_for_is_left_out_without_a_word(
    root: Path, changes: dict[str, object], said: str
) -> None:
    config = yaml.read(root / "config.yaml")
    with pytest.raises(UserError, match=re.escape(said)):
        plan.load_plan(plan.unfold(config | changes), "config.yaml", root)
