"""Train one run."""

from pathlib import Path

from refer.plan import Run
from refer.training.loop import train
from refer.workflow import job

with job(snakemake) as track:
    train(
        Run.from_dict(snakemake.params.run),
        Path(snakemake.input.images).parent,
        Path(snakemake.input.split),
        Path(snakemake.output.checkpoint).parent,
        preset=snakemake.params.preset,
        device=snakemake.params.device,
        threads=snakemake.threads,
        report=track("training", "images"),
    )
