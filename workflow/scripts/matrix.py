"""Write the table of methods and data sets, the ranking of all methods, and what single things of them are worth."""

from pathlib import Path

from refer.plan import load_plan
from refer.reporting.figures.ranking import draw_ranking
from refer.reporting.tables.matrix import compare_all, write_matrix
from refer.reporting.tables.ranking import write_contrasts, write_ranking
from refer.workflow import job

with job(snakemake):
    given, made = snakemake.input, snakemake.output
    # The plan lends papers the data sets of others. Their files are the rule's inputs, wherever the job starts.
    folder = Path(given.papers[0]).absolute().parent
    plan = load_plan({**snakemake.params.config, "papers": str(folder)}, "the configuration")
    comparisons = compare_all(list(plan.papers.values()), given.scores, given.predictions, given.runs)
    write_matrix(comparisons, made.table)
    write_ranking(comparisons, made.ranking)
    write_contrasts(comparisons, made.contrasts)
    draw_ranking(made.ranking[0], made.figure, given.runs)
