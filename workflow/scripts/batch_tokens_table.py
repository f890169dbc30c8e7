"""Write what fusion attention owes to the images that share a test batch, as a table and a figure."""

from refer.reporting.figures.batch_tokens import draw_batch_tokens
from refer.reporting.tables.batch_tokens import batch_token_tables, read_batch_tokens
from refer.reporting.tables.table import frame
from refer.reporting.tables.write import write_tables
from refer.workflow import job

with job(snakemake):
    tables = batch_token_tables(read_batch_tokens(snakemake.input.measured))
    write_tables(tables, snakemake.output.table)
    draw_batch_tokens(frame(tables[0]), snakemake.output.figure)
