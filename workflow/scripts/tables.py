"""Write every table that follows from the results table, and the figures over all papers."""

from refer.reporting.figures.forest import draw_overview
from refer.reporting.figures.ranking import draw_ranking
from refer.reporting.figures.sensitivity import draw_sensitivity
from refer.reporting.report import Report
from refer.workflow import job, planned

with job(snakemake):
    given, made = snakemake.input, snakemake.output
    report = Report.read(planned(snakemake), given.results, given.runs)
    report.write(made.tables)
    draw_overview(report.papers, report.verdicts, made.verdicts, report.asked.margin)
    if report.asked.ranked:
        draw_ranking(report.frame("ranking"), made.ranking, given.runs)
    if report.asked.switches:
        draw_sensitivity(report.frame("sensitivity"), made.sensitivity)
