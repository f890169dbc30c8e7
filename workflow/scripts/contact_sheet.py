"""Show what the drawn images of a stand-in look like, and which of them are copies."""

from pathlib import Path

from refer.reporting.figures.examples import draw_examples
from refer.reporting.figures.sheets import write_sheet
from refer.workflow import job

with job(snakemake):
    prepared, audited = Path(snakemake.input.images).parent, Path(snakemake.input.near).parent
    write_sheet(prepared, Path(snakemake.output.sheet))
    draw_examples(prepared, audited, snakemake.output.copies)
