"""Write what fusion attention owes to the images that share a test batch, as a table and a figure."""

from refer.reporting.figures.batch_tokens import draw_batch_tokens
from refer.reporting.tables.batch_tokens import write_batch_tokens
from refer.workflow import job

with job(snakemake):
    given, made = snakemake.input, snakemake.output
    write_batch_tokens(given.measured, made.table)
    draw_batch_tokens(made.table[0], made.figure)
