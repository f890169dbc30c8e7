"""Write the results table of a preset from its predictions."""

from refer.reporting.as_planned import check_prepared
from refer.reporting.score import Asked, score
from refer.workflow import job, planned

with job(snakemake):
    given = snakemake.input
    plan = planned(snakemake)
    check_prepared(plan, snakemake.params.prepared, given.runs)
    score(Asked.by(plan), given.predictions, given.runs, snakemake.output, given.training)
