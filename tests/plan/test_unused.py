"""What a paper or a configuration says acts, or it is refused or said with the reason."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml as yaml_library
from pydantic import BaseModel

from refer import papers, plan, yaml
from refer.acting import RULES
from refer.commands import check
from refer.configuration import BatchTokens, Config, Matrix, Reproduction, Sensitivity
from refer.datasets.catalog import DATASETS
from refer.errors import UserError
from refer.plan import Plan
from refer.unused import unused


@pytest.mark.parametrize(
    ("paper", "override", "words"),
    [
        ("khalid2025", {"recipe.momentum": 0.5}, "momentum = 0.5 changes nothing: it acts with optimizer: sgd"),
        ("khalid2025", {"recipe.period": 5}, "a schedule of cosine-"),
        ("khalid2025", {"recipe.structure": True, "recipe.mixed_labels": "none"}, "network ferattention"),
        ("khalid2025", {"recipe.draws": 100}, "compose, and compose_train: true"),
        ("khalid2025", {"methods.region.network.heads": 8}, "self_attention: true"),
        ("khalid2025", {"methods.backbone.network.gate": "sigmoid"}, "the attention that it is of"),
        ("khalid2025", {"recipe.augmentation": {"border": "edge", "rotation": 0.0, "scale": 0.0, "shift": 0.0}},
         "a change that moves the image's border inwards"),
        ("naseem2025", {"methods.*-plain.network.gate": "features"}, "the attention that it is of"),
        ("naseem2025", {"methods.fused.recipe.pairing": "order", "network.backbone": "compact", "recipe.sigma": 2.0},
         "structure: true"),
        ("naseem2025", {"recipe.window": 0.8}, "views: ten-crop"),
        ("naseem2025", {"methods.visible.recipe.pairing": "order"}, "a network of two cameras"),
        ("tran2023", {"methods.attention-no-local.network.kernel": 7}, "local_attention: true"),
        ("tran2023", {"methods.resnet*.network.vgg": "whole"}, "a backbone that is a VGG"),
        ("tran2023", {"methods.early-*.recipe": {"augmentation": {"erase": 0.5}}}, "images that are augmented"),
        ("tran2023", {"methods.attention-*.network.grid": 3}, "tokens: positions"),
        ("feratt2019", {"methods.cls-*.network.dim": 32}, "representation: true"),
        ("feratt2019", {"methods.*.recipe.compose": {"blur": 0.0, "noise": 0.1}}, "blur above 0"),
        ("feratt2019", {"network.backbone": "compact"}, "methods that do not set their own"),
        ("peers", {"recipe.criterion": "loss", "protocols.published.select": "last",
                   "protocols.audited.select": "last"}, "a protocol whose select is not last"),
    ],
)  # fmt: skip
def test_an_override_that_changes_nothing_is_refused(
    root: Path, paper: str, override: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        papers.load_paper(root / f"papers/{paper}.yaml", override=override)
    assert any(f"{paper}.yaml, overridden: {key}" in str(caught.value) for key in override)


def test_faces_are_composed_for_one_camera(root: Path) -> None:
    override = {"recipe.augmentation": {"copies": "none"}, "recipe.compose": {}}
    with pytest.raises(UserError, match=r"fused\.recipe\.compose: its network reads two cameras"):
        papers.load_paper(root / "papers/naseem2025.yaml", override=override)


def test_the_table_in_the_docs_is_that_of_the_rules(root: Path) -> None:
    rows = []
    for rule in RULES:
        section = rule.keys[0].rpartition(".")[0]
        rows.append(f"| `{section}` | {', '.join(key.rpartition('.')[2] for key in rule.keys)} | {rule.beside} |")
    text = (root / "docs/adding-a-paper.md").read_text()
    assert "\n".join(rows) in text, "\n".join(rows)


@pytest.mark.parametrize(
    ("paper", "override"),
    [
        ("khalid2025", {"recipe.momentum": 0.9}),  # what it is anyway
        ("khalid2025", {"recipe.optimizer": "sgd", "recipe.momentum": 0.5}),
        ("khalid2025", {"network.heads": 8}),  # of two of its four methods
        ("tran2023", {"methods.attention-*.recipe.test_batch": 7}),  # under one of its two protocols
        ("tran2023", {"methods.late-*.recipe": {"epochs": 4, "lr": 0.02}}),  # nothing is trained: said by `refer check`
        ("tran2023", {"methods.attention-*.network": {"tokens": "positions", "grid": 3}}),
    ],
)
def test_what_acts_in_one_method_under_one_protocol_is_not(root: Path, paper: str, override: dict[str, Any]) -> None:
    papers.load_paper(root / f"papers/{paper}.yaml", override=override)


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("recipe", "period", 5, "khalid2025.yaml: recipe: recipe.period = 5 changes nothing"),
        ("methods", "region", {"network": {"order": "region-first"}}, "methods.region.network: network.order"),
    ],
)
def test_a_papers_own_key_that_changes_nothing_is_refused_whatever_a_configuration_overrides(
    root: Path, tmp_path: Path, section: str, key: str, value: Any, words: str
) -> None:
    content = yaml.read(root / "papers/khalid2025.yaml")
    content[section][key] = papers.merged(content[section][key], value) if isinstance(value, dict) else value
    path = tmp_path / "khalid2025.yaml"
    path.write_text(yaml_library.safe_dump(content))
    for override in ({}, {"recipe.schedule": "cosine-epochs", "methods.region.network.self_attention": True}):
        with pytest.raises(UserError, match=re.escape(words)):
            papers.load_paper(path, override=override)


def test_an_option_that_changes_nothing_is_refused_and_told_as_such_in_the_table_of_sensitivity(root: Path) -> None:
    alone = {"methods.*.network.self_attention": False}
    with pytest.raises(papers.ContradictionError, match=r"heads=8 changes nothing: network\.heads acts with self_att"):
        papers.load_paper(root / "papers/khalid2025.yaml", {"heads": 8}, alone)
    config = yaml.read(root / "presets/sensitivity.yaml")
    config["reproduce"]["khalid2025"]["override"] |= alone
    found = {
        each.option: each for each in plan.load_plan(config, base=root).variants.values() if each.ambiguity == "heads"
    }
    assert {option: each.state for option, each in found.items()} == {"1": "contradicts", "8": "contradicts"}
    assert "changes nothing" in found["8"].reason


# --- configurations -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rules(root: Path) -> str:
    """The source of what reads the configuration beside the plan: rules, scores, the page."""
    paths = [path for end in ("smk", "py") for path in (root / "workflow").glob(f"**/*.{end}")]
    paths += (root / "src/refer/reporting").glob("*.py")
    return "".join(path.read_text() for path in sorted(paths))


@pytest.fixture(scope="module")
def whole(root: Path) -> tuple[dict[str, Any], str]:
    """The demo with a matrix, a table of sensitivity and batches that are tested; and what that asks for."""
    config = yaml.read(root / "config.yaml")
    config["reproduce"] = {name: config["reproduce"][name] for name in ("khalid2025", "tran2023", "feratt2019")}
    config |= {
        "matrix": {
            "methods": {"tran2023": ["attention-r18-r34"], "khalid2025": ["full"]},
            "data": ["fer2013", "rafdb"],
        },
        "sensitivity": {"khalid2025": {"ambiguities": ["heads"], "methods": ["full"]}},
        "batch_tokens": {"tran2023": {"method": "attention-r18-r34", "batches": [1, 8]}},
        "ambiguity": {"khalid2025": {"backbone": "compact"}},
    }
    return config, asked(plan.load_plan(config, base=root))


def asked(made: Plan) -> str:
    """All that decides what is made, but for what rules read of the configuration themselves."""
    config, needed = made.config, made.datasets()
    return json.dumps(
        {
            "runs": [
                [run.as_dict(), *(of(run.paper, run.dataset, run.protocol) for of in (made.division, made.divider))]
                for run in made.runs()
            ],
            "data": {name: made.source(name) for name in needed},
            "splits": made.splits(),
            "links": made.linked(),
            "matrix": [run.path for run in made.matrix()],
            "sensitivity": [str(each) for each in made.switches()],
            "tokens": [[run.path for run in made.batch_tokens()],
                       {name: each.model_dump() for name, each in config.batch_tokens.items()}],
            "scenes": config.backgrounds.model_dump() if any(run.recipe.compose for run in made.runs()) else None,
            **{section: {name: repr(value) for name, value in getattr(config, section).items() if name in needed
                         and (made.is_stand_in(name) or section != "standin")
                         and not (made.is_stand_in(name) and section in ("coding", "swapped", "grey_levels"))}
               for section in ("standin", "tolerate", "subject_pattern", "labels", "coding", "swapped", "grey_levels")},
        }
    )  # fmt: skip


CHANGES: dict[str, list[Any]] = {
    "preset": ["other"], "title": ["Other"], "margin": [3.0], "precision": ["bf16"], "device": ["cpu"],
    "deterministic": [True], "threads": [2], "train_mem_mb": [8000], "realtime_seconds": [1.0], "train_minutes": [60],
    "papers": ["other"], "data": [["ferplus"], ["viri"]],
    "subject_pattern": [{"viri": r"(?P<subject>\d+)"}, {"nvie": r"(?P<subject>[A-Z]\d+)"}],
    "audit": [{"between": ["fer2013", "rafdb"]}], "labels": [{"ferplus": "votes"}],
    "coding": [{"fer2013": "alphabetical"}, {"rafdb": "alphabetical"}],
    "swapped": [{"fer2013": ["PublicTest", "PrivateTest"]}],
    "grey_levels": [{"rafdb": [0.0, 100.0]}],
    "standin": [{"fer2013": {"subjects": 30}}, {"viri": {"subjects": 30}}, {"rafdb": {"seed": 5}}],
    "backgrounds": [{"count": 50}, {"size": 290}, {"shape": "wide"}, {"seed": 4}],
    "choose": [{"nvie": ["posed", "front"]}],
    "datasets": [{"mine": {"kind": "folder", "classes": ["angry", "happy"], "size": 48}}],
    "tolerate": [{"fer2013": ["sizes"]}, {"nvie": ["sizes"]}],
    "ambiguity": [{"khalid2025": {"grid": "2"}}, {"naseem2025": {"gate": "squares"}}],
    "reproduce": [], "matrix": [], "sensitivity": [], "batch_tokens": [],
}  # fmt: skip
"""Of each key of a configuration, values that the demo does not have; those of its large sections stand below."""
IN_SECTIONS: dict[type[BaseModel], dict[str, tuple[str, Any]]] = {
    Reproduction: {
        "data": ("reproduce.tran2023", []), "methods": ("reproduce.khalid2025", ["region"]),
        "protocols": ("reproduce.khalid2025", ["audited"]), "seeds": ("reproduce.khalid2025", [3]),
        "folds": ("reproduce.feratt2019", [0]), "override": ("reproduce.khalid2025", {"recipe.epochs": 3}),
    },
    Matrix: {
        "methods": ("matrix", {"khalid2025": ["region"]}), "data": ("matrix", ["fer2013"]),
        "seeds": ("matrix", {"tran2023": [4]}), "folds": ("matrix", [9]),
    },
    Sensitivity: {
        "ambiguities": ("sensitivity.khalid2025", ["epochs"]),
        "without": ("sensitivity.khalid2025", {"heads": {"8": "dear"}}),
        "methods": ("sensitivity.khalid2025", ["self"]), "data": ("sensitivity.khalid2025", ["rafdb"]),
        "where": ("sensitivity.khalid2025", {"heads": {"methods": ["self"]}}),
        "protocols": ("sensitivity.khalid2025", ["audited"]), "seeds": ("sensitivity.khalid2025", [2]),
        "folds": ("sensitivity.khalid2025", [7]),
    },
    BatchTokens: {
        "method": ("batch_tokens.tran2023", "late-r18-r34"), "data": ("batch_tokens.tran2023", ["fer2013"]),
        "tokens": ("batch_tokens.tran2023", ["batch"]), "orders": ("batch_tokens.tran2023", ["file"]),
        "batches": ("batch_tokens.tran2023", [2]), "seeds": ("batch_tokens.tran2023", [1]),
    },
}  # fmt: skip
EVERY = [
    *((key, value) for key, values in CHANGES.items() for value in values),
    *((f"{place}.{key}", value) for entries in IN_SECTIONS.values() for key, (place, value) in entries.items()),
    *((name, "somewhere.zip") for name in DATASETS),
    *((f"reproduce.khalid2025.override.{key}", 1) for key in ("methods.region.recipe.epochs",)),
]


def test_no_key_of_a_configuration_is_forgotten() -> None:
    assert set(CHANGES) | set(DATASETS) == set(Config.model_fields)
    for model, entries in IN_SECTIONS.items():
        assert set(entries) == set(model.model_fields)


@pytest.mark.parametrize(("key", "value"), EVERY, ids=[f"{key}-{number}" for number, (key, _) in enumerate(EVERY)])
def test_a_key_of_a_configuration_acts_or_is_refused_or_said(
    root: Path, rules: str, whole: tuple[dict[str, Any], str], key: str, value: Any
) -> None:
    config, before = copy.deepcopy(whole)
    place = f"{key}.{next(iter(value))}" if isinstance(value, dict) and key in CHANGES else key
    section: Any = config
    *parents, last = key.split(".", 2) if "override" not in key else [*key.split(".", 3)]
    for parent in parents:
        section = section[parent]
    section[last] = papers.merged(section.get(last) or {}, value) if isinstance(value, dict) else value
    try:
        after = plan.load_plan(config, base=root)
    except UserError:
        return
    said = [line for line in unused(after) if line.startswith(place) and len(line.partition(": ")[2]) > 10]
    read = not parents and re.search(rf"\bplan\.config\.{last}\b", rules) and not isinstance(value, dict)
    if asked(after) == before:
        assert said or read, "it changes nothing, unsaid"
    else:
        assert not said, "it is said to change nothing"


def test_refer_check_says_what_nothing_uses(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = yaml.read(root / ".test/config.yaml")
    config |= {
        "papers": str(root / "papers"),
        "rafdb": "rafdb.zip",
        "swapped": {"fer2013": ["PublicTest", "PrivateTest"]},
        "deterministic": True,
        "device": "cpu",
        "labels": {"ferplus": "votes"},
    }
    config["reproduce"]["khalid2025"]["override"] |= {"methods.full.recipe.epochs": 9}
    (tmp_path / "mine.yaml").write_text(yaml_library.safe_dump(config))
    check.run(type("Parsed", (), {"files": [tmp_path / "mine.yaml"]}))
    said = [line.removeprefix("  without effect here: ") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [line.partition(":")[0] for line in said] == [
        "rafdb",
        "labels.ferplus",
        "swapped.fer2013",
        "deterministic",
        "reproduce.khalid2025.override.methods.full.recipe.epochs",
    ]
