"""Pack the photographs (or drawn scenes) that faces are composed on."""

from pathlib import Path

from refer.datasets.backgrounds import prepare_backgrounds
from refer.workflow import job

with job(snakemake) as track:
    prepare_backgrounds(
        snakemake.params.source,
        Path(snakemake.output.pixels).parent,
        count=snakemake.params.number,
        size=snakemake.params.size,
        seed=snakemake.params.seed,
        progress=track("packing", "backgrounds"),
    )
