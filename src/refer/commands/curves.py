"""`refer curves`: the training curves of a preset as event files for TensorBoard, and for trackers that read them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("curves", help="training curves of a preset as TensorBoard's event files")
    parser.add_argument("preset", help="below results/, released or trained here")
    parser.add_argument("--tensorboard", type=Path, required=True, metavar="DIR", help="folder to write to, one a run")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    from refer.errors import UserError

    runs = Path("results", parsed.preset, "runs")
    found = sorted(runs.rglob("training.csv"))
    if not found:
        raise UserError(f"{runs}: no training.csv below it; name a preset of which runs are trained or released.")
    if parsed.tensorboard.exists() and any(parsed.tensorboard.iterdir()):
        raise UserError(f"{parsed.tensorboard}: is not empty, and every curve would be there twice; name a new folder.")
    for path in found:
        write_events(path, parsed.tensorboard / path.parent.relative_to(runs))
    print(f"{len(found)} runs; to see them: tensorboard --logdir {parsed.tensorboard}")
    return 0


def write_events(curves: Path, folder: Path) -> None:
    """Write the curves of a run as scalars by epoch, `loss/train`, `accuracy/public`, `lr` and so on.

    Args:
        curves: a training.csv; losses are in nats, accuracies 0 to 1.
        folder: where the run's one event file goes.

    Raises:
        UserError: tensorboardX is not installed.
    """
    import pandas as pd

    from refer.errors import UserError

    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError:
        raise UserError("tensorboardX is not installed: pip install 'refer[tensorboard]'") from None
    with SummaryWriter(str(folder)) as writer:
        for name, values in pd.read_csv(curves).set_index("epoch").items():
            part, _, metric = str(name).rpartition("_")
            tag = f"{metric}/{part}" if metric in ("loss", "accuracy") else str(name)
            for epoch, value in values.dropna().items():
                writer.add_scalar(tag, float(value), int(str(epoch)))
