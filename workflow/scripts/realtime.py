"""Measure how long trained networks take for one face on this machine."""

from pathlib import Path

from refer.evaluation.realtime import measure_latency
from refer.workflow import job

with job(snakemake) as track:
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    report = track("timing", "networks")
    for number, (checkpoint, out) in enumerate(zip(map(Path, given), map(Path, made), strict=True)):
        report(number, len(made))
        measure_latency(
            checkpoint,
            out,
            preset=params.preset,
            device=params.device,
            threads=params.threads,
            seconds=params.seconds,
        )
