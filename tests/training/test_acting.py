"""Every key of a recipe and of a network: it changes what comes out, to the bit, or it is refused with the reason.

The keys are those of the models, so that a new one cannot be forgotten. Each is changed in several situations; where
`refer.acting` says that it does nothing there, weights and probabilities must be the same, else others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from refer.acting import RULES, TESTING, Method, without_effect
from refer.errors import UserError
from refer.evaluation.inference import infer
from refer.networks import catalog
from refer.networks.backbones import build_backbone
from refer.networks.interface import logits_of
from refer.papers import merged
from refer.recipe import Augmentation, Recipe
from refer.training import checkpoint
from refer.training.composition import Composition
from task_fixtures import BOTH, TWO, Paired, cell, trained

CNN = {"name": "cnn", "backbone": "compact-resnet8", "channels": 3}
FERATT = {"name": "ferattention", "encoder": "compact", "filters": 1, "backbone": "compact-resnet8", "blocks": 1}
EARLY = {**TWO, "name": "early_fusion"}
READING = {**TWO, "name": "fusion_attention", "mlp_hidden": 8}
BASE: dict[str, Any] = {"epochs": 2, "batch_size": 16, "image_size": 16, "optimizer": "sgd", "lr": 0.01}
RICH = {
    "optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine-accuracy", "period": 3, "views": "ten-crop",
    "augmentation": {"rotation": 20.0, "crop": 0.75},
}  # fmt: skip
DULL = {"warp": 0.0, "light": "none", "exposed": 0.0}


class Situation(NamedTuple):
    """A network and a recipe; `sections` of whose keys each is changed, the whole recipe's being the empty one."""

    network: dict[str, Any]
    recipe: dict[str, Any]
    sections: tuple[str, ...]
    inputs: tuple[str, ...] = ("visible",)


SITUATIONS = {
    "plain": Situation(CNN, {}, ("", "augmentation")),
    "rich": Situation(CNN, RICH, ("", "augmentation")),
    "composed": Situation(FERATT, {"compose": {}, "structure": True, "mixed_labels": "shares"}, ("", "compose")),
    "dull": Situation(CNN, {"compose": DULL}, ("", "compose")),
    "frozen": Situation(EARLY, {}, ("", "augmentation")),
    "augmented": Situation(EARLY, {"augmentation": {"flip": True}, "frozen_features": "augmented"}, ("",)),
    "reading": Situation(READING, {}, ("",)),
    "pair": Situation({"name": "interleaved_fusion", "backbone": "compact-resnet8"}, {}, ("",), BOTH),
    "copies": Situation(CNN, {"batch_size": 128, "augmentation": {"copies": "fixed"}}, ("augmentation",)),
}
OTHER: dict[str, Any] = {
    "epochs": 3, "batch_size": 12, "image_size": 24, "lr": 0.004, "momentum": 0.5, "weight_decay": 0.03, "period": 2,
    "warmup": 0.5, "label_smoothing": 0.1, "sigma": 0.2, "attention_coefficient": 2.0, "compose": {}, "draws": 40,
    "freeze_epochs": 1, "head_rate": 3.0, "ema": 0.5, "window": 0.625, "test_batch": 5, "precision": "bf16",
    "rotation": 40.0, "scale": 0.3, "shift": 0.2, "erase": 0.9, "desaturate": 0.5, "shear": 30.0, "perspective": 0.5,
    "zoom_out": 2.0, "pad": 0.25, "crop": 0.625, "brightness": 0.3, "contrast": 0.4, "mixup": 0.5, "jpeg": 30,
    "size": 24, "angle": 20.0, "translation": 0.1, "factor": 0.4, "warp": 0.2, "lift": 0.2, "erode": 6.0,
    "light_limits": [0.9, 1.1], "light_range": [0.4, 0.6], "gamma": 0.4, "exposed": 0.9, "clahe": 0.8, "blur": 0.8,
    "noise": 0.1, "through": 0.75,
}  # fmt: skip
"""What a number is changed to. A flag is turned, and of words each other one is tried."""
OTHER_OF = {
    "compose.flip": 0.1,
    "compose.pad": 30,
    "compose.crop": 0.4,
    "compose.brightness": 0.5,
    "compose.contrast": 0.6,
}
SHOWN_ELSEWHERE = {
    "criterion": "test_the_lowest_loss_chooses_the_epoch_where_the_recipe_says_so",
    "leave_out": "test_as_many_others_of_each_class_are_left_out_and_no_twin",
}
"""Whether another epoch is chosen, and whether there are twins, hangs on the data."""
MODELS: dict[str, Any] = {"": Recipe, "augmentation": Augmentation, "compose": Composition}


