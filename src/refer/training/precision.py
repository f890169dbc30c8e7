"""In which precision a network learns: fp32, or bf16 by autocast where that is quicker.

Only the network's forward and backward pass of a training step ever use bf16. Weights, gradients, the optimizer's
state, the statistics of batch normalisation and the moving average of the weights are fp32, and so are the loss, a
softmax over tokens, and every prediction: validation, features of frozen branches, test.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import nn

from refer.errors import UserError
from refer.processor import BF16, bf16_instructions
from refer.recipe import Precision


class Chosen(NamedTuple):
    """The precision of a training on a device, and why it is that one."""

    name: str
    why: str
    device: str

    def autocast(self) -> AbstractContextManager[Any]:
        """The context of a training step's forward pass."""
        return torch.autocast(self.device, torch.bfloat16, enabled=self.name == "bf16")

    def __str__(self) -> str:
        return f"precision: {self.name} ({self.why})"


def choose_precision(
    wanted: Precision, network: nn.Module, where: torch.device, *, on_features: bool = False
) -> Chosen:
    """Take the precision that a recipe asks for; for `auto`, look at the device and at the network.

    Nothing is timed, so the same machine always takes the same. docs/performance.md has the measurements behind `auto`.

    Args:
        wanted: `fp32`, `bf16` or `auto`.
        network: the network that learns.
        where: the device.
        on_features: whether it learns from features that frozen branches made, so that no convolution is computed.

    Raises:
        UserError: bf16 is asked for on a device that has none.
    """
    able, reason = _able(where)
    if wanted == "bf16" and where.type not in ("cpu", "cuda"):
        raise UserError(f"precision: bf16 is not offered on {where.type}; set precision to fp32 or auto.")
    if wanted == "bf16":
        return Chosen("bf16", f"as asked for; {reason}", where.type)
    if wanted == "fp32":
        return Chosen("fp32", "as asked for", where.type)
    if not able:
        return Chosen("fp32", f"auto: {reason}", where.type)
    if on_features:
        return Chosen("fp32", "auto: it learns from features, where bf16 does not pay", where.type)
    if where.type == "cpu" and (count := _depthwise(network)):
        return Chosen("fp32", f"auto: depthwise convolutions ({count}), slower in bf16 on a CPU", where.type)
    return Chosen("bf16", f"auto: {reason}", where.type)


def _able(where: torch.device) -> tuple[bool, str]:
    """Whether the device computes in bf16 faster than in fp32, and by what."""
    if where.type == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
        return able, "the GPU has bf16 arithmetic" if able else "the GPU has no bf16 arithmetic"
    if where.type == "cpu":
        found = bf16_instructions()
        return found is not None, f"the processor has {found}" if found else f"the processor has no {' or '.join(BF16)}"
    return False, f"bf16 is not offered on {where.type}"


def _depthwise(network: nn.Module) -> int:
    """How many convolutions have a group for each channel."""
    return sum(
        isinstance(module, nn.Conv2d) and module.groups > 1 and module.groups == module.in_channels
        for module in network.modules()
    )
