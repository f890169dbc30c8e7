"""Show how a paper divides a data set, under each protocol."""

from refer.reporting.tables.splits import write_splits
from refer.workflow import job

with job(snakemake):
    write_splits(snakemake.input, snakemake.output)
