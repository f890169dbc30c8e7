"""Write a paper's tables on a data set, and what the paper leaves open."""

from refer.papers import load_paper
from refer.reporting.tables.compare import compare, write_metrics, write_pairs, write_protocols
from refer.reporting.tables.listings import write_ambiguities
from refer.workflow import job

with job(snakemake):
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    paper = load_paper(given.paper, params.choices, params.override)
    data = snakemake.wildcards.data
    comparison = compare(paper, data, given.scores, given.predictions, given.runs, made.table, params.margin)
    write_metrics(comparison, made.metrics)
    write_pairs(comparison, made.pairs)
    write_protocols(comparison, given.training, made.protocols)
    write_ambiguities(paper, made.ambiguities)
