# From predictions to scores: no data, no GPU, no torch from here on.

PREDICTIONS = [f"{RESULTS}/runs/{run.path}/predictions.parquet" for run in plan.runs()]
RECORDS = [f"{RESULTS}/runs/{run.path}/run.json" for run in plan.runs()]
CURVES = [f"{RESULTS}/runs/{run.path}/training.csv" for run in plan.runs()]


def runs_of(paths):
    """Of such a list, those of the paper and data set that the wildcards name."""
    return lambda wildcards: [path for path in paths if f"/runs/{wildcards.paper}/{wildcards.data}/" in path]


rule score:
    input:
        predictions=PREDICTIONS,
        runs=RECORDS,
    output:
        scores=f"{RESULTS}/scores.parquet",
        runs=report(
            multiext(f"{RESULTS}/tables/runs", ".csv", ".md", ".html"),
            caption="../captions/runs.rst",
            category="Provenance",
        ),
    log:
        f"{LOGS}/score.log",
    benchmark:
        f"{LOGS}/score.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=0,
    script:
        "../scripts/score.py"
