"""The moving average of a network's weights, which is what is looked at, kept and tested where a recipe asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of all that a network's state holds, running means of normalisations included."""

    def __init__(self, network: nn.Module) -> None:
        self._live = network.state_dict(keep_vars=True)
        self.values = {name: value.detach().clone() for name, value in self._live.items()}
        self._averaged = [name for name, value in self.values.items() if value.is_floating_point()]
        self._copied = [name for name in self.values if name not in set(self._averaged)]

    @torch.no_grad()
    def follow(self, decay: float, step: int) -> None:
        """Take in the weights after step 0, 1, …: v ← d v + (1 - d) w, with d = min(decay, (1 + step) / (10 + step)).

        The second bound, of TensorFlow's ExponentialMovingAverage, lets go of the initial weights at once.
        """
        share = 1 - min(decay, (1 + step) / (10 + step))
        mine, theirs = ([held[name] for name in self._averaged] for held in (self.values, self._live))
        torch._foreach_lerp_(mine, [value.detach() for value in theirs], share)
        for name in self._copied:
            self.values[name].copy_(self._live[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the network has the averaged weights; nothing is copied for that."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from saved values."""
        for name, value in values.items():
            self.values[name].copy_(value)

    def _exchange(self) -> None:
        for name, live in self._live.items():
            live.data, self.values[name].data = self.values[name].data, live.data
