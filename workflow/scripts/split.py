"""Say which image is in which part, under a protocol."""

from pathlib import Path

from refer.datasets.split import split
from refer.workflow import job

with job(snakemake):
    split(
        Path(snakemake.input.index).parent,
        Path(snakemake.input.duplicates).parent,
        Path(snakemake.output[0]),
        parts=snakemake.params.parts,
        audited=snakemake.params.audited,
        select=snakemake.params.select,
    )
