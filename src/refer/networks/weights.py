"""What a network starts from: nothing, ImageNet, or a file; and how that is told without a path of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.errors import UserError
from refer.files import sha256

if TYPE_CHECKING:
    from torch import Tensor, nn


def initial_weights(network: Mapping[str, Any]) -> str:
    """Say what a network section starts from: a file by its name and SHA-256."""
    weights = str(network.get("weights", "none"))
    if weights == "none":
        return "none (from scratch)"
    return weights if weights == "imagenet" else f"{Path(weights).name} (sha256 {sha256(weights)})"


def portable(network: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network section in which a file of weights has its name only."""
    weights = network.get("weights")
    return dict(network) | ({"weights": Path(weights).name} if weights else {})


def load_weights(net: nn.Module, name: str, weights: str) -> None:
    """Start `net` from `weights`; torchvision downloads ImageNet's once and checks their hash.

    Raises:
        UserError: they can be neither downloaded nor read, or are of another network; says which file to put where.
    """
    if weights == "none":
        return
    if weights == "imagenet":
        entry = torchvision_models().get_model_weights(name).IMAGENET1K_V1
        import torch

        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
        instead = f"Put {entry.url} at {file}, whole, or set the ambiguity weights to 'none'."
        # A file that is there already is not looked at by torch.hub; its name ends with how its hash begins.
        if file.is_file() and not sha256(file).startswith(file.stem.rpartition("-")[2]):
            raise UserError(f"{file}: its SHA-256 is not that of its name, so it is not whole.\n{instead}")
        try:
            state = entry.get_state_dict(progress=False, check_hash=True)
        except (OSError, RuntimeError) as error:  # no network; what came has another hash
            raise UserError(f"ImageNet weights of {name} could not be downloaded ({error}).\n{instead}") from None
        net.load_state_dict(state)
        return
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(weights)
    if not path.is_file():
        raise UserError(f"network.weights: no file {weights}; expected 'none', 'imagenet' or a .safetensors file.")
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise UserError(f"network.weights: {weights} is not a whole .safetensors file ({error}).") from None
    load_state(net, state, f"network.weights: {weights}, for {name},")


def load_state(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """`load_state_dict` with an error for people.

    Raises:
        UserError: names and shapes differ; says how many, and one of each.
    """
    mine = module.state_dict()
    missing = [key for key in mine if key not in state]
    foreign = [key for key in state if key not in mine]
    shapes = [key for key in mine if key in state and state[key].shape != mine[key].shape]
    found = [
        f"{len(keys)} {kind} (such as {keys[0]})"
        for kind, keys in (("missing", missing), ("unknown", foreign), ("of another shape", shapes))
        if keys
    ]
    if found:
        raise UserError(f"{what} does not fit: of its tensors {', '.join(found)}; take weights of the same network.")
    module.load_state_dict(dict(state))


def torchvision_models() -> Any:
    """Return torchvision.models, imported where it is needed: it takes longer than a network of our own."""
    from torchvision import models

    return models
