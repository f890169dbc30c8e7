"""Draw a paper's figures on a data set: results with intervals, which differ, training curves, confusion matrices."""

from pathlib import Path

from refer.reporting.figures.confusion import draw_confusions
from refer.reporting.figures.curves import draw_curves
from refer.reporting.figures.forest import draw_forest
from refer.reporting.figures.pairs import draw_pairs
from refer.reporting.report import Report
from refer.workflow import job, planned


def pictures(folder, names):
    return [Path(folder, f"{name}{suffix}") for name in names for suffix in (".svg", ".png")]


with job(snakemake):
    given, made, params, wildcards = snakemake.input, snakemake.output, snakemake.params, snakemake.wildcards
    report = Report.read(planned(snakemake), given.results, given.runs)
    paper, name = report.asked.papers[wildcards.paper], f"{wildcards.paper}.{wildcards.data}"
    protocols = [f"{name}.{protocol}" for protocol in params.protocols]
    draw_forest(paper, report.frame(name), made.forest)
    draw_pairs(paper, report.frame(f"pairs.{name}"), pictures(made.pairs, protocols))
    draw_curves(paper, given.runs, given.training, pictures(made.curves, protocols))
    draw_confusions(paper, given.predictions, pictures(made.confusions, params.confusions))
