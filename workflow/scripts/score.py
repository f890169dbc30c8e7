"""Write the results table of a preset from its predictions."""

from refer.reporting.score import Asked, score
from refer.workflow import job, planned

with job(snakemake):
    given = snakemake.input
    score(Asked.by(planned(snakemake)), given.predictions, given.runs, snakemake.output, given.training)
