"""List a data set's images, so that own predictions can be compared without the data."""

from pathlib import Path

from refer.datasets.image_list import write_image_list
from refer.workflow import job

with job(snakemake):
    prepared = Path(snakemake.input.index).parent
    write_image_list(prepared, snakemake.input.split, snakemake.output[0], snakemake.params.test)
