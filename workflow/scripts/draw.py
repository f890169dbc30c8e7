"""Draw a stand-in data set."""

from importlib import import_module
from pathlib import Path

from refer.datasets.catalog import DATASETS
from refer.workflow import job

with job(snakemake) as track:
    standin = import_module(f"refer.datasets.standin.{DATASETS[snakemake.wildcards.dataset].stand_in}")
    standin.draw(Path(snakemake.output[0]), **snakemake.params.how, progress=track("drawing", "faces"))
