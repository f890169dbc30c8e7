"""Write and draw the ranking of all methods, and write what single things of them are worth."""

from pathlib import Path

from refer.plan import load_plan
from refer.reporting.matrix import compare_all
from refer.reporting.ranking_figure import draw_ranking
from refer.reporting.ranking_tables import write_rankings
from refer.workflow import job

with job(snakemake):
    given, made = snakemake.input, snakemake.output
    # As in matrix.py: the plan lends papers the data sets of others.
    folder = Path(given.papers[0]).absolute().parent
    plan = load_plan({**snakemake.params.config, "papers": str(folder)}, "the configuration")
    comparisons = compare_all(list(plan.papers.values()), given.scores, given.predictions, given.runs)
    write_rankings(comparisons, {"ranking": made.ranking, "contrasts": made.contrasts})
    draw_ranking(made.ranking[0], made.figure)
