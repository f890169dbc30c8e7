"""What a network starts from: nothing, ImageNet, or a file; and how that is told without a path of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.errors import UserError
from refer.files import sha256
from refer.networks.catalog import backbones_of
from refer.networks.packages import is_package, package_of

if TYPE_CHECKING:
    from torch import Tensor, nn


TORCHVISION_SHA256 = {
    "resnet18-f37072fd.pth": "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    "resnet34-b627a593.pth": "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f",
}
"""Of torchvision's files, as those publish them who have pinned them. Of any other no more is known beforehand than the
eight digits in its name, and these are compared; of a library's backbone all 64 then stand in run.json."""


def file_of_weights(network: Mapping[str, Any]) -> str | None:
    """Return the file that a network section starts from; None where it names none of the user's."""
    weights = str(network.get("weights", "none"))
    return None if weights in ("none", "imagenet") or is_package(weights) else weights


def initial_weights(network: Mapping[str, Any]) -> str:
    """Say what a network section starts from: a file by its name and SHA-256."""
    weights = str(network.get("weights", "none"))
    if weights == "none":
        return "none (from scratch)"
    if is_package(weights):
        package = package_of(weights)
        return f"{weights} ({Path(package.file).name}, sha256 {package.sha256})"
    if weights == "imagenet":
        told = [_library_weights(name) for name in backbones_of(network) if "/" in name]
        return f"imagenet ({', '.join(told)})" if told else weights
    return f"{Path(weights).name} (sha256 {sha256(weights)})"


def _library_weights(name: str) -> str:
    """Say which file a library's ImageNet weights are, by its SHA-256."""
    library, _, rest = name.partition("/")
    if library == "timm":
        from refer.networks.weights_of_timm import downloaded

        return f"{name}, sha256 {sha256(downloaded(rest))}"
    return f"{name}, sha256 {sha256(torchvision_file(rest)[0])}"


def portable(network: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network section in which a file of weights has its name only."""
    weights = network.get("weights")
    return dict(network) | ({"weights": Path(weights).name} if weights else {})


def torchvision_weights(name: str) -> Any:
    """Return torchvision's entry for the ImageNet weights of a network: of version 1, where it has that.

    Raises:
        UserError: torchvision has none.
    """
    entries = torchvision_models().get_model_weights(name).__members__
    for each, entry in entries.items():
        if each.startswith("IMAGENET1K") and each.endswith("V1"):
            return entry
    raise UserError(
        f"network.weights: torchvision has no ImageNet weights for {name}; set weights to 'none' or a file."
    )


def torchvision_file(name: str) -> tuple[Path, str]:
    """Return where torchvision's ImageNet weights of a network lie or will lie, and how their SHA-256 begins."""
    import torch

    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(torchvision_weights(name).url).name
    return file, TORCHVISION_SHA256.get(file.name, file.stem.rpartition("-")[2])


def load_weights(net: nn.Module, name: str, weights: str) -> None:
    """Start `net` from `weights`; torchvision's are downloaded once, and their hash compared before each use.

    Nothing is unpickled but tensors.

    Raises:
        UserError: they can be neither downloaded nor read, or are of another network; says which file to put where.
    """
    if weights == "none":
        return
    state = _imagenet(name) if weights == "imagenet" else read_file(weights)
    load_state(net, state, f"network.weights: {weights}, for {name},")


def _imagenet(name: str) -> Mapping[str, Tensor]:
    import torch

    url = torchvision_weights(name).url
    file, digest = torchvision_file(name)
    instead = f"Put {url} at {file}, whole, or set the ambiguity weights to 'none'."
    if not file.is_file():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(file), hash_prefix=digest, progress=False)
        except (OSError, RuntimeError) as error:  # no network; what came has another hash
            raise UserError(f"ImageNet weights of {name} could not be downloaded ({error}).\n{instead}") from None
    if not sha256(file).startswith(digest):
        raise UserError(f"{file}: its SHA-256 is not {digest}…, so it is not whole.\n{instead}")
    try:
        state: Mapping[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"{file}: no file of weights alone ({type(error).__name__}).\n{instead}") from None
    return state


def read_file(weights: str) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file.

    Raises:
        UserError: there is no such file, or it is not whole.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(weights)
    if not path.is_file():
        raise UserError(
            f"network.weights: no file {weights}; expected 'none', 'imagenet', 'package:<name>' or a .safetensors file."
        )
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise UserError(f"network.weights: {weights} is not a whole .safetensors file ({error}).") from None


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
