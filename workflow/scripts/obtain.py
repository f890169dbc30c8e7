"""Take raw data over, with a receipt."""

from pathlib import Path

from refer.datasets.obtain import obtain
from refer.workflow import job

with job(snakemake) as track:
    obtain(
        snakemake.params.dataset,
        str(snakemake.params.source),
        Path(snakemake.output.archive).parent,
        stand_in=snakemake.params.stand_in,
        progress=track("obtaining", "bytes"),
    )
