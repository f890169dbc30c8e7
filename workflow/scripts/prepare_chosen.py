"""Decode and pack raw data, of which the configuration chooses some kinds of recordings.

A change of prepare.py would have Snakemake prepare, and train, all that there is again.
"""

from pathlib import Path

from refer.datasets.prepare import prepare
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
        choose=snakemake.params.choose,
        workers=snakemake.threads,
        progress=track("preparing", "images"),
    )
