"""Write a paper's table on a data set, and what the paper leaves open."""

from refer.papers import load_paper
from refer.reporting.compare import compare
from refer.reporting.listings import write_ambiguities
from refer.workflow import job

with job(snakemake):
    given, made = snakemake.input, snakemake.output
    paper = load_paper(given.paper, snakemake.params.choices, snakemake.params.override)
    compare(paper, snakemake.wildcards.data, given.scores, given.predictions, given.runs, made.table)
    write_ambiguities(paper, made.ambiguities)
