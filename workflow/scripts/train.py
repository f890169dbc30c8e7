"""Train one run, and predict with it while PyTorch and the data are at hand, for `infer` to take over."""

from pathlib import Path

from refer.evaluation.ahead import Asked, predict_ahead
from refer.plan import Run
from refer.training.train import train
from refer.workflow import job

run = Run.from_dict(snakemake.params.run)
parents = dict(zip(run.parents, map(Path, snakemake.input.parents), strict=True))
checkpoint = Path(snakemake.output.checkpoint)
prepared, split = Path(snakemake.input.images).parent, Path(snakemake.input.split)
how = {
    "preset": snakemake.params.preset,
    "device": snakemake.params.device,
    "threads": snakemake.threads,
    "backgrounds": Path(snakemake.input.backgrounds[0]).parent if snakemake.input.backgrounds else None,
}

with job(snakemake) as track:
    train(
        run,
        prepared,
        split,
        checkpoint.parent,
        deterministic=snakemake.params.deterministic,
        parents=parents,
        report=track("training", "images"),
        keep_state=True,
        **how,
    )
    predict_ahead(Asked(checkpoint, prepared, split, run.evaluated, **how))
