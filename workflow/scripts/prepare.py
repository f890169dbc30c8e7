"""Decode and pack raw data, and say what was done to them."""

from pathlib import Path

from refer.datasets.prepare import prepare
from refer.datasets.remarks import tell
from refer.workflow import job

with job(snakemake) as track:
    prepare(
        snakemake.params.dataset,
        Path(snakemake.input.archive).parent,
        Path(snakemake.output.images).parent,
        tolerate=snakemake.params.tolerate,
        subject_pattern=snakemake.params.subject_pattern,
        labels=snakemake.params.labels,
        coding=snakemake.params.coding,
        swapped=snakemake.params.swapped,
        grey_levels=snakemake.params.grey_levels,
        choose=snakemake.params.get("choose", ()),
        workers=snakemake.threads,
        progress=track("preparing", "images"),
    )
    tell(Path(snakemake.output.about))
