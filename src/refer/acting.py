"""Which keys of a network and of a recipe act only beside others; `refer.papers` refuses those that would do nothing.

A key without effect is worse than a wrong one: its value stands in a table, and nothing was trained with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from refer.networks import catalog
from refer.recipe import Augmentation, Recipe
from refer.training.composition import Composition

FROZEN = ("early_fusion", "late_fusion")
"""Networks whose branches never train; of fusion_attention an option says it."""
SWINGING = ("cosine-epochs", "cosine-accuracy")
EXPOSING = ("brightness", "contrast", "gamma")
WARPS = ("rotation", "scale", "shift", "shear", "perspective", "pad")


@dataclass(frozen=True)
class Method:
    """A method as it runs: `network` is its checked section, `tests` whether it trains nothing, but tests another's.

    `selects` says whether some protocol chooses an epoch.
    """

    network: Mapping[str, Any]
    recipe: Recipe
    tests: bool = False
    selects: bool = True

    @cached_property
    def options(self) -> dict[str, Any]:
        """All options of its network."""
        return catalog.complete(self.network)

    @property
    def name(self) -> str:
        """Its network's name."""
        return str(catalog.current(self.network["name"]))

    def on(self, option: str) -> bool:
        """Whether an option of its network is switched on; not, where the network lacks it."""
        return bool(self.options.get(option))

    @property
    def learns(self) -> bool:
        """Whether anything is trained."""
        return not self.tests and self.name != "late_fusion"

    @property
    def frozen(self) -> bool:
        """Whether its backbones stay as they are."""
        return self.name in FROZEN or self.on("frozen")

    @property
    def once(self) -> bool:
        """Whether it learns from features that are computed once, of images as they are."""
        return self.frozen and self.learns and self.recipe.frozen_features == "once"

    @property
    def augments(self) -> bool:
        """Whether it sees augmented images."""
        return self.learns and not self.once

    @property
    def learns_composed(self) -> bool:
        """Whether it learns from composed faces."""
        return self.recipe.compose is not None and self.recipe.compose_train and self.augments

    @property
    def vgg(self) -> bool:
        """Whether one of its backbones is a VGG."""
        return any(name.startswith("vgg") for name in catalog.backbones_of(self.network))

    @property
    def composition(self) -> Composition:
        """How faces are composed; the defaults where none are."""
        return self.recipe.compose or Composition()


class Rule(NamedTuple):
    """Keys, whether they act in a method, and beside what they do, in the words of a paper's file."""

    keys: tuple[str, ...]
    acts: Callable[[Method], bool]
    beside: str


