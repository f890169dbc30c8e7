"""Write a paper's tables in its own layout, and what its own numbers can tell."""

from refer.papers import load_paper
from refer.reporting.tables.claims import write_claims
from refer.reporting.tables.layouts import write_printed
from refer.workflow import job

with job(snakemake):
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    paper = load_paper(given.paper, params.choices, params.override)
    write_printed(paper, given.tables, made.printed)
    write_claims(paper, made.claims)
