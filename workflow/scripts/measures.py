"""Write the numbers that DVC shows and compares."""

from refer.reporting.measures import write_confusions, write_curves, write_metrics
from refer.workflow import job

with job(snakemake):
    write_metrics(snakemake.input.scores, snakemake.output.metrics)
    write_curves(snakemake.input.training, snakemake.output.curves)
    write_confusions(snakemake.input.predictions, snakemake.output.confusion)