def others(section: str, key: str, now: Any) -> list[Any]:
    """Values that a key may have beside the one that it has."""
    told = OTHER_OF.get(f"{section}.{key}", OTHER.get(key))
    if told is not None:
        return [told]
    if isinstance(now, bool):
        return [not now]
    return [word for word in get_args(MODELS[section].model_fields[key].annotation) if word not in (now, None)]


CASES = [
    (name, section, key)
    for name, situation in SITUATIONS.items()
    for section in situation.sections
    for key in MODELS[section].model_fields
    # Two cameras cannot be composed for: `refer.papers` refuses it.
    if key not in ("augmentation", *SHOWN_ELSEWHERE) and (name, key) != ("pair", "compose")
    if key != "compose" or name not in ("composed", "dull")
]


def test_each_key_has_another_value_and_each_rule_a_key() -> None:
    for section, model in MODELS.items():
        for key, field in model.model_fields.items():
            if (section, key) != ("", "augmentation"):
                assert others(section, key, field.get_default(call_default_factory=True)), (section, key)
    known = {
        *(
            f"recipe.{section}.{key}".replace("..", ".")
            for section, model in MODELS.items()
            for key in model.model_fields
        ),
        *(f"network.{key}" for entry in catalog.networks().values() for key in entry.options.model_fields),
    }
    assert {key for rule in RULES for key in rule.keys} <= known


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Situation, dict[str, Any]], Any]:
    """Trains and predicts: the weights and probabilities of a situation with a recipe, each made once."""
    folder = tmp_path_factory.mktemp("acting")
    data = Paired(folder)
    made: dict[str, Any] = {}

    def outcome(situation: Situation, recipe: dict[str, Any]) -> Any:
        name = str((situation.network, recipe))
        if name not in made:
            out = folder / f"run{len(made)}"
            run = cell("m", situation.network, Recipe(**recipe), situation.inputs)
            trained(data, run, out, backgrounds=data.backgrounds)
            infer(
                out / "checkpoint.safetensors", data.path, data.split, out / "p.parquet", backgrounds=data.backgrounds
            )
            state = checkpoint.load(out / "checkpoint.safetensors")[0]["network"]
            found = pd.read_parquet(out / "p.parquet")
            columns = [column for column in found if column.startswith("p_")]
            made[name] = (sum(map(hash, (value.numpy().tobytes() for value in state.values()))),
                          found[["id", *columns]].to_csv())  # fmt: skip
        return made[name]

    return outcome


@pytest.mark.slow
@pytest.mark.parametrize(("name", "section", "key"), CASES, ids=["-".join(filter(None, case)) for case in CASES])
def test_a_key_of_a_recipe_acts_or_is_refused(
    outcome: Callable[[Situation, dict[str, Any]], Any], name: str, section: str, key: str
) -> None:
    situation = SITUATIONS[name]
    base = {**BASE, **situation.recipe}
    holder = getattr(Recipe(**base), section) if section else Recipe(**base)
    dotted = ".".join(filter(None, ("recipe", section, key)))
    for value in others(section, key, getattr(holder, key)):
        changed = merged(base, {section: {key: value}} if section else {key: value})
        try:
            method = Method(situation.network, Recipe(**changed))
            beside = without_effect(dotted, value, [method])
            came = outcome(situation, changed)
        except (ValidationError, UserError):
            continue  # refused when the paper is read, or by the training itself
        same = came == outcome(situation, base)
        assert same == (beside is not None), f"{dotted} = {value!r}: {'nothing' if same else 'something'} changed"


@pytest.mark.parametrize("key", [key for key in Recipe.model_fields if key not in (*TESTING, "augmentation")])
def test_where_nothing_is_trained_a_recipe_may_repeat_what_its_parents_learnt_by(key: str) -> None:
    default = Recipe(**BASE)
    late = Method({**TWO, "name": "late_fusion"}, default)
    assert not late.learns
    for value in others("", key, getattr(default, key)):
        assert without_effect(f"recipe.{key}", value, [late]) is None


# --- networks -----------------------------------------------------------------------------------------------------

