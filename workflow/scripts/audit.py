"""Find what a data set should not hold: copies across splits, conflicting labels, blanks."""

from pathlib import Path

from refer.datasets.audit import audit
from refer.workflow import job

with job(snakemake):
    audit(
        snakemake.params.dataset,
        Path(snakemake.input.index).parent,
        Path(snakemake.output.summary).parent,
    )
