"""A trained network as its checkpoint left it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from refer import records
from refer.errors import UserError, of_the_machine
from refer.files import sha256
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
        UserError: the file is damaged, no checkpoint of this project, or not of the run in whose folder it lies.
    """
    groups, metadata = checkpoint.load(path)
    records.check(metadata, records.Learnt, str(path), checkpoint.AGAIN)
    try:
        run = Run.from_dict(metadata["run"])
        network = catalog.build(catalog.without_weights(run.network), len(metadata["classes"]))
        network.load_state_dict(groups["network"])
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        if of_the_machine(error):
            raise
        said = " ".join(str(error).split())[:160]
        raise UserError(f"{path}: its weights are not those of the network that it names ({said}); "
                        f"{checkpoint.AGAIN}") from None  # fmt: skip
    _check_place(path, run)
    network, reader = placed(network, run, where)
    return Trained(run, network.eval(), reader, metadata)


def _check_place(path: Path, run: Run) -> None:
    """Compare a checkpoint with its folder, …/runs/<run>/, and with run.json beside it where there is one."""
    folder = path.absolute().parent
    if folder.parts[-6:-5] == ("runs",) and "/".join(folder.parts[-5:]) != run.path:
        raise UserError(f"{path}: found the checkpoint of {run.path}, expected that of the folder. Was it moved or "
                        f"copied? {checkpoint.AGAIN.capitalize()}")  # fmt: skip
    record = folder / "run.json"
    if record.is_file():
        told = records.read(record, records.RunRecord)["checkpoint_sha256"]
        if told != (found := sha256(path)):
            raise UserError(f"{path}: found SHA-256 {found[:12]}, but run.json beside it tells of {told[:12]}; pull it "
                            "again, or train this run again.")  # fmt: skip
