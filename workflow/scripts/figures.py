"""Draw a paper's figures on a data set: results with intervals, which differ, training curves, confusion matrices."""

from pathlib import Path

from refer.papers import load_paper
from refer.reporting.figures.confusion import draw_confusions
from refer.reporting.figures.curves import draw_curves
from refer.reporting.figures.forest import draw_forest
from refer.reporting.figures.pairs import draw_pairs
from refer.workflow import job


def pictures(folder, names):
    return [Path(folder, f"{name}{suffix}") for name in names for suffix in (".svg", ".png")]


with job(snakemake):
    given, made, params, wildcards = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards
    paper = load_paper(given.paper, params.choices, params.override)
    protocols = [f"{wildcards.paper}.{wildcards.data}.{protocol}" for protocol in params.protocols]
    draw_forest(paper, given.table, made.forest)
    draw_pairs(paper, given.pairs, pictures(made.pairs, protocols))
    draw_curves(paper, given.runs, given.training, pictures(made.curves, protocols))
    draw_confusions(paper, given.predictions, pictures(made.confusions, params.confusions))
