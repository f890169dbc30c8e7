"""Train fusion attention with each reading of a token, and test it in batches of several sizes and orders."""

from pathlib import Path

from refer.evaluation.batch_tokens import Grid, measure_batch_tokens
from refer.plan import Run
from refer.workflow import job

run = Run.from_dict(snakemake.params.run)
parents = dict(zip(run.parents, map(Path, snakemake.input.parents), strict=True))

with job(snakemake) as track:
    measure_batch_tokens(
        run,
        Path(snakemake.input.images).parent,
        Path(snakemake.input.split),
        parents,
        Grid([snakemake.wildcards.tokens], **snakemake.params.grid),
        Path(snakemake.output[0]),
        preset=snakemake.params.preset,
        device=snakemake.params.device,
        threads=snakemake.threads,
        report=track("testing", "networks"),
    )
