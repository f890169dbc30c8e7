"""What every network says of itself, so that training and inference need to know no network by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from refer.errors import UserError
from refer.networks.weights import load_state

Pixels = Literal["by-weights", "unit"]
"""How pixels 0..255 reach a network.

`unit`: divided by 255. `by-weights`: as the ImageNet weights were trained if the network starts from them,
otherwise (x - 127.5) / 63.75.
"""


class Network(nn.Module):
    """A network that papers can name.

    Called with one tensor (B, channels, H, W) for each of `modalities`, in that order, it returns logits
    (B, classes); a softmax belongs to the loss. A network whose loss needs more than logits returns, while
    training, a named tuple that has them as `logits`; see `logits_of`.

    Attributes:
        channels: of an image, 1 or 3; grey images are repeated where it is 3.
        pixels: the range that it expects.
        modalities: which pictures of a face it reads.
        branches: the branches that `load_branches` can start from networks trained before.
        reads_batch: whether, also after training, the logits of an image depend on the images that share its
            batch. Then test images see one another, and a prediction is defined only together with the size and
            order of the batches.
    """

    channels: int = 3
    pixels: Pixels = "by-weights"
    modalities: tuple[str, ...] = ("visible",)
    branches: ClassVar[tuple[str, ...]] = ()
    branch_prefix: ClassVar[str] = "trunk."
    reads_batch: bool = False

    @property
    def learns(self) -> bool:
        """Whether there is anything to train: a fixed rule over frozen branches has nothing."""
        return any(parameter.requires_grad for parameter in self.parameters())

    def load_branches(self, **states: Mapping[str, Tensor]) -> None:
        """Start branches from the weights of networks that were trained alone.

        Args:
            states: branch → the state_dict of the whole network that was trained; its head is left behind.

        Raises:
            UserError: there is no such branch, or the trained network has another shape.
        """
        for name, state in states.items():
            if name not in self.branches:
                raise UserError(f"network: no branch {name!r}; {type(self).__name__} has {', '.join(self.branches)}.")
            part = {
                key.removeprefix(self.branch_prefix): value
                for key, value in state.items()
                if key.startswith(self.branch_prefix)
            }
            load_state(self.get_submodule(name), part, f"the trained network of the branch {name}")


def in_full(output: Tensor | tuple[Tensor, ...]) -> Any:
    """What a network returned, in float32: losses are computed from that, whatever the network learns in."""
    if isinstance(output, Tensor):
        return output.float()
    full = (each.float() for each in output)
    return type(output)(*full) if hasattr(output, "_fields") else tuple(full)


def logits_of(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The logits of what a network returned, be it in training or evaluation."""
    return output if isinstance(output, Tensor) else output[0]
