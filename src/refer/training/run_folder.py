"""What lies in a run's folder: the outputs of its rules, and what a later start goes on from. Imports no PyTorch."""

from __future__ import annotations

from pathlib import Path

OUTPUTS = ("checkpoint.safetensors", "training.csv", "run.json")
FAILED = "failed.json"
"""Instead of outputs, of a run whose loss left the numbers."""
RESUME = "resume.safetensors"
"""The state after the last epoch, or where the run was told to end; for the training that goes on."""
AHEAD = "predictions.ahead.parquet"
"""Predictions that the training job made, for `infer`; see `refer.evaluation.ahead`."""
RECORD = "predictions.ahead.json"
"""All that decides the bytes of `AHEAD`."""
BEGUN = "predictions.ahead.begun"
"""Stands while a training job predicts; if it is killed, so that the next one knows."""


def forget(folder: Path) -> None:
    """Remove what a run's folder holds for going on, once nothing needs it any more."""
    for name in (RESUME, Path(RESUME).with_suffix(".stale").name, RECORD, AHEAD, BEGUN):
        (folder / name).unlink(missing_ok=True)
