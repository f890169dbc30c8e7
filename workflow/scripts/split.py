"""Say which image is in which part, under a protocol."""

from pathlib import Path

from refer.datasets.split import split
from refer.datasets.splitting import Scheme
from refer.workflow import job

with job(snakemake):
    split(
        Path(snakemake.input.index).parent,
        Path(snakemake.input.duplicates).parent,
        Path(snakemake.output[0]),
        scheme=Scheme.from_dict(snakemake.params.scheme),
        audited=snakemake.params.audited,
        near=snakemake.params.near,
        select=snakemake.params.select,
    )
