"""Store what a trained network makes of test images: representations and, of drawn faces, where it looks."""

from pathlib import Path

from refer.evaluation.explanations import explain
from refer.workflow import job

with job(snakemake):
    explain(
        Path(snakemake.input.checkpoint),
        Path(snakemake.input.images).parent,
        Path(snakemake.input.split),
        Path(snakemake.output[0]),
        preset=snakemake.params.preset,
        device=snakemake.params.device,
        threads=snakemake.threads,
        backgrounds=Path(snakemake.input.backgrounds[0]).parent if snakemake.input.backgrounds else None,
    )
