"""List a data set's images, so that own predictions can be compared without the data."""

from pathlib import Path

from refer.datasets.image_list import write_image_list
from refer.workflow import job

with job(snakemake):
    given = snakemake.input
    prepared, audit = Path(given.index).parent, Path(given.near).parent
    write_image_list(prepared, audit, given.split, snakemake.output[0], snakemake.params.test)
