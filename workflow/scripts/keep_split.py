"""Write down what a split says of itself, so that a report needs no data."""

from refer.datasets.split_counts import keep_split_counts
from refer.workflow import job

with job(snakemake):
    keep_split_counts(snakemake.input[0], snakemake.output[0])
