"""What a paper's `network` section means: checked, normalised and built. Networks are declared in `options`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from refer.errors import UserError, unknown
from refer.networks.registry import NetworkEntry, is_backbone, networks

if TYPE_CHECKING:
    from torch import nn

FORMER = {"squared_attention_net": "gated_net"}
"""Names of networks in released runs → what they are called now."""


def current(name: Any) -> Any:
    """Return the name of a network as it is called now."""
    return FORMER.get(name, name) if isinstance(name, str) else name


def entry_of(options: Mapping[str, Any]) -> NetworkEntry:
    """Return what is known of the network of a section."""
    return networks()[current(options["name"])]


def complete(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a checked network section with the defaults of those that it leaves out, without `name`."""
    fields = entry_of(options).options.model_fields
    return {key: options.get(key, field.default) for key, field in fields.items()}


def canonical(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checked network section as runs have it: the name of now, no later option that asks for nothing."""
    entry = entry_of(options)
    fields = entry.options.model_fields
    plain = {key: value for key, value in options.items() if key not in entry.later or value != fields[key].default}
    return plain | {"name": current(options["name"])}


def modalities(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return which pictures the network of a checked network section reads, in the order that it takes them."""
    own = complete(options).get("modality")
    return entry_of(options).modalities if own is None else (str(own),)


def backbones_of(options: Mapping[str, Any]) -> list[str]:
    """Return the CNNs that a checked network section is made of, those that it leaves at their defaults among them."""
    return [value for value in complete(options).values() if is_backbone(value)]


def can_read_batch(name: str) -> bool:
    """Return whether a network has options with which predictions depend on the other images of a batch."""
    return bool(networks()[current(name)].reads_batch)


def reads_batch(options: Mapping[str, Any]) -> bool:
    """Return whether the network of a checked network section predicts an image with the help of its batch."""
    return _has_one_of(options, entry_of(options).reads_batch)


def explains(options: Mapping[str, Any]) -> bool:
    """Return whether the network of a checked network section can say where it looks."""
    return _has_one_of(options, entry_of(options).explains)


def _has_one_of(options: Mapping[str, Any], sets: Sequence[Mapping[str, Any]]) -> bool:
    chosen = complete(options)
    return any(all(chosen[key] == wanted for key, wanted in each.items()) for each in sets)


def check(options: Mapping[str, Any], where: str) -> None:
    """Refuse a network section that names no network, or an option or value that the network does not take.

    Raises:
        UserError: names `where`, the key, what was found and what is known or expected.
    """
    rest = dict(options)
    name = current(rest.pop("name", None))
    if name not in networks():
        raise UserError(f"{where}.name: no network {unknown(name, networks())}.")
    model = networks()[name].options
    try:
        model(**rest)
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        key = str(item["loc"][0])
        if item["type"] == "extra_forbidden":
            raise UserError(f"{where}: {name} has no option {unknown(key, model.model_fields)}.") from None
        if item["type"] == "value_error":
            raise UserError(f"{where}.{key}: {item['ctx']['error']}.") from None
        expected = item["msg"].removeprefix("Input should be ")
        raise UserError(f"{where}.{key}: found {item['input']!r}, expected {expected}.") from None


def without_weights(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network section whose weights nothing is read or downloaded for: a checkpoint will replace them."""
    return {**options, **({"weights": "none"} if "weights" in options else {})}


def build(options: Mapping[str, Any], classes: int) -> nn.Module:
    """Build the network that a network section describes, for so many classes.

    Raises:
        UserError: the section is wrong, or its weights cannot be had.
    """
    check(options, "network")
    return entry_of(options).build({key: value for key, value in options.items() if key != "name"}, classes)
