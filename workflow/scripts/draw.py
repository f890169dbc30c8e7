"""Draw a stand-in data set."""

from pathlib import Path

from refer.datasets.standin import draw
from refer.workflow import job

with job(snakemake) as track:
    draw(
        snakemake.wildcards.dataset,
        Path(snakemake.output[0]),
        **snakemake.params.how,
        progress=track("drawing", "faces"),
    )
