"""Write the table of methods and data sets."""

from pathlib import Path

from refer.plan import load_plan
from refer.reporting.matrix import write_matrix
from refer.workflow import job

with job(snakemake):
    given = snakemake.input
    # The plan lends papers the data sets of others. Their files are the rule's inputs, wherever the job starts.
    folder = Path(given.papers[0]).absolute().parent
    plan = load_plan({**snakemake.params.config, "papers": str(folder)}, "the configuration")
    papers = list(plan.papers.values())
    write_matrix(papers, given.scores, given.predictions, given.runs, snakemake.output.table)
