"""Convolutional backbones: images in, the last feature map out. Each file declares some (`refer.networks.registry`).

The files are read when a workflow is planned, also where torch is absent: import it inside the function that builds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from refer.errors import UserError, unknown
from refer.networks.registry import backbones

if TYPE_CHECKING:
    from refer.networks.stages import Backbone


def build_backbone(name: str, channels: int, weights: str) -> Backbone:
    """Return the backbone of that name.

    Args:
        name: of a backbone in this folder.
        channels: of the images, 1 or 3.
        weights: `none`, `imagenet`, or the path of a state_dict of torchvision's whole network as safetensors.

    Raises:
        UserError: the weights do not fit the backbone, or there is no such backbone.
    """
    if name not in backbones():
        raise UserError(f"network.backbone: no backbone {unknown(name, backbones())}.")
    entry = backbones()[name]
    if weights != "none" and not (entry.imagenet and channels == 3):
        fitting = [name for name, entry in backbones().items() if entry.imagenet]
        raise UserError(
            f"network: weights {weights!r} fit {', '.join(fitting)} with 3 channels, "
            f"not {name} with {channels}; set weights to 'none' or change the backbone."
        )
    return entry.build(name, channels, weights)


def halved_up(side: int, times: int) -> int:
    """Return a side in pixels after convolutions or poolings of stride 2 with padding: each makes n places ⌈n/2⌉."""
    for _ in range(times):
        side = (side + 1) // 2
    return side


def halved_down(side: int, times: int) -> int:
    """Return a side in pixels after poolings of 2 without padding: each makes n places ⌊n/2⌋."""
    return side >> times
