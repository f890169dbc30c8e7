"""Find the images of one data set in another, and how often their labels agree."""

from pathlib import Path

from refer.datasets.links import link
from refer.evaluation.label_agreement import agree
from refer.workflow import job

with job(snakemake):
    links, summary = Path(snakemake.output.links), Path(snakemake.output.summary)
    prepared = (Path(snakemake.input.one).parent, Path(snakemake.input.other).parent)
    link(tuple(snakemake.params.datasets), prepared, links, summary)
    agree(links, summary, Path(snakemake.output.agreement))
