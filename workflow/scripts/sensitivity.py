"""Write the table of what a paper's open questions are worth, and its figure."""

from pathlib import Path

from refer.plan import load_plan
from refer.reporting.figures.sensitivity import draw_sensitivity
from refer.reporting.tables.sensitivity import write_sensitivity
from refer.workflow import job

with job(snakemake):
    given, made = snakemake.input, snakemake.output
    # The plan knows what is compared with what. The papers are the rule's inputs, wherever the job starts.
    folder = Path(given.papers[0]).absolute().parent
    plan = load_plan({**snakemake.params.config, "papers": str(folder)}, "the configuration")
    papers = {name: plan.papers[name] for name in plan.config.sensitivity}
    write_sensitivity(plan.switches(), papers, given.predictions, given.runs, made.table)
    draw_sensitivity(made.table[0], made.figure)
