"""Show faces of a drawn data set as feratt2019's composer puts them on backgrounds."""

from pathlib import Path

from refer.reporting.figures.composed import draw_composed
from refer.training.composer import composed_examples
from refer.training.composition import Composition
from refer.workflow import job

with job(snakemake):
    given = snakemake.input
    examples = composed_examples(
        Path(given.images).parent, Path(given.backgrounds).parent, Composition(**snakemake.params.how)
    )
    draw_composed(*examples, snakemake.output, dataset=snakemake.wildcards.data, stand_in=True)
