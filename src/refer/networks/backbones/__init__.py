"""Convolutional backbones: images in, the last feature map out. Each file declares some (`refer.networks.registry`).

The files are read when a workflow is planned, also where torch is absent: import it inside the function that builds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refer.errors import UserError
from refer.networks.packages import is_package, package_of
from refer.networks.registry import backbone_of, backbones

if TYPE_CHECKING:
    from refer.networks.stages import Backbone


def build_backbone(name: str, channels: int, weights: str) -> Backbone:
    """Return the backbone of that name.

    Args:
        name: of a backbone in this folder, `timm/<name>` or `torchvision/<name>`.
        channels: of the images, 1 or 3.
        weights: `none`, `imagenet`, `package:<name>`, or the path of a state_dict of the whole network, as torchvision
            or timm has it, as safetensors.

    Raises:
        UserError: the weights do not fit the backbone, or there is no such backbone.
    """
    try:
        entry = backbone_of(name)
    except UserError as error:
        raise UserError(f"network.backbone: {error}") from None
    if entry is None:
        raise UserError(f"network.backbone: {name} needs PyTorch, which is not installed.")
    check_weights(name, channels, weights)
    return entry.build(name, channels, weights)


def check_weights(name: str, channels: int, weights: str) -> None:
    """Refuse weights that are of another network than a known backbone.

    Raises:
        UserError: says which they fit.
    """
    if is_package(weights):
        theirs = package_of(weights).backbone
        if name != theirs:
            raise UserError(f"network.weights: {weights} holds weights of {theirs}, not of {name}; name that backbone.")
    elif weights != "none" and name in backbones() and not (backbones()[name].imagenet and channels == 3):
        fitting = [name for name, entry in backbones().items() if entry.imagenet]
        raise UserError(
            f"network: weights {weights!r} fit {', '.join(fitting)} with 3 channels, "
            f"not {name} with {channels}; set weights to 'none' or change the backbone."
        )


def halved_up(side: int, times: int) -> int:
    """Return a side in pixels after convolutions or poolings of stride 2 with padding: each makes n places ⌈n/2⌉."""
    for _ in range(times):
        side = (side + 1) // 2
    return side


def halved_down(side: int, times: int) -> int:
    """Return a side in pixels after poolings of 2 without padding: each makes n places ⌊n/2⌋."""
    return side >> times
