"""Write the front page of a preset."""

from pathlib import Path

from refer.reporting.page import KINDS, write_page
from refer.reporting.report import Report
from refer.workflow import job, planned


def drawn(paths):
    return [file for path in map(Path, paths) for file in (sorted(path.glob("*.svg")) if path.is_dir() else [path])]


with job(snakemake):
    given, params = snakemake.input, snakemake.params
    plan = planned(snakemake)
    write_page(
        snakemake.output[0],
        title=plan.config.title,
        report=Report.read(plan, given.results, given.runs),
        audits=given.audits,
        splits=given.splits,
        batch_tokens=given.measured,
        timings=given.timings,
        figures={kind: drawn(given[kind]) for kind in KINDS},
        regenerate=params.regenerate,
        lacking=params.lacking,
    )
