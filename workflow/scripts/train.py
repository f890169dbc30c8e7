"""Train one run."""

from pathlib import Path

from refer.plan import Run
from refer.training.loop import train
from refer.workflow import job

run = Run.from_dict(snakemake.params.run)
parents = dict(zip(run.parents, map(Path, snakemake.input.parents), strict=True))

with job(snakemake) as track:
    train(
        run,
        Path(snakemake.input.images).parent,
        Path(snakemake.input.split),
        Path(snakemake.output.checkpoint).parent,
        preset=snakemake.params.preset,
        device=snakemake.params.device,
        deterministic=snakemake.params.deterministic,
        threads=snakemake.threads,
        parents=parents,
        backgrounds=Path(snakemake.input.backgrounds[0]).parent if snakemake.input.backgrounds else None,
        report=track("training", "images"),
        keep_state=True,
    )
