"""Predict every image of the evaluated parts with a trained run."""

from pathlib import Path

from refer.evaluation.inference import infer
from refer.training.state import forget
from refer.workflow import job

with job(snakemake):
    infer(
        Path(snakemake.input.checkpoint),
        Path(snakemake.input.images).parent,
        Path(snakemake.input.split),
        Path(snakemake.output[0]),
        preset=snakemake.params.preset,
        device=snakemake.params.device,
        threads=snakemake.threads,
        backgrounds=Path(snakemake.input.backgrounds[0]).parent if snakemake.input.backgrounds else None,
    )
    # Only now is it sure that Snakemake knows that the training is complete.
    forget(Path(snakemake.input.checkpoint).parent)
