"""Write the front page of a preset."""

from pathlib import Path

from refer.papers import load_paper
from refer.reporting.page import KINDS, write_page
from refer.workflow import job


def drawn(paths):
    return [file for path in map(Path, paths) for file in (sorted(path.glob("*.svg")) if path.is_dir() else [path])]


with job(snakemake):
    given, params = snakemake.input, snakemake.params
    papers = {Path(path).stem: path for path in given.papers}
    write_page(
        snakemake.output[0],
        title=params.title,
        papers=[load_paper(path, params.choices.get(name), params.override[name]) for name, path in papers.items()],
        scores=given.scores,
        predictions=given.predictions,
        runs=given.runs,
        training=given.training,
        audits=given.audits,
        splits=given.splits,
        matrix=given.matrix or None,
        ranking=[given.ranking, given.contrasts] if given.ranking else (),
        ranked=given.ranked or None,
        sensitivity=given.sensitivity or None,
        swings=given.swings or None,
        batch_tokens=given.batch_tokens or None,
        batches=given.batches or None,
        timings=given.timings,
        figures={kind: drawn(given[kind]) for kind in KINDS},
        regenerate=params.regenerate,
        lacking=params.lacking,
        margin=params.margin,
    )
