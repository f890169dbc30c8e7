"""Write how long networks take for one face."""

from refer.papers import load_paper
from refer.reporting.tables.realtime import write_realtime
from refer.workflow import job

with job(snakemake):
    given = snakemake.input
    write_realtime(given.measured, snakemake.output, [load_paper(path) for path in given.papers])
