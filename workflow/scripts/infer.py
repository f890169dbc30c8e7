"""Predict every image of the evaluated parts with a trained run, if the job that trained it has not done so yet."""

from pathlib import Path

from refer.evaluation.ahead import Asked, take_over
from refer.gpus import handed_out
from refer.training.run_folder import forget
from refer.workflow import gpus, job

given, params, out = snakemake.input, snakemake.params, Path(snakemake.output[0])

asked = Asked(
    Path(given.checkpoint),
    Path(given.images).parent,
    Path(given.split),
    params.evaluated,
    preset=params.preset,
    device=params.device,
    threads=snakemake.threads,
    backgrounds=Path(given.backgrounds[0]).parent if given.backgrounds else None,
)

with job(snakemake):
    if not take_over(asked, out):
        # Where predictions stood ready no GPU was asked for.
        with handed_out(gpus(params.device)):
            asked.predict(out)
    # Only now is it sure that Snakemake knows that the training is complete.
    forget(asked.checkpoint.parent)
