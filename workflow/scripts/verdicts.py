"""Write every reported accuracy with its verdict, as a table and as a figure."""

from pathlib import Path

from refer.papers import load_paper
from refer.reporting.figures.forest import draw_overview
from refer.reporting.tables.overview import write_verdicts
from refer.workflow import job

with job(snakemake):
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    names = {Path(path).stem: path for path in given.papers}
    papers = [load_paper(path, params.choices.get(name), params.override[name]) for name, path in names.items()]
    write_verdicts(papers, given.tables, made.table, params.margin)
    draw_overview(papers, given.tables, made.forest, params.margin)
