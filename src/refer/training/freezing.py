"""Backbones that stay as they are in the first epochs, while what stands behind them learns."""

from __future__ import annotations

from torch import nn

from refer.errors import UserError
from refer.networks.stages import Backbone


def backbone_of(network: nn.Module) -> list[nn.Parameter]:
    """The parameters of a network's backbones that train."""
    inside = (part for part in network.modules() if isinstance(part, Backbone))
    return [parameter for part in inside for parameter in part.parameters() if parameter.requires_grad]


class Freezing:
    """A network's backbones, frozen in the first epochs of a recipe with `freeze_epochs`.

    A frozen backbone gets no gradients, and its batch normalisation uses its statistics and gathers none.
    """

    def __init__(self, network: nn.Module, epochs: int) -> None:
        """Take a network in which everything that is ever to train requires gradients.

        Raises:
            UserError: it has no backbone that trains, and one is to be frozen.
        """
        self.epochs = epochs
        self.parameters = backbone_of(network) if epochs else []
        self.parts = [part for part in network.modules() if isinstance(part, Backbone)] if epochs else []
        if epochs and not self.parameters:
            raise UserError("recipe.freeze_epochs: the network has no backbone that trains; leave the key out.")

    def at(self, epoch: int) -> None:
        """Freeze or free the backbones of a network that was just put into training mode; epochs count from 0."""
        frozen = epoch < self.epochs
        for parameter in self.parameters:
            parameter.requires_grad_(not frozen)
        for part in self.parts if frozen else ():
            part.eval()
