"""A trained network as its checkpoint left it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from refer.networks import catalog
from refer.plan import Run
from refer.training import checkpoint
from refer.training.data import Reader, placed


class Trained(NamedTuple):
    """A network as its checkpoint left it, ready to judge."""

    run: Run
    network: nn.Module
    reader: Reader
    metadata: Mapping[str, Any]


def load_trained(path: Path, where: torch.device) -> Trained:
    """Build the network of a checkpoint on a device.

    Raises:
        UserError: the file is damaged, or no checkpoint of this project.
    """
    groups, metadata = checkpoint.load(path)
    run = Run.from_dict(metadata["run"])
    network = catalog.build(catalog.without_weights(run.network), len(metadata["classes"]))
    network.load_state_dict(groups["network"])
    network, reader = placed(network, run, where)
    return Trained(run, network.eval(), reader, metadata)
