"""Show what the audit of a data set found, and its classes."""

from refer.reporting.figures.audit import draw_audit, draw_classes
from refer.reporting.tables.listings import write_audit
from refer.workflow import job

with job(snakemake):
    write_audit(snakemake.input[0], snakemake.output.table)
    draw_audit(snakemake.input[0], snakemake.output.crossings)
    draw_classes(snakemake.input[0], snakemake.output.classes)
