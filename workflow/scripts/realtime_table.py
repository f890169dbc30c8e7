"""Write how long networks take for one face."""

from refer.reporting.tables.realtime import write_realtime
from refer.workflow import job, planned

with job(snakemake):
    given = snakemake.input
    write_realtime(given.measured, snakemake.output, planned(snakemake).papers.values())