SMALL = {
    "region_attention_net": {"backbone": "compact-resnet8"},
    "cnn": {"backbone": "compact-resnet8"},
    "gated_net": {"backbone": "compact-resnet8"},
    "interleaved_fusion": {"backbone": "compact-resnet8"},
    "late_fusion": {"first": "compact-resnet8", "second": "compact-resnet14"},
    "early_fusion": {"first": "compact-resnet8", "second": "compact-resnet14"},
    "joint_fusion": {"first": "compact-resnet8", "second": "compact-resnet14"},
    "fusion_attention": {"first": "compact-resnet8", "second": "compact-resnet8", "mlp_hidden": 8},
    "ferattention": {"encoder": "compact", "filters": 1, "backbone": "compact-resnet8", "blocks": 1},
}
"""Every network, small."""
BESIDE: dict[str, list[dict[str, Any]]] = {
    "region_attention_net": [{}, {"region_attention": False}, {"self_attention": False},
                             {"region_attention": False, "self_attention": False}],
    "gated_net": [{}, {"attention": False}],
    "interleaved_fusion": [{}, {"attention": False}],
    "late_fusion": [{}, {"first": "vgg11", "second": "vgg11"}],
    "cnn": [{}, {"backbone": "vgg11"}],
    "joint_fusion": [{}, {"first": "vgg11"}],
    "fusion_attention": [{}, {"self_attention": False}, {"local_attention": False}, {"mlp": False},
                         {"tokens": "positions", "grid": 3},
                         {"self_attention": False, "tokens": "positions", "grid": 3}],
    "ferattention": [{}, {"representation": False}],
}  # fmt: skip
"""Options that others hang on, in their states."""
OPTION: dict[str, Any] = {
    "backbone": "compact-resnet14", "first": "compact-resnet14", "second": "compact-resnet8", "dropout": 0.4, "grid": 2,
    "hidden": 8, "dim": 6, "maps": 2, "blocks": 2, "filters": 2, "encoder": "resnet18", "side": 32, "mlp_hidden": 6,
}  # fmt: skip
NOT_BUILT = ("weights", "modality", "pixels", "channels")
"""What a network begins with and how it is given its images: no matter of what it makes of them."""
NETWORKS = [
    (name, state, key)
    for name, entry in catalog.networks().items()
    for state in range(len(BESIDE.get(name, [{}])))
    for key in entry.options.model_fields
    if key not in NOT_BUILT
]


def made_of(options: dict[str, Any], weights: dict[str, Any] | None = None) -> tuple[bytes, ...]:
    """What a network makes of a batch of images while it trains and while it is tested, with these weights if they fit.

    (Layers that are built and thrown away would else change what is drawn for the others.)
    """
    torch.manual_seed(0)
    network = catalog.build(options, 3)
    state = network.state_dict()
    if weights and {key: value.shape for key, value in state.items()} == {k: v.shape for k, v in weights.items()}:
        network.load_state_dict(weights)
    generator = torch.Generator().manual_seed(1)
    images = [torch.rand(4, 3, 64, 64, generator=generator) for _ in range(len(catalog.modalities(options)))]
    found = []
    for training in (True, False):
        torch.manual_seed(2)
        logits = logits_of(network.train(training)(*images))
        found.append(logits.detach().numpy().tobytes())
    trains = [parameter.requires_grad for parameter in network.parameters()]
    return (*found, bytes(trains))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "state", "key"), NETWORKS)
def test_an_option_of_a_network_acts_or_is_refused(name: str, state: int, key: str) -> None:
    base = {"name": name, **SMALL[name], **BESIDE.get(name, [{}])[state]}
    field = catalog.networks()[name].options.model_fields[key]
    now = field.default
    values = [not now] if isinstance(now, bool) else [OPTION[key]] if key in OPTION and OPTION[key] != now else []
    for value in values or [each for each in get_args(field.annotation) if each != now]:
        options, unsaid = {**base, key: value}, {each: base[each] for each in base if each != key}
        try:
            catalog.check(options, "network")
            torch.manual_seed(0)
            weights = catalog.build(unsaid, 3).state_dict()
            came = made_of(options, weights)
        except UserError:
            continue
        beside = without_effect(f"network.{key}", value, [Method(options, Recipe(**BASE))])
        try:
            same = came == made_of(unsaid)
        except UserError:  # its map is smaller than the grid
            same = False
        assert same == (beside is not None), f"{key} = {value!r}: {'nothing' if same else 'something'} changed"


def test_every_network_is_tried() -> None:
    assert set(SMALL) == set(catalog.networks())
    assert build_backbone("compact-resnet8", 3, "none").width != build_backbone("compact", 3, "none").width
