"""Take raw data over, with a receipt."""

from pathlib import Path

from refer.datasets.raw.obtain import obtain
from refer.workflow import job

with job(snakemake) as track:
    obtain(
        snakemake.params.dataset,
        # Not a parameter: the same archive at another place is no reason to do everything again.
        snakemake.input[0] if snakemake.input else snakemake.config[snakemake.params.dataset],
        Path(snakemake.output.archive).parent,
        stand_in=snakemake.params.stand_in,
        progress=track("obtaining", "bytes"),
    )
