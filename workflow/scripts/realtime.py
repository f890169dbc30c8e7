"""Measure how long trained networks take for one face on this machine."""

from pathlib import Path

from refer.evaluation.realtime import measure_latency
from refer.papers import load_paper
from refer.reporting.realtime import write_realtime
from refer.workflow import job

with job(snakemake) as track:
    given, params, out = snakemake.input, snakemake.params, Path(snakemake.output.measured)
    out.mkdir(parents=True, exist_ok=True)
    report = track("timing", "networks")
    measured = []
    for number, checkpoint in enumerate(map(Path, given.checkpoints)):
        report(number, len(given.checkpoints))
        paper, data, _, method = checkpoint.parts[-6:-2]
        measured.append(out / f"{paper}.{data}.{method}.json")
        measure_latency(
            checkpoint,
            measured[-1],
            preset=params.preset,
            device=params.device,
            threads=params.threads,
            seconds=params.seconds,
        )
    write_realtime(measured, snakemake.output.table, [load_paper(path) for path in given.papers])
