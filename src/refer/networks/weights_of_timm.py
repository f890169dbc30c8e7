"""The weights that timm names for a network: a file of the Hugging Face hub, compared with the SHA-256 of its name."""

from __future__ import annotations

from pathlib import Path

from refer.errors import UserError
from refer.files import sha256


def downloaded(name: str) -> Path:
    """Return the .safetensors file of timm's own weights, downloaded once.

    The hub keeps a file in its cache under its SHA-256, which it was asked for by; the bytes are compared with all 64
    digits of that before each use.

    Args:
        name: of the network, as timm has it.

    Raises:
        UserError: timm names no weights, they cannot be downloaded, or the file is not whole.
    """
    from huggingface_hub import hf_hub_download

    from refer.networks.backbones.timm_models import configuration

    repository = configuration(name).hf_hub_id
    if not repository:
        raise UserError(
            f"network.weights: timm names no weights for timm/{name} on the Hugging Face hub; take another tag of it, "
            "a .safetensors file or 'none'."
        )
    repository, _, revision = repository.partition("@")
    try:
        path = Path(hf_hub_download(repository, "model.safetensors", revision=revision or None))
    except Exception as error:  # whatever the hub, the network or the disk says
        said = " ".join(str(error).split())[:160]
        raise UserError(
            f"network.weights: timm's weights of timm/{name} could not be downloaded ({said}).\n"
            f"Fetch model.safetensors of {repository} elsewhere and set network.weights to its path, or to 'none'."
        ) from None
    named = path.resolve().name
    if len(named) != 64:
        raise UserError(
            f"{path}: the hub's cache does not say its SHA-256, so it cannot be compared; look at it and set "
            "network.weights to its path."
        )
    if sha256(path) != named:
        raise UserError(f"{path.resolve()}: its SHA-256 is not that of its name, so it is not whole; delete it.")
    return path
