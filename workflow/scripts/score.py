"""Score all predictions, and list the runs that they come from."""

from refer.evaluation.scores import score
from refer.reporting.tables.listings import write_runs
from refer.workflow import job

with job(snakemake):
    score(snakemake.input.predictions, snakemake.output.scores)
    write_runs(snakemake.input.runs, snakemake.output.runs)
