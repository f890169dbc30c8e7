"""Write the numbers that DVC shows and compares."""

from refer.reporting.measures import write_confusions, write_curves, write_metrics
from refer.reporting.results import Results
from refer.workflow import job

with job(snakemake):
    results = Results.read(snakemake.input.results)
    write_metrics(results, snakemake.output.metrics)
    write_curves(snakemake.input.training, snakemake.output.curves)
    write_confusions(results, snakemake.output.confusion)