def _rules() -> Iterator[Rule]:
    def of(section: str, keys: str, acts: Callable[[Method], bool], beside: str) -> Rule:
        return Rule(tuple(f"{section}.{key}" for key in keys.split()), acts, beside)

    yield of("recipe", "momentum", lambda it: it.recipe.optimizer == "sgd", "optimizer: sgd")
    yield of("recipe", "decayed", lambda it: it.recipe.weight_decay > 0, "weight_decay above 0")
    yield of("recipe", "period", lambda it: it.recipe.schedule in SWINGING, "a schedule of cosine-…")
    yield of("recipe", "warmup", lambda it: it.recipe.schedule not in SWINGING, "schedule: constant or cosine")
    yield of("recipe", "structure attention_coefficient", lambda it: it.name == "ferattention", "network ferattention")
    yield of("recipe", "mixed_labels sigma", lambda it: it.recipe.structure, "structure: true")
    yield of("recipe", "compose_train", lambda it: it.recipe.compose is not None and it.augments,
             "compose, in a method whose backbones train")  # fmt: skip
    yield of("recipe", "compose_test", lambda it: it.recipe.compose is not None, "compose")
    yield of("recipe", "leave_out", lambda it: it.learns, "a method that is trained")
    yield of("recipe", "draws", lambda it: it.learns_composed, "compose, and compose_train: true")
    yield of("recipe", "freeze_epochs head_rate", lambda it: not it.frozen, "a backbone that trains")
    yield of("recipe", "pairing", lambda it: len(catalog.modalities(it.network)) > 1, "a network of two cameras")
    yield of("recipe", "criterion", lambda it: it.selects, "a protocol whose select is not last")
    yield of("recipe", "window", lambda it: it.recipe.views == "ten-crop", "views: ten-crop")
    yield of("recipe", "test_batch test_order", lambda it: catalog.reads_batch(it.network),
             "a network whose predictions depend on the batch")  # fmt: skip
    yield of("recipe", "frozen_features", lambda it: it.frozen and it.recipe.augmentation != Augmentation(),
             "a fusion of frozen branches, and augmentation")  # fmt: skip

    how = "recipe.augmentation"
    others = " ".join(key for key in Augmentation.model_fields if key not in ("crop", "border", "jpeg"))
    yield of(how, others, lambda it: it.augments, "images that are augmented, not features that are computed once")
    yield of(how, "border", lambda it: it.augments and _leads_out(it.recipe.augmentation),
             "a change that moves the image's border inwards")  # fmt: skip

    how = "recipe.compose"
    told = ("warping", "light_limits", "light_range", *EXPOSING, "exposed", "exposure", "noise")
    several = " ".join(key for key in Composition.model_fields if key not in told)
    yield of(how, several, _composes, "compose_train or compose_test")
    yield of(how, "warping", lambda it: _composes(it) and it.composition.warp > 0, "warp above 0")
    yield of(how, "light_limits light_range", lambda it: _composes(it) and it.composition.light != "none",
             "a light that is not none")  # fmt: skip
    yield of(how, " ".join(EXPOSING), lambda it: _composes(it) and it.composition.exposed > 0, "exposed above 0")
    yield of(how, "exposed exposure", lambda it: _composes(it) and _exposes(it.composition),
             f"{' or '.join(EXPOSING)} above 0")  # fmt: skip
    yield of(how, "noise", lambda it: _composes(it) and it.composition.blur > 0, "blur above 0")

    yield of("network", "gate", _gates, "the attention that it is of")
    yield of("network", "heads", lambda it: it.on("self_attention"), "self_attention: true")
    yield of("network", "scale query product skip", lambda it: it.on("self_attention"), "self_attention: true")
    yield of("network", "tokens", lambda it: it.on("self_attention") or it.options["tokens"] == "positions",
             "self_attention: true")  # fmt: skip
    yield of("network", "order", lambda it: it.on("local_attention") or (it.on("region_attention")
             and it.on("self_attention")), "both attentions, or local_attention: true")  # fmt: skip
    yield of("network", "residual attentions kernel", lambda it: it.on("local_attention"), "local_attention: true")
    yield of("network", "mlp_hidden", lambda it: it.on("mlp"), "mlp: true")
    yield of("network", "grid", lambda it: it.options.get("tokens", "positions") == "positions", "tokens: positions")
    yield of("network", "dim", lambda it: it.on("representation"), "representation: true")
    yield of("network", "vgg", lambda it: it.vgg, "a backbone that is a VGG")


def _leads_out(how: Augmentation) -> bool:
    return how.copies == "none" and (how.zoom_out > 1 or any(getattr(how, key) for key in WARPS))


def _composes(it: Method) -> bool:
    return it.recipe.compose is not None and (it.learns_composed or it.recipe.compose_test)


def _exposes(how: Composition) -> bool:
    return any(getattr(how, key) for key in EXPOSING)


def _gates(it: Method) -> bool:
    return any(map(it.on, ("region_attention", "local_attention", "attention")))


RULES = tuple(_rules())
TESTING = ("image_size", "compose", "compose_test", "views", "window", "test_batch", "test_order", "pairing")
"""Keys of a recipe that act also where nothing is trained. A method that trains nothing may repeat the others of the
method whose network it tests."""


def _repeats(key: str, it: Method) -> bool:
    return key.startswith("recipe.") and key.split(".")[1] not in TESTING and not it.learns


def idle(key: str, methods: Iterable[Method]) -> str | None:
    """Return beside what a key acts if it acts in none of the methods; None if it does, or always acts.

    Args:
        key: such as `recipe.momentum`, `recipe.augmentation.border`, `network.heads`.
        methods: those that have the key.
    """
    found = [rule for rule in RULES if key in rule.keys]
    methods = list(methods)
    doing = [each for each in methods if not _repeats(key, each)]
    return next((rule.beside for rule in found if doing and not any(map(rule.acts, doing))), None)


def default_of(key: str, network: Mapping[str, Any]) -> Any:
    """Return the value that a key has where nobody says anything."""
    section, *rest = key.split(".")
    models: dict[str, Any] = {"recipe": Recipe, "augmentation": Augmentation, "compose": Composition}
    holder = models[rest[-2]] if len(rest) > 1 else Recipe
    fields = catalog.entry_of(network).options.model_fields if section == "network" else holder.model_fields
    return fields[rest[-1]].get_default(call_default_factory=True) if rest[-1] in fields else None


def without_effect(key: str, value: Any, methods: Iterable[Method]) -> str | None:
    """Return beside what a key would act, if its value changes nothing of any of the methods; else None.

    Args:
        key: as `idle` takes it.
        value: what is asked for; a default asks for nothing.
        methods: those that have the key.
    """
    methods = list(methods)
    beside = idle(key, methods)
    return beside if any(value != default_of(key, each.network) for each in methods) else None
